// router.h - the gate: which experts a token goes to, and with what weights.
#ifndef VKMOE_ROUTER_H
#define VKMOE_ROUTER_H

#include "base/limits.h"
#include "weights/experts.h"
#include "vkmoe/moe.h"

struct router {
    vkmoe_device *device;
    struct shapes shapes;
    struct vkmoe_router_params params; // defaults filled in
    uint32_t hidden, experts, experts_per_token;
    bool weighs_shared;    // has a row for the weight of the shared expert
    bool leveled;          // has levels
    struct matrix matrix;  // f32: experts, then the shared expert's row, then the levels
    vkmoe_buffer *vectors; // f32 [3][experts]: bias, correction bias, expert scale
};

struct router_source {
    const struct vkmoe_router_params *params;
    const struct vkmoe_view *shared_gate; // [hidden]; NULL or without data: none
    uint32_t hidden, experts, experts_per_token;
};

// Whether there is anything to run: otherwise ids and weights are the caller's.
static inline bool has_router(const struct vkmoe_router_params *params)
{
    return params->select != VKMOE_SELECT_SUPPLIED_WEIGHTED;
}

// INVALID, with the field's name in the log, if a rule of struct vkmoe_router_params is broken.
enum vkmoe_status vkmoe_router_check(
    const struct caller *caller, const struct router_source *source);

// As those of experts.h.
uint64_t vkmoe_router_load_size(const struct router_source *source);
enum vkmoe_status vkmoe_router_create(
    struct loading *loading, const struct router_source *source, struct router *out);
void vkmoe_router_destroy(struct router *router);
uint64_t vkmoe_router_size(const struct router *router);

// Logits of a token in scratch.
uint32_t vkmoe_router_logits(const struct router *router);

struct route_operands {
    uint64_t x;                     // [tokens][hidden]
    uint64_t shared_x;              // what the shared expert's row sees, of the same shape
    uint64_t logits;                // scratch [tokens][logits]
    uint64_t shared_weights;        // out [tokens], if there is such a row
    struct pairs pairs;             // out; ids in if they are supplied
    const struct folded_norm *norm; // NULL: none
};

// Whether a norm can be folded into it.
bool vkmoe_router_folds(const struct router *router);

// One dispatch after a barrier; none without a router.
enum vkmoe_status vkmoe_router_record(
    vkmoe_stream *stream, const struct router *router, const struct route_operands *operands);

#endif
