// q4_1.glsl - as q4_0, with a minimum m after d; values are d q + m.

unit unpack_q4_1(weight_rows m, record_at at)
{
    const uvec2 q = load_half_of(m, at, 1, 0, at.part % 2) >> at.part / 2 * 4 & 0x0f0f0f0fu;
    const vec2 scales = unpackHalf2x16(load_4_of(m, at, 16));
    return to_unit(q, scales.x, scales.y);
}

#ifdef INTEGER_TILE
integer_run run_q4_1(weight_rows m, record_at at)
{
    const vec2 scales = unpackHalf2x16(load_4_of(m, at, 16));
    return integer_run(
        nibbles_of(load_chunk_of(m, at, 1, 0), at.part / 2), scales.x, scales.y);
}
#endif
