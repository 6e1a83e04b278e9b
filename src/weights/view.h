// view.h - reading the matrices that views describe, in files or in memory.
#ifndef VKMOE_VIEW_H
#define VKMOE_VIEW_H

#include "weights/dtype.h"
#include "base/log.h"

// Copies `size` bytes from the element (row, column) of a resolved view on. INVALID, with one
// line, if its file has them no longer.
enum vkmoe_status vkmoe_view_fetch(const struct vkmoe_view *view, const struct vkmoe_log *log,
    int64_t row, int64_t column, void *to, uint64_t size);

// A view that is there as floats [rows][columns]. free(*out), which is NULL on failure.
enum vkmoe_status vkmoe_view_floats(const struct vkmoe_view *view, const struct vkmoe_log *log,
    uint32_t rows, uint32_t columns, float **out);

#endif
