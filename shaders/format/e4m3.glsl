// e4m3.glsl - blocks of 128: a scale, f32, and 128 floats of 8 bits (e4m3, without infinity);
// values are the scale times these.

// Two, in the lower bytes of both halves, times 2^-8: as f16, which have the same mantissa and
// more exponents. A NaN, 0x7f, becomes one.
vec2 from_e4m3(uint codes)
{
    const uint magnitudes = codes & 0x007f007fu;
    const uint nan = (magnitudes + 0x00010001u & 0x00800080u) << 7;
    return unpackHalf2x16((codes & 0x00800080u) << 8 | magnitudes << 7 | nan);
}

vec4 four_from_e4m3(uint bytes)
{
    return vec4(from_e4m3(bytes), from_e4m3(bytes >> 8)).xzyw;
}

unit unpack_e4m3(weight_rows m, record_at at)
{
    const uvec2 q = load_half_of(m, at, 8, run_of(at, 2, 8), at.part % 2);
    const float scale = uintBitsToFloat(load_4_of(m, at, 128)) * 256.0;
    return unit(scale * four_from_e4m3(q.x), scale * four_from_e4m3(q.y));
}
