// linear.c - see linear.h.
#include "weights/linear.h"

#include "base/common.h"
#include "base/try.h"
#include "weights/order.h"

#include <stdlib.h>

static enum vkmoe_status create_bias(struct experts *linear,
    const struct vkmoe_view *const biases[], const uint32_t rows[], uint32_t count)
{
    const uint32_t padded = linear->matrices[0].blocks * BLOCK_ROWS;
    float *values = calloc(padded, sizeof *values);
    enum vkmoe_status status = VKMOE_OK;
    if (!values)
        return vkmoe_fail(
            device_log(linear->device), VKMOE_ERROR_OUT_OF_MEMORY, "bias: out of host memory");
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; at += rows[i++])
        if (biases[i])
            TRY(vkmoe_view_read(linear->device, biases[i], 1, rows[i], values + at));
    TRY(vkmoe_buffer_create_from(linear->device, values, padded * sizeof *values, &linear->bias));
fail:
    free(values);
    return status;
}

enum vkmoe_status vkmoe_linear_create(struct loading *loading,
    const struct vkmoe_view *const views[], const struct vkmoe_view *const biases[],
    const uint32_t rows[], uint32_t count, uint32_t columns, struct experts *out)
{
    const enum vkmoe_dtype dtype = views[0]->dtype;
    uint32_t total = 0;
    bool biased = false;
    *out = (struct experts){ 0 };
    for (uint32_t i = 0; i < count; i++) {
        total += rows[i];
        biased |= biases && biases[i] && biases[i]->data;
        if (views[i]->dtype != dtype)
            return vkmoe_refuse(&loading->caller, VKMOE_ERROR_UNSUPPORTED,
                "matrices that are multiplied together differ in dtype");
        if (!vkmoe_orders_equal(views[i], views[0]))
            return vkmoe_refuse(&loading->caller, VKMOE_ERROR_UNSUPPORTED,
                "matrices that are multiplied together differ in the order of their columns");
    }
    enum vkmoe_status status;
    TRY(vkmoe_experts_prepare(loading->device, dtype, 1, total, columns, out));
    out->fast = loading->fast;
    TRY(vkmoe_matrix_create_stacked(
        loading, views, rows, count, columns, dtype, &out->matrices[0]));
    TRY(vkmoe_orders_create(loading, views[0], 1, columns, &out->order));
    if (biased)
        TRY(create_bias(out, biases, rows, count));
    TRY(vkmoe_experts_finish(out));
fail:
    status = vkmoe_loading_finish(loading, status);
    if (status != VKMOE_OK)
        vkmoe_experts_destroy(out);
    return status;
}

enum vkmoe_status vkmoe_linear_record(
    vkmoe_stream *stream, const struct experts *linear, uint64_t x, uint64_t y, uint32_t tokens)
{
    return vkmoe_linear_record_part(
        stream, linear, &(struct direct_operands){ .x = x, .y = y, .tokens = tokens });
}

enum vkmoe_status vkmoe_linear_record_part(
    vkmoe_stream *stream, const struct experts *linear, const struct direct_operands *operands)
{
    if (operands->tokens == 0)
        return VKMOE_OK;
    return operands->tokens <= linear->shapes.direct_tokens
        ? vkmoe_experts_direct_few(stream, linear, operands)
        : vkmoe_experts_direct(stream, linear, operands);
}
