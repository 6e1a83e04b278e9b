// decode.glsl - the inner loop of the decode kernels: lane r + 8 c owns row r of each of the
// workgroup's blocks, and every (LANES / 8)-th unit from c on. A turn of the loop loads
// DECODE_UNROLL units before it multiplies them: a card waits long for memory, and what it has
// read of few tokens depends on how much it has asked for.
//
// Of the tokens that share a matrix, DECODE_TOGETHER are multiplied with what was read, and those
// after them when it is read again: that is one by one on a CPU, where the second finds the
// workgroup's slice in the nearest cache, and a loop over one token has no branches. (Four tokens
// in one loop, of which one was live, took 1.7 times as long on lavapipe 26.1, f16.)
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

float sums[DECODE_TOGETHER * DECODE_BLOCKS];
operand operands[DECODE_TOGETHER];

void clear_sums()
{
    [[unroll]] for (uint i = 0; i < DECODE_TOGETHER * DECODE_BLOCKS; i++)
        sums[i] = 0.0;
}

// Which of the lanes that own the same row this is.
uint column_lane()
{
    return LANES == 8 ? 0 : gl_LocalInvocationIndex / 8; // shared, see BROADCAST
}

// DECODE_BLOCKS blocks of a matrix, one after the other or in pairs (see first_of_pair()), and
// where the rows are that they are multiplied with, `operands`.
struct product {
    U32x4 matrix;
    uint units;
    bool in_pairs;
    uint first; // block or pair
    F32 source;
    bool packed;
    uint columns;
};

unit load_x(product p, uint t, uint i)
{
    unit x = load_row(p.packed, p.source, operands[t].row, i, p.columns);
    x.a *= operands[t].scale;
    x.b *= operands[t].scale;
    return x;
}

unit load_block(product p, uint b, uint i)
{
    const uint r = gl_LocalInvocationIndex % 8;
    const uint block =
        p.in_pairs ? first_of_pair(p.first + b / 2) + b % 2 * PARTNER : p.first + b;
    return load_weight(DECODE_TYPE, p.matrix, p.units, block, i, r);
}

// Adds units i, i + step, ... of the product to the sums.
void multiply(product p, uint i, uint step)
{
    if (DECODE_UNROLL > 1) {
        if (i + (DECODE_UNROLL - 1) * step < p.units) do { // not a `for`, see address.glsl
            unit first[DECODE_UNROLL], m[DECODE_UNROLL * DECODE_BLOCKS];
            [[unroll]] for (uint n = 0; n < DECODE_UNROLL; n++) {
                first[n] = load_x(p, 0, i + n * step);
                [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
                    m[n * DECODE_BLOCKS + b] = load_block(p, b, i + n * step);
            }
            [[unroll]] for (uint n = 0; n < DECODE_UNROLL; n++) {
                [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
                    unit x = first[n];
                    if (t > 0)
                        x = load_x(p, t, i + n * step);
                    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
                        sums[t * DECODE_BLOCKS + b] = dot_unit(
                            m[n * DECODE_BLOCKS + b], x, sums[t * DECODE_BLOCKS + b]);
                }
            }
            i += DECODE_UNROLL * step;
        } while (i + (DECODE_UNROLL - 1) * step < p.units);
    }
    if (i < p.units) do {
        unit m[DECODE_BLOCKS];
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            m[b] = load_block(p, b, i);
        [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
            const unit x = load_x(p, t, i);
            [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
                sums[t * DECODE_BLOCKS + b] = dot_unit(m[b], x, sums[t * DECODE_BLOCKS + b]);
        }
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
