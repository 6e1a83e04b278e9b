// gemm_columns.glsl - what gemm_columns_body.glsl needs. Where experts have many rows of f16, lanes
// own rows of the matrix: more share what it takes to make floats of weights then.
#ifndef GEMM_COLUMNS_GLSL
#define GEMM_COLUMNS_GLSL

// Set before any loop. What is read in one and used after it would be chosen by mask there, and
// loads of words that lanes choose by it would be no vectors.
uint own_lane;
bool is_lane[8];

#define LANE own_lane
#define IS_LANE(n) is_lane[n]
#include "lib/columns.glsl"

void find_lane()
{
    own_lane = gl_SubgroupInvocationID;
    [[unroll]] for (uint n = 0; n < 8; n++)
        is_lane[n] = own_lane == n;
}

// This lane's columns of a record of the source's row that begins at `row`.
vec2 own_x(uint row, uint record)
{
    const uint u = record * RECORD_UNITS, v = min(u + 1, pc.units - 1);
    const unit x = load_row(GEMM_PACKED != 0, pc.source, row, u, pc.source_columns);
    const unit y = load_row(GEMM_PACKED != 0, pc.source, row, v, pc.source_columns);
    return own_columns(x, y);
}

#endif
