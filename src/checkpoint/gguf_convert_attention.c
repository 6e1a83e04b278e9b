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
    // No loader of latent attention takes divisors, nor do those of gates of what heads attend to
    // and of blocks that differ, but one.
    const bool takes_none =
        latent || ((c->target.head_gate || c->target.windows_rope) && !c->target.halves);
    const bool divided =
        rope->scaling == VKMOE_ROPE_SCALING_LLAMA3 || c->attention.rope_divisors.data;
    if (rope->kind == VKMOE_ROPE_NONE || (takes_none && divided)
        || rope->scaling == VKMOE_ROPE_SCALING_DYNAMIC
        || (rope->kind != c->target.rope && rope->kind != VKMOE_ROPE_HALF))
        GGUF_REFUSE(c, "how its positions are embedded");
    if ((divided && !c->target.divisors) || (latent && rope->scaling == VKMOE_ROPE_SCALING_LINEAR))
        GGUF_UNKNOWN(c, "its RoPE is scaled so");
    vkmoe_gguf_put_own_f32(c, "rope.freq_base", rope->base != 0.0f ? rope->base : 1e4f);
    vkmoe_gguf_put_own_u32(
        c, "rope.dimension_count", vkmoe_gguf_turned_size(c) * (c->target.halves ? 2 : 1));
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

// Heads with keys and values of their own.
static void put_heads(struct gguf_converter *c)
{
    const struct vkmoe_attention_params *p = &c->attention;
    if (!c->target.extras && !c->target.lists)
        vkmoe_gguf_put_own_u32(c, "attention.head_count_kv", p->kv_heads);
    vkmoe_gguf_put_own_u32(c, "attention.key_length", p->head_size);
    vkmoe_gguf_put_own_u32(c, "attention.value_length", gguf_value_size(p));
    if (p->value_scale != 0.0f && p->value_scale != 1.0f)
        vkmoe_gguf_put_own_f32(c, "attention.value_scale", p->value_scale);
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

// Its factor and cap of scores, and where these grow, which is beyond its context.
static void put_grok(struct gguf_converter *c, float scale)
{
    vkmoe_gguf_put_own_f32(c, "attention.output_scale", scale);
    vkmoe_gguf_put_own_f32(c, "attn_logit_softcapping", c->attention.soft_cap);
    vkmoe_gguf_put_own_u32(c, "attention.temperature_length", c->frame.max_positions);
}

enum vkmoe_status vkmoe_gguf_put_attention(struct gguf_converter *c)
{
    const struct vkmoe_attention_params *p = &c->attention;
    const bool extras = c->target.extras;
    const float root = usual_scale(p), scale = p->scale != 0.0f ? p->scale : root;
    const float usual = extras ? 1.0f : root;
    const bool by_yarn = p->latent.rank && p->rope.scaling == VKMOE_ROPE_SCALING_YARN;
    if (p->experts != 1 || p->value.experts.experts || p->output.experts.experts
        || p->position.bias.data || p->tiled_kv || (p->soft_cap != 0.0f && !c->target.grok)
        || p->expert_kv_heads || p->norm_after_rope != c->target.norm_after_rope
        || p->value_norm != extras || (p->gate.matrix.data != NULL) != c->target.head_gate)
        GGUF_REFUSE(c, "what its attention computes");
    const bool biased = p->query.bias.data || p->key.bias.data || p->value.bias.data;
    if (biased && c->target.biases == BIASES_NEVER)
        GGUF_UNKNOWN(c, "attention has biases");
    if (!biased && c->target.biases == BIASES_ALWAYS)
        GGUF_REFUSE(c, "that its attention has no biases");
    if (p->value_clip != 0.0f && !c->target.fused)
        GGUF_UNKNOWN(c, "queries, keys and values are clamped");
    if (!c->target.lists)
        vkmoe_gguf_put_own_u32(c, "attention.head_count", p->heads);
    if (p->latent.rank)
        put_latent(c);
    else
        put_heads(c);
    if (c->target.grok)
        put_grok(c, scale);
    else if (c->target.has_scales)
        vkmoe_gguf_put_own_f32(c, "attention.scale", scale);
    else if (!by_yarn && fabsf(scale - usual) > 1e-6f * usual)
        GGUF_REFUSE(c, "how its scores are scaled");
    put_rope(c);
    TRY_RETURN(c->out->status);
    return vkmoe_gguf_put_blocks(c);
}
