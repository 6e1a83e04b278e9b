// q5_K.glsl - as q4_K, with the highest bits of q between scales and nibbles: byte i of 32 has
// those of element i of each run.
#include "lib/scales_6.glsl"

unit unpack_q5_K(weight_rows m, record_at at)
{
    const uvec4 scales = load_chunk_of(m, at, 11, 0);
    const uvec2 bits = load_half_of(m, at, 11, 1 + at.part / 2 % 2, at.part % 2);
    const uvec2 bytes =
        load_half_of(m, at, 11, 3 + 2 * run_of(at, 8, 4) + at.part / 2 % 2, at.part % 2);
    const uint j = at.part / 4 + at.further / 4;
    const vec2 s = scales_6(scales, j);
    return to_unit(
        (bytes >> j % 2 * 4 & 0x0f0f0f0fu) | (bits >> j & 0x01010101u) << 4, s.x, s.y);
}

#ifdef INTEGER_TILE
integer_run run_q5_K(weight_rows m, record_at at)
{
    const uint j = at.part / 4, odd = at.part / 2 % 2;
    const uvec4 bits = load_chunk_of(m, at, 11, 1 + odd) >> j & 0x01010101u;
    const uvec4 bytes = load_chunk_of(m, at, 11, 3 + 2 * (j / 2) + odd);
    const vec2 s = scales_6(load_chunk_of(m, at, 11, 0), j);
    return integer_run(nibbles_of(bytes, j % 2) | bits << 4, s.x, s.y);
}
#endif
