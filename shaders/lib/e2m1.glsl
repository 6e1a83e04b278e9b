// e2m1.glsl - floats of 4 bits: a sign, 2 bits of exponent, one of mantissa.
#ifndef E2M1_GLSL
#define E2M1_GLSL

// Two, in the lowest bits of both halves, times 2^-14: as f16, to which they have bits to spare.
vec2 from_e2m1(uint codes)
{
    return unpackHalf2x16((codes & 0x00070007u) << 9 | (codes & 0x00080008u) << 12);
}

// Eight, in the lowest bits of bytes, times 2^-14 `scale`.
unit from_e2m1(uvec2 q, float scale)
{
    return unit(scale * vec4(from_e2m1(q.x), from_e2m1(q.x >> 8)).xzyw,
        scale * vec4(from_e2m1(q.y), from_e2m1(q.y >> 8)).xzyw);
}

// Bytes below 16 as twice such floats, signed.
uvec4 twice_e2m1(uvec4 q)
{
    const uvec4 low = q >> 1 & 0x01010101u, high = q >> 2 & 0x01010101u; // of the exponent
    const uvec4 fraction = (q & 0x01010101u) + ((low | high) << 1);
    const uvec4 size = fraction + (fraction & high * 255) + ((fraction & (low & high) * 255) << 1);
    const uvec4 negative = size & (q >> 3 & 0x01010101u) * 255;
    return (0x80808080u + size - 2 * negative) ^ 0x80808080u;
}

#endif
