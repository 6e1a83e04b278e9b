// q3_K.glsl - blocks of 256: 256 highest bits, byte i of 32 has those of i, i + 32, ...; lower bits
// as in q2_K; 16 scales s of 6 bits, 12 bytes, for 16 elements each; d, f16. Values are
// d (s - 32) (q - 4).

// d (s - 32) of scale `j`.
float scale_q3_K(weight_rows m, record_at at, uint j)
{
    const uvec2 scales = load_8_of(m, at, 96);
    const uint tops = load_4_of(m, at, 104);
    const uint nibbles = (j % 8 < 4 ? scales.x : scales.y) >> j % 4 * 8;
    const uint s = (nibbles >> j / 8 * 4 & 15) | (tops >> (j % 4 * 8 + j / 4 * 2) & 3) << 4;
    return load_f16_of(m, at, 108) * (float(s) - 32.0);
}

unit unpack_q3_K(weight_rows m, record_at at)
{
    const uint odd = at.part / 2 % 2;
    const uvec2 high = load_half_of(m, at, 6, odd, at.part % 2);
    const uvec2 low = load_half_of(m, at, 6, 2 + 2 * run_of(at, 16, 2) + odd, at.part % 2);
    const uvec2 q = (low >> run_of(at, 4, 4) * 2 & 0x03030303u)
        | (high >> run_of(at, 4, 8) & 0x01010101u) << 2;
    const float scale = scale_q3_K(m, at, run_of(at, 2, 16));
    return to_unit(q, scale, -4.0 * scale);
}

#ifdef INTEGER_TILE
integer_run run_q3_K(weight_rows m, record_at at)
{
    const uint odd = at.part / 2 % 2, j = at.part / 4;
    const uvec4 high = load_chunk_of(m, at, 6, odd) >> j & 0x01010101u;
    const uvec4 low = load_chunk_of(m, at, 6, 2 + 2 * (j / 4) + odd) >> j % 4 * 2 & 0x03030303u;
    return integer_run(less(4, low | high << 2), scale_q3_K(m, at, at.part / 2), 0.0);
}
#endif
