#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "combine.h"
#include "lib/grid.glsl"

#define DROPPED 0x80000000u // the bits of -0.0

layout(local_size_x_id = 0) in;

void main()
{
    const uint index = group_index() * COMBINE_LANES + gl_LocalInvocationIndex;
    const uint token = index / pc.runs;
    const uint first = index % pc.runs * COMBINE_RUN;
    if (token >= pc.tokens)
        return;
    float sums[COMBINE_RUN];
    [[unroll]] for (uint c = 0; c < COMBINE_RUN; c++)
        sums[c] = 0.0;
    for (uint slot = 0; slot < pc.k; slot++) {
        const uint pair = token * pc.k + slot;
        float w = 1.0;
        if (COMBINE_UNWEIGHTED != 2)
            w = load_f32(pc.weights, pair);
        if (floatBitsToUint(w) == DROPPED)
            continue;
        if (COMBINE_UNWEIGHTED != 0)
            w = 1.0;
        [[unroll]] for (uint c = 0; c < COMBINE_RUN; c++) {
            const uint column = min(first + c, pc.columns - 1);
            sums[c] = fma(w, load_f32(pc.outputs, pair * pc.columns + column), sums[c]);
        }
    }
    float shared_weight = 1.0;
    if (COMBINE_SHARED == 2)
        shared_weight = load_f32(pc.shared_weights, token);
    [[unroll]] for (uint c = 0; c < COMBINE_RUN; c++) {
        const uint column = first + c;
        if (column >= pc.columns)
            break;
        float y = sums[c];
        if (COMBINE_OUTPUT_BIAS != 0)
            y += load_f32(pc.output_bias, column);
        if (COMBINE_SHARED != 0)
            y = fma(shared_weight, load_f32_out(pc.y, token * pc.columns + column), y);
        store_f32(pc.y, token * pc.columns + column, y);
    }
}
