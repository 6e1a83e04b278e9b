// q2_K.glsl - blocks of 256: for each 16 elements a byte of scale s, low, and minimum m, then 256
// times 2 bits q, then d and dmin, f16; values are d s q - dmin m. Of 128 elements, byte i of 32
// has i, i + 32, i + 64, i + 96.

unit unpack_q2_K(weight_rows m, record_at at)
{
    const uvec4 scales = load_chunk_of(m, at, 5, 0);
    const uvec2 bytes =
        load_half_of(m, at, 5, 1 + 2 * run_of(at, 16, 2) + at.part / 2 % 2, at.part % 2);
    const vec2 d = unpackHalf2x16(load_4_of(m, at, 80));
    const uint s = byte_of(scales, run_of(at, 2, 16));
    return to_unit(bytes >> run_of(at, 4, 4) * 2 & 0x03030303u, d.x * float(s & 15),
        -d.y * float(s >> 4));
}
