// plan.h - how a layer goes about a number of tokens: decided once, for the size of its scratch
// and for recording alike.
#ifndef VKMOE_MOE_PLAN_H
#define VKMOE_MOE_PLAN_H

#include "moe/moe.h"

struct moe_plan {
    bool few;        // the decode kernels, in one pass
    bool half;       // h is f16, see struct up_operands
    bool tight;      // rows of pairs that are not dropped follow each other without gaps
    uint32_t tokens; // of a pass; 0: a sequence with a capacity needs more than one
    // Where things lie in scratch: byte offsets. Logits and ids die when the pairs are sorted, and
    // share memory with h and the outputs, which are born later.
    uint64_t logits, ids, weights, shared_weights;
    uint64_t gate, shared_gate; // where gate is apart: its products, which h and shared_h join
    uint64_t h, shared_h, outputs;
    // What experts, and the shared one, multiply, if it is first brought into an order (order.h).
    uint64_t ordered, shared_ordered;
    struct sorted_pairs sorted; // unless few
    struct latent_experts_plan latent;
    uint64_t size;
};

// Up to how many tokens are few. Sorted, lanes that own columns read weights of 16 bits once for
// two tokens of an expert, which the decode kernels do not on CPUs.
uint32_t vkmoe_moe_few_tokens(const vkmoe_moe *moe);

// What the pairs of a layer are multiplied by.
struct sorted_products vkmoe_moe_products(const vkmoe_moe *moe);

// For `tokens` in all, at least 1; with a capacity, sequences of `sequence_tokens` stay whole.
struct moe_plan vkmoe_moe_plan(const vkmoe_moe *moe, uint32_t tokens, uint32_t sequence_tokens);

// The same with passes of at most `tokens`, unless they are few.
struct moe_plan vkmoe_moe_plan_cut(
    const vkmoe_moe *moe, const struct moe_plan *plan, uint32_t tokens);

// For all tokens in one pass, sorted without gaps, however few they are.
struct moe_plan vkmoe_moe_plan_sorted(const vkmoe_moe *moe, uint32_t tokens);

#endif
