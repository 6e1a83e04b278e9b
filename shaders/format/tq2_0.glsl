// tq2_0.glsl - blocks of 256: 256 times 2 bits q, in the order of q2_K, then d, f16; values are
// (q - 1) d. Files have no q of 3, which means 2 d.

unit unpack_tq2_0(weight_rows m, record_at at)
{
    const uvec2 bytes =
        load_half_of(m, at, 4, 2 * run_of(at, 16, 2) + at.part / 2 % 2, at.part % 2);
    const uvec2 q = bytes >> run_of(at, 4, 4) * 2 & 0x03030303u;
    const float d = load_f16_of(m, at, 64);
    return unit(d * (to_floats(q.x) - 1.0), d * (to_floats(q.y) - 1.0));
}
