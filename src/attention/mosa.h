// mosa.h - mixture of sparse attention (struct vkmoe_mosa): each head chooses its tokens, and what
// it chose of a sequence is a short sequence of its own, over which it is dense and causal. An
// expert is a head. All tokens of a forward are one pass, and nothing outlasts it.
//
//     x -> router -> choose_tokens -> group_tokens -> experts_gemm: queries, keys, values of
//     chosen pairs -> store_kv -> attend [-> merge] -> experts_gemm down -> combine
#ifndef VKMOE_MOSA_H
#define VKMOE_MOSA_H

#include "weights/linear.h"

struct mosa {
    struct experts router;       // one matrix, [heads][hidden]
    struct experts keys, values; // a matrix for each head
};

// Byte offsets in scratch, each with room for all pairs of a token and a head.
struct mosa_plan {
    uint64_t logits;        // [tokens][heads]
    uint64_t places, lines; // of rows: see shaders/choose_tokens.h
    uint64_t keys, values;  // [row][padded head size], as a cache has them
};

struct attention_plan;

// All matrices but the queries' and the output's, which are the experts'. What there is on failure
// is the attention's to destroy.
enum vkmoe_status vkmoe_mosa_create(
    vkmoe_attention *attention, const struct vkmoe_attention_params *params);
void vkmoe_mosa_destroy(struct mosa *mosa);

// INVALID if a rule of struct vkmoe_mosa is broken; nothing is checked if there is none.
enum vkmoe_status vkmoe_mosa_check(
    const struct caller *caller, const struct vkmoe_attention_params *params);

// Of the router, as it counts in struct loading; and of all matrices, on the device.
uint64_t vkmoe_mosa_load_size(const struct vkmoe_attention_params *params);
uint64_t vkmoe_mosa_size(const struct mosa *mosa);

// All of it, however the tokens are cut into sequences, but the shape of attend.
struct attention_plan vkmoe_mosa_plan(const vkmoe_attention *attention, uint32_t tokens);

// A whole forward, of which there is at least one token.
enum vkmoe_status vkmoe_mosa_forward(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *attention, const vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *params);

#endif
