// int4_128.glsl - as int4_32, but for 128 elements: each 16 bytes have 32 of them.
#include "lib/zero_point.glsl"

unit unpack_int4_128(weight_rows m, record_at at)
{
    const uvec2 bytes = load_half_of(m, at, 4, run_of(at, 4, 4), at.part % 2);
    const uvec2 q = bytes >> at.part / 2 % 2 * 4 & 0x0f0f0f0fu;
    return from_zero(q, load_1_of(m, at, 68), load_4_of(m, at, 64));
}
