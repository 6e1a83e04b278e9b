// e5m2.glsl - blocks of floats of 8 bits that are the upper halves of f16.
#include "lib/floats_8.glsl"

vec4 four_from_e5m2(uint codes)
{
    return from_halves((codes & 0x00ff00ffu) << 8, codes & 0xff00ff00u);
}

unit unpack_e5m2(weight_rows m, record_at at)
{
    const floats_8 w = load_floats_8(m, at);
    return unit(w.scale * four_from_e5m2(w.codes.x), w.scale * four_from_e5m2(w.codes.y));
}
