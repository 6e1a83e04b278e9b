// latent_experts.c - see latent_experts.h.
#include "moe/latent_experts.h"

#include "base/check.h"
#include "base/common.h"
#include "base/try.h"
#include "device/fit.h"
#include "moe/record.h"
#include "moe/self_test.h"
#include "weights/order.h"
#include "weights/view.h"

#include <string.h>

// ------------------------------------------------------------------------- matrices

// One of the projections, as it is made.
struct projection {
    const char *name;
    const struct vkmoe_view *view, *bias;
    uint32_t rows, columns;
    size_t at; // in struct latent_experts
};

enum { MOST_PROJECTIONS = 5 };

// Those that a layer has, or ought to have; returns how many.
static uint32_t list(const struct vkmoe_moe_params *p, struct projection out[MOST_PROJECTIONS])
{
    const struct projection all[MOST_PROJECTIONS] = {
        { "latent.down", &p->latent.down, NULL, p->latent.size, p->hidden,
            offsetof(struct latent_experts, down) },
        { "latent.up", &p->latent.up, &p->output_bias, p->hidden, p->latent.size,
            offsetof(struct latent_experts, up) },
        { "shared.up", &p->shared.up, NULL, p->shared.inner, p->hidden,
            offsetof(struct latent_experts, shared_up) },
        { "shared.down", &p->shared.down, NULL, p->hidden, p->shared.inner,
            offsetof(struct latent_experts, shared_down) },
        { "shared.gate", &p->shared.gate, NULL, p->shared.inner, p->hidden,
            offsetof(struct latent_experts, shared_gate) },
    };
    const uint32_t count = !has_latent(p) ? 0
        : p->shared.inner == 0            ? 2
        : p->shared.gate.data             ? 5
                                          : 4;
    memcpy(out, all, count * sizeof *all);
    return count;
}

enum vkmoe_status vkmoe_latent_experts_check(
    const struct caller *caller, const struct vkmoe_moe_params *p)
{
    struct projection projections[MOST_PROJECTIONS];
    const uint32_t count = list(p, projections);
    for (uint32_t i = 0; i < count; i++) {
        const struct projection *a = &projections[i];
        CHECK(a->view->data, "%s is required", a->name);
        TRY_RETURN(vkmoe_view_check(caller, &(struct named_view){ a->name, a->view, a->columns }));
        TRY_RETURN(vkmoe_orders_refuse(caller, a->name, a->view, 1));
    }
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_latent_experts_self_test(
    struct loading *loading, const struct vkmoe_moe_params *p)
{
    struct projection projections[MOST_PROJECTIONS];
    const uint32_t count = list(p, projections);
    for (uint32_t i = 0; i < count; i++)
        TRY_RETURN(vkmoe_self_test(loading, projections[i].view->dtype));
    return VKMOE_OK;
}

uint64_t vkmoe_latent_experts_load_size(const struct vkmoe_moe_params *p)
{
    struct projection projections[MOST_PROJECTIONS];
    const uint32_t count = list(p, projections);
    uint64_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += vkmoe_format_matrix_size(
            projections[i].view->dtype, projections[i].rows, projections[i].columns);
    return size;
}

enum vkmoe_status vkmoe_latent_experts_create(
    struct loading *loading, const struct vkmoe_moe_params *p, struct latent_experts *out)
{
    struct projection projections[MOST_PROJECTIONS];
    const uint32_t count = list(p, projections);
    for (uint32_t i = 0; i < count; i++) {
        const struct projection *a = &projections[i];
        vkmoe_fit_name(loading->device, "%s", a->name);
        TRY_RETURN(vkmoe_linear_create(loading, &a->view, &a->bias, &a->rows, 1, a->columns,
            (struct experts *)((char *)out + a->at)));
    }
    return VKMOE_OK;
}

void vkmoe_latent_experts_destroy(struct latent_experts *l)
{
    EXPERTS_DESTROY(&l->down, &l->up, &l->shared_gate, &l->shared_up, &l->shared_down);
}

uint64_t vkmoe_latent_experts_size(const struct latent_experts *l)
{
    return vkmoe_experts_size(&l->down) + vkmoe_experts_size(&l->up)
        + vkmoe_experts_size(&l->shared_gate) + vkmoe_experts_size(&l->shared_up)
        + vkmoe_experts_size(&l->shared_down);
}

// -------------------------------------------------------------------------- forward

void vkmoe_latent_experts_plan(
    const vkmoe_moe *moe, uint32_t tokens, uint64_t *size, struct latent_experts_plan *plan)
{
    const struct vkmoe_moe_params *p = &moe->params;
    const uint64_t latent = (uint64_t)tokens * p->latent.size * 4;
    const uint64_t inner = (uint64_t)tokens * p->shared.inner * 4;
    if (!has_latent(p))
        return;
    plan->z = vkmoe_scratch_take(size, latent);
    plan->sum = vkmoe_scratch_take(size, latent);
    if (p->shared.inner == 0)
        return;
    plan->outputs = vkmoe_scratch_take(size, (uint64_t)tokens * p->hidden * 4);
    plan->gate = vkmoe_scratch_take(size, moe->latent.shared_gate.count > 0 ? inner : 0);
    plan->h = vkmoe_scratch_take(size, inner);
}

// One of the projections. `beside`: see struct dispatch.
static enum vkmoe_status project(
    const struct moe_pass *pass, const struct experts *linear, uint64_t x, uint64_t y, bool beside)
{
    return vkmoe_linear_record_part(pass->stream, linear,
        &(struct direct_operands){
            .x = x, .y = y, .tokens = pass->pairs.tokens, .beside = beside });
}

enum vkmoe_status vkmoe_latent_experts_record_inputs(const struct moe_pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    const struct vkmoe_moe_params *p = &moe->params;
    const struct latent_experts *l = &moe->latent;
    const struct latent_experts_plan *plan = &pass->plan.latent;
    const uint64_t h = scratch_address(pass, plan->h), gate = scratch_address(pass, plan->gate);
    const bool gated = l->shared_gate.count > 0;
    if (!has_latent(p))
        return VKMOE_OK;
    TRY_RETURN(project(pass, &l->down, pass->x, scratch_address(pass, plan->z), false));
    if (p->shared.inner == 0)
        return VKMOE_OK;
    if (gated)
        TRY_RETURN(project(pass, &l->shared_gate, pass->x, gate, true));
    TRY_RETURN(project(pass, &l->shared_up, pass->x, h, true));
    return vkmoe_pairs_activate(pass->stream, moe->device, &moe->up.shapes,
        &(struct activate_operands){
            .gate = gated ? gate : 0,
            .h = h,
            .elements = pass->pairs.tokens * p->shared.inner,
            .activation = { p->activation, p->activation_alpha, p->shared_limit },
        });
}

enum vkmoe_status vkmoe_latent_experts_record_outputs(const struct moe_pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    const struct vkmoe_moe_params *p = &moe->params;
    const struct latent_experts_plan *plan = &pass->plan.latent;
    const uint64_t sum = scratch_address(pass, plan->sum);
    const uint64_t outputs = scratch_address(pass, plan->outputs);
    if (!has_latent(p))
        return VKMOE_OK;
    if (p->shared.inner == 0)
        return project(pass, &moe->latent.up, sum, pass->y, false);
    TRY_RETURN(project(pass, &moe->latent.up, sum, outputs, false));
    TRY_RETURN(
        project(pass, &moe->latent.shared_down, scratch_address(pass, plan->h), pass->y, true));
    return vkmoe_pairs_combine(pass->stream, moe->device, &moe->up.shapes,
        &(struct combine_operands){
            .outputs = outputs,
            .shared_weights = scratch_address(pass, pass->plan.shared_weights),
            .y = pass->y,
            .tokens = pass->pairs.tokens,
            .k = 1,
            .columns = p->hidden,
            .shared = moe->router.weighs_shared ? SHARED_WEIGHTED : SHARED_ADDED,
        });
}
