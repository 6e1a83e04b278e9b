// aliases.c - finds the family of a config, by its own name or another's. What is listed here
// derives its block from the family's in Hugging Face transformers 5.12, or copied it as remote
// code. Look-alikes that differ (minimax_m2, hunyuan_v1_moe, ernie4_5_moe, afmoe, bailing_moe,
// ...) have other names or another gate, and are refused by name.
#include "checkpoint/aliases.h"

#include <string.h>

#include "base/common.h"
#include "checkpoint/family.h"
#include "base/json.h"

#define DENSE_FIRST .needs = "first_k_dense_replace|mlp_layer_types"

static const struct vkmoe_alias aliases[] = {
    { "kimi_k2", "deepseek_v3", DENSE_FIRST },
    { "deepseek_v32", "deepseek_v3", DENSE_FIRST },
    // What it calls a scoring function is the method; the scores are sigmoids.
    { "dots1", "deepseek_v3", DENSE_FIRST, .accept = "scoring_func=noaux_tc" },
    { "deepseek", "deepseek_v2", DENSE_FIRST },
    { "glm4v_moe", "glm4_moe", DENSE_FIRST },
    { "glm4v_moe_text", "glm4_moe", DENSE_FIRST },
    { "glm4_moe_lite", "glm4_moe", DENSE_FIRST },
    { "glm_moe_dsa", "glm4_moe", DENSE_FIRST },
    { "qwen3_next", "qwen2_moe" },
    { "qwen3_5_moe", "qwen2_moe", .renormalize = true },
    { "qwen3_5_moe_text", "qwen2_moe", .renormalize = true },
    { "qwen3_vl_moe", "qwen3_moe", .renormalize = true },
    { "qwen3_vl_moe_text", "qwen3_moe", .renormalize = true },
    { "flex_olmo", "olmoe" },
    { "granitemoeshared", "granitemoehybrid" },
    { "minimax", "mixtral" },
    { "minimax_text_01", "mixtral", .expect = "shared_intermediate_size=0" },
};

static const struct vkmoe_family *find_name(const char *name, const struct vkmoe_alias **alias)
{
    *alias = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
        if (strcmp(aliases[i].name, name) == 0) {
            *alias = &aliases[i];
            return vkmoe_family_named(aliases[i].family);
        }
    }
    return vkmoe_family_named(name);
}

static void require(struct vkmoe_config *config, const char *keys)
{
    if (keys && !vkmoe_config_find(config, keys) && !vkmoe_config_is_null(config, keys))
        vkmoe_config_fail(config, VKMOE_ERROR_UNSUPPORTED,
            "model_type \"%s\" has the block of %s, but not its presets: needs %.*s",
            config->alias->name, config->alias->family, (int)strcspn(keys, "|"), keys);
}

// All that the family would fill in itself.
static void check_alias(const struct vkmoe_family *family, struct vkmoe_config *config)
{
    const struct vkmoe_alias *alias = config->alias;
    const struct vkmoe_router_params *preset = &family->preset.router;
    const char *const keys[] = {
        alias->needs,
        family->blocks.key,
        family->hidden.key,
        family->inner.key,
        family->experts.key,
        family->experts_per_token.key,
        family->shared_inner.key,
        family->shared_count.key,
        family->correction_bias.key,
        alias->renormalize ? NULL : family->renormalize_key,
        preset->scale != 0.0f && preset->scale != 1.0f ? family->scale_key : NULL,
        preset->groups > 1 ? family->groups_key : NULL,
        preset->groups > 1 ? family->groups_kept_key : NULL,
    };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        require(config, keys[i]);
    if (alias->expect)
        vkmoe_config_expect(config, alias->expect);
}

static void refuse_unknown(struct vkmoe_config *config, const char *name, const char *text_name)
{
    char text[64], inner[64];
    if (text_name && *text_name)
        vkmoe_config_fail(config, VKMOE_ERROR_UNSUPPORTED,
            "model_type is \"%s\" around \"%s\", which is no family that this version knows",
            vkmoe_json_printable(name, text, sizeof text),
            vkmoe_json_printable(text_name, inner, sizeof inner));
    else
        vkmoe_config_fail(config, VKMOE_ERROR_UNSUPPORTED,
            "model_type is \"%s\", a family that this version does not know",
            vkmoe_json_printable(name, text, sizeof text));
}

const struct vkmoe_family *vkmoe_family_find(struct vkmoe_config *config)
{
    const struct vkmoe_alias *text_alias;
    const char *name = vkmoe_config_string(config, "model_type", ""), *text_name = NULL;
    const struct vkmoe_family *family = find_name(name, &config->alias);
    const cJSON *text_config = vkmoe_config_find(config, "text_config|llm_config");
    if (cJSON_IsObject(text_config)) {
        config->object = text_config;
        text_name = vkmoe_config_string(config, "model_type", "");
        const struct vkmoe_family *text_family = find_name(text_name, &text_alias);
        // A wrapper of another name around a language model that is known will do.
        if (!family)
            family = text_family;
        else if (*text_name && text_family != family)
            family = NULL;
        if (*text_name)
            config->alias = text_alias;
    }
    if (!family)
        refuse_unknown(config, name, text_name);
    else if (config->alias)
        check_alias(family, config);
    return config->status == VKMOE_OK ? family : NULL;
}
