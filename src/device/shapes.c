// shapes.c - see shapes.h.
#include "device/shapes.h"

#include "base/common.h"
#include "device/overrides.h"

uint32_t vkmoe_tuned_lanes(const vkmoe_device *device, enum tune what)
{
    const VkPhysicalDeviceLimits *limits = &device->gpu.limits;
    const uint32_t most =
        MIN(limits->maxComputeWorkGroupInvocations, limits->maxComputeWorkGroupSize[0]);
    uint32_t lanes = vkmoe_tuning(device, what);
    while (lanes > most)
        lanes /= 2;
    return lanes;
}

// What was measured on this device counts for all its forms.
static uint32_t column_tokens(const vkmoe_device *device)
{
    const bool measured = device->overrides && device->overrides->values[TUNE_DECODE_TOKENS];
    return vkmoe_tuning(device, measured ? TUNE_DECODE_TOKENS : TUNE_COLUMN_TOKENS);
}

struct shapes vkmoe_shapes_choose(const vkmoe_device *device)
{
    return (struct shapes){
        .route_lanes = vkmoe_tuned_lanes(device, TUNE_ROUTE_LANES),
        .decode_lanes = vkmoe_tuned_lanes(device, TUNE_DECODE_LANES),
        .decode_unroll = vkmoe_tuning(device, TUNE_DECODE_UNROLL),
        .integer_unroll = vkmoe_tuning(device, TUNE_INTEGER_UNROLL),
        .decode_tokens = vkmoe_tuning(device, TUNE_DECODE_TOKENS),
        .column_tokens = column_tokens(device),
        .direct_tokens = vkmoe_tuning(device, TUNE_DIRECT_TOKENS),
        .decode_together = vkmoe_tuning(device, TUNE_DECODE_TOGETHER),
        .decode_blocks = vkmoe_tuning(device, TUNE_DECODE_BLOCKS),
        .route_tokens = vkmoe_tuning(device, TUNE_ROUTE_TOKENS),
        .combine_lanes = vkmoe_tuning(device, TUNE_COMBINE_LANES),
    };
}

uint32_t vkmoe_lanes_for(uint32_t most, uint32_t units)
{
    uint32_t lanes = most;
    while (lanes > 32 && lanes / 2 >= units * 8)
        lanes /= 2;
    return lanes;
}
