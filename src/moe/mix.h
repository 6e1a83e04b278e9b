// mix.h - a projection for which each head has experts of its own and mixes what k of them
// make (SwitchHead, arXiv 2312.07987). The gate is one for all heads; pairs of token and
// choice are sorted by expert as those of a layer are.
#ifndef VKMOE_MIX_H
#define VKMOE_MIX_H

#include "moe/pairs.h"
#include "moe/router.h"
#include "vkmoe/moe.h"

// Which side of the projection has the heads.
enum mix_side {
    MIX_VALUES,  // one row a token in, one row a head out
    MIX_OUTPUTS, // one row a head in, the sum over all heads out
};

struct mix {
    enum mix_side side;
    struct router router;
    struct experts experts; // none: there is no such projection
    vkmoe_buffer *bias;     // f32 [rows] added to the sum, or NULL
    uint32_t heads;
    uint32_t choices; // k, of one head
};

// From matrices [rows][columns]; `bias` may be absent. Nothing is left on failure.
enum vkmoe_status vkmoe_mix_create(struct loading *loading, enum mix_side side,
    const struct vkmoe_head_experts *experts, uint32_t heads, uint32_t hidden, uint32_t rows,
    uint32_t columns, const struct vkmoe_view *bias, struct mix *out);
void vkmoe_mix_destroy(struct mix *mix);
uint64_t vkmoe_mix_size(const struct mix *mix);

static inline bool is_mix(const struct mix *mix)
{
    return mix->experts.count > 0;
}

// Where things lie in scratch: byte offsets.
struct mix_plan {
    uint64_t logits, ids, weights, products;
    struct sorted_pairs sorted;
    uint64_t size; // where it ends
};

// For `tokens`, at most as many as the mix can take at once, in scratch from `begin` on.
struct mix_plan vkmoe_mix_plan(const struct mix *mix, uint32_t tokens, uint64_t begin);
uint32_t vkmoe_mix_max_tokens(const struct mix *mix);

// Device addresses.
struct mix_operands {
    uint64_t x;      // f32 [tokens][hidden], what the gate sees
    uint64_t source; // f32 [tokens][columns]; MIX_OUTPUTS: [tokens][heads][columns]
    uint64_t result; // f32 [tokens][heads][rows]; MIX_OUTPUTS: [tokens][rows]
    uint32_t tokens;
};

// Some dispatches, after barriers.
enum vkmoe_status vkmoe_mix_record(vkmoe_stream *stream, const struct mix *mix,
    const struct mix_plan *plan, const vkmoe_buffer *scratch, const struct mix_operands *operands);

#endif
