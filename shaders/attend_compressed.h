// attend_compressed.h - the compressed branch of NSA (arXiv 2502.11089): softmax attention over the
// means of keys and values (mean_keys.h) of which all positions are at or before the query's, and
// which blocks of keys the selected branch sees then. One workgroup per row of queries and kv head.
//
// A block counts by the probabilities of the means that share positions with it, each as often as
// they share a stride, added up over the heads of the kv head. Those COMPRESSED_FIRST first and
// COMPRESSED_LOCAL last ones up to the query's own are chosen whatever they count.
#ifndef ATTEND_COMPRESSED_H
#define ATTEND_COMPRESSED_H

#include "attention.h"
#include "pattern.h"

SPEC(0, COMPRESSED_LANES, 64)
SPEC(1, COMPRESSED_HEAD_SIZE, 64)
SPEC_FLOAT(2, COMPRESSED_SCALE, 1.0)
SPEC(3, COMPRESSED_TILED_KV, 0) // as ATTEND_TILED_KV
SPEC(4, COMPRESSED_HAS_POSITIONS, 1)
SPEC(5, COMPRESSED_HAS_SEQUENCES, 1)
SPEC(6, COMPRESSED_SIZE, 32) // positions that a mean is of
SPEC(7, COMPRESSED_STRIDE, 16)
SPEC(8, COMPRESSED_MEANS, 64)   // at least as many as the cache holds of a sequence and kv head
SPEC(9, COMPRESSED_BLOCK, 64)   // positions in a block that is chosen: strides
SPEC(10, COMPRESSED_BLOCKS, 16) // at least as many as the cache holds
SPEC(11, COMPRESSED_TOP, 1)     // entries of a list
SPEC(12, COMPRESSED_FIRST, 0)
SPEC(13, COMPRESSED_LOCAL, 1)

#define COMPRESSED_MAX_SCORES 3072 // means and blocks: a float each in shared memory

struct attend_compressed_push {
    ADDRESS(AttentionConstants) constants;
    ADDRESS(F32) query;       // in  [row][query_stride]
    ADDRESS(F32) mean_keys;   // in  [sequences][kv_heads][ceil(capacity / stride)][padded head]
    ADDRESS(F32) mean_values; // in  likewise
    ADDRESS(F32Out) result;   // out [row][heads][head size]; without a mean to look at 0
    ADDRESS(F32Out) copy;     // out likewise: the queries
    ADDRESS(U32Out)
    choices;                // out [row][heads][COMPRESSED_TOP], at the end CHOOSE_NOTHING
    ADDRESS(U32) positions; // in  [tokens]: rows are tokens
    ADDRESS(U32) sequences; // in  [tokens]
    uint row_count;
    uint capacity, sequence_count;
    uint first_token; // without positions
};
PUSH(attend_compressed_push)

#endif
