// q4_1.glsl - as q4_0, with a minimum m after d; values are d q + m.

unit unpack_q4_1(weight_rows m, record_at at)
{
    const uvec2 q = load_half_of(m, at, 1, 0, at.part % 2) >> at.part / 2 * 4 & 0x0f0f0f0fu;
    const vec2 scales = unpackHalf2x16(load_4_of(m, at, 16));
    return to_unit(q, scales.x, scales.y);
}

#ifdef INTEGER_TILE
#define RECORD_Q4_1 320 // bytes

integer_run load_run_q4_1(U32x4 strip, uint row, uint block, uint side)
{
    const uint at = block * RECORD_Q4_1;
    const uvec4 q = load_u32x4_at(strip, at + row * 16, 0) >> side * 4 & 0x0f0f0f0fu;
    const vec2 scales = unpackHalf2x16(load_u32_at(U32(uvec2(strip)), at + 256 + row * 4));
    return integer_run(q, scales.x, scales.y);
}
#endif
