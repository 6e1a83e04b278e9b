// layer.c - creates and destroys a MoE layer. Running it: layer_forward.c.
#include "layer.h"

#include "common.h"
#include "dtype.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>

static float get_or(const struct vkmoe_view *view, uint32_t columns, uint32_t row, uint32_t column,
    float absent)
{
    if (!view->data)
        return absent;
    const struct vkmoe_view resolved = vkmoe_view_resolve(view, columns);
    return vkmoe_view_get(&resolved, row, column);
}

static enum vkmoe_status no_host_memory(const vkmoe_device *device)
{
    return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "layer: out of host memory");
}

// Rows that multiply r, which is x times input_scale.
static void scale_rows(const struct vkmoe_view *input_scale, const struct vkmoe_view *rows,
    uint32_t count, uint32_t columns, float *out)
{
    const struct vkmoe_view weight = vkmoe_view_resolve(rows, columns);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t d = 0; d < columns; d++)
            out[(size_t) i * columns + d] = vkmoe_view_get(&weight, i, d)
                * get_or(input_scale, columns, 0, d, 1.0f);
    }
}

// The experts' rows, behind them the shared token gate, behind that the two levels.
static enum vkmoe_status create_router(vkmoe_layer *layer, const struct vkmoe_layer_params *p)
{
    const uint32_t columns = layer->params.router_hidden;
    const uint32_t levels_at = p->experts + layer->shared_weighted;
    const uint32_t rows = levels_at + (layer->leveled ? 2 : 0);
    float *matrix = malloc((size_t) rows * columns * sizeof *matrix);
    if (!matrix)
        return no_host_memory(layer->device);
    vkmoe_plan_name(layer->device, "router");
    const struct vkmoe_view *input_scale = &p->router.input_scale;
    const bool read = !layer->device->plan; // which has no use for them
    if (read)
        scale_rows(input_scale, &p->router.weight, p->experts, columns, matrix);
    for (uint32_t d = 0; read && layer->shared_weighted && d < columns; d++)
        matrix[(size_t) p->experts * columns + d] =
            get_or(&p->shared_token_gate, columns, 0, d, 0.0f);
    if (read && layer->leveled)
        scale_rows(input_scale, &p->router.levels, 2, columns,
            matrix + (size_t) levels_at * columns);
    const struct vkmoe_view view = { .data = matrix, .dtype = VKMOE_F32 };
    const enum vkmoe_status status = vkmoe_matrix_create(layer->device, &view, NULL, rows, columns,
        VKMOE_F32, &layer->router);
    free(matrix);
    return status;
}

static enum vkmoe_status create_vectors(vkmoe_layer *layer, const struct vkmoe_layer_params *p)
{
    const uint32_t n = p->experts;
    float vectors[3 * MAX_EXPERTS];
    for (uint32_t e = 0; e < n; e++) {
        vectors[e] = get_or(&p->router.bias, n, 0, e, 0.0f);
        vectors[n + e] = get_or(&p->router.correction_bias, n, 0, e, 0.0f);
        vectors[2 * n + e] = get_or(&p->router.expert_scale, n, 0, e, 1.0f);
    }
    return vkmoe_floats_upload(layer->device, vectors, 3 * (size_t) n, &layer->vectors);
}

// Biases [experts][rows of the packed matrix]; blocks of two views take turns.
static enum vkmoe_status create_bias(vkmoe_layer *layer, const struct vkmoe_view *first,
    const struct vkmoe_view *second, uint32_t count, uint32_t blocks, bool alternate,
    vkmoe_buffer **out)
{
    const size_t rows = (size_t) blocks * BLOCK_ROWS;
    float *bias = calloc(layer->params.experts * rows, sizeof *bias);
    if (!bias)
        return no_host_memory(layer->device);
    for (uint32_t e = 0; e < layer->params.experts && !layer->device->plan; e++) {
        for (uint32_t i = 0; i < count; i++) {
            float *row = bias + e * rows;
            if (!alternate) {
                row[i] = get_or(first, count, e, i, 0.0f);
                continue;
            }
            const uint32_t at = i / BLOCK_ROWS * 2 * BLOCK_ROWS + i % BLOCK_ROWS;
            row[at] = get_or(first, count, e, i, 0.0f);
            row[at + BLOCK_ROWS] = get_or(second, count, e, i, 0.0f);
        }
    }
    const enum vkmoe_status status = vkmoe_floats_upload(layer->device, bias,
        layer->params.experts * rows, out);
    free(bias);
    return status;
}

static enum vkmoe_status create_biases(vkmoe_layer *layer, const struct vkmoe_layer_params *p)
{
    enum vkmoe_status status = VKMOE_OK;
    if (layer->up_biased)
        status = create_bias(layer, layer->gated ? &p->gate_bias : &p->up_bias, &p->up_bias, p->inner,
            layer->up[0].blocks, layer->gated, &layer->up_bias);
    if (status == VKMOE_OK && layer->down_biased)
        status = create_bias(layer, &p->down_bias, NULL, p->hidden, layer->down[0].blocks, false,
            &layer->down_bias);
    if (status == VKMOE_OK && layer->output_biased)
        status = vkmoe_vector_upload(layer->device, &p->output_bias, p->hidden, 1,
            &layer->output_bias);
    return status;
}

static enum vkmoe_status create_experts(vkmoe_layer *layer, const struct vkmoe_layer_params *p)
{
    vkmoe_device *device = layer->device;
    enum vkmoe_status status = VKMOE_OK;
    for (uint32_t e = 0; e < p->experts && status == VKMOE_OK; e++) {
        vkmoe_plan_name(device, "%s of expert %u", p->gate ? "gate and up" : "up", e);
        status = vkmoe_matrix_create(device, p->gate ? &p->gate[e] : &p->up[e],
            p->gate ? &p->up[e] : NULL, p->inner, p->hidden, layer->dtype, &layer->up[e]);
        vkmoe_plan_name(device, "down of expert %u", e);
        if (status == VKMOE_OK && p->down)
            status = vkmoe_matrix_create(device, &p->down[e], NULL, p->hidden, p->inner, layer->dtype,
                &layer->down[e]);
    }
    if (status != VKMOE_OK || p->shared_inner == 0)
        return status;
    const bool gated = layer->shared_gated;
    vkmoe_plan_name(device, "shared expert");
    status = vkmoe_matrix_create(device, gated ? &p->shared_gate : &p->shared_up,
        gated ? &p->shared_up : NULL, p->shared_inner, p->hidden, layer->dtype,
        &layer->up[p->experts]);
    if (status == VKMOE_OK)
        status = vkmoe_matrix_create(device, &p->shared_down, NULL, p->hidden, p->shared_inner,
            layer->dtype, &layer->down[p->experts]);
    return status;
}

static enum vkmoe_status create_table(vkmoe_layer *layer, const struct matrix *matrices,
    vkmoe_buffer **out)
{
    uint64_t addresses[MAX_EXPERTS + 1];
    for (uint32_t e = 0; e <= layer->params.experts; e++)
        addresses[e] = matrices[e].buffer ? vkmoe_buffer_address(matrices[e].buffer)
                                          : vkmoe_device_dummy_address(layer->device);
    const uint64_t size = (layer->params.experts + 1) * sizeof addresses[0];
    enum vkmoe_status status = vkmoe_buffer_create(layer->device, size, out);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_upload(*out, 0, addresses, size);
    return status;
}

static void set_defaults(struct vkmoe_layer_params *p)
{
    if (p->router_hidden == 0)
        p->router_hidden = p->hidden;
    if (p->router.scale == 0)
        p->router.scale = 1;
    if (p->router.groups == 0)
        p->router.groups = p->router.groups_kept = 1;
    if (p->activation_alpha == 0)
        p->activation_alpha = 1.702f;
    if (p->activation_limit == 0)
        p->activation_limit = p->activation == VKMOE_SILU_CLAMP ? 10.0f : 7.0f;
    // Views belong to the caller.
    p->gate = p->up = p->down = NULL;
}

static uint64_t sum_sizes(const vkmoe_layer *layer)
{
    vkmoe_buffer *const buffers[] = { layer->router.buffer, layer->up_table, layer->down_table,
        layer->vectors, layer->up_bias, layer->down_bias, layer->output_bias };
    uint64_t size = 0;
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++)
        size += vkmoe_buffer_taken(buffers[i]);
    for (uint32_t e = 0; e <= layer->params.experts; e++)
        size += vkmoe_buffer_taken(layer->up[e].buffer) + vkmoe_buffer_taken(layer->down[e].buffer);
    return size;
}

static enum vkmoe_status fill_layer(vkmoe_layer *layer, const struct vkmoe_layer_params *p)
{
    enum vkmoe_status status = VKMOE_OK;
    if (p->router.select != VKMOE_SELECT_SUPPLIED_WEIGHTED) {
        status = create_router(layer, p);
        if (status == VKMOE_OK)
            status = create_vectors(layer, p);
    }
    if (status == VKMOE_OK)
        status = create_experts(layer, p);
    if (status == VKMOE_OK)
        status = create_biases(layer, p);
    if (status == VKMOE_OK)
        status = create_table(layer, layer->up, &layer->up_table);
    if (status == VKMOE_OK)
        status = create_table(layer, layer->down, &layer->down_table);
    return status;
}

enum vkmoe_status vkmoe_layer_create(vkmoe_device *device, const struct vkmoe_layer_params *params,
    vkmoe_layer **out)
{
    VKMOE_NEED(device_log(device), out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, device, "device");
    VKMOE_NEED(&device->log, params, "params");
    const struct caller caller = { &device->log, __func__ };
    vkmoe_device *planned;
    vkmoe_layer *layer = NULL;
    enum vkmoe_status status = vkmoe_plan_begin(device, &planned);
    if (status == VKMOE_OK)
        status = vkmoe_layer_create_for(&caller, planned, params, &layer);
    vkmoe_layer_destroy(&layer);
    status = vkmoe_plan_end(&planned, caller.function, status);
    return status == VKMOE_OK ? vkmoe_layer_create_for(&caller, device, params, out) : status;
}

enum vkmoe_status vkmoe_layer_create_for(const struct caller *caller, vkmoe_device *device,
    const struct vkmoe_layer_params *params, vkmoe_layer **out)
{
    *out = NULL;
    if (!params->down)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "up and down are required");
    return vkmoe_layer_create_up(caller, device, params, out);
}

enum vkmoe_status vkmoe_layer_create_up(const struct caller *caller, vkmoe_device *device,
    const struct vkmoe_layer_params *params, vkmoe_layer **out)
{
    *out = NULL;
    enum vkmoe_status status = vkmoe_layer_check(caller, params);
    if (status != VKMOE_OK)
        return status;
    vkmoe_layer *layer = calloc(1, sizeof *layer);
    if (!layer)
        return no_host_memory(device);
    layer->device = device;
    layer->params = *params;
    set_defaults(&layer->params);
    layer->dtype = params->up[0].dtype;
    layer->gated = params->gate != NULL;
    layer->shared_gated = params->shared_inner > 0 && params->shared_gate.data;
    layer->shared_weighted = params->shared_inner > 0 && params->shared_token_gate.data;
    layer->leveled = params->router.levels.data != NULL;
    layer->up_biased = params->gate_bias.data || params->up_bias.data;
    layer->down_biased = params->down_bias.data != NULL;
    layer->output_biased = params->output_bias.data != NULL;
    layer->inner_columns = (uint32_t) align_up(params->inner, 8);
    layer->shared_inner_columns = (uint32_t) align_up(params->shared_inner, 8);
    layer->up = calloc(params->experts + 1, sizeof *layer->up);
    layer->down = calloc(params->experts + 1, sizeof *layer->down);
    status = layer->up && layer->down ? fill_layer(layer, params) : no_host_memory(device);
    if (status != VKMOE_OK) {
        vkmoe_layer_destroy(&layer);
        return status;
    }
    layer->size = sum_sizes(layer);
    *out = layer;
    return VKMOE_OK;
}

void vkmoe_layer_destroy(vkmoe_layer **layer)
{
    if (!layer || !*layer)
        return;
    vkmoe_layer *l = *layer;
    *layer = NULL;
    for (uint32_t e = 0; e <= l->params.experts; e++) {
        if (l->up)
            vkmoe_matrix_destroy(&l->up[e]);
        if (l->down)
            vkmoe_matrix_destroy(&l->down[e]);
    }
    free(l->up);
    free(l->down);
    vkmoe_matrix_destroy(&l->router);
    vkmoe_buffer_destroy(&l->up_table);
    vkmoe_buffer_destroy(&l->down_table);
    vkmoe_buffer_destroy(&l->vectors);
    vkmoe_buffer_destroy(&l->up_bias);
    vkmoe_buffer_destroy(&l->down_bias);
    vkmoe_buffer_destroy(&l->output_bias);
    free(l);
}

uint64_t vkmoe_layer_size(const vkmoe_layer *layer)
{
    return layer ? layer->size : 0;
}
