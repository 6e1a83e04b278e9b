// add_branches.h - adds up the branches of NSA (arXiv 2502.11089), each head of each under the
// sigmoid of a gate of its own. One workgroup per row of queries.
#ifndef ADD_BRANCHES_H
#define ADD_BRANCHES_H

#include "attention.h"

SPEC(0, BRANCHES_LANES, 64)
SPEC(1, BRANCHES_HEAD_SIZE, 64)

#define BRANCHES 3

struct add_branches_push {
    ADDRESS(AttentionConstants) constants;
    ADDRESS(F32) gates;       // in  [row][heads][BRANCHES] logits, of the branches as below
    ADDRESS(F32) compressed;  // in  [row][heads][head size]
    ADDRESS(F32Out) selected; // in and out [row][query_stride]: the sum
    ADDRESS(F32) window;      // in  [row][heads][head size]
    uint rows;
};
PUSH(add_branches_push)

#endif
