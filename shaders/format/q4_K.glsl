// q4_K.glsl - blocks of 256, in runs of 32 with a scale s and a minimum m each: the chunk of
// scales_6.glsl and 256 nibbles q, two runs in 32 bytes; values are d s q - dmin m.
#include "lib/scales_6.glsl"

unit unpack_q4_K(weight_rows m, record_at at)
{
    const uvec4 scales = load_chunk_of(m, at, 9, 0);
    const uvec2 bytes =
        load_half_of(m, at, 9, 1 + 2 * run_of(at, 8, 4) + at.part / 2 % 2, at.part % 2);
    const uint j = at.part / 4 + at.further / 4;
    const vec2 s = scales_6(scales, j);
    return to_unit(bytes >> j % 2 * 4 & 0x0f0f0f0fu, s.x, s.y);
}

#ifdef INTEGER_DOT
#define RECORD_Q4_K 2304 // bytes

// Of pair i the 32 bytes with runs 2 i and 2 i + 1; their second half is in the record's last piece
// of 16 bytes, or in that of 32 after the first half's.
nibbles load_nibbles_q4_K(U32x4 strip, uint row, uint pair)
{
    nibbles w;
    const uint record = pair / 4 * RECORD_Q4_K, at = record + row * 32, in_record = pair % 4;
    w.scales = load_u32x4_at(strip, at, 0);
    w.a = load_u32x4_at(strip, at + in_record * 512 + 16, 0);
    // Not a choice between two places, for which some compilers branch.
    w.b = load_u32x4_at(
        strip, record + (in_record + 1) * 512 + (row * 32 >> (in_record + 1) / 4), 0);
    return w;
}

// And of two pairs, a half of a record.
nibbles load_4_runs_q4_K(U32x4 strip, uint row, uint half_of_it)
{
    nibbles w;
    const uint record = half_of_it / 2 * RECORD_Q4_K, at = record + row * 32;
    const uint late = half_of_it % 2, first = at + late * 1024;
    w.scales = load_u32x4_at(strip, at, 0);
    w.a = load_u32x4_at(strip, first, 16);
    w.b = load_u32x4_at(strip, first, 512);
    w.high_a = load_u32x4_at(strip, first, 528);
    w.high_b = load_u32x4_at(strip, record + (late + 1) * 1024 + (row * 32 >> late), 0);
    return w;
}

// Without DECODE_MIXED upper nibbles become signed bytes, 16 (q - 8) + 15, in one instruction of
// AMD's: the exclusive or leaves 15 less the lower nibble, and then that is added. What is too much
// is a multiple of the sum of x.
#define LESS_UPPER (DECODE_MIXED != 0 ? 0 : 16 * 8 - 15)

// The lower nibbles, which leave the upper ones in their place; so these come after them.
uint take_nibbles(bool upper, inout uint bytes)
{
    if (upper)
        return DECODE_MIXED != 0 ? upper_nibbles(bytes) : bytes;
    const uint lower = bytes & 0x0f0f0f0fu;
    if (DECODE_MIXED == 0)
        bytes = (bytes ^ 0x8f8f8f8fu) + lower;
    return lower;
}

uint bytes_q4_K(inout nibbles w, uint n, uint side, uint i)
{
    const bool upper = n % 2 == 1;
    if (side == 0)
        return n < 2 ? take_nibbles(upper, w.a[i]) : take_nibbles(upper, w.high_a[i]);
    return n < 2 ? take_nibbles(upper, w.b[i]) : take_nibbles(upper, w.high_b[i]);
}

// As scales_6(), of a turn's four runs or two: d and dmin, a word of scales and one of minimums; of
// four also the scales of those in lower nibbles, 16 times as much.
uvec4 spread_scales_q4_K(uint at_once, uvec4 chunk, uint turn)
{
    const uint at = at_once == 4 ? 0 : turn % 2 * 16;
    const uint is_late = (at_once == 4 ? turn : turn / 2) % 2;
    const uint high = is_late != 0 ? 0x30303030u : 0x3f3f3f3fu, low = is_late * 0x0f0f0f0fu;
    const uvec2 early = chunk.yz >> at + 2 * is_late, late = chunk.ww >> uvec2(at, at + 4);
    if (at_once == 4) {
        const uvec2 spread = (early & high) | (late & low);
        return uvec4(chunk.x, spread, (spread.x & 0x003f003fu) << 4);
    }
    // The same; Intel's compiler sees that this is a choice by bits, one instruction.
    return uvec4(chunk.x, (early & high) | (late & low & ~high), 0);
}
#endif

#ifdef INTEGER_TILE
integer_run run_q4_K(weight_rows m, record_at at)
{
    const uint j = at.part / 4;
    const uvec4 bytes = load_chunk_of(m, at, 9, 1 + 2 * (j / 2) + at.part / 2 % 2);
    const vec2 s = scales_6(load_chunk_of(m, at, 9, 0), j);
    return integer_run(nibbles_of(bytes, j % 2), s.x, s.y);
}
#endif
