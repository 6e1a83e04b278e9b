// iq2_xxs.glsl - blocks of 256 in runs of 32: d, f16; for each run 4 bytes, indices for 8 elements
// each, and 4 bytes with the signs of 7 of each 8, and above them a scale s. Values are as those of
// iq2_xs.
#include "lib/code_book.glsl"

unit unpack_iq2_xxs(weight_rows m, record_at at)
{
    const uint run = run_of(at, 4, 8), n = run_of(at, 1, 4); // n: the unit in its run
    const uvec2 codes = load_half_of(m, at, 4, run / 2, run % 2);
    return from_iq2(codes.x >> n * 8 & 255,
        load_f16_of(m, at, 64) * (float(codes.y >> 28) + 0.5) * 0.25,
        even_signs(codes.y >> n * 7 & 127));
}
