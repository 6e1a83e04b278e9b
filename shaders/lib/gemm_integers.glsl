// gemm_integers.glsl - what the GEMM in integers shares: a slice of 32 columns of the matrix tile
// and of the row tile in shared memory, by words of 4 columns, each with its rows side by side, so
// that a thread reads neighbouring rows with one load. x is cut in bytes as it is staged
// (integers.glsl), once for the 64 rows of the matrix tile.
#ifndef GEMM_INTEGERS_GLSL
#define GEMM_INTEGERS_GLSL

#include "lib/integers.glsl"

#define BLOCK 32 // columns, which share a scale of x
#define WORDS (BLOCK / 4)
#define IS(name) (GEMM_TYPE == DTYPE_##name)
#define RUN_WORDS (IS(Q6_K) || IS(Q3_K) ? WORDS / 2 : WORDS) // which share a scale of weights
#define HAS_OFFSETS (IS(Q4_K) || IS(Q5_K) || IS(Q4_1) || IS(Q5_1))
#define MATRIX_ROWS (8 * BLOCKS)
#define MATRIX_STRIDE (MATRIX_ROWS + 4) // keeps runs of 4 aligned, spreads the banks
#define ROWS_STRIDE (TILE_ROWS + 4)

shared uint staged_matrix[WORDS * MATRIX_STRIDE];
shared float staged_scale[2 * MATRIX_ROWS]; // of both halves of the block
shared float staged_offset[MATRIX_ROWS];
shared uint staged_rows[2 * WORDS * ROWS_STRIDE]; // high bytes, low bytes
shared uint staged_largest[2 * TILE_ROWS]; // of both halves of the block, like the sums
shared float staged_row_scale[TILE_ROWS];
shared float staged_row_sum[2 * TILE_ROWS];
shared tile staged_tile; // where it takes no registers

// Half `side` of a block of 32 columns of a row of the strip.
integer_run load_half(weight_rows rows, uint strip, uint block, uint side)
{
    return load_run(rows, strip, pc.units, unit_at(block * (BLOCK / 8) + side * 2, 0, 0));
}

void stage_run(uint row, uint side, integer_run m)
{
    [[unroll]] for (uint i = 0; i < 4; i++)
        staged_matrix[(side * 4 + i) * MATRIX_STRIDE + row] = m.bytes[i];
    if (RUN_WORDS < WORDS || side == 0)
        staged_scale[side * MATRIX_ROWS + row] = m.scale;
    if (HAS_OFFSETS && side == 0)
        staged_offset[row] = m.offset;
}

struct x_run { unit a, b; }; // 16 columns of x

// Zeros past its end.
x_run load_x_run(uint source, uint block, uint side)
{
    x_run x;
    const uint unit_ = block * (BLOCK / 8) + side * 2;
    if (GEMM_WHOLE != 0) {
        x.a = load_row(true, pc.source, source, unit_, pc.source_columns);
        x.b = load_row(true, pc.source, source, unit_ + 1, pc.source_columns);
        return x;
    }
    const uint last = (pc.source_columns - 1) / 8;
    const bool packed = GEMM_PACKED != 0;
    x.a = load_row(packed, pc.source, source, min(unit_, last), pc.source_columns);
    x.b = load_row(packed, pc.source, source, min(unit_ + 1, last), pc.source_columns);
    if (unit_ > last)
        x.a = unit_zero();
    if (unit_ + 1 > last)
        x.b = unit_zero();
    return x;
}

void stage_largest(uint row, uint side, x_run x)
{
    staged_largest[side * TILE_ROWS + row] = max(max(largest_of(x.a.a), largest_of(x.a.b)),
        max(largest_of(x.b.a), largest_of(x.b.b)));
}

// After that of both halves, and a barrier.
void stage_x_run(uint row, uint side, x_run x)
{
    const cut_range range =
        range_up_to(max(staged_largest[row], staged_largest[TILE_ROWS + row]));
    const vec4 columns[4] = vec4[](x.a.a, x.a.b, x.b.a, x.b.b);
    float sum = 0.0;
    [[unroll]] for (uint i = 0; i < 4; i++) {
        const cut_x own = cut_by(columns[i], range.factor);
        const uint at = (side * 4 + i) * ROWS_STRIDE + row;
        staged_rows[at] = own.high;
        staged_rows[at + WORDS * ROWS_STRIDE] = own.low;
        sum += own.sum;
    }
    if (HAS_OFFSETS)
        staged_row_sum[side * TILE_ROWS + row] = sum * range.scale;
    if (side == 0)
        staged_row_scale[row] = range.scale;
}

float row_sum(uint row) { return staged_row_sum[row] + staged_row_sum[TILE_ROWS + row]; }

uvec4 matrix_words(uint k, uint row)
{
    const uint at = k * MATRIX_STRIDE + row;
    return uvec4(staged_matrix[at], staged_matrix[at + 1], staged_matrix[at + 2],
        staged_matrix[at + 3]);
}

vec4 matrix_scales(uint side, uint row)
{
    const uint at = side * MATRIX_ROWS + row;
    return vec4(
        staged_scale[at], staged_scale[at + 1], staged_scale[at + 2], staged_scale[at + 3]);
}

vec4 matrix_offsets(uint row)
{
    return vec4(
        staged_offset[row], staged_offset[row + 1], staged_offset[row + 2], staged_offset[row + 3]);
}

// Four rows of weights, of which a word has 4 columns, times those of x.
ivec4 dot_rows(uvec4 w, uint x, ivec4 sums)
{
    [[unroll]] for (uint r = 0; r < 4; r++)
        sums[r] += dot_bytes(w[r], x, 0);
    return sums;
}

#endif
