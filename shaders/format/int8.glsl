// int8.glsl - blocks of 32: a scale, f32, a zero of 16 bits, and unsigned bytes.
#include "lib/zero_point.glsl"

unit unpack_int8(weight_rows m, record_at at)
{
    const uvec2 q = load_half_of(m, at, 2, at.part / 2, at.part % 2);
    return from_zero(q, load_2_of(m, at, 36) & 0xffffu, load_4_of(m, at, 32));
}
