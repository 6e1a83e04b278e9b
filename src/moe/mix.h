// mix.h - a projection for which each head has experts of its own and mixes what k of them
// make (SwitchHead, arXiv 2312.07987). The gate is one for all heads; pairs of token and
// choice are sorted by expert as those of a layer are.
#ifndef VKMOE_MIX_H
#define VKMOE_MIX_H

#include "moe/pass.h"

// Which side of the projection has the heads.
enum mix_side {
    MIX_VALUES,  // one row a token in, one row a head out
    MIX_OUTPUTS, // one row a head in, the sum over all heads out
};

struct mix {
    enum mix_side side;
    vkmoe_moe *moe;     // the gate, and the experts' matrices as its up
    vkmoe_buffer *bias; // f32 [rows] added to the sum, or NULL
    uint32_t heads;
    uint32_t choices; // k, of one head
};

// From matrices [rows][columns]; `bias` may be absent.
enum vkmoe_status vkmoe_mix_create(struct loading *loading, enum mix_side side,
    const struct vkmoe_head_experts *experts, uint32_t heads, uint32_t hidden, uint32_t rows,
    uint32_t columns, const struct vkmoe_view *bias, struct mix *out);
void vkmoe_mix_destroy(struct mix *mix);
uint64_t vkmoe_mix_size(const struct mix *mix);

static inline bool is_mix(const struct mix *mix)
{
    return mix->moe != NULL;
}

// The most tokens that vkmoe_mix_record() may get, and the scratch it needs for `tokens`.
uint32_t vkmoe_mix_max_tokens(const struct mix *mix);
uint64_t vkmoe_mix_scratch_size(const struct mix *mix, uint32_t tokens);

// x f32 [tokens][hidden], what the gate sees; source f32 [tokens][columns], for MIX_OUTPUTS
// [tokens][heads][columns]; result f32 [tokens][heads][rows], for MIX_OUTPUTS [tokens][rows].
// Device addresses; `scratch` is where in the buffer its scratch begins. Behind barriers.
enum vkmoe_status vkmoe_mix_record(vkmoe_stream *stream, const struct mix *mix,
    const vkmoe_buffer *buffer, uint64_t scratch, uint64_t x, uint64_t source, uint64_t result,
    uint32_t tokens);

#endif
