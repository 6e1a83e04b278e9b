#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "add_branches.h"
#include "lib/activation.glsl"
#include "lib/grid.glsl"

layout(local_size_x_id = 0) in;

float gate(uint at)
{
    const float x = load_f32(pc.gates, at);
    if (BRANCHES_SOFTPLUS != 0)
        return max(x, 0.0) + log(1.0 + exp(-abs(x)));
    return sigmoid(x);
}

void main()
{
    const uint row = group_index();
    if (row >= pc.rows)
        return;
    const uint heads = pc.constants.v.heads, width = heads * BRANCHES_HEAD_SIZE;
    const uint to = row * pc.constants.v.query_stride;
    for (uint i = gl_LocalInvocationIndex; i < width; i += BRANCHES_LANES) {
        // Clamped: drivers load ahead of a loop's exit.
        const uint at = row * width + min(i, width - 1);
        const uint head = at / BRANCHES_HEAD_SIZE;
        const float kept = load_f32_out(pc.selected, to + min(i, width - 1));
        if (BRANCHES_ALONE != 0) {
            store_f32(pc.selected, to + i, kept * gate(BRANCHES_WIDE != 0 ? at : head));
            continue;
        }
        const uint gates = head * BRANCHES;
        float sum = gate(gates) * load_f32(pc.compressed, at);
        sum = fma(gate(gates + 1), kept, sum);
        store_f32(pc.selected, to + i, fma(gate(gates + 2), load_f32(pc.window, at), sum));
    }
}
