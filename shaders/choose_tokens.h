// choose_tokens.h - which tokens of a sequence each head takes (MoSA, arXiv 2505.00315): those with
// the largest logits, the lower one of equals. All pairs of a token and a head are written, those
// that were not chosen as dropped. One workgroup per sequence and head.
//
// Chosen pairs are rows of queries once they are sorted by head: `places` and `lines` say where
// each row stands among those of its sequence and head, and which of these it belongs to.
#ifndef CHOOSE_TOKENS_H
#define CHOOSE_TOKENS_H

#include "shared.h"

SPEC(0, TOKENS_LANES, 64)
SPEC(1, TOKENS_FIRST, 0) // 1: the first token of each sequence is every head's

struct choose_tokens_push {
    ADDRESS(F32) logits;     // in  [tokens][heads]
    ADDRESS(U32Out) ids;     // out i32 [tokens][heads]: slot h is head h
    ADDRESS(F32Out) weights; // out [tokens][heads]: sigmoid(logit); -0.0: dropped
    ADDRESS(U32Out) places;  // out [heads][sequences][chosen]: 0 to chosen - 1
    ADDRESS(U32Out) lines;   // out likewise: head * sequences + sequence
    uint sequences, sequence_tokens, heads;
    uint chosen; // tokens that a head takes of a sequence, at most all
};
PUSH(choose_tokens_push)

#endif
