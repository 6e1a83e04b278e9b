#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "reorder.h"
#include "lib/grid.glsl"

layout(local_size_x_id = 0) in;

// Where the order begins that a row is to have.
uint order_of(uint row)
{
    if (REORDER_BY_EXPERT == 0)
        return 0;
    const uint pair = REORDER_SORTED == 0 ? row : min(load_u32(pc.sorted, row), pc.rows - 1);
    return uint(clamp(int(load_u32(pc.ids, pair)), 0, int(pc.experts) - 1)) * pc.columns;
}

void main()
{
    const uint first = group_index() * REORDER_LANES * REORDER_RUN + gl_LocalInvocationIndex;
    [[unroll]] for (uint i = 0; i < REORDER_RUN; i++) {
        const uint at = first + i * REORDER_LANES, row = at / pc.stride, column = at % pc.stride;
        if (row >= pc.rows)
            break;
        float value = 0.0;
        if (column < pc.columns)
            value = load_f32(pc.x,
                row / pc.sharing * pc.x_stride
                    + min(load_u32(pc.orders, order_of(row) + column), pc.columns - 1));
        store_f32(pc.result, at, value);
    }
}
