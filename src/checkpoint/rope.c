// rope.c - see rope.h. transformers 4 has rope_theta and a rope_scaling without it,
// transformers 5 a rope_parameters with both. Defaults and the order of precedence are those
// of transformers 5.12; where versions disagree, both values have to be the same.
#include "checkpoint/rope.h"

#include <math.h>
#include <string.h>

#include "base/common.h"
#include "base/value.h"

// In a text, which is all that is read here, a position is the same number in every section.
#define COMMON_KEYS \
    "rope_type", "type", "rope_theta", "partial_rotary_factor", "mrope_section", "mrope_interleaved"

struct scaling {
    const char *name;
    enum vkmoe_rope_scaling scaling;
    const char *keys[16]; // what it knows
};

static const struct scaling scalings[] = {
    { "default", VKMOE_ROPE_SCALING_PLAIN, { COMMON_KEYS } },
    { "linear", VKMOE_ROPE_SCALING_LINEAR, { COMMON_KEYS, "factor" } },
    { "dynamic", VKMOE_ROPE_SCALING_DYNAMIC,
        { COMMON_KEYS, "factor", "original_max_position_embeddings" } },
    { "llama3", VKMOE_ROPE_SCALING_LLAMA3,
        { COMMON_KEYS, "factor", "original_max_position_embeddings", "low_freq_factor",
            "high_freq_factor" } },
    { "yarn", VKMOE_ROPE_SCALING_YARN,
        { COMMON_KEYS, "factor", "original_max_position_embeddings", "attention_factor",
            "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate" } },
};

// A number above `floor` that a float holds. A preset that is none: it must be there.
static float read_above(struct settings *settings, const char *key, double preset, double floor)
{
    if (!(preset > floor) && !vkmoe_setting_find(settings, key))
        vkmoe_setting_fail(
            settings, VKMOE_ERROR_INVALID, "needs %s, a number above %g, for RoPE", key, floor);
    double value = vkmoe_setting_number(settings, key, preset);
    if (settings->status == VKMOE_OK && !((float)value > (float)floor))
        vkmoe_setting_fail(
            settings, VKMOE_ERROR_INVALID, "%s is %g, expected more than %g", key, value, floor);
    return (float)value;
}

static const struct scaling *find_scaling(struct settings *object, const char *parent)
{
    const char *name = vkmoe_setting_string(object, "rope_type|type", "default");
    const char *old_name = vkmoe_setting_string(object, "type", name);
    if (strcmp(name, old_name) != 0) {
        char a[64], b[64];
        vkmoe_setting_fail(object, VKMOE_ERROR_INVALID,
            "%s has the rope_type \"%s\", but the type "
            "\"%s\"",
            parent, vkmoe_printable(name, a, sizeof a), vkmoe_printable(old_name, b, sizeof b));
    }
    for (size_t i = 0; i < ARRAY_SIZE(scalings); i++) {
        if (strcmp(name, scalings[i].name) == 0)
            return &scalings[i];
    }
    char text[64];
    vkmoe_setting_fail(object, VKMOE_ERROR_UNSUPPORTED,
        "%s has the type \"%s\", only default, linear, dynamic, llama3 and yarn are supported",
        parent, vkmoe_printable(name, text, sizeof text));
    return &scalings[0];
}

// Whatever else is there changes the numbers in a way that is not known here.
static void check_keys(struct settings *object, const struct scaling *scaling, const char *parent)
{
    VALUE_EACH(item, object->object)
    {
        bool known = item->kind == VALUE_NULL;
        for (size_t i = 0; i < ARRAY_SIZE(scaling->keys) && scaling->keys[i]; i++)
            known = known || strcmp(item->name, scaling->keys[i]) == 0;
        char text[64];
        if (!known)
            vkmoe_setting_fail(object, VKMOE_ERROR_UNSUPPORTED,
                "%s of type %s has %s, which is not supported", parent, scaling->name,
                vkmoe_printable(item->name, text, sizeof text));
    }
}

// The attention factor's growth with the context, from the YaRN paper.
static double grow(double factor, double scale)
{
    return factor <= 1.0 ? 1.0 : 0.1 * scale * log(factor) + 1.0;
}

double vkmoe_rope_score_scale(struct settings *settings, const struct vkmoe_rope *rope)
{
    const struct value *item = vkmoe_setting_object(settings, "rope_parameters");
    item = item ? item : vkmoe_setting_object(settings, "rope_scaling");
    if (rope->scaling != VKMOE_ROPE_SCALING_YARN || !item)
        return 1.0;
    struct settings object = *settings;
    object.object = item;
    const double once = grow(rope->factor, vkmoe_setting_number(&object, "mscale_all_dim", 0.0));
    settings->status = object.status;
    return once * once;
}

static void read_yarn(struct settings *object, struct vkmoe_rope *rope)
{
    rope->beta_fast = read_above(object, "beta_fast", 32.0, 0.0);
    rope->beta_slow = read_above(object, "beta_slow", 1.0, 0.0);
    if (rope->beta_fast < rope->beta_slow)
        vkmoe_setting_fail(object, VKMOE_ERROR_INVALID,
            "beta_fast is %g, expected at least beta_slow, %g", (double)rope->beta_fast,
            (double)rope->beta_slow);
    rope->exact_range = !vkmoe_setting_bool(object, "truncate", true);
    double mscale = vkmoe_setting_number(object, "mscale", 0.0);
    double all_dim = vkmoe_setting_number(object, "mscale_all_dim", 0.0);
    double preset = grow(rope->factor, 1.0);
    if (mscale != 0.0 && all_dim != 0.0)
        preset = grow(rope->factor, mscale) / grow(rope->factor, all_dim);
    rope->attention_factor = read_above(object, "attention_factor", preset, 0.0);
}

// transformers lets the base grow from max_position_embeddings on, whatever else is given;
// others go by original_max_position_embeddings.
static void check_dynamic(
    struct settings *object, const struct vkmoe_rope *rope, uint32_t max_positions)
{
    if (rope->original_positions != max_positions)
        vkmoe_setting_fail(object, VKMOE_ERROR_INVALID,
            "original_max_position_embeddings is %u, expected max_position_embeddings, %u, for "
            "dynamic RoPE",
            rope->original_positions, max_positions);
    if (!(rope->factor >= 1.0f))
        vkmoe_setting_fail(object, VKMOE_ERROR_INVALID,
            "factor is %g, expected at least 1 for dynamic RoPE", (double)rope->factor);
}

static void read_scaling(struct settings *object, const struct scaling *scaling,
    uint32_t max_positions, uint32_t original_positions, struct vkmoe_rope *rope)
{
    rope->scaling = scaling->scaling;
    if (scaling->scaling == VKMOE_ROPE_SCALING_PLAIN)
        return;
    double preset = 0.0; // required
    if (scaling->scaling != VKMOE_ROPE_SCALING_LINEAR) {
        rope->original_positions = vkmoe_setting_u32(object, "original_max_position_embeddings",
            original_positions ? original_positions : max_positions, 1, INT32_MAX);
        if (original_positions && rope->original_positions != original_positions)
            vkmoe_setting_fail(object, VKMOE_ERROR_INVALID,
                "original_max_position_embeddings is both %u and %u", original_positions,
                rope->original_positions);
        if (scaling->scaling == VKMOE_ROPE_SCALING_YARN)
            preset = (double)max_positions / rope->original_positions;
    }
    rope->factor = read_above(object, "factor", preset, 0.0);
    if (scaling->scaling == VKMOE_ROPE_SCALING_LLAMA3) {
        rope->low_factor = read_above(object, "low_freq_factor", 0.0, 0.0);
        rope->high_factor = read_above(object, "high_freq_factor", 0.0, rope->low_factor);
    } else if (scaling->scaling == VKMOE_ROPE_SCALING_YARN) {
        read_yarn(object, rope);
    } else if (scaling->scaling == VKMOE_ROPE_SCALING_DYNAMIC) {
        check_dynamic(object, rope, max_positions);
    }
}

double vkmoe_rope_part(struct settings *settings, double preset)
{
    const struct value *const places[] = { settings->object,
        vkmoe_setting_object(settings, "rope_scaling"),
        vkmoe_setting_object(settings, "rope_parameters") };
    double part = preset != 0.0 ? preset : 1.0;
    struct settings place = *settings;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        place.object = places[i];
        if (places[i] && preset == 0.0)
            vkmoe_setting_expect(&place, "partial_rotary_factor=1");
        else if (places[i])
            part = vkmoe_setting_number(&place, "partial_rotary_factor", part);
    }
    settings->status = place.status;
    if (!(part > 0.0 && part <= 1.0))
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "partial_rotary_factor is %g, expected more than 0 and at most 1", part);
    return part;
}

// What an object says. It starts from `out->kind` and `out->base`.
static void read_object(struct settings *settings, const struct value *item, uint32_t max_positions,
    struct vkmoe_rope *out)
{
    bool has_base = vkmoe_setting_find(settings, "rope_theta") != NULL;
    uint32_t original =
        vkmoe_setting_u32(settings, "original_max_position_embeddings", 0, 1, INT32_MAX);
    struct settings object = *settings;
    object.object = item;
    *out = (struct vkmoe_rope){ .kind = out->kind, .size = out->size, .base = out->base };
    float base = read_above(&object, "rope_theta", out->base, 1.0);
    if (has_base && base != out->base)
        vkmoe_setting_fail(&object, VKMOE_ERROR_INVALID, "rope_theta is both %g and %g",
            (double)out->base, (double)base);
    out->base = base;
    const struct scaling *scaling = find_scaling(&object, item->name);
    check_keys(&object, scaling, item->name);
    read_scaling(&object, scaling, max_positions, original, out);
    settings->status = object.status;
}

static bool is_same(const struct vkmoe_rope *a, const struct vkmoe_rope *b)
{
    return a->kind == b->kind && a->size == b->size && a->base == b->base
        && a->scaling == b->scaling && a->factor == b->factor
        && a->original_positions == b->original_positions && a->low_factor == b->low_factor
        && a->high_factor == b->high_factor && a->beta_fast == b->beta_fast
        && a->beta_slow == b->beta_slow && a->attention_factor == b->attention_factor
        && a->exact_range == b->exact_range;
}

void vkmoe_rope_read(struct settings *settings, const struct vkmoe_rope *preset,
    uint32_t max_positions, struct vkmoe_rope *out)
{
    *out = *preset;
    out->base = read_above(settings, "rope_theta", preset->base, 1.0);
    if (preset->scaling == VKMOE_ROPE_SCALING_YARN)
        out->attention_factor = (float)grow(preset->factor, 1.0);
    const struct value *old = vkmoe_setting_object(settings, "rope_scaling");
    const struct value *new = vkmoe_setting_object(settings, "rope_parameters");
    if ((!old && !new) || settings->status != VKMOE_OK)
        return;
    if (old && new) { // what one says of the base, the other need not
        const struct value *base = vkmoe_value_member(new, "rope_theta");
        base = base ? base : vkmoe_value_member(old, "rope_theta");
        if (value_is(base, VALUE_NUMBER) && !vkmoe_setting_find(settings, "rope_theta"))
            out->base = (float)base->number;
        struct vkmoe_rope other = *out;
        read_object(settings, old, max_positions, &other);
        read_object(settings, new, max_positions, out);
        if (!is_same(&other, out))
            vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
                "rope_scaling and rope_parameters say different things");
        return;
    }
    read_object(settings, new ? new : old, max_positions, out);
}
