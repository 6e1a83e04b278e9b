// reduce.glsl - sums and maxima over a workgroup of LANES threads through shared memory,
// in a fixed order of additions. Uniform control flow only.
#ifndef REDUCE_GLSL
#define REDUCE_GLSL

shared float reduce_slots[LANES];

float workgroup_sum(float x)
{
    const uint lane = gl_LocalInvocationIndex;
    barrier();
    reduce_slots[lane] = x;
    barrier();
    float sum = 0.0;
    for (uint i = 0; i < LANES; i++)
        sum += reduce_slots[i];
    return sum;
}

float workgroup_max(float x)
{
    const uint lane = gl_LocalInvocationIndex;
    barrier();
    reduce_slots[lane] = x;
    barrier();
    float most = reduce_slots[0];
    for (uint i = 1; i < LANES; i++)
        most = max(most, reduce_slots[i]);
    return most;
}

// The sum over the lanes that own the same row of a block of 8: lanes r, r + 8, ...
float row_sum(float x)
{
    if (LANES == 8)
        return x;
    const uint lane = gl_LocalInvocationIndex;
    barrier();
    reduce_slots[lane] = x;
    barrier();
    float sum = 0.0;
    for (uint i = lane % 8; i < LANES; i += 8)
        sum += reduce_slots[i];
    return sum;
}

#endif
