// iq1_s.glsl - blocks of 256 in runs of 32: d, f16; 32 bytes, the lower bits of indices for 8
// elements each; for each run 2 bytes with their upper 3 bits, a scale s of 3 and the sign of a
// shift. Values are d (2 s + 1) times levels of -1, 0 and 1, shifted by +-1/8.
#include "lib/code_book.glsl"

unit unpack_iq1_s(weight_rows m, record_at at)
{
    const uint run = run_of(at, 4, 8), n = run_of(at, 1, 4); // n: the unit in its run
    const uvec2 low = load_half_of(m, at, 3, run / 4, run / 2 % 2);
    const uvec2 high = load_half_of(m, at, 3, 2, run / 4);
    const uint own = (run / 2 % 2 == 0 ? high.x : high.y) >> run % 2 * 16;
    const uint i = (run % 2 == 0 ? low.x : low.y) >> n * 8 & 255;
    return from_iq1(i | (own >> n * 3 & 7) << 8,
        load_f16_of(m, at, 48) * float(2 * (own >> 12 & 7) + 1), (own & 0x8000) != 0);
}
