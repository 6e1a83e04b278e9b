// limit_experts.h - drops the pairs whose expert has had its fill of their sequence, counted
// over all positions of the sequence, in whatever forwards these were.
//
// What each position chose is kept. First the pairs of this forward are noted, one lane each;
// then one workgroup per pair counts those of the positions before that chose its expert. No
// count is kept from one forward to the next, so a sequence may go on at any position.
#ifndef LIMIT_EXPERTS_H
#define LIMIT_EXPERTS_H

#include "shared.h"

SPEC(0, LIMIT_LANES, 64)
SPEC(1, LIMIT_NOTE, 0) // 1: notes the pairs, 0: counts and drops
SPEC(2, LIMIT_HAS_POSITIONS, 1)
SPEC(3, LIMIT_HAS_SEQUENCES, 1)

struct limit_experts_push {
    ADDRESS(U32) ids;        // in  i32 [tokens][k]; clamped to 0 .. experts - 1
    ADDRESS(F32Out) weights; // in and out [tokens][k]; -0.0 means dropped
    ADDRESS(U32Out) choices; // in and out [sequences][capacity][k]: expert + 1; 0: none
    ADDRESS(U32) positions;  // in  [tokens]
    ADDRESS(U32) sequences;  // in  [tokens]
    uint tokens, k, experts;
    uint limit; // pairs that an expert takes of a sequence: by position, then slot
    uint capacity, sequence_count;
    uint first_token; // without positions: token t stands at first_token + t
};
PUSH(limit_experts_push)

#endif
