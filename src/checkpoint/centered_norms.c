// centered_norms.c - see centered_norms.h.
#include "checkpoint/centered_norms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/limits.h"
#include "weights/format.h"
#include "weights/view.h"

// What is there, and of a dtype that this library has. Others are refused where they are read.
static bool is_norm(const struct tensor *tensor, enum vkmoe_dtype *dtype)
{
    static const char tail[] = "norm.weight";
    const size_t length = strlen(tensor->name);
    return length >= sizeof tail - 1 && strcmp(tensor->name + length - (sizeof tail - 1), tail) == 0
        && !tensor->absence && tensor->rank == 1 && tensor->elements > 0
        && tensor->elements <= MAX_WIDTH && vkmoe_format_named(tensor->dtype, dtype)
        && vkmoe_format(*dtype)->elements == 1
        && tensor->size == vkmoe_format_matrix_size(*dtype, 1, tensor->elements);
}

static enum vkmoe_status replace(
    struct tensor *tensor, enum vkmoe_dtype dtype, const struct vkmoe_log *log, float *to)
{
    const uint32_t count = (uint32_t)tensor->elements;
    const struct vkmoe_view view = { .data = tensor->data,
        .file = tensor->file,
        .dtype = dtype,
        .row_stride = count,
        .column_stride = 1 };
    float *values;
    const enum vkmoe_status status = vkmoe_view_floats(&view, log, 1, count, &values);
    if (status != VKMOE_OK)
        return status;
    for (uint32_t i = 0; i < count; i++)
        to[i] = values[i] + 1.0f;
    free(values);
    tensor->file = NULL;
    tensor->data = (const uint8_t *)to;
    tensor->size = count * sizeof *to;
    snprintf(tensor->dtype, sizeof tensor->dtype, "F32");
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_norms_add_1(
    struct tensors *tensors, const struct vkmoe_log *log, float **out)
{
    enum vkmoe_status status = VKMOE_OK;
    enum vkmoe_dtype dtype;
    uint64_t elements = 0;
    for (uint32_t i = 0; i < tensors->count; i++)
        elements += is_norm(&tensors->items[i], &dtype) ? tensors->items[i].elements : 0;
    float *to = *out = malloc((size_t)MAX(elements, 1) * sizeof *to);
    if (!to)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "no memory for norms");
    for (uint32_t i = 0; i < tensors->count && status == VKMOE_OK; i++) {
        struct tensor *tensor = &tensors->items[i];
        if (!is_norm(tensor, &dtype))
            continue;
        status = replace(tensor, dtype, log, to);
        to += tensor->elements;
    }
    return status;
}
