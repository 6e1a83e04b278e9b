// reduce.glsl - sums and maxima over a workgroup of LANES threads, a power of two from 8 on,
// through shared memory, in a fixed order of additions. Uniform control flow only.
#ifndef REDUCE_GLSL
#define REDUCE_GLSL

shared float reduce_slots[LANES];

// Leaves in slot r what lanes r, r + 8, ... have in x, reduced by OP(a, b).
#define REDUCE_TO_8(OP) \
    const uint lane = gl_LocalInvocationIndex; \
    barrier(); \
    reduce_slots[lane] = x; \
    barrier(); \
    [[unroll]] for (uint n = LANES / 2; n >= 8; n /= 2) { \
        if (lane < n) \
            reduce_slots[lane] = OP(reduce_slots[lane], reduce_slots[lane + n]); \
        barrier(); \
    }
#define REDUCE_SUM(a, b) ((a) + (b))

float workgroup_sum(float x)
{
    REDUCE_TO_8(REDUCE_SUM)
    float sum = 0.0;
    [[unroll]] for (uint i = 0; i < 8; i++)
        sum += reduce_slots[i];
    return sum;
}

float workgroup_max(float x)
{
    REDUCE_TO_8(max)
    float most = reduce_slots[0];
    [[unroll]] for (uint i = 1; i < 8; i++)
        most = max(most, reduce_slots[i]);
    return most;
}

// The sum over the lanes that own the same row of a block of 8: lanes r, r + 8, ...
float row_sum(float x)
{
    if (LANES == 8)
        return x;
    REDUCE_TO_8(REDUCE_SUM)
    return reduce_slots[lane % 8];
}

#endif
