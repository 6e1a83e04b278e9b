#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "attend_merge.h"
#include "lib/grid.glsl"

layout(local_size_x_id = 0) in;

void main()
{
    const uint index = group_index(); // row * heads + head
    if (index >= pc.rows * pc.heads)
        return;
    const uint head = index % pc.heads, stride = 2 + MERGE_HEAD_SIZE;
    const uint first = index * pc.splits * stride;
    float most = load_f32(pc.partials, first);
    for (uint s = 1; s < pc.splits; s++)
        most = max(most, load_f32(pc.partials, first + s * stride));
    if (MERGE_SINK_LOGITS != 0)
        most = max(most, load_f32(pc.sinks, head));
    float sum = MERGE_SINK_LOGITS != 0 ? exp(load_f32(pc.sinks, head) - most) : 0.0;
    for (uint s = 0; s < pc.splits; s++)
        sum += exp(load_f32(pc.partials, first + s * stride) - most)
            * load_f32(pc.partials, first + s * stride + 1);
    for (uint c = gl_LocalInvocationIndex; c < MERGE_HEAD_SIZE; c += MERGE_LANES) {
        float value = 0.0;
        for (uint s = 0; s < pc.splits; s++)
            value = fma(exp(load_f32(pc.partials, first + s * stride) - most),
                load_f32(pc.partials, first + s * stride + 2 + c), value);
        store_f32(pc.result, index / pc.heads * pc.stride + head * MERGE_HEAD_SIZE + c,
            sum > 0.0 ? value / sum : 0.0);
    }
}
