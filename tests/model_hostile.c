// model_hostile.c - files that are cut, corrupt or made to do harm: the loader must refuse
// each with its status and one line that says what is wrong, and touch nothing it should
// not (run under AddressSanitizer and UndefinedBehaviorSanitizer). No device is needed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vkmoe/model.h>

#include "model_hostile.h"
#include "check.h"
#include "folder.h"

// ---------------------------------------------------------------------------- files

// A model of two experts that opens: what the cases below spoil.
static const char good_config[] =
    "{\"model_type\":\"mixtral\",\"hidden_size\":4,\"intermediate_size\":2,"
    "\"num_hidden_layers\":1,\"num_local_experts\":2,\"num_experts_per_tok\":1,"
    "\"hidden_act\":\"silu\",\"vocab_size\":3}";

static const char good_header[] =
    "{\"__metadata__\":{\"format\":\"pt\"}," TENSOR("gate", "2,4", 0, 32) "," TENSOR("experts.0.w1",
        "2,4", 32, 64) "," TENSOR("experts.0.w2", "4,2", 64, 96) "," TENSOR("experts.0.w3", "2,4",
        96, 128) "," TENSOR("experts.1.w1", "2,4", 128, 160) "," TENSOR("experts.1.w2", "4,2", 160,
        192) "," TENSOR("experts.1.w3", "2,4", 192, 224) "}";
enum { DATA_SIZE = 224 };

// header_size UINT64_MAX: the true one.
static void write_tensors(
    const char *name, const char *header, uint64_t header_size, size_t data_size)
{
    size_t true_size = strlen(header);
    if (header_size == UINT64_MAX)
        header_size = true_size;
    unsigned char *file = calloc(1, 8 + true_size + data_size);
    if (!file)
        abort();
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)(header_size >> 8 * i);
    memcpy(file + 8, header, true_size);
    folder_write(name, file, 8 + true_size + data_size);
    free(file);
}

static void write_good(void)
{
    folder_empty();
    folder_write_text("config.json", good_config);
    write_tensors("model.safetensors", good_header, UINT64_MAX, DATA_SIZE);
}

// `text` with the first `old` replaced; release it.
static char *replace(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    if (!at) {
        fprintf(stderr, "%s is not in the text to be spoilt\n", old);
        exit(2);
    }
    char *out = malloc(strlen(text) + strlen(new) + 1);
    if (!out)
        abort();
    memcpy(out, text, (size_t)(at - text));
    strcpy(out + (at - text), new);
    strcat(out, at + strlen(old));
    return out;
}

// -------------------------------------------------------------------------- refusal

static void keep_line(void *user, enum vkmoe_log_level level, const char *line)
{
    struct lines *lines = user;
    (void)level;
    lines->count++;
    snprintf(lines->last, sizeof lines->last, "%s", line);
    for (; *line; line++)
        lines->unprintable = lines->unprintable || (unsigned char)*line < 0x20;
}

enum vkmoe_status open_hostile(const char *path, struct lines *lines, vkmoe_checkpoint **out)
{
    const struct vkmoe_log log = { .write = keep_line, .user = lines };
    *lines = (struct lines){ 0 };
    return vkmoe_checkpoint_open(path, &log, out);
}

// Opening `path` fails like this, with one line that contains `text`.
static bool refuses(const char *path, enum vkmoe_status expected, const char *text)
{
    struct lines lines = { 0 };
    const struct vkmoe_log log = { .write = keep_line, .user = &lines };
    vkmoe_checkpoint *model = (vkmoe_checkpoint *)&lines; // must become NULL
    enum vkmoe_status status = vkmoe_checkpoint_open(path, &log, &model);
    bool ok = status == expected && !model && lines.count == 1 && !lines.unprintable
        && strstr(lines.last, text);
    if (!ok)
        tap_note("%s, expected %s; %u lines, the last: %s; expected in it: %s",
            vkmoe_status_name(status), vkmoe_status_name(expected), lines.count, lines.last, text);
    if (status == VKMOE_OK)
        vkmoe_checkpoint_destroy(&model);
    return ok;
}

static bool opens(const char *path)
{
    struct lines lines;
    vkmoe_checkpoint *model;
    const enum vkmoe_status status = open_hostile(path, &lines, &model);
    if (status != VKMOE_OK)
        tap_note("%s: %s", vkmoe_status_name(status), lines.last);
    vkmoe_checkpoint_destroy(&model);
    return status == VKMOE_OK;
}

static bool check_spoilt(const struct spoilt *c)
{
    return c->status == OK ? opens(folder) : refuses(folder, (enum vkmoe_status)c->status, c->text);
}

// --------------------------------------------------------------------------- config

// Whole configs of other families: settings that this version cannot honour.
struct hostile_file {
    const char *name, *content;
    int status;
    const char *text;
};

static const struct hostile_file family_configs[] = {
    { "nemotron latent",
        "{\"model_type\":\"nemotron_h\",\"hybrid_override_pattern\":\"E\","
        "\"moe_latent_size\":65537}",
        INVALID, "moe_latent_size" },
    { "nemotron pattern", "{\"model_type\":\"nemotron_h\",\"hybrid_override_pattern\":\"EX\"}",
        INVALID, "hybrid_override_pattern" },
    { "nemotron without blocks", "{\"model_type\":\"nemotron_h\"}", INVALID, "no blocks" },
    { "deepseek scoring", "{\"model_type\":\"deepseek_v3\",\"scoring_func\":\"softmax\"}",
        UNSUPPORTED, "scoring_func is \"softmax\", only sigmoid" },
    { "deepseek method",
        "{\"model_type\":\"deepseek_v2\",\"num_experts_per_tok\":2,"
        "\"topk_method\":\"noaux_tc\"}",
        UNSUPPORTED, "topk_method" },
    { "deepseek without k", "{\"model_type\":\"deepseek_v2\"}", INVALID,
        "needs num_experts_per_tok" },
    { "uneven groups", "{\"model_type\":\"deepseek_v3\",\"n_group\":7}", INVALID, "7 groups" },
    { "too few groups", "{\"model_type\":\"deepseek_v3\",\"n_group\":256,\"topk_group\":4}",
        INVALID, "256 groups" },
    { "more groups kept than there are",
        "{\"model_type\":\"deepseek_v3\",\"n_group\":8,\"topk_group\":9}", INVALID, "8 groups" },
    { "laguna weight", "{\"model_type\":\"laguna\",\"moe_apply_router_weight_on_input\":true}",
        UNSUPPORTED, "moe_apply_router_weight_on_input is true" },
    { "grok cap", "{\"model_type\":\"grok\",\"router_logit_softcapping\":-1}", INVALID,
        "router_logit_softcapping is -1, expected at least 0" },
    { "grok beside", "{\"model_type\":\"grok\",\"residual_moe\":3}", INVALID, "residual_moe is 3" },
    { "git without experts", "{\"model_type\":\"git\",\"hidden_size\":768}", UNSUPPORTED,
        "has the block of grok, but not its presets: needs num_hidden_layers" },
    { "laguna cap", "{\"model_type\":\"laguna\",\"moe_router_logit_softcapping\":-1}", INVALID,
        "moe_router_logit_softcapping is -1" },
    { "zero scale", "{\"model_type\":\"deepseek_v3\",\"routed_scaling_factor\":0}", INVALID,
        "routed_scaling_factor is 0" },
    { "huge scale", "{\"model_type\":\"deepseek_v3\",\"routed_scaling_factor\":1e300}", INVALID,
        "routed_scaling_factor" },
    { "wide shared experts", "{\"model_type\":\"deepseek_v3\",\"n_shared_experts\":1000}", INVALID,
        "shared" },
    { "flag no boolean", "{\"model_type\":\"qwen3_moe\",\"norm_topk_prob\":\"yes\"}", INVALID,
        "norm_topk_prob is \"yes\"" },
    { "zero step", "{\"model_type\":\"qwen3_moe\",\"decoder_sparse_step\":0}", INVALID,
        "decoder_sparse_step is 0" },
    { "list of names", "{\"model_type\":\"qwen3_moe\",\"mlp_only_layers\":[\"a\"]}", INVALID,
        "mlp_only_layers" },
    { "jamba offset", "{\"model_type\":\"jamba\",\"expert_layer_offset\":2}", INVALID,
        "expert_layer_offset is 2" },
    { "phi with three", "{\"model_type\":\"phimoe\",\"num_experts_per_tok\":3}", UNSUPPORTED,
        "num_experts_per_tok is 3, only 2" },
    { "mimo dense", "{\"model_type\":\"mimo_v2_flash\",\"num_hidden_layers\":2}", INVALID,
        "needs moe_layer_freq" },
    { "mimo shared",
        "{\"model_type\":\"mimo_v2_flash\",\"num_hidden_layers\":2,\"moe_layer_freq\":[1,1],"
        "\"n_shared_experts\":1}",
        UNSUPPORTED, "n_shared_experts is 1" },
    { "step blocks", "{\"model_type\":\"step3p5\"}", INVALID, "needs moe_layers_enum" },
    { "step block", "{\"model_type\":\"step3p5\",\"moe_layers_enum\":\"1,2a\"}", INVALID,
        "moe_layers_enum has something else" },
    { "step comma", "{\"model_type\":\"step3p5\",\"moe_layers_enum\":\"1,\"}", INVALID,
        "moe_layers_enum has something else" },
    { "step gate unsaid", "{\"model_type\":\"step3p5\",\"moe_layers_enum\":\"1\"}", UNSUPPORTED,
        "needs moe_router_activation" },
    { "step3p5 activation",
        "{\"model_type\":\"step3p5\",\"moe_layers_enum\":\"1\",\"hidden_act\":\"gelu\"}",
        UNSUPPORTED, "hidden_act is \"gelu\", only silu" },
    { "step gate",
        "{\"model_type\":\"step3p5\",\"moe_layers_enum\":\"1\","
        "\"moe_router_activation\":\"softmax\"}",
        UNSUPPORTED, "moe_router_activation is \"softmax\"" },
    { "dbrx norm", "{\"model_type\":\"dbrx\",\"ffn_config\":{\"moe_normalize_expert_weights\":2}}",
        UNSUPPORTED, "moe_normalize_expert_weights is 2, only 1 is supported" },
    { "dbrx list", "{\"model_type\":\"dbrx\",\"ffn_config\":[]}", INVALID,
        "ffn_config is no object" },
    { "dbrx approximation",
        "{\"model_type\":\"dbrx\",\"ffn_config\":{\"ffn_act_fn\":{\"name\":\"gelu\","
        "\"approximate\":\"tanh\"}}}",
        UNSUPPORTED, "ffn_config/ffn_act_fn has an approximation" },
    { "dbrx activation",
        "{\"model_type\":\"dbrx\",\"ffn_config\":{\"ffn_act_fn\":{\"name\":\"selu\"}}}",
        UNSUPPORTED, "\"selu\", an unknown activation" },
    { "smallthinker activation", "{\"model_type\":\"smallthinker\",\"hidden_act\":\"silu\"}",
        UNSUPPORTED, "hidden_act is \"silu\", only relu" },
    { "smallthinker late", "{\"model_type\":\"smallthinker\",\"moe_enable_early_router\":false}",
        UNSUPPORTED, "moe_enable_early_router is false, only true" },
    { "smallthinker secondary",
        "{\"model_type\":\"smallthinker\",\"moe_enable_secondary_experts\":true}", UNSUPPORTED,
        "moe_enable_secondary_experts is true, only false" },
    { "smallthinker shared", "{\"model_type\":\"smallthinker\",\"moe_shared_primary_experts\":1}",
        UNSUPPORTED, "moe_shared_primary_experts is 1, only 0" },
    { "smallthinker softmax",
        "{\"model_type\":\"smallthinker\",\"moe_primary_router_apply_softmax\":1}", INVALID,
        "moe_primary_router_apply_softmax is 1" },
    { "arctic blocks", "{\"model_type\":\"arctic\",\"parallel_attn_mlp_res\":true}", UNSUPPORTED,
        "moe_layer_frequency is 2, only 1" },
    { "arctic in line", "{\"model_type\":\"arctic\",\"moe_layer_frequency\":1}", UNSUPPORTED,
        "parallel_attn_mlp_res is false, only true" },
    { "cohere averaging",
        "{\"model_type\":\"cohere2_moe\",\"shared_expert_combination_strategy\":\"max\"}",
        UNSUPPORTED, "shared_expert_combination_strategy is \"max\", only average" },
    { "cohere selecting", "{\"model_type\":\"cohere2_moe\",\"expert_selection_fn\":\"top\"}",
        UNSUPPORTED, "expert_selection_fn is \"top\", only softmax" },
    { "hunyuan scaled", "{\"model_type\":\"hunyuan_v1_moe\",\"routed_scaling_factor\":2.5}",
        UNSUPPORTED, "routed_scaling_factor is 2.5, only 1" },
    { "blocks that differ",
        "{\"model_type\":\"hunyuan_v1_moe\",\"num_experts\":8,\"moe_topk\":[2,2,3]}", UNSUPPORTED,
        "moe_topk differs from block to block" },
    { "blocks with too many",
        "{\"model_type\":\"hunyuan_v1_moe\",\"num_experts\":8,\"moe_topk\":[9,9]}", INVALID,
        "moe_topk is 9" },
    { "blocks with a text", "{\"model_type\":\"hunyuan_v1_moe\",\"num_experts\":[\"8\"]}",
        UNSUPPORTED, "num_experts differs from block to block" },
    { "phi without jitter", "{\"model_type\":\"phimoe\",\"router_jitter_noise\":0}", INVALID,
        "router_jitter_noise is 0" },
    { "gemma without sizes", "{\"model_type\":\"gemma4_text\",\"enable_moe_block\":true}", INVALID,
        "needs moe_intermediate_size" },
    { "gpt-oss activation", "{\"model_type\":\"gpt_oss\",\"hidden_act\":\"relu\"}", UNSUPPORTED,
        "hidden_act is \"relu\", only silu" },
    { "gpt-oss in quark",
        "{\"model_type\":\"gpt_oss\",\"quantization_config\":"
        "{\"quant_method\":\"quark\"}}",
        UNSUPPORTED, "quantised (quark)" },
    { "switch gated", "{\"model_type\":\"switch_transformers\",\"is_gated_act\":true}", UNSUPPORTED,
        "is_gated_act is true" },
    { "switch capacity", "{\"model_type\":\"switch_transformers\",\"expert_capacity\":0}", INVALID,
        "expert_capacity is 0" },
};

// A file of a checkpoint that is not there, and then is a directory, and a pipe.
static bool check_no_file(const char *name, const char *missing)
{
    remove(folder_path(name));
    bool ok = refuses(folder, VKMOE_ERROR_NOT_FOUND, missing);
    mkdir(folder_path(name), 0700);
    ok = refuses(folder, VKMOE_ERROR_INVALID, "not a regular file") && ok;
    rmdir(folder_path(name));
    mkfifo(folder_path(name), 0600); // nobody writes: opening it must not wait
    ok = refuses(folder, VKMOE_ERROR_INVALID, "not a regular file") && ok;
    remove(folder_path(name));
    return ok;
}

static bool test_config_files(void)
{
    char deep[4001];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    write_good();
    const struct {
        const char *content;
        size_t size;
        const char *text;
    } rows[] = { { deep, strlen(deep), "not JSON" }, { "", 0, "is empty" },
        { "[]", 2, "not an object" }, { "{\"a\0b\":1}", 9, "NUL" } };
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        folder_write("config.json", rows[i].content, rows[i].size);
        ok = refuses(folder, VKMOE_ERROR_INVALID, rows[i].text) && ok;
    }
    ok = check_no_file("config.json", "config.json") && ok;

    // More values than fit: 5 million, in a file that is otherwise fine.
    size_t size = 10000000;
    char *many = malloc(size);
    if (!many)
        abort();
    for (size_t i = 0; i < size; i += 2)
        memcpy(many + i, i ? "1," : "[ ", 2);
    folder_write("config.json", many, size);
    free(many);
    return refuses(folder, VKMOE_ERROR_INVALID, "too many values") && ok;
}

// -------------------------------------------------------------------------- tensors

static bool test_tensor_files(void)
{
    static const struct {
        const char *header;
        uint64_t header_size;
        size_t data_size;
        const char *text;
    } rows[] = {
        { good_header, 1, DATA_SIZE, "not JSON" },
        { good_header, UINT64_MAX - 1, DATA_SIZE, "a header of 18446744073709551614" },
        { good_header, 0, DATA_SIZE, "not JSON" },
        { "{}", UINT64_MAX, 0, "holds no tensors" },
        { good_header, UINT64_MAX, DATA_SIZE + 1, "1 bytes of data belong to no tensor" },
    };
    bool ok = true;
    write_good();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        write_tensors("model.safetensors", rows[i].header, rows[i].header_size, rows[i].data_size);
        ok = refuses(folder, VKMOE_ERROR_INVALID, rows[i].text) && ok;
    }
    folder_write_text("model.safetensors", "");
    ok = refuses(folder, VKMOE_ERROR_INVALID, "is empty") && ok;
    return check_no_file("model.safetensors", "neither model.safetensors") && ok;
}

// The file cut at every length.
static bool test_truncation(void)
{
    write_good();
    size_t header_size = strlen(good_header), size = 8 + header_size + DATA_SIZE;
    unsigned char *file = calloc(1, size);
    if (!file)
        abort();
    file[0] = (unsigned char)header_size;
    file[1] = (unsigned char)(header_size >> 8);
    memcpy(file + 8, good_header, header_size);
    bool ok = true;
    for (size_t cut = 0; ok && cut < size; cut++) {
        folder_write("model.safetensors", file, cut);
        ok = refuses(folder, VKMOE_ERROR_INVALID, "model.safetensors");
        if (!ok)
            tap_note("cut to %zu of %zu bytes", cut, size);
    }
    folder_write("model.safetensors", file, size);
    ok = ok && opens(folder);
    free(file);
    return ok;
}

// ---------------------------------------------------------------------------- index

#define MAP(entries) "{\"weight_map\":{" entries "}}"
#define X_IN(file) "\"x\":\"" file "\""
#define Y_IN(file) "\"y\":\"" file "\""
#define GATE_IN(file) ",\"model.layers.0.block_sparse_moe.gate.weight\":\"" file "\""
#define EXPERT_IN(file) ",\"model.layers.0.block_sparse_moe.experts.1.w3.weight\":\"" file "\""

static const struct hostile_file indices[] = {
    { "good", MAP(X_IN("b.safetensors") GATE_IN("a.safetensors")), OK, "" },
    { "no map", "{}", INVALID, "weight_map" },
    { "map twice", "{\"weight_map\":{},\"weight_map\":{}}", INVALID, "weight_map" },
    { "map no object", "{\"weight_map\":[]}", INVALID, "weight_map" },
    { "empty map", "{\"weight_map\":{}}", INVALID, "holds no tensors" },
    { "missing shard", MAP(X_IN("c.safetensors")), NOT_FOUND, "c.safetensors" },
    { "missing shard that is not needed", MAP(X_IN("c.safetensors") GATE_IN("a.safetensors")), OK,
        "" },
    { "missing shard that is needed",
        MAP(X_IN("b.safetensors") EXPERT_IN("c.safetensors") GATE_IN("a.safetensors")), NOT_FOUND,
        "experts.1.w3.weight is in c.safetensors, which is not there" },
    { "above", MAP(X_IN("../b.safetensors")), INVALID, "plain" },
    { "absolute", MAP(X_IN("/etc/passwd.safetensors")), INVALID, "plain" },
    { "backslash", MAP(X_IN("..\\\\b.safetensors")), INVALID, "plain" },
    { "other file", MAP(X_IN("config.json")), INVALID, "plain" },
    { "no name", MAP(X_IN(".safetensors")), INVALID, "plain" },
    { "number", "{\"weight_map\":{\"x\":1}}", INVALID, "no file name" },
    { "wrong shard", MAP(X_IN("a.safetensors") GATE_IN("b.safetensors")), INVALID,
        "model.layers.0.block_sparse_moe.gate.weight is not in b.safetensors" },
    { "no such tensor", MAP(Y_IN("a.safetensors")), OK, "" },
    { "no such tensor, needed", MAP(Y_IN("b.safetensors") GATE_IN("b.safetensors")), INVALID,
        "gate.weight is not in b.safetensors, as weight_map has it" },
    { "name of control characters", "{\"weight_map\":{\"x\\n\":\"b.safetensors\"}}", INVALID,
        "control characters" },
    { "tensor twice", "{\"weight_map\":{\"x\":\"b.safetensors\",\"x\":\"b.safetensors\"}}", INVALID,
        "x twice" },
    { "line break", MAP(X_IN("b\\n.safetensors")), INVALID, "plain" },
};

static void write_shards(const char *index)
{
    write_good();
    remove(folder_path("model.safetensors"));
    write_tensors("a.safetensors", good_header, UINT64_MAX, DATA_SIZE);
    write_tensors("b.safetensors",
        "{\"x\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,5]}}", UINT64_MAX, 5);
    folder_write_text("model.safetensors.index.json", index);
}

static bool test_index_files(void)
{
    // Both files hold x: the index has to say which.
    char *header = replace(good_header, "{\"__metadata__\"",
        "{\"x\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[224,229]},\"__metadata__\"");
    static const char gate[] = "\"model.layers.0.block_sparse_moe.gate.weight\"";
    char index[256];
    snprintf(index, sizeof index, "{\"weight_map\":{\"y\":\"b.safetensors\",%s:\"a.safetensors\"}}",
        gate);
    write_shards(index);
    write_tensors("a.safetensors", header, UINT64_MAX, DATA_SIZE + 5);
    bool ok = refuses(folder, VKMOE_ERROR_INVALID, "x is there twice");
    snprintf(index, sizeof index, "{\"weight_map\":{\"x\":\"b.safetensors\",%s:\"a.safetensors\"}}",
        gate);
    folder_write_text("model.safetensors.index.json", index);
    ok = opens(folder) && ok;
    free(header);
    remove(folder_path("model.safetensors.index.json"));
    return refuses(folder, VKMOE_ERROR_NOT_FOUND, "neither") && ok;
}

// ------------------------------------------------------------------------ arguments

static bool test_paths(void)
{
    write_good();
    bool ok = refuses("/tmp/vkmoe-no-such-directory", VKMOE_ERROR_NOT_FOUND, "config.json");
    ok = refuses(folder_path("config.json"), VKMOE_ERROR_NOT_FOUND, "config.json") && ok;
    ok = refuses("", VKMOE_ERROR_INVALID, "path") && ok;
    ok = refuses(NULL, VKMOE_ERROR_INVALID, "path") && ok;
    ok = vkmoe_checkpoint_open(folder, NULL, NULL) == VKMOE_ERROR_INVALID && ok;
    vkmoe_checkpoint *model = NULL;
    vkmoe_checkpoint_destroy(NULL);
    vkmoe_checkpoint_destroy(&model);
    ok = vkmoe_checkpoint_open(folder, NULL, &model) == VKMOE_OK && ok;
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    ok = vkmoe_checkpoint_get_moe(model, (struct vkmoe_block){ .index = UINT32_MAX }, &params)
            == VKMOE_ERROR_NOT_FOUND
        && ok;
    ok = !vkmoe_checkpoint_is_moe(
             model, (struct vkmoe_block){ .index = 0, .part = VKMOE_PART_DECODER })
        && ok;
    vkmoe_checkpoint_destroy(&model);
    return ok && !model;
}

// A tensor missing in a block that opening does not look at.
static bool test_late_error(void)
{
    write_good();
    char *config = replace(good_config, "\"num_hidden_layers\":1", "\"num_hidden_layers\":2");
    folder_write_text("config.json", config);
    free(config);
    struct lines lines;
    vkmoe_checkpoint *model;
    if (open_hostile(folder, &lines, &model) != VKMOE_OK)
        return false;
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    enum vkmoe_status status =
        vkmoe_checkpoint_get_moe(model, (struct vkmoe_block){ .index = 1 }, &params);
    vkmoe_checkpoint_destroy(&model);
    return status == VKMOE_ERROR_INVALID && lines.count == 1
        && strstr(lines.last, "model.layers.1.block_sparse_moe.gate.weight is missing");
}

// Opens gpt-oss with these dtypes. Its experts are [in][out], and gate and up take turns: blocks,
// which lie along a tensor's rows, would have to be cut.
static bool check_across(const char *matrices, const char *bias, int status, const char *text)
{
    const bool blocks[] = { strcmp(matrices, "Q8_0") == 0, strcmp(bias, "Q8_0") == 0 };
    const struct {
        const char *name, *dtype, *shape;
        size_t size;
    } rows[] = { { "router.weight", "F32", "2,32", 256 }, { "router.bias", "F32", "2", 8 },
        { "experts.gate_up_proj", matrices, "2,32,64", blocks[0] ? 4352 : 16384 },
        { "experts.gate_up_proj_bias", bias, "2,64", blocks[1] ? 136 : 512 },
        { "experts.down_proj", matrices, "2,32,32", blocks[0] ? 2176 : 8192 },
        { "experts.down_proj_bias", "F32", "2,32", 256 } };
    char header[2000] = "{\"__metadata__\":{}";
    size_t used = strlen(header), at = 0;
    for (size_t i = 0; i < COUNT_OF(rows); at += rows[i++].size)
        used += (size_t)snprintf(header + used, sizeof header - used,
            ",\"model.layers.0.mlp.%s\":{\"dtype\":\"%s\",\"shape\":[%s],"
            "\"data_offsets\":[%zu,%zu]}",
            rows[i].name, rows[i].dtype, rows[i].shape, at, at + rows[i].size);
    strcat(header, "}");
    folder_empty();
    folder_write_text("config.json",
        "{\"model_type\":\"gpt_oss\",\"hidden_size\":32,\"intermediate_size\":32,"
        "\"num_hidden_layers\":1,\"num_local_experts\":2,\"num_experts_per_tok\":1}");
    write_tensors("model.safetensors", header, UINT64_MAX, at);
    return check_spoilt(&(struct spoilt){ .status = status, .text = text });
}

static bool test_blocks_across(void)
{
    return check_across("F32", "F32", OK, "")
        && check_across("Q8_0", "F32", UNSUPPORTED, "experts.gate_up_proj is Q8_0, in blocks")
        && check_across("F32", "Q8_0", UNSUPPORTED, "gate_up_proj_bias is Q8_0, in blocks");
}

// ----------------------------------------------------------------------------- main

static void run(struct tap *tap, const char *group, const char *name, bool ok)
{
    char full[128];
    snprintf(full, sizeof full, "%s/%s", group, name);
    tap_result(tap, ok, full);
}

static bool wants(struct tap *tap, const char *group, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s/%s", group, name);
    return tap_wants(tap, full);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void run_tables(struct tap *tap)
{
    for (size_t i = 0; i < spoilt_configs_count; i++) {
        if (!wants(tap, "config", spoilt_configs[i].name))
            continue;
        write_good();
        char *text = replace(good_config, spoilt_configs[i].old, spoilt_configs[i].new);
        folder_write_text("config.json", text);
        free(text);
        run(tap, "config", spoilt_configs[i].name, check_spoilt(&spoilt_configs[i]));
    }
    for (size_t i = 0; i < COUNT(family_configs); i++) {
        if (!wants(tap, "config", family_configs[i].name))
            continue;
        write_good();
        folder_write_text("config.json", family_configs[i].content);
        run(tap, "config", family_configs[i].name,
            refuses(folder, (enum vkmoe_status)family_configs[i].status, family_configs[i].text));
    }
    for (size_t i = 0; i < spoilt_headers_count; i++) {
        if (!wants(tap, "header", spoilt_headers[i].name))
            continue;
        write_good();
        char *text = replace(good_header, spoilt_headers[i].old, spoilt_headers[i].new);
        write_tensors("model.safetensors", text, UINT64_MAX, DATA_SIZE);
        free(text);
        run(tap, "header", spoilt_headers[i].name, check_spoilt(&spoilt_headers[i]));
    }
    for (size_t i = 0; i < COUNT(indices); i++) {
        if (!wants(tap, "index", indices[i].name))
            continue;
        write_shards(indices[i].content);
        const struct spoilt c = { .status = indices[i].status, .text = indices[i].text };
        run(tap, "index", indices[i].name, check_spoilt(&c));
    }
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv) || !folder_begin("hostile"))
        return 2;
    run_tables(&tap);
    TEST_TABLE(tests, { "config files", test_config_files }, { "tensor files", test_tensor_files },
        { "cut at every byte", test_truncation }, { "index files", test_index_files },
        { "paths and arguments", test_paths }, { "late error", test_late_error },
        { "blocks across", test_blocks_across });
    for (size_t i = 0; i < COUNT(tests); i++) {
        if (wants(&tap, "files", tests[i].name))
            run(&tap, "files", tests[i].name, tests[i].run());
    }
    if (wants(&tap, "files", "mutations"))
        run(&tap, "files", "mutations", test_mutations(tap.seed, folder));
    folder_finish();
    return tap_end(&tap);
}
