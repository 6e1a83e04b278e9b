// plan.c - the scratch that a layer takes.
#include "moe/pass.h"

#include "base/common.h"

#include "shaders/decode.h"
#include "shaders/plan.h"

static uint32_t max_tiles(const vkmoe_moe *moe, uint32_t tokens, uint32_t tile_rows)
{
    const uint32_t pairs = tokens * moe->params.experts_per_token;
    const uint32_t shared = moe->params.shared_inner ? div_up(tokens, tile_rows) : 0;
    return pairs / tile_rows + MIN(moe->params.experts, pairs) + shared;
}

// Logits of a token.
static uint32_t logits(const vkmoe_moe *moe)
{
    return moe->params.experts + (moe->leveled ? 2 : 0);
}

struct scratch vkmoe_scratch_plan(
    const vkmoe_moe *moe, uint32_t tokens, bool decode, uint32_t tile_rows)
{
    const struct vkmoe_moe_params *p = &moe->params;
    const uint64_t pairs = (uint64_t)tokens * p->experts_per_token;
    const uint64_t logits_size = (uint64_t)tokens * logits(moe) * 4, ids_size = pairs * 4;
    struct scratch s = { 0 };
    s.weights = scratch_take(&s.size, pairs * 4);
    s.shared_weights = scratch_take(&s.size, moe->shared_weighted ? (uint64_t)tokens * 4 : 0);
    const uint64_t h_size = pairs * moe->inner_columns * 4;
    const uint64_t shared_h_size = (uint64_t)tokens * moe->shared_inner_columns * 4;
    if (decode) {
        s.logits = scratch_take(&s.size, logits_size);
        s.ids = scratch_take(&s.size, ids_size);
        s.h = scratch_take(&s.size, h_size);
        s.shared_h = scratch_take(&s.size, shared_h_size);
        return s;
    }
    s.rows = scratch_take(&s.size, pairs * 4);
    s.counts = scratch_take(&s.size, (uint64_t)p->experts * 8);
    s.plan =
        scratch_take(&s.size, 4 * (PLAN_SIZE + 2 * (uint64_t)max_tiles(moe, tokens, tile_rows)));
    uint64_t early = s.size, late = s.size;
    s.logits = scratch_take(&early, logits_size);
    s.ids = scratch_take(&early, ids_size);
    s.h = scratch_take(&late, h_size);
    // The shared expert's h waits where the routed outputs will be.
    s.shared_h = s.outputs = scratch_take(&late, MAX(pairs * p->hidden * 4, shared_h_size));
    s.size = MAX(early, late);
    return s;
}

// The bound that vkmoe.h promises.
static uint64_t scratch_bound(const vkmoe_moe *moe, uint32_t tokens)
{
    const struct vkmoe_moe_params *p = &moe->params;
    const uint64_t per_pair = ((uint64_t)p->inner + p->hidden) * 4;
    const uint64_t outputs = (uint64_t)p->experts_per_token * p->hidden;
    const uint64_t excess = p->shared_inner > outputs ? (p->shared_inner - outputs) * 4 : 0;
    return tokens * (p->experts_per_token * per_pair + (uint64_t)logits(moe) * 4 + excess)
        + SCRATCH_SLACK;
}

bool vkmoe_moe_may_decode(const vkmoe_moe *moe, uint32_t tokens)
{
    const struct vkmoe_moe_params *p = &moe->params;
    const bool may_drop = p->router.capacity > 0 && p->router.capacity < tokens;
    return !may_drop
        && (tokens == 1
            || (tokens <= vkmoe_shapes_choose(moe->device, moe->dtype).decode_tokens
                && tokens * p->experts_per_token <= DECODE_MAX_PAIRS));
}

uint32_t vkmoe_moe_pass_tokens(const vkmoe_moe *moe, uint32_t tokens, uint32_t tile_rows)
{
    const struct vkmoe_moe_params *p = &moe->params;
    const uint64_t widest = MAX(moe->inner_columns, p->hidden);
    const uint64_t per_token = MAX(MAX(widest * p->experts_per_token, logits(moe)),
        MAX(moe->shared_inner_columns, p->router_hidden));
    uint64_t most = MIN(PASS_MAX_PAIRS / p->experts_per_token, PASS_MAX_ELEMENTS / per_token);
    most = MAX(MIN(most, tokens), 1);
    while (most > 1
        && vkmoe_scratch_plan(moe, (uint32_t)most, false, tile_rows).size
            > scratch_bound(moe, tokens))
        most = (most + 1) / 2;
    return (uint32_t)most;
}

uint64_t vkmoe_moe_scratch_size(const vkmoe_moe *moe, uint32_t tokens)
{
    if (!moe || tokens == 0)
        return 0;
    const uint32_t tile_rows = vkmoe_shapes_choose(moe->device, moe->dtype).gemm_rows;
    if (vkmoe_moe_may_decode(moe, tokens))
        return vkmoe_scratch_plan(moe, tokens, true, tile_rows).size;
    // A last, shorter pass of few tokens needs less.
    return vkmoe_scratch_plan(moe, vkmoe_moe_pass_tokens(moe, tokens, tile_rows), false, tile_rows)
        .size;
}
