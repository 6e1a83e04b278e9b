// gguf_convert_attention.c - what GGUF's keys say of a model's attention, and what they cannot say.
#include "checkpoint/gguf_convert.h"

#include <math.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"

// --------------------------------------------------------------------------- attention

static float usual_scale(const struct vkmoe_attention_params *p)
{
    const uint32_t turned = p->head_size - p->latent.rank;
    return 1.0f / sqrtf((float)(p->latent.rank ? p->latent.key_size + turned : p->head_size));
}

// Whose divisors are tensors. Published with two attention factors, which are one.
static void put_longrope(struct gguf_converter *c)
{
    const struct vkmoe_rope *rope = &c->attention.rope;
    const float factor = rope->attention_factor;
    if (fabsf(c->attention.long_rope.attention_factor - factor) > 1e-6f * factor)
        GGUF_REFUSE(c, "that its attention factor changes with the context");
    vkmoe_gguf_put_text(c->out, vkmoe_gguf_own_key(c, "rope.scaling.type").text, "longrope");
    vkmoe_gguf_put_own_u32(c, "rope.scaling.original_context_length", rope->original_positions);
    vkmoe_gguf_put_own_f32(c, "rope.scaling.attn_factor", factor != 0.0f ? factor : 1.0f);
}

// What latent attention's scores have beside the root: the square of 1 + m ln factor. What is
// rotated does not grow.
static void put_log_multiplier(struct gguf_converter *c)
{
    const struct vkmoe_rope *rope = &c->attention.rope;
    const double growth = sqrt((double)c->attention.scale / (double)usual_scale(&c->attention));
    const double logarithm = log((double)rope->factor);
    if (fabsf(rope->attention_factor - 1.0f) > 1e-6f)
        GGUF_REFUSE(c, "that what is rotated grows");
    const bool grows = fabs(growth - 1.0) > 1e-6 && logarithm > 0.0;
    vkmoe_gguf_put_own_f32(
        c, "rope.scaling.yarn_log_multiplier", grows ? (float)((growth - 1.0) / logarithm) : 0.0f);
    // Without one llama.cpp has YaRN's usual factor, on scores as well.
    if (!grows && logarithm > 0.0)
        vkmoe_gguf_put_own_f32(
            c, "rope.scaling.attn_factor", (float)(1.0 / (1.0 + 0.1 * logarithm)));
}

uint32_t vkmoe_gguf_turned_size(const struct gguf_converter *c)
{
    const struct vkmoe_attention_params *p = &c->attention;
    return p->rope.size ? p->rope.size : p->head_size - p->latent.rank;
}

static void put_rope(struct gguf_converter *c)
{
    const struct vkmoe_rope *rope = &c->attention.rope;
    const bool yarn = rope->scaling == VKMOE_ROPE_SCALING_YARN, latent = c->attention.latent.rank;
    const uint32_t head = c->attention.head_size - c->attention.latent.rank;
    // No loader of latent attention takes divisors, nor does that of gates of what heads attend to.
    const bool divided =
        rope->scaling == VKMOE_ROPE_SCALING_LLAMA3 || c->attention.rope_divisors.data;
    if (rope->kind == VKMOE_ROPE_NONE || ((latent || c->target.head_gate) && divided)
        || rope->scaling == VKMOE_ROPE_SCALING_DYNAMIC
        || (rope->kind != c->target.rope && rope->kind != VKMOE_ROPE_HALF))
        GGUF_REFUSE(c, "how its positions are embedded");
    if ((divided && !c->target.divisors) || (latent && rope->scaling == VKMOE_ROPE_SCALING_LINEAR))
        GGUF_UNKNOWN(c, "its RoPE is scaled so");
    vkmoe_gguf_put_own_f32(c, "rope.freq_base", rope->base != 0.0f ? rope->base : 1e4f);
    vkmoe_gguf_put_own_u32(c, "rope.dimension_count", vkmoe_gguf_turned_size(c));
    c->turned = rope->kind != c->target.rope;
    if (c->turned && (latent || vkmoe_gguf_turned_size(c) != head || c->attention.query.norm.data))
        GGUF_REFUSE(c, "how its heads are rotated");
    if (rope->scaling == VKMOE_ROPE_SCALING_LONGROPE)
        put_longrope(c);
    if (!yarn && rope->scaling != VKMOE_ROPE_SCALING_LINEAR)
        return;
    vkmoe_gguf_put_text(
        c->out, vkmoe_gguf_own_key(c, "rope.scaling.type").text, yarn ? "yarn" : "linear");
    vkmoe_gguf_put_own_f32(c, "rope.scaling.factor", rope->factor);
    if (!yarn)
        return;
    const float usual = 1.0f + 0.1f * logf(MAX(rope->factor, 1.0f));
    vkmoe_gguf_put_own_u32(c, "rope.scaling.original_context_length", rope->original_positions);
    vkmoe_gguf_put_own_f32(
        c, "rope.scaling.yarn_beta_fast", rope->beta_fast != 0.0f ? rope->beta_fast : 32.0f);
    vkmoe_gguf_put_own_f32(
        c, "rope.scaling.yarn_beta_slow", rope->beta_slow != 0.0f ? rope->beta_slow : 1.0f);
    vkmoe_gguf_put_own_bool(c, "rope.scaling.yarn_truncate", !rope->exact_range);
    if (rope->exact_range)
        GGUF_UNKNOWN(c, "YaRN's range is not rounded");
    if (c->attention.temperature.scale != 0.0f && latent) {
        vkmoe_gguf_put_own_f32(c, "attention.temperature_scale", c->attention.temperature.scale);
        vkmoe_gguf_put_own_u32(c, "attention.temperature_length", rope->original_positions);
    }
    if (latent)
        put_log_multiplier(c);
    else if (rope->attention_factor != 0.0f
        && fabsf(rope->attention_factor - usual) > 1e-6f * usual)
        vkmoe_gguf_put_own_f32(c, "rope.scaling.attn_factor", rope->attention_factor / usual);
}

// What an architecture has without saying so: of four blocks three have RoPE, chunks, and norms
// without weights unless it has 128 experts; of the fourth queries grow with their positions.
static bool is_fixed(
    const struct gguf_converter *c, const struct vkmoe_attention_params *p, uint32_t block)
{
    enum { EVERY = 4, CHUNK = 8192, LARGE = 128 };
    const struct vkmoe_pattern *pattern = p->patterns;
    if ((block + 1) % EVERY == 0)
        return !pattern && p->rope.kind == VKMOE_ROPE_NONE && !p->query.norm.data
            && p->temperature.floor == CHUNK && fabsf(p->temperature.scale - 0.1f) < 1e-6f;
    return pattern && pattern->kind == VKMOE_PATTERN_CHUNKED && pattern->block == CHUNK
        && p->rope.kind != VKMOE_ROPE_NONE && p->temperature.scale == 0.0f
        && (p->query.norm.data != NULL) == (c->moe.experts != LARGE);
}

// Whether a block is turned where it has a window, and not elsewhere.
static bool has_window_rope(const struct vkmoe_attention_params *p, uint32_t block)
{
    const bool window = (block + 1) % 4 != 0;
    return (p->patterns != NULL) == window && (p->rope.kind != VKMOE_ROPE_NONE) == window;
}

// The window of a block's attention, or 0.
static enum vkmoe_status read_window(struct gguf_converter *c, uint32_t block, uint32_t *out)
{
    struct vkmoe_attention_params p = { VKMOE_INIT(vkmoe_attention_params) };
    TRY_RETURN(
        vkmoe_checkpoint_get_attention(c->checkpoint, (struct vkmoe_block){ .index = block }, &p));
    const struct vkmoe_pattern *pattern = p.patterns;
    *out = pattern ? pattern->left : 0;
    if (c->target.fixed_chunks && !is_fixed(c, &p, block))
        GGUF_REFUSE(c, "which keys its attention sees and how positions count");
    else if (c->target.fourth_full && !has_window_rope(&p, block))
        GGUF_REFUSE(c, "which of its blocks have windows and RoPE");
    else if (c->target.fixed_chunks)
        *out = 0;
    else if (pattern && (pattern->kind != VKMOE_PATTERN_WINDOW || pattern->sinks || pattern->local))
        GGUF_REFUSE(c, "which keys its attention sees");
    return c->out->status;
}

static enum vkmoe_status put_windows(struct gguf_converter *c)
{
    uint32_t first = 0, with = 0;
    bool alternate = true;
    for (uint32_t b = 0; b < c->frame.blocks; b++) {
        uint32_t window;
        TRY_RETURN(read_window(c, b, &window));
        if (window && first && window != first)
            GGUF_REFUSE(c, "that its windows differ");
        first = window ? window : first;
        with += window != 0;
        alternate = alternate && (window != 0) == (b % 2 == 0);
    }
    if (with == 0)
        return c->out->status;
    if (!c->target.fourth_full
        && (c->target.alternate_window ? !alternate : with != c->frame.blocks))
        GGUF_REFUSE(c, "which of its blocks have windows");
    if (!c->target.fourth_full && !c->target.alternate_window && first < c->frame.max_positions)
        GGUF_UNKNOWN(c, "blocks have windows");
    vkmoe_gguf_put_own_u32(c, "attention.sliding_window", first);
    return c->out->status;
}

static void put_array(struct gguf_converter *c, const char *name, enum gguf_items kind,
    const void *items, size_t size)
{
    vkmoe_gguf_put_array(c->out, vkmoe_gguf_own_key(c, name).text, kind, c->frame.blocks);
    vkmoe_gguf_put_bytes(c->out, items, c->frame.blocks * size);
}

// Blocks with a window, which have heads and RoPE of their own, and those that see everything.
static enum vkmoe_status put_kinds(struct gguf_converter *c)
{
    struct vkmoe_attention_params with = { VKMOE_INIT(vkmoe_attention_params) };
    int32_t heads[MAX_BLOCKS];
    bool windows[MAX_BLOCKS];
    for (uint32_t b = 0; b < c->frame.blocks; b++) {
        struct vkmoe_attention_params p = { VKMOE_INIT(vkmoe_attention_params) };
        TRY_RETURN(
            vkmoe_checkpoint_get_attention(c->checkpoint, (struct vkmoe_block){ .index = b }, &p));
        heads[b] = (int32_t)p.kv_heads;
        windows[b] = p.patterns != NULL;
        if (windows[b])
            with = p;
        if (windows[b] && p.rope_divisors.data)
            GGUF_REFUSE(c, "how its positions are embedded");
        if (p.query.bias.data || p.output.bias.data)
            GGUF_REFUSE(c, "that its attention has biases");
    }
    if (!with.patterns) {
        GGUF_REFUSE(c, "that no block has a window");
        return c->out->status;
    }
    put_array(c, "attention.head_count_kv", GGUF_ITEMS_I32, heads, sizeof *heads);
    put_array(c, "attention.sliding_window_pattern", GGUF_ITEMS_BOOL, windows, sizeof *windows);
    vkmoe_gguf_put_own_u32(c, "attention.sliding_window", with.patterns->left);
    vkmoe_gguf_put_own_u32(c, "attention.key_length_swa", with.head_size);
    vkmoe_gguf_put_own_u32(c, "attention.value_length_swa", with.head_size);
    vkmoe_gguf_put_own_u32(c, "rope.dimension_count_swa", with.head_size);
    vkmoe_gguf_put_own_f32(c, "rope.freq_base_swa", with.rope.base);
    vkmoe_gguf_put_own_u32(c, "attention.shared_kv_layers", 0);
    vkmoe_gguf_put_own_u32(c, "embedding_length_per_layer_input", 0);
    return c->out->status;
}

// Heads with keys and values of their own.
static void put_heads(struct gguf_converter *c)
{
    const struct vkmoe_attention_params *p = &c->attention;
    if (!c->target.extras)
        vkmoe_gguf_put_own_u32(c, "attention.head_count_kv", p->kv_heads);
    vkmoe_gguf_put_own_u32(c, "attention.key_length", p->head_size);
    vkmoe_gguf_put_own_u32(c, "attention.value_length", p->head_size);
    if (p->value_clip != 0.0f || c->target.fused)
        vkmoe_gguf_put_own_f32(c, "attention.clamp_kqv", p->value_clip);
}

// One key for all heads, and a value that is its start.
static void put_latent(struct gguf_converter *c)
{
    const struct vkmoe_attention_params *p = &c->attention;
    const struct vkmoe_latent *l = &p->latent;
    vkmoe_gguf_put_own_u32(c, "attention.head_count_kv", 1);
    vkmoe_gguf_put_own_u32(c, "attention.key_length", p->head_size);
    vkmoe_gguf_put_own_u32(c, "attention.value_length", l->rank);
    vkmoe_gguf_put_own_u32(c, "attention.kv_lora_rank", l->rank);
    if (l->query_rank)
        vkmoe_gguf_put_own_u32(c, "attention.q_lora_rank", l->query_rank);
    vkmoe_gguf_put_own_u32(c, "attention.key_length_mla", l->key_size + p->head_size - l->rank);
    vkmoe_gguf_put_own_u32(c, "attention.value_length_mla", l->value_size);
    if (p->norm.epsilon != c->frame.norm_epsilon)
        vkmoe_log(c->out->log, VKMOE_LOG_WARNING,
            "%s: GGUF has one epsilon for all norms: those of latent attention get %g instead of "
            "%g",
            c->out->path, (double)c->frame.norm_epsilon, (double)p->norm.epsilon);
}

enum vkmoe_status vkmoe_gguf_put_attention(struct gguf_converter *c)
{
    const struct vkmoe_attention_params *p = &c->attention;
    const bool extras = c->target.extras;
    const float root = usual_scale(p), scale = p->scale != 0.0f ? p->scale : root;
    const float usual = extras ? 1.0f : root;
    const bool by_yarn = p->latent.rank && p->rope.scaling == VKMOE_ROPE_SCALING_YARN;
    if (p->experts != 1 || p->value.experts.experts || p->output.experts.experts
        || p->position.bias.data || p->tiled_kv || p->soft_cap != 0.0f || p->expert_kv_heads
        || p->norm_after_rope != c->target.norm_after_rope || p->value_norm != extras
        || (p->gate.matrix.data != NULL) != c->target.head_gate)
        GGUF_REFUSE(c, "what its attention computes");
    const bool biased = p->query.bias.data || p->key.bias.data || p->value.bias.data;
    if (biased && c->target.biases == BIASES_NEVER)
        GGUF_UNKNOWN(c, "attention has biases");
    if (!biased && c->target.biases == BIASES_ALWAYS)
        GGUF_REFUSE(c, "that its attention has no biases");
    if (p->value_clip != 0.0f && !c->target.fused)
        GGUF_UNKNOWN(c, "queries, keys and values are clamped");
    vkmoe_gguf_put_own_u32(c, "attention.head_count", p->heads);
    if (p->latent.rank)
        put_latent(c);
    else
        put_heads(c);
    if (c->target.has_scales)
        vkmoe_gguf_put_own_f32(c, "attention.scale", scale);
    else if (!by_yarn && fabsf(scale - usual) > 1e-6f * usual)
        GGUF_REFUSE(c, "how its scores are scaled");
    put_rope(c);
    TRY_RETURN(c->out->status);
    return extras ? put_kinds(c) : put_windows(c);
}
