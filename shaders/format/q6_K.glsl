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
