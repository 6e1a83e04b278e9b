// attend.h - softmax attention with a running maximum over the keys of each expert's
// pattern. No array of tokens x tokens exists.
//
// A workgroup makes ATTEND_ROWS rows of queries (of one expert) x ATTEND_HEADS heads that
// share a kv head. It walks over blocks of keys: as many as it has lanes, each of which owns a key
// and then columns of the values, and how they share what they have comes in two forms
// (lib/attend_shared.glsl, lib/attend_subgroup.glsl); or, on GPUs, a number that lanes own columns
// of all along (lib/attend_columns.glsl), or that matrix units multiply (lib/attend_matrix.glsl).
// Only blocks that a row of the tile can see are visited, so the cost follows the pattern.
// (Patterns that pick blocks of keys mean others, which are gone through in pieces.) With splits
// the blocks are dealt out to several workgroups, whose partial results merge_attention adds up;
// or, on GPUs, the last of those that got some.
#ifndef ATTEND_H
#define ATTEND_H

#include "attention.h"
#include "pattern.h"

SPEC(0, ATTEND_LANES, 64)
SPEC(1, ATTEND_HEAD_SIZE, 64)
SPEC(2, ATTEND_ROWS, 8)
SPEC(3, ATTEND_HEADS, 1)
SPEC(4, ATTEND_MODE, 0)     // ROWS_*
SPEC(5, ATTEND_CACHE, 0)    // CACHE_*
SPEC(6, ATTEND_TILED_KV, 0) // head h: kv head h % kv_heads, else h / (heads / kv_heads)
SPEC(7, ATTEND_SINK_LOGITS, 0)
SPEC(8, ATTEND_SPLIT, 0) // 1: leave partial results, for merge_attention
SPEC(9, ATTEND_HAS_POSITIONS, 1)
SPEC(10, ATTEND_HAS_SEQUENCES, 1)
SPEC_FLOAT(11, ATTEND_SCALE, 1.0)
SPEC_FLOAT(12, ATTEND_SOFT_CAP, 0.0) // 0: none
SPEC(13, ATTEND_EXPERT_KV_HEADS, 0)  // that one expert uses, from PATTERN_KV_HEAD on; 0: all
SPEC(14, ATTEND_BIAS_REACH, 0)       // of the position bias; 0: none
SPEC(15, ATTEND_PICKED_WORDS, 0)     // bits for all blocks of keys that patterns pick; 0: none does
SPEC(16, ATTEND_TOP, 0)              // entries of a list in `choices`
SPEC(17, ATTEND_LOADS, 4)      // under way, where lanes own columns: 4, or 1 for few registers
SPEC(18, ATTEND_MATRIX_K, 16)  // of the device's matrices, where those multiply
SPEC(19, ATTEND_VALUE_SIZE, 0) // of a value, which is the start of a row like a key's; 0: all of it

// Rows x heads, of forms without matrix units.
#define ATTEND_MOST_QUERIES 16
// Heads above this have no subgroup form: each column is written out, and LLVM takes 40 s for 256.
#define ATTEND_SUBGROUP_MAX_HEAD 128
// Keys of a block of those with them.
#define ATTEND_MATRIX_KEYS 32

struct attend_push {
    ADDRESS(AttentionConstants) constants;
    ADDRESS(F32Out) query; // in  [row][query_stride]; out, unless split: where heads begin
    ADDRESS(U32) keys;     // in  rows [sequences][kv_heads][capacity], see lib/cache.glsl
    ADDRESS(U32) values;
    ADDRESS(U32) plan;      // in  mode 1: see plan.h
    ADDRESS(U32) rows;      // in  mode 1: pairs; mode 2: expert of each pair
    ADDRESS(U32) choices;   // in  [row][heads][ATTEND_TOP]: see choose_blocks.h
    ADDRESS(U32) positions; // in  [tokens]
    ADDRESS(U32) sequences; // in  [tokens]
    ADDRESS(U32) lengths;   // in  [sequences], for patterns that look both ways
    ADDRESS(F32Out)
    partials; // out [row][heads][splits][2 + value size]: maximum, sum, values;
              // of splits that merge scratch, of (4 + value size up to a multiple
              // of 4) floats for each query of each workgroup
    ADDRESS(U32Coherent) counters; // [groups / splits], 0 before and after, where splits merge
    uint row_count;                // mode 0: tokens, mode 2: pairs
    uint capacity, sequence_count;
    uint first_token; // without positions
    uint splits;      // workgroups that share a row's keys
    uint tile_rows;   // of the plan
};
PUSH(attend_push)

#endif
