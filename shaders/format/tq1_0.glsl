// tq1_0.glsl - blocks of 256: digits q to base 3, five in a byte, then d, f16; values: (q - 1) d.
// Of 160 elements byte i of 32 has i, i + 32, ..., of the next 80 byte i of 16 has i, i + 16, ...,
// of the last 16 byte i of 4 has i, i + 4, i + 8, i + 12. A byte is a fraction of 256: times 3^n,
// less what is whole, digit n leads it.

// Of four bytes, 3^n being `power`; 16 bits hold products of a byte.
vec4 values_of_tq1_0(uint bytes, uint power)
{
    const uvec2 leading = uvec2(bytes, bytes >> 8) & 0x00ff00ffu;
    const uvec2 q = (leading * power & 0x00ff00ffu) * 3 >> 8 & 0x00030003u;
    return to_floats(q.x | q.y << 8) - 1.0;
}

unit unpack_tq1_0(weight_rows m, record_at at)
{
    const uint i = run_of(at, 1, 32); // the unit in the block
    const bool is_last = i >= 30;     // whose halves are two digits of the same bytes
    const uvec2 most = load_half_of(m, at, 3, i < 20 ? at.part / 2 % 2 : 2, at.part % 2);
    const uint last = load_4_of(m, at, 48);
    const uint n = i < 20 ? i / 4 : is_last ? i * 2 - 60 : i / 2 - 10;
    const uint power = n < 4 ? 0x1b090301u >> n * 8 & 0xff : 81;
    const float d = load_f16_of(m, at, 52);
    return unit(d * values_of_tq1_0(is_last ? last : most.x, power),
        d * values_of_tq1_0(is_last ? last : most.y, is_last ? power * 3 : power));
}
