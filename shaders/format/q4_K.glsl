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
    w.a = load_u32x4_at(strip, at + in_record * 512, 16);
    w.b = load_u32x4_at(
        strip, in_record == 3 ? record + row * 16 + 2048 : at + in_record * 512 + 512, 0);
    return w;
}

uint bytes_q4_K(nibbles w, uint n, uint side, uint i)
{
    const uint bytes = side == 0 ? w.a[i] : w.b[i];
    return bytes >> n * 4 & 0x0f0f0f0fu;
}

// As scales_6(), of both runs at once.
nibble_scales scales_q4_K(nibbles w, uint pair)
{
    const bool early = pair % 4 < 2;
    const uint at = pair % 2 * 16;
    const uvec2 low = (early ? w.scales.yz : w.scales.ww) >> uvec2(at, early ? at : at + 4);
    const uvec2 s = (low & (early ? 0x3f3fu : 0x0f0fu))
        | (w.scales.yz >> at + 2 & (early ? 0u : 0x3030u));
    return nibble_scales(vec2(s.x & 0xff, s.x >> 8 & 0xff), vec2(s.y & 0xff, s.y >> 8 & 0xff),
        unpackHalf2x16(w.scales.x));
}
#endif
