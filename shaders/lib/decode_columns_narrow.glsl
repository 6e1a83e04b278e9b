// decode_columns_narrow.glsl - part of decode_columns.glsl: records of 256 columns, in 8 runs of
// 32. Two runs share 32 bytes of each row, of which lane l owns word l; byte k of it has column
// 4 l + k of both. A turn takes two runs of q4_K, and of q6_K four, which share their upper bits
// and a load of scales. Nibbles and bytes are not moved to the end of their words
// before they become floats, but x is multiplied with the power of two that makes up for it. What
// is subtracted from all weights of a run is multiplied with the sum of x, so that an infinity in x
// makes a NaN. x below about 2^-102 may be lost: times the power of two it is no normal number.
// More in a turn would be faster by less than they take longer to compile.
#ifndef DECODE_COLUMNS_NARROW_GLSL
#define DECODE_COLUMNS_NARROW_GLSL

#define AT_ONCE 1
#define RECORD_UNITS 32
#define RECORD_BYTES (IS(Q4_K) ? 2304 : 3360)
#define RUNS (IS(Q4_K) ? 2 : 4) // of a turn
#define TURNS (8 / RUNS)        // of a record

uvec2 strips[DECODE_BLOCKS]; // the first records
uint sides[DECODE_BLOCKS];   // which half of them
float scales[ROWS];          // of a record, q4_K: that of run l in lane l
float own_sum;               // of x, likewise

vec4 run_x[RUNS]; // column 4 l + k of each, times the power of two
float sums_x[RUNS];

void find_halves(uint b, uvec2 strip, uint side)
{
    strips[b] = strip;
    sides[b] = side;
}

// In a record, of row r of a block, the begin of its pieces of 32 bytes, and of those of 16.
uint row_at(uint b, uint r) { return (sides[b] * 8 + r) * 32; }
uint row_at_16(uint b, uint r) { return (sides[b] * 8 + r) * 16; }

uvec4 load_16(uint b, uint at, uint ahead)
{
    return load_u32x4_at(U32x4(strips[b]), at, ahead);
}

// What byte k of a run is a multiple of in its word.
float part_of(uint n, uint k)
{
    if (IS(Q6_K) || n == 0)
        return float(1u << k * 8);
    return k == 3 ? 1.0 : float(1u << (k * 8 + 4)); // see high_nibbles()
}

void own_run(product p, uint t, uint first, uint n, uint last)
{
    vec4 fours[8];
    [[unroll]] for (uint i = 0; i < 4; i++) {
        const unit x = x_unit(p, t, first + i, last);
        fours[2 * i] = x.a;
        fours[2 * i + 1] = x.b;
    }
    const bool counts = first + LANE / 2 <= last;
    float sum = 0.0;
    [[unroll]] for (uint k = 0; k < 4; k++) {
        const float x = own_column(vec4(fours[0][k], fours[1][k], fours[2][k], fours[3][k]),
            vec4(fours[4][k], fours[5][k], fours[6][k], fours[7][k]));
        const float counted = mix(0.0, x, counts);
        sum += counted;
        run_x[n][k] = counted * (1.0 / part_of(n, k));
    }
    sums_x[n] = sum;
}

float dot_run(uint n, vec4 w)
{
    const vec4 x = run_x[n];
    return fma(w.x, x.x, fma(w.y, x.y, fma(w.z, x.z, w.w * x.w)));
}

vec4 bytes_in_place(uint word, uint mask)
{
    return vec4(ivec4(word & mask, word & mask << 8, word & mask << 16, word & mask << 24));
}

// Of which the last does not fit into a signed integer.
vec4 high_nibbles(uint word)
{
    return vec4(ivec4(word & 0xf0, word & 0xf000, word & 0xf00000, word >> 28));
}

// ------------------------------------------------------------------------------------- q4_K

// Bytes for all runs, that of run l in lane l: of the first four runs and, in parts, of the others.
float own_byte(uint early, uint late)
{
    const uint others = (late & 0x0f0f0f0fu) | (early >> 2 & 0x30303030u);
    const uint word = LANE < 4 ? early & 0x3f3f3f3fu : others;
    return float(int(word >> LANE % 4 * 8 & 0xff));
}

void load_scales(uint at)
{
    own_sum = 0.0;
    [[unroll]] for (uint i = 0; i < ROWS; i++) {
        const uvec4 chunk = load_16(i / 8, at, row_at(i / 8, i % 8));
        scales[i] = unpackHalf2x16(chunk.x).x * own_byte(chunk.y, chunk.w);
    }
}

void subtract_minimums(uint at, uint t)
{
    [[unroll]] for (uint i = 0; i < ROWS; i++) {
        const uvec4 chunk = load_16(i / 8, at, row_at(i / 8, i % 8));
        const float minimum = unpackHalf2x16(chunk.x).y * own_byte(chunk.z, chunk.w >> 4);
        row_sums[t * ROWS + i] = fma(-minimum, own_sum, row_sums[t * ROWS + i]);
    }
}

// Keeps the sums of the pair's runs for subtract_minimums().
void keep_sums(uint pair)
{
    float sum = (LANE % 2 == 0 ? sums_x[0] : sums_x[1])
        + subgroupShuffleXor(LANE % 2 == 0 ? sums_x[1] : sums_x[0], 1);
    sum += subgroupShuffleXor(sum, 2);
    sum += subgroupShuffleXor(sum, 4);
    own_sum = LANE / 2 == pair ? sum : own_sum;
}

float dot_q4_K(uint i, uint at, uint pair)
{
    const uint b = i / 8, r = i % 8;
    const uint second = (pair + 1) * 512 + (row_at(b, r) >> (pair + 1) / TURNS);
    const uint word = own_word(
        load_16(b, at + pair * 512 + row_at(b, r), 16), load_16(b, at + second, 0));
    const float early = subgroupShuffle(scales[i], pair * 2);
    const float late = subgroupShuffle(scales[i], pair * 2 + 1);
    return fma(early, dot_run(0, bytes_in_place(word, 15)), late * dot_run(1, high_nibbles(word)));
}

// ------------------------------------------------------------------------------------- q6_K

// A run's scales of 16 columns, in the lower half or the upper one.
float own_scale(uint bytes, uint upper)
{
    return float(int(bytes << ((LANE < 4 ? 24 : 16) - upper * 16)) >> 24);
}

float scaled_run(uint n, uint word, uint scales, uint upper)
{
    return own_scale(scales, upper) * fma(-32.0, sums_x[n], dot_run(n, bytes_in_place(word, 63)));
}

float dot_q6_K(uint i, uint at, uint turn)
{
    const uint b = i / 8, r = i % 8;
    const uint low_at = at + turn * 1024 + row_at(b, r), high_at = at + turn * 512 + row_at(b, r);
    const uint first = own_word(load_16(b, low_at, 0), load_16(b, low_at, 16));
    const uint second = own_word(load_16(b, low_at, 512), load_16(b, low_at, 528));
    const uint high = own_word(load_16(b, high_at, 2048), load_16(b, high_at, 2064));
    const uvec2 s = load_u32x2_at(U32x2(strips[b]), at + 3072 + row_at_16(b, r) + turn * 8);
    const uint two = load_u32_at(U32(strips[b]), at + 3328 + row_at_16(b, r) / 32 * 4);
    const uint nibbles = 0x0f0f0f0fu, upper = 0x30303030u;
    const float sum = scaled_run(0, (first & nibbles) | (high << 4 & upper), s.x, 0)
        + scaled_run(1, (second & nibbles) | (high << 2 & upper), s.x, 1)
        + scaled_run(2, (first >> 4 & nibbles) | (high & upper), s.y, 0)
        + scaled_run(3, (second >> 4 & nibbles) | (high >> 2 & upper), s.y, 1);
    return unpackHalf2x16(two)[r % 2] * sum;
}

// The rows in the order in which a turn meets them: those of a strip together, as they lie. In
// pairs the second block is of the next strip.
uint nth_row(product p, uint n)
{
    if (!p.in_pairs || DECODE_BLOCKS != 4)
        return n;
    return (n / 8 % 2 * 2 + n / 16) * 8 + n % 8;
}

void multiply_turn(product p, uint t, uint record, uint turn, uint last)
{
    const uint at = record * RECORD_BYTES;
    const uint first = record * RECORD_UNITS + turn * RUNS * 4;
    [[unroll]] for (uint n = 0; n < RUNS; n++)
        own_run(p, t, first + n * 4, n, last);
    if (IS(Q4_K))
        keep_sums(turn);
    [[unroll]] for (uint n = 0; n < ROWS; n++) {
        const uint i = nth_row(p, n);
        row_sums[t * ROWS + i] += IS(Q4_K) ? dot_q4_K(i, at, turn) : dot_q6_K(i, at, turn);
    }
}

void multiply_records(product p, uint record, uint count, uint last)
{
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
        if (IS(Q4_K))
            load_scales(record * RECORD_BYTES);
        // Not a constant, or the driver unrolls the loop.
        const uint left = p.units - record * RECORD_UNITS;
        const uint turns = min(TURNS, (left + RUNS * 4 - 1) / (RUNS * 4));
        uint turn = 0;
        do {
            multiply_turn(p, t, record, turn, last);
        } while (++turn < turns);
        if (IS(Q4_K))
            subtract_minimums(record * RECORD_BYTES, t);
    }
}

#endif
