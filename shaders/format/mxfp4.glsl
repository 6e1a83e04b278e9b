// mxfp4.glsl - blocks of 32: an exponent e, a byte, and nibbles as in q4_0 that are floats of 4
// bits; values are 2^(e - 127) times these. As elsewhere, e = 255 is 2^128.
#include "lib/e2m1.glsl"

unit unpack_mxfp4(weight_rows m, record_at at)
{
    const uvec2 q = load_half_of(m, at, 1, 0, at.part % 2) >> at.part / 2 * 4;
    const uint e = load_1_of(m, at, 16);
    // In two steps, as the scale may be too small, or too large, where the values are not.
    const uint half_of_it = e / 2;
    unit w = from_e2m1(q, uintBitsToFloat((half_of_it + 78) << 23));
    const float scale = uintBitsToFloat((e - half_of_it + 63) << 23);
    return unit(w.a * scale, w.b * scale);
}

#ifdef INTEGER_TILE
// Bytes are twice the values. Of the least two exponents they are zeros.
integer_run run_mxfp4(weight_rows m, record_at at)
{
    const uint e = load_1_of(m, at, 16);
    return integer_run(twice_e2m1(nibbles_of(load_chunk_of(m, at, 1, 0), at.part / 2)),
        uintBitsToFloat(max(e, 1) - 1 << 23), 0.0);
}
#endif
