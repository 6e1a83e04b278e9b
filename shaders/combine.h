// combine.h - y[t] = sum over slots, in slot order, of w * o[t][slot], + output bias
// + the shared expert's output, which waits in y.
#ifndef COMBINE_H
#define COMBINE_H

#include "shared.h"

SPEC(0, COMBINE_LANES, 64)
SPEC(1, COMBINE_UNWEIGHTED, 0) // 1: o is weighted already (weight on input); 2: without weights
SPEC(2, COMBINE_SHARED, 0)     // 0 no shared expert, 1 weight 1, 2 shared_weights
SPEC(3, COMBINE_OUTPUT_BIAS, 0)
SPEC(4, COMBINE_RUN, 4) // consecutive columns a lane makes

struct combine_push {
    ADDRESS(F32) outputs;        // in  [tokens * k][columns]
    ADDRESS(F32) weights;        // in  [tokens][k]; -0.0: dropped, its outputs are not read
    ADDRESS(F32) shared_weights; // in [tokens]
    ADDRESS(F32) output_bias;    // in  [columns]
    ADDRESS(F32Out) y;           // in (shared) and out [tokens][columns]
    uint tokens, k, columns;
    uint runs; // ceil(columns / COMBINE_RUN)
};
PUSH(combine_push)

#endif
