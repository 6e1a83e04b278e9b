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

#define GROWTH_KEY "llama_4_scaling_beta"

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
    { "longrope", VKMOE_ROPE_SCALING_LONGROPE,
        { COMMON_KEYS, "factor", "original_max_position_embeddings", "attention_factor",
            "short_factor", "long_factor", "short_mscale", "long_mscale" } },
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
        "%s has the type \"%s\", only default, linear, dynamic, llama3, yarn and longrope are "
        "supported",
        parent, vkmoe_printable(name, text, sizeof text));
    return &scalings[0];
}

// Whatever else is there changes the numbers in a way that is not known here. `grows`: it may have
// what vkmoe_rope_growth() reads, beside a number that means nothing.
static void check_keys(
    struct settings *object, const struct scaling *scaling, bool grows, const char *parent)
{
    VALUE_EACH(item, object->object)
    {
        bool known = item->kind == VALUE_NULL
            || (grows && scaling->scaling == VKMOE_ROPE_SCALING_YARN
                && (strcmp(item->name, GROWTH_KEY) == 0
                    || strcmp(item->name, "max_position_embeddings") == 0));
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

// Where a scaling stands; NULL: nowhere.
static const struct value *find_object(struct settings *settings)
{
    const struct value *item = vkmoe_setting_object(settings, "rope_parameters");
    return item ? item : vkmoe_setting_object(settings, "rope_scaling");
}

double vkmoe_rope_score_scale(struct settings *settings, const struct vkmoe_rope *rope)
{
    const struct value *item = find_object(settings);
    if (rope->scaling != VKMOE_ROPE_SCALING_YARN || !item)
        return 1.0;
    struct settings object = *settings;
    object.object = item;
    const double once = grow(rope->factor, vkmoe_setting_number(&object, "mscale_all_dim", 0.0));
    settings->status = object.status;
    return once * once;
}

double vkmoe_rope_growth(struct settings *settings, double preset)
{
    const struct value *item = find_object(settings);
    if (!item)
        return preset;
    struct settings object = *settings;
    object.object = item;
    const double growth = vkmoe_setting_number(&object, GROWTH_KEY, 0.0);
    if (!(growth >= 0.0 && growth <= 1e6))
        vkmoe_setting_fail(&object, VKMOE_ERROR_INVALID,
            GROWTH_KEY " is %g, expected at least 0 and at most 1e6", growth);
    settings->status = object.status;
    return growth;
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

// Of the paper, section 3.3, unless Phi's settings say another.
static void read_longrope(struct settings *object, struct vkmoe_rope *rope)
{
    const double factor = (double)rope->factor, trained = rope->original_positions;
    const double preset = factor <= 1.0 ? 1.0 : sqrt(1.0 + log(factor) / log(fmax(trained, 2.0)));
    rope->attention_factor = read_above(object, "short_mscale|attention_factor", preset, 0.0);
    rope->factor = 0.0f; // which is for this alone
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
        if (scaling->scaling == VKMOE_ROPE_SCALING_YARN
            || scaling->scaling == VKMOE_ROPE_SCALING_LONGROPE)
            preset = (double)max_positions / rope->original_positions;
    }
    rope->factor = read_above(object, "factor", preset, 0.0);
    if (scaling->scaling == VKMOE_ROPE_SCALING_LLAMA3) {
        rope->low_factor = read_above(object, "low_freq_factor", 0.0, 0.0);
        rope->high_factor = read_above(object, "high_freq_factor", 0.0, 0.0);
        if (rope->high_factor < rope->low_factor)
            vkmoe_setting_fail(object, VKMOE_ERROR_INVALID,
                "high_freq_factor is %g, expected at least low_freq_factor, %g",
                (double)rope->high_factor, (double)rope->low_factor);
    } else if (scaling->scaling == VKMOE_ROPE_SCALING_YARN) {
        read_yarn(object, rope);
    } else if (scaling->scaling == VKMOE_ROPE_SCALING_DYNAMIC) {
        check_dynamic(object, rope, max_positions);
    } else if (scaling->scaling == VKMOE_ROPE_SCALING_LONGROPE) {
        read_longrope(object, rope);
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

// What an object says. It starts from `out->kind` and `out->base`: transformers 5 saves the base of
// a model in the object, and may leave its class's beside it.
static void read_object(struct settings *settings, const struct value *item, uint32_t max_positions,
    bool grows, struct vkmoe_rope *out)
{
    uint32_t original =
        vkmoe_setting_u32(settings, "original_max_position_embeddings", 0, 1, INT32_MAX);
    struct settings object = *settings;
    object.object = item;
    *out = (struct vkmoe_rope){ .kind = out->kind, .size = out->size, .base = out->base };
    out->base = read_above(&object, "rope_theta", out->base, 1.0);
    const struct scaling *scaling = find_scaling(&object, item->name);
    check_keys(&object, scaling, grows, item->name);
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

// Whether two objects have the same list, or neither of them.
static bool has_same_list(const struct value *a, const struct value *b, const char *key)
{
    const struct value *x = vkmoe_value_member(a, key), *y = vkmoe_value_member(b, key);
    if (!value_is(x, VALUE_LIST) || !value_is(y, VALUE_LIST))
        return value_is(x, VALUE_LIST) == value_is(y, VALUE_LIST);
    bool same = x->count == y->count;
    for (uint32_t i = 0; same && i < x->count; i++)
        same = x->items[i].number == y->items[i].number;
    return same;
}

void vkmoe_rope_read(struct settings *settings, const struct vkmoe_rope *preset,
    uint32_t max_positions, bool grows, struct vkmoe_rope *out)
{
    *out = *preset;
    out->base = read_above(settings, "rope_theta", preset->base, 1.0);
    if (preset->scaling == VKMOE_ROPE_SCALING_YARN && preset->attention_factor == 0.0f)
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
        read_object(settings, old, max_positions, grows, &other);
        read_object(settings, new, max_positions, grows, out);
        if (!is_same(&other, out) || !has_same_list(old, new, "short_factor")
            || !has_same_list(old, new, "long_factor"))
            vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
                "rope_scaling and rope_parameters say different things");
        return;
    }
    read_object(settings, new ? new : old, max_positions, grows, out);
}

// ------------------------------------------------------------------------- of some families

bool vkmoe_rope_read_alpha(struct settings *settings, const struct vkmoe_rope *preset,
    uint32_t head_size, struct vkmoe_rope *out)
{
    // Called dynamic, but the base is another once and for all: the slowest pair turns alpha times
    // slower, the fastest as ever. What YaRN would need stands beside it, and means nothing.
    static const struct scaling fixed = { "dynamic", VKMOE_ROPE_SCALING_PLAIN,
        { COMMON_KEYS, "alpha", "factor", "original_max_position_embeddings", "beta_fast",
            "beta_slow", "mscale", "mscale_all_dim" } };
    const struct value *item = find_object(settings);
    const double base = vkmoe_setting_number(settings, "rope_theta", preset->base);
    struct settings object = *settings; // from here on its status is that of all
    object.object = item;
    const bool is_fixed = item && vkmoe_setting_find(&object, "alpha")
        && find_scaling(&object, item->name)->scaling == VKMOE_ROPE_SCALING_DYNAMIC;
    settings->status = object.status;
    if (!is_fixed)
        return false;
    *out = *preset;
    const double size = head_size, alpha = read_above(&object, "alpha", 0.0, 0.0);
    const double theta = read_above(&object, "rope_theta", base, 1.0);
    check_keys(&object, &fixed, false, item->name);
    out->base = (float)(theta * pow(alpha, size / (size - 2.0)));
    if (head_size <= 2 || !(out->base > 1.0f) || !isfinite(out->base))
        vkmoe_setting_fail(&object, VKMOE_ERROR_INVALID,
            "alpha is %g, which no base of heads of %u elements stands", alpha, head_size);
    settings->status = object.status;
    return true;
}

float vkmoe_rope_read_long_factor(struct settings *settings, const struct vkmoe_rope *rope)
{
    const struct value *item = find_object(settings);
    struct settings object = *settings;
    object.object = item;
    if (rope->scaling != VKMOE_ROPE_SCALING_LONGROPE || !item)
        return 0.0f;
    const float factor = read_above(&object, "long_mscale", (double)rope->attention_factor, 0.0);
    settings->status = object.status;
    return factor;
}

static void read_list(struct settings *object, const char *key, uint32_t pairs, float *out)
{
    const struct value *list;
    if (!vkmoe_setting_list_of(object, key, pairs, "number", "pairs", &list)) {
        vkmoe_setting_fail(
            object, VKMOE_ERROR_INVALID, "needs %s, an array of %u numbers, for RoPE", key, pairs);
        return;
    }
    for (uint32_t i = 0; i < pairs && object->status == VKMOE_OK; i++) {
        const struct value *item = &list->items[i];
        out[i] = item->kind == VALUE_NUMBER && item->number <= 1e30 ? (float)item->number : 0.0f;
        if (!(out[i] > 0.0f))
            vkmoe_setting_fail(
                object, VKMOE_ERROR_INVALID, "%s has something else than numbers above 0", key);
    }
}

void vkmoe_rope_read_divisors(
    struct settings *settings, uint32_t pairs, float *within, float *beyond)
{
    const struct value *item = find_object(settings);
    struct settings object = *settings;
    object.object = item;
    if (!item)
        return;
    read_list(&object, "short_factor", pairs, within);
    read_list(&object, "long_factor", pairs, beyond);
    settings->status = object.status;
}
