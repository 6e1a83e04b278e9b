// shapes.c - see shapes.h.
#include "device/shapes.h"

#include "base/common.h"

#include "shaders/experts_gemm.h"

struct shapes vkmoe_shapes_choose(const vkmoe_device *device, enum vkmoe_dtype dtype)
{
    if (!device->is_cpu) {
        return (struct shapes){
            .lanes = MAX(device->subgroup_size, 32),
            .decode_tokens = DECODE_MAX_TOKENS,
            .decode_blocks = 2,
            .route_tokens = 4,
            .combine_lanes = 64,
            .gemm_rows = GEMM_STAGED_ROWS,
            .gemm_blocks = GEMM_STAGED_BLOCKS,
        };
    }
    struct shapes s = {
        .lanes = 8,
        .decode_tokens = 4,
        .decode_blocks = 4,
        .route_tokens = 8,
        .combine_lanes = 8,
        .gemm_rows = GEMM_PLAIN_ROWS,
        .gemm_blocks = GEMM_PLAIN_BLOCKS,
    };
    const bool columns = (device->needs & NEED_columns) == NEED_columns;
    if (dtype != VKMOE_DTYPE_F32) {
        s.unwanted = NEED_columns & ~NEED_broadcast;
    } else if (columns) {
        s.gemm_rows = GEMM_COLUMNS_ROWS;
        s.gemm_blocks = GEMM_COLUMNS_BLOCKS;
    }
    return s;
}
