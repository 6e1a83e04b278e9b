// q4_0.glsl - blocks of 32: a scale d, f16, and 32 nibbles q; values are d (q - 8). Byte i has
// elements i, low, and i + 16.

unit unpack_q4_0(weight_rows m, record_at at)
{
    const uvec2 q = load_half_of(m, at, 1, 0, at.part % 2) >> at.part / 2 * 4 & 0x0f0f0f0fu;
    const float d = load_f16_of(m, at, 16);
    return to_unit(q, d, -8.0 * d);
}

#ifdef INTEGER_DOT
#define RECORD_Q4_0 288 // bytes

nibbles load_nibbles_q4_0(U32x4 strip, uint row, uint first, uint second)
{
    nibbles w;
    const uint at = row * 16, d = 256 + row / 2 * 4, shift = row % 2 * 16;
    w.a = load_u32x4_at(strip, first * RECORD_Q4_0 + at, 0);
    w.b = load_u32x4_at(strip, second * RECORD_Q4_0 + at, 0);
    U32 words = U32(uvec2(strip));
    w.scales.x = load_u32_at(words, first * RECORD_Q4_0 + d) >> shift;
    w.scales.y = load_u32_at(words, second * RECORD_Q4_0 + d) >> shift;
    return w;
}

uint bytes_q4_0(nibbles w, uint n, uint side, uint i)
{
    const uint bytes = n == 0 ? w.a[i] : w.b[i];
    return side == 0 ? bytes & 0x0f0f0f0fu : upper_nibbles(bytes);
}
#endif

#ifdef INTEGER_TILE
integer_run run_q4_0(weight_rows m, record_at at)
{
    return integer_run(
        less(8, nibbles_of(load_chunk_of(m, at, 1, 0), at.part / 2)), load_f16_of(m, at, 16), 0.0);
}
#endif
