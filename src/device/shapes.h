// shapes.h - how kernels cut their work on a device; for what, see shaders/*.h.
#ifndef VKMOE_SHAPES_H
#define VKMOE_SHAPES_H

#include "device/device.h"
#include "device/tuning.h"

#define DECODE_MAX_TOKENS 16 // that the decode kernels get
#define DECODE_TILE_TOKENS 8 // of them in a workgroup

struct shapes {
    uint32_t route_lanes;     // at most
    uint32_t decode_lanes;    // of the decode kernels, at most
    uint32_t decode_unroll;   // units that a lane of theirs has under way, at most
    uint32_t integer_unroll;  // likewise, in integers
    uint32_t decode_tokens;   // the most that the decode kernels get
    uint32_t column_tokens;   // likewise, where lanes would own columns of 16 bits
    uint32_t direct_tokens;   // likewise, of one matrix for all of them
    uint32_t decode_together; // of which a lane has sums at once, at most
    uint32_t decode_blocks;   // of matrix rows, for a workgroup of theirs
    uint32_t route_tokens;
    uint32_t combine_lanes;
};

struct shapes vkmoe_shapes_choose(const vkmoe_device *device);

// Lanes as they are tuned, or as many of them, halved, as the device has.
uint32_t vkmoe_tuned_lanes(const vkmoe_device *device, enum tune what);

// Of at most `most` lanes, those that have something to do where 8 of them share a row of `units`.
uint32_t vkmoe_lanes_for(uint32_t most, uint32_t units);

#endif
