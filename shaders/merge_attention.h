// merge_attention.h - adds up what the splits of attend left: one workgroup per row and head.
#ifndef MERGE_ATTENTION_H
#define MERGE_ATTENTION_H

#include "attention.h"

SPEC(0, MERGE_LANES, 64)
SPEC(1, MERGE_HEAD_SIZE, 64)
SPEC(2, MERGE_SINK_LOGITS, 0)
SPEC(3, MERGE_VALUE_SIZE, 0) // what of a head's result there is, at its start; 0: all of it

struct merge_attention_push {
    ADDRESS(AttentionConstants) constants;
    ADDRESS(F32) partials;  // in  [row][heads][splits][2 + value size]: maximum, sum, values
    ADDRESS(F32Out) result; // out [row][query_stride]
    uint rows, splits;
};
PUSH(merge_attention_push)

#endif
