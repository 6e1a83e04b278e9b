// decode.glsl - the inner loop of the decode kernels, in two forms.
//
// Plain: lane r + 8 c owns row r of each of the workgroup's blocks, and every
// (LANES / 8)-th unit from c on. Tokens of one expert are multiplied one after the other:
// the second finds the workgroup's slice of the matrix in the nearest cache, and a loop
// over one token has no branches. (Four tokens in one loop, of which one was live, took
// 1.7 times as long on lavapipe 26.1, f16.)
// COLUMNS (8 lanes): lane t owns token row t; the weights are at addresses that all share.
#ifndef DECODE_GLSL
#define DECODE_GLSL

#define LANES DECODE_LANES
#include "lib/activation.glsl"
#include "lib/grid.glsl"
#include "lib/reduce.glsl"
#include "lib/weights.glsl"

#define DROPPED 0x80000000u // the bits of -0.0: this choice does not count

// A row of activations that a matrix multiplies.
struct operand {
    uint row;    // first element
    float scale; // on the activations
    bool live;   // false: contributes nothing
};

#ifdef COLUMNS
#define SUMS (DECODE_BLOCKS * 8) // [row]
#else
#define SUMS DECODE_BLOCKS // [block]
#endif

// The number of operand `i` among the workgroup's.
uint operand_index(uint i)
{
#ifdef COLUMNS
    return gl_LocalInvocationIndex;
#else
    return i;
#endif
}

float sums[SUMS];

void clear_sums()
{
    [[unroll]] for (uint i = 0; i < SUMS; i++)
        sums[i] = 0.0;
}

// Adds the matrix's blocks first_block ... times a row to the sums.
void multiply(U32x4 matrix, uint units, uint first_block, bool packed, F32 source, uint columns,
    operand row)
{
#ifdef COLUMNS
    uint i = 0;
    do {
        unit x = load_row(packed, source, row.row, i, columns);
        x.a = row.live ? x.a * row.scale : vec4(0);
        x.b = row.live ? x.b * row.scale : vec4(0);
        [[unroll]] for (uint n = 0; n < SUMS; n++) {
            const unit m = load_weight(DECODE_TYPE, matrix, units, first_block + n / 8, i, n % 8);
            sums[n] = dot_unit(m, x, sums[n]);
        }
    } while (++i < units);
#else
    if (!row.live)
        return; // all lanes alike
    const uint r = gl_LocalInvocationIndex % 8, c = gl_LocalInvocationIndex / 8;
    for (uint i = c; i < units; i += LANES / 8) {
        unit x = load_row(packed, source, row.row, i, columns);
        x.a *= row.scale;
        x.b *= row.scale;
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
            const unit m = load_weight(DECODE_TYPE, matrix, units, first_block + b, i, r);
            sums[b] = dot_unit(m, x, sums[b]);
        }
    }
#endif
}

// The finished sum of row `r` of a block; plain: the whole workgroup must ask together.
float sum_of(uint block, uint r)
{
#ifdef COLUMNS
    return sums[block * 8 + r];
#else
    return row_sum(sums[block]);
#endif
}

// The rows r of a block that this lane stores: all of its token's, or its one.
#ifdef COLUMNS
#define FIRST_ROW 0
#define END_ROW 8
#else
#define FIRST_ROW (gl_LocalInvocationIndex % 8)
#define END_ROW (FIRST_ROW + 1)
#endif

// Of the lanes that hold the same sum, this one stores it.
bool stores()
{
#ifdef COLUMNS
    return true;
#else
    return gl_LocalInvocationIndex < 8;
#endif
}

bool is_dropped(F32 weights, uint pair)
{
    return floatBitsToUint(load_f32(weights, pair)) == DROPPED;
}

uint expert_of(U32 ids, uint experts, uint pair)
{
    return uint(clamp(int(load_u32(ids, pair)), 0, int(experts) - 1));
}

#endif
