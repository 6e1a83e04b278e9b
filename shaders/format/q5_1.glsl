// q5_1.glsl - as q5_0, with a minimum m after d; values are d q + m.

unit unpack_q5_1(weight_rows m, record_at at)
{
    const uvec2 nibbles = load_half_of(m, at, 1, 0, at.part % 2) >> at.part / 2 * 4 & 0x0f0f0f0fu;
    const uvec2 rest = load_8_of(m, at, 16);
    const vec2 scales = unpackHalf2x16(rest.x);
    return to_unit(nibbles | spread_bits(rest.y >> at.part * 8) << 4, scales.x, scales.y);
}

#ifdef INTEGER_TILE
integer_run run_q5_1(weight_rows m, record_at at)
{
    const uvec4 nibbles = nibbles_of(load_chunk_of(m, at, 1, 0), at.part / 2);
    const uvec2 rest = load_8_of(m, at, 16);
    const vec2 scales = unpackHalf2x16(rest.x);
    return integer_run(
        nibbles | spread_16_bits(rest.y >> at.part * 8) << 4, scales.x, scales.y);
}
#endif
