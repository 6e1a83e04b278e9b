// mix.c - see mix.h.
#include "moe/mix.h"

#include "base/common.h"
#include "base/try.h"

#include <stdio.h>

static enum vkmoe_status create(struct loading *loading, const struct router_source *router,
    const struct experts_source *experts, const struct vkmoe_view *bias, struct mix *out)
{
    TRY_RETURN(vkmoe_router_check(&loading->caller, router));
    TRY_RETURN(vkmoe_experts_check(&loading->caller, experts));
    TRY_RETURN(vkmoe_router_create(loading, router, &out->router));
    TRY_RETURN(vkmoe_experts_create(loading, experts, &out->experts));
    return vkmoe_vector_upload(loading->device, bias, experts->rows, 1, &out->bias);
}

enum vkmoe_status vkmoe_mix_create(struct loading *loading, enum mix_side side,
    const struct vkmoe_head_experts *experts, uint32_t heads, uint32_t hidden, uint32_t rows,
    uint32_t columns, const struct vkmoe_view *bias, struct mix *out)
{
    struct vkmoe_router_params params = experts->router;
    params.groups.count = heads;
    params.groups.mode = VKMOE_GROUP_MODE_EACH;
    const struct router_source router = {
        .params = &params,
        .hidden = hidden,
        .experts = heads * experts->experts,
        .experts_per_token = heads * experts->experts_per_token,
    };
    const struct experts_source source = {
        .name = "matrices",
        .weights = experts->matrices,
        .count = router.experts,
        .rows = rows,
        .columns = columns,
    };
    *out = (struct mix){ .side = side, .heads = heads, .choices = experts->experts_per_token };
    const struct caller caller = loading->caller;
    char name[96];
    snprintf(name, sizeof name, "%s: %s", caller.function,
        side == MIX_VALUES ? "value.experts" : "output.experts");
    loading->caller.function = name;
    enum vkmoe_status status = create(loading, &router, &source, bias, out);
    loading->caller = caller;
    status = vkmoe_loading_finish(loading, status);
    if (status != VKMOE_OK)
        vkmoe_mix_destroy(out);
    return status;
}

void vkmoe_mix_destroy(struct mix *mix)
{
    vkmoe_router_destroy(&mix->router);
    vkmoe_experts_destroy(&mix->experts);
    vkmoe_buffer_destroy(&mix->bias);
}

uint64_t vkmoe_mix_size(const struct mix *mix)
{
    return vkmoe_router_size(&mix->router) + vkmoe_experts_size(&mix->experts)
        + vkmoe_buffer_taken(mix->bias);
}

// The gate's logits and ids die before the products are born.
struct mix_plan vkmoe_mix_plan(const struct mix *mix, uint32_t tokens, uint64_t begin)
{
    const struct router *r = &mix->router;
    const uint32_t pairs = tokens * r->experts_per_token;
    struct mix_plan plan = { .size = begin };
    plan.weights = vkmoe_scratch_take(&plan.size, (uint64_t)pairs * 4);
    plan.sorted = vkmoe_pairs_plan(
        &plan.size, &(struct sorted_products){ .up = &mix->experts }, tokens, r->experts_per_token);
    uint64_t early = plan.size;
    plan.logits = vkmoe_scratch_take(&early, (uint64_t)tokens * r->experts * 4);
    plan.ids = vkmoe_scratch_take(&early, (uint64_t)pairs * 4);
    plan.products = vkmoe_scratch_take(&plan.size, (uint64_t)pairs * mix->experts.rows * 4);
    plan.size = MAX(plan.size, early);
    return plan;
}

uint32_t vkmoe_mix_max_tokens(const struct mix *mix)
{
    const uint32_t k = mix->router.experts_per_token;
    return MIN(
        PASS_MAX_PAIRS / k, PASS_MAX_ELEMENTS / MAX(k * mix->experts.rows, mix->router.hidden));
}

enum vkmoe_status vkmoe_mix_record(vkmoe_stream *stream, const struct mix *mix,
    const struct mix_plan *plan, const vkmoe_buffer *scratch, const struct mix_operands *o)
{
    const struct experts *experts = &mix->experts;
    const uint64_t address = vkmoe_buffer_address(scratch);
    const bool by_head = mix->side == MIX_VALUES;
    const struct pairs pairs = {
        .ids = address + plan->ids,
        .weights = address + plan->weights,
        .tokens = o->tokens,
        .k = mix->router.experts_per_token,
    };
    TRY_RETURN(vkmoe_router_record(stream, &mix->router,
        &(struct route_operands){
            .x = o->x,
            .shared_x = o->x,
            .logits = address + plan->logits,
            .shared_weights = address + plan->weights, // none are written
            .pairs = pairs,
        }));
    TRY_RETURN(vkmoe_pairs_sort(stream,
        &(struct sort_operands){ .pairs = pairs, .products.up = experts }, &plan->sorted, scratch));
    TRY_RETURN(vkmoe_experts_gemm_pairs(stream, experts, &pairs, &plan->sorted, scratch, o->source,
        by_head ? pairs.k : mix->choices, address + plan->products));
    return vkmoe_pairs_combine(stream, experts->device, &experts->shapes,
        &(struct combine_operands){
            .outputs = address + plan->products,
            .weights = pairs.weights,
            .output_bias = mix->bias,
            .y = o->result,
            .tokens = by_head ? o->tokens * mix->heads : o->tokens,
            .k = by_head ? mix->choices : pairs.k,
            .columns = experts->rows,
        });
}
