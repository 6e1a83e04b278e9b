// decode.glsl - the inner loop of the decode kernels: lane r + 8 c owns row r of each of the
// workgroup's blocks, and every (LANES / 8)-th unit from c on. A turn of the loop loads
// DECODE_UNROLL units before it multiplies them: a card waits long for memory, and what it has
// read of few tokens depends on how much it has asked for. Tokens of one expert are
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

// Which of the lanes that own the same row this is.
uint column_lane()
{
    return LANES == 8 ? 0 : gl_LocalInvocationIndex / 8; // shared, see BROADCAST
}

// Some blocks of a matrix and the row they are multiplied with.
struct product {
    U32x4 matrix;
    uint units, first_block;
    F32 source;
    bool packed;
    uint columns;
    operand row;
};

unit load_x(product p, uint i)
{
    unit x = load_row(p.packed, p.source, p.row.row, i, p.columns);
    x.a *= p.row.scale;
    x.b *= p.row.scale;
    return x;
}

unit load_block(product p, uint b, uint i)
{
    const uint r = gl_LocalInvocationIndex % 8;
    return load_weight(DECODE_TYPE, p.matrix, p.units, p.first_block + b, i, r);
}

// Adds units i, i + step, ... of the product to the sums.
void multiply(product p, uint i, uint step)
{
    if (DECODE_UNROLL > 1) {
        if (i + (DECODE_UNROLL - 1) * step < p.units) do { // not a `for`, see address.glsl
            unit x[DECODE_UNROLL], m[DECODE_UNROLL * DECODE_BLOCKS];
            [[unroll]] for (uint n = 0; n < DECODE_UNROLL; n++) {
                x[n] = load_x(p, i + n * step);
                [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
                    m[n * DECODE_BLOCKS + b] = load_block(p, b, i + n * step);
            }
            [[unroll]] for (uint n = 0; n < DECODE_UNROLL; n++)
                [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
                    sums[b] = dot_unit(m[n * DECODE_BLOCKS + b], x[n], sums[b]);
            i += DECODE_UNROLL * step;
        } while (i + (DECODE_UNROLL - 1) * step < p.units);
    }
    if (i < p.units) do {
        const unit x = load_x(p, i);
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            sums[b] = dot_unit(load_block(p, b, i), x, sums[b]);
    } while ((i += step) < p.units);
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
