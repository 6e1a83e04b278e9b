// check.c - the rules of struct vkmoe_moe_params, checked before anything is made.
#include "moe/moe.h"

#include "base/check.h"
#include "base/common.h"
#include "base/try.h"
#include "weights/order.h"
#include "weights/view.h"

#include <math.h>

static enum vkmoe_status check_shapes(const struct caller *caller, const struct vkmoe_moe_params *p)
{
    CHECK_PRECISION(p);
    CHECK(p->hidden >= 1 && p->hidden <= MAX_WIDTH, "hidden is %u, must be 1 to %u", p->hidden,
        MAX_WIDTH);
    CHECK(p->inner >= 1 && p->inner <= MAX_WIDTH, "inner is %u, must be 1 to %u", p->inner,
        MAX_WIDTH);
    CHECK(p->router_hidden <= MAX_WIDTH, "router_hidden is %u, must be 0 to %u", p->router_hidden,
        MAX_WIDTH);
    CHECK(p->shared.inner <= MAX_WIDTH, "shared.inner is %u, must be 0 to %u", p->shared.inner,
        MAX_WIDTH);
    CHECK(p->latent.size <= MAX_WIDTH, "latent.size is %u, must be 0 to %u", p->latent.size,
        MAX_WIDTH);
    CHECK(p->experts >= 1 && p->experts <= MAX_EXPERTS, "experts is %u, must be 1 to %u",
        p->experts, MAX_EXPERTS);
    CHECK(p->experts_per_token >= 1 && p->experts_per_token <= p->experts,
        "experts_per_token is %u, must be 1 to experts (%u)", p->experts_per_token, p->experts);
    CHECK((unsigned)p->activation <= VKMOE_ACTIVATION_SWIGLU_STEP, "activation %d is unknown",
        (int)p->activation);
    CHECK(isfinite(p->activation_alpha) && isfinite(p->activation_limit) && p->activation_limit >= 0
            && isfinite(p->shared_limit) && p->shared_limit >= 0,
        "activation_alpha, activation_limit and shared_limit must be finite");
    return VKMOE_OK;
}

static enum vkmoe_status check_router_hidden(
    const struct caller *caller, const struct vkmoe_moe_params *p)
{
    if (p->router_hidden == 0 || p->router_hidden == p->hidden)
        return VKMOE_OK;
    CHECK(p->router.select != VKMOE_SELECT_SUPPLIED_WEIGHTED,
        "router_hidden needs a router; none runs with supplied weights");
    CHECK(!p->shared.token_gate.data,
        "router_hidden is %u, must be hidden (%u) beside shared.token_gate, which sees x",
        p->router_hidden, p->hidden);
    return VKMOE_OK;
}

// The shared expert but for its dtypes.
static enum vkmoe_status check_shared(const struct caller *caller, const struct vkmoe_moe_params *p)
{
    const bool gated_only = p->activation >= VKMOE_ACTIVATION_SWIGLU_OAI;
    if (p->shared.inner == 0)
        return VKMOE_OK;
    CHECK(p->shared.up.data && p->shared.down.data, "shared.up and shared.down are required");
    CHECK(
        p->shared.gate.data || !gated_only, "activation %d needs shared.gate", (int)p->activation);
    CHECK(p->gate || has_latent(p) || !p->shared.gate.data
            || (p->shared.gate.dtype == p->shared.up.dtype
                && vkmoe_orders_equal(&p->shared.gate, &p->shared.up)),
        "shared.gate and shared.up differ in dtype, or in the order of columns; only where the "
        "others have a gate they may");
    CHECK(!p->shared.token_gate.data || has_router(&p->router),
        "shared.token_gate needs a router; none runs with supplied weights");
    return VKMOE_OK;
}

static enum vkmoe_status check_experts(
    const struct caller *caller, const struct vkmoe_moe_params *p)
{
    CHECK(p->up && p->down, "up and down are required");
    CHECK(p->gate || p->activation < VKMOE_ACTIVATION_SWIGLU_OAI,
        "activation %d needs a gate matrix", (int)p->activation);
    CHECK(p->gate || !p->gate_bias.data, "gate_bias without gate");
    TRY_RETURN(check_shared(caller, p));
    const struct experts_source gate = vkmoe_moe_gate(p), up = vkmoe_moe_up(p),
                                down = vkmoe_moe_down(p);
    if (gate.count > 0)
        TRY_RETURN(vkmoe_experts_check(caller, &gate));
    TRY_RETURN(vkmoe_experts_check(caller, &up));
    return vkmoe_experts_check(caller, &down);
}

static enum vkmoe_status check_vectors(
    const struct caller *caller, const struct vkmoe_moe_params *p)
{
    const struct named_view views[] = {
        { "gate_bias", &p->gate_bias, p->inner },
        { "up_bias", &p->up_bias, p->inner },
        { "down_bias", &p->down_bias, experts_width(p) },
        { "output_bias", &p->output_bias, p->hidden },
    };
    return vkmoe_views_check(caller, views, ARRAY_SIZE(views));
}

enum vkmoe_status vkmoe_moe_check(const struct caller *caller, const struct vkmoe_moe_params *p)
{
    const struct router_source router = vkmoe_moe_router(p);
    TRY_RETURN(check_shapes(caller, p));
    TRY_RETURN(vkmoe_router_check(caller, &router));
    TRY_RETURN(check_router_hidden(caller, p));
    TRY_RETURN(check_experts(caller, p));
    TRY_RETURN(vkmoe_latent_experts_check(caller, p));
    return check_vectors(caller, p);
}

enum vkmoe_status vkmoe_tokens_check(const struct caller *caller, uint32_t tokens)
{
    return tokens <= MAX_TOKENS ? VKMOE_OK
                                : vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
                                    "tokens is %u, must be 0 to %u", tokens, MAX_TOKENS);
}
