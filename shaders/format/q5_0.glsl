// q5_0.glsl - blocks of 32: a scale d, f16, the highest bits of all q, and nibbles as in q4_0;
// values are d (q - 16).

unit unpack_q5_0(weight_rows m, record_at at)
{
    const uvec2 nibbles = load_half_of(m, at, 1, 0, at.part % 2) >> at.part / 2 * 4 & 0x0f0f0f0fu;
    const uint low = load_4_of(m, at, 16); // d, and the bits of 16 elements
    const uint bits = at.part < 2 ? low >> 16 : load_2_of(m, at, 20);
    const float d = unpackHalf2x16(low).x;
    return to_unit(nibbles | spread_bits(bits >> at.part % 2 * 8) << 4, d, -16.0 * d);
}

#ifdef INTEGER_TILE
integer_run run_q5_0(weight_rows m, record_at at)
{
    const uvec4 nibbles = nibbles_of(load_chunk_of(m, at, 1, 0), at.part / 2);
    const uint low = load_4_of(m, at, 16), high = load_2_of(m, at, 20);
    const uint bits = at.part < 2 ? low >> 16 : high;
    return integer_run(
        less(16, nibbles | spread_16_bits(bits) << 4), unpackHalf2x16(low).x, 0.0);
}
#endif
