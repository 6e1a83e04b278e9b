// q3_K.glsl - blocks of 256: 256 highest bits, byte i of 32 has those of i, i + 32, ...; lower bits
// as in q2_K; 16 scales s of 6 bits, 12 bytes, for 16 elements each; d, f16. Values are
// d (s - 32) (q - 4).

unit unpack_q3_K(weight_rows m, record_at at)
{
    const uint odd = at.part / 2 % 2;
    const uvec2 high = load_half_of(m, at, 6, odd, at.part % 2);
    const uvec2 low = load_half_of(m, at, 6, 2 + 2 * run_of(at, 16, 2) + odd, at.part % 2);
    const uvec2 scales = load_8_of(m, at, 96);
    const uint tops = load_4_of(m, at, 104);
    const uint j = run_of(at, 2, 16);
    const uint nibbles = (j % 8 < 4 ? scales.x : scales.y) >> j % 4 * 8;
    const uint s = (nibbles >> j / 8 * 4 & 15) | (tops >> (j % 4 * 8 + j / 4 * 2) & 3) << 4;
    const uvec2 q = (low >> run_of(at, 4, 4) * 2 & 0x03030303u)
        | (high >> run_of(at, 4, 8) & 0x01010101u) << 2;
    const float scale = load_f16_of(m, at, 108) * (float(s) - 32.0);
    return to_unit(q, scale, -4.0 * scale);
}

#ifdef INTEGER_TILE
#define RECORD_Q3_K 1760 // bytes

integer_run load_run_q3_K(U32x4 strip, uint row, uint block, uint side)
{
    const uint record = block / 8 * RECORD_Q3_K, j = block % 8, n = 2 * j + side;
    const uvec4 high = load_chunk_at(strip, record, row, 6, side);
    const uvec4 low = load_chunk_at(strip, record, row, 6, 2 + j / 4 * 2 + side);
    const uvec2 scales = load_u32x2_at(U32x2(uvec2(strip)), record + 1536 + row * 8);
    const uint tops = load_u32_at(U32(uvec2(strip)), record + 1664 + row * 4);
    const uint nibbles = (n % 8 < 4 ? scales.x : scales.y) >> n % 4 * 8;
    const uint s = (nibbles >> n / 8 * 4 & 15) | (tops >> (n % 4 * 8 + n / 4 * 2) & 3) << 4;
    const uvec4 q = (low >> j % 4 * 2 & 0x03030303u) | (high >> j & 0x01010101u) << 2;
    return integer_run(
        less(4, q), load_f16_at(strip, record + 1728, row) * (float(s) - 32.0), 0.0);
}
#endif
