// plan.h - how an attention goes about a number of tokens: decided once, for the size of its
// scratch and for recording alike.
#ifndef VKMOE_ATTENTION_PLAN_H
#define VKMOE_ATTENTION_PLAN_H

#include "attention/attention.h"
#include "device/variants.h"
#include "moe/plan.h"
#include "shaders/shared.h"

// How attend cuts its work.
struct attend_shape {
    const struct variant *variant;
    bool merges;    // its splits: the last one to end adds up what all left
    uint32_t rows;  // of queries a workgroup
    uint32_t heads; // that share a kv head, a workgroup
    uint32_t splits;
    uint32_t loads; // that a lane has under way, of splits that merge
};

struct attention_plan {
    uint32_t tokens; // of a pass; the last one may have fewer
    enum row_mode mode;
    uint32_t rows_a_token;
    bool finishes;                                 // projections: no store_kv is needed
    uint32_t tile_rows;                            // of sorted rows: the largest tile
    struct attend_shape shape, last;               // of all passes but the last, and of that
    struct attend_shape window_shape, window_last; // nsa: likewise, of the window's branch
    struct moe_plan moe;                           // routed: of the experts' projections
    struct mix_plan value_mix, output_mix;
    struct latent_plan latent;
    struct nsa_plan nsa;
    struct mosa_plan mosa;
    // Where things lie in scratch: byte offsets.
    uint64_t query, key, value; // of this pass's tokens
    uint64_t partials, rotations, choices;
    uint64_t gates;   // f32 [tokens][rows of the gate], logits
    bool has_parts;   // of projections (weights/experts.h), where partials lie
    uint64_t ordered; // what a projection multiplies, if it is brought into an order (order.h)
    uint64_t size;
};

// For `tokens` in all, at least 1, in so many sequences that hold at most `longest`.
struct attention_plan vkmoe_attention_plan(
    const vkmoe_attention *attention, uint32_t tokens, uint32_t sequences, uint32_t longest);

// What is attended to: of so many sequences.
struct attended {
    const struct pattern_set *patterns;
    uint32_t sequences, longest;
};

// How so many rows of queries attend.
struct attend_shape vkmoe_attend_shape(
    const vkmoe_attention *attention, enum row_mode mode, const struct attended *to, uint32_t rows);

// Of a workgroup of attend, whose patterns pick blocks by so many words of bits.
uint32_t vkmoe_attend_lanes(
    const vkmoe_device *device, const struct attend_shape *shape, uint32_t picked_words);

#endif
