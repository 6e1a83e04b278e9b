// iq4_nl.glsl - as q4_0, but nibbles choose from a table; values are d times that.
#include "lib/table_16.glsl"

unit unpack_iq4_nl(weight_rows m, record_at at)
{
    const uvec2 q = load_half_of(m, at, 1, 0, at.part % 2) >> at.part / 2 * 4;
    return from_table_16(q, load_f16_of(m, at, 16));
}
