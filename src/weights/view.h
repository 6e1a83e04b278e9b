// view.h - the matrices that views describe, in files or in memory.
#ifndef VKMOE_VIEW_H
#define VKMOE_VIEW_H

#include "base/log.h"
#include "weights/format.h"

// The same view with the default strides of a [rows][columns] matrix filled in.
struct vkmoe_view vkmoe_view_resolve(const struct vkmoe_view *view, uint32_t columns);

// INVALID, with its name in the log, for a view that is there and has rows of `columns` elements,
// but a format that is none, or one whose blocks its rows or strides would cut.
struct named_view {
    const char *name;
    const struct vkmoe_view *view;
    uint32_t columns;
};
enum vkmoe_status vkmoe_view_check(const struct caller *caller, const struct named_view *view);
enum vkmoe_status vkmoe_views_check(
    const struct caller *caller, const struct named_view *views, size_t count);
// Of an array of matrices, which are called name[0], name[1], ...
enum vkmoe_status vkmoe_matrices_check(const struct caller *caller, const char *name,
    const struct vkmoe_view *views, uint32_t count, uint32_t columns);

// The address of element (row, column), the first of a block, of a resolved view.
const unsigned char *vkmoe_view_at(const struct vkmoe_view *view, int64_t row, int64_t column);

// Copies `size` bytes from the element (row, column) of a resolved view on. INVALID, with one
// line, if its file has them no longer.
enum vkmoe_status vkmoe_view_fetch(const struct vkmoe_view *view, const struct vkmoe_log *log,
    int64_t row, int64_t column, void *to, uint64_t size);

// The order in which the file of a view keeps its columns: column i as it is stored, which is what
// vkmoe_view_fetch() gives, is column order[i] of the matrix. NULL: they are stored as they are.
// *columns is how many are in that order, 0 if the view does not begin with the first.
const uint32_t *vkmoe_view_order(const struct vkmoe_view *view, uint64_t *columns);

// The name of a matrix that has its columns in another order.
const char *vkmoe_view_name(const struct vkmoe_view *view);

// A view that is there as floats [rows][columns]. free(*out), which is NULL on failure.
enum vkmoe_status vkmoe_view_floats(const struct vkmoe_view *view, const struct vkmoe_log *log,
    uint32_t rows, uint32_t columns, float **out);

#endif
