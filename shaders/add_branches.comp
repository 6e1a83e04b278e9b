#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_memory_scope_semantics : require
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

// Of the row that begins there. An element never moves to the right, and lanes wait for each other
// before they write, so that what is overwritten is no longer wanted.
void keep(uint to, uint heads)
{
    const uint width = heads * BRANCHES_KEPT;
    uint first = 0;
    do { // not a `for`, see lib/address.glsl
        const uint i = first + gl_LocalInvocationIndex, at = min(i, width - 1);
        const float kept = load_f32_out(
            pc.selected, to + at / BRANCHES_KEPT * BRANCHES_HEAD_SIZE + at % BRANCHES_KEPT);
        // As of memory, so that no load sinks below it.
        controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsBuffer,
            gl_SemanticsAcquireRelease);
        if (i < width)
            store_f32(pc.selected, to + i, kept * BRANCHES_FACTOR);
    } while ((first += BRANCHES_LANES) < width);
}

void main()
{
    const uint row = group_index();
    if (row >= pc.rows)
        return;
    const uint heads = pc.constants.v.heads, width = heads * BRANCHES_HEAD_SIZE;
    const uint to = row * pc.constants.v.query_stride;
    if (BRANCHES_KEPT != 0) {
        keep(to, heads);
        return;
    }
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
