// decode.glsl - the inner loop of the decode kernels: lane r + 8 c owns row r of each of the
// workgroup's blocks, and every (LANES / 8)-th unit from c on. Tokens of one expert are
// multiplied one after the other: the second finds the workgroup's slice of the matrix in
// the nearest cache, and a loop over one token has no branches. (Four tokens in one loop,
// of which one was live, took 1.7 times as long on lavapipe 26.1, f16.)
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
};

float sums[DECODE_BLOCKS];

void clear_sums()
{
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
        sums[b] = 0.0;
}

// Adds the matrix's blocks first_block ... times a row to the sums.
void multiply(U32x4 matrix, uint units, uint first_block, bool packed, F32 source, uint columns,
    operand row)
{
    const uint r = gl_LocalInvocationIndex % 8;
    const uint c = LANES == 8 ? 0 : gl_LocalInvocationIndex / 8; // shared, see BROADCAST
    uint i = c;
    if (i < units) do { // not a `for`, see address.glsl
        unit x = load_row(packed, source, row.row, i, columns);
        x.a *= row.scale;
        x.b *= row.scale;
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
            const unit m = load_weight(DECODE_TYPE, matrix, units, first_block + b, i, r);
            sums[b] = dot_unit(m, x, sums[b]);
        }
    } while ((i += LANES / 8) < units);
}

// Of the lanes that own the same row, this one stores it.
bool stores()
{
    return gl_LocalInvocationIndex < 8;
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
