// dtype.h - the element types of weights on the host.
#ifndef VKMOE_DTYPE_H
#define VKMOE_DTYPE_H

#include "vkmoe/vkmoe.h"

static inline uint32_t dtype_size(enum vkmoe_dtype dtype)
{
    return dtype == VKMOE_DTYPE_F32 ? 4 : 2;
}

// Element (row, column) of a view whose strides are set. Exact.
float vkmoe_view_get(const struct vkmoe_view *view, int64_t row, int64_t column);

// The address of element (row, column).
const unsigned char *vkmoe_view_at(const struct vkmoe_view *view, int64_t row, int64_t column);

// The same view with the default strides of a [rows][columns] matrix filled in.
struct vkmoe_view vkmoe_view_resolve(const struct vkmoe_view *view, uint32_t columns);

#endif
