// mean_keys.h - the mean key of each block that these tokens complete: the one whose last
// position a token has. Others are nobody's to choose yet: a query sees its own block anyway.
// Blocks begin at every MEAN_STRIDE-th position, so that they may overlap. Values have means in the
// same way. One workgroup per token and kv head.
#ifndef MEAN_KEYS_H
#define MEAN_KEYS_H

#include "shared.h"

SPEC(0, MEAN_LANES, 64)
SPEC(1, MEAN_HEAD_SIZE, 64)
SPEC(2, MEAN_CACHE, 0) // CACHE_*
SPEC(3, MEAN_HAS_POSITIONS, 1)
SPEC(4, MEAN_HAS_SEQUENCES, 1)
SPEC(5, MEAN_BLOCK, 64) // positions in a block
SPEC(6, MEAN_STRIDE, 64)

struct mean_keys_push {
    ADDRESS(U32) keys;      // in  rows [sequences][kv_heads][capacity], see lib/cache.glsl
    ADDRESS(F32Out) means;  // out [sequences][kv_heads][ceil(capacity / stride)][padded head]
    ADDRESS(U32) positions; // in  [tokens]
    ADDRESS(U32) sequences; // in  [tokens]
    uint tokens, kv_heads, capacity, sequence_count;
    uint first_token; // without positions
};
PUSH(mean_keys_push)

#endif
