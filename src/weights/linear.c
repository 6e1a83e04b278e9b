// linear.c - see linear.h.
#include "weights/linear.h"

#include "base/common.h"
#include "weights/view.h"

#include "shaders/decode_up.h"
#include "shaders/experts_gemm.h"

#include <stdlib.h>
#include <string.h>
#include <string.h>

static enum vkmoe_status create_bias(struct linear *linear, const struct vkmoe_view *const biases[],
    const uint32_t rows[], uint32_t count)
{
    const uint32_t padded = linear->matrix.blocks * BLOCK_ROWS;
    float *values = calloc(padded, sizeof *values);
    if (!values)
        return vkmoe_fail(
            &linear->device->log, VKMOE_ERROR_OUT_OF_MEMORY, "bias: out of host memory");
    enum vkmoe_status status = VKMOE_OK;
    uint32_t at = 0;
    for (uint32_t i = 0; i < count && status == VKMOE_OK; i++) {
        float *bias = NULL;
        if (biases[i] && biases[i]->data)
            status = vkmoe_view_floats(biases[i], &linear->device->log, 1, rows[i], &bias);
        if (bias)
            memcpy(values + at, bias, rows[i] * sizeof *bias);
        free(bias);
        at += rows[i];
    }
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create_from(
            linear->device, values, padded * sizeof *values, &linear->bias);
    free(values);
    return status;
}

enum vkmoe_status vkmoe_linear_create(struct loading *loading,
    const struct vkmoe_view *const views[], const struct vkmoe_view *const biases[],
    const uint32_t rows[], uint32_t count, uint32_t columns, struct linear *out)
{
    vkmoe_device *device = loading->device;
    *out = (struct linear){ .device = device, .dtype = views[0]->dtype, .columns = columns };
    bool biased = false;
    for (uint32_t i = 0; i < count; i++) {
        out->rows += rows[i];
        biased |= biases && biases[i] && biases[i]->data;
        if (views[i]->dtype != out->dtype)
            return vkmoe_refuse(&loading->caller, VKMOE_ERROR_UNSUPPORTED,
                "matrices that are multiplied together differ in dtype");
    }
    enum vkmoe_status status =
        vkmoe_matrix_create_stacked(loading, views, rows, count, columns, out->dtype, &out->matrix);
    if (status == VKMOE_OK) {
        const uint64_t address = vkmoe_buffer_address(out->matrix.buffer);
        status = vkmoe_buffer_create_from(device, &address, sizeof address, &out->table);
    }
    if (status == VKMOE_OK && biased)
        status = create_bias(out, biases, rows, count);
    status = vkmoe_loading_finish(loading, status);
    if (status != VKMOE_OK)
        vkmoe_linear_destroy(out);
    return status;
}

void vkmoe_linear_destroy(struct linear *linear)
{
    vkmoe_matrix_destroy(&linear->matrix);
    vkmoe_buffer_destroy(&linear->table);
    vkmoe_buffer_destroy(&linear->bias);
}

uint64_t vkmoe_linear_size(const struct linear *linear)
{
    return vkmoe_buffer_taken(linear->matrix.buffer) + vkmoe_buffer_taken(linear->table)
        + vkmoe_buffer_taken(linear->bias);
}

// Few tokens: the shared expert's way through decode_up, with no routed experts.
static enum vkmoe_status record_few(const struct pass *pass, const struct linear *linear)
{
    const uint32_t blocks = pass->shapes.decode_blocks;
    const uint64_t dummy = vkmoe_device_dummy_address(pass->device);
    const struct decode_up_push push = {
        .ids = dummy,
        .weights = dummy,
        .x = pass->x,
        .h = dummy,
        .shared_h = pass->y,
        .table = vkmoe_buffer_address(linear->table),
        .bias = address_or_dummy(pass->device, linear->bias),
        .tokens = pass->tokens,
        .columns = linear->columns,
        .units = linear->matrix.units,
        .shared_h_columns = linear->rows,
        .row_tiles = 1,
        .shared_row_tiles = div_up(div_up(linear->rows, BLOCK_ROWS), blocks),
    };
    struct dispatch d = {
        .kernel = KERNEL_decode_up,
        .spec = {
            [DECODE_LANES] = pass->shapes.lanes,
            [DECODE_BLOCKS] = blocks,
            [DECODE_TOKENS] = DECODE_MAX_TOKENS,
            [DECODE_TYPE] = linear->dtype,
            [DECODE_PACKED] = is_packed(pass->x, linear->columns, 8),
            [DECODE_ACTIVATION] = VKMOE_ACTIVATION_IDENTITY,
            [DECODE_SHARED_BIAS] = linear->bias != NULL,
        },
        .push = &push,
        .groups = div_up(pass->tokens, DECODE_MAX_TOKENS) * push.shared_row_tiles,
    };
    return vkmoe_pass_run(pass, &d);
}

static enum vkmoe_status record_many(const struct pass *pass, const struct linear *linear)
{
    const uint64_t dummy = vkmoe_device_dummy_address(pass->device);
    const struct experts_gemm_push push = {
        .plan = dummy,
        .rows = dummy,
        .source = pass->x,
        .result = pass->y,
        .shared_result = dummy,
        .table = vkmoe_buffer_address(linear->table),
        .bias = address_or_dummy(pass->device, linear->bias),
        .weights = dummy,
        .tokens = pass->tokens,
        .units = linear->matrix.units,
        .source_columns = linear->columns,
        .source_stride = linear->columns,
        .result_columns = linear->rows,
        .result_stride = linear->rows,
        .row_tiles = div_up(div_up(linear->rows, BLOCK_ROWS), pass->shapes.gemm_blocks),
        .tile_rows = pass->shapes.gemm_rows,
    };
    struct dispatch d = {
        .kernel = KERNEL_experts_gemm,
        .spec = {
            [GEMM_TYPE] = linear->dtype,
            [GEMM_DIRECT] = 1,
            [GEMM_PACKED] = is_packed(pass->x, linear->columns, 8),
            [GEMM_RESULT_PACKED] = is_packed(pass->y, linear->rows, 4),
            [GEMM_ACTIVATION] = VKMOE_ACTIVATION_IDENTITY,
            [GEMM_BIAS] = linear->bias != NULL,
        },
        .push = &push,
        .groups = push.row_tiles * div_up(pass->tokens, push.tile_rows),
    };
    return vkmoe_pass_run(pass, &d);
}

enum vkmoe_status vkmoe_linear_record(
    vkmoe_stream *stream, const struct linear *linear, uint64_t x, uint64_t y, uint32_t tokens)
{
    const struct pass pass = {
        .stream = stream,
        .device = linear->device,
        .shapes = vkmoe_shapes_choose(linear->device, linear->dtype),
        .tokens = tokens,
        .x = x,
        .y = y,
    };
    if (tokens == 0)
        return VKMOE_OK;
    return tokens <= pass.shapes.decode_tokens ? record_few(&pass, linear)
                                               : record_many(&pass, linear);
}
