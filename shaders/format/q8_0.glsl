// q8_0.glsl - blocks of 32: a scale d, f16, and 32 signed bytes q; values are d q, exactly.
// A record of 8 rows is 16 chunks of bytes and one of scales.

unit unpack_q8_0(bool own, U32x4 base, uint at, uint r)
{
    const uint record = at / 4 * 17, part = at % 4;
    const uvec2 q = load_half_chunk(own, base, record + part / 2 * 8, part % 2, r);
    const ivec2 bytes = ivec2(q);
    const float d = load_f16(own, base, record + 16, r);
    return unit(
        d * vec4(bytes.x << 24 >> 24, bytes.x << 16 >> 24, bytes.x << 8 >> 24, bytes.x >> 24),
        d * vec4(bytes.y << 24 >> 24, bytes.y << 16 >> 24, bytes.y << 8 >> 24, bytes.y >> 24));
}
