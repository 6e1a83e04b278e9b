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
