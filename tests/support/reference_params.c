// reference_params.c - the reference's layer out of the library's params.
#include "reference.h"

struct reference_layer reference_numbers(const struct vkmoe_moe_params *params)
{
    const struct vkmoe_router_params *p = &params->router;
    return (struct reference_layer){
        .hidden = params->hidden,
        .inner = params->inner,
        .router_hidden = params->router_hidden,
        .experts = params->experts,
        .experts_per_token = params->experts_per_token,
        .score = p->score,
        .select = p->select,
        .weigh = p->weigh,
        .group_score = p->groups.score,
        .groups = p->groups.count,
        .groups_kept = p->groups.kept,
        .each_group = p->groups.mode == VKMOE_GROUP_MODE_EACH,
        .group_mask_zero = p->groups.mode == VKMOE_GROUP_MODE_MASK_ZERO,
        .renormalize = p->renormalize.mode != VKMOE_RENORMALIZE_NONE,
        .renormalize_max = p->renormalize.mode == VKMOE_RENORMALIZE_MAX,
        .renormalize_epsilon = p->renormalize.epsilon,
        .scale = p->scale,
        .soft_cap = p->soft_cap,
        .sparsemixer_threshold = p->sparsemixer_threshold,
        .rms_norm = p->rms_norm,
        .rms_epsilon = p->rms_epsilon,
        .capacity = p->capacity,
        .always = p->always,
        .activation = params->activation,
        .activation_alpha = params->activation_alpha,
        .activation_limit = params->activation_limit,
        .shared_limit = params->shared_limit,
        .weight_on_input = params->weight_on_input,
        .shared_inner = params->shared.inner,
        .latent_size = params->latent.size,
    };
}
