// classes.c - layers in which experts with few rows and those with many are classes by themselves:
// right, and of every expert the bits that the form of its class gives it alone.
#include <math.h>
#include <string.h>

#include "base/common.h"
#include "compare.h"
#include "device/overrides.h"
#include "harness.h"
#include "layer_cases.h"
#include "moe/plan.h"

#include "shaders/group_tokens.h"

enum { TOKENS = 200, EXPERTS = 6, MANY = 49 };

static struct record record;
static vkmoe_device *device;
static vkmoe_stream *stream;
static vkmoe_moe *moe;
static struct array x, y, ids, weights;
static struct layer_data data;

// A layer, and how often each expert is chosen. By one choice a token, y has rows of one expert.
struct row {
    struct layer_case c;
    uint32_t chosen[EXPERTS];
    bool matrices; // experts with few rows go to matrix units, and those with many do not
};

#define LAYER(...) \
    .tokens = TOKENS, .layer = { .hidden = 64, .inner = 48, .experts = EXPERTS, __VA_ARGS__ }
#define SUPPLIED .router.select = VKMOE_SELECT_SUPPLIED
#define SUPPLIED_WEIGHTS .router.select = VKMOE_SELECT_SUPPLIED_WEIGHTED

static const struct row rows[] = {
    { { "bound", LAYER(.experts_per_token = 1, SUPPLIED) }, { 90, MANY, MANY - 1, 0, 13, 0 } },
    { { "hot", LAYER(.experts_per_token = 1, SUPPLIED) }, { TOKENS } },
    { { "none-hot", LAYER(.experts_per_token = 1, SUPPLIED) }, { 40, 40, 48, 48, 24 } },
    { { "dropped", LAYER(.experts_per_token = 1, SUPPLIED_WEIGHTS), .has = CASE_DROPPED },
        { 110, 70, 20 } },
    { { "capacity", LAYER(.experts_per_token = 1, SUPPLIED, .router.capacity = 30),
          .sequence_tokens = 100 },
        { 70, 60, 20, 50 } },
    { { "two-choices", LAYER(.experts_per_token = 2, SUPPLIED) }, { 150, 20, 150, 0, 70, 10 } },
    { { "shared", LAYER(.experts_per_token = 1, SUPPLIED, .shared.inner = 40) },
        { 60, MANY, MANY - 1, 0, 43, 0 } },
    { { "gate-apart", LAYER(.experts_per_token = 1, SUPPLIED), .has = CASE_OTHER_GATE,
          .gate_dtype = VKMOE_DTYPE_BF16 },
        { 60, MANY, MANY - 1, 0, 43, 0 } },
    { { "matrices", LAYER(.experts_per_token = 1, SUPPLIED), .dtype = VKMOE_DTYPE_F16 },
        { 60, MANY, MANY - 1, 0, 43, 0 }, true },
    { { "matrices-fast",
          LAYER(.experts_per_token = 1, SUPPLIED, .shared.inner = 40,
              .precision = VKMOE_PRECISION_FAST),
          .dtype = VKMOE_DTYPE_F16 },
        { 60, MANY, MANY - 1, 0, 43, 0 }, true },
};

static void finish_layer(void)
{
    vkmoe_moe_destroy(&moe);
    FINISH_ARRAYS(&x, &y, &ids, &weights);
    vkmoe_stream_destroy(&stream);
    layer_data_finish(&data);
}

static void clean_up(void)
{
    finish_layer();
    vkmoe_device_destroy(&device);
}

// First choices of all tokens, then second ones.
static void choose(const struct row *r)
{
    const uint32_t k = r->c.layer.experts_per_token;
    uint32_t pair = 0;
    for (uint32_t e = 0; e < EXPERTS; e++)
        for (uint32_t i = 0; i < r->chosen[e]; i++, pair++)
            data.ids[pair % TOKENS * k + pair / TOKENS] = (int32_t)e;
}

static bool take_form(uint32_t from, const char *name, bool fast)
{
    struct overrides *o = vkmoe_overrides(device);
    const struct variant *form =
        vkmoe_form_named(device, "experts_gemm", name, VKMOE_DTYPE_F16, fast);
    CHECK(o && form);
    o->forms[o->form_count++] = (struct form_override){ form, VKMOE_DTYPE_F16, fast, from };
    return true;
fail:
    return false;
}

static bool make(const struct row *r)
{
    const size_t pairs_size = (size_t)TOKENS * r->c.layer.experts_per_token * sizeof(float);
    const size_t x_size = (size_t)TOKENS * r->c.layer.hidden * sizeof(float);
    const bool fast = r->c.layer.precision == VKMOE_PRECISION_FAST;
    layer_data_init(&data, &r->c, 1, true);
    choose(r);
    CHECK(
        !r->matrices || (take_form(0, "matrix_8x8x8", fast) && take_form(33, "shared_tile", fast)));
    CHECK_OK(vkmoe_stream_create(device, &stream));
    CHECK_OK(vkmoe_moe_create(device, &data.params, &moe));
    CHECK(array_init(&x, device, data.x, x_size, false));
    CHECK(array_init(&y, device, NULL, x_size, false));
    CHECK(array_init(&ids, device, data.ids, pairs_size, false));
    CHECK(!data.weights || array_init(&weights, device, data.weights, pairs_size, false));
    return true;
fail:
    return false;
}

static bool forward(const struct row *r)
{
    CHECK(array_upload(&x) && array_upload(&y) && array_upload(&ids));
    CHECK(!data.weights || array_upload(&weights));
    CHECK_OK(vkmoe_moe_forward(stream, moe,
        &(struct vkmoe_moe_forward_params){
            VKMOE_INIT(vkmoe_moe_forward_params),
            .tokens = TOKENS,
            .sequence_tokens = r->c.sequence_tokens,
            .x = array_span(&x),
            .y = array_span(&y),
            .ids = array_span(&ids),
            .weights = array_span(&weights),
        }));
    CHECK_OK(vkmoe_stream_submit(stream, NULL));
    CHECK_OK(vkmoe_stream_wait(stream, UINT64_MAX));
    CHECK(array_download(&y) && array_check("y", &y, false));
    return true;
fail:
    return false;
}

// The same where all are of that class: y of those that are is what it was.
static bool check_class(const struct row *r, const struct size_class *class, const bool *is_few,
    bool few, const float *y_of)
{
    const uint32_t hidden = r->c.layer.hidden;
    bool ok = true;
    moe->gate.form = class->gate;
    moe->up.form = class->up;
    moe->down.form = class->down;
    CHECK(vkmoe_moe_plan(moe, TOKENS, TOKENS).sorted.class_count == 1);
    CHECK(forward(r));
    for (uint32_t t = 0; t < TOKENS && ok; t++)
        ok = is_few[t] != few
            || compare_bits("y", y_of + t * hidden, (const float *)array_range(&y) + t * hidden,
                hidden * sizeof(float));
    return ok;
fail:
    return false;
}

static bool is_dropped(double weight)
{
    return weight == 0 && signbit(weight);
}

// Tokens that go by the first class: of each expert's, in their order, the last ones.
static void find_few(const struct sorted_pairs *sorted, const double *weigh, bool *is_few)
{
    uint32_t counts[EXPERTS] = { 0 }, before[EXPERTS] = { 0 };
    for (uint32_t t = 0; t < TOKENS; t++)
        counts[data.ids[t]] += !is_dropped(weigh[t]);
    for (uint32_t t = 0; t < TOKENS; t++) {
        const uint32_t taken = counts[data.ids[t]];
        const uint32_t few =
            FEW_ROWS(taken, sorted->many, sorted->rest, sorted->classes[1].tile_rows);
        is_few[t] = before[data.ids[t]] >= taken - few;
        before[data.ids[t]] += !is_dropped(weigh[t]);
    }
}

static bool check_bits(const struct row *r, const struct sorted_pairs *sorted, const double *weigh)
{
    bool is_few[TOKENS];
    float *before = allocate(y.size, 1);
    find_few(sorted, weigh, is_few);
    memcpy(before, array_range(&y), y.size);
    const bool ok = check_class(r, &sorted->classes[0], is_few, true, before)
        && check_class(r, &sorted->classes[1], is_few, false, before);
    free(before);
    return ok;
}

// Matrix units have one form for bf16, with tiles of few rows.
static bool has_classes(const struct row *r)
{
    return device->needs & NEED_gpu
        && !(r->c.has & CASE_OTHER_GATE && device->needs & NEED_ANY_MATRIX);
}

// Of two classes h is f16 only where both have it so; f32 is right for one that does not.
static bool check_half(const struct row *r, const struct sorted_pairs *sorted)
{
    const bool fast = r->c.layer.precision == VKMOE_PRECISION_FAST;
    CHECK(!vkmoe_moe_plan(moe, TOKENS, TOKENS).half);
    for (uint32_t i = 0; i < 2; i++) {
        moe->up.form = sorted->classes[i].up;
        moe->down.form = sorted->classes[i].down;
        CHECK(vkmoe_moe_plan(moe, TOKENS, TOKENS).half
            == (fast && (moe->up.form->needs & NEED_ANY_MATRIX) != 0));
    }
    moe->up.form = moe->down.form = NULL;
    return true;
fail:
    return false;
}

static bool check_row(const struct row *r)
{
    static double expected[TOKENS * 64], weigh[2 * TOKENS];
    const struct vkmoe_moe_params *p = &r->c.layer;
    const bool fast = p->precision == VKMOE_PRECISION_FAST;
    const uint32_t matrix_card = NEED_gpu | NEED_matrix_8x8x8;
    if (r->matrices && (device->needs & matrix_card) != matrix_card) {
        tap_note("%s: no such matrix units", r->c.name);
        return true;
    }
    CHECK(make(r));
    const struct sorted_pairs sorted = vkmoe_moe_plan(moe, TOKENS, TOKENS).sorted;
    if (!has_classes(r)) {
        tap_note("%s: one class", r->c.name);
        CHECK(sorted.class_count == 1);
        return true;
    }
    CHECK(sorted.class_count == 2);
    CHECK(sorted.many == MANY || r->matrices);
    CHECK(check_half(r, &sorted) && forward(r));
    reference_forward(&data.reference, TOKENS, r->c.sequence_tokens, data.x, NULL, data.ids,
        data.weights, expected, NULL, weigh, NULL);
    CHECK(compare_floats("y", expected, array_range(&y), TOKENS * p->hidden, p->hidden,
        fast ? COMPARE_FAST_TOLERANCE : COMPARE_F32_TOLERANCE)
              .ok);
    CHECK(p->shared.inner > 0 || p->experts_per_token > 1 || check_bits(r, &sorted, weigh));
    return !record.validation && !record.lines[VKMOE_LOG_ERROR];
fail:
    return false;
}

// All on one device, which has compiled most of it by then; but for those with overrides.
static bool check_rows(bool matrices)
{
    CHECK_OK(open_validated(&record, &device));
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].matrices != matrices)
            continue;
        if (!check_row(&rows[i])) {
            tap_note("in %s", rows[i].c.name);
            return false;
        }
        finish_layer();
    }
    return true;
fail:
    return false;
}

static bool test_layers(void)
{
    return check_rows(false);
}

static bool test_matrices(void)
{
    return check_rows(true);
}

CLEAN_TESTS_MAIN(ON_DEVICE, clean_up, { "layers", test_layers }, { "matrices", test_matrices })
