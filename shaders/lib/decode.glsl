// decode.glsl - the inner loop of the decode kernels: lane r + 8 c owns row r of each of the
// workgroup's blocks, and shares their units with the others that do, see multiply(). A turn of the
// loop loads DECODE_UNROLL units before it multiplies them: a card waits long for memory, and what
// it has read of few tokens depends on how much it has asked for.
//
// Of the tokens that share a matrix, DECODE_TOGETHER are multiplied with what was read, and those
// after them when it is read again: that is one by one on a CPU, where the second finds the
// workgroup's slice in the nearest cache, and a loop over one token has no branches. (Four tokens
// in one loop, of which one was live, took 1.7 times as long on lavapipe 26.1, f16.)
//
// With INTEGER_DOT what is multiplied are integers, see decode_integer.glsl; with COLUMNS lanes own
// columns, see decode_columns.glsl.
#ifndef DECODE_GLSL
#define DECODE_GLSL

#ifdef COLUMNS
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif

#define LANES DECODE_LANES
#include "lib/activation.glsl"
#include "lib/grid.glsl"
#include "lib/reduce.glsl"
#include "lib/norm.glsl"
#define WEIGHT_TYPE DECODE_TYPE
#include "lib/weights.glsl"

#define DROPPED 0x80000000u // the bits of -0.0: this choice does not count

float sums[DECODE_TOGETHER * DECODE_BLOCKS];
float squares[DECODE_TOGETHER]; // of the rows' raw x, see norm.glsl
uint operands[DECODE_TOGETHER]; // first elements of the rows that a matrix multiplies

void clear_sums()
{
    [[unroll]] for (uint i = 0; i < DECODE_TOGETHER * DECODE_BLOCKS; i++)
        sums[i] = 0.0;
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++)
        squares[t] = 0.0;
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
    F32 raw; // with DECODE_NORM
};

void add_square(uint t, float x)
{
    if (DECODE_NORM != 0)
        squares[t] = fma(x, x, squares[t]);
}

// Of the workgroup's blocks the number in the matrix.
uint block_of(product p, uint b)
{
    return p.in_pairs ? first_of_pair(p.first + b / 2) + b % 2 * PARTNER : p.first + b;
}

#ifdef INTEGER_DOT
#include "lib/decode_integer.glsl"
#elif defined(COLUMNS)
#include "lib/decode_columns.glsl"
#else

unit load_x(product p, uint t, unit_at at)
{
    return load_row_at(p.packed, p.source, operands[t], at, p.columns);
}

float load_raw_x(product p, uint t, unit_at at)
{
    if (DECODE_NORM == 0)
        return 0.0;
    return load_raw(p.raw, operands[t], number_of(at), gl_LocalInvocationIndex % 8, p.columns);
}

unit load_block(product p, uint b, unit_at at)
{
    const uint r = gl_LocalInvocationIndex % 8;
    return load_weight_at(DECODE_TYPE, p.matrix, p.units, block_of(p, b), at, r);
}

// Adds the product of one unit to the sums.
void multiply_unit(product p, unit_at at)
{
    unit m[DECODE_BLOCKS];
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
        m[b] = load_block(p, b, at);
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
        const unit x = load_x(p, t, at);
        add_square(t, load_raw_x(p, t, at));
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            sums[t * DECODE_BLOCKS + b] = dot_unit(m[b], x, sums[t * DECODE_BLOCKS + b]);
    }
}

// In types without blocks of columns, addresses that a loop over fours begins with, in bytes from
// the matrix and from x: of the lane's row of each block of rows, and of each row of x, both from
// the unit on that is the lane's of a four. Not every compiler finds that these do not change.
#if defined(BROADCAST) || defined(NARROW)
void find_addresses(product p, uint first) { }
unit load_found_block(product p, uint b, unit_at at) { return load_block(p, b, at); }
unit load_found_x(product p, uint t, unit_at at) { return load_x(p, t, at); }
#else
#define FINDS_ADDRESSES (DECODE_TYPE != DTYPE_Q8_0)
uint blocks_at[DECODE_BLOCKS], rows_at[DECODE_TOGETHER];

void find_addresses(product p, uint first)
{
    const uint size = DECODE_TYPE == DTYPE_F32 ? 1 : 2; // units of a record, which has 32 bytes
    const uint r = gl_LocalInvocationIndex % 8;
    if (!FINDS_ADDRESSES)
        return;
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        const uint block = block_of(p, b);
        const uint record = block / 2 * ((p.units + size - 1) / size) + first / size;
        blocks_at[b] = record * 512 + block % 2 * 256 + r * 32 + first % size * (32 / size);
    }
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++)
        rows_at[t] = operands[t] * 4 + first * 32;
}

unit load_found_block(product p, uint b, unit_at at)
{
    const uint four = DECODE_TYPE == DTYPE_F32 ? 2048 : 1024; // bytes
    const uint from = blocks_at[b] + at.fours * four, ahead = at.ahead * four;
    if (!FINDS_ADDRESSES)
        return load_block(p, b, at);
    const uvec4 bits = load_u32x4_at(p.matrix, from, ahead);
    if (DECODE_TYPE == DTYPE_F32)
        return unit(
            uintBitsToFloat(bits), uintBitsToFloat(load_u32x4_at(p.matrix, from, ahead + 16)));
    return DECODE_TYPE == DTYPE_F16 ? unit_of_f16(bits) : unit_of_bf16(bits);
}

unit load_found_x(product p, uint t, unit_at at)
{
    if (!FINDS_ADDRESSES || !p.packed)
        return load_x(p, t, at);
    U32x4 x = U32x4(uvec2(p.source));
    const uint from = rows_at[t] + at.fours * 128, ahead = at.ahead * 128;
    return unit(uintBitsToFloat(load_u32x4_at(x, from, ahead)),
        uintBitsToFloat(load_u32x4_at(x, from, ahead + 16)));
}
#endif

// In formats with blocks of columns lanes own whole fours, in which scales are found once; but for
// those for which lanes of Intel's, 8 or 16 together, have no registers.
#ifdef BROADCAST
#define OWNS_FOURS false
#else
#define OWNS_FOURS (DECODE_UNROLL % 4 == 0 && DECODE_TYPE >= DTYPE_Q8_0 \
    && DECODE_TYPE <= DTYPE_MXFP4 && DECODE_TYPE != DTYPE_Q5_K)
#endif

unit_at unit_of_turn(unit_at at, uint n)
{
    at.ahead = n;
#ifndef BROADCAST // for which Debian 12's glslc would end here
    if (OWNS_FOURS) {
        at.first = n % 4;
        at.ahead = n / 4;
    }
#endif
    return at;
}

// The lane's DECODE_UNROLL units of a turn; all are loaded before the first is multiplied.
void multiply_units(product p, unit_at turn)
{
    unit first[DECODE_UNROLL], m[DECODE_UNROLL * DECODE_BLOCKS];
    float raw[DECODE_UNROLL];
    [[unroll]] for (uint n = 0; n < DECODE_UNROLL; n++) {
        const unit_at at = unit_of_turn(turn, n);
        first[n] = load_found_x(p, 0, at);
        raw[n] = load_raw_x(p, 0, at);
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            m[n * DECODE_BLOCKS + b] = load_found_block(p, b, at);
    }
    [[unroll]] for (uint n = 0; n < DECODE_UNROLL; n++) {
        const unit_at at = unit_of_turn(turn, n);
        [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
            unit x = first[n];
            if (t > 0)
                x = load_found_x(p, t, at);
            add_square(t, t > 0 ? load_raw_x(p, t, at) : raw[n]);
            [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
                sums[t * DECODE_BLOCKS + b] =
                    dot_unit(m[n * DECODE_BLOCKS + b], x, sums[t * DECODE_BLOCKS + b]);
        }
    }
}

// Adds this lane's share of the product to the sums: the `step` lanes that share a row take turns,
// this one is number c. Where they are whole fours, each takes DECODE_UNROLL fours in a row at
// once, of which it owns one unit each, or a fourth of them whole: constant distances, which are
// part of a load.
void multiply(product p, uint c, uint step)
{
    uint i = c;
    if (DECODE_UNROLL > 1 && (OWNS_FOURS || step % 4 == 0)) {
        const uint turn = DECODE_UNROLL * step; // units of all lanes
        uint fours = OWNS_FOURS ? c * (DECODE_UNROLL / 4) : c / 4 * DECODE_UNROLL;
        uint end = turn;
        find_addresses(p, c % 4);
        if (end <= p.units) do { // not a `for`, see address.glsl
            multiply_units(p, unit_at(c % 4, fours, 0));
            fours += turn / 4;
            end += turn;
        } while (end <= p.units);
        i += end - turn;
    }
    if (i < p.units) do {
        multiply_unit(p, unit_at(i, 0, 0));
    } while ((i += step) < p.units);
}

#endif

// Of the lanes that own the same row, this one stores it.
bool stores()
{
    return gl_LocalInvocationIndex < 8;
}

#ifndef DECODE_HEADS_H // which has no residual, nor pairs
// Stores a result for element `at` of y, which is its column `column`.
void store_result(F32Out y, uint at, uint column, float value)
{
    if (DECODE_RESIDUAL != 0) {
        value = fma(DECODE_RESIDUAL_SCALE, value, load_f32_out(y, at));
        if (DECODE_RESIDUAL == 1)
            store_f32(pc.weighted, at, value * load_f32(pc.next_weight, column));
    }
    store_f32(y, at, value);
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

#endif
