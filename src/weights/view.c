// view.c - see view.h.
#include "weights/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum vkmoe_status vkmoe_view_fetch(const struct vkmoe_view *view, const struct vkmoe_log *log,
    int64_t row, int64_t column, void *to, uint64_t size)
{
    const unsigned char *at = vkmoe_view_at(view, row, column);
    if (view->file)
        return vkmoe_file_read(view->file, log, at, to, size);
    memcpy(to, at, (size_t)size);
    return VKMOE_OK;
}

// The elements of a [lines][length] view, `file` NULL, as floats whose places are `line_step`
// and `step` apart.
static void convert(const struct vkmoe_view *view, uint64_t lines, uint64_t length,
    uint64_t line_step, uint64_t step, float *to)
{
    for (uint64_t l = 0; l < lines; l++) {
        for (uint64_t i = 0; i < length; i++)
            to[l * line_step + i * step] = vkmoe_view_get(view, (int64_t)l, (int64_t)i);
    }
}

// Line by line, a line being a row or a column, whichever lies closer together in the file.
static enum vkmoe_status read_floats(const struct vkmoe_view *view, const struct vkmoe_log *log,
    uint32_t rows, uint32_t columns, float *out)
{
    const bool transposed = llabs(view->row_stride) < llabs(view->column_stride);
    const int64_t stride = transposed ? view->row_stride : view->column_stride;
    uint64_t lines = transposed ? columns : rows, length = transposed ? rows : columns;
    if (!transposed && stride == 1 && view->row_stride == (int64_t)columns) {
        length *= lines; // all in one piece
        lines = 1;
    }
    const uint64_t size = ((length - 1) * (uint64_t)llabs(stride) + 1) * dtype_size(view->dtype);
    char *line = malloc((size_t)size);
    if (!line)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for %llu bytes of it",
            view->file->path, (unsigned long long)size);
    // Of a negative stride, the last element lies first.
    const int64_t first = stride < 0 ? (int64_t)length - 1 : 0;
    const struct vkmoe_view copy = {
        .data = line + (uint64_t)first * (uint64_t)llabs(stride) * dtype_size(view->dtype),
        .dtype = view->dtype,
        .column_stride = stride,
    };
    enum vkmoe_status status = VKMOE_OK;
    for (uint64_t l = 0; l < lines && status == VKMOE_OK; l++) {
        status = transposed ? vkmoe_view_fetch(view, log, first, (int64_t)l, line, size)
                            : vkmoe_view_fetch(view, log, (int64_t)l, first, line, size);
        if (status == VKMOE_OK && transposed)
            convert(&copy, 1, length, 0, columns, out + l);
        else if (status == VKMOE_OK)
            convert(&copy, 1, length, 0, 1, out + l * columns);
    }
    free(line);
    return status;
}

enum vkmoe_status vkmoe_view_floats(const struct vkmoe_view *view, const struct vkmoe_log *log,
    uint32_t rows, uint32_t columns, float **out)
{
    const struct vkmoe_view resolved = vkmoe_view_resolve(view, columns);
    const uint64_t count = (uint64_t)rows * columns;
    enum vkmoe_status status = VKMOE_OK;
    *out = count <= SIZE_MAX / sizeof **out ? malloc((size_t)count * sizeof **out) : NULL;
    if (!*out)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    if (view->file)
        status = read_floats(&resolved, log, rows, columns, *out);
    else
        convert(&resolved, rows, columns, columns, 1, *out);
    if (status != VKMOE_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}
