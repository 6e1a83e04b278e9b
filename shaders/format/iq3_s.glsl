// iq3_s.glsl - blocks of 256 in runs of 32: d, f16; 64 bytes, the lower bits of indices into the
// code book, whose entries are 4 levels; 8 bytes of their ninth bits; 32 bytes of signs, a bit an
// element; 4 scales s of two nibbles, for a run each. Values are +-d (2 s + 1) (2 level + 1).
#include "lib/code_book.glsl"

unit unpack_iq3_s(weight_rows m, record_at at)
{
    const uint run = run_of(at, 4, 8), n = run_of(at, 1, 4); // n: the unit in its run
    const uint low = load_word_of(m, at, 96, run * 8 + n / 2 * 4);
    const uint high = load_word_of(m, at, 96, 64 + run / 4 * 4);
    const uint signs = load_word_of(m, at, 96, 72 + run * 4);
    const uint scales = load_4_of(m, at, 104);
    const uvec2 i = uvec2(low) >> uvec2(n % 2 * 16, n % 2 * 16 + 8) & 0xff;
    const uint tops = high >> run % 4 * 8 + n * 2;
    const uvec2 levels = uvec2(levels_of_3_bits(code_book_entry(i.x | (tops & 1) << 8)),
        levels_of_3_bits(code_book_entry(i.y | (tops >> 1 & 1) << 8)));
    const float d = load_f16_of(m, at, 108);
    return with_signs(levels * 2 + 0x01010101, d * float(2 * (scales >> run * 4 & 15) + 1),
        signs >> n * 8);
}
