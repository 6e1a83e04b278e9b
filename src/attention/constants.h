// constants.h - what kernels read of an attention in every pass: one buffer, written at creation.
#ifndef VKMOE_ATTENTION_CONSTANTS_H
#define VKMOE_ATTENTION_CONSTANTS_H

#include "attention/pattern.h"
#include "device/memory.h"
#include "vkmoe/moe.h"

struct constants {
    vkmoe_buffer *buffer; // struct attention_constants (shaders/attention.h) and what it points to
    uint64_t rotations;   // see shaders/store_kv.h; a dummy where there are none for all forwards
    uint64_t long_rotations; // likewise; of LongRoPE, in contexts longer than the trained one
};

// From params with their views, and defaults filled in.
enum vkmoe_status vkmoe_constants_create(vkmoe_device *device,
    const struct vkmoe_attention_params *params, const struct pattern_set *patterns,
    uint32_t query_stride, uint32_t kv_stride, struct constants *out);

#endif
