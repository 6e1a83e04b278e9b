// iq1_m.glsl - as iq1_s, but for each index 4 bits, its upper 3 and the sign of the shift; scales
// are of half a run, 4 of 3 bits in 2 bytes, whose upper 4 bits are a part of d.
#include "lib/code_book.glsl"

unit unpack_iq1_m(weight_rows m, record_at at)
{
    const uint run = run_of(at, 4, 8), n = run_of(at, 1, 4); // n: the unit in its run
    const uvec2 low = load_half_of(m, at, 3, run / 4, run / 2 % 2);
    const uvec2 high = load_half_of(m, at, 3, 2, run / 4);
    const uvec2 scales = load_8_of(m, at, 48);
    const uint own = (run / 2 % 2 == 0 ? high.x : high.y) >> (run % 2 * 16 + n * 4);
    const uint i = (run % 2 == 0 ? low.x : low.y) >> n * 8 & 255;
    const uint s = (run < 4 ? scales.x : scales.y) >> (run / 2 % 2 * 16 + run % 2 * 6 + n / 2 * 3);
    const uint d = (scales.x >> 12 & 0xf) | (scales.x >> 24 & 0xf0) | (scales.y >> 4 & 0xf00)
        | (scales.y >> 16 & 0xf000);
    return from_iq1(i | (own & 7) << 8, unpackHalf2x16(d).x * float(2 * (s & 7) + 1),
        (own & 8) != 0);
}
