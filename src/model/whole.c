// whole.c - see whole.h. Sources: the config and modeling classes of Hugging Face
// transformers 5.12 for presets and formulas, shared/docs/semantics.md B.1 for JetMoE.
#include "whole.h"

#include <string.h>

#include "../common.h"
#include "json.h"
#include "rope.h"

#define PROJECTIONS(parent) \
    .query = parent ".q_proj.weight", .output = parent ".o_proj.weight", \
    .key = parent ".k_proj.weight", .value = parent ".v_proj.weight"
#define BIASES(parent) \
    .query_bias = parent ".q_proj.bias", .projection_bias = parent ".o_proj.bias", \
    .key_bias = parent ".k_proj.bias", .value_bias = parent ".v_proj.bias"
#define NORMS(parent) \
    .query_norm = parent ".q_norm.weight", .key_norm = parent ".k_norm.weight"

static const struct vkmoe_whole wholes[] = {
    {
        .family = "mixtral",
        .heads = {"num_attention_heads", 32},
        .kv_heads = {"num_key_value_heads", 8},
        .head_size = {"head_dim", 0},
        .vocabulary = 32000,
        .max_positions = 131072,
        .end_token = 2,
        .norm_epsilon = 1e-5,
        .rope = {.kind = VKMOE_ROPE_HALF, .base = 1e6f},
        .window = VKMOE_WINDOW_ALL,
        .names = {PROJECTIONS("self_attn")},
    },
    {
        .family = "qwen3_moe",
        .heads = {"num_attention_heads", 32},
        .kv_heads = {"num_key_value_heads", 4},
        .head_size = {"head_dim", 0},
        .vocabulary = 151936,
        .max_positions = 32768,
        .end_token = -1,
        .norm_epsilon = 1e-6,
        .rope = {.kind = VKMOE_ROPE_HALF, .base = 1e4f},
        .bias = {"attention_bias", false},
        .window = VKMOE_WINDOW_ALL,
        .window_preset = 4096,
        .window_switch = "use_sliding_window",
        .names = {PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn")},
    },
    {
        .family = "olmoe",
        .heads = {"num_attention_heads", 16},
        .kv_heads = {"num_key_value_heads", 0},
        .head_size = {"head_dim", 0},
        .vocabulary = 50304,
        .max_positions = 4096,
        .end_token = 50279,
        .norm_epsilon = 1e-5,
        .rope = {.kind = VKMOE_ROPE_HALF, .base = 1e4f},
        .bias = {"attention_bias", false},
        .norm_wide = true,
        .clip_key = "clip_qkv",
        .names = {PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn")},
    },
    {
        .family = "gpt_oss",
        .heads = {"num_attention_heads", 64},
        .kv_heads = {"num_key_value_heads", 8},
        .head_size = {"head_dim", 64},
        .vocabulary = 201088,
        .max_positions = 131072,
        .end_token = -1,
        .norm_epsilon = 1e-5,
        .rope = {.kind = VKMOE_ROPE_HALF, .base = 150000.0f, .scaling = VKMOE_ROPE_YARN,
            .factor = 32.0f, .original_positions = 4096, .beta_fast = 32.0f, .beta_slow = 1.0f,
            .truncate_off = true},
        .bias = {"attention_bias", true},
        .window = VKMOE_WINDOW_ALTERNATE,
        .window_preset = 128,
        .names = {PROJECTIONS("self_attn"), BIASES("self_attn"), .sinks = "self_attn.sinks"},
    },
    {
        .family = "granitemoe",
        .heads = {"num_attention_heads", 32},
        .kv_heads = {"num_key_value_heads", 0},
        .head_size = {"head_dim", 0},
        .vocabulary = 32000,
        .max_positions = 2048,
        .end_token = 2,
        .norm_epsilon = 1e-6,
        .rope = {.kind = VKMOE_ROPE_HALF, .base = 1e4f},
        .bias = {"attention_bias", false},
        .scale_key = "attention_multiplier",
        .embedding_scale_key = "embedding_multiplier",
        .residual_scale_key = "residual_multiplier",
        .logits_divisor_key = "logits_scaling",
        .expect = {"position_embedding_type=rope"},
        .names = {PROJECTIONS("self_attn"), BIASES("self_attn")},
    },
    {
        // The query heads of an expert are as many as the kv heads; num_attention_heads
        // counts those of a token's experts together.
        .family = "jetmoe",
        .heads = {"num_key_value_heads", 16},
        .kv_heads = {"num_key_value_heads", 16},
        .head_size = {"kv_channels|head_dim", 128},
        .vocabulary = 32000,
        .max_positions = 4096,
        .tied = true,
        .end_token = 2,
        .norm_epsilon = 1e-6,
        .block_norm_epsilon = 1e-6, // whatever rms_norm_eps says
        .rope = {.kind = VKMOE_ROPE_HALF, .base = 1e4f},
        .tiled_kv = true,
        .expert_windows = "attention_expert_windows",
        .router = {.score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX},
        .names = {
            .router = "self_attention.experts.router.layer.weight",
            .query = "self_attention.experts.input_linear.weight",
            .output = "self_attention.experts.output_linear.weight",
            .key_value = "self_attention.kv_proj.weight",
            .output_bias = "self_attention.experts.bias",
        },
    },
};

const struct vkmoe_whole *vkmoe_whole_find(const struct vkmoe_family *family)
{
    for (size_t i = 0; i < ARRAY_SIZE(wholes); i++) {
        if (strcmp(wholes[i].family, family->name) == 0)
            return &wholes[i];
    }
    return NULL;
}

// ------------------------------------------------------------------------ attention

static uint32_t read_max_positions(const struct vkmoe_whole_source *source)
{
    return vkmoe_config_u32(source->config, "max_position_embeddings",
        source->whole->max_positions, 1, INT32_MAX);
}

static void read_heads(const struct vkmoe_whole_source *source,
    struct vkmoe_attention_params *params)
{
    const struct vkmoe_whole *whole = source->whole;
    struct vkmoe_config *config = source->config;
    params->heads = vkmoe_setting_read(&whole->heads, config, 1, VKMOE_MAX_WIDTH);
    uint32_t preset = vkmoe_config_is_null(config, "num_key_value_heads") ? 0
        : whole->kv_heads.preset;
    params->kv_heads = vkmoe_config_u32(config, whole->kv_heads.key,
        preset ? preset : params->heads, 1, VKMOE_MAX_WIDTH);
    if (config->status == VKMOE_OK && params->heads % params->kv_heads)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "%u attention heads do not share %u key and value heads evenly", params->heads,
            params->kv_heads);

    preset = vkmoe_config_is_null(config, "head_dim") ? 0 : whole->head_size.preset;
    if (preset == 0 && !vkmoe_config_find(config, whole->head_size.key)) {
        if (config->status == VKMOE_OK && params->hidden % params->heads)
            vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
                "hidden_size %u is no multiple of num_attention_heads %u, and there is no head_dim",
                params->hidden, params->heads);
        preset = params->hidden / params->heads;
    }
    params->head_size = vkmoe_config_u32(config, whole->head_size.key, preset, 1,
        VKMOE_MAX_WIDTH);
    if (params->head_size % 2 && whole->rope.kind != VKMOE_ROPE_NONE)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "the heads have %u elements, which do not pair for RoPE", params->head_size);
    if ((uint64_t)params->heads * params->head_size > INT32_MAX)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%u heads of %u elements are too many",
            params->heads, params->head_size);
}

static void read_experts(const struct vkmoe_whole_source *source,
    struct vkmoe_attention_params *params)
{
    const struct vkmoe_family *family = source->family;
    struct vkmoe_config *config = source->config;
    params->experts = params->experts_per_token = 1;
    if (!source->whole->names.router)
        return;
    params->experts = vkmoe_setting_read(&family->experts, config, 1, VKMOE_MAX_EXPERTS);
    params->experts_per_token =
        vkmoe_setting_read(&family->experts_per_token, config, 1, params->experts);
    if (params->experts_per_token > params->experts)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%u experts per token, but only %u experts",
            params->experts_per_token, params->experts);
    params->router = source->whole->router;
    uint32_t product = params->heads * params->experts_per_token;
    uint32_t heads = vkmoe_config_u32(config, "num_attention_heads", product, 1, UINT32_MAX);
    if (heads != product)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "num_attention_heads is %u, expected num_key_value_heads * num_experts_per_tok, %u",
            heads, product);
}

// A number above 0; `preset` if there is no such key.
static float read_scale(struct vkmoe_config *config, const char *key, double preset)
{
    if (!key)
        return (float)preset;
    double value = vkmoe_config_number(config, key, preset);
    if (!((float)value > 0.0f) && vkmoe_config_find(config, key))
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%s is %g, expected more than 0", key,
            value);
    return (float)value;
}

static float read_epsilon(const struct vkmoe_whole_source *source)
{
    double epsilon =
        vkmoe_config_number(source->config, "rms_norm_eps", source->whole->norm_epsilon);
    if (epsilon < 0.0)
        vkmoe_config_fail(source->config, VKMOE_ERROR_INVALID,
            "rms_norm_eps is %g, expected at least 0", epsilon);
    return (float)epsilon;
}

static void check_expected(const struct vkmoe_whole_source *source)
{
    const struct vkmoe_whole *whole = source->whole;
    for (size_t i = 0; i < ARRAY_SIZE(whole->expect) && whole->expect[i]; i++)
        vkmoe_config_expect(source->config, whole->expect[i]);
}

void vkmoe_whole_read_attention(const struct vkmoe_whole_source *source,
    struct vkmoe_attention_params *params, bool *bias)
{
    const struct vkmoe_whole *whole = source->whole;
    struct vkmoe_config *config = source->config;
    *params = (struct vkmoe_attention_params){
        .tiled_kv = whole->tiled_kv, .norm_wide = whole->norm_wide};
    check_expected(source);
    params->hidden = vkmoe_setting_read(&source->family->hidden, config, 1, VKMOE_MAX_WIDTH);
    read_heads(source, params);
    read_experts(source, params);
    if (whole->names.query_norm)
        params->norm_epsilon = read_epsilon(source);
    params->scale = read_scale(config, whole->scale_key, whole->scale_key ? 1.0 : 0.0);
    params->value_clip = read_scale(config, whole->clip_key, 0.0);
    vkmoe_rope_read(config, &whole->rope, read_max_positions(source), &params->rope);
    *bias = whole->bias.preset;
    if (whole->bias.key)
        *bias = vkmoe_config_bool(config, whole->bias.key, *bias);
}

// ------------------------------------------------------------------------- patterns

// Whether layer_types makes this block one with a window; `preset` without it.
static bool is_sliding(const struct vkmoe_whole_source *source, uint32_t block, bool preset)
{
    struct vkmoe_config *config = source->config;
    const cJSON *list = vkmoe_config_find(config, "layer_types");
    if (!list)
        return preset;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != (int)source->blocks) {
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "layer_types is not an array with one name for each of %u blocks", source->blocks);
        return preset;
    }
    const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(list, (int)block));
    bool sliding = name && strcmp(name, "sliding_attention") == 0;
    if (!sliding && !(name && strcmp(name, "full_attention") == 0)) {
        char text[64];
        vkmoe_config_fail(config, VKMOE_ERROR_UNSUPPORTED,
            "layer_types has \"%s\" for block %u, only full_attention and sliding_attention are "
            "supported", name ? vkmoe_json_printable(name, text, sizeof text) : "", block);
    }
    return sliding;
}

// Of a block; 0: none.
static uint32_t read_window(const struct vkmoe_whole_source *source, uint32_t block)
{
    const struct vkmoe_whole *whole = source->whole;
    struct vkmoe_config *config = source->config;
    bool on = whole->window != VKMOE_WINDOW_NONE
        && (!whole->window_switch || vkmoe_config_bool(config, whole->window_switch, false));
    if (!on && !whole->window_switch && vkmoe_config_find(config, "sliding_window"))
        vkmoe_config_fail(config, VKMOE_ERROR_UNSUPPORTED,
            "sliding_window is there, which models of this family do not have");
    // Older and newer classes disagree on which blocks this leaves without a window.
    if (on && whole->window_switch && !vkmoe_config_find(config, "layer_types")
        && vkmoe_config_u32(config, "max_window_layers", 0, 0, UINT32_MAX) != 0)
        vkmoe_config_fail(config, VKMOE_ERROR_UNSUPPORTED,
            "%s with max_window_layers is ambiguous and not supported", whole->window_switch);
    uint32_t window = 0;
    if (on)
        window = vkmoe_config_u32(config, "sliding_window",
            vkmoe_config_is_null(config, "sliding_window") ? 0 : whole->window_preset, 1,
            INT32_MAX);
    bool alternate = whole->window == VKMOE_WINDOW_ALTERNATE;
    bool sliding = is_sliding(source, block, alternate ? block % 2 == 0 : on && window);
    if (sliding && window == 0)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "block %u has sliding_attention, but there is no sliding_window", block);
    return sliding ? window : 0;
}

bool vkmoe_whole_read_patterns(const struct vkmoe_whole_source *source, uint32_t block,
    uint32_t experts, struct vkmoe_pattern *patterns)
{
    struct vkmoe_config *config = source->config;
    uint32_t window = read_window(source, block);
    for (uint32_t e = 0; e < experts; e++)
        patterns[e] = (struct vkmoe_pattern){.kind = VKMOE_PATTERN_WINDOW, .left = window};
    const char *key = source->whole->expert_windows;
    const cJSON *list = key ? vkmoe_config_find(config, key) : NULL, *item;
    if (!list)
        return window != 0;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != (int)experts) {
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "%s is not an array with one window for each of %u experts", key, experts);
        return false;
    }
    uint32_t e = 0;
    bool limited = false;
    cJSON_ArrayForEach(item, list) {
        uint64_t value;
        if (!vkmoe_json_integer(item, &value) || value > INT32_MAX) {
            vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
                "%s has for expert %u something else than an integer from 0 to %d", key, e,
                INT32_MAX);
            return false;
        }
        limited = limited || value;
        patterns[e++].left = (uint32_t)value;
    }
    return limited;
}

// ---------------------------------------------------------------------------- frame

// The config to read a setting from: the language model's, or that of the model around it.
static struct vkmoe_config find_level(struct vkmoe_config *config, const char *key)
{
    struct vkmoe_config level = *config;
    if (!vkmoe_config_find(&level, key) && !vkmoe_config_is_null(&level, key))
        level.object = config->root;
    vkmoe_config_find(&level, key); // may be there twice
    config->status = level.status;
    return level;
}

// One token, or the first of several.
static int32_t read_end_token(const struct vkmoe_whole_source *source)
{
    struct vkmoe_config level = find_level(source->config, "eos_token_id");
    const cJSON *item = vkmoe_config_find(&level, "eos_token_id");
    int32_t token = vkmoe_config_is_null(&level, "eos_token_id") ? -1 : source->whole->end_token;
    if (cJSON_IsArray(item)) {
        item = item->child;
        token = -1; // an empty one names none
    }
    uint64_t value;
    if (item && (!vkmoe_json_integer(item, &value) || value > INT32_MAX))
        vkmoe_config_fail(source->config, VKMOE_ERROR_INVALID,
            "eos_token_id is neither a token nor a list of tokens");
    else if (item)
        token = (int32_t)value;
    return token;
}

void vkmoe_whole_read_frame(const struct vkmoe_whole_source *source,
    struct vkmoe_frame_params *frame, bool *tied)
{
    const struct vkmoe_whole *whole = source->whole;
    struct vkmoe_config *config = source->config;
    *frame = (struct vkmoe_frame_params){.blocks = source->blocks};
    check_expected(source);
    frame->hidden = vkmoe_setting_read(&source->family->hidden, config, 1, VKMOE_MAX_WIDTH);
    frame->vocabulary = vkmoe_config_u32(config, "vocab_size", whole->vocabulary, 1, INT32_MAX);
    frame->norm_epsilon = read_epsilon(source);
    frame->block_norm_epsilon = whole->block_norm_epsilon != 0.0
        ? (float)whole->block_norm_epsilon : frame->norm_epsilon;
    frame->embedding_scale = read_scale(config, whole->embedding_scale_key, 1.0);
    frame->residual_scale = read_scale(config, whole->residual_scale_key, 1.0);
    frame->logits_scale = 1.0f / read_scale(config, whole->logits_divisor_key, 1.0);
    frame->max_positions = read_max_positions(source);
    frame->end_token = read_end_token(source);
    struct vkmoe_config level = find_level(config, "tie_word_embeddings");
    *tied = vkmoe_config_bool(&level, "tie_word_embeddings", whole->tied);
    config->status = level.status;
}
