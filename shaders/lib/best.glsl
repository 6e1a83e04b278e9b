// best.glsl - the choice of the best of some blocks, one by one. Needs BEST_SCORE, a shared array
// of BEST_BLOCKS scores, LANES and lib/reduce.glsl.
#ifndef BEST_GLSL
#define BEST_GLSL

#define NEGATIVE_INFINITY uintBitsToFloat(0xff800000u)

// The best block that is left, of equals the lowest; takes it out.
uint choose_one(uint count)
{
    barrier();
    float most = NEGATIVE_INFINITY;
    for (uint b = gl_LocalInvocationIndex; b < count; b += LANES)
        most = max(most, BEST_SCORE[b]);
    most = workgroup_max(most);
    float lowest = -float(BEST_BLOCKS);
    for (uint b = gl_LocalInvocationIndex; b < count; b += LANES) {
        if (BEST_SCORE[b] == most)
            lowest = max(lowest, -float(b));
    }
    const uint best = uint(-workgroup_max(lowest));
    if (best >= count || most == NEGATIVE_INFINITY)
        return CHOOSE_NOTHING;
    if (gl_LocalInvocationIndex == 0)
        BEST_SCORE[best] = NEGATIVE_INFINITY;
    return best;
}

#endif
