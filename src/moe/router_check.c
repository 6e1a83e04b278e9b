// router_check.c - the rules of struct vkmoe_router_params.
#include "moe/router.h"

#include "base/check.h"
#include "base/common.h"
#include "base/try.h"
#include "weights/view.h"

#include <math.h>

static enum vkmoe_status check_groups(const struct caller *caller,
    const struct vkmoe_router_params *r, uint32_t experts, uint32_t experts_per_token)
{
    if (r->groups.count <= 1 || r->groups.mode == VKMOE_GROUP_MODE_EACH)
        return VKMOE_OK;
    CHECK(experts % r->groups.count == 0,
        "router.groups.count is %u, which does not divide %u experts", r->groups.count, experts);
    CHECK(r->groups.kept >= 1 && r->groups.kept <= r->groups.count,
        "router.groups.kept is %u, must be 1 to groups.count (%u)", r->groups.kept,
        r->groups.count);
    CHECK(r->groups.kept * (experts / r->groups.count) >= experts_per_token,
        "router.groups.kept leaves %u experts, fewer than experts_per_token (%u)",
        r->groups.kept * (experts / r->groups.count), experts_per_token);
    CHECK((unsigned)r->groups.score <= VKMOE_GROUP_SCORE_SUM_TOP_2,
        "router.groups.score %d is unknown", (int)r->groups.score);
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
    CHECK(r->groups.count <= 1, "router.always knows no groups");
    CHECK(r->capacity == 0, "router.always knows no capacity");
    return VKMOE_OK;
}

static enum vkmoe_status check_each_group(const struct caller *caller,
    const struct vkmoe_router_params *r, uint32_t experts, uint32_t experts_per_token)
{
    if (r->groups.mode != VKMOE_GROUP_MODE_EACH)
        return VKMOE_OK;
    CHECK(r->groups.count >= 1 && experts % r->groups.count == 0
            && experts_per_token % r->groups.count == 0,
        "router.groups.count is %u, must divide experts (%u) and experts_per_token (%u)",
        r->groups.count, experts, experts_per_token);
    CHECK(r->score != VKMOE_SCORE_SOFTMAX && r->weigh != VKMOE_WEIGH_SOFTMAX
            && r->renormalize.mode == VKMOE_RENORMALIZE_NONE,
        "router.groups.mode EACH knows no softmax and no renormalising");
    CHECK(
        r->select == VKMOE_SELECT_TOP_K, "router.groups.mode EACH needs the selection to be TOP_K");
    CHECK(r->always == 0 && r->capacity == 0,
        "router.groups.mode EACH knows no always and no capacity");
    return VKMOE_OK;
}

static enum vkmoe_status check_views(const struct caller *caller, const struct router_source *s)
{
    static const struct vkmoe_view none = { 0 };
    const struct vkmoe_router_params *r = s->params;
    const struct named_view views[] = {
        { "router.weight", &r->weight, s->hidden },
        { "router.input_scale", &r->input_scale, s->hidden },
        { "router.bias", &r->bias, s->experts },
        { "router.correction_bias", &r->correction_bias, s->experts },
        { "router.expert_scale", &r->expert_scale, s->experts },
        { "router.levels", &r->levels, s->hidden },
        { "shared.token_gate", s->shared_gate ? s->shared_gate : &none, s->hidden },
    };
    return vkmoe_views_check(caller, views, ARRAY_SIZE(views));
}

enum vkmoe_status vkmoe_router_check(const struct caller *caller, const struct router_source *s)
{
    const struct vkmoe_router_params *r = s->params;
    CHECK((unsigned)r->score <= VKMOE_SCORE_IDENTITY, "router.score %d is unknown", (int)r->score);
    CHECK((unsigned)r->select <= VKMOE_SELECT_SUPPLIED_WEIGHTED, "router.select %d is unknown",
        (int)r->select);
    CHECK((unsigned)r->weigh <= VKMOE_WEIGH_SIGMOID, "router.weigh %d is unknown", (int)r->weigh);
    CHECK((unsigned)r->groups.mode <= VKMOE_GROUP_MODE_EACH, "router.groups.mode %d is unknown",
        (int)r->groups.mode);
    CHECK((unsigned)r->renormalize.mode <= VKMOE_RENORMALIZE_MAX,
        "router.renormalize.mode %d is unknown", (int)r->renormalize.mode);
    TRY_RETURN(check_always(caller, r, s->experts_per_token));
    TRY_RETURN(check_each_group(caller, r, s->experts, s->experts_per_token));
    TRY_RETURN(check_views(caller, s));
    if (!has_router(r)) {
        CHECK(r->capacity == 0, "router.capacity would write to supplied weights; drop with -0.0");
        return VKMOE_OK;
    }
    CHECK(r->weight.data, "router.weight is missing");
    CHECK(isfinite(r->scale) && isfinite(r->soft_cap) && r->soft_cap >= 0
            && isfinite(r->renormalize.epsilon) && isfinite(r->rms_epsilon) && r->rms_epsilon >= 0,
        "router.scale, soft_cap, renormalize_epsilon and rms_epsilon must be finite");
    if (r->select == VKMOE_SELECT_SPARSEMIXER) {
        CHECK(isfinite(r->sparsemixer_threshold) && r->sparsemixer_threshold > 0,
            "router.sparsemixer_threshold must be above 0 (Phi-3.5 has 0.02)");
        CHECK(!r->correction_bias.data, "router.correction_bias has no meaning with sparsemixer");
    }
    return check_groups(caller, r, s->experts, s->experts_per_token);
}
