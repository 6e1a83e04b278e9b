// q6_K.glsl - blocks of 256: 256 nibbles, 256 times 2 higher bits, 16 signed scales s for 16
// elements each, d, f16; values are d s (q - 32), of which d s is exact and the product may not be.
// Of 128 elements, 64 bytes have the nibbles of element i and i + 64, 32 bytes the higher bits of
// i, i + 32, i + 64, i + 96.

unit unpack_q6_K(weight_rows m, record_at at)
{
    const uint odd = at.part / 2 % 2, half_of_them = run_of(at, 16, 2), c = run_of(at, 4, 4);
    const uvec2 low = load_half_of(
        m, at, 13, 4 * half_of_them + 2 * run_of(at, 4, 2) + odd, at.part % 2);
    const uvec2 high = load_half_of(m, at, 13, 8 + 2 * half_of_them + odd, at.part % 2);
    const uvec4 scales = load_chunk_of(m, at, 13, 12);
    const uvec2 q = (low >> c / 2 * 4 & 0x0f0f0f0fu) | (high >> c * 2 & 0x03030303u) << 4;
    const int s = int(byte_of(scales, run_of(at, 2, 16)) << 24) >> 24;
    const float scale = load_f16_of(m, at, 208) * float(s);
    return unit(scale * (to_floats(q.x) - 32.0), scale * (to_floats(q.y) - 32.0));
}

#ifdef INTEGER_DOT
#define RECORD_Q6_K 3360 // bytes

// Pair i has the nibbles of bytes 32 i to 32 i + 31: of 128 elements blocks 0 and 2, or 1 and 3.
nibbles load_nibbles_q6_K(U32x4 strip, uint row, uint pair)
{
    nibbles w;
    const uint record = pair / 4 * RECORD_Q6_K, at = record + row * 32;
    const uint low = at + pair % 4 * 512, high = at + pair / 2 % 2 * 512 + 2048;
    w.a = load_u32x4_at(strip, low, 0);
    w.b = load_u32x4_at(strip, low, 16);
    w.high_a = load_u32x4_at(strip, high, 0);
    w.high_b = load_u32x4_at(strip, high, 16);
    const uvec2 s = load_u32x2_at(
        U32x2(uvec2(strip)), record + row * 16 + 3072 + pair / 2 % 2 * 8);
    w.scales.xy = s;
    w.scales.z = load_u32_at(U32(uvec2(strip)), record + 3328 + row / 2 * 4) >> row % 2 * 16;
    return w;
}

uint bytes_q6_K(nibbles w, uint pair, uint n, uint side, uint i)
{
    const uint low = side == 0 ? w.a[i] : w.b[i];
    const uint high = (side == 0 ? w.high_a[i] : w.high_b[i]) >> pair % 2 * 2;
    return (low >> n * 4 & 0x0f0f0f0fu) | ((n == 0 ? high << 4 : high) & 0x30303030u);
}

// Of the halves of both blocks, without d.
vec4 scales_q6_K(nibbles w, uint pair)
{
    const ivec2 s = ivec2(w.scales.xy >> pair % 2 * 16);
    return vec4(s.x << 24 >> 24, s.x << 16 >> 24, s.y << 24 >> 24, s.y << 16 >> 24);
}
#endif

#ifdef INTEGER_TILE
integer_run run_q6_K(weight_rows m, record_at at)
{
    const uint odd = at.part / 2 % 2, half_of_them = at.part / 16, c = at.part / 4 % 4;
    const uvec4 low = load_chunk_of(m, at, 13, 4 * half_of_them + 2 * (c % 2) + odd);
    const uvec4 high = load_chunk_of(m, at, 13, 8 + 2 * half_of_them + odd);
    const int s = int(byte_of(load_chunk_of(m, at, 13, 12), at.part / 2) << 24) >> 24;
    return integer_run(less(32, nibbles_of(low, c / 2) | (high >> c * 2 & 0x03030303u) << 4),
        load_f16_of(m, at, 208) * float(s), 0.0);
}
#endif
