// shapes.c - see shapes.h.
#include "device/shapes.h"

#include "base/common.h"
#include "device/tuning.h"

// A power of two that every device of the kind can run.
static uint32_t decode_lanes(const vkmoe_device *device)
{
    const VkPhysicalDeviceLimits *limits = &device->gpu.limits;
    const uint32_t most =
        MIN(limits->maxComputeWorkGroupInvocations, limits->maxComputeWorkGroupSize[0]);
    uint32_t lanes = vkmoe_tuning(device, TUNE_DECODE_LANES);
    while (lanes > most)
        lanes /= 2;
    return lanes;
}

struct shapes vkmoe_shapes_choose(const vkmoe_device *device)
{
    return (struct shapes){
        .lanes = vkmoe_tuning(device, TUNE_LANES),
        .decode_lanes = decode_lanes(device),
        .decode_unroll = vkmoe_tuning(device, TUNE_DECODE_UNROLL),
        .decode_tokens = vkmoe_tuning(device, TUNE_DECODE_TOKENS),
        .decode_blocks = vkmoe_tuning(device, TUNE_DECODE_BLOCKS),
        .route_tokens = vkmoe_tuning(device, TUNE_ROUTE_TOKENS),
        .combine_lanes = vkmoe_tuning(device, TUNE_COMBINE_LANES),
    };
}
