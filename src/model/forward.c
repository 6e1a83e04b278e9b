// forward.c - records a whole model: token ids to logits, or to what an encoder leaves.
#include "model/model.h"

#include "base/common.h"
#include "base/params.h"
#include "base/try.h"
#include "device/operands.h"
#include "device/span.h"
#include "device/shapes.h"

#include "shaders/cap.h"
#include "shaders/embed.h"
#include "shaders/norm.h"

static uint32_t lanes(const vkmoe_model *n)
{
    return vkmoe_tuned_lanes(n->device, TUNE_MODEL_LANES);
}

// With `weight` of a folded norm, normed = x weight as well.
static enum vkmoe_status embed(vkmoe_stream *stream, const vkmoe_model *n, uint64_t ids,
    uint32_t tokens, const vkmoe_buffer *weight)
{
    const struct embed_push push = {
        .ids = ids,
        .matrix = vkmoe_buffer_address(n->embedding.matrices[0].buffer),
        .x = vkmoe_buffer_address(n->x),
        .weighted = vkmoe_buffer_address(n->normed),
        .weight = address_or_dummy(n->device, weight),
        .table = vkmoe_experts_table(&n->embedding),
        .tokens = tokens,
        .columns = n->frame.hidden,
        .units = n->embedding.matrices[0].units,
        .vocabulary = n->frame.vocabulary,
    };
    return stream_run(stream, &(struct dispatch) {
        .kernel = KERNEL_embed,
        .variant = vkmoe_form_choose(n->device, KERNEL_embed, n->embedding.dtype, 0, false),
        .spec = {
            [EMBED_LANES] = lanes(n),
            [EMBED_TYPE] = n->embedding.dtype,
            [EMBED_SCALE] = float_bits(n->frame.embedding_scale),
            [EMBED_WEIGHTED] = weight != NULL,
        },
        .push = &push,
        .groups = div_up(tokens * push.units, lanes(n)),
    });
}

// x = factor * (x + scale * delta), result = norm(x): for `tokens` rows from `first` on. Without a
// weight result = x.
struct norm_step {
    const vkmoe_buffer *x, *delta, *weight, *result; // delta NULL: x stays as it is
    float epsilon, scale, factor;
    uint32_t first, tokens;
};

static enum vkmoe_status record_norm(
    vkmoe_stream *stream, const vkmoe_model *n, const struct norm_step *step)
{
    const uint64_t offset = (uint64_t)step->first * n->frame.hidden * sizeof(float);
    const struct norm_push push = {
        .x = vkmoe_buffer_address(step->x) + offset,
        .delta = vkmoe_buffer_address(step->delta ? step->delta : step->x) + offset,
        .weight = address_or_dummy(n->device, step->weight),
        .result = vkmoe_buffer_address(step->result) + offset,
        .tokens = step->tokens,
        .columns = n->frame.hidden,
        .factor = step->factor,
    };
    return stream_run(stream, &(struct dispatch) {
        .kernel = KERNEL_norm,
        .spec = {
            [NORM_LANES] = lanes(n),
            [NORM_HAS_DELTA] = step->delta != NULL,
            [NORM_EPSILON] = float_bits(step->epsilon),
            [NORM_SCALE] = float_bits(step->scale),
            [NORM_CENTERED] = n->frame.layer_norm && step->weight,
            [NORM_NONE] = !step->weight,
        },
        .push = &push,
        .groups = step->tokens,
    });
}

// What norms of blocks have in common: x of the residual stream, to what follows.
static struct norm_step norm_step(const vkmoe_model *n, const vkmoe_buffer *weight, uint32_t tokens)
{
    return (struct norm_step){
        .x = n->x,
        .delta = n->delta,
        .weight = weight,
        .result = n->normed,
        .epsilon = n->frame.block_norm_epsilon,
        .scale = n->frame.residual_scale,
        .factor = 1,
        .tokens = tokens,
    };
}

// x += delta; normed = norm(x).
static enum vkmoe_status norm(
    vkmoe_stream *stream, const vkmoe_model *n, const vkmoe_buffer *weight, uint32_t tokens)
{
    const struct norm_step step = norm_step(n, weight, tokens);
    return record_norm(stream, n, &step);
}

// rows = norm(rows), of what an attention or a network has left.
static enum vkmoe_status norm_result(vkmoe_stream *stream, const vkmoe_model *n,
    const vkmoe_buffer *weight, float epsilon, const vkmoe_buffer *rows, uint32_t tokens)
{
    struct norm_step step = norm_step(n, weight, tokens);
    step.epsilon = epsilon;
    step.x = step.result = rows;
    step.delta = NULL;
    return record_norm(stream, n, &step);
}

// The part of an [blocks][tokens][k] output that belongs to a block.
static struct vkmoe_span block_ids(
    const struct vkmoe_span *all, uint32_t block, uint32_t tokens, uint32_t k)
{
    struct vkmoe_span span = *all;
    span.offset += (uint64_t)block * tokens * k * 4;
    return span.buffer ? span : (struct vkmoe_span){ 0 };
}

// What record_block() does with a block's tokens, beside the tokens themselves.
struct block_run {
    const struct caller *caller;
    uint32_t tokens;
    vkmoe_cache *cache; // of its attention
    struct vkmoe_span positions, sequences, lengths;
    uint32_t longest;
    struct vkmoe_span expert_ids, attention_expert_ids; // of the block; may be absent
    float factor;                                       // of the block before
    bool folded;                                        // norms are, and results are added to x
    const vkmoe_buffer *next_norm;                      // what follows the block, if they are
};

// What makes logits.
static const struct experts *head_of(const vkmoe_model *n)
{
    return n->tied ? &n->embedding : &n->head;
}

// RMS norms are folded into the products after them if all of a forward's can be.
static bool folds(const vkmoe_model *n, uint32_t tokens)
{
    if (!vkmoe_tuning(n->device, TUNE_FOLD_NORMS) || n->frame.layer_norm
        || !vkmoe_experts_fold_norm(head_of(n)))
        return false;
    for (uint32_t b = 0; b < n->decoder.count; b++) {
        const struct model_block *block = &n->decoder.blocks[b];
        if (block->cross || has_extras(block) || block->parallel || block->early
            || !vkmoe_attention_folds(block->attention, tokens)
            || !vkmoe_moe_folds(block->experts, tokens))
            return false;
    }
    return n->decoder.count > 0;
}

// Of what stands before the norm of weight `next`.
static struct folding folding_to(const vkmoe_model *n, const vkmoe_buffer *next)
{
    return (struct folding){
        .norm = { vkmoe_buffer_address(n->x), n->frame.block_norm_epsilon },
        .residual = {
            .scale = n->frame.residual_scale,
            .weighted = vkmoe_buffer_address(n->normed),
            .next_weight = vkmoe_buffer_address(next),
        },
    };
}

// What all attentions of the decoder and the encoder are given.
static struct vkmoe_attention_forward_params attention_params(
    const vkmoe_model *n, const struct block_run *r)
{
    return (struct vkmoe_attention_forward_params){
        VKMOE_INIT(vkmoe_attention_forward_params),
        .tokens = r->tokens,
        .x = { n->normed, 0 },
        .y = { r->folded ? n->x : n->delta, 0 },
        .positions = r->positions,
        .sequences = r->sequences,
    };
}

static enum vkmoe_status record_cross(vkmoe_stream *stream, const vkmoe_model *n,
    const struct model_block *block, const struct block_run *r)
{
    if (!block->cross)
        return VKMOE_OK;
    TRY_RETURN(norm(stream, n, block->cross_norm, r->tokens));
    struct vkmoe_attention_forward_params cross = attention_params(n, r);
    cross.lengths = (struct vkmoe_span){ n->input_lengths, 0 };
    cross.stored = true;
    return vkmoe_attention_forward_for(
        r->caller, stream, block->cross, block->cross_cache, &cross, NULL);
}

// The network that all tokens take, in its place as one of one expert.
static enum vkmoe_status record_beside(vkmoe_stream *stream, const vkmoe_model *n,
    const struct model_block *block, const struct block_run *r)
{
    const struct vkmoe_moe_forward_params dense = {
        VKMOE_INIT(vkmoe_moe_forward_params),
        .tokens = r->tokens,
        .x = { n->normed, 0 },
        .y = { n->delta, 0 },
        .ids = { n->dense_ids, 0 },
        .weights = { n->dense_weights, 0 },
    };
    return vkmoe_moe_record(r->caller, stream, block->beside, &dense, NULL, NULL);
}

static enum vkmoe_status record_experts(vkmoe_stream *stream, const vkmoe_model *n,
    const struct model_block *block, const struct block_run *r)
{
    struct vkmoe_moe_forward_params experts = {
        VKMOE_INIT(vkmoe_moe_forward_params),
        .tokens = r->tokens,
        .x = { n->normed, 0 },
        .y = { r->folded ? n->x : n->delta, 0 },
        .ids = r->expert_ids,
    };
    if (block->beside || block->parallel)
        experts.y.buffer = n->other;
    if (block->beside && !block->early)
        experts.router_x.buffer = n->x;
    else if (block->early && !block->beside)
        experts.router_x.buffer = n->other;
    if (block->dense) {
        experts.ids = (struct vkmoe_span){ n->dense_ids, 0 };
        experts.weights = (struct vkmoe_span){ n->dense_weights, 0 };
    }
    const struct sequence_limit limit = { &block->history, r->positions, r->sequences };
    struct folding folding;
    if (r->folded)
        folding = folding_to(n, r->next_norm);
    return vkmoe_moe_record(r->caller, stream, block->experts, &experts,
        block->history.choices ? &limit : NULL, r->folded ? &folding : NULL);
}

// What stands in for the experts of a block with extras; x has what attention added, normed its
// norm. Leaves in delta what is to be added.
static enum vkmoe_status record_extras(vkmoe_stream *stream, const vkmoe_model *n,
    const struct model_block *block, const struct block_run *r)
{
    if (!block->beside) {
        TRY_RETURN(record_experts(stream, n, block, r));
        return norm_result(stream, n, block->post_norm, block->post_epsilon, n->delta, r->tokens);
    }
    TRY_RETURN(record_beside(stream, n, block, r));
    TRY_RETURN(norm_result(
        stream, n, block->dense_post_norm, n->frame.block_norm_epsilon, n->delta, r->tokens));
    struct norm_step step = norm_step(n, block->experts_pre_norm, r->tokens);
    step.delta = NULL;
    TRY_RETURN(record_norm(stream, n, &step));
    TRY_RETURN(record_experts(stream, n, block, r));
    TRY_RETURN(norm_result(
        stream, n, block->experts_post_norm, n->frame.block_norm_epsilon, n->other, r->tokens));
    step = norm_step(n, block->post_norm, r->tokens);
    step.x = step.result = n->delta;
    step.delta = n->other;
    step.scale = 1;
    step.epsilon = block->post_epsilon;
    return record_norm(stream, n, &step);
}

// delta += other
static enum vkmoe_status add_other(vkmoe_stream *stream, const vkmoe_model *n, uint32_t tokens)
{
    struct norm_step sum = norm_step(n, NULL, tokens);
    sum.x = sum.result = n->delta;
    sum.delta = n->other;
    sum.scale = 1;
    return record_norm(stream, n, &sum);
}

// The experts see what attention saw, and what both give is added at once; likewise.
static enum vkmoe_status record_parallel(vkmoe_stream *stream, const vkmoe_model *n,
    const struct model_block *block, const struct block_run *r)
{
    TRY_RETURN(record_experts(stream, n, block, r));
    return add_other(stream, n, r->tokens);
}

// What stands before the attention of an early block: its experts, or a copy of x for their gate,
// either to `other`. `step` makes x what it is then, and has nothing to add to it afterwards.
static enum vkmoe_status record_early(vkmoe_stream *stream, const vkmoe_model *n,
    const struct model_block *block, const struct block_run *r, struct norm_step *step)
{
    struct norm_step own = *step;
    own.weight = block->experts_pre_norm;
    own.result = block->beside ? n->normed : n->other;
    step->delta = NULL;
    step->factor = 1;
    TRY_RETURN(record_norm(stream, n, &own));
    return block->beside ? record_experts(stream, n, block, r) : VKMOE_OK;
}

// What follows the attention of a block and its norm; likewise.
static enum vkmoe_status record_network(vkmoe_stream *stream, const vkmoe_model *n,
    const struct model_block *block, const struct block_run *r)
{
    if (has_extras(block))
        return record_extras(stream, n, block, r);
    if (!block->early || !block->beside)
        return record_experts(stream, n, block, r);
    TRY_RETURN(record_beside(stream, n, block, r));
    return add_other(stream, n, r->tokens);
}

// `first`: nothing waits in delta yet.
static enum vkmoe_status record_block(vkmoe_stream *stream, const vkmoe_model *n,
    const struct model_block *block, bool first, const struct block_run *r)
{
    struct folding folding;
    struct norm_step step = norm_step(n, block->attention_norm, r->tokens);
    step.delta = first ? NULL : n->delta;
    step.factor = r->factor;
    if (block->early)
        TRY_RETURN(record_early(stream, n, block, r, &step));
    if (r->folded)
        folding = folding_to(n, block->experts_norm);
    else
        TRY_RETURN(record_norm(stream, n, &step));
    struct vkmoe_attention_forward_params attend = attention_params(n, r);
    attend.lengths = r->lengths;
    attend.longest = r->longest;
    if (block->attention->routed)
        attend.ids = r->attention_expert_ids;
    TRY_RETURN(vkmoe_attention_forward_for(
        r->caller, stream, block->attention, r->cache, &attend, r->folded ? &folding : NULL));
    if (block->parallel)
        return record_parallel(stream, n, block, r);
    TRY_RETURN(record_cross(stream, n, block, r));
    if (has_extras(block))
        TRY_RETURN(norm_result(stream, n, block->attention_post_norm, n->frame.block_norm_epsilon,
            n->delta, r->tokens));
    if (!r->folded)
        TRY_RETURN(norm(stream, n, block->experts_norm, r->tokens));
    return record_network(stream, n, block, r);
}

// By which x is multiplied in front of block `index`, or behind all.
static float factor_before(const struct model_stack *stack, uint32_t index)
{
    return index > 0 ? stack->blocks[index - 1].scale : 1;
}

static enum vkmoe_status record_cap(
    vkmoe_stream *stream, const vkmoe_model *n, const struct vkmoe_model_forward_params *f)
{
    const struct cap_push push = {
        .x = vkmoe_span_address(&f->logits),
        .count = f->logits_count * n->frame.vocabulary, // below 2^30
    };
    return stream_run(stream,
        &(struct dispatch){
            .kernel = KERNEL_cap,
            .spec = { [CAP_LANES] = lanes(n), [CAP_LIMIT] = float_bits(n->frame.logits_cap) },
            .push = &push,
            .groups = div_up(push.count, lanes(n)),
        });
}

static enum vkmoe_status record_logits(vkmoe_stream *stream, const vkmoe_model *n,
    const struct vkmoe_model_forward_params *f, bool folded)
{
    const uint32_t count = f->logits_count, first = f->tokens - count;
    if (count == 0)
        return VKMOE_OK;
    struct norm_step step = norm_step(n, n->decoder.final_norm, count);
    step.delta = n->frame.blocks > 0 ? n->delta : NULL;
    step.epsilon = n->frame.norm_epsilon;
    step.factor = factor_before(&n->decoder, n->decoder.count);
    step.first = first;
    if (!folded)
        TRY_RETURN(record_norm(stream, n, &step));
    const uint64_t offset = (uint64_t)first * n->frame.hidden * sizeof(float);
    const struct folded_norm last = { vkmoe_buffer_address(n->x) + offset, n->frame.norm_epsilon };
    TRY_RETURN(vkmoe_linear_record_part(stream, head_of(n),
        &(struct direct_operands){
            .x = vkmoe_buffer_address(n->normed) + offset,
            .y = vkmoe_span_address(&f->logits),
            .tokens = count,
            .norm = folded ? &last : NULL,
        }));
    return n->frame.logits_cap > 0 ? record_cap(stream, n, f) : VKMOE_OK;
}

static enum vkmoe_status check(const struct caller *caller, const vkmoe_stream *stream,
    const vkmoe_model *n, const struct vkmoe_model_forward_params *f)
{
    TRY_RETURN(vkmoe_stream_check_device(caller, stream, n->device, "model"));
    if (f->tokens == 0 || f->tokens > n->params.chunk)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "tokens is %u, must be 1 to chunk (%u)",
            f->tokens, n->params.chunk);
    if (f->logits_count > f->tokens)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "logits_count is %u of %u tokens",
            f->logits_count, f->tokens);
    const uint64_t logits = (uint64_t)f->logits_count * n->frame.vocabulary;
    if (logits >= 1u << 30)
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "%llu logits at once, fewer than 2^30 are possible", (unsigned long long)logits);
    const uint64_t pairs = (uint64_t)n->frame.blocks * f->tokens;
    const struct span_rule rules[] = {
        { "ids", &f->ids, f->tokens, true, false },
        { "positions", &f->positions, f->tokens, false, false },
        { "sequences", &f->sequences, f->tokens, false, false },
        { "logits", &f->logits, logits, f->logits_count > 0, false },
        { "expert_ids", &f->expert_ids, pairs * n->k, false, false },
        { "attention_expert_ids", &f->attention_expert_ids, pairs * n->attention_k, false, false },
    };
    return vkmoe_spans_check(caller, n->device, rules, ARRAY_SIZE(rules));
}

// All of the decoder, or of a model that has no encoder; of params that may be anything.
static enum vkmoe_status record_decoder(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_model *n, const struct vkmoe_model_forward_params *f)
{
    TRY_RETURN(check(caller, stream, n, f));
    TRY_RETURN(stream_reserve_scratch(stream, n->scratch_size));
    const bool folded = folds(n, f->tokens);
    const struct model_stack *stack = &n->decoder;
    TRY_RETURN(embed(stream, n, vkmoe_span_address(&f->ids), f->tokens,
        folded ? stack->blocks[0].attention_norm : NULL));
    for (uint32_t b = 0; b < stack->count; b++) {
        const bool last = b + 1 == stack->count;
        const struct block_run r = {
            .caller = caller,
            .tokens = f->tokens,
            .cache = stack->blocks[b].cache,
            .positions = f->positions,
            .sequences = f->sequences,
            .longest = f->longest,
            .expert_ids = block_ids(&f->expert_ids, b, f->tokens, n->k),
            .attention_expert_ids =
                block_ids(&f->attention_expert_ids, b, f->tokens, n->attention_k),
            .factor = factor_before(stack, b),
            .folded = folded,
            .next_norm = last ? stack->final_norm : stack->blocks[b + 1].attention_norm,
        };
        TRY_RETURN(record_block(stream, n, &stack->blocks[b], b == 0, &r));
    }
    return record_logits(stream, n, f, folded);
}

enum vkmoe_status vkmoe_model_forward(
    vkmoe_stream *stream, vkmoe_model *model, const struct vkmoe_model_forward_params *params)
{
    NEED_TO_RECORD(caller, stream, model, vkmoe_model_forward_params, params);
    vkmoe_stream_begin(stream);
    return vkmoe_stream_end(stream, record_decoder(&caller, stream, model, params));
}

// ------------------------------------------------------------------------ encoder

static enum vkmoe_status check_encode(const struct caller *caller, const vkmoe_stream *stream,
    const vkmoe_model *n, const struct vkmoe_model_encode_params *e)
{
    if (!has_encoder(n))
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED, "the model has no encoder");
    TRY_RETURN(vkmoe_stream_check_device(caller, stream, n->device, "model"));
    if (e->tokens == 0 || e->tokens > n->params.encoder_capacity)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "tokens is %u, must be 1 to encoder_capacity (%u)", e->tokens,
            n->params.encoder_capacity);
    if (e->sequence >= n->params.sequences)
        return vkmoe_refuse(
            caller, VKMOE_ERROR_INVALID, "sequence is %u of %u", e->sequence, n->params.sequences);
    const struct span_rule ids = { "ids", &e->ids, e->tokens, true, false };
    return vkmoe_spans_check(caller, n->device, &ids, 1);
}

// The input's length and sequence to where the attentions look for them.
static enum vkmoe_status note_input(
    vkmoe_stream *stream, const vkmoe_model *n, const struct vkmoe_model_encode_params *e)
{
    TRY_RETURN(vkmoe_stream_fill(stream, n->encoder_length, 0, 4, e->tokens));
    TRY_RETURN(
        vkmoe_stream_fill(stream, n->input_lengths, 4 * (uint64_t)e->sequence, 4, e->tokens));
    return vkmoe_stream_fill(stream, n->input_sequence, 0, 4 * (uint64_t)e->tokens, e->sequence);
}

// All of the encoder, and the keys and values that the decoder's cross attentions make of it.
// Likewise.
static enum vkmoe_status record_encoder(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_model *n, const struct vkmoe_model_encode_params *e)
{
    TRY_RETURN(check_encode(caller, stream, n, e));
    TRY_RETURN(stream_reserve_scratch(stream, n->scratch_size));
    TRY_RETURN(note_input(stream, n, e));
    TRY_RETURN(embed(stream, n, vkmoe_span_address(&e->ids), e->tokens, NULL));
    const struct block_run r = {
        .caller = caller,
        .tokens = e->tokens,
        .cache = n->encoder_cache,
        .lengths = { n->encoder_length, 0 },
        .longest = e->tokens,
        .factor = 1,
    };
    for (uint32_t b = 0; b < n->encoder.count; b++)
        TRY_RETURN(record_block(stream, n, &n->encoder.blocks[b], b == 0, &r));
    struct norm_step last = norm_step(n, n->encoder.final_norm, e->tokens);
    last.epsilon = n->frame.norm_epsilon;
    TRY_RETURN(record_norm(stream, n, &last));
    const struct vkmoe_attention_forward_params output = {
        VKMOE_INIT(vkmoe_attention_forward_params),
        .tokens = e->tokens,
        .x = { n->normed, 0 },
        .sequences = { n->input_sequence, 0 },
    };
    for (uint32_t b = 0; b < n->decoder.count; b++)
        TRY_RETURN(vkmoe_attention_store_for(
            caller, stream, n->decoder.blocks[b].cross, n->decoder.blocks[b].cross_cache, &output));
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_model_encode(
    vkmoe_stream *stream, vkmoe_model *model, const struct vkmoe_model_encode_params *params)
{
    NEED_TO_RECORD(caller, stream, model, vkmoe_model_encode_params, params);
    vkmoe_stream_begin(stream);
    return vkmoe_stream_end(stream, record_encoder(&caller, stream, model, params));
}

static uint64_t stack_scratch(const struct model_stack *stack, uint32_t tokens)
{
    uint64_t size = 0;
    for (uint32_t b = 0; b < stack->count; b++) {
        const struct model_block *block = &stack->blocks[b];
        const vkmoe_attention *const attentions[] = { block->attention, block->cross };
        const vkmoe_moe *const layers[] = { block->experts, block->beside };
        for (size_t i = 0; i < ARRAY_SIZE(layers) && layers[i]; i++) {
            size = MAX(size, vkmoe_moe_scratch_size(layers[i], tokens));
            // Decode passes lay scratch out differently; few tokens may need a little more.
            for (uint32_t t = 1; t <= MIN(tokens, DECODE_MAX_TOKENS); t++)
                size = MAX(size, vkmoe_moe_scratch_size(layers[i], t));
        }
        for (size_t i = 0; i < ARRAY_SIZE(attentions) && attentions[i]; i++) {
            size = MAX(size, vkmoe_attention_scratch_size(attentions[i], tokens));
            for (uint32_t t = 1; t <= MIN(tokens, DECODE_MAX_TOKENS); t++)
                size = MAX(size, vkmoe_attention_scratch_size(attentions[i], t));
        }
    }
    return size;
}

uint64_t vkmoe_model_plan_scratch(const vkmoe_model *n)
{
    return MAX(stack_scratch(&n->decoder, n->rows),
        stack_scratch(&n->encoder, n->params.encoder_capacity));
}

uint64_t vkmoe_model_scratch_size(const vkmoe_model *n)
{
    return n ? n->scratch_size : 0;
}
