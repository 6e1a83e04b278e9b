// e4m3.glsl - blocks of floats of 8 bits: 4 of exponent, 3 of mantissa, without infinity.
#include "lib/floats_8.glsl"

// Two, in the lower bytes of both halves, times 2^-8: as f16, which have the same mantissa and
// more exponents. A NaN, 0x7f, becomes one.
uint halves_of_e4m3(uint codes)
{
    const uint magnitudes = codes & 0x007f007fu;
    const uint nan = (magnitudes + 0x00010001u & 0x00800080u) << 7;
    return (codes & 0x00800080u) << 8 | magnitudes << 7 | nan;
}

vec4 four_from_e4m3(uint codes)
{
    return from_halves(halves_of_e4m3(codes), halves_of_e4m3(codes >> 8));
}

unit unpack_e4m3(weight_rows m, record_at at)
{
    const floats_8 w = load_floats_8(m, at);
    const float scale = w.scale * 256.0;
    return unit(scale * four_from_e4m3(w.codes.x), scale * four_from_e4m3(w.codes.y));
}
