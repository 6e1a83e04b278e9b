// decode_columns_narrow.glsl - part of decode_columns.glsl: records of 256 columns, in 8 runs of
// 32. A turn takes the two runs that share 32 bytes of each row, of which lane l owns word l; byte
// k of it has column 4 l + k of both. Nibbles and bytes are not moved to the end of their words
// before they become floats, but x is multiplied with the power of two that makes up for it. What
// is subtracted from all weights of a run is multiplied with the sum of x, so that an infinity in x
// makes a NaN. x below about 2^-102 may be lost: times the power of two it is no normal number.
// More than two runs in a turn would be faster by less than they take longer to compile.
#ifndef DECODE_COLUMNS_NARROW_GLSL
#define DECODE_COLUMNS_NARROW_GLSL

#define AT_ONCE 1
#define RECORD_UNITS 32
#define RECORD_BYTES (IS(Q4_K) ? 2304 : 3360)
#define PAIRS 4         // of runs
#define LATER_UNITS (IS(Q4_K) ? 4 : 8) // the second run of a pair begins so many units later

uvec2 strips[DECODE_BLOCKS]; // the first records
uint sides[DECODE_BLOCKS];   // which half of them
float scales[ROWS];          // of a record, q4_K: that of run l in lane l
float own_sum;               // of x, likewise

vec4 run_x[2]; // column 4 l + k of both runs, times the power of two
float sums_x[2];

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
    const uint second = (pair + 1) * 512 + (row_at(b, r) >> (pair + 1) / PAIRS);
    const uint word = own_word(
        load_16(b, at + pair * 512 + row_at(b, r), 16), load_16(b, at + second, 0));
    const float early = subgroupShuffle(scales[i], pair * 2);
    const float late = subgroupShuffle(scales[i], pair * 2 + 1);
    return fma(early, dot_run(0, bytes_in_place(word, 15)), late * dot_run(1, high_nibbles(word)));
}

// ------------------------------------------------------------------------------------- q6_K

// A run's scales of 16 columns, in the lower half.
float own_scale(uint bytes)
{
    return float(int(bytes << (LANE < 4 ? 24 : 16)) >> 24);
}

float dot_q6_K(uint i, uint at, uint pair)
{
    const uint b = i / 8, r = i % 8, odd = pair % 2;
    const uint low_at = at + pair * 512 + row_at(b, r);
    const uint high_at = at + pair / 2 * 512 + row_at(b, r);
    const uint low = own_word(load_16(b, low_at, 0), load_16(b, low_at, 16));
    const uint high =
        own_word(load_16(b, high_at, 2048), load_16(b, high_at, 2064)) >> odd * 2;
    const uvec2 s = load_u32x2_at(U32x2(strips[b]), at + 3072 + row_at_16(b, r) + pair / 2 * 8)
        >> odd * 16;
    const uint d = load_u32_at(U32(strips[b]), at + 3328 + row_at_16(b, r) / 32 * 4) >> r % 2 * 16;
    const uint early = (low & 0x0f0f0f0fu) | (high << 4 & 0x30303030u);
    const uint late = (low >> 4 & 0x0f0f0f0fu) | (high & 0x30303030u);
    const float first = fma(-32.0, sums_x[0], dot_run(0, bytes_in_place(early, 63)));
    const float second = fma(-32.0, sums_x[1], dot_run(1, bytes_in_place(late, 63)));
    return unpackHalf2x16(d).x * fma(own_scale(s.x), first, own_scale(s.y) * second);
}

void multiply_pair(product p, uint t, uint record, uint pair, uint last)
{
    const uint at = record * RECORD_BYTES;
    uint first = record * RECORD_UNITS + pair * 8;
    if (IS(Q6_K))
        first -= pair % 2 * 4;
    own_run(p, t, first, 0, last);
    own_run(p, t, first + LATER_UNITS, 1, last);
    if (IS(Q4_K))
        keep_sums(pair);
    [[unroll]] for (uint i = 0; i < ROWS; i++)
        row_sums[t * ROWS + i] += IS(Q4_K) ? dot_q4_K(i, at, pair) : dot_q6_K(i, at, pair);
}

void multiply_records(product p, uint record, uint count, uint last)
{
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
        if (IS(Q4_K))
            load_scales(record * RECORD_BYTES);
        // Not a constant, or the driver unrolls the loop. A pair is over 8 units, but
        // of q6_K every second one begins amid the one before, 4 units after it.
        const uint left = p.units - record * RECORD_UNITS;
        const uint pairs = min(PAIRS, (left + (IS(Q6_K) ? 11 : 7)) / 8);
        uint pair = 0;
        do {
            multiply_pair(p, t, record, pair, last);
        } while (++pair < pairs);
        if (IS(Q4_K))
            subtract_minimums(record * RECORD_BYTES, t);
    }
}

#endif
