// choose_blocks.h - which blocks of keys each head of each query sees, for patterns that let it
// choose: its own block, and of those before it the ones whose mean key has the largest
// product with it (MoBA, arXiv 2502.13189). One workgroup per row of queries and head.
#ifndef CHOOSE_BLOCKS_H
#define CHOOSE_BLOCKS_H

#include "attention.h"
#include "pattern.h"

SPEC(0, CHOOSE_LANES, 64)
SPEC(1, CHOOSE_HEAD_SIZE, 64)
SPEC(2, CHOOSE_MODE, 0) // as ATTEND_MODE
SPEC(3, CHOOSE_TILED_KV, 0)
SPEC(4, CHOOSE_EXPERT_KV_HEADS, 0)
SPEC(5, CHOOSE_HAS_POSITIONS, 1)
SPEC(6, CHOOSE_HAS_SEQUENCES, 1)
SPEC(7, CHOOSE_BLOCK, 64)  // positions in a block
SPEC(8, CHOOSE_BLOCKS, 32) // at least as many as the cache holds; at most CHOOSE_MAX_BLOCKS
SPEC(9, CHOOSE_TOP, 1)     // entries of a list

#define CHOOSE_MAX_BLOCKS 2048 // a float each in shared memory
#define CHOOSE_MAX_TOP 64      // lavapipe 22.3 ends an invocation's loops after 65535 iterations

struct choose_blocks_push {
    ADDRESS(AttentionConstants) constants;
    ADDRESS(F32) query; // in  [row][query_stride]
    ADDRESS(F32) means; // in  [sequences][kv_heads][blocks][padded head]: see mean_keys.h
    ADDRESS(U32Out)
    choices;           // out [row][heads][CHOOSE_TOP], the query's own block first, at the end
                       //     CHOOSE_NOTHING; not for rows of other patterns
    ADDRESS(U32) plan; // in  this and the following as in attend.h
    ADDRESS(U32) rows;
    ADDRESS(U32) positions;
    ADDRESS(U32) sequences;
    uint row_count;
    uint capacity, sequence_count;
    uint first_token;
    uint tile_rows;
};
PUSH(choose_blocks_push)

#endif
