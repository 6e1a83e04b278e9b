// family.c - see family.h. What is read of every family, each from where it says.
#include "checkpoint/family.h"

#include <math.h>
#include <string.h>

#include "base/common.h"
#include "checkpoint/aliases.h"
#include "checkpoint/blocks.h"
#include "base/value.h"

#define FAMILY(name) extern const struct family vkmoe_family_##name;
#include "checkpoint/families/families.def"
#undef FAMILY

static const struct family *const families[] = {
#define FAMILY(name) &vkmoe_family_##name,
#include "checkpoint/families/families.def"
#undef FAMILY
};

static bool is_named(const struct family *family, const char *name)
{
    return strcmp(family->name, name) == 0
        || (family->text_name && strcmp(family->text_name, name) == 0);
}

struct kind vkmoe_family_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        const struct alias *alias = families[i]->aliases;
        if (is_named(families[i], name))
            return (struct kind){ .family = families[i] };
        for (; alias && alias->name; alias++) {
            if (strcmp(alias->name, name) == 0)
                return (struct kind){ families[i], alias };
        }
    }
    return (struct kind){ 0 };
}

void vkmoe_family_read_blocks(
    const struct family *family, struct settings *settings, struct blocks *blocks)
{
    *blocks = (struct blocks){ 0 };
    blocks->count[0] = vkmoe_setting_read(&family->blocks, settings, 1, MAX_BLOCKS);
    family->mark(family, settings, blocks);
    if (blocks->count[0] == 0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "names no blocks");
}

bool vkmoe_family_activation(const char *name, enum vkmoe_activation *out)
{
    static const struct {
        const char *name;
        enum vkmoe_activation activation;
    } activations[] = {
        { "silu", VKMOE_ACTIVATION_SILU },
        { "swish", VKMOE_ACTIVATION_SILU },
        { "relu", VKMOE_ACTIVATION_RELU },
        { "relu2", VKMOE_ACTIVATION_RELU2 },
        { "gelu", VKMOE_ACTIVATION_GELU_ERF },
        { "gelu_new", VKMOE_ACTIVATION_GELU_TANH },
        { "gelu_pytorch_tanh", VKMOE_ACTIVATION_GELU_TANH },
        { "linear", VKMOE_ACTIVATION_IDENTITY },
    };
    for (size_t i = 0; i < ARRAY_SIZE(activations); i++) {
        if (strcmp(name, activations[i].name) == 0) {
            *out = activations[i].activation;
            return true;
        }
    }
    return false;
}

static void read_activation(
    const struct family *family, struct settings *settings, struct vkmoe_moe_params *params)
{
    const char *name = vkmoe_setting_string(settings, family->activation_key, family->activation);
    if (vkmoe_family_activation(name, &params->activation))
        return;
    char text[64];
    vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED, "%s is \"%s\", an unknown activation",
        family->activation_key, vkmoe_printable(name, text, sizeof text));
}

static void read_shared(
    const struct family *family, struct settings *settings, struct vkmoe_moe_params *params)
{
    if (!family->shared_inner.key)
        return;
    uint32_t inner = vkmoe_setting_read(&family->shared_inner, settings, 0, MAX_WIDTH);
    uint32_t count = 1;
    const char *count_key = family->shared_count.key;
    if (count_key) // DeepSeek writes null for none
        count = vkmoe_setting_is_null(settings, count_key)
            ? 0
            : vkmoe_setting_read(&family->shared_count, settings, 0, MAX_EXPERTS);
    if ((uint64_t)inner * count > MAX_WIDTH)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "the shared experts are %u wide and %u, together wider than %d", inner, count,
            MAX_WIDTH);
    params->shared.inner = inner * count;
}

static void read_soft_cap(
    const struct family *family, struct settings *settings, struct vkmoe_router_params *router)
{
    if (!family->soft_cap_key)
        return;
    const double cap =
        vkmoe_setting_number(settings, family->soft_cap_key, (double)router->soft_cap);
    if (!(cap >= 0.0))
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%s is %g, expected at least 0",
            family->soft_cap_key, cap);
    router->soft_cap = (float)cap;
}

static void read_router(
    const struct kind *kind, struct settings *settings, struct vkmoe_moe_params *params)
{
    const struct family *family = kind->family;
    struct vkmoe_router_params *router = &params->router;
    if (family->renormalize_key)
        router->renormalize.mode = vkmoe_setting_bool(settings, family->renormalize_key,
                                       router->renormalize.mode != VKMOE_RENORMALIZE_NONE)
            ? VKMOE_RENORMALIZE_SUM
            : VKMOE_RENORMALIZE_NONE;
    if (kind->alias && kind->alias->renormalize)
        router->renormalize.mode = VKMOE_RENORMALIZE_SUM;
    if (family->scale_key) {
        double scale = vkmoe_setting_number(
            settings, family->scale_key, router->scale == 0.0f ? 1.0 : (double)router->scale);
        if (!(scale > 0.0) || (float)scale == 0.0f)
            vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%s is %g, expected more than 0",
                family->scale_key, scale);
        router->scale = (float)scale;
    }
    read_soft_cap(family, settings, router);
    if (family->groups_key) {
        router->groups.count =
            vkmoe_setting_u32(settings, family->groups_key, router->groups.count, 1, MAX_EXPERTS);
        router->groups.kept = vkmoe_setting_u32(
            settings, family->groups_kept_key, router->groups.kept, 1, MAX_EXPERTS);
    }
}

// The groups divide the experts evenly, and those kept hold at least k.
static void check_groups(struct settings *settings, struct vkmoe_moe_params *params)
{
    struct vkmoe_router_params *router = &params->router;
    if (router->groups.count <= 1) {
        router->groups.count = router->groups.kept = 0;
    } else if (params->experts % router->groups.count || router->groups.kept > router->groups.count
        || router->groups.kept == 0
        || params->experts_per_token
            > params->experts / router->groups.count * router->groups.kept) {
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "%u experts, %u of them at a time, do not go into %u groups of which %u are kept",
            params->experts, params->experts_per_token, router->groups.count, router->groups.kept);
    }
}

void vkmoe_family_read_experts(
    const struct family *family, struct settings *settings, uint32_t *experts, uint32_t *k)
{
    *experts = vkmoe_setting_read(&family->experts, settings, 1, MAX_EXPERTS);
    *k = vkmoe_setting_read(&family->experts_per_token, settings, 1, *experts);
    if (*k > *experts)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "%u experts per token, but only %u experts", *k, *experts);
}

bool vkmoe_family_averages(const struct family *family, struct settings *settings)
{
    return family->shared_sum && !vkmoe_setting_is(settings, family->shared_sum);
}

void vkmoe_family_read_params(
    const struct kind *kind, struct settings *settings, struct vkmoe_moe_params *params)
{
    const struct family *family = kind->family;
    *params = family->preset;
    vkmoe_setting_expect_all(settings, family->expect, ARRAY_SIZE(family->expect));
    params->hidden = vkmoe_setting_read(&family->hidden, settings, 1, MAX_WIDTH);
    params->inner = vkmoe_setting_read(&family->inner, settings, 1, MAX_WIDTH);
    vkmoe_family_read_experts(family, settings, &params->experts, &params->experts_per_token);
    read_activation(family, settings, params);
    read_shared(family, settings, params);
    if (family->latent.key && !vkmoe_setting_is_null(settings, family->latent.key))
        params->latent.size = vkmoe_setting_read(&family->latent, settings, 0, MAX_WIDTH);
    read_router(kind, settings, params);
    if (family->adjust)
        family->adjust(settings, params);
    if (params->shared.inner > 0 && vkmoe_family_averages(family, settings))
        params->router.scale = 0.5f * (params->router.scale != 0.0f ? params->router.scale : 1.0f);
    check_groups(settings, params);
}

void vkmoe_family_read_dense(
    const struct kind *kind, struct settings *settings, struct vkmoe_moe_params *params)
{
    const struct family *family = kind->family;
    *params = (struct vkmoe_moe_params){ VKMOE_INIT(vkmoe_moe_params), .experts = 1,
        .experts_per_token = 1, .router.select = VKMOE_SELECT_SUPPLIED_WEIGHTED };
    vkmoe_setting_expect_all(settings, family->expect, ARRAY_SIZE(family->expect));
    params->hidden = vkmoe_setting_read(&family->hidden, settings, 1, MAX_WIDTH);
    params->inner = vkmoe_setting_read(&family->dense_inner, settings, 1, MAX_WIDTH);
    read_activation(family, settings, params);
}
