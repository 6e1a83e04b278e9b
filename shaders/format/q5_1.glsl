// q5_1.glsl - as q5_0, with a minimum m after d; values are d q + m.

unit unpack_q5_1(weight_rows m, record_at at)
{
    const uvec2 nibbles = load_half_of(m, at, 1, 0, at.part % 2) >> at.part / 2 * 4 & 0x0f0f0f0fu;
    const uvec2 rest = load_8_of(m, at, 16);
    const vec2 scales = unpackHalf2x16(rest.x);
    return to_unit(nibbles | spread_bits(rest.y >> at.part * 8) << 4, scales.x, scales.y);
}

#ifdef INTEGER_TILE
#define RECORD_Q5_1 384 // bytes

integer_run load_run_q5_1(U32x4 strip, uint row, uint block, uint side)
{
    const uint at = block * RECORD_Q5_1;
    const uvec4 q = load_u32x4_at(strip, at + row * 16, 0) >> side * 4 & 0x0f0f0f0fu;
    const uvec2 rest = load_u32x2_at(U32x2(uvec2(strip)), at + 256 + row * 8);
    const vec2 scales = unpackHalf2x16(rest.x);
    return integer_run(q | spread_16_bits(rest.y >> side * 16) << 4, scales.x, scales.y);
}
#endif
