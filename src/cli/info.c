// info.c - `vkmoe info`.
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/try.h"
#include "base/value.h"
#include "model/model.h"
#include "weights/format.h"
#include "session.h"

static const char about[] =
    "Says what a model is made of, which commands run with it, and what stands in\n"
    "the way of others. MODEL is a directory as published on model hubs: config.json\n"
    "and *.safetensors, of any family, quantised or not; or a GGUF file.\n";

enum { REASON_SIZE = 1024, MAX_DTYPES = 32 };

// Tensors of one type.
struct dtype_sum {
    const char *name;
    uint64_t tensors, elements, size;
};

// What a command would do, or the line with which it would fail.
struct prospect {
    bool runs, from_text; // from_text: of `generate`, from more than token ids
    char reason[REASON_SIZE];
};

struct facts {
    const char *path;
    vkmoe_inventory *inventory;
    struct vkmoe_inventory_info all;
    struct vkmoe_checkpoint_info counted; // what the inventory says
    struct dtype_sum dtypes[MAX_DTYPES];  // beyond that, the last one has all others
    uint32_t dtype_count;
    vkmoe_checkpoint *checkpoint; // NULL: it cannot be used
    struct vkmoe_checkpoint_info info;
    // Of the first block with experts, if there is one and it can be used.
    struct vkmoe_moe_params params;
    char router[256], activation[64], formats[64]; // in words
    uint64_t block_size; // bytes of its expert matrices, the shared one included
    struct prospect layer, generate;
};

// ------------------------------------------------------------------------- tensors

static struct vkmoe_tensor_info get_tensor(const struct facts *facts, uint32_t index)
{
    struct vkmoe_tensor_info tensor = { VKMOE_INIT(vkmoe_tensor_info) };
    vkmoe_inventory_get_tensor(facts->inventory, index, &tensor);
    return tensor;
}

static uint32_t count_tensors(const struct facts *facts)
{
    return facts->counted.tensors + facts->all.absent_tensors;
}

static int compare_sizes(const void *a, const void *b)
{
    const struct dtype_sum *x = a, *y = b;
    return x->size != y->size ? (x->size < y->size ? 1 : -1) : strcmp(x->name, y->name);
}

static void add_up(struct facts *facts)
{
    for (uint32_t i = 0; i < count_tensors(facts); i++) {
        const struct vkmoe_tensor_info tensor = get_tensor(facts, i);
        if (tensor.absent)
            continue;
        uint32_t d = 0;
        while (d < facts->dtype_count && strcmp(facts->dtypes[d].name, tensor.dtype) != 0)
            d++;
        if (d == MAX_DTYPES)
            d--;
        else if (d == facts->dtype_count)
            facts->dtypes[facts->dtype_count++].name = tensor.dtype;
        facts->dtypes[d].tensors++;
        facts->dtypes[d].elements += tensor.elements;
        facts->dtypes[d].size += tensor.size;
    }
    qsort(facts->dtypes, facts->dtype_count, sizeof facts->dtypes[0], compare_sizes);
}

// ----------------------------------------------------------------------- what would run

static struct vkmoe_block block_at(const struct facts *facts, uint32_t index)
{
    const uint32_t first = facts->info.blocks;
    return index < first
        ? (struct vkmoe_block){ .index = index }
        : (struct vkmoe_block){ .index = index - first, .part = VKMOE_PART_DECODER };
}

// Of `rows` of it, or of as many matrices as there are; 0 if it is not there.
static uint64_t size_of(const struct vkmoe_view *view, uint64_t rows, uint32_t columns)
{
    return view && view->data ? vkmoe_format_matrix_size(view->dtype, rows, columns) : 0;
}

// Each format once, the experts' first.
static void name_formats(const struct vkmoe_moe_params *p, char *text, size_t size)
{
    const struct vkmoe_view *const views[] = { p->gate, p->up, p->down, &p->latent.down,
        &p->latent.up, &p->shared.gate, &p->shared.up, &p->shared.down };
    uint32_t seen = 0; // a bit for each
    size_t used = 0;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        const struct vkmoe_view *view = views[i];
        if (!view || !view->data || seen >> view->dtype & 1 || used >= size)
            continue;
        seen |= 1u << view->dtype;
        used += (size_t)snprintf(
            text + used, size - used, "%s%s", used ? ", " : "", cli_dtype_name(view->dtype));
    }
}

static void describe(struct facts *facts)
{
    const struct vkmoe_moe_params *p = &facts->params;
    name_formats(p, facts->formats, sizeof facts->formats);
    cli_describe_router(p, facts->router, sizeof facts->router);
    cli_describe_activation(p, facts->activation, sizeof facts->activation);
    const uint64_t inner = (uint64_t)p->inner * p->experts;
    const uint32_t width = p->latent.size ? p->latent.size : p->hidden;
    facts->block_size = size_of(p->gate, inner, width) + size_of(p->up, inner, width)
        + size_of(p->down, (uint64_t)width * p->experts, p->inner)
        + size_of(&p->latent.down, p->latent.size, p->hidden)
        + size_of(&p->latent.up, p->hidden, p->latent.size)
        + size_of(&p->shared.gate, p->shared.inner, p->hidden)
        + size_of(&p->shared.up, p->shared.inner, p->hidden)
        + size_of(&p->shared.down, p->hidden, p->shared.inner);
}

// Every block with experts, as `layer` would read it.
static enum vkmoe_status try_layers(struct facts *facts)
{
    const uint32_t all = facts->info.blocks + facts->info.decoder_blocks;
    if (facts->info.moe_blocks == 0)
        cli_fail("%s: no block holds experts", facts->path);
    enum vkmoe_status status = facts->info.moe_blocks == 0 ? VKMOE_ERROR_UNSUPPORTED : VKMOE_OK;
    for (uint32_t i = 0; i < all && status == VKMOE_OK; i++) {
        const struct vkmoe_block block = block_at(facts, i);
        struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
        if (!vkmoe_checkpoint_is_moe(facts->checkpoint, block))
            continue;
        status = vkmoe_checkpoint_get_moe(facts->checkpoint, block, &params);
        if (status == VKMOE_OK && facts->block_size == 0) {
            facts->params = params;
            describe(facts);
        }
        if (status == VKMOE_OK)
            status = vkmoe_moe_check(&(struct caller){ &cli_log, "vkmoe_moe_create" }, &params);
    }
    return status;
}

// Who refuses a part of a whole model.
static const struct caller model_maker = { &cli_log, "vkmoe_model_create" };

static enum vkmoe_status try_attention(struct facts *facts, struct vkmoe_block block)
{
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    struct vkmoe_view norm, second_norm;
    TRY_RETURN(vkmoe_checkpoint_get_attention(facts->checkpoint, block, &attention));
    TRY_RETURN(vkmoe_attention_check(&model_maker, &attention));
    return vkmoe_checkpoint_get_norms(facts->checkpoint, block, &norm, &second_norm);
}

// All that vkmoe_model_create() would read, and check before it asks a device for anything.
static enum vkmoe_status try_whole(struct facts *facts)
{
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    const uint32_t all = facts->info.blocks + facts->info.decoder_blocks;
    enum vkmoe_status status = vkmoe_checkpoint_get_frame(facts->checkpoint, &frame);
    if (status == VKMOE_OK)
        status = vkmoe_frame_check(&model_maker, &frame);
    for (uint32_t i = 0; i < all && status == VKMOE_OK; i++) {
        struct vkmoe_block block = block_at(facts, i), cross = block;
        struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
        status = vkmoe_checkpoint_is_moe(facts->checkpoint, block)
            ? vkmoe_checkpoint_get_moe(facts->checkpoint, block, &params)
            : vkmoe_checkpoint_get_mlp(facts->checkpoint, block, &params);
        if (status == VKMOE_OK)
            status = vkmoe_moe_check(&model_maker, &params);
        if (status == VKMOE_OK)
            status = try_attention(facts, block);
        cross.part = VKMOE_PART_CROSS;
        if (status == VKMOE_OK && block.part != VKMOE_PART_BLOCKS)
            status = try_attention(facts, cross);
    }
    return status;
}

// Asks the functions that would refuse. What they say is kept.
static void try_commands(struct facts *facts)
{
    struct prospect *layer = &facts->layer, *generate = &facts->generate;
    const struct cli_capture before =
        cli_capture((struct cli_capture){ layer->reason, REASON_SIZE });
    if (cli_open_model(facts->path, &facts->checkpoint) != 0) {
        strcpy(generate->reason, layer->reason);
        goto done;
    }
    vkmoe_checkpoint_get_info(facts->checkpoint, &facts->info);
    facts->counted.parameters = facts->info.parameters; // not words, nor scales
    layer->runs = cli_result(try_layers(facts), facts->path) == 0;

    cli_capture((struct cli_capture){ generate->reason, REASON_SIZE });
    generate->runs = cli_result(try_whole(facts), facts->path) == 0;
    if (generate->runs) {
        struct cli_session session;
        generate->from_text = cli_session_open(&session, facts->path,
                                  &(struct cli_prompt){ .data = (char *)"a", .size = 1 }, NULL)
            == 0;
        cli_session_close(&session);
    }
done:
    cli_restore(before);
}

// ---------------------------------------------------------------------------- blocks

static bool is_moe(const struct facts *facts, bool decoder, uint32_t index)
{
    return vkmoe_checkpoint_is_moe(facts->checkpoint,
        (struct vkmoe_block){
            .index = index, .part = decoder ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS });
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
            used += (size_t)snprintf(
                text + used, size - used, "%s%u", end - i > 2 ? " to " : ", ", end - 1);
    }
    if (used >= size)
        strcpy(text + size - 4, "...");
    return count;
}

static void add_blocks(
    struct cli_table *table, const struct facts *facts, const char *what, bool decoder)
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
    const struct vkmoe_checkpoint_info *info = &facts->info;
    cli_table_add(table, CLI_PLAIN, "experts");
    cli_table_add(table, CLI_PLAIN, "%u in a block, of which a token takes %u%s", info->experts,
        info->experts_per_token, info->shared_inner ? " and the shared one" : "");
    cli_table_add(table, CLI_PLAIN, "router");
    cli_table_add(table, CLI_PLAIN, "%s", facts->router);
    cli_table_add(table, CLI_PLAIN, "widths");
    char latent[32] = "", shared[40] = "";
    if (facts->params.latent.size)
        snprintf(latent, sizeof latent, ", latent %u", facts->params.latent.size);
    if (info->shared_inner)
        snprintf(shared, sizeof shared, ", in the shared one %u", info->shared_inner);
    cli_table_add(table, CLI_PLAIN, "hidden %u%s, in an expert %u%s", info->hidden, latent,
        info->inner, shared);
    cli_table_add(table, CLI_PLAIN, "activation");
    cli_table_add(table, CLI_PLAIN, "%s", facts->activation);
    cli_table_add(table, CLI_PLAIN, "weights");
    cli_table_add(table, CLI_PLAIN, "%s, %s for the experts of a block", facts->formats,
        cli_bytes(facts->block_size).text);
}

// `text` from a file, for a terminal.
static const char *printable(const char *text, char *buffer, size_t size)
{
    return vkmoe_printable(text, buffer, size);
}

static void add_family(struct cli_table *table, const struct facts *facts)
{
    const char *treated_as = facts->counted.treated_as;
    char name[64];
    printable(facts->all.model_type, name, sizeof name);
    cli_table_add(table, CLI_PLAIN, "family");
    if (!treated_as[0])
        cli_table_add(
            table, CLI_BOLD, "%s, which this version does not know", name[0] ? name : "unnamed");
    else if (strcmp(treated_as, name) == 0)
        cli_table_add(table, CLI_BOLD, "%s", name);
    else
        cli_table_add(table, CLI_BOLD, "%s, treated as %s", name, treated_as);
    if (facts->all.quantisation[0])
        cli_table_row(table, "quantised", "%s", facts->all.quantisation);
}

// Of a family that is known, in a checkpoint that cannot be used.
static void add_config(struct cli_table *table, const struct vkmoe_checkpoint_info *info)
{
    cli_table_row(table, "blocks", "%u, of which %u with experts",
        info->blocks + info->decoder_blocks, info->moe_blocks);
    if (info->moe_blocks == 0)
        return;
    cli_table_row(table, "experts", "%u in a block, of which a token takes %u%s", info->experts,
        info->experts_per_token, info->shared_inner ? " and the shared one" : "");
    cli_table_row(table, "widths", "hidden %u, in an expert %u", info->hidden, info->inner);
}

static void add_sizes(struct cli_table *table, const struct facts *facts)
{
    const struct vkmoe_checkpoint_info *info = &facts->counted;
    if (info->treated_as[0])
        cli_table_row(table, "vocabulary", "%u", info->vocabulary);
    cli_table_row(table, "parameters", "%s in %u tensor%s", cli_quantity(info->parameters).text,
        info->tensors, info->tensors == 1 ? "" : "s");
    for (uint32_t i = 0; i < facts->dtype_count; i++)
        cli_table_row(table, i ? "" : "types", "%s: %s in %llu tensor%s", facts->dtypes[i].name,
            cli_bytes(facts->dtypes[i].size).text, (unsigned long long)facts->dtypes[i].tensors,
            facts->dtypes[i].tensors == 1 ? "" : "s");
    cli_table_row(table, "size", "%s in %u file%s", cli_bytes(info->file_size).text, info->files,
        info->files == 1 ? "" : "s");
    if (facts->all.absent_tensors)
        cli_table_row(table, "missing", "%u tensor%s and %u file%s that the index names",
            facts->all.absent_tensors, facts->all.absent_tensors == 1 ? "" : "s",
            facts->all.missing_files, facts->all.missing_files == 1 ? "" : "s");
}

static void add_prospects(struct cli_table *table, const struct facts *facts)
{
    const struct prospect *layer = &facts->layer, *generate = &facts->generate;
    char reason[REASON_SIZE];
    cli_table_row(table, "layer", "%s%s",
        layer->runs             ? "runs"
            : facts->block_size ? "does not run for every block: "
                                : "does not run: ",
        layer->runs ? "" : printable(layer->reason, reason, sizeof reason));
    printable(generate->reason, reason, sizeof reason);
    cli_table_row(table, "generate", "%s%s",
        !generate->runs           ? "does not run: "
            : generate->from_text ? "runs"
                                  : "runs from token ids only: ",
        generate->from_text ? "" : reason);
}

static void print_facts(const struct facts *facts)
{
    const struct vkmoe_checkpoint_info *info = &facts->info;
    struct cli_table table = { .columns = "ll" };
    add_family(&table, facts);
    if (facts->checkpoint)
        add_blocks(&table, facts, info->decoder_blocks ? "encoder" : "blocks", false);
    else if (facts->counted.treated_as[0])
        add_config(&table, &facts->counted);
    if (info->decoder_blocks)
        add_blocks(&table, facts, "decoder", true);
    if (facts->block_size)
        add_experts(&table, facts);
    add_sizes(&table, facts);
    add_prospects(&table, facts);
    cli_table_print(&table, 0);
}

static void print_tensors(const struct facts *facts)
{
    struct cli_table table = { .columns = "lllrl" };
    printf("\n");
    for (uint32_t i = 0; i < count_tensors(facts); i++) {
        const struct vkmoe_tensor_info tensor = get_tensor(facts, i);
        char shape[200] = "";
        size_t used = 0;
        for (uint32_t j = 0; j < tensor.rank; j++)
            used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%llu", j ? ", " : "",
                (unsigned long long)tensor.shape[j]);
        const char *slash = strrchr(tensor.file, '/');
        cli_table_add(&table, CLI_PLAIN, "%s", tensor.name);
        cli_table_add(&table, CLI_PLAIN, "%s", tensor.absent ? "absent" : tensor.dtype);
        cli_table_add(&table, CLI_PLAIN, "[%s]", shape);
        cli_table_add(&table, CLI_PLAIN, "%s", cli_bytes(tensor.size).text);
        cli_table_add(&table, CLI_PLAIN, "%s", slash ? slash + 1 : tensor.file);
    }
    cli_table_print(&table, 0);
}

// ------------------------------------------------------------------------------ JSON

static void add_tensors_json(cJSON *json, const struct facts *facts)
{
    cJSON *list = cJSON_AddArrayToObject(json, "tensor_list");
    for (uint32_t i = 0; i < count_tensors(facts); i++) {
        const struct vkmoe_tensor_info tensor = get_tensor(facts, i);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddItemToArray(list, item);
        cli_json_text(item, "name", tensor.name);
        cli_json_text(item, "file", tensor.file);
        if (tensor.absent) {
            cJSON_AddBoolToObject(item, "absent", true);
            continue;
        }
        cli_json_text(item, "dtype", tensor.dtype);
        cJSON *shape = cJSON_AddArrayToObject(item, "shape");
        for (uint32_t j = 0; j < tensor.rank; j++)
            cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)tensor.shape[j]));
        cJSON_AddNumberToObject(item, "size", (double)tensor.size);
    }
}

static void add_dtypes_json(cJSON *json, const struct facts *facts)
{
    cJSON *list = cJSON_AddArrayToObject(json, "types");
    for (uint32_t i = 0; i < facts->dtype_count; i++) {
        const struct dtype_sum *sum = &facts->dtypes[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddItemToArray(list, item);
        cli_json_text(item, "dtype", sum->name);
        cJSON_AddNumberToObject(item, "tensors", (double)sum->tensors);
        cJSON_AddNumberToObject(item, "elements", (double)sum->elements);
        cJSON_AddNumberToObject(item, "size", (double)sum->size);
    }
}

static void add_prospect_json(
    cJSON *json, const char *command, const struct prospect *prospect, bool with_text)
{
    cJSON *item = cJSON_AddObjectToObject(json, command);
    cJSON_AddBoolToObject(item, "runs", prospect->runs);
    if (with_text)
        cJSON_AddBoolToObject(item, "from_text", prospect->from_text);
    if (prospect->reason[0])
        cli_json_text(item, "reason", prospect->reason);
}

static int print_facts_json(const struct facts *facts, bool tensors)
{
    const struct vkmoe_checkpoint_info *info = &facts->counted;
#define NAMED(field) #field, info->field
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = { { NAMED(blocks) }, { NAMED(decoder_blocks) }, { NAMED(vocabulary) },
        { NAMED(parameters) }, { NAMED(tensors) }, { NAMED(files) }, { NAMED(file_size) },
        // Of the experts.
        { NAMED(hidden) }, { NAMED(inner) }, { NAMED(experts) }, { NAMED(experts_per_token) },
        { NAMED(shared_inner) }, { "block_experts_size", facts->block_size } };
#undef NAMED
    enum { ALWAYS = 7, ALL = sizeof numbers / sizeof numbers[0] };
    cJSON *json = cJSON_CreateObject();
    cli_json_text(json, "model", facts->path);
    cli_json_text(json, "family", facts->all.model_type);
    if (info->treated_as[0])
        cli_json_text(json, "treated_as", info->treated_as);
    if (facts->all.quantisation[0])
        cli_json_text(json, "quantisation", facts->all.quantisation);
    for (int i = 0; i < (info->moe_blocks ? ALL : ALWAYS); i++)
        cJSON_AddNumberToObject(json, numbers[i].key, (double)numbers[i].value);
    if (facts->block_size) {
        cJSON_AddStringToObject(json, "dtype", cli_dtype_name(facts->info.dtype));
        cJSON_AddStringToObject(json, "router", facts->router);
        cJSON_AddStringToObject(json, "activation", facts->activation);
    }
    cJSON *moe = cJSON_AddArrayToObject(json, "moe_blocks"); // as --layer takes them
    for (int decoder = 0; decoder < 2; decoder++) {
        for (uint32_t i = 0; i < (decoder ? info->decoder_blocks : info->blocks); i++) {
            struct vkmoe_block block = { .index = i,
                .part = decoder ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS };
            if (facts->checkpoint && vkmoe_checkpoint_is_moe(facts->checkpoint, block))
                cJSON_AddItemToArray(moe, cJSON_CreateString(cli_block_label(block).text));
        }
    }
    add_dtypes_json(json, facts);
    add_prospect_json(json, "layer", &facts->layer, false);
    add_prospect_json(json, "generate", &facts->generate, true);
    if (tensors)
        add_tensors_json(json, facts);
    return cli_print_json(json);
}

int cli_command_info(int argc, char **argv)
{
    bool json = false, tensors = false;
    struct facts facts = { .all = { VKMOE_INIT(vkmoe_inventory_info) },
        .counted = { VKMOE_INIT(vkmoe_checkpoint_info) },
        .info = { VKMOE_INIT(vkmoe_checkpoint_info) },
        .params = { VKMOE_INIT(vkmoe_moe_params) } };
    const struct cli_option options[] = {
        { .name = "tensors", .help = "list every tensor", .flag = &tensors },
        CLI_JSON(&json),
    };
    int status = CLI_PARSE_MODEL(argc, argv, "info", &facts.path, options, about);
    if (status >= 0)
        return status;

    status = cli_result(vkmoe_inventory_open(facts.path, &cli_log, &facts.inventory), facts.path);
    if (status == 0) {
        vkmoe_inventory_get_info(facts.inventory, &facts.all);
        vkmoe_inventory_get_checkpoint_info(facts.inventory, &facts.counted);
        add_up(&facts);
        try_commands(&facts);
    }
    if (status == 0 && json) {
        status = print_facts_json(&facts, tensors);
    } else if (status == 0) {
        print_facts(&facts);
        if (tensors)
            print_tensors(&facts);
    }
    vkmoe_checkpoint_destroy(&facts.checkpoint);
    vkmoe_inventory_destroy(&facts.inventory);
    return status;
}
