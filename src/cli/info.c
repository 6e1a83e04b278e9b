// info.c - `vkmoe info`.
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "dtype.h"

struct facts {
    const char *path;
    vkmoe_model *model;
    struct vkmoe_model_info info;
    // Of the first block with experts, if there is one.
    struct vkmoe_layer_params params;
    char router[256], activation[64];
    uint64_t block_size; // bytes of its expert matrices, the shared one included
};

static int gather(struct facts *facts)
{
    const struct vkmoe_model_info *info = &facts->info;
    const uint32_t all = info->blocks + info->decoder_blocks;
    for (uint32_t i = 0; i < all; i++) {
        struct vkmoe_block block = {.index = i};
        if (i >= info->blocks)
            block = (struct vkmoe_block){.index = i - info->blocks, .decoder = true};
        if (!vkmoe_model_is_moe(facts->model, block))
            continue;
        int status = cli_result(vkmoe_model_get_layer(facts->model, block, &facts->params),
            facts->path);
        if (status != 0)
            return status;
        const struct vkmoe_layer_params *p = &facts->params;
        cli_describe_router(p, facts->router, sizeof facts->router);
        cli_describe_activation(p, facts->activation, sizeof facts->activation);
        const uint64_t matrices = p->gate ? 3 : 2, shared_matrices = p->shared_gate.data ? 3 : 2;
        facts->block_size = dtype_size(info->dtype) * p->hidden
            * (matrices * p->inner * p->experts + shared_matrices * p->shared_inner);
        break;
    }
    return 0;
}

static bool is_moe(const struct facts *facts, bool decoder, uint32_t index)
{
    return vkmoe_model_is_moe(facts->model,
        (struct vkmoe_block){.index = index, .decoder = decoder});
}

// "0 to 3", "1, 3, 5": the numbers of a stack's blocks with experts. Returns how many.
static uint32_t list_blocks(const struct facts *facts, bool decoder, char *text, size_t size)
{
    const uint32_t blocks = decoder ? facts->info.decoder_blocks : facts->info.blocks;
    uint32_t count = 0, end;
    size_t used = 0;
    *text = '\0';
    for (uint32_t i = 0; i < blocks; i = end + 1) {
        for (end = i; end < blocks && is_moe(facts, decoder, end); end++)
            count++;
        if (end == i || used >= size)
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%u", used ? ", " : "", i);
        if (end - i > 1 && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%u", end - i > 2 ? " to " : ", ",
                end - 1);
    }
    if (used >= size)
        strcpy(text + size - 4, "...");
    return count;
}

static void add_blocks(struct cli_table *table, const struct facts *facts, const char *what,
    bool decoder)
{
    char list[200];
    const uint32_t blocks = decoder ? facts->info.decoder_blocks : facts->info.blocks;
    const uint32_t count = list_blocks(facts, decoder, list, sizeof list);
    cli_table_add(table, CLI_PLAIN, "%s", what);
    if (count == 0)
        cli_table_add(table, CLI_PLAIN, "%u, none with experts", blocks);
    else if (count == blocks)
        cli_table_add(table, CLI_PLAIN, "%u, all with experts", blocks);
    else
        cli_table_add(table, CLI_PLAIN, "%u, of which %u with experts: %s", blocks, count, list);
}

static void add_experts(struct cli_table *table, const struct facts *facts)
{
    const struct vkmoe_model_info *info = &facts->info;
    cli_table_add(table, CLI_PLAIN, "experts");
    cli_table_add(table, CLI_PLAIN, "%u in a block, of which a token takes %u%s", info->experts,
        info->experts_per_token, info->shared_inner ? " and the shared one" : "");
    cli_table_add(table, CLI_PLAIN, "router");
    cli_table_add(table, CLI_PLAIN, "%s", facts->router);
    cli_table_add(table, CLI_PLAIN, "widths");
    if (info->shared_inner)
        cli_table_add(table, CLI_PLAIN, "hidden %u, in an expert %u, in the shared one %u",
            info->hidden, info->inner, info->shared_inner);
    else
        cli_table_add(table, CLI_PLAIN, "hidden %u, in an expert %u", info->hidden, info->inner);
    cli_table_add(table, CLI_PLAIN, "activation");
    cli_table_add(table, CLI_PLAIN, "%s", facts->activation);
    cli_table_add(table, CLI_PLAIN, "weights");
    cli_table_add(table, CLI_PLAIN, "%s, %s for the experts of a block",
        cli_dtype_name(info->dtype), cli_bytes(facts->block_size).text);
}

static void print_facts(const struct facts *facts)
{
    const struct vkmoe_model_info *info = &facts->info;
    struct cli_table table = {.columns = "ll"};
    cli_table_add(&table, CLI_PLAIN, "family");
    cli_table_add(&table, CLI_BOLD, "%s", info->family);
    add_blocks(&table, facts, info->decoder_blocks ? "encoder" : "blocks", false);
    if (info->decoder_blocks)
        add_blocks(&table, facts, "decoder", true);
    if (info->moe_blocks)
        add_experts(&table, facts);
    cli_table_add(&table, CLI_PLAIN, "vocabulary");
    cli_table_add(&table, CLI_PLAIN, "%u", info->vocabulary);
    cli_table_add(&table, CLI_PLAIN, "parameters");
    cli_table_add(&table, CLI_PLAIN, "%s in %u tensors", cli_quantity(info->parameters).text,
        info->tensors);
    cli_table_add(&table, CLI_PLAIN, "size");
    cli_table_add(&table, CLI_PLAIN, "%s in %u file%s", cli_bytes(info->file_size).text,
        info->files, info->files == 1 ? "" : "s");
    cli_table_print(&table, 0);
}

static int print_facts_json(const struct facts *facts)
{
    const struct vkmoe_model_info *info = &facts->info;
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"blocks", info->blocks}, {"decoder_blocks", info->decoder_blocks},
        {"vocabulary", info->vocabulary}, {"parameters", info->parameters},
        {"tensors", info->tensors}, {"files", info->files}, {"file_size", info->file_size},
        {"hidden", info->hidden}, {"inner", info->inner}, {"experts", info->experts},
        {"experts_per_token", info->experts_per_token}, {"shared_inner", info->shared_inner},
        {"block_experts_size", facts->block_size},
    };
    enum { ALWAYS = 7, ALL = sizeof numbers / sizeof numbers[0] };
    cJSON *json = cJSON_CreateObject();
    cli_json_text(json, "model", facts->path);
    cli_json_text(json, "family", info->family);
    for (int i = 0; i < (info->moe_blocks ? ALL : ALWAYS); i++)
        cJSON_AddNumberToObject(json, numbers[i].key, (double)numbers[i].value);
    if (info->moe_blocks) {
        cJSON_AddStringToObject(json, "dtype", cli_dtype_name(info->dtype));
        cJSON_AddStringToObject(json, "router", facts->router);
        cJSON_AddStringToObject(json, "activation", facts->activation);
    }
    cJSON *moe = cJSON_AddArrayToObject(json, "moe_blocks"); // as --layer takes them
    for (int decoder = 0; decoder < 2; decoder++) {
        for (uint32_t i = 0; i < (decoder ? info->decoder_blocks : info->blocks); i++) {
            struct vkmoe_block block = {.index = i, .decoder = decoder};
            if (vkmoe_model_is_moe(facts->model, block))
                cJSON_AddItemToArray(moe, cJSON_CreateString(cli_block_label(block).text));
        }
    }
    return cli_print_json(json);
}

int cli_command_info(int argc, char **argv)
{
    bool json = false;
    struct facts facts = {0};
    const struct cli_option options[] = {CLI_JSON(&json)};
    int status = cli_parse(&(struct cli_usage){
        .command = "info",
        .operand = "MODEL",
        .operand_target = &facts.path,
        .about = "Says what a model is made of. MODEL is a directory as published on model hubs:\n"
            "config.json and *.safetensors.\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    }, argc, argv);
    if (status >= 0)
        return status;

    status = cli_open_model(facts.path, &facts.model);
    if (status == 0) {
        vkmoe_model_get_info(facts.model, &facts.info);
        status = gather(&facts);
    }
    if (status == 0 && json)
        status = print_facts_json(&facts);
    else if (status == 0)
        print_facts(&facts);
    vkmoe_model_destroy(&facts.model);
    return status;
}
