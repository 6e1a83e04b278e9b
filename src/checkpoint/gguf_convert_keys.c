// gguf_convert_keys.c - what GGUF's keys say of a model, and what they cannot say.
#include "checkpoint/gguf_convert.h"

#include <math.h>
#include <stdio.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"

#define REFUSE(c, ...) \
    GGUF_OUTPUT_FAIL((c)->out, UNSUPPORTED, "%s: GGUF's %s cannot say %s", (c)->out->path, \
        (c)->target.name, __VA_ARGS__)

struct key {
    char text[96];
};

static struct key own_key(const struct gguf_converter *c, const char *name)
{
    struct key key;
    snprintf(key.text, sizeof key.text, "%s.%s", c->target.name, name);
    return key;
}

static void put_u32(struct gguf_converter *c, const char *name, uint32_t value)
{
    vkmoe_gguf_put_u32(c->out, own_key(c, name).text, value);
}

static void put_f32(struct gguf_converter *c, const char *name, float value)
{
    vkmoe_gguf_put_f32(c->out, own_key(c, name).text, value);
}

static void put_bool(struct gguf_converter *c, const char *name, bool value)
{
    vkmoe_gguf_put_bool(c->out, own_key(c, name).text, value);
}

// -------------------------------------------------------------------------------- gate

// As llama.cpp numbers them.
static uint32_t gating_of(const struct vkmoe_router_params *router)
{
    enum { SOFTMAX = 1, SIGMOID, CHOSEN, SQRT_SOFTPLUS };
    if (router->score == VKMOE_SCORE_IDENTITY)
        return router->weigh == VKMOE_WEIGH_SOFTMAX ? CHOSEN : 0;
    if (router->weigh != VKMOE_WEIGH_SCORE)
        return 0;
    return router->score == VKMOE_SCORE_SOFTMAX ? SOFTMAX
        : router->score == VKMOE_SCORE_SIGMOID  ? SIGMOID
                                                : SQRT_SOFTPLUS;
}

static void check_fixed_gate(struct gguf_converter *c, const struct vkmoe_router_params *router)
{
    const bool renormalized = router->renormalize.mode != VKMOE_RENORMALIZE_NONE;
    const bool chosen =
        router->score == VKMOE_SCORE_IDENTITY && router->weigh == VKMOE_WEIGH_SOFTMAX;
    const bool as_score = router->score == c->target.score && router->weigh == VKMOE_WEIGH_SCORE
        && renormalized == c->target.renormalizes;
    // Softmax of the chosen logits is softmax of all, renormalised.
    const bool as_chosen = chosen
        && (c->target.chosen_softmax
            || (c->target.score == VKMOE_SCORE_SOFTMAX && c->target.renormalizes));
    if (!(c->target.chosen_softmax ? as_chosen : as_score || as_chosen))
        REFUSE(c, "how its gate weighs experts");
    if (router->scale != 0.0f && router->scale != 1.0f)
        REFUSE(c, "that its gate's weights are scaled");
    if (router->groups.count > 1)
        REFUSE(c, "that its experts are chosen by groups");
}

static void put_gate(struct gguf_converter *c)
{
    const struct vkmoe_router_params *router = &c->moe.router;
    const bool mixes = router->select == VKMOE_SELECT_SPARSEMIXER && c->target.sparsemixer
        && fabsf(router->sparsemixer_threshold - 0.02f) < 1e-6f;
    if ((router->select != VKMOE_SELECT_TOP_K && !mixes) || router->rms_norm
        || router->soft_cap != 0.0f || router->always || router->capacity
        || router->input_scale.data || router->expert_scale.data)
        REFUSE(c, "how its gate chooses experts");
    if (mixes)
        return; // the architecture says all of it
    if (!c->target.gate_by_keys) {
        check_fixed_gate(c, router);
        if (c->target.score == VKMOE_SCORE_SIGMOID) // which llama.cpp does not know otherwise
            put_u32(c, "expert_gating_func", gating_of(router));
        return;
    }
    if (gating_of(router) == 0)
        REFUSE(c, "how its gate weighs experts");
    put_u32(c, "expert_gating_func", gating_of(router));
    put_bool(c, "expert_weights_norm", router->renormalize.mode != VKMOE_RENORMALIZE_NONE);
    put_f32(c, "expert_weights_scale", router->scale != 0.0f ? router->scale : 1.0f);
    if (router->groups.count <= 1)
        return;
    if (router->groups.score != VKMOE_GROUP_SCORE_SUM_TOP_2
        || router->groups.mode != VKMOE_GROUP_MODE_MASK)
        REFUSE(c, "how its groups of experts are ranked");
    put_u32(c, "expert_group_count", router->groups.count);
    put_u32(c, "expert_group_used_count", router->groups.kept);
}

static void put_experts(struct gguf_converter *c, uint32_t dense_inner)
{
    const struct vkmoe_moe_params *p = &c->moe;
    const enum vkmoe_activation activation =
        c->target.chosen_softmax ? VKMOE_ACTIVATION_SWIGLU_OAI : VKMOE_ACTIVATION_SILU;
    if (p->activation != activation || !p->gate || p->weight_on_input || p->output_bias.data
        || (p->router_hidden && p->router_hidden != p->hidden))
        REFUSE(c, "what its experts compute");
    put_u32(c, "feed_forward_length", dense_inner ? dense_inner : p->inner);
    put_u32(c, "expert_feed_forward_length", p->inner);
    put_u32(c, "expert_count", p->experts);
    put_u32(c, "expert_used_count", p->experts_per_token);
    if (p->shared.inner) {
        const bool whole = !c->target.shared_by_key && p->shared.inner % p->inner == 0;
        put_u32(c, "expert_shared_count", whole ? p->shared.inner / p->inner : 1);
        put_u32(c, "expert_shared_feed_forward_length", p->shared.inner);
    }
    put_gate(c);
}

// --------------------------------------------------------------------------- attention

// Whose divisors are tensors. Published with two attention factors, which are one.
static void put_longrope(struct gguf_converter *c)
{
    const struct vkmoe_rope *rope = &c->attention.rope;
    const float factor = rope->attention_factor;
    if (fabsf(c->attention.long_rope.attention_factor - factor) > 1e-6f * factor)
        REFUSE(c, "that its attention factor changes with the context");
    vkmoe_gguf_put_text(c->out, own_key(c, "rope.scaling.type").text, "longrope");
    put_u32(c, "rope.scaling.original_context_length", rope->original_positions);
    put_f32(c, "rope.scaling.attn_factor", factor != 0.0f ? factor : 1.0f);
}

static void put_rope(struct gguf_converter *c)
{
    const struct vkmoe_rope *rope = &c->attention.rope;
    const bool yarn = rope->scaling == VKMOE_ROPE_SCALING_YARN;
    if (rope->kind == VKMOE_ROPE_NONE || rope->scaling == VKMOE_ROPE_SCALING_DYNAMIC
        || (rope->kind != c->target.rope && rope->kind != VKMOE_ROPE_HALF))
        REFUSE(c, "how its positions are embedded");
    put_f32(c, "rope.freq_base", rope->base != 0.0f ? rope->base : 1e4f);
    put_u32(c, "rope.dimension_count", rope->size ? rope->size : c->attention.head_size);
    c->turned = rope->kind != c->target.rope;
    if (c->turned
        && ((rope->size && rope->size != c->attention.head_size) || c->attention.query.norm.data))
        REFUSE(c, "how its heads are rotated");
    if (rope->scaling == VKMOE_ROPE_SCALING_LONGROPE)
        put_longrope(c);
    if (!yarn && rope->scaling != VKMOE_ROPE_SCALING_LINEAR)
        return;
    vkmoe_gguf_put_text(c->out, own_key(c, "rope.scaling.type").text, yarn ? "yarn" : "linear");
    put_f32(c, "rope.scaling.factor", rope->factor);
    if (!yarn)
        return;
    const float usual = 1.0f + 0.1f * logf(MAX(rope->factor, 1.0f));
    put_u32(c, "rope.scaling.original_context_length", rope->original_positions);
    put_f32(c, "rope.scaling.yarn_beta_fast", rope->beta_fast != 0.0f ? rope->beta_fast : 32.0f);
    put_f32(c, "rope.scaling.yarn_beta_slow", rope->beta_slow != 0.0f ? rope->beta_slow : 1.0f);
    put_bool(c, "rope.scaling.yarn_truncate", !rope->exact_range);
    if (rope->attention_factor != 0.0f && fabsf(rope->attention_factor - usual) > 1e-6f * usual)
        put_f32(c, "rope.scaling.attn_factor", rope->attention_factor / usual);
}

// The window of a block's attention, or 0.
static enum vkmoe_status read_window(struct gguf_converter *c, uint32_t block, uint32_t *out)
{
    struct vkmoe_attention_params p = { VKMOE_INIT(vkmoe_attention_params) };
    TRY_RETURN(
        vkmoe_checkpoint_get_attention(c->checkpoint, (struct vkmoe_block){ .index = block }, &p));
    const struct vkmoe_pattern *pattern = p.patterns;
    *out = pattern ? pattern->left : 0;
    if (pattern && (pattern->kind != VKMOE_PATTERN_WINDOW || pattern->sinks || pattern->local))
        REFUSE(c, "which keys its attention sees");
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
            REFUSE(c, "that its windows differ");
        first = window ? window : first;
        with += window != 0;
        alternate = alternate && (window != 0) == (b % 2 == 0);
    }
    if (with == 0)
        return c->out->status;
    if (c->target.alternate_window ? !alternate : with != c->frame.blocks)
        REFUSE(c, "which of its blocks have windows");
    put_u32(c, "attention.sliding_window", first);
    return c->out->status;
}

static void put_attention(struct gguf_converter *c)
{
    const struct vkmoe_attention_params *p = &c->attention;
    const float usual = 1.0f / sqrtf((float)p->head_size);
    if (p->latent.rank) {
        GGUF_OUTPUT_FAIL(c->out, UNSUPPORTED,
            "%s: this version does not write latent attention to GGUF", c->out->path);
        return;
    }
    if (p->experts != 1 || p->value.experts.experts || p->output.experts.experts
        || p->position.bias.data || p->tiled_kv || p->soft_cap != 0.0f || p->expert_kv_heads
        || p->norm_after_rope != c->target.norm_after_rope)
        REFUSE(c, "what its attention computes");
    put_u32(c, "attention.head_count", p->heads);
    put_u32(c, "attention.head_count_kv", p->kv_heads);
    put_u32(c, "attention.key_length", p->head_size);
    put_u32(c, "attention.value_length", p->head_size);
    if (p->value_clip != 0.0f)
        put_f32(c, "attention.clamp_kqv", p->value_clip);
    const bool scaled = p->scale != 0.0f && fabsf(p->scale - usual) > 1e-6f * usual;
    if (c->target.has_scales)
        put_f32(c, "attention.scale", p->scale != 0.0f ? p->scale : usual);
    else if (scaled)
        REFUSE(c, "how its scores are scaled");
    put_rope(c);
}

// -------------------------------------------------------------------------------- all

static void put_frame(struct gguf_converter *c)
{
    const struct vkmoe_frame *frame = &c->frame;
    const float scales[] = { frame->embedding_scale, frame->residual_scale, frame->logits_scale };
    static const char *const names[] = { "embedding_scale", "residual_scale", "logit_scale" };
    if (frame->encoder_blocks || frame->norm_epsilon != frame->block_norm_epsilon
        || frame->layer_norm != c->target.layer_norm
        || (frame->head_bias.data && !c->target.layer_norm))
        REFUSE(c, "what is around its blocks");
    put_u32(c, "block_count", frame->blocks);
    put_u32(c, "context_length", frame->max_positions);
    put_u32(c, "embedding_length", frame->hidden);
    put_u32(c, "vocab_size", frame->vocabulary);
    put_f32(c, "attention.layer_norm_rms_epsilon", frame->norm_epsilon);
    for (uint32_t i = 0; i < ARRAY_SIZE(scales); i++) {
        const float scale = scales[i] != 0.0f ? scales[i] : 1.0f;
        if (c->target.has_scales)
            put_f32(c, names[i], i == 2 ? 1.0f / scale : scale);
        else if (scale != 1.0f)
            REFUSE(c, names[i]);
    }
}

// The tokens that end texts, as many as there are keys.
static void put_end_tokens(struct gguf_converter *c)
{
    static const char *const keys[] = { "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id" };
    if (c->frame.end_token_count > ARRAY_SIZE(keys))
        vkmoe_log(c->out->log, VKMOE_LOG_WARNING,
            "%s: of its %u tokens that end a text GGUF has room for %u", c->out->path,
            c->frame.end_token_count, (uint32_t)ARRAY_SIZE(keys));
    for (uint32_t i = 0; i < c->frame.end_token_count && i < ARRAY_SIZE(keys); i++)
        vkmoe_gguf_put_u32(c->out, keys[i], c->frame.end_tokens[i]);
}

// Of the first block that has experts, and of the first that has not.
static enum vkmoe_status find_blocks(
    struct gguf_converter *c, uint32_t *dense_blocks, uint32_t *dense_inner)
{
    struct vkmoe_moe_params dense = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_block block = { .index = 0 };
    while (block.index < c->frame.blocks && !vkmoe_checkpoint_is_moe(c->checkpoint, block))
        block.index++;
    *dense_blocks = block.index;
    if (block.index == c->frame.blocks) {
        REFUSE(c, "that it has no experts");
        return c->out->status;
    }
    for (struct vkmoe_block later = block; later.index < c->frame.blocks; later.index++) {
        if (!vkmoe_checkpoint_is_moe(c->checkpoint, later)) {
            REFUSE(c, "which of its blocks have experts");
            return c->out->status;
        }
    }
    TRY_RETURN(vkmoe_checkpoint_get_moe(c->checkpoint, block, &c->moe));
    TRY_RETURN(vkmoe_checkpoint_get_attention(
        c->checkpoint, (struct vkmoe_block){ .index = 0 }, &c->attention));
    if (*dense_blocks)
        TRY_RETURN(
            vkmoe_checkpoint_get_mlp(c->checkpoint, (struct vkmoe_block){ .index = 0 }, &dense));
    *dense_inner = dense.inner;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_gguf_put_keys(struct gguf_converter *c)
{
    uint32_t dense_blocks, dense_inner = 0;
    TRY_RETURN(find_blocks(c, &dense_blocks, &dense_inner));
    vkmoe_gguf_put_text(c->out, "general.architecture", c->target.name);
    vkmoe_gguf_put_text(c->out, "general.type", "model");
    put_frame(c);
    put_experts(c, dense_inner);
    put_u32(c, "leading_dense_block_count", dense_blocks);
    if (c->target.has_interval)
        put_u32(c, "interleave_moe_layer_step", 1);
    put_attention(c);
    put_end_tokens(c);
    return c->out->status == VKMOE_OK ? put_windows(c) : c->out->status;
}
