// shapes.c - see shapes.h.
#include "device/shapes.h"

#include "base/common.h"
#include "device/tuning.h"

#include "shaders/experts_gemm.h"

struct shapes vkmoe_shapes_choose(const vkmoe_device *device, enum vkmoe_dtype dtype)
{
    struct shapes s = {
        .lanes = vkmoe_tuning(device, TUNE_LANES),
        .decode_tokens = vkmoe_tuning(device, TUNE_DECODE_TOKENS),
        .decode_blocks = vkmoe_tuning(device, TUNE_DECODE_BLOCKS),
        .route_tokens = vkmoe_tuning(device, TUNE_ROUTE_TOKENS),
        .combine_lanes = vkmoe_tuning(device, TUNE_COMBINE_LANES),
        .gemm_rows = device->is_cpu ? GEMM_PLAIN_ROWS : GEMM_STAGED_ROWS,
        .gemm_blocks = device->is_cpu ? GEMM_PLAIN_BLOCKS : GEMM_STAGED_BLOCKS,
    };
    if (!device->is_cpu)
        return s;
    const bool columns = (device->needs & NEED_columns) == NEED_columns;
    if (dtype != VKMOE_DTYPE_F32) {
        s.unwanted = NEED_columns & ~NEED_broadcast;
    } else if (columns) {
        s.gemm_rows = GEMM_COLUMNS_ROWS;
        s.gemm_blocks = GEMM_COLUMNS_BLOCKS;
    }
    return s;
}
