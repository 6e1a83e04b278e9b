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

#ifdef INTEGER_DOT
#define RECORD_Q8_0 544 // bytes

// Of a block of 8 rows, in strips of so many records.
integer_rows integers_q8_0(U32x4 matrix, uint records, uint block)
{
    const uint strip = block / 2 * records * RECORD_Q8_0, side = block % 2;
    return integer_rows(
        further(matrix, strip + side * 256), further(matrix, strip + 512 + side * 16));
}

integer_block load_integers_q8_0(integer_rows m, uint r, uint record)
{
    const uint at = record * RECORD_Q8_0 + r * 32;
    const uint two = load_u32_at(U32(m.scales), record * RECORD_Q8_0 + r / 2 * 4);
    return integer_block(load_u32x4_at(U32x4(m.bytes), at, 0),
        load_u32x4_at(U32x4(m.bytes), at, 16), unpackHalf2x16(two >> (r % 2 * 16)).x);
}
#endif

#ifdef INTEGER_TILE
integer_run run_q8_0(weight_rows m, record_at at)
{
    return integer_run(load_chunk(m, at.chunk + at.part / 2, 2, at.ahead),
        load_f16(m, at.chunk + 32, at.ahead), 0.0);
}
#endif
