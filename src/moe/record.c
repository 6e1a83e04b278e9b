// record.c - see record.h.
#include "moe/record.h"

#include "base/try.h"
#include "weights/order.h"

enum vkmoe_status vkmoe_moe_record_route(const struct moe_pass *pass)
{
    return vkmoe_router_record(pass->stream, &pass->moe->router,
        &(struct route_operands){
            .x = pass->router_x,
            .shared_x = pass->x,
            .logits = scratch_address(pass, pass->plan.logits),
            .shared_weights = scratch_address(pass, pass->plan.shared_weights),
            .pairs = pass->pairs,
            .norm = pass->folding ? &pass->folding->norm : NULL,
        });
}

// Brings x into the orders of the experts' columns, for each pair by itself, and into that of the
// shared expert; the operands are about what comes out.
static enum vkmoe_status order_inputs(
    const struct moe_pass *pass, const struct experts *experts, struct up_operands *o)
{
    const struct pairs pairs = o->pairs;
    const uint64_t x = o->x, ordered = scratch_address(pass, pass->plan.ordered);
    if (experts->shared.rows > 0) {
        o->shared_x = experts->shared.order ? scratch_address(pass, pass->plan.shared_ordered) : x;
        o->shared_tokens = pairs.tokens;
    }
    if (experts->shared.order)
        TRY_RETURN(vkmoe_reorder_record(pass->stream,
            &(struct reorder_operands){
                .orders = experts->shared.order,
                .x = x,
                .result = o->shared_x,
                .count = pairs.tokens,
                .columns = experts->shared.columns,
                .stride = experts->shared.columns,
            }));
    o->beside = false; // where the one before finds its operands, these have been written
    if (!experts->order)
        return VKMOE_OK;
    o->x = ordered;
    o->expert_tokens = pairs.tokens;
    o->pairs.tokens = pairs.tokens * pairs.k;
    o->pairs.k = 1;
    return vkmoe_reorder_record(pass->stream,
        &(struct reorder_operands){
            .orders = experts->order,
            .x = x,
            .result = ordered,
            .count = pairs.tokens * pairs.k,
            .sharing = pairs.k,
            .columns = experts->columns,
            .stride = experts->columns,
            .ids = pairs.ids,
            .experts = experts->count,
        });
}

static enum vkmoe_status record_product(const struct moe_pass *pass, const struct experts *experts,
    const struct up_operands *operands, const struct sorted_pairs *sorted)
{
    struct up_operands o = *operands;
    if (experts->order || experts->shared.order)
        TRY_RETURN(order_inputs(pass, experts, &o));
    return pass->plan.few ? vkmoe_experts_decode_up(pass->stream, experts, &o)
                          : vkmoe_experts_gemm_up(pass->stream, experts, &o, sorted, pass->scratch);
}

// Gate and up, each by itself, and what is made of them.
static enum vkmoe_status record_apart(const struct moe_pass *pass, const struct up_operands *o)
{
    const vkmoe_moe *moe = pass->moe;
    const struct moe_plan *plan = &pass->plan;
    const uint32_t tokens = o->pairs.tokens;
    struct up_operands gate = *o, up = *o;
    struct sorted_pairs sorted = plan->sorted;
    for (uint32_t i = 0; i < sorted.class_count; i++)
        sorted.classes[i].up = sorted.classes[i].gate;
    gate.activation.kind = up.activation.kind = VKMOE_ACTIVATION_IDENTITY;
    gate.h = scratch_address(pass, plan->gate);
    gate.shared_h = scratch_address(pass, plan->shared_gate);
    up.beside = true;
    TRY_RETURN(record_product(pass, &moe->gate, &gate, &sorted));
    TRY_RETURN(record_product(pass, &moe->up, &up, &plan->sorted));
    struct activate_operands activate = {
        .gate = gate.h,
        .h = o->h,
        .elements = tokens * o->pairs.k * padded_columns(moe->up.rows),
        .activation = o->activation,
    };
    TRY_RETURN(vkmoe_pairs_activate(pass->stream, moe->device, &moe->up.shapes, &activate));
    if (moe->up.shared.rows == 0)
        return VKMOE_OK;
    activate.gate = moe->gate.shared.rows > 0 ? gate.shared_h : 0;
    activate.h = o->shared_h;
    activate.activation.limit = o->shared_limit;
    activate.elements = tokens * padded_columns(moe->up.shared.rows);
    activate.beside = true;
    return vkmoe_pairs_activate(pass->stream, moe->device, &moe->up.shapes, &activate);
}

// Whether the shared expert's h is f16: it may be made by other forms.
static bool shared_h_is_half(const struct moe_pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    return !pass->plan.few && !moe->is_parted && !gate_is_apart(moe) && !shared_has_order(moe)
        && shared_beside_routed(&moe->params) > 0
        && vkmoe_experts_pass_half_shared(
            &moe->up, &moe->down, &pass->plan.sorted, pass->pairs.tokens);
}

enum vkmoe_status vkmoe_moe_record_up(const struct moe_pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    const struct vkmoe_moe_params *p = &moe->params;
    const struct moe_plan *plan = &pass->plan;
    const struct up_operands operands = {
        .pairs = pass->pairs,
        .x = has_latent(p) ? scratch_address(pass, plan->latent.z) : pass->x,
        .h = scratch_address(pass, plan->h),
        .shared_h = scratch_address(pass, plan->shared_h),
        .activation = { p->activation, p->activation_alpha, p->activation_limit },
        .shared_limit = p->shared_limit,
        .weigh_input = p->weight_on_input,
        .half = plan->half,
        .shared_half = shared_h_is_half(pass),
        .norm = pass->folding ? &pass->folding->norm : NULL,
    };
    if (!plan->few)
        TRY_RETURN(vkmoe_pairs_sort(pass->stream,
            &(struct sort_operands){
                .pairs = pass->pairs,
                .products = vkmoe_moe_products(moe),
                .capacity = p->router.capacity,
                .sequence_tokens = pass->sequence_tokens,
                .tight = plan->tight,
            },
            &plan->sorted, pass->scratch));
    return gate_is_apart(moe) ? record_apart(pass, &operands)
                              : record_product(pass, &moe->up, &operands, &plan->sorted);
}

static enum shared_mode shared_mode(const vkmoe_moe *moe)
{
    return shared_beside_routed(&moe->params) == 0 ? SHARED_NONE
        : moe->router.weighs_shared                ? SHARED_WEIGHTED
                                                   : SHARED_ADDED;
}

// Where the sum over experts goes.
static uint64_t result_address(const struct moe_pass *pass)
{
    return has_latent(&pass->moe->params) ? scratch_address(pass, pass->plan.latent.sum) : pass->y;
}

// Brings h into the orders of down's columns, and the shared expert's h: *h and *shared_h are where
// they are then.
static enum vkmoe_status order_h(const struct moe_pass *pass, uint64_t *h, uint64_t *shared_h)
{
    const struct experts *down = &pass->moe->down;
    const struct moe_plan *plan = &pass->plan;
    const uint32_t tokens = pass->pairs.tokens;
    struct reorder_operands o = {
        .orders = down->shared.order,
        .x = *shared_h,
        .result = scratch_address(pass, plan->shared_ordered),
        .count = tokens,
        .columns = down->shared.columns,
        .stride = padded_columns(down->shared.columns),
    };
    if (down->shared.order) {
        *shared_h = o.result;
        TRY_RETURN(vkmoe_reorder_record(pass->stream, &o));
    }
    if (!down->order)
        return VKMOE_OK;
    o = (struct reorder_operands){
        .orders = down->order,
        .x = *h,
        .result = scratch_address(pass, plan->ordered),
        .count = tokens * pass->pairs.k,
        .columns = down->columns,
        .stride = padded_columns(down->columns),
        .ids = pass->pairs.ids,
        .sorted = plan->few ? 0 : scratch_address(pass, plan->sorted.rows),
        .experts = down->count,
    };
    *h = o.result;
    return vkmoe_reorder_record(pass->stream, &o);
}

static enum vkmoe_status record_few_down(const struct moe_pass *pass, uint64_t h, uint64_t shared_h)
{
    const vkmoe_moe *moe = pass->moe;
    return vkmoe_experts_decode_down(pass->stream, &moe->down,
        &(struct decode_down_operands){
            .pairs = pass->pairs,
            .h = h,
            .shared_h = shared_h,
            .shared_weights = scratch_address(pass, pass->plan.shared_weights),
            .y = result_address(pass),
            .output_bias = moe->output_bias,
            .shared = shared_mode(moe),
            .weigh_input = moe->params.weight_on_input,
            .residual = pass->folding ? &pass->folding->residual : NULL,
        });
}

enum vkmoe_status vkmoe_moe_record_down(const struct moe_pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    const struct moe_plan *plan = &pass->plan;
    const uint64_t outputs = scratch_address(pass, plan->outputs);
    uint64_t h = scratch_address(pass, plan->h), shared_h = scratch_address(pass, plan->shared_h);
    TRY_RETURN(order_h(pass, &h, &shared_h));
    if (plan->few)
        return record_few_down(pass, h, shared_h);
    // The shared expert's outputs wait in y until they are combined with the others'.
    if (shared_beside_routed(&moe->params) > 0)
        TRY_RETURN(vkmoe_experts_direct(pass->stream, &moe->down,
            &(struct direct_operands){
                .x = shared_h,
                .y = pass->y,
                .tokens = pass->pairs.tokens,
                .shared = true,
                .half = shared_h_is_half(pass),
            }));
    TRY_RETURN(vkmoe_experts_gemm_down(pass->stream, &moe->down, &pass->pairs, &plan->sorted,
        pass->scratch, h, outputs, plan->half));
    return vkmoe_pairs_combine(pass->stream, moe->device, &moe->down.shapes,
        &(struct combine_operands){
            .outputs = outputs,
            .weights = pass->pairs.weights,
            .shared_weights = scratch_address(pass, plan->shared_weights),
            .output_bias = moe->output_bias,
            .y = result_address(pass),
            .tokens = pass->pairs.tokens,
            .k = pass->pairs.k,
            .columns = experts_width(&moe->params),
            .shared = shared_mode(moe),
            .unweighted = moe->params.weight_on_input,
        });
}
