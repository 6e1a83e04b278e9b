// tune.c - finds what is fastest on a device, by trying.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/common.h"
#include "base/params.h"
#include "base/try.h"
#include "device/overrides.h"
#include "moe/plan.h"
#include "moe/tune_layer.h"

#include "shaders/decode.h"

#define DEFAULT_BUDGET_NS 10000000000u
#define GAIN 1.05                // less may be chance
#define FORMS_UNTIL 0.85         // of the budget; the rest is for decode_tokens
#define HOPELESS 3.0             // so many times as slow: one sample will do
#define ACTIVE_ON_CPU 8u         // experts that rows of products go to, where these take long
#define MOST_ELEMENTS (1u << 28) // of a matrix, which the host makes up
#define MOST_PAIRS 8192u         // of one measurement, if k experts need no more
#define CLASSES ARRAY_SIZE(classes)
#define MOST_ROWS 128u
static const uint32_t classes[] = { 4, 8, 16, 32, 64, MOST_ROWS }; // rows an expert

struct tuner {
    vkmoe_device *device;
    const struct vkmoe_tune_params *params;
    bool fast;             // the precision is, and it matters
    struct overrides *now; // the device's
    struct tune_layer layer;
    uint64_t start, budget;
    uint64_t longest; // that a measurement took
    bool ended;       // by `progress`
    uint32_t values;  // 1 << enum tune of those that were measured to the end
    bool forms;       // likewise
};

// To be asked before each measurement: whether this part of the budget has room for another.
static bool goes_on(struct tuner *t, double until)
{
    const uint64_t spent = clock_ns() - t->start;
    if (!t->ended && t->params->progress)
        t->ended = !t->params->progress(t->params->user, MIN(spent, t->budget), t->budget);
    return !t->ended && (double)(spent + t->longest) < until * (double)t->budget;
}

static enum vkmoe_status measure(
    struct tuner *t, const char *what, uint32_t tokens, double limit, double *ns)
{
    const uint64_t start = clock_ns();
    const enum vkmoe_status status = vkmoe_tune_layer_time(&t->layer, what, tokens, limit, ns);
    t->longest = MAX(t->longest, clock_ns() - start);
    return status;
}

static void set_value(struct tuner *t, enum tune what, uint32_t value)
{
    t->now->values[what] = value;
    vkmoe_tune_layer_update(&t->layer);
}

// The outputs of the plainest product are what is expected of the first `tokens`: of two at least,
// as one is the decode kernels' in any case.
static enum vkmoe_status expect_plain(struct tuner *t, uint32_t tokens, uint32_t active)
{
    const uint32_t kept = t->now->values[TUNE_DECODE_TOKENS];
    vkmoe_tune_layer_force(&t->layer, vkmoe_form_plainest(KERNEL_experts_gemm, t->layer.dtype));
    set_value(t, TUNE_DECODE_TOKENS, 1);
    const enum vkmoe_status status = vkmoe_tune_layer_expect(&t->layer, MAX(tokens, 2), active);
    vkmoe_tune_layer_force(&t->layer, NULL);
    set_value(t, TUNE_DECODE_TOKENS, kept);
    return status;
}

static bool are_few(const struct tuner *t, uint32_t tokens)
{
    return tokens == 1 || tokens * t->params->experts_per_token <= DECODE_MAX_PAIRS;
}

static void tell(const struct tuner *t, const char *what, const char *now, const char *before,
    double gain, uint32_t count, const char *of)
{
    vkmoe_log(&t->device->gpu.log, VKMOE_LOG_INFO,
        "vkmoe_device_tune: %s: %s instead of %s, %.2f times as fast with %u %s", what, now, before,
        gain, count, of);
}

// ------------------------------------------------------------------- decode kernels

struct climb {
    const struct tunable *tunable;
    uint32_t best;
    double ns;       // of it
    bool moved, cut; // there was no time for another
};

static enum vkmoe_status try_value(struct tuner *t, struct climb *c, uint32_t value, bool *better)
{
    const struct tunable *tunable = c->tunable;
    char what[48];
    double ns;
    *better = false;
    if (value < tunable->least || value > tunable->most)
        return VKMOE_OK;
    c->cut = !goes_on(t, 1);
    if (c->cut)
        return VKMOE_OK;
    snprintf(what, sizeof what, "%s %u", tunable->name, value);
    set_value(t, tunable->what, value);
    TRY_RETURN(measure(t, what, tunable->tokens, HOPELESS * c->ns, &ns));
    if (ns * GAIN < c->ns) { // by chance?
        set_value(t, tunable->what, c->best);
        TRY_RETURN(measure(t, what, tunable->tokens, INFINITY, &c->ns));
        set_value(t, tunable->what, value);
        TRY_RETURN(measure(t, what, tunable->tokens, INFINITY, &ns));
        *better = ns * GAIN < c->ns;
    }
    if (*better) {
        c->best = value;
        c->ns = ns;
        c->moved = true;
    }
    return VKMOE_OK;
}

// Goes up from the table's value for as long as that is better, or else down.
static enum vkmoe_status climb(struct tuner *t, const struct tunable *tunable)
{
    const uint32_t first = vkmoe_tuning(t->device, tunable->what);
    struct climb c = { .tunable = tunable, .best = first };
    bool better = true;
    double before;
    if (first < tunable->least || first > tunable->most)
        return VKMOE_OK;
    TRY_RETURN(measure(t, tunable->name, tunable->tokens, INFINITY, &c.ns));
    before = c.ns;
    while (better)
        TRY_RETURN(try_value(t, &c, c.best * 2, &better));
    for (better = !c.moved; better;)
        TRY_RETURN(try_value(t, &c, c.best / 2, &better));
    set_value(t, tunable->what, c.moved ? c.best : 0);
    if (c.moved || !c.cut)
        t->values |= 1u << tunable->what;
    if (c.moved) {
        char now[16], old[16];
        snprintf(now, sizeof now, "%u", c.best);
        snprintf(old, sizeof old, "%u", first);
        tell(t, tunable->name, now, old, before / c.ns, tunable->tokens, "token(s)");
    }
    return VKMOE_OK;
}

static enum vkmoe_status tune_values(struct tuner *t)
{
    const uint32_t experts = t->layer.moe->params.experts;
    uint32_t expected = 0;
    for (uint32_t i = 0; i < vkmoe_tunable_count && goes_on(t, 1); i++) {
        const struct tunable *tunable = &vkmoe_tunables[i];
        if (tunable->tokens == 0 || !are_few(t, tunable->tokens)
            || (tunable->cards_only && t->device->is_cpu))
            continue;
        if (expected != tunable->tokens)
            TRY_RETURN(expect_plain(t, expected = tunable->tokens, experts));
        set_value(t, TUNE_DECODE_TOKENS, DECODE_MAX_TOKENS);
        TRY_RETURN(climb(t, tunable));
        set_value(t, TUNE_DECODE_TOKENS, 0);
    }
    return VKMOE_OK;
}

// Up to how many tokens the decode kernels are better than what sorts.
static enum vkmoe_status tune_decode_tokens(struct tuner *t)
{
    const uint32_t table = vkmoe_moe_few_tokens(t->layer.moe);
    uint32_t best = 1;
    for (uint32_t tokens = 2; tokens <= DECODE_MAX_TOKENS && are_few(t, tokens); tokens *= 2) {
        double few, many;
        if (!goes_on(t, 1))
            return VKMOE_OK;
        TRY_RETURN(expect_plain(t, tokens, t->layer.moe->params.experts));
        set_value(t, TUNE_DECODE_TOKENS, DECODE_MAX_TOKENS);
        TRY_RETURN(measure(t, "few tokens", tokens, INFINITY, &few));
        set_value(t, TUNE_DECODE_TOKENS, 1);
        TRY_RETURN(measure(t, "sorting", tokens, INFINITY, &many));
        set_value(t, TUNE_DECODE_TOKENS, 0);
        // Within chance of each other, the table is right.
        if (tokens <= table ? few > many * GAIN : few * GAIN > many)
            break;
        best = tokens;
    }
    set_value(t, TUNE_DECODE_TOKENS, best != table ? best : 0);
    t->values |= 1u << TUNE_DECODE_TOKENS;
    if (best != table)
        vkmoe_log(&t->device->gpu.log, VKMOE_LOG_INFO,
            "vkmoe_device_tune: decode_tokens: %u instead of %u", best, table);
    return VKMOE_OK;
}

// ---------------------------------------------------------------------------- forms

struct form_class {
    uint32_t rows, from;
    bool cut; // there was no time for all forms
    const struct variant *table, *best;
};

// Those that the device can run for these weights.
struct candidates {
    const struct variant *forms[OVERRIDES_MAX_FORMS];
    uint32_t count;
};

static struct candidates list_forms(const struct tuner *t)
{
    struct candidates all = { .count = 0 };
    for (uint32_t i = 0; i < vkmoe_variant_count && all.count < OVERRIDES_MAX_FORMS; i++) {
        const struct variant *v = &vkmoe_variants[i];
        if (v->kernel == KERNEL_experts_gemm
            && vkmoe_form_named(t->device, "experts_gemm", v->form, t->params->dtype, t->fast) == v)
            all.forms[all.count++] = v;
    }
    return all;
}

// The fastest form at so many rows an expert; if time does not suffice for all, the table's.
static enum vkmoe_status tune_class(
    struct tuner *t, const struct candidates *all, struct form_class *c)
{
    const uint32_t k = t->params->experts_per_token, experts = t->layer.moe->params.experts;
    const uint32_t most = t->device->is_cpu ? ACTIVE_ON_CPU : MOST_PAIRS / c->rows;
    const uint32_t active = MAX(MIN(experts, most), k);
    const uint32_t tokens = c->rows * active / k;
    double best = INFINITY, table = INFINITY;
    const struct variant *form = NULL;
    if (tokens < 2)
        return VKMOE_OK;
    c->cut = true;
    if (!goes_on(t, FORMS_UNTIL))
        return VKMOE_OK;
    TRY_RETURN(expect_plain(t, tokens, active));
    set_value(t, TUNE_DECODE_TOKENS, 1);
    for (uint32_t i = 0; i < all->count; i++) {
        const struct variant *v = all->forms[i];
        double ns;
        if (!goes_on(t, FORMS_UNTIL))
            return VKMOE_OK;
        vkmoe_tune_layer_force(&t->layer, v);
        TRY_RETURN(measure(t, v->form, tokens, HOPELESS * best, &ns));
        if (ns < best) {
            best = ns;
            form = v;
        }
        if (v == c->table)
            table = ns;
    }
    c->cut = false;
    if (form && best * GAIN < table) { // by chance?
        vkmoe_tune_layer_force(&t->layer, c->table);
        TRY_RETURN(measure(t, c->table->form, tokens, INFINITY, &table));
        vkmoe_tune_layer_force(&t->layer, form);
        TRY_RETURN(measure(t, form->form, tokens, INFINITY, &best));
    }
    if (form && best * GAIN < table) {
        c->best = form;
        tell(
            t, "experts_gemm", form->form, c->table->form, table / best, c->rows, "rows an expert");
    }
    return VKMOE_OK;
}

// Rows of overrides, if there is a class that does better than by the table.
static void add_forms(struct tuner *t, const struct form_class *c)
{
    const struct variant *before = NULL;
    bool differs = false;
    for (uint32_t i = 0; i < CLASSES; i++)
        differs |= c[i].best != c[i].table;
    for (uint32_t i = 0; differs && i < CLASSES; i++) {
        if (c[i].best == before || t->now->form_count == OVERRIDES_MAX_FORMS)
            continue;
        t->now->forms[t->now->form_count++] = (struct form_override){
            .variant = before = c[i].best,
            .dtype = t->params->dtype,
            .fast = t->fast,
            .from = c[i].from,
        };
    }
}

static enum vkmoe_status tune_forms(struct tuner *t)
{
    const struct candidates all = list_forms(t);
    struct form_class c[CLASSES];
    enum vkmoe_status status = VKMOE_OK;
    bool cut = t->ended;
    for (uint32_t i = 0; i < CLASSES; i++) {
        c[i] = (struct form_class){
            .rows = classes[i],
            .from = i ? (classes[i - 1] + classes[i]) / 2 : 0,
            .table = vkmoe_form_choose(
                t->device, KERNEL_experts_gemm, t->params->dtype, classes[i], t->fast),
        };
        c[i].best = c[i].table;
    }
    for (uint32_t i = 0; all.count > 1 && i < CLASSES && status == VKMOE_OK; i++) {
        status = tune_class(t, &all, &c[i]);
        cut |= c[i].cut;
        vkmoe_tune_layer_force(&t->layer, NULL);
        set_value(t, TUNE_DECODE_TOKENS, 0);
    }
    const uint32_t others = t->now->form_count;
    add_forms(t, c);
    t->forms = !cut || t->now->form_count > others;
    return status;
}

// ------------------------------------------------------------------------------ all

// What is about to be measured counts no more.
static void forget(struct tuner *t)
{
    struct overrides *o = t->now;
    uint32_t count = 0;
    for (uint32_t i = 0; i < vkmoe_tunable_count; i++)
        o->values[vkmoe_tunables[i].what] = 0;
    for (uint32_t i = 0; i < o->form_count; i++)
        if (o->forms[i].dtype != t->params->dtype || o->forms[i].fast != t->fast)
            o->forms[count++] = o->forms[i];
    o->form_count = count;
}

// What there was no time for stays as it was.
static void remember(struct tuner *t, const struct overrides *before)
{
    for (uint32_t i = 0; i < vkmoe_tunable_count; i++) {
        const enum tune what = vkmoe_tunables[i].what;
        if (!(t->values >> what & 1))
            t->now->values[what] = before->values[what];
    }
    if (t->forms)
        return;
    memcpy(t->now->forms, before->forms, sizeof before->forms);
    t->now->form_count = before->form_count;
}

static enum vkmoe_status check(const struct caller *caller, const struct vkmoe_tune_params *p)
{
    CHECK(p->hidden - 1 < MAX_WIDTH && p->inner - 1 < MAX_WIDTH,
        "hidden is %u and inner %u, must be 1 to %u", p->hidden, p->inner, MAX_WIDTH);
    CHECK((uint64_t)p->hidden * p->inner <= MOST_ELEMENTS,
        "hidden times inner is %llu, must be at most %u", (unsigned long long)p->hidden * p->inner,
        MOST_ELEMENTS);
    CHECK(p->experts - 1 < MAX_EXPERTS, "experts is %u, must be 1 to %u", p->experts, MAX_EXPERTS);
    CHECK(p->experts_per_token - 1 < p->experts, "experts_per_token is %u, must be 1 to %u",
        p->experts_per_token, p->experts);
    CHECK(vkmoe_format(p->dtype), "dtype is %d, must be a VKMOE_DTYPE", (int)p->dtype);
    CHECK_PRECISION(p);
    return VKMOE_OK;
}

static enum vkmoe_status tune(const struct caller *caller, struct tuner *t)
{
    const uint32_t k = t->params->experts_per_token;
    const uint32_t most = MIN(MOST_PAIRS / k, MOST_ROWS * t->params->experts / k);
    TRY_RETURN(vkmoe_tune_layer_init(
        caller, t->device, t->params, MAX(MAX(most, MOST_ROWS), DECODE_MAX_TOKENS), &t->layer));
    TRY_RETURN(tune_values(t));
    TRY_RETURN(tune_forms(t));
    TRY_RETURN(tune_decode_tokens(t));
    if (!t->ended && t->params->progress)
        t->params->progress(t->params->user, t->budget, t->budget);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_device_tune(vkmoe_device *device, const struct vkmoe_tune_params *params)
{
    const struct caller caller = { device_log(device), __func__ };
    VKMOE_NEED(NULL, device, "device");
    VKMOE_NEED(caller.log, params, "params");
    PARAMS_WHOLE(caller.log, vkmoe_tune_params, params);
    TRY_RETURN(check(&caller, params));
    // Where precision does not matter, rows count for both, and are compared as exact.
    struct vkmoe_tune_params own = *params;
    if (!vkmoe_precision_matters(device, own.dtype))
        own.precision = VKMOE_PRECISION_EXACT;
    struct tuner tuner = {
        .device = device,
        .params = &own,
        .fast = own.precision == VKMOE_PRECISION_FAST,
        .now = vkmoe_overrides(device),
        .start = clock_ns(),
        .budget = params->budget_ns ? params->budget_ns : DEFAULT_BUDGET_NS,
    };
    if (!tuner.now)
        return vkmoe_refuse(&caller, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    const struct overrides before = *tuner.now;
    forget(&tuner);
    const enum vkmoe_status status = tune(&caller, &tuner);
    vkmoe_tune_layer_finish(&tuner.layer);
    if (status != VKMOE_OK)
        *tuner.now = before;
    else
        remember(&tuner, &before);
    return status;
}
