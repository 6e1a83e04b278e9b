// reduce.glsl - sums and maxima over a workgroup of LANES threads through shared memory,
// in a fixed order of additions. Uniform control flow only. More than 64 lanes are a power of two.
#ifndef REDUCE_GLSL
#define REDUCE_GLSL

shared float reduce_slots[LANES];

#define REDUCE_SLOTS (LANES > 64 ? 64 : LANES) // that each lane reads in the end

// Leaves x of each lane in the slots, and of what is past the first 64 the sums there.
void gather_sums(float x)
{
    const uint lane = gl_LocalInvocationIndex;
    barrier();
    reduce_slots[lane] = x;
    barrier();
    [[unroll]] for (uint half_lanes = LANES / 2; half_lanes >= 64; half_lanes /= 2) {
        if (lane < half_lanes)
            reduce_slots[lane] += reduce_slots[lane + half_lanes];
        barrier();
    }
}

float workgroup_sum(float x)
{
    gather_sums(x);
    float sum = 0.0;
    for (uint i = 0; i < REDUCE_SLOTS; i++)
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
    gather_sums(x);
    float sum = 0.0;
    for (uint i = gl_LocalInvocationIndex % 8; i < REDUCE_SLOTS; i += 8)
        sum += reduce_slots[i];
    return sum;
}

#endif
