// iq2_xs.glsl - blocks of 256 in runs of 32: d, f16; for 8 elements 2 bytes, an index of 9 bits and
// the signs of 7; a byte for each run, scales s of 4 bits for its halves. Values are
// +-d (2 s + 1) / 8 times the levels of lib/code_book.glsl.
#include "lib/code_book.glsl"

unit unpack_iq2_xs(weight_rows m, record_at at)
{
    const uint run = run_of(at, 4, 8), n = run_of(at, 1, 4); // n: the unit in its run
    const uvec2 codes = load_half_of(m, at, 4, run / 2, run % 2);
    const uvec2 scales = load_8_of(m, at, 64);
    const uint code = (n < 2 ? codes.x : codes.y) >> n % 2 * 16;
    const uint s = (run < 4 ? scales.x : scales.y) >> (run % 4 * 8 + n / 2 * 4) & 15;
    return from_iq2(code & 511, load_f16_of(m, at, 72) * (float(s) + 0.5) * 0.25,
        even_signs(code >> 9 & 127));
}
