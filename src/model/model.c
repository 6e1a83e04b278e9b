// model.c - loads a whole model onto a device. Running it: forward.c.
#include "model/model.h"

#include "base/check.h"
#include "base/common.h"
#include "base/params.h"
#include "weights/format.h"
#include "checkpoint/opened.h"
#include "device/fit.h"
#include "weights/order.h"

#include <stdlib.h>

#define DEFAULT_CHUNK 512
#define DEFAULT_CAPACITY 4096
#define DEFAULT_INPUT 512

static struct caller creator(const vkmoe_model *n)
{
    return (struct caller){ device_log(n->device), "vkmoe_model_create" };
}

// A norm's weights times `scale`, and the same of its bias after them if norms are LayerNorms. One
// that is absent stays so.
static enum vkmoe_status upload_norm(vkmoe_model *n, const struct vkmoe_view *weight,
    const struct vkmoe_view *bias, float scale, vkmoe_buffer **out)
{
    const uint32_t size = n->frame.hidden;
    if (!n->frame.layer_norm || !weight->data)
        return vkmoe_vector_upload(n->device, weight, size, scale, out);
    enum vkmoe_status status = VKMOE_OK;
    float *values = calloc((size_t)2 * size, sizeof *values);
    if (!values)
        return vkmoe_fail(
            device_log(n->device), VKMOE_ERROR_OUT_OF_MEMORY, "model: out of host memory");
    TRY(vkmoe_view_read(n->device, weight, 1, size, values));
    if (bias->data)
        TRY(vkmoe_view_read(n->device, bias, 1, size, values + size));
    for (uint32_t i = 0; i < 2 * size; i++)
        values[i] *= scale;
    TRY(vkmoe_buffer_create_from(n->device, values, 2 * size * sizeof *values, out));
fail:
    free(values);
    return status;
}

static enum vkmoe_status create_cache(vkmoe_model *n,
    const struct vkmoe_attention_params *attention, uint32_t sequences, uint32_t capacity,
    vkmoe_cache **out)
{
    uint32_t block = 0; // of the patterns that choose blocks
    for (uint32_t e = 0; attention->patterns && e < attention->experts; e++)
        block = attention->patterns[e].top > 0 ? attention->patterns[e].block : block;
    const struct vkmoe_cache_params cache = {
        VKMOE_INIT(vkmoe_cache_params),
        .kv_heads = attention->kv_heads,
        .head_size = attention->head_size,
        .sequences = sequences,
        .capacity = capacity,
        .dtype = n->params.cache_dtype,
        .block = block,
        .keys_only = attention->latent.rank > 0,
    };
    const struct caller caller = creator(n);
    vkmoe_fit_name(n->device, "keys and values in the cache");
    vkmoe_fit_enter(n->device, FIT_CACHES);
    const enum vkmoe_status status = vkmoe_cache_create_for(&caller, n->device, &cache, out);
    vkmoe_fit_enter(n->device, FIT_WEIGHTS);
    return status;
}

// One attention and its norm; the cache, too, unless there is one already.
static enum vkmoe_status create_attention(vkmoe_model *n, vkmoe_checkpoint *checkpoint,
    struct vkmoe_block where, uint32_t sequences, uint32_t capacity, vkmoe_attention **attention,
    vkmoe_cache **cache)
{
    struct vkmoe_attention_params params = { VKMOE_INIT(vkmoe_attention_params) };
    TRY_RETURN(vkmoe_checkpoint_get_attention(checkpoint, where, &params));
    TRY_RETURN(vkmoe_attention_load(&n->loading, &params, attention));
    n->attention_k = MAX(n->attention_k, params.experts_per_token);
    return *cache ? VKMOE_OK : create_cache(n, &params, sequences, capacity, cache);
}

// A decoder counts an expert's tokens over the sequence, however it is cut into forwards; an
// encoder reads its input at once, and leaves the counting to the layer.
static enum vkmoe_status create_history(
    vkmoe_model *n, uint32_t limit, uint32_t k, struct choice_history *history)
{
    *history = (struct choice_history){
        .limit = limit,
        .sequences = n->params.sequences,
        .capacity = n->params.capacity,
    };
    const double choices = (double)history->sequences * history->capacity * k;
    if (choices >= 1u << 30)
        return vkmoe_fail(device_log(n->device), VKMOE_ERROR_UNSUPPORTED,
            "model: %.0f choices of experts; one block may have 2^30", choices);
    const uint64_t size = (uint64_t)choices * sizeof(uint32_t);
    TRY_RETURN(vkmoe_buffer_create(n->device, size, &history->choices));
    return vkmoe_buffer_clear(history->choices, 0, size);
}

// The block's layer, of experts or dense.
static enum vkmoe_status get_layer(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block where, struct vkmoe_moe_params *moe)
{
    return vkmoe_checkpoint_is_moe(checkpoint, where)
        ? vkmoe_checkpoint_get_moe(checkpoint, where, moe)
        : vkmoe_checkpoint_get_mlp(checkpoint, where, moe);
}

static enum vkmoe_status create_experts(vkmoe_model *n, vkmoe_checkpoint *checkpoint,
    bool in_encoder, struct vkmoe_block where, struct model_block *block)
{
    struct vkmoe_moe_params moe = { VKMOE_INIT(vkmoe_moe_params) };
    block->dense = !vkmoe_checkpoint_is_moe(checkpoint, where);
    TRY_RETURN(get_layer(checkpoint, where, &moe));
    if (n->params.expert_capacity == VKMOE_EXPERT_CAPACITY_UNLIMITED)
        moe.router.capacity = 0;
    if (!block->dense)
        n->k = MAX(n->k, moe.experts_per_token);
    if (!in_encoder && moe.router.capacity > 0) {
        TRY_RETURN(create_history(n, moe.router.capacity, moe.experts_per_token, &block->history));
        moe.router.capacity = 0;
    }
    return vkmoe_moe_load(&n->loading, &moe, &block->experts);
}

// One of RMS norms, which have no bias.
static enum vkmoe_status upload_rms_norm(
    vkmoe_model *n, const struct vkmoe_view *weight, vkmoe_buffer **out)
{
    return upload_norm(n, weight, &(struct vkmoe_view){ 0 }, 1, out);
}

// Once for all blocks that need it.
static enum vkmoe_status create_other(vkmoe_model *n)
{
    if (n->other)
        return VKMOE_OK;
    vkmoe_fit_name(n->device, "rows of the residual stream");
    vkmoe_fit_enter(n->device, FIT_SCRATCH);
    const enum vkmoe_status status = vkmoe_buffer_create(
        n->device, (uint64_t)n->rows * n->frame.hidden * sizeof(float), &n->other);
    vkmoe_fit_enter(n->device, FIT_WEIGHTS);
    return status;
}

// What is absent stays so, as what only blocks with experts have does elsewhere.
static enum vkmoe_status create_extras(vkmoe_model *n, vkmoe_checkpoint *checkpoint,
    struct vkmoe_block where, struct model_block *block)
{
    struct vkmoe_block_extras extras = { VKMOE_INIT(vkmoe_block_extras) };
    struct vkmoe_moe_params dense = { VKMOE_INIT(vkmoe_moe_params) };
    TRY_RETURN(vkmoe_checkpoint_get_extras(checkpoint, where, &extras));
    block->scale = extras.scale != 0 ? extras.scale : 1;
    block->parallel = extras.parallel;
    block->post_epsilon =
        extras.post_epsilon != 0 ? extras.post_epsilon : n->frame.block_norm_epsilon;
    block->early = extras.early;
    if (block->parallel || block->early)
        TRY_RETURN(create_other(n));
    TRY_RETURN(upload_rms_norm(n, &extras.attention_post_norm, &block->attention_post_norm));
    TRY_RETURN(upload_rms_norm(n, &extras.post_norm, &block->post_norm));
    if (!extras.experts_pre_norm.data)
        return VKMOE_OK;
    TRY_RETURN(upload_rms_norm(n, &extras.dense_post_norm, &block->dense_post_norm));
    TRY_RETURN(upload_rms_norm(n, &extras.experts_pre_norm, &block->experts_pre_norm));
    TRY_RETURN(upload_rms_norm(n, &extras.experts_post_norm, &block->experts_post_norm));
    TRY_RETURN(vkmoe_checkpoint_get_mlp(checkpoint, where, &dense));
    TRY_RETURN(vkmoe_moe_load(&n->loading, &dense, &block->beside));
    return create_other(n);
}

static enum vkmoe_status create_norms(vkmoe_model *n, vkmoe_checkpoint *checkpoint,
    struct vkmoe_block where, struct model_block *block)
{
    struct vkmoe_view weights[2], biases[2];
    TRY_RETURN(vkmoe_checkpoint_get_norms(checkpoint, where, &weights[0], &weights[1]));
    TRY_RETURN(vkmoe_checkpoint_get_norm_biases(checkpoint, where, &biases[0], &biases[1]));
    if (where.part == VKMOE_PART_CROSS)
        return upload_norm(n, &weights[0], &biases[0], 1, &block->cross_norm);
    TRY_RETURN(upload_norm(n, &weights[0], &biases[0], 1, &block->attention_norm));
    return upload_norm(n, &weights[1], &biases[1], 1, &block->experts_norm);
}

static enum vkmoe_status create_block(
    vkmoe_model *n, vkmoe_checkpoint *checkpoint, bool in_encoder, uint32_t index)
{
    const struct vkmoe_model_params *p = &n->params;
    struct model_block *block = in_encoder ? &n->encoder.blocks[index] : &n->decoder.blocks[index];
    struct vkmoe_block where = { .index = index,
        .part = has_encoder(n) && !in_encoder ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS };
    vkmoe_fit_where(n->device, "%sblock %u: ", in_encoder ? "encoder " : "", index);
    if (in_encoder)
        TRY_RETURN(create_attention(
            n, checkpoint, where, 1, p->encoder_capacity, &block->attention, &n->encoder_cache));
    else
        TRY_RETURN(create_attention(
            n, checkpoint, where, p->sequences, p->capacity, &block->attention, &block->cache));
    TRY_RETURN(create_experts(n, checkpoint, in_encoder, where, block));
    TRY_RETURN(create_norms(n, checkpoint, where, block));
    TRY_RETURN(create_extras(n, checkpoint, where, block));
    if (where.part == VKMOE_PART_BLOCKS)
        return VKMOE_OK;
    where.part = VKMOE_PART_CROSS;
    TRY_RETURN(create_attention(n, checkpoint, where, p->sequences, p->encoder_capacity,
        &block->cross, &block->cross_cache));
    return create_norms(n, checkpoint, where, block);
}

static enum vkmoe_status create_stack(
    vkmoe_model *n, vkmoe_checkpoint *checkpoint, bool in_encoder, uint32_t count)
{
    struct model_stack *stack = in_encoder ? &n->encoder : &n->decoder;
    stack->blocks = calloc(MAX(count, 1), sizeof *stack->blocks);
    if (!stack->blocks)
        return vkmoe_fail(
            device_log(n->device), VKMOE_ERROR_OUT_OF_MEMORY, "model: out of host memory");
    stack->count = count;
    for (uint32_t b = 0; b < count; b++)
        TRY_RETURN(create_block(n, checkpoint, in_encoder, b));
    return VKMOE_OK;
}

// What dense blocks and the encoder need beside their weights.
static enum vkmoe_status create_helpers(vkmoe_model *n)
{
    float *ones = malloc(n->rows * sizeof *ones);
    if (!ones)
        return vkmoe_fail(
            device_log(n->device), VKMOE_ERROR_OUT_OF_MEMORY, "model: out of host memory");
    for (uint32_t i = 0; i < n->rows; i++)
        ones[i] = 1;
    const struct {
        vkmoe_buffer **buffer;
        uint64_t size;
    } zeros[] = {
        { &n->dense_ids, n->rows * sizeof(uint32_t) },
        { &n->encoder_length, sizeof(uint32_t) },
        { &n->input_lengths, n->params.sequences * sizeof(uint32_t) },
        { &n->input_sequence, n->params.encoder_capacity * sizeof(uint32_t) },
    };
    enum vkmoe_status status;
    TRY(vkmoe_buffer_create_from(n->device, ones, n->rows * sizeof *ones, &n->dense_weights));
    for (size_t i = 0; i < ARRAY_SIZE(zeros); i++) {
        TRY(vkmoe_buffer_create(n->device, zeros[i].size, zeros[i].buffer));
        TRY(vkmoe_buffer_clear(*zeros[i].buffer, 0, zeros[i].size));
    }
fail:
    free(ones);
    return status;
}

static enum vkmoe_status create_ends(vkmoe_model *n)
{
    const struct vkmoe_frame *f = &n->frame;
    const struct vkmoe_view *embedding[] = { &f->embedding }, *head[] = { &f->head };
    const struct vkmoe_view *bias[] = { &f->head_bias }, none = { 0 };
    vkmoe_fit_name(n->device, "embedding");
    n->tied = f->head.data == f->embedding.data;
    TRY_RETURN(vkmoe_linear_create(&n->loading, embedding, n->tied ? bias : NULL, &f->vocabulary, 1,
        f->hidden, &n->embedding));
    vkmoe_fit_name(n->device, "head");
    if (!n->tied)
        TRY_RETURN(
            vkmoe_linear_create(&n->loading, head, bias, &f->vocabulary, 1, f->hidden, &n->head));
    TRY_RETURN(upload_norm(
        n, &f->final_norm, &f->final_norm_bias, f->logits_scale, &n->decoder.final_norm));
    if (f->encoder_blocks > 0)
        TRY_RETURN(upload_norm(n, &f->encoder_norm, &none, 1, &n->encoder.final_norm));
    const uint64_t rows = (uint64_t)n->rows * f->hidden * sizeof(float);
    vkmoe_fit_name(n->device, "rows of the residual stream");
    vkmoe_fit_enter(n->device, FIT_SCRATCH);
    vkmoe_buffer **const buffers[] = { &n->x, &n->normed, &n->delta };
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++)
        TRY_RETURN(vkmoe_buffer_create(n->device, rows, buffers[i]));
    vkmoe_fit_enter(n->device, FIT_WEIGHTS);
    return VKMOE_OK;
}

static void set_defaults(vkmoe_model *n)
{
    struct vkmoe_model_params *p = &n->params;
    if (p->sequences == 0)
        p->sequences = 1;
    if (p->capacity == 0)
        p->capacity = n->frame.max_positions > 0 ? MIN(n->frame.max_positions, DEFAULT_CAPACITY)
                                                 : DEFAULT_CAPACITY;
    if (p->chunk == 0)
        p->chunk = DEFAULT_CHUNK;
    if (p->encoder_capacity == 0)
        p->encoder_capacity = DEFAULT_INPUT;
    n->rows = n->frame.encoder_blocks > 0 ? MAX(p->chunk, p->encoder_capacity) : p->chunk;
    struct vkmoe_frame *f = &n->frame;
    f->embedding_scale = f->embedding_scale == 0 ? 1 : f->embedding_scale;
    f->residual_scale = f->residual_scale == 0 ? 1 : f->residual_scale;
    f->logits_scale = f->logits_scale == 0 ? 1 : f->logits_scale;
}

// A dense network beside the experts.
static enum vkmoe_status count_beside(
    vkmoe_model *n, vkmoe_checkpoint *checkpoint, struct vkmoe_block where)
{
    struct vkmoe_block_extras extras = { VKMOE_INIT(vkmoe_block_extras) };
    struct vkmoe_moe_params dense = { VKMOE_INIT(vkmoe_moe_params) };
    TRY_RETURN(vkmoe_checkpoint_get_extras(checkpoint, where, &extras));
    if (!extras.experts_pre_norm.data)
        return VKMOE_OK;
    TRY_RETURN(vkmoe_checkpoint_get_mlp(checkpoint, where, &dense));
    n->loading.total += vkmoe_moe_load_size(&dense);
    return VKMOE_OK;
}

// Adds what the block's matrices are to what will be loaded.
static enum vkmoe_status count_block(
    vkmoe_model *n, vkmoe_checkpoint *checkpoint, struct vkmoe_block where)
{
    struct vkmoe_moe_params moe = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    TRY_RETURN(vkmoe_checkpoint_get_attention(checkpoint, where, &attention));
    n->loading.total += vkmoe_attention_load_size(&attention);
    if (where.part == VKMOE_PART_CROSS)
        return VKMOE_OK;
    TRY_RETURN(get_layer(checkpoint, where, &moe));
    n->loading.total += vkmoe_moe_load_size(&moe);
    TRY_RETURN(count_beside(n, checkpoint, where));
    if (where.part == VKMOE_PART_BLOCKS)
        return VKMOE_OK;
    where.part = VKMOE_PART_CROSS;
    return count_block(n, checkpoint, where);
}

// How much there is to load; and says that nothing is loaded yet.
static enum vkmoe_status start_loading(vkmoe_model *n, vkmoe_checkpoint *checkpoint)
{
    const struct vkmoe_frame *f = &n->frame;
    const bool tied = f->head.data == f->embedding.data;
    n->loading = (struct loading){
        .device = n->device,
        .caller = creator(n),
        .progress = n->device->fit ? NULL : n->params.progress,
        .user = n->params.progress_user,
        .fast = n->params.precision == VKMOE_PRECISION_FAST,
        .total = vkmoe_format_matrix_size(f->embedding.dtype, f->vocabulary, f->hidden)
            + (tied ? 0 : vkmoe_format_matrix_size(f->head.dtype, f->vocabulary, f->hidden)),
    };
    if (!n->loading.progress)
        return VKMOE_OK;
    for (uint32_t b = 0; b < f->encoder_blocks; b++)
        TRY_RETURN(count_block(n, checkpoint, (struct vkmoe_block){ .index = b }));
    for (uint32_t b = 0; b < f->blocks; b++)
        TRY_RETURN(count_block(n, checkpoint,
            (struct vkmoe_block){ .index = b,
                .part = f->encoder_blocks > 0 ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS }));
    return vkmoe_loading_tell(&n->loading, 0);
}

enum vkmoe_status vkmoe_frame_check(const struct caller *caller, const struct vkmoe_frame *f)
{
    TRY_RETURN(vkmoe_orders_refuse(caller, "embedding", &f->embedding, 1));
    return vkmoe_orders_refuse(caller, "head", &f->head, 1);
}

static enum vkmoe_status fill(vkmoe_model *n, vkmoe_checkpoint *checkpoint)
{
    n->frame.struct_size = sizeof n->frame;
    TRY_RETURN(vkmoe_checkpoint_get_frame(checkpoint, &n->frame));
    set_defaults(n);
    if (n->rows > MAX_TOKENS)
        return vkmoe_fail(device_log(n->device), VKMOE_ERROR_INVALID,
            "vkmoe_model_create: %s is %u, must be 1 to %u",
            n->params.chunk > MAX_TOKENS ? "chunk" : "encoder_capacity", n->rows, MAX_TOKENS);
    const struct caller who = creator(n), *caller = &who;
    CHECK_PRECISION(&n->params);
    TRY_RETURN(vkmoe_frame_check(caller, &n->frame));
    TRY_RETURN(start_loading(n, checkpoint));
    TRY_RETURN(create_ends(n));
    TRY_RETURN(create_helpers(n));
    TRY_RETURN(create_stack(n, checkpoint, true, n->frame.encoder_blocks));
    return create_stack(n, checkpoint, false, n->frame.blocks);
}

// What streams have of it counts as there.
static enum vkmoe_status plan_scratch(const vkmoe_model *n, const vkmoe_device *device)
{
    const uint64_t size = vkmoe_model_scratch_size(n);
    vkmoe_buffer *scratch = NULL;
    vkmoe_fit_where(n->device, "%s", "");
    vkmoe_fit_name(n->device, "scratch of a stream");
    vkmoe_fit_enter(n->device, FIT_SCRATCH);
    if (size <= atomic_load(&device->scratch_size))
        return VKMOE_OK;
    const enum vkmoe_status status = vkmoe_buffer_create(n->device, size, &scratch);
    vkmoe_buffer_destroy(&scratch);
    return status;
}

static enum vkmoe_status make(vkmoe_device *device, vkmoe_checkpoint *checkpoint,
    const struct vkmoe_model_params *params, vkmoe_model **out)
{
    NEW_OR_RETURN(vkmoe_model, n, device_log(device), "model: ");
    n->device = device;
    n->params = *params;
    TRY_UNDO(fill(n, checkpoint), vkmoe_model_destroy(&n));
    n->scratch_size = vkmoe_model_plan_scratch(n);
    *out = n;
    return VKMOE_OK;
}

// With the scratch of a stream.
static enum vkmoe_status rehearse(vkmoe_device *planned, const vkmoe_device *device,
    vkmoe_checkpoint *checkpoint, const struct vkmoe_model_params *params, vkmoe_model **out)
{
    TRY_RETURN(make(planned, checkpoint, params, out));
    return plan_scratch(*out, device);
}

enum vkmoe_status vkmoe_model_create(vkmoe_device *device, vkmoe_checkpoint *checkpoint,
    const struct vkmoe_model_params *params, vkmoe_model **out)
{
    const struct vkmoe_log *log = device ? device_log(device)
        : checkpoint                     ? &checkpoint->log
                                         : NULL;
    VKMOE_NEED(log, out, "out");
    *out = NULL;
    VKMOE_NEED(log, device, "device");
    VKMOE_NEED(log, checkpoint, "checkpoint");
    VKMOE_NEED(log, params, "params");
    PARAMS_WHOLE(log, vkmoe_model_params, params);
    vkmoe_device *planned;
    TRY_FIT(device, planned, rehearse(planned, device, checkpoint, params, out),
        vkmoe_model_destroy(out));
    return make(device, checkpoint, params, out);
}

static void destroy_stack(struct model_stack *stack)
{
    for (uint32_t b = 0; b < stack->count; b++) {
        struct model_block *block = &stack->blocks[b];
        vkmoe_attention_destroy(&block->attention);
        vkmoe_cache_destroy(&block->cache);
        vkmoe_attention_destroy(&block->cross);
        vkmoe_cache_destroy(&block->cross_cache);
        vkmoe_moe_destroy(&block->experts);
        vkmoe_moe_destroy(&block->beside);
        BUFFERS_DESTROY(&block->history.choices, &block->attention_norm, &block->cross_norm,
            &block->experts_norm, &block->attention_post_norm, &block->post_norm,
            &block->dense_post_norm, &block->experts_pre_norm, &block->experts_post_norm);
    }
    free(stack->blocks);
    vkmoe_buffer_destroy(&stack->final_norm);
}

void vkmoe_model_destroy(vkmoe_model **model)
{
    TAKE_OR_RETURN(vkmoe_model, n, model);
    destroy_stack(&n->decoder);
    destroy_stack(&n->encoder);
    EXPERTS_DESTROY(&n->embedding, &n->head);
    BUFFERS_DESTROY(&n->x, &n->normed, &n->delta, &n->other, &n->dense_ids, &n->dense_weights,
        &n->encoder_length, &n->input_lengths, &n->input_sequence);
    vkmoe_cache_destroy(&n->encoder_cache);
    free(n);
}

static uint64_t extras_size(const struct model_block *block)
{
    return vkmoe_moe_device_size(block->beside) + vkmoe_buffer_taken(block->attention_post_norm)
        + vkmoe_buffer_taken(block->post_norm) + vkmoe_buffer_taken(block->dense_post_norm)
        + vkmoe_buffer_taken(block->experts_pre_norm)
        + vkmoe_buffer_taken(block->experts_post_norm);
}

static uint64_t stack_size(const struct model_stack *stack)
{
    uint64_t size = vkmoe_buffer_taken(stack->final_norm);
    for (uint32_t b = 0; b < stack->count; b++) {
        const struct model_block *block = &stack->blocks[b];
        size += vkmoe_attention_device_size(block->attention)
            + vkmoe_cache_device_size(block->cache) + vkmoe_attention_device_size(block->cross)
            + vkmoe_cache_device_size(block->cross_cache) + vkmoe_moe_device_size(block->experts)
            + vkmoe_buffer_taken(block->attention_norm) + vkmoe_buffer_taken(block->cross_norm)
            + vkmoe_buffer_taken(block->experts_norm) + vkmoe_buffer_taken(block->history.choices)
            + extras_size(block);
    }
    return size;
}

uint64_t vkmoe_model_device_size(const vkmoe_model *n)
{
    if (!n)
        return 0;
    uint64_t size = vkmoe_experts_size(&n->embedding) + vkmoe_experts_size(&n->head)
        + stack_size(&n->decoder) + stack_size(&n->encoder)
        + vkmoe_cache_device_size(n->encoder_cache);
    const vkmoe_buffer *const buffers[] = { n->x, n->normed, n->delta, n->other, n->dense_ids,
        n->dense_weights, n->encoder_length, n->input_lengths, n->input_sequence };
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++)
        size += vkmoe_buffer_taken(buffers[i]);
    return size;
}
