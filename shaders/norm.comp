#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "norm.h"
#define LANES NORM_LANES
#include "lib/grid.glsl"
#include "lib/reduce.glsl"

layout(local_size_x_id = 0) in;

#define RUN 4 // neighbouring columns a lane handles at once

// The sum over a row of squared distances from `mean`; each lane reads what it wrote.
float spread(uint first, float mean)
{
    float sum = 0.0;
    for (uint run = gl_LocalInvocationIndex * RUN; run < pc.columns; run += LANES * RUN) {
        [[unroll]] for (uint i = 0; i < RUN; i++) {
            const float x = load_f32_out(pc.x, first + min(run + i, pc.columns - 1)) - mean;
            sum += run + i < pc.columns ? x * x : 0.0;
        }
    }
    return workgroup_sum(sum);
}

void main()
{
    const uint token = group_index();
    if (token >= pc.tokens)
        return;
    const uint first = token * pc.columns;
    float sum = 0.0;
    for (uint run = gl_LocalInvocationIndex * RUN; run < pc.columns; run += LANES * RUN) {
        [[unroll]] for (uint i = 0; i < RUN; i++) {
            const uint c = run + i, at = first + min(c, pc.columns - 1);
            float x = load_f32_out(pc.x, at);
            if (NORM_HAS_DELTA != 0) {
                x = pc.factor * fma(NORM_SCALE, load_f32(pc.delta, at), x);
                if (c < pc.columns)
                    store_f32(pc.x, at, x);
            }
            sum += c >= pc.columns ? 0.0 : NORM_CENTERED != 0 ? x : x * x;
        }
    }
    sum = workgroup_sum(sum);
    const float mean = NORM_CENTERED != 0 ? sum / float(pc.columns) : 0.0;
    if (NORM_CENTERED != 0)
        sum = spread(first, mean);
    const float scale = inversesqrt(sum / float(pc.columns) + NORM_EPSILON);
    for (uint run = gl_LocalInvocationIndex * RUN; run < pc.columns; run += LANES * RUN) {
        [[unroll]] for (uint i = 0; i < RUN; i++) {
            const uint c = run + i;
            const uint column = min(c, pc.columns - 1);
            float x = load_f32_out(pc.x, first + column);
            if (NORM_NONE == 0)
                x = (x - mean) * scale * load_f32(pc.weight, column);
            if (NORM_NONE == 0 && NORM_CENTERED != 0)
                x += load_f32(pc.weight, pc.columns + column);
            if (c < pc.columns)
                store_f32(pc.result, first + column, x);
        }
    }
}
