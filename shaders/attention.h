// attention.h - what is the same in all passes of an attention: its kernels have the address of
// these constants among their push constants.
#ifndef ATTENTION_H
#define ATTENTION_H

#include "shared.h"

struct attention_constants {
    ADDRESS(U32) patterns;      // [experts][PATTERN_WORDS], then lists: see pattern.h
    ADDRESS(F32) sinks;         // [heads] logits
    ADDRESS(F32) position_bias; // [heads][2 * reach + 1]
    ADDRESS(F32) query_norm;    // [head size] or [all heads]
    ADDRESS(F32) key_norm;
    uint heads, kv_heads; // kv heads of a cache
    uint experts, experts_per_token;
    uint query_stride; // floats between the beginnings of two rows of queries
    uint kv_stride;    // the same of fresh keys, and of fresh values
};
BUFFER(AttentionConstants, attention_constants)

#endif
