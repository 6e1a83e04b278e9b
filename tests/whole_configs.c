// whole_configs.c - the loader's view of attention and frame under changed configs: every
// form of a setting that published models use, and every one that it must refuse with one
// line that says why, while the experts stay readable. No device is needed.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vkmoe/vkmoe.h>

#include "checkpoints.h"
#include "check.h"
#include "folder.h"
#include "same.h"
#include "whole_checkpoints.h"
#include "whole_configs.h"

// --------------------------------------------------------------------------- configs

// Opens a family's checkpoint with a changed config. NULL after a note.
static vkmoe_checkpoint *open_changed(const char *family, const char *old, const char *new,
    const struct vkmoe_log *log, struct whole_checkpoint *checkpoint)
{
    vkmoe_checkpoint *model = NULL;
    if (!whole_checkpoint_write(family, 1, checkpoint))
        return NULL;
    char *config = text_changed(whole_checkpoint_config(family), old, new);
    if (whole_checkpoint_rewrite_config(checkpoint, config)
        && vkmoe_checkpoint_open(checkpoint->path, log, &model) != VKMOE_OK)
        tap_note("%s with %s does not open", family, new);
    free(config);
    return model;
}

struct value_case {
    const char *name, *family, *old, *new;
    struct vkmoe_rope rope; // if kind is not 0
    uint32_t windows[4];    // of the first blocks, if has_windows
    bool has_windows;
    bool tied;              // the head must be the embedding
    double scale;           // if not 0
    double long_factor;     // likewise
    uint32_t max_positions; // likewise
    const char *turned;     // 'x' for blocks with RoPE, of Llama 4
    uint32_t chunks[4];     // likewise
    bool plain;             // no norms, nor queries that grow
    int32_t start_token;    // if has_start_token
    bool has_start_token;
};

#define HALF .kind = VKMOE_ROPE_HALF
#define DYNAMIC HALF, .scaling = VKMOE_ROPE_SCALING_DYNAMIC
#define LONGROPE HALF, .scaling = VKMOE_ROPE_SCALING_LONGROPE
#define YARN HALF, .scaling = VKMOE_ROPE_SCALING_YARN, .beta_fast = 32.0f, .beta_slow = 1.0f
#define SCALED(kind, base_, factor_, positions, ...) \
    .rope = { kind, .base = base_, .factor = factor_, .original_positions = positions, __VA_ARGS__ }

static const struct value_case value_cases[] = {
    { "rope-default", ADDED("mixtral", "\"rope_theta\":1234.5"),
        .rope = { HALF, .base = 1234.5f } },
    { "rope-parameters-plain",
        ADDED("mixtral", "\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":77.0}"),
        .rope = { HALF, .base = 77.0f } },
    { "rope-two-bases",
        ADDED("mixtral", "\"rope_theta\":5.0,\"rope_parameters\":{\"rope_theta\":6.0}"),
        .rope = { HALF, .base = 6.0f } },
    { "rope-both-forms-alike",
        ADDED("mixtral",
            "\"rope_parameters\":{\"rope_theta\":77},\"rope_scaling\":{\"rope_theta\":77}"),
        .rope = { HALF, .base = 77.0f } },
    { "rope-yarn-twice", "qwen3_moe", QWEN_ROPE,
        "\"rope_theta\":50.0,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,"
        "\"original_max_position_embeddings\":8192},\"rope_parameters\":{\"rope_type\":\"yarn\","
        "\"type\":\"yarn\",\"rope_theta\":50,\"factor\":4.0,\"beta_fast\":32.0,\"beta_slow\":1,"
        "\"attention_factor\":null,\"original_max_position_embeddings\":8192}",
        SCALED(YARN, 50.0f, 4.0f, 8192, .attention_factor = 1.138629436f) },
    { "rope-yarn-twice-one-base", "qwen3_moe", QWEN_ROPE,
        "\"rope_parameters\":{\"rope_type\":\"yarn\",\"rope_theta\":50,\"factor\":4.0,"
        "\"original_max_position_embeddings\":8192},\"rope_scaling\":{\"type\":\"yarn\","
        "\"factor\":4,\"original_max_position_embeddings\":8192}",
        SCALED(YARN, 50.0f, 4.0f, 8192, .attention_factor = 1.138629436f) },
    { "rope-linear-twice-old-base", "qwen3_moe", QWEN_ROPE,
        "\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":4.0},"
        "\"rope_scaling\":{\"type\":\"linear\",\"factor\":4,\"rope_theta\":50}",
        .rope = { HALF, .scaling = VKMOE_ROPE_SCALING_LINEAR, .base = 50.0f, .factor = 4.0f } },
    { "rope-theta-of-the-class", "qwen3_moe", QWEN_ROPE, "\"rope_scaling\":null",
        .rope = { HALF, .base = 10000.0f } },
    { "rope-yarn-factor-from-positions", "qwen3_moe", QWEN_ROPE,
        "\"rope_scaling\":{\"type\":\"yarn\",\"original_max_position_embeddings\":8192}",
        SCALED(YARN, 10000.0f, 4.0f, 8192, .attention_factor = 1.138629436f) },
    { "rope-yarn-factor-wins", "qwen3_moe", QWEN_ROPE,
        "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2,"
        "\"original_max_position_embeddings\":8192,\"attention_factor\":1.5}",
        SCALED(YARN, 10000.0f, 2.0f, 8192, .attention_factor = 1.5f) },
    { "rope-yarn-mscale", "qwen3_moe", QWEN_ROPE,
        "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,\"mscale\":2,\"mscale_all_dim\":1}",
        SCALED(YARN, 10000.0f, 4.0f, 32768, .attention_factor = 1.121751147f) },
    { "rope-dynamic", "qwen3_moe", QWEN_ROPE,
        "\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2.5}",
        .rope = { DYNAMIC, .base = 10000.0f, .factor = 2.5f, .original_positions = 32768 } },
    { "rope-dynamic-5",
        ADDED("mixtral",
            "\"max_position_embeddings\":512,\"rope_parameters\":{\"rope_type\":\"dynamic\","
            "\"rope_theta\":77.0,\"factor\":1,\"original_max_position_embeddings\":512}"),
        .rope = { DYNAMIC, .base = 77.0f, .factor = 1.0f, .original_positions = 512 } },
    { "rope-gpt-oss-default", "gpt_oss", GPT_OSS_ROPE, "\"rope_scaling\":null",
        SCALED(
            YARN, 150000.0f, 32.0f, 4096, .attention_factor = 1.34657359f, .exact_range = true) },
    { "rope-gpt-oss-5", "gpt_oss", "\"rope_theta\":150000," GPT_OSS_ROPE,
        "\"rope_parameters\":{\"rope_type\":\"yarn\",\"rope_theta\":150000.0,\"factor\":4.0,"
        "\"beta_fast\":32.0,\"beta_slow\":1.0,\"original_max_position_embeddings\":64,"
        "\"truncate\":false}",
        SCALED(YARN, 150000.0f, 4.0f, 64, .attention_factor = 1.138629436f, .exact_range = true) },
    // By the formula, from the ratio of contexts; as Phi has it; with one factor for both
    { "longrope", "qwen3_moe", QWEN_ROPE,
        "\"rope_scaling\":{\"rope_type\":\"longrope\",\"short_factor\":[1,1,1,1,1,1,1,2.5],"
        "\"long_factor\":[1,2,3,4,5,6,7,8],\"original_max_position_embeddings\":8192}",
        .long_factor = 1.0741723110591492,
        SCALED(LONGROPE, 10000.0f, 0.0f, 8192, .attention_factor = 1.07417231f) },
    { "longrope-two-factors", CHANGED("phimoe", "long_mscale", "1.25", "1.75"), .long_factor = 1.75,
        SCALED(LONGROPE, 10000.0f, 0.0f, 22, .attention_factor = 1.25f) },
    { "longrope-one-factor", "phimoe", "\"short_mscale\":1.25,\"long_mscale\":1.25",
        "\"attention_factor\":1.125,\"factor\":3", .long_factor = 1.125,
        SCALED(LONGROPE, 10000.0f, 0.0f, 22, .attention_factor = 1.125f) },
    { "rope-alpha-5", "hunyuan_v1_moe", "\"rope_theta\":10000.0,\"rope_scaling\":{",
        "\"rope_parameters\":{\"rope_theta\":10000.0,", .rope = { HALF, .base = 26826958.0f } },
    { "rope-no-alpha",
        CHANGED("hunyuan_v1_moe", "alpha",
            "1000.0,\"beta_fast\":32,\"beta_slow\":1,"
            "\"factor\":1.0,\"mscale\":1.0,\"mscale_all_dim\":1.0",
            "null,\"factor\":2.5"),
        .rope = { DYNAMIC, .base = 10000.0f, .factor = 2.5f, .original_positions = 64 } },
    { "window-null", CHANGED("mixtral", "sliding_window", "5", "null"), .has_windows = true },
    { "window-absent", "mixtral", "\"sliding_window\":5,", "", .has_windows = true },
    { "window-layer-types", "gpt_oss", "\"sliding_window\":6",
        "\"sliding_window\":9,\"layer_types\":[\"full_attention\",\"full_attention\","
        "\"sliding_attention\"]",
        .has_windows = true, .windows = { 0, 0, 9 } },
    { "window-of-the-class", "gpt_oss", "\"sliding_window\":6,", "", .has_windows = true,
        .windows = { 128, 0, 128 } },
    { "window-later", CHANGED("dots1", "sliding_window", "null", "4,\"max_window_layers\":2"),
        .has_windows = true, .windows = { 0, 0, 4 } },
    { "window-switched-on", "qwen3_moe",
        "\"use_sliding_window\":false,\"sliding_window\":4096,"
        "\"max_window_layers\":3",
        "\"use_sliding_window\":true,\"sliding_window\":11", .has_windows = true,
        .windows = { 11, 11, 11 } },
    { "kimi-k2", "deepseek_v3", "\"deepseek_v3\"", "\"kimi_k2\"", .scale = 0.4190065386983081 },
    { "glm-4.7-flash", "deepseek_v3", "\"deepseek_v3\"", "\"glm4_moe_lite\"",
        .scale = 0.4190065386983081 },
    { "glm-4.5v", "glm4_moe", "\"glm4_moe\"", "\"glm4v_moe_text\",\"rms_norm_eps\":1e-5",
        .rope = { HALF, .base = 1e6f, .size = 6 }, .max_positions = 4096 },
    { "latent-scores-as-they-are", "deepseek_v3", "\"mscale\":1.0,\"mscale_all_dim\":1.0,", "",
        .scale = 0.22360679774997896 },
    { "latent-halves", "deepseek_v3", "\"attention_bias\":false", "\"rope_interleave\":false",
        SCALED(YARN, 1e4f, 40.0f, 64, .attention_factor = 1.0f) },
    { "tied", CHANGED("qwen3_moe", "tie_word_embeddings", "true", "true"), .tied = true },
    { "scale-of-the-class", "granitemoe", "\"attention_multiplier\":0.25,", "", .scale = 1.0 },
    { "windows-of-experts-absent", "jetmoe", "\"attention_expert_windows\":[4,0,1,7,0,16],", "",
        .has_windows = true, .tied = true },
    { "positions-of-the-class", "switch_transformers", "\"n_positions\":96,", "",
        .max_positions = 512 },
    { "start-token-of-the-class", "switch_transformers", "\"decoder_start_token_id\":3,", "",
        .has_start_token = true, .start_token = 0 },
    { "start-token-null", CHANGED("switch_transformers", "decoder_start_token_id", "3", "null"),
        .has_start_token = true, .start_token = 0 },
    { "start-token-foreign", ADDED("mixtral", "\"decoder_start_token_id\":3"),
        .has_start_token = true, .start_token = -1 },
    { "llama4-nope-every-other", ADDED("llama4", "\"no_rope_layer_interval\":2"), .turned = "x-x-",
        .chunks = { 8192, 0, 8192, 0 } },
    { "llama4-nope-listed", CHANGED("llama4", "no_rope_layers", "[]", "[0,1,true,1]"),
        .turned = "-xxx", .chunks = { 0, 8192, 8192, 8192 } },
    { "llama4-chunks-listed",
        CHANGED("llama4", "attention_chunk_size", "8192",
            "9,\"layer_types\":[\"full_attention\",\"chunked_attention\",\"full_attention\","
            "\"chunked_attention\"]"),
        .turned = "xxx-", .chunks = { 0, 9, 0, 9 } },
    { "llama4-class", CHANGED("llama4", "attention_chunk_size", "8192", "8192,\"rope_theta\":77"),
        .turned = "xxx-", .chunks = { 8192, 8192, 8192, 0 } },
    { "llama4-plain",
        CHANGED("llama4", "attn_temperature_tuning", "4", "false,\"use_qk_norm\":false"),
        .turned = "xxx-", .chunks = { 8192, 8192, 8192, 0 }, .plain = true },
    { "afmoe-each-second", CHANGED("afmoe", "global_attn_every_n_layers", "4", "2"),
        .has_windows = true, .windows = { 5, 0, 5, 0 } },
    { "afmoe-listed",
        CHANGED("afmoe", "sliding_window", "5",
            "7,\"layer_types\":[\"full_attention\",\"sliding_attention\","
            "\"full_attention\",\"full_attention\"]"),
        .has_windows = true, .windows = { 0, 7, 0, 0 } },
    { "heads-of-the-attribute-map", "switch_transformers", "\"num_heads\":3",
        "\"num_attention_heads\":3", .scale = 1.0 },
    { "dbrx-attribute-map", "dbrx", "\"d_model\":48,\"n_heads\":4,\"n_layers\":2,\"max_seq_len\"",
        "\"hidden_size\":48,\"num_attention_heads\":4,\"num_hidden_layers\":2,"
        "\"max_position_embeddings\"",
        .rope = { HALF, .base = 5e5f }, .max_positions = 128 },
    { "dbrx-base-5", "dbrx", "\"rope_theta\":500000}",
        "\"rope_theta\":null},\"rope_parameters\":{\"rope_theta\":77}",
        .rope = { HALF, .base = 77.0f } },
    { "dbrx-base-saved", "dbrx", "\"rope_theta\":500000}",
        "\"rope_theta\":500000},\"rope_parameters\":{\"rope_theta\":10000}",
        .rope = { HALF, .base = 5e5f } },
};

static bool check_llama4(
    const struct value_case *c, uint32_t block, const struct vkmoe_attention_params *params)
{
    const bool turned = c->turned[block] == 'x';
    return same_number("turned", turned, params->rope.kind != VKMOE_ROPE_NONE)
        && same_number("chunk", c->chunks[block], params->patterns ? params->patterns->block : 0)
        && same_number("normed", turned && !c->plain, params->query.norm.data != NULL)
        && same_number("scaled", !turned && !c->plain, params->temperature.scale != 0.0f);
}

static bool check_value(const struct value_case *c)
{
    struct whole_checkpoint checkpoint;
    vkmoe_checkpoint *model = open_changed(c->family, c->old, c->new, &printing_log, &checkpoint);
    bool ok = model != NULL;
    struct vkmoe_attention_params params = { VKMOE_INIT(vkmoe_attention_params) };
    for (uint32_t b = 0; ok && b < checkpoint.block_count; b++) {
        ok = vkmoe_checkpoint_get_attention(model, (struct vkmoe_block){ .index = b }, &params)
            == VKMOE_OK;
        if (ok && c->rope.kind)
            ok = same_rope(&c->rope, &params.rope);
        if (ok && c->scale != 0.0)
            ok = same_number("scale", c->scale, params.scale);
        if (ok && c->long_factor != 0.0)
            ok = same_number("long factor", c->long_factor, params.long_rope.attention_factor);
        if (ok && c->turned)
            ok = check_llama4(c, b, &params);
        if (ok && c->has_windows)
            ok = same_number("window", c->windows[b], params.patterns ? params.patterns->left : 0);
        if (ok && c->has_windows && c->windows[b] == 0)
            ok = !params.patterns;
    }
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    ok = ok && vkmoe_checkpoint_get_frame(model, &frame) == VKMOE_OK;
    if (ok && c->max_positions)
        ok = same_number("max positions", c->max_positions, frame.max_positions);
    if (ok && c->has_start_token)
        ok = same_number("start token", c->start_token, frame.start_token);
    if (ok && c->tied)
        ok = frame.head.data == frame.embedding.data;
    vkmoe_checkpoint_destroy(&model);
    whole_checkpoint_finish(&checkpoint);
    return ok;
}

// ---------------------------------------------------------------------------- errors

static enum vkmoe_status call_model(
    vkmoe_checkpoint *model, enum call call, struct vkmoe_block block)
{
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    struct vkmoe_moe_params dense = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_view norms[2];
    if (call == DECODER || call == CROSS)
        block.part = call == CROSS ? VKMOE_PART_CROSS : VKMOE_PART_DECODER;
    if (call == MLP)
        return vkmoe_checkpoint_get_mlp(model, block, &dense);
    if (call == ATTENTION || call == DECODER || call == CROSS)
        return vkmoe_checkpoint_get_attention(model, block, &attention);
    return call == FRAME ? vkmoe_checkpoint_get_frame(model, &frame)
                         : vkmoe_checkpoint_get_norms(model, block, &norms[0], &norms[1]);
}

// `call` fails like this, twice, with one line each that contains `text`.
static bool refuses(vkmoe_checkpoint *model, enum call call, struct vkmoe_block block,
    enum vkmoe_status expected, const char *text, struct record *lines)
{
    for (int i = 0; i < 2; i++) {
        *lines = (struct record){ 0 };
        enum vkmoe_status status = call_model(model, call, block);
        if (status != expected || lines->lines[VKMOE_LOG_ERROR] != 1
            || !strstr(lines->last, text)) {
            tap_note("%s, expected %s; %u lines, the last: %s; expected in it: %s",
                vkmoe_status_name(status), vkmoe_status_name(expected),
                lines->lines[VKMOE_LOG_ERROR], lines->last, text);
            return false;
        }
    }
    return true;
}

static bool check_error(const struct error_case *c)
{
    struct record lines = { 0 };
    const struct vkmoe_log log = { .write = record_line, .user = &lines };
    struct whole_checkpoint checkpoint;
    vkmoe_checkpoint *model = open_changed(c->family, c->old, c->new, &log, &checkpoint);
    bool ok =
        model && refuses(model, c->call, (struct vkmoe_block){ 0 }, c->status, c->text, &lines);
    // The experts, if there are any, are there all the same.
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_block block = { 0 };
    while (ok && block.index < 3 && !vkmoe_checkpoint_is_moe(model, block))
        block.index++;
    if (ok && vkmoe_checkpoint_is_moe(model, block)
        && vkmoe_checkpoint_get_moe(model, block, &params) != VKMOE_OK) {
        tap_note("the experts are refused too: %s", lines.last);
        ok = false;
    }
    vkmoe_checkpoint_destroy(&model);
    whole_checkpoint_finish(&checkpoint);
    return ok;
}

// ------------------------------------------------------------ models of golden/whole

static const char *golden_name; // of the model whose cases these are

static bool check_golden(const struct golden_case *c)
{
    struct record lines = { 0 };
    const struct vkmoe_log log = { .write = record_line, .user = &lines };
    vkmoe_checkpoint *model = NULL;
    struct vkmoe_attention_params params = { VKMOE_INIT(vkmoe_attention_params) };
    const struct vkmoe_block second = { .index = 1 };
    char golden[512];
    snprintf(golden, sizeof golden, VKMOE_TEST_GOLDEN "/%s", golden_name);
    if (!folder_begin(golden_name))
        abort();
    folder_change_config(golden, c->old, c->new);
    bool ok = vkmoe_checkpoint_open(folder, &log, &model) == VKMOE_OK
        && (c->text ? refuses(model, c->call, second, c->status, c->text, &lines)
                    : vkmoe_checkpoint_get_attention(model, second, &params) == VKMOE_OK
                    && !params.patterns && params.temperature.scale == c->temperature
                    && params.temperature.floor == c->floor);
    vkmoe_checkpoint_destroy(&model);
    folder_finish();
    return ok;
}

static const struct golden {
    const char *name;
    const struct golden_case *cases;
    const uint32_t *count;
} goldens[] = {
    { "gemma4", gemma4_cases, &gemma4_case_count },
    { "mellum", mellum_cases, &mellum_case_count },
    { "cohere2_moe", cohere_cases, &cohere_case_count },
    { "mistral4", mistral4_cases, &mistral4_case_count },
    { "laguna", laguna_cases, &laguna_case_count },
    { "grok", grok_cases, &grok_case_count },
    { "smallthinker", smallthinker_cases, &smallthinker_case_count },
    { "mimo_v2_flash", mimo_cases, &mimo_case_count },
    { "step3p5", step_cases, &step_case_count },
};

// --------------------------------------------------------------------------- tensors

// Overwrites `old` in the header of a checkpoint's file by `new`, of the same length.
static bool spoil(const struct whole_checkpoint *checkpoint, const char *old, const char *new)
{
    char path[300], header[20000];
    snprintf(path, sizeof path, "%s/model.safetensors", checkpoint->path);
    FILE *file = fopen(path, "r+b");
    if (!file)
        return false;
    size_t size = fread(header, 1, sizeof header - 1, file), length = strlen(old);
    bool done = false;
    for (size_t i = 8; !done && i + length <= size; i++) {
        if (memcmp(header + i, old, length) != 0)
            continue;
        done = fseek(file, (long)i, SEEK_SET) == 0 && fwrite(new, 1, length, file) == length;
    }
    return fclose(file) == 0 && done && strlen(new) == length;
}

struct tensor_case {
    const char *name, *family, *old, *new;
    uint32_t block;
    enum call call;
    enum vkmoe_status status;
    const char *text;
};

#define NAME(tail) "model.layers.1." tail
#define BIAS "layer.0.SelfAttention.relative_attention_bias.weight"
#define BIOS "layer.0.SelfAttention.relative_attention_bios.weight"

static const struct tensor_case tensor_cases[] = {
    { "query-missing", "mixtral", NAME("self_attn.q_proj"), NAME("self_attn.x_proj"), 1, ATTENTION,
        INVALID, "tensor model.layers.1.self_attn.q_proj.weight is missing" },
    { "value-missing", "mixtral", NAME("self_attn.v_proj"), NAME("self_attn.x_proj"), 1, ATTENTION,
        INVALID, "tensor model.layers.1.self_attn.v_proj.weight is missing" },
    { "key-value-missing", "jetmoe", NAME("self_attention.kv_proj"), NAME("self_attention.kv_xxxx"),
        1, ATTENTION, INVALID, "tensor model.layers.1.self_attention.kv_proj.weight is missing" },
    { "router-missing", "jetmoe", NAME("self_attention.experts.router"),
        NAME("self_attention.experts.rooter"), 1, ATTENTION, INVALID,
        "self_attention.experts.router.layer.weight is missing" },
    { "sinks-missing", "gpt_oss", NAME("self_attn.sinks"), NAME("self_attn.sinkz"), 1, ATTENTION,
        INVALID, "self_attn.sinks is missing" },
    { "query-norm-missing", "olmoe", NAME("self_attn.q_norm"), NAME("self_attn.q_morn"), 1,
        ATTENTION, INVALID, "self_attn.q_norm.weight is missing" },
    { "tensor-unread", "mixtral", NAME("input_layernorm.weight"), NAME("self_attn.rotary.freq_"), 1,
        ATTENTION, UNSUPPORTED,
        "model.safetensors: tensor model.layers.1.self_attn.rotary.freq_ is there" },
    { "dtype", "mixtral", NAME("self_attn.k_proj.weight\":{\"dtype\":\"F16\""),
        NAME("self_attn.k_proj.weight\":{\"dtype\":\"I16\""), 1, ATTENTION, UNSUPPORTED,
        "has the dtype I16" },
    { "attention-norm-missing", "mixtral", NAME("input_layernorm"), NAME("input_layernoxx"), 1,
        NORMS, INVALID, "tensor model.layers.1.input_layernorm.weight is missing" },
    { "experts-norm-shape", "mixtral",
        NAME("post_attention_layernorm.weight\":{\"dtype\":\"F16\",\"shape\":[48]"),
        NAME("post_attention_layernorm.weight\":{\"dtype\":\"I8\" ,\"shape\":[96]"), 1, NORMS,
        INVALID, "has the shape [96], expected [48]" },
    { "embedding-missing", "mixtral", "model.embed_tokens", "model.embed_tokenz", 0, FRAME, INVALID,
        "tensor model.embed_tokens.weight is missing" },
    { "final-norm-missing", "mixtral", "model.norm.", "model.morn.", 0, FRAME, INVALID,
        "tensor model.norm.weight is missing" },
    { "head-missing", "mixtral", "lm_head", "lm_heat", 0, FRAME, INVALID,
        "tensor lm_head.weight is missing" },
    { "bias-of-the-encoder-missing", "switch_transformers", "encoder.block.0." BIAS,
        "encoder.block.0." BIOS, 3, ATTENTION, INVALID,
        "tensor encoder.block.0." BIAS " is missing" },
    { "bias-of-the-decoder-missing", "switch_transformers", "decoder.block.0." BIAS,
        "decoder.block.0." BIOS, 2, DECODER, INVALID,
        "tensor decoder.block.0." BIAS " is missing" },
    { "bias-shape", "switch_transformers",
        "decoder.block.0." BIAS "\":{\"dtype\":\"F32\",\"shape\":"
        "[8,3]",
        "decoder.block.0." BIAS "\":{\"dtype\":\"F32\",\"shape\":[3,8]", 0, DECODER, INVALID,
        BIAS " has the shape [3, 8], expected [8, 3]" },
    { "bias-unread", "switch_transformers", "encoder.block.1.layer.0.layer_norm.weight",
        "encoder.block.1.layer.0.SelfAttention.bia", 1, ATTENTION, UNSUPPORTED,
        "tensor encoder.block.1.layer.0.SelfAttention.bia is there" },
    { "cross-missing", "switch_transformers", "decoder.block.1.layer.1.EncDecAttention.v",
        "decoder.block.1.layer.1.EncDecAttention.x", 1, CROSS, INVALID,
        "tensor decoder.block.1.layer.1.EncDecAttention.v.weight is missing" },
    { "encoder-norm-missing", "switch_transformers", "encoder.final_layer", "encoder.final_lawer",
        0, FRAME, INVALID, "tensor encoder.final_layer_norm.weight is missing" },
    { "decoder-norm-missing", "switch_transformers", "decoder.final", "decoder.fatal", 0, FRAME,
        INVALID, "tensor decoder.final_layer_norm.weight is missing" },
    { "copy-contradicts", "switch_transformers", "encoder.block.0.layer.0.SelfAttention.q.weight\"",
        "decoder.embed_tokens.weight\"                   ", 0, FRAME, INVALID,
        "decoder.embed_tokens.weight is not the embedding, though models of this family" },
    { "copy-shape", "switch_transformers",
        "encoder.embed_tokens.weight\":{\"dtype\":\"F32\",\"shape\":[36,40]",
        "encoder.embed_tokens.weight\":{\"dtype\":\"F32\",\"shape\":[40,36]", 0, FRAME, INVALID,
        "encoder.embed_tokens.weight has the shape [40, 36], expected [36, 40]" },
    { "dense-missing", "switch_transformers", "encoder.block.2.layer.1.mlp.wo",
        "encoder.block.2.layer.1.mlp.wx", 2, MLP, INVALID,
        "tensor encoder.block.2.layer.1.mlp.wo.weight is missing" },
};

static bool check_tensor(const struct tensor_case *c)
{
    struct record lines = { 0 };
    const struct vkmoe_log log = { .write = record_line, .user = &lines };
    struct whole_checkpoint checkpoint;
    vkmoe_checkpoint *model = NULL;
    bool ok = whole_checkpoint_write(c->family, 1, &checkpoint);
    if (ok && !spoil(&checkpoint, c->old, c->new)) {
        tap_note("%s is not in the header", c->old);
        ok = false;
    }
    if (ok && vkmoe_checkpoint_open(checkpoint.path, &log, &model) != VKMOE_OK) {
        tap_note("does not open: %s", lines.last);
        ok = false;
    }
    ok = ok
        && refuses(
            model, c->call, (struct vkmoe_block){ .index = c->block }, c->status, c->text, &lines);
    vkmoe_checkpoint_destroy(&model);
    whole_checkpoint_finish(&checkpoint);
    return ok;
}

// ------------------------------------------------------------------------- arguments

static bool test_arguments(void)
{
    struct record lines = { 0 };
    const struct vkmoe_log log = { .write = record_line, .user = &lines };
    struct whole_checkpoint checkpoint;
    vkmoe_checkpoint *model = open_changed("mixtral", "", "", &log, &checkpoint);
    const struct vkmoe_block first = { 0 }, beyond = { .index = 2 },
                             decoder = { .part = VKMOE_PART_DECODER };
    const struct vkmoe_block cross = { .part = VKMOE_PART_CROSS };
    const char *no_cross = "block 0 has no attention to an encoder";
    struct vkmoe_view view;
    bool ok = model != NULL;
    ok = ok && refuses(model, ATTENTION, beyond, VKMOE_ERROR_NOT_FOUND, "has no block 2", &lines)
        && refuses(model, CROSS, first, VKMOE_ERROR_NOT_FOUND, no_cross, &lines)
        && refuses(model, ATTENTION, cross, VKMOE_ERROR_NOT_FOUND, no_cross, &lines)
        && refuses(model, NORMS, cross, VKMOE_ERROR_NOT_FOUND, no_cross, &lines)
        && refuses(model, MLP, first, UNSUPPORTED, "block 0 holds experts", &lines)
        && refuses(model, NORMS, beyond, VKMOE_ERROR_NOT_FOUND, "only 0 to 1", &lines)
        && refuses(model, ATTENTION, decoder, VKMOE_ERROR_NOT_FOUND, "decoder block 0", &lines)
        && vkmoe_checkpoint_get_attention(model, (struct vkmoe_block){ 0 }, NULL) == INVALID
        && vkmoe_checkpoint_get_frame(model, NULL) == INVALID
        && vkmoe_checkpoint_get_norms(model, (struct vkmoe_block){ 0 }, &view, NULL) == INVALID
        && vkmoe_checkpoint_get_frame(NULL, NULL) == INVALID;
    vkmoe_checkpoint_destroy(&model);
    whole_checkpoint_finish(&checkpoint);

    model = ok ? open_changed("switch_transformers", "", "", &log, &checkpoint) : NULL;
    ok = model
        && refuses(model, CROSS, (struct vkmoe_block){ .index = 3 }, VKMOE_ERROR_NOT_FOUND,
            "has no decoder block 3, only 0 to 2", &lines)
        && refuses(model, MLP, (struct vkmoe_block){ .index = 1, .part = VKMOE_PART_DECODER },
            UNSUPPORTED, "decoder block 1 holds experts", &lines);
    vkmoe_checkpoint_destroy(&model);
    whole_checkpoint_finish(&checkpoint);
    return ok;
}

// The embedding under another of its names.
static bool test_renamed_embedding(void)
{
    struct whole_checkpoint checkpoint;
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    vkmoe_checkpoint *model = NULL;
    bool ok = whole_checkpoint_write("switch_transformers", 1, &checkpoint)
        && spoil(&checkpoint, "shared.weight", "sharef.weight")
        && vkmoe_checkpoint_open(checkpoint.path, &printing_log, &model) == VKMOE_OK
        && vkmoe_checkpoint_get_frame(model, &frame) == VKMOE_OK && frame.embedding.data
        && frame.embedding.data == frame.head.data;
    float number;
    for (uint32_t i = 0; ok && i < checkpoint.vocabulary * checkpoint.hidden; i++) {
        memcpy(&number, (const char *)frame.embedding.data + 4 * i, 4);
        ok = number == (float)checkpoint.embedding[i];
    }
    vkmoe_checkpoint_destroy(&model);
    whole_checkpoint_finish(&checkpoint);
    return ok;
}

// Families of which only the experts are known: neither these, of which golden_whole.c or
// golden_host.c has models, nor those that are written here.
static bool test_other_families(void)
{
    static const char *const others[] = { "gemma4", "exaone_moe", "solar_open", "hy_v3", "mellum",
        "flex_olmo", "cohere2_moe", "mistral4", "laguna", "grok", "smallthinker", "arctic",
        "mimo_v2_flash", "step3p5" };
    bool ok = true;
    uint32_t refused = 0;
    for (uint32_t i = 0; ok && i < checkpoint_count(); i++) {
        struct record lines = { 0 };
        const struct vkmoe_log log = { .write = record_line, .user = &lines };
        struct checkpoint checkpoint;
        vkmoe_checkpoint *model = NULL;
        bool whole = false;
        ok = checkpoint_create(i, 1, "/tmp", &checkpoint)
            && vkmoe_checkpoint_open(checkpoint.path, &log, &model) == VKMOE_OK;
        struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
        if (ok)
            vkmoe_checkpoint_get_info(model, &info);
        for (size_t g = 0; g < COUNT_OF(others); g++)
            whole = whole || strcmp(info.treated_as, others[g]) == 0;
        for (uint32_t f = 0; whole_checkpoint_family(f); f++)
            whole = whole || strcmp(whole_checkpoint_family(f), info.treated_as) == 0;
        if (ok && !whole) {
            const char *text = "this version reads the experts only";
            for (int call = ATTENTION; call <= NORMS; call++)
                ok = refuses(model, (enum call)call, (struct vkmoe_block){ 0 }, UNSUPPORTED, text,
                         &lines)
                    && ok;
            refused++;
        }
        vkmoe_checkpoint_destroy(&model);
        checkpoint_destroy(&checkpoint);
    }
    tap_note("%u checkpoints of other families", refused);
    return ok && refused > 0;
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    TAP_ROWS(&tap, "config", value_cases, COUNT_OF(value_cases), check_value);
    TAP_ROWS(&tap, "error", error_cases, error_case_count, check_error);
    for (size_t i = 0; i < COUNT_OF(goldens); i++) {
        golden_name = goldens[i].name;
        TAP_ROWS(&tap, golden_name, goldens[i].cases, *goldens[i].count, check_golden);
    }
    TAP_ROWS(&tap, "tensor", tensor_cases, COUNT_OF(tensor_cases), check_tensor);
    TAP_TEST(&tap, "arguments", test_arguments());
    TAP_TEST(&tap, "renamed-embedding", test_renamed_embedding());
    TAP_TEST(&tap, "other-families", test_other_families());
    return tap_end(&tap);
}
