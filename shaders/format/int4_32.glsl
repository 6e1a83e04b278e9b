// int4_32.glsl - blocks of 32: a scale, f32, a zero, a byte, and nibbles as in q4_0.
#include "lib/zero_point.glsl"

unit unpack_int4_32(weight_rows m, record_at at)
{
    const uvec2 q = load_half_of(m, at, 1, 0, at.part % 2) >> at.part / 2 * 4 & 0x0f0f0f0fu;
    return from_zero(q, load_1_of(m, at, 20), load_4_of(m, at, 16));
}
