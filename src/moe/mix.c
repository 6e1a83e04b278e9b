// mix.c - see mix.h.
#include "moe/mix.h"

#include "base/common.h"

#include "shaders/combine.h"
#include "shaders/plan.h"

#include <stdio.h>

enum vkmoe_status vkmoe_mix_create(struct loading *loading, enum mix_side side,
    const struct vkmoe_head_experts *experts, uint32_t heads, uint32_t hidden, uint32_t rows,
    uint32_t columns, const struct vkmoe_view *bias, struct mix *out)
{
    struct vkmoe_moe_params params = {
        .hidden = columns,
        .router_hidden = hidden,
        .inner = rows,
        .experts = heads * experts->experts,
        .experts_per_token = heads * experts->experts_per_token,
        .router = experts->router,
        .activation = VKMOE_ACTIVATION_IDENTITY,
        .up = experts->matrices,
    };
    params.router.groups = heads;
    params.router.each_group = true;
    *out = (struct mix){ .side = side, .heads = heads, .choices = experts->experts_per_token };
    const struct caller caller = loading->caller;
    char name[96];
    snprintf(name, sizeof name, "%s: %s", caller.function,
        side == MIX_VALUES ? "value_experts" : "output_experts");
    loading->caller.function = name;
    enum vkmoe_status status = vkmoe_moe_load(loading, &params, &out->moe);
    loading->caller = caller;
    if (status == VKMOE_OK)
        status = vkmoe_vector_upload(loading->device, bias, rows, 1, &out->bias);
    if (status != VKMOE_OK)
        vkmoe_mix_destroy(out);
    return status;
}

void vkmoe_mix_destroy(struct mix *mix)
{
    vkmoe_moe_destroy(&mix->moe);
    vkmoe_buffer_destroy(&mix->bias);
}

uint64_t vkmoe_mix_size(const struct mix *mix)
{
    if (!is_mix(mix))
        return 0;
    return vkmoe_moe_device_size(mix->moe) + vkmoe_buffer_taken(mix->bias);
}

// ------------------------------------------------------------------------ scratch

// The gate's logits and ids die before the products are born.
static struct scratch plan(const struct mix *mix, uint32_t tokens, uint32_t tile_rows)
{
    const struct vkmoe_moe_params *p = &mix->moe->params;
    const uint64_t pairs = (uint64_t)tokens * p->experts_per_token;
    const uint64_t tiles = pairs / tile_rows + MIN(p->experts, pairs);
    struct scratch s = { 0 };
    s.weights = scratch_take(&s.size, pairs * 4);
    s.rows = scratch_take(&s.size, pairs * 4);
    s.counts = scratch_take(&s.size, (uint64_t)p->experts * 8);
    s.plan = scratch_take(&s.size, 4 * (PLAN_SIZE + 2 * tiles));
    uint64_t early = s.size;
    s.logits = scratch_take(&early, (uint64_t)tokens * p->experts * 4);
    s.ids = scratch_take(&early, pairs * 4);
    s.h = scratch_take(&s.size, pairs * p->inner * 4);
    s.size = MAX(s.size, early);
    return s;
}

uint32_t vkmoe_mix_max_tokens(const struct mix *mix)
{
    const struct vkmoe_moe_params *p = &mix->moe->params;
    const uint32_t k = p->experts_per_token;
    return MIN(PASS_MAX_PAIRS / k, PASS_MAX_ELEMENTS / MAX(k * p->inner, p->router_hidden));
}

uint64_t vkmoe_mix_scratch_size(const struct mix *mix, uint32_t tokens)
{
    const struct shapes shapes = vkmoe_shapes_choose(mix->moe->device, mix->moe->dtype);
    return plan(mix, tokens, shapes.gemm_rows).size;
}

// ------------------------------------------------------------------------- record

// result = the weighted sums of products, and of outputs the bias.
static enum vkmoe_status combine(const struct pass *pass, const struct mix *mix, uint64_t result)
{
    const uint32_t run_length = 4;
    const bool by_head = mix->side == MIX_VALUES;
    const struct combine_push push = {
        .outputs = scratch_address(pass, pass->at.h),
        .weights = pass->weights,
        .shared_weights = vkmoe_device_dummy_address(pass->device),
        .output_bias = address_or_dummy(pass->device, mix->bias),
        .y = result,
        .tokens = by_head ? pass->tokens * mix->heads : pass->tokens,
        .k = by_head ? mix->choices : mix->heads * mix->choices,
        .columns = mix->moe->params.inner,
        .runs = div_up(mix->moe->params.inner, run_length),
    };
    struct dispatch d = {
        .kernel = KERNEL_combine,
        .spec = {
            [COMBINE_LANES] = pass->shapes.combine_lanes,
            [COMBINE_OUTPUT_BIAS] = mix->bias != NULL,
            [COMBINE_RUN] = run_length,
        },
        .push = &push,
        .groups = div_up(push.tokens * push.runs, pass->shapes.combine_lanes),
    };
    return vkmoe_pass_run(pass, &d);
}

enum vkmoe_status vkmoe_mix_record(vkmoe_stream *stream, const struct mix *mix,
    const vkmoe_buffer *buffer, uint64_t scratch, uint64_t x, uint64_t source, uint64_t result,
    uint32_t tokens)
{
    const vkmoe_moe *moe = mix->moe;
    struct pass pass = {
        .stream = stream,
        .moe = moe,
        .device = moe->device,
        .shapes = vkmoe_shapes_choose(moe->device, moe->dtype),
        .scratch = buffer,
        .tokens = tokens,
        .sequence_tokens = tokens,
        .x = source,
        .router_x = x,
        .source_pairs = mix->side == MIX_VALUES ? 0 : mix->choices,
        .to_pairs = true,
    };
    pass.at = plan(mix, tokens, pass.shapes.gemm_rows);
    uint64_t *const offsets[] = { &pass.at.weights, &pass.at.rows, &pass.at.counts, &pass.at.plan,
        &pass.at.logits, &pass.at.ids, &pass.at.h };
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
        *offsets[i] += scratch;
    pass.ids = scratch_address(&pass, pass.at.ids);
    pass.weights = scratch_address(&pass, pass.at.weights);
    enum vkmoe_status status = vkmoe_pass_route(&pass);
    if (status == VKMOE_OK)
        status = vkmoe_pass_group_tokens(&pass);
    if (status == VKMOE_OK)
        status = vkmoe_pass_experts_up(&pass);
    return status == VKMOE_OK ? combine(&pass, mix, result) : status;
}
