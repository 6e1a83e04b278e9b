// add_branches.h - adds up the branches of NSA (arXiv 2502.11089), each head of each under the
// sigmoid of a gate of its own. Or puts heads that look at keys in one way under such a gate, or
// moves them together where they are shorter than queries. One workgroup per row of queries.
#ifndef ADD_BRANCHES_H
#define ADD_BRANCHES_H

#include "attention.h"

SPEC(0, BRANCHES_LANES, 64)
SPEC(1, BRANCHES_HEAD_SIZE, 64)
SPEC(2, BRANCHES_ALONE, 0)    // there is but one: `selected`
SPEC(3, BRANCHES_WIDE, 0)     // then each element has a gate, not each head
SPEC(4, BRANCHES_SOFTPLUS, 0) // then gates are log(1 + e^x), not the sigmoid
// There are no gates: of each head so many elements are kept, times a factor, those of all heads
// next to each other. 0: there are.
SPEC(5, BRANCHES_KEPT, 0)
SPEC_FLOAT(6, BRANCHES_FACTOR, 1.0)

#define BRANCHES 3

struct add_branches_push {
    ADDRESS(AttentionConstants) constants;
    ADDRESS(F32)
    gates;                    // in  [row][heads][BRANCHES] logits, of the branches as below;
                              // alone [row][heads], or wide [row][heads][head size]
    ADDRESS(F32) compressed;  // in  [row][heads][head size]
    ADDRESS(F32Out) selected; // in and out [row][query_stride]: the sum, or what is kept
    ADDRESS(F32) window;      // in  [row][heads][head size]
    uint rows;
};
PUSH(add_branches_push)

#endif
