// gguf_convert_keys.c - what GGUF's keys say of a model, and what they cannot say.
#include "checkpoint/gguf_convert.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"

struct gguf_key vkmoe_gguf_own_key(const struct gguf_converter *c, const char *name)
{
    struct gguf_key key;
    snprintf(key.text, sizeof key.text, "%s.%s", c->target.name, name);
    return key;
}

void vkmoe_gguf_put_own_u32(struct gguf_converter *c, const char *name, uint32_t value)
{
    vkmoe_gguf_put_u32(c->out, vkmoe_gguf_own_key(c, name).text, value);
}

void vkmoe_gguf_put_own_f32(struct gguf_converter *c, const char *name, float value)
{
    vkmoe_gguf_put_f32(c->out, vkmoe_gguf_own_key(c, name).text, value);
}

void vkmoe_gguf_put_own_bool(struct gguf_converter *c, const char *name, bool value)
{
    vkmoe_gguf_put_bool(c->out, vkmoe_gguf_own_key(c, name).text, value);
}

void vkmoe_gguf_put_own_list(struct gguf_converter *c, const char *name, enum gguf_items kind,
    const void *items, size_t size)
{
    vkmoe_gguf_put_array(c->out, vkmoe_gguf_own_key(c, name).text, kind, c->frame.blocks);
    vkmoe_gguf_put_bytes(c->out, items, c->frame.blocks * size);
}

// -------------------------------------------------------------------------------- gate

// As llama.cpp numbers them.
static uint32_t gating_of(const struct vkmoe_router_params *router)
{
    enum { SOFTMAX = 1, SIGMOID, CHOSEN, SQRT_SOFTPLUS };
    if (router->score == VKMOE_SCORE_IDENTITY)
        return router->weigh == VKMOE_WEIGH_SOFTMAX ? CHOSEN
            : router->weigh == VKMOE_WEIGH_SIGMOID  ? SIGMOID // which orders them as logits do
                                                    : 0;
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
    const bool as_score = router->score == c->target.score && router->weigh == c->target.weigh
        && renormalized == c->target.renormalizes;
    // Softmax of the chosen logits is softmax of all, renormalised.
    const bool as_chosen = chosen
        && (c->target.chosen_softmax
            || (c->target.score == VKMOE_SCORE_SOFTMAX && c->target.renormalizes));
    if (!(c->target.chosen_softmax ? as_chosen : as_score || as_chosen))
        GGUF_REFUSE(c, "how its gate weighs experts");
    if (router->scale != 0.0f && router->scale != 1.0f)
        GGUF_REFUSE(c, "that its gate's weights are scaled");
    if (router->groups.count > 1)
        GGUF_REFUSE(c, "that its experts are chosen by groups");
}

// Sigmoids by their sum, or softmax, which is that of the chosen ones by theirs.
static void put_score(struct gguf_converter *c, const struct vkmoe_router_params *router)
{
    enum { SOFTMAX = 1, SIGMOID };
    const bool sigmoid = gating_of(router) == SIGMOID;
    const bool renormalized = router->renormalize.mode != VKMOE_RENORMALIZE_NONE;
    if (sigmoid != renormalized)
        GGUF_REFUSE(c, "how its gate weighs experts");
    vkmoe_gguf_put_own_u32(c, "expert_gating_func", sigmoid ? SIGMOID : SOFTMAX);
}

static void put_gate(struct gguf_converter *c)
{
    const struct vkmoe_router_params *router = &c->moe.router;
    const bool mixes = router->select == VKMOE_SELECT_SPARSEMIXER && c->target.sparsemixer
        && fabsf(router->sparsemixer_threshold - 0.02f) < 1e-6f;
    const bool extras = c->target.extras;
    if ((router->select != VKMOE_SELECT_TOP_K && !mixes) || router->rms_norm != extras
        || (extras && router->rms_epsilon != c->frame.norm_epsilon)
        || (router->soft_cap != 0.0f && !c->target.grok) || router->always || router->capacity
        || (router->input_scale.data != NULL) != extras
        || (router->expert_scale.data != NULL) != extras)
        GGUF_REFUSE(c, "how its gate chooses experts");
    if (mixes) { // the architecture says all of it
        GGUF_UNKNOWN(c, "its gate weighs experts as published");
        return;
    }
    if (c->target.grok)
        GGUF_UNKNOWN(c, "its gate weighs experts as published");
    if (router->soft_cap != 0.0f)
        vkmoe_gguf_put_own_f32(c, "router_logit_softcapping", router->soft_cap);
    if (c->target.score_by_key) {
        put_score(c, router);
        return;
    }
    if (!c->target.gate_by_keys) {
        check_fixed_gate(c, router);
        if (c->target.score == VKMOE_SCORE_SIGMOID) // which llama.cpp does not know otherwise
            vkmoe_gguf_put_own_u32(c, "expert_gating_func", gating_of(router));
        return;
    }
    if (gating_of(router) == 0)
        GGUF_REFUSE(c, "how its gate weighs experts");
    vkmoe_gguf_put_own_u32(c, "expert_gating_func", gating_of(router));
    vkmoe_gguf_put_own_bool(
        c, "expert_weights_norm", router->renormalize.mode != VKMOE_RENORMALIZE_NONE);
    // The half of an average goes without saying.
    const float scale = router->scale != 0.0f ? router->scale : 1.0f;
    vkmoe_gguf_put_own_f32(
        c, "expert_weights_scale", c->checkpoint->averages ? 2.0f * scale : scale);
    // Where all groups are kept, which llama.cpp ends at, they choose nothing.
    if (router->groups.count <= 1 || router->groups.kept == router->groups.count)
        return;
    const bool best = c->target.best_groups && router->score == VKMOE_SCORE_SOFTMAX;
    if (router->groups.score != (best ? VKMOE_GROUP_SCORE_MAX : VKMOE_GROUP_SCORE_SUM_TOP_2)
        || router->groups.mode != (best ? VKMOE_GROUP_MODE_MASK_ZERO : VKMOE_GROUP_MODE_MASK))
        GGUF_REFUSE(c, "how its groups of experts are ranked");
    vkmoe_gguf_put_own_u32(c, "expert_group_count", router->groups.count);
    vkmoe_gguf_put_own_u32(c, "expert_group_used_count", router->groups.kept);
}

// What SwiGLU is clamped to, a number for each block: of routed experts, and of a shared one or a
// dense network. 0: nothing.
static enum vkmoe_status put_limits(struct gguf_converter *c)
{
    float routed[MAX_BLOCKS] = { 0 }, shared[MAX_BLOCKS] = { 0 };
    struct vkmoe_block block = { .index = 0 };
    for (; block.index < c->frame.blocks; block.index++) {
        struct vkmoe_moe_params p = { VKMOE_INIT(vkmoe_moe_params) };
        const bool moe = vkmoe_checkpoint_is_moe(c->checkpoint, block);
        TRY_RETURN(moe ? vkmoe_checkpoint_get_moe(c->checkpoint, block, &p)
                       : vkmoe_checkpoint_get_mlp(c->checkpoint, block, &p));
        if (p.activation != VKMOE_ACTIVATION_SWIGLU_STEP)
            continue;
        const float own = p.activation_limit < FLT_MAX ? p.activation_limit : 0.0f;
        routed[block.index] = moe ? own : 0.0f;
        shared[block.index] = !moe ? own : p.shared_limit < FLT_MAX ? p.shared_limit : 0.0f;
    }
    vkmoe_gguf_put_own_list(c, "swiglu_clamp_exp", GGUF_ITEMS_F32, routed, sizeof *routed);
    vkmoe_gguf_put_own_list(c, "swiglu_clamp_shexp", GGUF_ITEMS_F32, shared, sizeof *shared);
    return c->out->status;
}

static void put_experts(struct gguf_converter *c, uint32_t dense_inner)
{
    const struct vkmoe_moe_params *p = &c->moe;
    const bool limited = c->target.halves && p->activation == VKMOE_ACTIVATION_SWIGLU_STEP;
    if ((p->activation != c->target.activation && !limited) || !p->gate
        || p->weight_on_input != c->target.weight_on_input || p->output_bias.data
        || (p->router_hidden && p->router_hidden != p->hidden))
        GGUF_REFUSE(c, "what its experts compute");
    if (p->shared.inner && c->checkpoint->averages != c->target.averages)
        GGUF_REFUSE(c, "how what shared experts give is added");
    const uint32_t beside = c->target.grok ? p->shared.inner : 0;
    vkmoe_gguf_put_own_u32(c, "feed_forward_length",
        dense_inner  ? dense_inner
            : beside ? beside
                     : p->inner);
    vkmoe_gguf_put_own_u32(c, "expert_feed_forward_length", p->inner);
    vkmoe_gguf_put_own_u32(c, "expert_count", p->experts);
    vkmoe_gguf_put_own_u32(c, "expert_used_count", p->experts_per_token);
    if (p->shared.inner && !c->target.grok) {
        const bool whole = !c->target.shared_by_key && p->shared.inner % p->inner == 0;
        vkmoe_gguf_put_own_u32(c, "expert_shared_count", whole ? p->shared.inner / p->inner : 1);
        vkmoe_gguf_put_own_u32(c, "expert_shared_feed_forward_length", p->shared.inner);
    }
    put_gate(c);
}

// -------------------------------------------------------------------------------- all

// By what embeddings, results and logits are multiplied.
static void put_scales(struct gguf_converter *c)
{
    const struct vkmoe_frame *frame = &c->frame;
    const float root = c->target.embedding_root ? sqrtf((float)frame->hidden) : 1.0f;
    const bool divides = c->target.has_scales;
    const struct {
        const char *name;
        float value;
        bool said;
    } scales[] = {
        { "embedding_scale", frame->embedding_scale / root, c->target.embedding_scale },
        { "residual_scale", frame->residual_scale, divides },
        { "logit_scale", frame->logits_scale, divides || c->target.logits_scale },
    };
    for (uint32_t i = 0; i < ARRAY_SIZE(scales); i++) {
        const float scale = scales[i].value != 0.0f ? scales[i].value : 1.0f;
        if (scales[i].said)
            vkmoe_gguf_put_own_f32(c, scales[i].name, i == 2 && divides ? 1.0f / scale : scale);
        else if (scale != 1.0f)
            GGUF_REFUSE(c, scales[i].name);
    }
}

static void put_frame(struct gguf_converter *c)
{
    const struct vkmoe_frame *frame = &c->frame;
    const bool layer_norm = c->target.rms_by_key ? frame->layer_norm : c->target.layer_norm;
    const bool centered = c->target.centered || (c->target.rms_by_key && layer_norm);
    const bool capped = c->target.extras || c->target.grok;
    if (frame->encoder_blocks || frame->norm_epsilon != frame->block_norm_epsilon
        || frame->layer_norm != layer_norm || (frame->head_bias.data && !c->target.layer_norm)
        || (frame->logits_cap != 0.0f && !capped))
        GGUF_REFUSE(c, "what is around its blocks");
    vkmoe_gguf_put_own_u32(c, "block_count", frame->blocks);
    vkmoe_gguf_put_own_u32(c, "context_length", frame->max_positions);
    vkmoe_gguf_put_own_u32(c, "embedding_length", frame->hidden);
    vkmoe_gguf_put_own_u32(c, "vocab_size", frame->vocabulary);
    vkmoe_gguf_put_own_f32(c,
        centered ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
        frame->norm_epsilon);
    if (frame->logits_cap != 0.0f || c->target.grok)
        vkmoe_gguf_put_own_f32(c, "final_logit_softcapping", frame->logits_cap);
    put_scales(c);
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

// That blocks with experts are all from the first one on, or every n-th.
static enum vkmoe_status check_blocks(struct gguf_converter *c, uint32_t first)
{
    const uint32_t step = c->target.fixed_chunks ? first + 1 : 1;
    for (uint32_t b = first; b < c->frame.blocks; b++) {
        const bool experts =
            vkmoe_checkpoint_is_moe(c->checkpoint, (struct vkmoe_block){ .index = b });
        if (experts != ((b - first) % step == 0))
            GGUF_REFUSE(c, "which of its blocks have experts");
    }
    if (first == c->frame.blocks)
        GGUF_REFUSE(c, "that it has no experts");
    if (first > 0 && !c->target.dense)
        GGUF_UNKNOWN(c, "its first blocks have no experts");
    return c->out->status;
}

// Of the first block, or of one that has what the keys are about: Gemma 4's last, and where blocks
// have lists the first without a window, or with RoPE, if there is one.
static enum vkmoe_status find_attention(struct gguf_converter *c)
{
    struct vkmoe_block block = { .index = c->target.extras ? c->frame.blocks - 1 : 0 };
    TRY_RETURN(vkmoe_checkpoint_get_attention(c->checkpoint, block, &c->attention));
    while (c->target.lists
        && (c->target.no_full_rope ? c->attention.rope.kind == VKMOE_ROPE_NONE
                                   : c->attention.patterns != NULL)
        && ++block.index < c->frame.blocks)
        TRY_RETURN(vkmoe_checkpoint_get_attention(c->checkpoint, block, &c->attention));
    return VKMOE_OK;
}

// Of the first block that has experts, and of the first that has not.
static enum vkmoe_status find_blocks(
    struct gguf_converter *c, uint32_t *dense_blocks, uint32_t *dense_inner)
{
    struct vkmoe_moe_params dense = { VKMOE_INIT(vkmoe_moe_params) };
    const struct vkmoe_block first = { .index = 0 };
    struct vkmoe_block block = first;
    while (block.index < c->frame.blocks && !vkmoe_checkpoint_is_moe(c->checkpoint, block))
        block.index++;
    *dense_blocks = block.index;
    TRY_RETURN(check_blocks(c, block.index));
    TRY_RETURN(vkmoe_checkpoint_get_moe(c->checkpoint, block, &c->moe));
    TRY_RETURN(find_attention(c));
    if (*dense_blocks || c->target.extras)
        TRY_RETURN(vkmoe_checkpoint_get_mlp(c->checkpoint, first, &dense));
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
    if (c->target.halves)
        TRY_RETURN(put_limits(c));
    if (!c->target.fixed_chunks && !c->target.extras)
        vkmoe_gguf_put_own_u32(c, "leading_dense_block_count", dense_blocks);
    if (c->target.has_interval)
        vkmoe_gguf_put_own_u32(
            c, "interleave_moe_layer_step", c->target.fixed_chunks ? dense_blocks + 1 : 1);
    put_end_tokens(c);
    return vkmoe_gguf_put_attention(c);
}
