// nvfp4.glsl - blocks of 64 in runs of 16: for each a scale s, a float of 8 bits (e4m3) without
// sign, and 8 bytes of nibbles that are floats of 4 bits: byte i of a run has its elements i, low,
// and i + 8. Values are s times these.
#ifndef NVFP4_GLSL
#define NVFP4_GLSL

#include "lib/e2m1.glsl"

unit from_nvfp4(weight_rows m, record_at at, uint scales)
{
    const uint j = run_of(at, 2, 4);
    const uvec2 q = load_half_of(m, at, 2, j / 2, j % 2) >> at.part % 2 * 4;
    const uint s = scales >> j * 8 & 0x7f;
    // An f16 has the same mantissa and more exponents: 2^-8 times the scale.
    return from_e2m1(q, s == 0x7f ? 0.0 : unpackHalf2x16(s << 7).x * 4194304.0);
}

#endif
