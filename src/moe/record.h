// record.h - one pass of a layer over some tokens. Attention runs the two halves around its own.
#ifndef VKMOE_MOE_RECORD_H
#define VKMOE_MOE_RECORD_H

#include "moe/plan.h"

// Addresses of this pass's rows.
struct moe_pass {
    vkmoe_stream *stream;
    const vkmoe_moe *moe;
    struct moe_plan plan;
    const vkmoe_buffer *scratch;
    struct pairs pairs;            // the caller's, or in scratch
    uint32_t sequence_tokens;      // with a capacity
    uint64_t x, router_x;          // f32 [tokens][hidden], [tokens][router_hidden]
    uint64_t y;                    // f32 [tokens][hidden]
    const struct folding *folding; // few tokens; NULL: none
};

static inline uint64_t scratch_address(const struct moe_pass *pass, uint64_t offset)
{
    return vkmoe_buffer_address(pass->scratch) + offset;
}

// The choice of experts.
enum vkmoe_status vkmoe_moe_record_route(const struct moe_pass *pass);

// x to h: by pair if the plan is for few, otherwise sorted by expert.
enum vkmoe_status vkmoe_moe_record_up(const struct moe_pass *pass);

// h to y.
enum vkmoe_status vkmoe_moe_record_down(const struct moe_pass *pass);

#endif
