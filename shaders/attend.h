// attend.h - softmax attention with a running maximum over the keys of each expert's
// pattern. No array of tokens x tokens exists. (Patterns that pick blocks of keys mean
// others, which are gone through in pieces of ATTEND_LANES.) How lanes share what they have
// comes in two forms, see lib/attend_shared.glsl and lib/attend_subgroup.glsl.
//
// A workgroup makes ATTEND_ROWS rows of queries (of one expert) x ATTEND_HEADS heads that
// share a kv head. It walks over blocks of ATTEND_LANES keys, a lane a key; then the lanes
// turn to columns of the values. Only blocks that a row of the tile can see are visited,
// so the cost follows the pattern. With splits the blocks are dealt out to several
// workgroups, whose partial results merge_attention adds up.
#ifndef ATTEND_H
#define ATTEND_H

#include "attention.h"
#include "pattern.h"

SPEC(0, ATTEND_LANES, 64)
SPEC(1, ATTEND_HEAD_SIZE, 64)
SPEC(2, ATTEND_ROWS, 8)
SPEC(3, ATTEND_HEADS, 1)
SPEC(4, ATTEND_MODE, 0) // ROWS_*
SPEC(5, ATTEND_CACHE_F16, 0)
SPEC(6, ATTEND_TILED_KV, 0) // head h: kv head h % kv_heads, else h / (heads / kv_heads)
SPEC(7, ATTEND_SINK_LOGITS, 0)
SPEC(8, ATTEND_SPLIT, 0) // 1: write partial results
SPEC(9, ATTEND_HAS_POSITIONS, 1)
SPEC(10, ATTEND_HAS_SEQUENCES, 1)
SPEC_FLOAT(11, ATTEND_SCALE, 1.0)
SPEC_FLOAT(12, ATTEND_SOFT_CAP, 0.0) // 0: none
SPEC(13, ATTEND_EXPERT_KV_HEADS, 0)  // that one expert uses, from PATTERN_KV_HEAD on; 0: all
SPEC(14, ATTEND_BIAS_REACH, 0)       // of the position bias; 0: none
SPEC(15, ATTEND_PICKED_WORDS, 0)     // bits for all blocks of keys that patterns pick; 0: none does
SPEC(16, ATTEND_TOP, 0)              // entries of a list in `choices`

struct attend_push {
    ADDRESS(AttentionConstants) constants;
    ADDRESS(F32Out) query; // in  [row][query_stride]; out, unless split: the same places
    ADDRESS(U32) keys;     // in  [sequences][kv_heads][capacity][padded head]
    ADDRESS(U32) values;
    ADDRESS(U32) plan;        // in  mode 1: see plan.h
    ADDRESS(U32) rows;        // in  mode 1: pairs; mode 2: expert of each pair
    ADDRESS(U32) choices;     // in  [row][heads][ATTEND_TOP]: see choose_blocks.h
    ADDRESS(U32) positions;   // in  [tokens]
    ADDRESS(U32) sequences;   // in  [tokens]
    ADDRESS(U32) lengths;     // in  [sequences], for patterns that look both ways
    ADDRESS(F32Out) partials; // out [row][heads][splits][2 + head size]: maximum, sum, values
    uint row_count;           // mode 0: tokens, mode 2: pairs
    uint capacity, sequence_count;
    uint first_token; // without positions
    uint splits;      // workgroups that share a row's keys
    uint tile_rows;   // of the plan
};
PUSH(attend_push)

#endif
