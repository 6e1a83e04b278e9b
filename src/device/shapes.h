// shapes.h - how kernels cut their work on a device; for what, see shaders/*.h.
#ifndef VKMOE_SHAPES_H
#define VKMOE_SHAPES_H

#include "device/device.h"

#define DECODE_MAX_TOKENS 8 // of the decode kernels

struct shapes {
    uint32_t lanes;         // of route
    uint32_t decode_lanes;  // of the decode kernels, at most
    uint32_t decode_unroll; // units that a lane of theirs has under way, at most
    uint32_t decode_tokens; // the most that the decode kernels get
    uint32_t decode_blocks; // of matrix rows, for a workgroup of theirs
    uint32_t route_tokens;
    uint32_t combine_lanes;
};

struct shapes vkmoe_shapes_choose(const vkmoe_device *device);

#endif
