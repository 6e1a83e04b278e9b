#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "cap.h"
#include "lib/grid.glsl"
#include "lib/activation.glsl"

layout(local_size_x_id = 0) in;

void main()
{
    const uint i = group_index() * CAP_LANES + gl_LocalInvocationIndex;
    if (i < pc.count)
        store_f32(pc.x, i, soft_cap(load_f32_out(pc.x, i), CAP_LIMIT));
}
