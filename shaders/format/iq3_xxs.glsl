// iq3_xxs.glsl - blocks of 256 in runs of 32: d, f16; 64 bytes, indices for 4 elements each; for
// each run 4 bytes with the signs of 7 of each 8, and above them a scale s. Values are
// +-d (2 s + 1) / 4 times levels 4, 12, 20, ..., 52 and, at last, 62.
#include "lib/code_book.glsl"

unit unpack_iq3_xxs(weight_rows m, record_at at)
{
    const uint run = run_of(at, 4, 8), n = run_of(at, 1, 4); // n: the unit in its run
    const uvec2 codes = load_half_of(m, at, 6, run / 2, run % 2);
    const uvec2 rest = load_half_of(m, at, 6, 4 + run / 4, run / 2 % 2);
    const uint own = run % 2 == 0 ? rest.x : rest.y;
    const uvec2 i = uvec2(n < 2 ? codes.x : codes.y) >> uvec2(n % 2 * 16, n % 2 * 16 + 8) & 0xff;
    const uvec2 levels = uvec2(
        levels_of_3_bits(code_book_entry(i.x)), levels_of_3_bits(code_book_entry(i.y)));
    const uvec2 highest = levels & levels >> 1 & levels >> 2 & 0x01010101;
    return with_signs(levels * 8 + 0x04040404 + highest * 2,
        load_f16_of(m, at, 96) * (float(own >> 28) + 0.5) * 0.5, even_signs(own >> n * 7 & 127));
}
