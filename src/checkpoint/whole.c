// whole.c - see whole.h. What is read of every family, each from where it says.
#include "checkpoint/whole.h"

#include <math.h>
#include <string.h>

#include "base/common.h"
#include "base/limits.h"
#include "checkpoint/rope.h"

enum place vkmoe_whole_place(struct vkmoe_block block)
{
    return block.part == VKMOE_PART_BLOCKS ? PLACE_BLOCKS
        : (block.part == VKMOE_PART_CROSS) ? PLACE_CROSS
                                           : PLACE_DECODER;
}

// ------------------------------------------------------------------------ attention

static uint32_t read_max_positions(const struct whole_source *source)
{
    const char *key = source->whole->max_positions_key;
    return vkmoe_setting_u32(source->settings, key ? key : "max_position_embeddings",
        source->whole->max_positions, 1, INT32_MAX);
}

// Of these, those whose scores are known: a number below 1 says that all are.
static uint32_t read_steady_positions(const struct whole_source *source)
{
    const char *key = source->whole->steady_key;
    const uint32_t all = read_max_positions(source);
    const double steady = key ? vkmoe_setting_number(source->settings, key, 0.0) : 0.0;
    return steady >= 1.0 && steady < all ? (uint32_t)steady : all;
}

static void read_heads(const struct whole_source *source, struct vkmoe_attention_params *params)
{
    const struct whole *whole = source->whole;
    struct settings *settings = source->settings;
    params->heads = vkmoe_setting_read(&whole->heads, settings, 1, MAX_WIDTH);
    if (settings->status != VKMOE_OK)
        return; // there may be no heads to divide by
    uint32_t preset =
        vkmoe_setting_is_null(settings, "num_key_value_heads") ? 0 : whole->kv_heads.preset;
    params->kv_heads = preset ? preset : params->heads;
    if (whole->kv_heads.key)
        params->kv_heads =
            vkmoe_setting_u32(settings, whole->kv_heads.key, params->kv_heads, 1, MAX_WIDTH);
    if (settings->status == VKMOE_OK && params->heads % params->kv_heads)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "%u attention heads do not share %u key and value heads evenly", params->heads,
            params->kv_heads);

    preset = vkmoe_setting_is_null(settings, "head_dim") ? 0 : whole->head_size.preset;
    if (preset == 0 && !vkmoe_setting_find(settings, whole->head_size.key)) {
        if (settings->status == VKMOE_OK && params->hidden % params->heads)
            vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
                "hidden_size %u is no multiple of num_attention_heads %u, and there is no head_dim",
                params->hidden, params->heads);
        preset = params->hidden / params->heads;
    }
    params->head_size = vkmoe_setting_u32(settings, whole->head_size.key, preset, 1, MAX_WIDTH);
    if (params->head_size % 2 && whole->rope.kind != VKMOE_ROPE_NONE)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "the heads have %u elements, which do not pair for RoPE", params->head_size);
    const uint64_t all =
        params->heads + 2 * (uint64_t)params->kv_heads; // where they are one matrix
    if (all * params->head_size > INT32_MAX)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%u heads of %u elements are too many",
            params->heads, params->head_size);
}

static uint32_t read_size(
    struct settings *settings, const char *key, uint32_t preset, uint32_t most)
{
    return vkmoe_setting_read(&(struct setting){ key, preset }, settings, 1, most);
}

// Of which each head has a key and a value, and the cache what these are made of.
static void read_latent(const struct whole_source *source, struct vkmoe_attention_params *params)
{
    const struct latent_rule *rule = &source->whole->latent;
    struct settings *settings = source->settings;
    struct vkmoe_latent *l = &params->latent;
    const bool direct = vkmoe_setting_is_null(settings, "q_lora_rank");
    params->heads = vkmoe_setting_read(&source->whole->heads, settings, 1, MAX_EXPERTS);
    l->rank = read_size(settings, "kv_lora_rank", rule->rank, MAX_LATENT_RANK);
    l->query_rank =
        direct ? 0 : vkmoe_setting_u32(settings, "q_lora_rank", rule->query_rank, 0, MAX_WIDTH);
    l->key_size = read_size(settings, "qk_nope_head_dim", rule->key_size, MAX_WIDTH);
    l->value_size = read_size(settings, "v_head_dim", rule->value_size, MAX_WIDTH);
    const uint32_t turned =
        read_size(settings, "qk_rope_head_dim", rule->rope_size, MAX_LATENT_TURNED);
    params->kv_heads = 1;
    params->head_size = l->rank + turned;
    if (turned % 2)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "qk_rope_head_dim is %u, expected an even number", turned);
    const uint64_t largest = MAX(MAX(l->key_size + turned, l->value_size), params->head_size);
    if (params->heads * largest > INT32_MAX)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%u heads of %llu elements are too many",
            params->heads, (unsigned long long)largest);
}

// The rotation's, and YaRN's part of the scores.
static void read_latent_rope(
    const struct whole_source *source, struct vkmoe_attention_params *params)
{
    struct settings *settings = source->settings;
    const uint32_t turned = params->head_size - params->latent.rank;
    if (!vkmoe_setting_bool(settings, "rope_interleave", true))
        params->rope.kind = VKMOE_ROPE_HALF;
    if (settings->status != VKMOE_OK)
        return;
    const double growth =
        source->whole->latent.plain_scores ? 1.0 : vkmoe_rope_score_scale(settings, &params->rope);
    params->scale = (float)(growth / sqrt(params->latent.key_size + turned));
}

// RoPE turns what its size says, and a factor may say the same.
static void check_latent_part(
    const struct whole_source *source, const struct vkmoe_attention_params *params)
{
    struct settings *settings = source->settings;
    const uint32_t turned = params->head_size - params->latent.rank;
    const uint32_t all = params->latent.key_size + turned;
    const double part = vkmoe_rope_part(settings, (double)turned / all);
    if (fabs(part * all - turned) > 1e-3)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "partial_rotary_factor is %g, but qk_rope_head_dim %u of %u", part, turned, all);
}

// How queries grow with their positions.
static void read_growth(const struct whole_source *source, struct vkmoe_attention_params *params)
{
    const struct whole *whole = source->whole;
    const double growth =
        whole->rope_grows ? vkmoe_rope_growth(source->settings, whole->rope_growth) : 0.0;
    if (growth == 0.0)
        return;
    params->temperature.scale = (float)growth;
    params->temperature.floor = params->rope.original_positions;
    params->temperature_before = true;
}

static void read_experts(const struct whole_source *source, struct vkmoe_attention_params *params)
{
    struct settings *settings = source->settings;
    params->experts = params->experts_per_token = 1;
    if (!source->whole->names[PLACE_BLOCKS].router)
        return;
    vkmoe_family_read_experts(
        source->family, settings, &params->experts, &params->experts_per_token);
    params->router = source->whole->router;
    uint32_t product = params->heads * params->experts_per_token;
    uint32_t heads = vkmoe_setting_u32(settings, "num_attention_heads", product, 1, UINT32_MAX);
    if (heads != product)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "num_attention_heads is %u, expected num_key_value_heads * num_experts_per_tok, %u",
            heads, product);
}

// A number above 0; `preset` if there is no such key.
static float read_scale(struct settings *settings, const char *key, double preset)
{
    if (!key)
        return (float)preset;
    double value = vkmoe_setting_number(settings, key, preset);
    if (!((float)value > 0.0f) && vkmoe_setting_find(settings, key))
        vkmoe_setting_fail(
            settings, VKMOE_ERROR_INVALID, "%s is %g, expected more than 0", key, value);
    return (float)value;
}

#define RMS_EPSILON "rms_norm_eps"

// Though the family's norms are LayerNorms.
static bool has_rms_norms(const struct whole_source *source)
{
    return source->whole->rms_by_key && vkmoe_setting_find(source->settings, RMS_EPSILON);
}

float vkmoe_whole_read_epsilon(const struct whole_source *source)
{
    const char *key = source->whole->norm_epsilon_key;
    key = key && !has_rms_norms(source) ? key : RMS_EPSILON;
    double epsilon = vkmoe_setting_number(source->settings, key, source->whole->norm_epsilon);
    if (epsilon < 0.0 && !vkmoe_setting_find(source->settings, key))
        vkmoe_setting_fail(
            source->settings, VKMOE_ERROR_INVALID, "needs %s, a number of at least 0", key);
    else if (epsilon < 0.0)
        vkmoe_setting_fail(
            source->settings, VKMOE_ERROR_INVALID, "%s is %g, expected at least 0", key, epsilon);
    return (float)epsilon;
}

static void check_expected(const struct whole_source *source)
{
    const struct whole *whole = source->whole;
    vkmoe_setting_expect_all(source->settings, whole->expect, ARRAY_SIZE(whole->expect));
}

void vkmoe_whole_turn(
    struct settings *settings, uint32_t size, struct vkmoe_attention_params *params)
{
    if (size == params->head_size)
        return;
    params->rope.size = size;
    if (size % 2 || size == 0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "%u elements of each head are turned, expected an even number", size);
}

#define SWA(name) "swa_" name "|attention_other_setting/" name

void vkmoe_whole_read_swa(struct settings *settings, struct vkmoe_attention_params *params)
{
    params->heads =
        vkmoe_setting_u32(settings, SWA("num_attention_heads"), params->heads, 1, MAX_WIDTH);
    params->kv_heads = vkmoe_setting_u32(settings,
        "swa_num_key_value_heads|attention_other_setting/num_attention_groups", params->kv_heads, 1,
        MAX_WIDTH);
    if (params->heads % params->kv_heads || params->heads > MAX_WIDTH / params->head_size)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "blocks with a window have %u heads of %u for %u with keys, which do not fit together",
            params->heads, params->head_size, params->kv_heads);
}

static void read_rope(const struct whole_source *source, struct vkmoe_attention_params *params)
{
    const struct whole *whole = source->whole;
    struct settings *settings = source->settings;
    struct vkmoe_rope preset = whole->rope;
    preset.base = read_scale(settings, whole->rope_base_key, (double)preset.base);
    if (!whole->rope_alpha
        || !vkmoe_rope_read_alpha(settings, &preset, params->head_size, &params->rope))
        vkmoe_rope_read(
            settings, &preset, read_max_positions(source), whole->rope_grows, &params->rope);
    const bool has_base =
        whole->rope_base_key && vkmoe_setting_find(settings, whole->rope_base_key);
    // Beside it, for want of another, transformers 5 writes the preset.
    if (has_base && params->rope.base == whole->rope.base)
        params->rope.base = preset.base;
    if (has_base && params->rope.base != preset.base)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%s is %g, but rope_theta %g",
            whole->rope_base_key, (double)preset.base, (double)params->rope.base);
    read_growth(source, params);
    params->long_rope.attention_factor = vkmoe_rope_read_long_factor(settings, &params->rope);
    if (whole->latent.says_part) {
        check_latent_part(source, params);
        return;
    }
    const double part = vkmoe_rope_part(settings, whole->rope_part);
    uint32_t size = (uint32_t)(params->head_size * part);
    if (whole->rope_size_key)
        size = vkmoe_setting_u32(settings, whole->rope_size_key, size, 2, params->head_size);
    vkmoe_whole_turn(settings, size, params);
}

static bool has_head_norms(const struct whole_source *source)
{
    const struct setting *norms = &source->whole->head_norms;
    return source->whole->names[PLACE_BLOCKS].query_norm
        && (!norms->key || vkmoe_setting_bool(source->settings, norms->key, norms->preset));
}

bool vkmoe_whole_has(const struct whole_source *source, const struct setting *setting)
{
    const bool preset = setting->preset != 0;
    return setting->key ? vkmoe_setting_bool(source->settings, setting->key, preset) : preset;
}

void vkmoe_whole_read_attention(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params, struct traits *traits)
{
    const struct whole *whole = source->whole;
    struct settings *settings = source->settings;
    *params = (struct vkmoe_attention_params){ VKMOE_INIT(vkmoe_attention_params),
        .tiled_kv = whole->tiled_kv, .norm.wide = whole->norm_wide,
        .norm_after_rope = whole->norm_after_rope };
    check_expected(source);
    params->hidden = vkmoe_setting_read(&source->family->hidden, settings, 1, MAX_WIDTH);
    if (whole->latent.is_latent)
        read_latent(source, params);
    else
        read_heads(source, params);
    read_experts(source, params);
    if (has_head_norms(source) || whole->latent.is_latent)
        params->norm.epsilon = vkmoe_whole_read_epsilon(source);
    if (whole->latent.norm_epsilon != 0.0)
        params->norm.epsilon = (float)whole->latent.norm_epsilon;
    params->scale = read_scale(settings, whole->scale_key, whole->scale);
    params->value_clip = read_scale(settings, whole->clip_key, 0.0);
    params->soft_cap = read_scale(settings, whole->soft_cap_key, whole->soft_cap);
    params->value_scale = read_scale(settings, whole->value_scale_key, 0.0);
    if (whole->value_size.key)
        params->value_size = vkmoe_setting_read(&whole->value_size, settings, 1, MAX_WIDTH);
    if (whole->rope.kind != VKMOE_ROPE_NONE)
        read_rope(source, params);
    if (whole->latent.is_latent)
        read_latent_rope(source, params);
    if (whole->window_rope && vkmoe_setting_is_null(settings, "sliding_window"))
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "sliding_window is null, but blocks of this family have RoPE where they have windows");
    if (whole->window_rope && !vkmoe_whole_is_sliding(source, block, false))
        params->rope = (struct vkmoe_rope){ .kind = VKMOE_ROPE_NONE };
    *traits = (struct traits){ .bias = vkmoe_whole_has(source, &whole->bias),
        .head_norms = has_head_norms(source) };
    if (whole->adjust && settings->status == VKMOE_OK)
        whole->adjust(source, block, params, traits);
}

// ------------------------------------------------------------------------- patterns

// With WINDOW_BUT_EVERY.
static bool is_between(const struct whole_source *source, uint32_t block)
{
    const struct whole *whole = source->whole;
    struct settings *settings = source->settings;
    const struct setting *every = &whole->window_every;
    const uint32_t first = whole->window_every_dense.key
        ? vkmoe_setting_read(&source->family->dense_first, settings, 0, MAX_BLOCKS)
        : 0;
    if (block < first)
        every = &whole->window_every_dense;
    else
        block -= first;
    return (block + 1) % vkmoe_setting_read(every, settings, 1, MAX_BLOCKS) != 0;
}

// That layer_types has to have.
static uint32_t count_types(const struct whole_source *source, struct vkmoe_block block)
{
    const uint32_t blocks = source->blocks[block.part != VKMOE_PART_BLOCKS];
    const struct value *types =
        source->whole->longer_lists ? vkmoe_setting_find(source->settings, "layer_types") : NULL;
    return value_is(types, VALUE_LIST) ? MAX(types->count, blocks) : blocks;
}

bool vkmoe_whole_is_sliding(
    const struct whole_source *source, struct vkmoe_block block, bool preset)
{
    if (source->whole->window == WINDOW_5_OF_6) {
        preset = (block.index + 1) % 6 != 0;
        if (block.index + 1 == source->blocks[0])
            return false;
    }
    const char *sliding_name =
        source->whole->window == WINDOW_CHUNKS ? "chunked_attention" : "sliding_attention";
    struct settings *settings = source->settings;
    const struct value *list;
    if (source->whole->window_layout && vkmoe_setting_find(settings, source->whole->window_layout))
        return vkmoe_setting_flag_of(
            settings, source->whole->window_layout, source->blocks[0], block.index, preset);
    if (!vkmoe_setting_list_of(
            settings, "layer_types", count_types(source, block), "name", "blocks", &list)) {
        const struct setting *every = &source->whole->window_every;
        if (source->whole->window == WINDOW_BUT_EVERY && every->key
            && vkmoe_setting_is_null(settings, every->key))
            vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
                "%s is null, which does not say which blocks have windows", every->key);
        return source->whole->window == WINDOW_BUT_EVERY ? is_between(source, block.index) : preset;
    }
    const char *name = value_text(&list->items[block.index]);
    bool sliding = name && strcmp(name, sliding_name) == 0;
    if (!sliding && !(name && strcmp(name, "full_attention") == 0)) {
        char text[64];
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "layer_types has \"%s\" for block %u, only full_attention and %s are supported",
            name ? vkmoe_printable(name, text, sizeof text) : "", block.index, sliding_name);
    }
    return sliding;
}

// Of a block; 0: none.
static uint32_t read_window(const struct whole_source *source, struct vkmoe_block block)
{
    const struct whole *whole = source->whole;
    struct settings *settings = source->settings;
    const char *key = whole->window_key ? whole->window_key : "sliding_window";
    bool on = whole->window != WINDOW_NONE
        && (!whole->window_switch || vkmoe_setting_bool(settings, whole->window_switch, false));
    if (!on && !whole->window_switch && vkmoe_setting_find(settings, "sliding_window"))
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "sliding_window is there, which models of this family do not have");
    // Older and newer classes disagree on which blocks this leaves without a window.
    if (on && whole->window_switch && !vkmoe_setting_find(settings, "layer_types")
        && vkmoe_setting_u32(settings, "max_window_layers", 0, 0, UINT32_MAX) != 0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "%s with max_window_layers is ambiguous and not supported", whole->window_switch);
    uint32_t window = 0;
    if (on)
        window = vkmoe_setting_u32(settings, key,
            vkmoe_setting_is_null(settings, key) ? 0 : whole->window_preset, 1, INT32_MAX);
    bool preset = on && window;
    if (whole->window == WINDOW_ALTERNATE)
        preset = block.index % 2 == 0;
    else if (whole->window == WINDOW_LISTED)
        preset = false;
    else if (whole->window == WINDOW_LATER)
        preset = window
            && block.index
                >= vkmoe_setting_u32(settings, "max_window_layers", MAX_BLOCKS, 0, UINT32_MAX);
    bool sliding = vkmoe_whole_is_sliding(source, block, preset);
    if (sliding && window == 0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "block %u has sliding_attention, but there is no %s", block.index, key);
    return sliding ? window : 0;
}

// The chunks of a block with RoPE, or without if layer_types says so; 0: none.
static uint32_t read_chunk(const struct whole_source *source, struct vkmoe_block block, bool turned)
{
    struct settings *settings = source->settings;
    if (!vkmoe_whole_is_sliding(source, block, turned))
        return 0;
    const bool none = vkmoe_setting_is_null(settings, "attention_chunk_size");
    return vkmoe_setting_read(
        &(struct setting){ "attention_chunk_size", none ? 0 : source->whole->window_preset },
        settings, 1, (1 << 30) - 1);
}

bool vkmoe_whole_read_patterns(const struct whole_source *source, struct vkmoe_block block,
    const struct vkmoe_attention_params *params, struct vkmoe_pattern *patterns)
{
    struct settings *settings = source->settings;
    const uint32_t experts = params->experts;
    if (source->whole->window == WINDOW_CHUNKS) {
        const bool turned = params->rope.kind != VKMOE_ROPE_NONE;
        *patterns = (struct vkmoe_pattern){ .kind = VKMOE_PATTERN_CHUNKED,
            .block = read_chunk(source, block, turned) };
        return patterns->block > 0;
    }
    uint32_t window = read_window(source, block);
    bool both_sides = source->whole->both_sides[vkmoe_whole_place(block)];
    for (uint32_t e = 0; e < experts; e++)
        patterns[e] = (struct vkmoe_pattern){
            .kind = VKMOE_PATTERN_WINDOW, .left = window, .both_sides = both_sides
        };
    const char *key = source->whole->expert_windows;
    const struct value *list = NULL;
    if (key)
        vkmoe_setting_list_of(settings, key, experts, "window", "experts", &list);
    if (!list)
        return window != 0 || both_sides;
    bool limited = false;
    for (uint32_t e = 0; e < experts && settings->status == VKMOE_OK; e++) {
        uint64_t value;
        if (!vkmoe_value_integer(&list->items[e], &value) || value > INT32_MAX) {
            vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
                "%s has for expert %u something else than an integer from 0 to %d", key, e,
                INT32_MAX);
            return false;
        }
        limited = limited || value;
        patterns[e].left = (uint32_t)value;
    }
    return limited;
}

// ---------------------------------------------------------------------------- frame

bool vkmoe_family_has_beside(const struct family *family)
{
    return family->whole && family->whole->names[PLACE_BLOCKS].experts_pre_norm;
}

// The config to read a setting from: the language model's, or that of the model around it.
static struct settings find_level(struct settings *settings, const char *key)
{
    struct settings level = *settings;
    if (!vkmoe_setting_find(&level, key) && !vkmoe_setting_is_null(&level, key))
        level.object = settings->root;
    vkmoe_setting_find(&level, key); // may be there twice
    settings->status = level.status;
    return level;
}

// Of a decoder that follows an encoder.
static int32_t read_start_token(const struct whole_source *source, uint32_t vocabulary)
{
    if (source->blocks[1] == 0)
        return -1;
    struct settings level = find_level(source->settings, "decoder_start_token_id");
    uint32_t token = vkmoe_setting_u32(
        &level, "decoder_start_token_id", (uint32_t)source->whole->start_token, 0, vocabulary - 1);
    source->settings->status = level.status;
    return (int32_t)token;
}

void vkmoe_whole_read_frame(
    const struct whole_source *source, struct vkmoe_frame *frame, bool *tied)
{
    const struct whole *whole = source->whole;
    struct settings *settings = source->settings;
    const uint32_t *blocks = source->blocks; // with a decoder, the first are the encoder's
    *frame = (struct vkmoe_frame){ VKMOE_INIT(vkmoe_frame), .blocks = blocks[blocks[1] != 0],
        .encoder_blocks = blocks[1] ? blocks[0] : 0 };
    check_expected(source);
    frame->hidden = vkmoe_setting_read(&source->family->hidden, settings, 1, MAX_WIDTH);
    frame->vocabulary = vkmoe_setting_u32(settings, "vocab_size", whole->vocabulary, 1, INT32_MAX);
    frame->norm_epsilon = vkmoe_whole_read_epsilon(source);
    frame->layer_norm = whole->layer_norm && !has_rms_norms(source);
    frame->block_norm_epsilon =
        whole->block_norm_epsilon != 0.0 ? (float)whole->block_norm_epsilon : frame->norm_epsilon;
    frame->embedding_scale = read_scale(settings, whole->embedding_scale_key,
        whole->embedding_scale ? whole->embedding_scale : 1.0);
    if (vkmoe_whole_has(source, &whole->embedding_root))
        frame->embedding_scale *= sqrtf((float)frame->hidden);
    frame->logits_cap = read_scale(settings, whole->logits_cap_key, 0.0);
    frame->residual_scale = read_scale(settings, whole->residual_scale_key, 1.0);
    frame->logits_scale = read_scale(settings, whole->logits_scale_key,
                              whole->logits_scale ? whole->logits_scale : 1.0)
        / read_scale(settings, whole->logits_divisor_key, 1.0);
    frame->max_positions = read_steady_positions(source);
    frame->start_token = read_start_token(source, frame->vocabulary);
    struct settings level = find_level(settings, "tie_word_embeddings");
    *tied = vkmoe_setting_bool(&level, "tie_word_embeddings", whole->tied);
    if (*tied && whole->tied_root)
        frame->logits_scale /= sqrtf((float)frame->hidden);
    settings->status = level.status;
}
