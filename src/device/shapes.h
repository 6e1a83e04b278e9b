// shapes.h - how kernels cut their work on a device; for what, see shaders/*.h.
#ifndef VKMOE_SHAPES_H
#define VKMOE_SHAPES_H

#include "device/variants.h"

#define DECODE_MAX_TOKENS 8 // of the decode kernels

struct shapes {
    uint32_t lanes;         // of route and the decode kernels
    uint32_t decode_tokens; // the most that the decode kernels get
    uint32_t decode_blocks; // of matrix rows, for a workgroup of theirs
    uint32_t route_tokens;
    const struct variant *gemm;      // the form of experts_gemm
    uint32_t gemm_rows, gemm_blocks; // its tile
    uint32_t combine_lanes;
};

// For matrices of `dtype`.
struct shapes vkmoe_shapes_choose(const vkmoe_device *device, enum vkmoe_dtype dtype);

#endif
