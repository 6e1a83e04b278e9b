// moe.h - a MoE layer: a router, experts up, experts down. Gate and up are one set, or, where their
// dtypes or the orders of their columns differ, two, and act() is a dispatch more. How it is run:
// plan.h, record.h.
#ifndef VKMOE_MOE_OBJECT_H
#define VKMOE_MOE_OBJECT_H

#include "base/limits.h"
#include "moe/latent_experts.h"
#include "moe/pairs.h"
#include "moe/router.h"
#include "vkmoe/moe.h"

#define MAX_TOKENS 65536

// That a forward of `tokens` may be.
enum vkmoe_status vkmoe_tokens_check(const struct caller *caller, uint32_t tokens);

struct vkmoe_moe {
    vkmoe_device *device;
    struct vkmoe_moe_params params; // without views, defaults filled in
    struct router router;
    struct experts gate; // apart: of another dtype or order than up; else zeroed, and up has it
    struct experts up, down;
    bool one_class;               // see struct sorted_products
    vkmoe_buffer *output_bias;    // f32 [hidden], or NULL
    struct latent_experts latent; // zeroed: there is none
    bool is_parted;               // attention stands between up and down: h is f32
};

static inline bool has_latent(const struct vkmoe_moe_params *params)
{
    return params->latent.size > 0;
}

// Of what routed experts see, and of what they make.
static inline uint32_t experts_width(const struct vkmoe_moe_params *params)
{
    return has_latent(params) ? params->latent.size : params->hidden;
}

// Of the shared expert, where it is one with the others; 0: it is not, or there is none.
static inline uint32_t shared_beside_routed(const struct vkmoe_moe_params *params)
{
    return has_latent(params) ? 0 : params->shared.inner;
}

static inline bool gate_is_apart(const struct vkmoe_moe *moe)
{
    return moe->gate.count > 0;
}

// Whether what the routed experts multiply has to be brought into an order, in one of the products
// at least; and the shared one.
static inline bool has_order(const struct vkmoe_moe *moe)
{
    return moe->gate.order || moe->up.order || moe->down.order;
}

static inline bool shared_has_order(const struct vkmoe_moe *moe)
{
    return moe->gate.shared.order || moe->up.shared.order || moe->down.shared.order;
}

// What these are made from, as the caller has it; no experts: gate is not apart.
struct router_source vkmoe_moe_router(const struct vkmoe_moe_params *params);
struct experts_source vkmoe_moe_gate(const struct vkmoe_moe_params *params);
struct experts_source vkmoe_moe_up(const struct vkmoe_moe_params *params);
struct experts_source vkmoe_moe_down(const struct vkmoe_moe_params *params);

// vkmoe_moe_create() as a part of another loading. *out is left alone on failure.
enum vkmoe_status vkmoe_moe_load(
    struct loading *loading, const struct vkmoe_moe_params *params, vkmoe_moe **out);

// The bytes of its matrices, as they count in struct loading.
uint64_t vkmoe_moe_load_size(const struct vkmoe_moe_params *params);

// check.c: INVALID, with the field's name in the log, if a rule is broken.
enum vkmoe_status vkmoe_moe_check(
    const struct caller *caller, const struct vkmoe_moe_params *params);

// A limit that counts over sequences, and where a forward's tokens stand in them: as struct
// vkmoe_attention_forward_params has it.
struct sequence_limit {
    const struct choice_history *history;
    struct vkmoe_span positions, sequences;
};

// plan.c: whether the norms before and after the layer can be folded into it with so many tokens.
bool vkmoe_moe_folds(const vkmoe_moe *moe, uint32_t tokens);

// forward.c: vkmoe_moe_forward() for one who made what `params` has himself: nothing of it is
// checked. `limit` may be NULL; otherwise the layer has no capacity of its own. `folding` may be
// NULL; otherwise y is added to.
enum vkmoe_status vkmoe_moe_record(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *params,
    const struct sequence_limit *limit, const struct folding *folding);

#endif
