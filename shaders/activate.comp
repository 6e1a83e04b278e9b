#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "activate.h"
#include "lib/activation.glsl"
#include "lib/grid.glsl"

layout(local_size_x_id = 0) in;

void main()
{
    const uint first = group_index() * ACTIVATE_LANES * ACTIVATE_RUN + gl_LocalInvocationIndex;
    [[unroll]] for (uint i = 0; i < ACTIVATE_RUN; i++) {
        const uint at = first + i * ACTIVATE_LANES;
        if (at >= pc.elements)
            break;
        const float u = load_f32_out(pc.h, at);
        float h = activate_one(ACTIVATE_KIND, u, ACTIVATE_LIMIT);
        if (ACTIVATE_GATED != 0)
            h = activate(
                ACTIVATE_KIND, load_f32(pc.gate, at), u, ACTIVATE_ALPHA, ACTIVATE_LIMIT);
        store_f32(pc.h, at, h);
    }
}
