// norm.h - residual and RMS norm (arXiv 1910.07467), one workgroup per token:
//     x = factor * (x + scale * delta);  out = x / sqrt(mean(x^2) + epsilon) * weight
// or with NORM_CENTERED LayerNorm (arXiv 1607.06450):
//     out = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * weight + bias
// or with NORM_NONE out = x. Without a delta x stays as it is, and may be where the result goes.
#ifndef NORM_H
#define NORM_H

#include "shared.h"

SPEC(0, NORM_LANES, 64)
SPEC(1, NORM_HAS_DELTA, 1)
SPEC_FLOAT(2, NORM_EPSILON, 1.0e-6)
SPEC_FLOAT(3, NORM_SCALE, 1.0) // of delta
SPEC(4, NORM_CENTERED, 0)
SPEC(5, NORM_NONE, 0) // then there is no weight

struct norm_push {
    ADDRESS(F32Out) x;      // in and out [tokens][columns]
    ADDRESS(F32) delta;     // in  [tokens][columns]
    ADDRESS(F32) weight;    // in  [columns]; with NORM_CENTERED the bias after it, [2][columns]
    ADDRESS(F32Out) result; // out [tokens][columns]
    uint tokens, columns;
    float factor;
};
PUSH(norm_push)

#endif
