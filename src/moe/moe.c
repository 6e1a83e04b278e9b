// moe.c - creates and destroys a MoE layer. Running it: forward.c.
#include "moe/moe.h"

#include "base/common.h"
#include "base/params.h"
#include "base/try.h"
#include "device/fit.h"
#include "moe/self_test.h"
#include "weights/order.h"

#include <stdlib.h>

struct router_source vkmoe_moe_router(const struct vkmoe_moe_params *p)
{
    return (struct router_source){
        .params = &p->router,
        .shared_gate = p->shared.inner > 0 ? &p->shared.token_gate : NULL,
        .hidden = p->router_hidden ? p->router_hidden : p->hidden,
        .experts = p->experts,
        .experts_per_token = p->experts_per_token,
    };
}

// Of the routed experts or of the shared one: then of both, so that a layer has one way.
static bool needs_gate_apart(const struct vkmoe_moe_params *p)
{
    const bool shared = shared_beside_routed(p) > 0 && p->shared.gate.data != NULL;
    bool apart = (p->gate && p->gate[0].dtype != p->up[0].dtype)
        || (shared && p->shared.gate.dtype != p->shared.up.dtype)
        || (shared && !vkmoe_orders_equal(&p->shared.gate, &p->shared.up));
    for (uint32_t e = 0; p->gate && !apart && e < p->experts; e++)
        apart = !vkmoe_orders_equal(&p->gate[e], &p->up[e]);
    return apart;
}

// A half of what makes h of x.
static struct experts_source source_of_h(const struct vkmoe_moe_params *p, const char *name,
    const struct vkmoe_view *weights, struct vkmoe_view bias, struct vkmoe_view shared)
{
    return (struct experts_source){
        .name = name,
        .weights = weights,
        .count = p->experts,
        .rows = p->inner,
        .columns = experts_width(p),
        .bias = bias,
        .shared = {
            .weights = shared,
            .rows = shared_beside_routed(p),
            .columns = p->hidden,
        },
    };
}

struct experts_source vkmoe_moe_gate(const struct vkmoe_moe_params *p)
{
    if (!needs_gate_apart(p))
        return (struct experts_source){ .count = 0 };
    struct experts_source source = source_of_h(p, "gate", p->gate, p->gate_bias, p->shared.gate);
    if (!p->shared.gate.data)
        source.shared.rows = 0;
    return source;
}

struct experts_source vkmoe_moe_up(const struct vkmoe_moe_params *p)
{
    struct experts_source source = source_of_h(p, "up", p->up, p->up_bias, p->shared.up);
    if (needs_gate_apart(p))
        return source;
    source.gate = p->gate;
    source.gate_bias = p->gate_bias;
    source.shared.gate = p->shared.gate;
    source.shared.alone = p->shared_limit != 0 && p->shared_limit != p->activation_limit;
    return source;
}

struct experts_source vkmoe_moe_down(const struct vkmoe_moe_params *p)
{
    return (struct experts_source){
        .name = "down",
        .weights = p->down,
        .count = p->experts,
        .rows = experts_width(p),
        .columns = p->inner,
        .bias = p->down_bias,
        .shared = {
            .weights = p->shared.down,
            .rows = shared_beside_routed(p) ? p->hidden : 0,
            .columns = p->shared.inner,
        },
    };
}

uint64_t vkmoe_moe_load_size(const struct vkmoe_moe_params *p)
{
    const struct router_source router = vkmoe_moe_router(p);
    const struct experts_source gate = vkmoe_moe_gate(p), up = vkmoe_moe_up(p),
                                down = vkmoe_moe_down(p);
    return vkmoe_router_load_size(&router) + (gate.count ? vkmoe_experts_load_size(&gate) : 0)
        + vkmoe_experts_load_size(&up) + vkmoe_experts_load_size(&down)
        + vkmoe_latent_experts_load_size(p);
}

static void set_defaults(struct vkmoe_moe_params *p)
{
    if (p->router_hidden == 0)
        p->router_hidden = p->hidden;
    if (p->activation_alpha == 0)
        p->activation_alpha = 1.702f;
    if (p->activation_limit == 0)
        p->activation_limit = p->activation == VKMOE_ACTIVATION_SILU_CLAMP ? 10.0f : 7.0f;
    if (p->shared_limit == 0)
        p->shared_limit = p->activation_limit;
    // Views belong to the caller.
    p->gate = p->up = p->down = NULL;
}

static enum vkmoe_status create_products(
    struct loading *loading, const struct vkmoe_moe_params *p, vkmoe_moe *moe)
{
    const struct experts_source gate = vkmoe_moe_gate(p), up = vkmoe_moe_up(p),
                                down = vkmoe_moe_down(p);
    if (gate.count > 0)
        TRY_RETURN(vkmoe_experts_create(loading, &gate, &moe->gate));
    TRY_RETURN(vkmoe_experts_create(loading, &up, &moe->up));
    return vkmoe_experts_create(loading, &down, &moe->down);
}

static enum vkmoe_status fill(
    struct loading *loading, const struct vkmoe_moe_params *p, vkmoe_moe *moe)
{
    const struct router_source router = vkmoe_moe_router(p);
    TRY_RETURN(vkmoe_router_create(loading, &router, &moe->router));
    loading->reorders = true;
    const enum vkmoe_status status = create_products(loading, p, moe);
    loading->reorders = false; // also for what the same loading makes after a failure
    TRY_RETURN(status);
    TRY_RETURN(vkmoe_latent_experts_create(loading, p, &moe->latent));
    if (has_latent(p)) // which has output_bias
        return VKMOE_OK;
    return vkmoe_vector_upload(moe->device, &p->output_bias, p->hidden, 1, &moe->output_bias);
}

// Of the products, in the dtypes that they have.
static enum vkmoe_status test_forms(struct loading *loading, const struct vkmoe_moe_params *p)
{
    const struct vkmoe_view *views[] = { p->gate, p->up, p->down, &p->shared.gate, &p->shared.up,
        &p->shared.down };
    for (size_t i = 0; i < (shared_beside_routed(p) > 0 ? 6 : 3); i++)
        if (views[i] && views[i]->data)
            TRY_RETURN(vkmoe_self_test(loading, views[i]->dtype));
    return vkmoe_latent_experts_self_test(loading, p);
}

enum vkmoe_status vkmoe_moe_load(
    struct loading *loading, const struct vkmoe_moe_params *params, vkmoe_moe **out)
{
    TRY_RETURN(vkmoe_moe_check(&loading->caller, params));
    TRY_RETURN(test_forms(loading, params));
    NEW_OR_RETURN(vkmoe_moe, moe, device_log(loading->device), "moe: ");
    moe->device = loading->device;
    moe->params = *params;
    set_defaults(&moe->params);
    TRY_UNDO(vkmoe_loading_finish(loading, fill(loading, params, moe)), vkmoe_moe_destroy(&moe));
    *out = moe;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_moe_create(
    vkmoe_device *device, const struct vkmoe_moe_params *params, vkmoe_moe **out)
{
    NEED_TO_CREATE(device, vkmoe_moe_params, params, out);
    struct loading loading = {
        .caller = { device_log(device), __func__ },
        .fast = params->precision == VKMOE_PRECISION_FAST,
    };
    TRY_FIT(device, loading.device, vkmoe_moe_load(&loading, params, out), vkmoe_moe_destroy(out));
    return vkmoe_moe_load(&loading, params, out);
}

void vkmoe_moe_destroy(vkmoe_moe **moe)
{
    TAKE_OR_RETURN(vkmoe_moe, m, moe);
    vkmoe_router_destroy(&m->router);
    EXPERTS_DESTROY(&m->gate, &m->up, &m->down);
    vkmoe_latent_experts_destroy(&m->latent);
    vkmoe_buffer_destroy(&m->output_bias);
    free(m);
}

uint64_t vkmoe_moe_device_size(const vkmoe_moe *moe)
{
    return moe ? vkmoe_router_size(&moe->router) + vkmoe_experts_size(&moe->gate)
            + vkmoe_experts_size(&moe->up) + vkmoe_experts_size(&moe->down)
            + vkmoe_latent_experts_size(&moe->latent) + vkmoe_buffer_taken(moe->output_bias)
               : 0;
}
