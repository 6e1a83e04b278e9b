// aliases.c - finds the family of a model, by its own name or another's. What families list as
// aliases derives its block from the family's in Hugging Face transformers 5.12, or copied it as
// remote code. Look-alikes that differ (mimo_v2, minimax_m3, ...) have other names or another gate,
// and are refused by name.
#include "checkpoint/aliases.h"

#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "checkpoint/family.h"
#include "base/value.h"

static void require(struct settings *settings, const struct kind *kind, const char *keys)
{
    if (keys && !vkmoe_setting_find(settings, keys) && !vkmoe_setting_is_null(settings, keys))
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "model_type \"%s\" has the block of %s, but not its presets: needs %.*s",
            kind->alias->name, kind->family->name, (int)strcspn(keys, "|"), keys);
}

// All that the family would fill in itself.
static void check_alias(const struct kind *kind, struct settings *settings)
{
    const struct family *family = kind->family;
    const struct alias *alias = kind->alias;
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
        preset->groups.count > 1 ? family->groups_key : NULL,
        preset->groups.count > 1 ? family->groups_kept_key : NULL,
    };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        require(settings, kind, keys[i]);
    if (alias->expect)
        vkmoe_setting_expect(settings, alias->expect);
}

bool vkmoe_alias_is_whole(const struct kind *kind, struct settings *settings)
{
    char key[64];
    const char *keys = kind->alias ? kind->alias->whole : "";
    for (const char *at = keys; at && *at; at += strspn(at, " ")) {
        const size_t length = strcspn(at, " ");
        snprintf(key, sizeof key, "%.*s", (int)length, at);
        require(settings, kind, key);
        at += length;
    }
    return keys;
}

static void refuse_unknown(struct settings *settings, const char *name, const char *text_name)
{
    char text[64], inner[64];
    if (text_name && *text_name)
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "model_type is \"%s\" around \"%s\", which is no family that this version knows",
            vkmoe_printable(name, text, sizeof text),
            vkmoe_printable(text_name, inner, sizeof inner));
    else
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "model_type is \"%s\", a family that this version does not know",
            vkmoe_printable(name, text, sizeof text));
}

struct kind vkmoe_family_find(struct settings *settings)
{
    const char *name = vkmoe_setting_string(settings, "model_type", ""), *text_name = NULL;
    struct kind kind = vkmoe_family_named(name);
    const struct value *text_config = vkmoe_setting_find(settings, "text_config|llm_config");
    if (value_is(text_config, VALUE_OBJECT)) {
        settings->object = text_config;
        text_name = vkmoe_setting_string(settings, "model_type", "");
        const struct kind text = vkmoe_family_named(text_name);
        // A wrapper of another name around a language model that is known will do.
        if (!kind.family)
            kind.family = text.family;
        else if (*text_name && text.family != kind.family)
            kind.family = NULL;
        if (*text_name)
            kind.alias = text.alias;
    }
    if (kind.family && kind.family->other_if && vkmoe_setting_is(settings, kind.family->other_if))
        kind = vkmoe_family_named(kind.family->other);
    if (!kind.family)
        refuse_unknown(settings, name, text_name);
    else if (kind.alias)
        check_alias(&kind, settings);
    return settings->status == VKMOE_OK ? kind : (struct kind){ 0 };
}
