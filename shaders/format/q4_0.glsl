// q4_0.glsl - blocks of 32: a scale d, f16, and 32 nibbles q; values are d (q - 8). Byte i has
// elements i, low, and i + 16.

unit unpack_q4_0(weight_rows m, record_at at)
{
    const uvec2 q = load_half_of(m, at, 1, 0, at.part % 2) >> at.part / 2 * 4 & 0x0f0f0f0fu;
    const float d = load_f16_of(m, at, 16);
    return to_unit(q, d, -8.0 * d);
}
