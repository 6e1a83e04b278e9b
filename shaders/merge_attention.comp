#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "merge_attention.h"
#include "lib/grid.glsl"

layout(local_size_x_id = 0) in;

#define V (MERGE_VALUE_SIZE != 0 ? MERGE_VALUE_SIZE : MERGE_HEAD_SIZE)
#define STRIDE (2 + V)

// Word `i` of split `s` of the row and head whose first one is at `first`. Clamped: drivers
// load ahead of a loop's exit.
float load_partial(uint first, uint s, uint i)
{
    return load_f32(pc.partials, first + min(s, pc.splits - 1) * STRIDE + min(i, STRIDE - 1));
}

void main()
{
    const uint heads = pc.constants.v.heads, query_stride = pc.constants.v.query_stride;
    const uint index = group_index(); // row * heads + head
    if (index >= pc.rows * heads)
        return;
    const uint head = index % heads;
    F32 sinks = pc.constants.v.sinks;
    const uint first = index * pc.splits * STRIDE;
    float most = load_partial(first, 0, 0);
    for (uint s = 1; s < pc.splits; s++)
        most = max(most, load_partial(first, s, 0));
    if (MERGE_SINK_LOGITS != 0)
        most = max(most, load_f32(sinks, head));
    float sum = MERGE_SINK_LOGITS != 0 ? exp(load_f32(sinks, head) - most) : 0.0;
    for (uint s = 0; s < pc.splits; s++)
        sum += exp(load_partial(first, s, 0) - most) * load_partial(first, s, 1);
    for (uint c = gl_LocalInvocationIndex; c < V; c += MERGE_LANES) {
        float value = 0.0;
        for (uint s = 0; s < pc.splits; s++)
            value = fma(exp(load_partial(first, s, 0) - most), load_partial(first, s, 2 + c),
                value);
        store_f32(pc.result, index / heads * query_stride + head * MERGE_HEAD_SIZE + c,
            sum > 0.0 ? value / sum : 0.0);
    }
}
