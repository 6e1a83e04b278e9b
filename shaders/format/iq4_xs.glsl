// iq4_xs.glsl - blocks of 256 in runs of 32, each 16 bytes like those of iq4_nl, with scales s of 6
// bits: before them lie d, f16, the runs' upper 2 bits and their lower 4. Values are d (s - 32)
// times the table's.
#include "lib/table_16.glsl"

unit unpack_iq4_xs(weight_rows m, record_at at)
{
    const uint j = run_of(at, 4, 8);
    const uvec2 q = load_half_of(m, at, 8, j, at.part % 2) >> at.part / 2 % 2 * 4;
    const uvec2 lead = load_8_of(m, at, 128);
    const uint s = (lead.y >> j * 4 & 15) | (lead.x >> 16 + j * 2 & 3) << 4;
    return from_table_16(q, unpackHalf2x16(lead.x).x * (float(s) - 32.0));
}
