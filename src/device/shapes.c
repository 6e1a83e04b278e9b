// shapes.c - see shapes.h.
#include "device/shapes.h"

#include "device/tuning.h"

struct shapes vkmoe_shapes_choose(const vkmoe_device *device)
{
    return (struct shapes){
        .lanes = vkmoe_tuning(device, TUNE_LANES),
        .decode_tokens = vkmoe_tuning(device, TUNE_DECODE_TOKENS),
        .decode_blocks = vkmoe_tuning(device, TUNE_DECODE_BLOCKS),
        .route_tokens = vkmoe_tuning(device, TUNE_ROUTE_TOKENS),
        .combine_lanes = vkmoe_tuning(device, TUNE_COMBINE_LANES),
    };
}
