// network.c - loads a whole model onto a device. Running it: network_forward.c.
#include "network.h"

#include "common.h"
#include "dtype.h"

#include <stdlib.h>

#define DEFAULT_CHUNK 512
#define DEFAULT_CAPACITY 4096

// A norm's weights times `scale`.
static enum vkmoe_status upload_norm(vkmoe_network *n, const struct vkmoe_view *view, float scale,
    vkmoe_buffer **out)
{
    const uint32_t count = n->frame.hidden;
    const struct vkmoe_view resolved = vkmoe_view_resolve(view, count);
    float *values = malloc(count * sizeof *values);
    if (!values)
        return vkmoe_fail(&n->device->log, VKMOE_ERROR_OUT_OF_MEMORY, "network: out of host memory");
    for (uint32_t i = 0; i < count; i++)
        values[i] = scale * vkmoe_view_get(&resolved, 0, i);
    enum vkmoe_status status = vkmoe_buffer_create(n->device, count * sizeof *values, out);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_upload(*out, 0, values, count * sizeof *values);
    free(values);
    return status;
}

static enum vkmoe_status create_attention(vkmoe_network *n, vkmoe_model *model, uint32_t index,
    struct network_block *block)
{
    struct vkmoe_attention_params attention = { 0 };
    const struct vkmoe_block where = { .index = index };
    enum vkmoe_status status = vkmoe_model_get_attention(model, where, &attention);
    if (status != VKMOE_OK)
        return status;
    status = vkmoe_attention_create(n->device, &attention, &block->attention);
    if (status != VKMOE_OK)
        return status;
    const struct vkmoe_cache_params cache = {
        .kv_heads = attention.kv_heads,
        .head_size = attention.head_size,
        .sequences = n->params.sequences,
        .capacity = n->params.capacity,
        .dtype = n->params.cache_dtype,
    };
    return vkmoe_cache_create(n->device, &cache, &block->cache);
}

static enum vkmoe_status create_block(vkmoe_network *n, vkmoe_model *model, uint32_t index)
{
    struct network_block *block = &n->blocks[index];
    const struct vkmoe_block where = { .index = index };
    if (!vkmoe_model_is_moe(model, where))
        return vkmoe_fail(&n->device->log, VKMOE_ERROR_UNSUPPORTED,
            "network: block %u holds no experts; only models whose every block does run whole", index);
    enum vkmoe_status status = create_attention(n, model, index, block);
    struct vkmoe_layer_params layer = { 0 };
    if (status == VKMOE_OK)
        status = vkmoe_model_get_layer(model, where, &layer);
    if (status == VKMOE_OK)
        status = vkmoe_layer_create(n->device, &layer, &block->experts);
    struct vkmoe_view attention_norm, experts_norm;
    if (status == VKMOE_OK)
        status = vkmoe_model_get_norms(model, where, &attention_norm, &experts_norm);
    if (status == VKMOE_OK)
        status = upload_norm(n, &attention_norm, 1, &block->attention_norm);
    if (status == VKMOE_OK)
        status = upload_norm(n, &experts_norm, 1, &block->experts_norm);
    return status;
}

static enum vkmoe_status create_ends(vkmoe_network *n)
{
    const struct vkmoe_frame_params *f = &n->frame;
    const struct vkmoe_view *embedding[] = { &f->embedding }, *head[] = { &f->head };
    enum vkmoe_status status = vkmoe_linear_create(n->device, embedding, NULL, &f->vocabulary, 1,
        f->hidden, &n->embedding);
    n->tied = f->head.data == f->embedding.data;
    if (status == VKMOE_OK && !n->tied)
        status = vkmoe_linear_create(n->device, head, NULL, &f->vocabulary, 1, f->hidden, &n->head);
    if (status == VKMOE_OK)
        status = upload_norm(n, &f->final_norm, f->logits_scale, &n->final_norm);
    const uint64_t rows = (uint64_t) n->params.chunk * f->hidden * sizeof(float);
    vkmoe_buffer **const buffers[] = { &n->x, &n->normed, &n->delta };
    for (size_t i = 0; i < ARRAY_SIZE(buffers) && status == VKMOE_OK; i++)
        status = vkmoe_buffer_create(n->device, rows, buffers[i]);
    return status;
}

static void set_defaults(vkmoe_network *n)
{
    struct vkmoe_network_params *p = &n->params;
    if (p->sequences == 0)
        p->sequences = 1;
    if (p->capacity == 0)
        p->capacity = n->frame.max_positions > 0 ? MIN(n->frame.max_positions, DEFAULT_CAPACITY)
                                                 : DEFAULT_CAPACITY;
    if (p->chunk == 0)
        p->chunk = DEFAULT_CHUNK;
    struct vkmoe_frame_params *f = &n->frame;
    f->embedding_scale = f->embedding_scale == 0 ? 1 : f->embedding_scale;
    f->residual_scale = f->residual_scale == 0 ? 1 : f->residual_scale;
    f->logits_scale = f->logits_scale == 0 ? 1 : f->logits_scale;
}

static enum vkmoe_status fill(vkmoe_network *n, vkmoe_model *model)
{
    enum vkmoe_status status = vkmoe_model_get_frame(model, &n->frame);
    if (status != VKMOE_OK)
        return status;
    set_defaults(n);
    if (n->params.chunk > MAX_TOKENS)
        return vkmoe_fail(&n->device->log, VKMOE_ERROR_INVALID, "network: chunk is %u, must be 1 to %u",
            n->params.chunk, MAX_TOKENS);
    n->blocks = calloc(n->frame.blocks, sizeof *n->blocks);
    if (!n->blocks)
        return vkmoe_fail(&n->device->log, VKMOE_ERROR_OUT_OF_MEMORY, "network: out of host memory");
    status = create_ends(n);
    for (uint32_t b = 0; b < n->frame.blocks && status == VKMOE_OK; b++)
        status = create_block(n, model, b);
    return status;
}

enum vkmoe_status vkmoe_network_create(vkmoe_device *device, vkmoe_model *model,
    const struct vkmoe_network_params *params, vkmoe_network **out)
{
    *out = NULL;
    vkmoe_network *n = calloc(1, sizeof *n);
    if (!n)
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "network: out of host memory");
    n->device = device;
    if (params)
        n->params = *params;
    const enum vkmoe_status status = fill(n, model);
    if (status != VKMOE_OK)
        vkmoe_network_destroy(&n);
    *out = n;
    return status;
}

void vkmoe_network_destroy(vkmoe_network **network)
{
    if (!network || !*network)
        return;
    vkmoe_network *n = *network;
    *network = NULL;
    for (uint32_t b = 0; n->blocks && b < n->frame.blocks; b++) {
        struct network_block *block = &n->blocks[b];
        vkmoe_attention_destroy(&block->attention);
        vkmoe_layer_destroy(&block->experts);
        vkmoe_cache_destroy(&block->cache);
        vkmoe_buffer_destroy(&block->attention_norm);
        vkmoe_buffer_destroy(&block->experts_norm);
    }
    free(n->blocks);
    vkmoe_linear_destroy(&n->embedding);
    vkmoe_linear_destroy(&n->head);
    vkmoe_buffer_destroy(&n->final_norm);
    vkmoe_buffer_destroy(&n->x);
    vkmoe_buffer_destroy(&n->normed);
    vkmoe_buffer_destroy(&n->delta);
    free(n);
}

uint64_t vkmoe_network_size(const vkmoe_network *n)
{
    uint64_t size = vkmoe_linear_size(&n->embedding) + vkmoe_linear_size(&n->head)
        + 3 * vkmoe_buffer_size(n->x) + vkmoe_buffer_size(n->final_norm);
    for (uint32_t b = 0; b < n->frame.blocks; b++) {
        const struct network_block *block = &n->blocks[b];
        size += vkmoe_attention_size(block->attention) + vkmoe_layer_size(block->experts)
            + vkmoe_cache_size(block->cache) + 2 * vkmoe_buffer_size(block->experts_norm);
    }
    return size;
}
