// whole.c - see whole.h. Sources: the config and modeling classes of Hugging Face
// transformers 5.12 for presets and formulas, shared/docs/semantics.md B.1 for JetMoE.
#include "checkpoint/whole.h"

#include <math.h>
#include <string.h>

#include "base/common.h"
#include "base/json.h"
#include "checkpoint/rope.h"

#define BLOCK_NORMS \
    .attention_norm = "input_layernorm.weight", .experts_norm = "post_attention_layernorm.weight"
#define PROJECTIONS(parent) \
    BLOCK_NORMS, .module = parent ".", .query = parent ".q_proj.weight", \
                 .output = parent ".o_proj.weight", .key = parent ".k_proj.weight", \
                 .value = parent ".v_proj.weight"
#define BIASES(parent) \
    .query_bias = parent ".q_proj.bias", .projection_bias = parent ".o_proj.bias", \
    .key_bias = parent ".k_proj.bias", .value_bias = parent ".v_proj.bias"
#define NORMS(parent) .query_norm = parent ".q_norm.weight", .key_norm = parent ".k_norm.weight"

// Where a decoder-only model's parts are: the same alternatives as those of its blocks. The
// head is beside the model, not in it.
#define PART(name) \
    "model." name "|language_model.model." name "|model.language_model." name "|" name
#define ENDS \
    .ends = { .embedding = PART("embed_tokens.weight"), \
        .final_norm = PART("norm.weight"), \
        .head = "lm_head.weight|language_model.lm_head.weight" }

#define T5_ATTENTION(layer, name) \
    .module = layer "." name ".", .attention_norm = layer ".layer_norm.weight", \
    .query = layer "." name ".q.weight", .output = layer "." name ".o.weight", \
    .key = layer "." name ".k.weight", .value = layer "." name ".v.weight"

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
        .names = {{PROJECTIONS("self_attn")}},
        ENDS,
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
        .names = {{PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn")}},
        ENDS,
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
        .names = {{PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn")}},
        ENDS,
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
        .rope = {.kind = VKMOE_ROPE_HALF, .base = 150000.0f, .scaling = VKMOE_ROPE_SCALING_YARN,
            .factor = 32.0f, .original_positions = 4096, .beta_fast = 32.0f, .beta_slow = 1.0f,
            .truncate_off = true},
        .bias = {"attention_bias", true},
        .window = VKMOE_WINDOW_ALTERNATE,
        .window_preset = 128,
        .names = {{PROJECTIONS("self_attn"), BIASES("self_attn"), .sinks = "self_attn.sinks"}},
        ENDS,
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
        .scale = 1.0,
        .embedding_scale_key = "embedding_multiplier",
        .residual_scale_key = "residual_multiplier",
        .logits_divisor_key = "logits_scaling",
        .expect = {"position_embedding_type=rope"},
        .names = {{PROJECTIONS("self_attn"), BIASES("self_attn")}},
        ENDS,
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
        .names = {{
            .module = "self_attention.",
            .router = "self_attention.experts.router.layer.weight",
            .query = "self_attention.experts.input_linear.weight",
            .output = "self_attention.experts.output_linear.weight",
            .key_value = "self_attention.kv_proj.weight",
            .output_bias = "self_attention.experts.bias",
            BLOCK_NORMS,
        }},
        ENDS,
    },
    {
        // T5's frame: scores are not scaled, and know positions by a bias alone.
        .family = "switch_transformers",
        .heads = {"num_heads|num_attention_heads", 12},
        .head_size = {"d_kv", 64},
        .vocabulary = 32128,
        .max_positions_key = "n_positions", // T5's; nothing in the model is bound to it
        .max_positions = 512,
        .tied = true,
        .end_token = 1,
        .start_token = 0,
        .norm_epsilon_key = "layer_norm_epsilon",
        .norm_epsilon = 1e-6,
        .scale = 1.0,
        .buckets = {"relative_attention_num_buckets", 32},
        .max_distance = {"relative_attention_max_distance", 128},
        .tied_root = true,
        .expect = {"is_encoder_decoder=true"},
        .both_sides = {[VKMOE_PLACE_BLOCKS] = true, [VKMOE_PLACE_CROSS] = true},
        .names = {
            [VKMOE_PLACE_BLOCKS] = {
                .prefix = "encoder.block.{b}.",
                T5_ATTENTION("layer.0", "SelfAttention"),
                .position_bias = "layer.0.SelfAttention.relative_attention_bias.weight",
                .experts_norm = "layer.1.layer_norm.weight",
            },
            [VKMOE_PLACE_DECODER] = {
                .prefix = "decoder.block.{b}.",
                T5_ATTENTION("layer.0", "SelfAttention"),
                .position_bias = "layer.0.SelfAttention.relative_attention_bias.weight",
                .experts_norm = "layer.2.layer_norm.weight",
            },
            [VKMOE_PLACE_CROSS] = {
                .prefix = "decoder.block.{b}.",
                T5_ATTENTION("layer.1", "EncDecAttention"),
                .ignored = "layer.1.EncDecAttention.relative_attention_bias.weight",
            },
        },
        .ends = {
            .embedding = "shared.weight|encoder.embed_tokens.weight|decoder.embed_tokens.weight",
            .head = "lm_head.weight",
            .copies = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"},
            .final_norm = "decoder.final_layer_norm.weight",
            .encoder_norm = "encoder.final_layer_norm.weight",
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

enum vkmoe_place vkmoe_whole_place(struct vkmoe_block block)
{
    return !block.decoder ? VKMOE_PLACE_BLOCKS
        : block.cross     ? VKMOE_PLACE_CROSS
                          : VKMOE_PLACE_DECODER;
}

// ------------------------------------------------------------------------ attention

static uint32_t read_max_positions(const struct vkmoe_whole_source *source)
{
    const char *key = source->whole->max_positions_key;
    return vkmoe_config_u32(source->config, key ? key : "max_position_embeddings",
        source->whole->max_positions, 1, INT32_MAX);
}

static void read_heads(
    const struct vkmoe_whole_source *source, struct vkmoe_attention_params *params)
{
    const struct vkmoe_whole *whole = source->whole;
    struct vkmoe_config *config = source->config;
    params->heads = vkmoe_setting_read(&whole->heads, config, 1, VKMOE_MAX_WIDTH);
    uint32_t preset =
        vkmoe_config_is_null(config, "num_key_value_heads") ? 0 : whole->kv_heads.preset;
    params->kv_heads = preset ? preset : params->heads;
    if (whole->kv_heads.key)
        params->kv_heads =
            vkmoe_config_u32(config, whole->kv_heads.key, params->kv_heads, 1, VKMOE_MAX_WIDTH);
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
    params->head_size = vkmoe_config_u32(config, whole->head_size.key, preset, 1, VKMOE_MAX_WIDTH);
    if (params->head_size % 2 && whole->rope.kind != VKMOE_ROPE_NONE)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "the heads have %u elements, which do not pair for RoPE", params->head_size);
    if ((uint64_t)params->heads * params->head_size > INT32_MAX)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%u heads of %u elements are too many",
            params->heads, params->head_size);
}

static void read_experts(
    const struct vkmoe_whole_source *source, struct vkmoe_attention_params *params)
{
    const struct vkmoe_family *family = source->family;
    struct vkmoe_config *config = source->config;
    params->experts = params->experts_per_token = 1;
    if (!source->whole->names[VKMOE_PLACE_BLOCKS].router)
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
        vkmoe_config_fail(
            config, VKMOE_ERROR_INVALID, "%s is %g, expected more than 0", key, value);
    return (float)value;
}

static float read_epsilon(const struct vkmoe_whole_source *source)
{
    const char *key = source->whole->norm_epsilon_key;
    key = key ? key : "rms_norm_eps";
    double epsilon = vkmoe_config_number(source->config, key, source->whole->norm_epsilon);
    if (epsilon < 0.0)
        vkmoe_config_fail(
            source->config, VKMOE_ERROR_INVALID, "%s is %g, expected at least 0", key, epsilon);
    return (float)epsilon;
}

static void check_expected(const struct vkmoe_whole_source *source)
{
    const struct vkmoe_whole *whole = source->whole;
    for (size_t i = 0; i < ARRAY_SIZE(whole->expect) && whole->expect[i]; i++)
        vkmoe_config_expect(source->config, whole->expect[i]);
}

void vkmoe_whole_read_attention(
    const struct vkmoe_whole_source *source, struct vkmoe_attention_params *params, bool *bias)
{
    const struct vkmoe_whole *whole = source->whole;
    struct vkmoe_config *config = source->config;
    *params = (struct vkmoe_attention_params){ .tiled_kv = whole->tiled_kv,
        .norm_wide = whole->norm_wide };
    check_expected(source);
    params->hidden = vkmoe_setting_read(&source->family->hidden, config, 1, VKMOE_MAX_WIDTH);
    read_heads(source, params);
    read_experts(source, params);
    if (whole->names[VKMOE_PLACE_BLOCKS].query_norm)
        params->norm_epsilon = read_epsilon(source);
    params->scale = read_scale(config, whole->scale_key, whole->scale);
    params->value_clip = read_scale(config, whole->clip_key, 0.0);
    if (whole->rope.kind != VKMOE_ROPE_NONE)
        vkmoe_rope_read(config, &whole->rope, read_max_positions(source), &params->rope);
    *bias = whole->bias.preset;
    if (whole->bias.key)
        *bias = vkmoe_config_bool(config, whole->bias.key, *bias);
}

// ------------------------------------------------------------------------- patterns

// Whether layer_types makes this block one with a window; `preset` without it.
static bool is_sliding(
    const struct vkmoe_whole_source *source, struct vkmoe_block block, bool preset)
{
    struct vkmoe_config *config = source->config;
    uint32_t blocks = source->blocks[block.decoder];
    const cJSON *list = vkmoe_config_find(config, "layer_types");
    if (!list)
        return preset;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != (int)blocks) {
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "layer_types is not an array with one name for each of %u blocks", blocks);
        return preset;
    }
    const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(list, (int)block.index));
    bool sliding = name && strcmp(name, "sliding_attention") == 0;
    if (!sliding && !(name && strcmp(name, "full_attention") == 0)) {
        char text[64];
        vkmoe_config_fail(config, VKMOE_ERROR_UNSUPPORTED,
            "layer_types has \"%s\" for block %u, only full_attention and sliding_attention are "
            "supported",
            name ? vkmoe_json_printable(name, text, sizeof text) : "", block.index);
    }
    return sliding;
}

// Of a block; 0: none.
static uint32_t read_window(const struct vkmoe_whole_source *source, struct vkmoe_block block)
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
    bool sliding = is_sliding(source, block, alternate ? block.index % 2 == 0 : on && window);
    if (sliding && window == 0)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "block %u has sliding_attention, but there is no sliding_window", block.index);
    return sliding ? window : 0;
}

bool vkmoe_whole_read_patterns(const struct vkmoe_whole_source *source, struct vkmoe_block block,
    uint32_t experts, struct vkmoe_pattern *patterns)
{
    struct vkmoe_config *config = source->config;
    uint32_t window = read_window(source, block);
    bool both_sides = source->whole->both_sides[vkmoe_whole_place(block)];
    for (uint32_t e = 0; e < experts; e++)
        patterns[e] = (struct vkmoe_pattern){
            .kind = VKMOE_PATTERN_WINDOW, .left = window, .both_sides = both_sides
        };
    const char *key = source->whole->expert_windows;
    const cJSON *list = key ? vkmoe_config_find(config, key) : NULL, *item;
    if (!list)
        return window != 0 || both_sides;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != (int)experts) {
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "%s is not an array with one window for each of %u experts", key, experts);
        return false;
    }
    uint32_t e = 0;
    bool limited = false;
    cJSON_ArrayForEach(item, list)
    {
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

// Of a decoder that follows an encoder.
static int32_t read_start_token(const struct vkmoe_whole_source *source, uint32_t vocabulary)
{
    if (source->blocks[1] == 0)
        return -1;
    struct vkmoe_config level = find_level(source->config, "decoder_start_token_id");
    uint32_t token = vkmoe_config_u32(
        &level, "decoder_start_token_id", (uint32_t)source->whole->start_token, 0, vocabulary - 1);
    source->config->status = level.status;
    return (int32_t)token;
}

void vkmoe_whole_read_frame(
    const struct vkmoe_whole_source *source, struct vkmoe_frame *frame, bool *tied)
{
    const struct vkmoe_whole *whole = source->whole;
    struct vkmoe_config *config = source->config;
    const uint32_t *blocks = source->blocks; // with a decoder, the first are the encoder's
    *frame = (struct vkmoe_frame){ .blocks = blocks[blocks[1] != 0],
        .encoder_blocks = blocks[1] ? blocks[0] : 0 };
    check_expected(source);
    frame->hidden = vkmoe_setting_read(&source->family->hidden, config, 1, VKMOE_MAX_WIDTH);
    frame->vocabulary = vkmoe_config_u32(config, "vocab_size", whole->vocabulary, 1, INT32_MAX);
    frame->norm_epsilon = read_epsilon(source);
    frame->block_norm_epsilon =
        whole->block_norm_epsilon != 0.0 ? (float)whole->block_norm_epsilon : frame->norm_epsilon;
    frame->embedding_scale = read_scale(config, whole->embedding_scale_key, 1.0);
    frame->residual_scale = read_scale(config, whole->residual_scale_key, 1.0);
    frame->logits_scale = 1.0f / read_scale(config, whole->logits_divisor_key, 1.0);
    frame->max_positions = read_max_positions(source);
    frame->start_token = read_start_token(source, frame->vocabulary);
    struct vkmoe_config level = find_level(config, "tie_word_embeddings");
    *tied = vkmoe_config_bool(&level, "tie_word_embeddings", whole->tied);
    if (*tied && whole->tied_root)
        frame->logits_scale /= sqrtf((float)frame->hidden);
    config->status = level.status;
}
