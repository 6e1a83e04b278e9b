// layer.c - creates and destroys a MoE layer. Running it: layer_forward.c.
#include "moe/moe.h"

#include "base/common.h"
#include "device/fit.h"
#include "weights/view.h"

#include <stdlib.h>
#include <string.h>

// Copies [rows][columns]; `out` stays as it is if the view is absent.
static enum vkmoe_status read_view(const struct vkmoe_moe *moe, const struct vkmoe_view *view,
    uint32_t rows, uint32_t columns, float *out)
{
    float *values;
    if (!view->data || moe->device->fit) // a trial has no use for them
        return VKMOE_OK;
    enum vkmoe_status status = vkmoe_view_floats(view, &moe->device->log, rows, columns, &values);
    if (status == VKMOE_OK)
        memcpy(out, values, (size_t)rows * columns * sizeof *out);
    free(values);
    return status;
}

static enum vkmoe_status no_host_memory(const vkmoe_device *device)
{
    return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "layer: out of host memory");
}

// Rows that multiply r, which is x times input_scale.
static void scale_rows(const float *input_scale, uint32_t count, uint32_t columns, float *rows)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t d = 0; d < columns; d++)
            rows[(size_t)i * columns + d] *= input_scale[d];
    }
}

// The experts' rows, behind them the shared token gate, behind that the two levels.
static enum vkmoe_status create_router(vkmoe_moe *moe, const struct vkmoe_moe_params *p)
{
    const uint32_t columns = moe->params.router_hidden;
    const uint32_t levels_at = p->experts + moe->shared_weighted;
    const uint32_t rows = levels_at + (moe->leveled ? 2 : 0);
    // Behind the matrix, the scale.
    float *matrix = malloc(((size_t)rows + 1) * columns * sizeof *matrix);
    if (!matrix)
        return no_host_memory(moe->device);
    vkmoe_fit_name(moe->device, "router");
    float *levels = matrix + (size_t)levels_at * columns;
    float *input_scale = matrix + (size_t)rows * columns;
    enum vkmoe_status status = read_view(moe, &p->router.weight, p->experts, columns, matrix);
    if (status == VKMOE_OK && moe->shared_weighted)
        status = read_view(
            moe, &p->shared_token_gate, 1, columns, matrix + (size_t)p->experts * columns);
    if (status == VKMOE_OK && moe->leveled)
        status = read_view(moe, &p->router.levels, 2, columns, levels);
    if (status == VKMOE_OK)
        status = read_view(moe, &p->router.input_scale, 1, columns, input_scale);
    if (status == VKMOE_OK && p->router.input_scale.data) {
        scale_rows(input_scale, p->experts, columns, matrix);
        scale_rows(input_scale, moe->leveled ? 2 : 0, columns, levels);
    }
    const struct vkmoe_view view = { .data = matrix, .dtype = VKMOE_DTYPE_F32 };
    if (status == VKMOE_OK)
        status = vkmoe_matrix_create(
            moe->loading, &view, NULL, rows, columns, VKMOE_DTYPE_F32, &moe->router);
    free(matrix);
    return status;
}

static enum vkmoe_status create_vectors(vkmoe_moe *moe, const struct vkmoe_moe_params *p)
{
    const uint32_t n = p->experts;
    float vectors[3 * MAX_EXPERTS] = { 0 };
    for (uint32_t e = 0; e < n; e++)
        vectors[2 * n + e] = 1;
    enum vkmoe_status status = read_view(moe, &p->router.bias, 1, n, vectors);
    if (status == VKMOE_OK)
        status = read_view(moe, &p->router.correction_bias, 1, n, vectors + n);
    if (status == VKMOE_OK)
        status = read_view(moe, &p->router.expert_scale, 1, n, vectors + 2 * n);
    return status != VKMOE_OK
        ? status
        : vkmoe_buffer_create_from(moe->device, vectors, 3 * n * sizeof *vectors, &moe->vectors);
}

// Biases [experts][rows of the packed matrix]; blocks of two views take turns.
static enum vkmoe_status create_bias(vkmoe_moe *moe, const struct vkmoe_view *first,
    const struct vkmoe_view *second, uint32_t count, uint32_t blocks, bool alternate,
    vkmoe_buffer **out)
{
    const size_t rows = (size_t)blocks * BLOCK_ROWS;
    const uint32_t experts = moe->params.experts;
    const size_t size = (size_t)experts * count; // of the values of one view
    float *bias = calloc(experts * rows, sizeof *bias);
    float *values = calloc(2 * size, sizeof *values);
    enum vkmoe_status status = bias && values ? VKMOE_OK : no_host_memory(moe->device);
    if (status == VKMOE_OK)
        status = read_view(moe, first, experts, count, values);
    if (status == VKMOE_OK && alternate)
        status = read_view(moe, second, experts, count, values + size);
    for (size_t v = 0; status == VKMOE_OK && v < size; v++) {
        const uint32_t i = (uint32_t)(v % count);
        float *row = bias + v / count * rows;
        if (!alternate) {
            row[i] = values[v];
            continue;
        }
        const uint32_t at = i / BLOCK_ROWS * 2 * BLOCK_ROWS + i % BLOCK_ROWS;
        row[at] = values[v];
        row[at + BLOCK_ROWS] = values[size + v];
    }
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create_from(moe->device, bias, experts * rows * sizeof *bias, out);
    free(values);
    free(bias);
    return status;
}

static enum vkmoe_status create_biases(vkmoe_moe *moe, const struct vkmoe_moe_params *p)
{
    enum vkmoe_status status = VKMOE_OK;
    if (moe->up_biased)
        status = create_bias(moe, moe->gated ? &p->gate_bias : &p->up_bias, &p->up_bias, p->inner,
            moe->up[0].blocks, moe->gated, &moe->up_bias);
    if (status == VKMOE_OK && moe->down_biased)
        status = create_bias(
            moe, &p->down_bias, NULL, p->hidden, moe->down[0].blocks, false, &moe->down_bias);
    if (status == VKMOE_OK && moe->output_biased)
        status = vkmoe_vector_upload(moe->device, &p->output_bias, p->hidden, 1, &moe->output_bias);
    return status;
}

static enum vkmoe_status create_experts(vkmoe_moe *moe, const struct vkmoe_moe_params *p)
{
    struct loading *loading = moe->loading;
    enum vkmoe_status status = VKMOE_OK;
    for (uint32_t e = 0; e < p->experts && status == VKMOE_OK; e++) {
        vkmoe_fit_name(moe->device, "%s of expert %u", p->gate ? "gate and up" : "up", e);
        status = vkmoe_matrix_create(loading, p->gate ? &p->gate[e] : &p->up[e],
            p->gate ? &p->up[e] : NULL, p->inner, p->hidden, moe->dtype, &moe->up[e]);
        vkmoe_fit_name(moe->device, "down of expert %u", e);
        if (status == VKMOE_OK && p->down)
            status = vkmoe_matrix_create(
                loading, &p->down[e], NULL, p->hidden, p->inner, moe->dtype, &moe->down[e]);
    }
    if (status != VKMOE_OK || p->shared_inner == 0)
        return status;
    const bool gated = moe->shared_gated;
    vkmoe_fit_name(moe->device, "shared expert");
    status = vkmoe_matrix_create(loading, gated ? &p->shared_gate : &p->shared_up,
        gated ? &p->shared_up : NULL, p->shared_inner, p->hidden, moe->dtype, &moe->up[p->experts]);
    if (status == VKMOE_OK)
        status = vkmoe_matrix_create(loading, &p->shared_down, NULL, p->hidden, p->shared_inner,
            moe->dtype, &moe->down[p->experts]);
    return status;
}

static enum vkmoe_status create_table(
    vkmoe_moe *moe, const struct matrix *matrices, vkmoe_buffer **out)
{
    uint64_t addresses[MAX_EXPERTS + 1];
    for (uint32_t e = 0; e <= moe->params.experts; e++)
        addresses[e] = matrices[e].buffer ? vkmoe_buffer_address(matrices[e].buffer)
                                          : vkmoe_device_dummy_address(moe->device);
    const uint64_t size = (moe->params.experts + 1) * sizeof addresses[0];
    return vkmoe_buffer_create_from(moe->device, addresses, size, out);
}

static void set_defaults(struct vkmoe_moe_params *p)
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
        p->activation_limit = p->activation == VKMOE_ACTIVATION_SILU_CLAMP ? 10.0f : 7.0f;
    // Views belong to the caller.
    p->gate = p->up = p->down = NULL;
}

static uint64_t sum_sizes(const vkmoe_moe *moe)
{
    vkmoe_buffer *const buffers[] = { moe->router.buffer, moe->up_table, moe->down_table,
        moe->vectors, moe->up_bias, moe->down_bias, moe->output_bias };
    uint64_t size = 0;
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++)
        size += vkmoe_buffer_taken(buffers[i]);
    for (uint32_t e = 0; e <= moe->params.experts; e++)
        size += vkmoe_buffer_taken(moe->up[e].buffer) + vkmoe_buffer_taken(moe->down[e].buffer);
    return size;
}

static enum vkmoe_status fill_layer(vkmoe_moe *moe, const struct vkmoe_moe_params *p)
{
    enum vkmoe_status status = VKMOE_OK;
    if (p->router.select != VKMOE_SELECT_SUPPLIED_WEIGHTED) {
        status = create_router(moe, p);
        if (status == VKMOE_OK)
            status = create_vectors(moe, p);
    }
    if (status == VKMOE_OK)
        status = create_experts(moe, p);
    if (status == VKMOE_OK)
        status = create_biases(moe, p);
    if (status == VKMOE_OK)
        status = create_table(moe, moe->up, &moe->up_table);
    if (status == VKMOE_OK)
        status = create_table(moe, moe->down, &moe->down_table);
    return status;
}

enum vkmoe_status vkmoe_moe_create(
    vkmoe_device *device, const struct vkmoe_moe_params *params, vkmoe_moe **out)
{
    VKMOE_NEED(device_log(device), out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, device, "device");
    VKMOE_NEED(&device->log, params, "params");
    struct loading loading = { .caller = { &device->log, __func__ } };
    vkmoe_moe *moe = NULL;
    if (!params->down)
        return vkmoe_refuse(&loading.caller, VKMOE_ERROR_INVALID, "up and down are required");
    enum vkmoe_status status = vkmoe_fit_begin(device, &loading.device);
    if (status == VKMOE_OK)
        status = vkmoe_moe_load(&loading, params, &moe);
    vkmoe_moe_destroy(&moe);
    status = vkmoe_fit_end(&loading.device, __func__, status);
    loading.device = device;
    return status == VKMOE_OK ? vkmoe_moe_load(&loading, params, out) : status;
}

uint64_t vkmoe_moe_load_size(const struct vkmoe_moe_params *p)
{
    const uint64_t size = dtype_size(p->up[0].dtype);
    const bool routed = p->router.select != VKMOE_SELECT_SUPPLIED_WEIGHTED;
    const uint32_t router_rows = p->experts + (p->shared_inner > 0 && p->shared_token_gate.data)
        + (p->router.levels.data ? 2 : 0);
    const uint64_t router =
        (uint64_t)router_rows * sizeof(float) * (p->router_hidden ? p->router_hidden : p->hidden);
    const uint64_t matrices =
        (uint64_t)p->experts * p->inner * ((p->gate != NULL) + 1 + (p->down != NULL));
    const uint64_t shared = (uint64_t)p->shared_inner * ((p->shared_gate.data != NULL) + 2);
    return (routed ? router : 0) + (matrices + shared) * p->hidden * size;
}

enum vkmoe_status vkmoe_moe_load(
    struct loading *loading, const struct vkmoe_moe_params *params, vkmoe_moe **out)
{
    vkmoe_device *device = loading->device;
    *out = NULL;
    enum vkmoe_status status = vkmoe_moe_check(&loading->caller, params);
    if (status != VKMOE_OK)
        return status;
    vkmoe_moe *moe = calloc(1, sizeof *moe);
    if (!moe)
        return no_host_memory(device);
    moe->device = device;
    moe->loading = loading;
    moe->params = *params;
    set_defaults(&moe->params);
    moe->dtype = params->up[0].dtype;
    moe->gated = params->gate != NULL;
    moe->shared_gated = params->shared_inner > 0 && params->shared_gate.data;
    moe->shared_weighted = params->shared_inner > 0 && params->shared_token_gate.data;
    moe->leveled = params->router.levels.data != NULL;
    moe->up_biased = params->gate_bias.data || params->up_bias.data;
    moe->down_biased = params->down_bias.data != NULL;
    moe->output_biased = params->output_bias.data != NULL;
    moe->inner_columns = (uint32_t)align_up(params->inner, 8);
    moe->shared_inner_columns = (uint32_t)align_up(params->shared_inner, 8);
    moe->up = calloc(params->experts + 1, sizeof *moe->up);
    moe->down = calloc(params->experts + 1, sizeof *moe->down);
    status = moe->up && moe->down ? fill_layer(moe, params) : no_host_memory(device);
    status = vkmoe_loading_finish(loading, status);
    moe->loading = NULL;
    if (status != VKMOE_OK) {
        vkmoe_moe_destroy(&moe);
        return status;
    }
    moe->size = sum_sizes(moe);
    *out = moe;
    return VKMOE_OK;
}

void vkmoe_moe_destroy(vkmoe_moe **moe)
{
    if (!moe || !*moe)
        return;
    vkmoe_moe *l = *moe;
    *moe = NULL;
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

uint64_t vkmoe_moe_device_size(const vkmoe_moe *moe)
{
    return moe ? moe->size : 0;
}
