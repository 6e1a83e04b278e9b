// layer_check.c - the rules of struct vkmoe_moe_params, checked before anything is made,
// and those of spans, checked before anything is recorded.
#include "moe/pass.h"

#include <math.h>

#define CHECK(condition, ...) \
    do { \
        if (!(condition)) \
            return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, __VA_ARGS__); \
    } while (0)

static bool is_dtype(enum vkmoe_dtype dtype)
{
    return dtype == VKMOE_DTYPE_F32 || dtype == VKMOE_DTYPE_F16 || dtype == VKMOE_DTYPE_BF16;
}

static enum vkmoe_status check_shapes(const struct caller *caller, const struct vkmoe_moe_params *p)
{
    CHECK(p->hidden >= 1 && p->hidden <= MAX_WIDTH, "hidden is %u, must be 1 to %u", p->hidden,
        MAX_WIDTH);
    CHECK(p->inner >= 1 && p->inner <= MAX_WIDTH, "inner is %u, must be 1 to %u", p->inner,
        MAX_WIDTH);
    CHECK(p->router_hidden <= MAX_WIDTH, "router_hidden is %u, must be 0 to %u", p->router_hidden,
        MAX_WIDTH);
    CHECK(p->shared_inner <= MAX_WIDTH, "shared_inner is %u, must be 0 to %u", p->shared_inner,
        MAX_WIDTH);
    CHECK(p->experts >= 1 && p->experts <= MAX_EXPERTS, "experts is %u, must be 1 to %u",
        p->experts, MAX_EXPERTS);
    CHECK(p->experts_per_token >= 1 && p->experts_per_token <= p->experts,
        "experts_per_token is %u, must be 1 to experts (%u)", p->experts_per_token, p->experts);
    CHECK((unsigned)p->activation <= VKMOE_ACTIVATION_SWIGLU_STEP, "activation %d is unknown",
        (int)p->activation);
    CHECK(
        isfinite(p->activation_alpha) && isfinite(p->activation_limit) && p->activation_limit >= 0,
        "activation_alpha and activation_limit must be finite");
    return VKMOE_OK;
}

static enum vkmoe_status check_groups(const struct caller *caller,
    const struct vkmoe_router_params *r, uint32_t experts, uint32_t experts_per_token)
{
    if (r->groups <= 1 || r->each_group)
        return VKMOE_OK;
    CHECK(experts % r->groups == 0, "router.groups is %u, which does not divide %u experts",
        r->groups, experts);
    CHECK(r->groups_kept >= 1 && r->groups_kept <= r->groups,
        "router.groups_kept is %u, must be 1 to groups (%u)", r->groups_kept, r->groups);
    CHECK(r->groups_kept * (experts / r->groups) >= experts_per_token,
        "router.groups_kept leaves %u experts, fewer than experts_per_token (%u)",
        r->groups_kept * (experts / r->groups), experts_per_token);
    CHECK((unsigned)r->group_score <= VKMOE_GROUP_SCORE_SUM_TOP_2,
        "router.group_score %d is unknown", (int)r->group_score);
    CHECK(r->select != VKMOE_SELECT_SPARSEMIXER, "router: sparsemixer knows no groups");
    return VKMOE_OK;
}

static enum vkmoe_status check_always(
    const struct caller *caller, const struct vkmoe_router_params *r, uint32_t experts_per_token)
{
    CHECK(r->always > 0 || !r->levels.data, "router.levels without router.always");
    if (r->always == 0)
        return VKMOE_OK;
    CHECK(r->always < experts_per_token,
        "router.always is %u, must be below experts_per_token (%u)", r->always, experts_per_token);
    CHECK(r->select == VKMOE_SELECT_TOP_K, "router.always needs the selection to be TOP_K");
    CHECK(r->groups <= 1, "router.always knows no groups");
    CHECK(r->capacity == 0, "router.always knows no capacity");
    return VKMOE_OK;
}

static enum vkmoe_status check_each_group(const struct caller *caller,
    const struct vkmoe_router_params *r, uint32_t experts, uint32_t experts_per_token)
{
    if (!r->each_group)
        return VKMOE_OK;
    CHECK(r->groups >= 1 && experts % r->groups == 0 && experts_per_token % r->groups == 0,
        "router.each_group: groups is %u, must divide experts (%u) and experts_per_token (%u)",
        r->groups, experts, experts_per_token);
    CHECK(r->score != VKMOE_SCORE_SOFTMAX && r->weigh != VKMOE_WEIGH_SOFTMAX && !r->renormalize
            && !r->renormalize_max,
        "router.each_group knows no softmax and no renormalising");
    CHECK(r->select == VKMOE_SELECT_TOP_K, "router.each_group needs the selection to be TOP_K");
    CHECK(r->always == 0 && r->capacity == 0, "router.each_group knows no always and no capacity");
    return VKMOE_OK;
}

static enum vkmoe_status check_router(const struct caller *caller, const struct vkmoe_moe_params *p)
{
    const struct vkmoe_router_params *r = &p->router;
    CHECK((unsigned)r->score <= VKMOE_SCORE_IDENTITY, "router.score %d is unknown", (int)r->score);
    CHECK((unsigned)r->select <= VKMOE_SELECT_SUPPLIED_WEIGHTED, "router.select %d is unknown",
        (int)r->select);
    CHECK((unsigned)r->weigh <= VKMOE_WEIGH_SIGMOID, "router.weigh %d is unknown", (int)r->weigh);
    enum vkmoe_status status = check_always(caller, r, p->experts_per_token);
    if (status == VKMOE_OK)
        status = check_each_group(caller, r, p->experts, p->experts_per_token);
    if (status != VKMOE_OK)
        return status;
    if (r->select == VKMOE_SELECT_SUPPLIED_WEIGHTED) {
        CHECK(r->capacity == 0, "router.capacity would write to supplied weights; drop with -0.0");
        return VKMOE_OK;
    }
    CHECK(r->weight.data, "router.weight is missing");
    CHECK(isfinite(r->scale) && isfinite(r->soft_cap) && r->soft_cap >= 0
            && isfinite(r->renormalize_epsilon) && isfinite(r->rms_epsilon) && r->rms_epsilon >= 0,
        "router.scale, soft_cap, renormalize_epsilon and rms_epsilon must be finite");
    if (r->select == VKMOE_SELECT_SPARSEMIXER) {
        CHECK(isfinite(r->sparsemixer_threshold) && r->sparsemixer_threshold > 0,
            "router.sparsemixer_threshold must be above 0 (Phi-3.5 has 0.02)");
        CHECK(!r->correction_bias.data, "router.correction_bias has no meaning with sparsemixer");
    }
    return check_groups(caller, r, p->experts, p->experts_per_token);
}

static enum vkmoe_status check_router_hidden(
    const struct caller *caller, const struct vkmoe_moe_params *p)
{
    if (p->router_hidden == 0 || p->router_hidden == p->hidden)
        return VKMOE_OK;
    CHECK(p->router.select != VKMOE_SELECT_SUPPLIED_WEIGHTED,
        "router_hidden needs a router; none runs with supplied weights");
    CHECK(!p->shared_token_gate.data,
        "router_hidden is %u, must be hidden (%u) beside shared_token_gate, which sees x",
        p->router_hidden, p->hidden);
    return VKMOE_OK;
}

static enum vkmoe_status check_experts(
    const struct caller *caller, const struct vkmoe_moe_params *p)
{
    const bool up_only = !p->down; // see vkmoe_moe_create_up()
    CHECK(p->up, "up and down are required");
    const enum vkmoe_dtype dtype = p->up[0].dtype;
    CHECK(is_dtype(dtype), "up[0].dtype %d is unknown", (int)dtype);
    for (uint32_t e = 0; e < p->experts; e++) {
        CHECK((!p->gate || p->gate[e].data) && p->up[e].data && (up_only || p->down[e].data),
            "a matrix of expert %u is missing", e);
        CHECK((!p->gate || p->gate[e].dtype == dtype) && p->up[e].dtype == dtype
                && (up_only || p->down[e].dtype == dtype),
            "the matrices of expert %u differ in dtype from those before", e);
    }
    const bool gated_only = p->activation >= VKMOE_ACTIVATION_SWIGLU_OAI;
    CHECK(p->gate || !gated_only, "activation %d needs a gate matrix", (int)p->activation);
    CHECK(p->gate || !p->gate_bias.data, "gate_bias without gate");
    if (p->shared_inner == 0)
        return VKMOE_OK;
    CHECK(p->shared_up.data && p->shared_down.data, "shared_up and shared_down are required");
    CHECK(
        p->shared_gate.data || !gated_only, "activation %d needs shared_gate", (int)p->activation);
    CHECK((!p->shared_gate.data || p->shared_gate.dtype == dtype) && p->shared_up.dtype == dtype
            && p->shared_down.dtype == dtype,
        "the shared expert's dtype differs from the others'");
    CHECK(!p->shared_token_gate.data || p->router.select != VKMOE_SELECT_SUPPLIED_WEIGHTED,
        "shared_token_gate needs a router; none runs with supplied weights");
    return VKMOE_OK;
}

static enum vkmoe_status check_vectors(
    const struct caller *caller, const struct vkmoe_moe_params *p)
{
    const struct {
        const char *name;
        const struct vkmoe_view *view;
    } views[] = {
        { "router.weight", &p->router.weight },
        { "router.input_scale", &p->router.input_scale },
        { "router.bias", &p->router.bias },
        { "router.correction_bias", &p->router.correction_bias },
        { "router.expert_scale", &p->router.expert_scale },
        { "router.levels", &p->router.levels },
        { "gate_bias", &p->gate_bias },
        { "up_bias", &p->up_bias },
        { "down_bias", &p->down_bias },
        { "output_bias", &p->output_bias },
        { "shared_token_gate", &p->shared_token_gate },
    };
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
        CHECK(!views[i].view->data || is_dtype(views[i].view->dtype), "%s.dtype %d is unknown",
            views[i].name, (int)views[i].view->dtype);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_moe_check(
    const struct caller *caller, const struct vkmoe_moe_params *params)
{
    enum vkmoe_status (*const checks[])(const struct caller *, const struct vkmoe_moe_params *) = {
        check_shapes, check_router, check_router_hidden, check_experts, check_vectors
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const enum vkmoe_status status = checks[i](caller, params);
        if (status != VKMOE_OK)
            return status;
    }
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_span_check(const struct caller *caller, const vkmoe_device *device,
    const char *name, const struct vkmoe_span *span, uint64_t elements, bool required)
{
    if (!span->buffer) {
        if (!required)
            return VKMOE_OK;
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "%s is missing", name);
    }
    const uint64_t size = vkmoe_buffer_size(span->buffer);
    if (span->buffer->device != device)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "%s is a buffer of another device", name);
    if (span->offset % 4 != 0)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "%s.offset %llu is no multiple of 4", name,
            (unsigned long long)span->offset);
    if (span->offset > size || size - span->offset < elements * 4)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "%s needs %llu bytes from offset %llu, the buffer has %llu", name,
            (unsigned long long)elements * 4, (unsigned long long)span->offset,
            (unsigned long long)size);
    return VKMOE_OK;
}

uint64_t vkmoe_span_address(const struct vkmoe_span *span)
{
    return span->buffer ? vkmoe_buffer_address(span->buffer) + span->offset : 0;
}

bool vkmoe_spans_overlap(const struct vkmoe_span *a, uint64_t a_elements,
    const struct vkmoe_span *b, uint64_t b_elements)
{
    const uint64_t first = vkmoe_span_address(a), second = vkmoe_span_address(b);
    return first && second && first < second + b_elements * 4 && second < first + a_elements * 4;
}
