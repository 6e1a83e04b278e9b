// iq2_s.glsl - blocks of 256 in runs of 32: d, f16; 32 bytes, the lower bits of indices for 8
// elements each; 32 bytes of signs; 8 bytes of the indices' upper 2 bits; scales and values are
// as those of iq2_xs.
#include "lib/code_book.glsl"

unit unpack_iq2_s(weight_rows m, record_at at)
{
    const uint run = run_of(at, 4, 8), n = run_of(at, 1, 4); // n: the unit in its run
    const uvec2 low = load_half_of(m, at, 5, run / 4, run / 2 % 2);
    const uvec2 signs = load_half_of(m, at, 5, 2 + run / 4, run / 2 % 2);
    const uvec4 rest = load_chunk_of(m, at, 5, 4); // upper bits, and scales
    const uvec2 bytes = uvec2(run < 4 ? rest.x : rest.y, run < 4 ? rest.z : rest.w) >> run % 4 * 8;
    const uvec2 own = run % 2 == 0 ? uvec2(low.x, signs.x) : uvec2(low.y, signs.y);
    const uint s = bytes.y >> n / 2 * 4 & 15;
    return from_iq2((own.x >> n * 8 & 255) | (bytes.x >> n * 2 & 3) << 8,
        load_f16_of(m, at, 80) * (float(s) + 0.5) * 0.25, own.y >> n * 8 & 255);
}
