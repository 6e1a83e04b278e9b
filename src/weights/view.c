// view.c - see view.h.
#include "weights/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/common.h"
#include "base/file.h"
#include "base/try.h"

struct vkmoe_view vkmoe_view_resolve(const struct vkmoe_view *view, uint32_t columns)
{
    struct vkmoe_view resolved = *view;
    if (resolved.column_stride == 0)
        resolved.column_stride = 1;
    if (resolved.row_stride == 0)
        resolved.row_stride = columns;
    return resolved;
}

enum vkmoe_status vkmoe_view_check(const struct caller *caller, const struct named_view *named)
{
    const struct vkmoe_view view = vkmoe_view_resolve(named->view, named->columns);
    if (!view.data)
        return VKMOE_OK;
    const struct format *format = vkmoe_format(view.dtype);
    CHECK(format, "%s.dtype %d is unknown", named->name, (int)view.dtype);
    CHECK(named->columns % format->elements == 0
            || llabs(view.row_stride) >= (int64_t)vkmoe_format_width(view.dtype, named->columns),
        "%s: rows of %u elements are not whole blocks of %s, which has %u in each", named->name,
        named->columns, format->name, format->elements);
    CHECK(format->elements == 1
            || (view.column_stride == 1 && view.row_stride % (int64_t)format->elements == 0),
        "%s: strides of %s must be 1 and a multiple of %u, since it is stored in blocks",
        named->name, format->name, format->elements);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_views_check(
    const struct caller *caller, const struct named_view *views, size_t count)
{
    for (size_t i = 0; i < count; i++)
        TRY_RETURN(vkmoe_view_check(caller, &views[i]));
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_matrices_check(const struct caller *caller, const char *name,
    const struct vkmoe_view *views, uint32_t count, uint32_t columns)
{
    char one[64];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(one, sizeof one, "%s[%u]", name, i);
        TRY_RETURN(vkmoe_view_check(caller, &(struct named_view){ one, &views[i], columns }));
    }
    return VKMOE_OK;
}

const unsigned char *vkmoe_view_at(const struct vkmoe_view *view, int64_t row, int64_t column)
{
    const int64_t element = row * view->row_stride + column * view->column_stride;
    return (const unsigned char *)view->data + vkmoe_format_offset(view->dtype, element);
}

enum vkmoe_status vkmoe_view_fetch(const struct vkmoe_view *view, const struct vkmoe_log *log,
    int64_t row, int64_t column, void *to, uint64_t size)
{
    const unsigned char *at = vkmoe_view_at(view, row, column);
    if (view->file)
        return vkmoe_file_read(view->file, log, at, to, size);
    memcpy(to, at, (size_t)size);
    return VKMOE_OK;
}

// Whether its file is one that may have columns in another order, and where it is in that.
static bool is_made_up(const struct vkmoe_view *view, uint64_t *offset)
{
    const struct vkmoe_file *file = view->data ? view->file : NULL;
    if (!file || !file->order)
        return false;
    *offset = (uint64_t)((uintptr_t)view->data - (uintptr_t)file->data);
    return *offset < file->size;
}

const uint32_t *vkmoe_view_order(const struct vkmoe_view *view, uint64_t *columns)
{
    uint64_t at;
    return is_made_up(view, &at) ? view->file->order(view->file->user, at, columns) : NULL;
}

const char *vkmoe_view_name(const struct vkmoe_view *view)
{
    uint64_t at;
    return is_made_up(view, &at) ? view->file->matrix(view->file->user, at) : "";
}

// The elements of a [lines][length] view, `file` NULL, as floats whose places are `line_step`
// and `step` apart. Lines begin with blocks.
static void convert(const struct vkmoe_view *view, uint64_t lines, uint64_t length,
    uint64_t line_step, uint64_t step, float *to)
{
    const struct format *format = vkmoe_format(view->dtype);
    float values[FORMAT_MAX_ELEMENTS];
    for (uint64_t l = 0; l < lines; l++) {
        for (uint64_t i = 0; i < length; i += format->elements) {
            format->decode(vkmoe_view_at(view, (int64_t)l, (int64_t)i), values);
            for (uint64_t e = 0; e < MIN(format->elements, length - i); e++)
                to[l * line_step + (i + e) * step] = values[e];
        }
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
    const uint64_t size =
        vkmoe_format_size(view->dtype, (length - 1) * (uint64_t)llabs(stride) + 1);
    char *line = malloc((size_t)size);
    if (!line)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for %llu bytes of it",
            view->file->path, (unsigned long long)size);
    // Of a negative stride, the last element lies first.
    const int64_t first = stride < 0 ? (int64_t)length - 1 : 0;
    const struct vkmoe_view copy = {
        .data = line + vkmoe_format_size(view->dtype, (uint64_t)first * (uint64_t)llabs(stride)),
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

// Puts the columns of [rows][columns], which are in the order of the view's file, in their own.
static enum vkmoe_status put_back(const struct vkmoe_view *view, const struct vkmoe_log *log,
    uint32_t rows, uint32_t columns, bool transposed, float *values)
{
    uint64_t stored_columns = 0;
    const uint32_t *order = vkmoe_view_order(view, &stored_columns);
    if (!order)
        return VKMOE_OK;
    if (stored_columns != columns || transposed)
        return vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED,
            "%s: a part of tensor %s, or its transpose, is asked for, whose columns are stored in "
            "another order (desc_act, or actorder)",
            view->file->path, vkmoe_view_name(view));
    float *stored = malloc(columns * sizeof *stored);
    if (!stored)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    for (uint64_t row = 0; row < rows; row++, values += columns) {
        memcpy(stored, values, columns * sizeof *stored);
        for (uint32_t i = 0; i < columns; i++)
            values[order[i]] = stored[i];
    }
    free(stored);
    return VKMOE_OK;
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
    if (status == VKMOE_OK)
        status = put_back(view, log, rows, columns, resolved.column_stride != 1, *out);
    if (status != VKMOE_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}
