// q8_0.glsl - blocks of 32: a scale d, f16, and 32 signed bytes q; values are d q, exactly.
// A record of 16 rows is 32 chunks of bytes and two of scales.

unit unpack_q8_0(weight_rows m, record_at at)
{
    const uvec2 q = load_half_chunk(m, at.chunk + at.part / 2, 2, at.ahead, at.part % 2);
    const ivec2 bytes = ivec2(q);
    const float d = load_f16(m, at.chunk + 32, at.ahead);
    return unit(
        d * vec4(bytes.x << 24 >> 24, bytes.x << 16 >> 24, bytes.x << 8 >> 24, bytes.x >> 24),
        d * vec4(bytes.y << 24 >> 24, bytes.y << 16 >> 24, bytes.y << 8 >> 24, bytes.y >> 24));
}
