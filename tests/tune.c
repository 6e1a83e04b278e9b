// tune.c - that what was measured is what a device does from then on, and that the right thing is
// measured.
#include <math.h>
#include <string.h>

#include "check.h"
#include "device/overrides.h"
#include "moe/plan.h"
#include "moe/tune_layer.h"
#include "tiny_layer.h"

static struct record record;
static vkmoe_device *device;
static vkmoe_moe *moe;

static bool begin(void)
{
    record = (struct record){ .last = "" };
    CHECK_OK(open_validated(&record, &device));
    return true;
fail:
    return false;
}

static void clean_up(void)
{
    vkmoe_moe_destroy(&moe);
    vkmoe_device_destroy(&device);
}

static bool set_rows(const char *rows)
{
    char text[16384];
    size_t size = sizeof text;
    CHECK_OK(vkmoe_device_get_tuning(device, text, &size));
    size -= strlen("end\n");
    size += (size_t)snprintf(text + size, sizeof text - size, "%send\n", rows);
    CHECK_OK(vkmoe_device_set_tuning(device, text, size));
    CHECK(record.lines[VKMOE_LOG_WARNING] == 0);
    return true;
fail:
    tap_note("%s", record.last);
    return false;
}

// Each form that the device has, in its turn, is what a layer takes, with the right result.
static bool test_forms(void)
{
    uint32_t forms = 0;
    CHECK(begin());
    for (uint32_t i = 0; i < vkmoe_variant_count; i++) {
        const struct variant *v = &vkmoe_variants[i];
        char rows[128];
        if (v->kernel != KERNEL_experts_gemm
            || vkmoe_form_named(device, "experts_gemm", v->form, VKMOE_DTYPE_F32, false) != v)
            continue;
        snprintf(rows, sizeof rows, "decode_tokens 1\nform experts_gemm f32 exact 0 %s\n", v->form);
        vkmoe_device_destroy(&device);
        CHECK(begin() && set_rows(rows));
        CHECK_OK(tiny_layer_make(device, &moe));
        CHECK(vkmoe_experts_form(&moe->up, 1) == v && vkmoe_experts_form(&moe->down, 1000) == v);
        CHECK(moe->up.shapes.decode_tokens == 1);
        vkmoe_moe_destroy(&moe);
        CHECK(tiny_layer_works(device, 2, vkmoe_buffer_create));
        forms++;
    }
    tap_note("%u forms", forms);
    return forms > 0;
fail:
    return false;
}

// How few tokens are cut.
static bool test_values(void)
{
    CHECK(begin());
    CHECK(set_rows(device->is_cpu ? "decode_unroll 2\ndecode_together 2\ndecode_tokens 16\n"
                                  : "decode_lanes 64\ndecode_unroll 8\ndecode_tokens 16\n"));
    CHECK_OK(tiny_layer_make(device, &moe));
    CHECK(moe->up.shapes.decode_unroll == (device->is_cpu ? 2 : 8));
    CHECK(moe->down.shapes.decode_tokens == 16);
    CHECK(device->is_cpu || moe->down.shapes.decode_lanes == 64);
    vkmoe_moe_destroy(&moe);
    return tiny_layer_works(device, 3, vkmoe_buffer_create);
fail:
    return false;
}

static struct vkmoe_tune_params small_params(void)
{
    return (struct vkmoe_tune_params){
        VKMOE_INIT(vkmoe_tune_params),
        .hidden = 96,
        .inner = 64,
        .experts = 4,
        .experts_per_token = 2,
        .dtype = VKMOE_DTYPE_Q8_0,
        .budget_ns = 700000000,
    };
}

static bool stop(void *user, uint64_t done, uint64_t total)
{
    uint32_t *calls = user;
    return done <= total && ++*calls < 2;
}

// What it finds, another device reads, and both compute right.
static bool test_tune(void)
{
    struct vkmoe_tune_params params = small_params();
    char text[16384];
    size_t size = sizeof text;
    uint32_t calls = 0;
    CHECK(begin());
    CHECK_OK(vkmoe_device_tune(device, &params));
    params.progress = stop;
    params.user = &calls;
    CHECK_OK(vkmoe_device_tune(device, &params));
    CHECK(calls == 2);
    CHECK_OK(vkmoe_device_get_tuning(device, text, &size));
    CHECK(tiny_layer_works(device, 4, vkmoe_buffer_create));
    vkmoe_device_destroy(&device);
    CHECK(begin());
    CHECK_OK(vkmoe_device_set_tuning(device, text, size));
    CHECK(record.lines[VKMOE_LOG_WARNING] == 0);
    return tiny_layer_works(device, 5, vkmoe_buffer_create);
fail:
    tap_note("%s", record.last);
    return false;
}

// Rows for other weights stay, and so do those for these that there was no time for.
static bool test_other_rows(void)
{
    struct vkmoe_tune_params params = small_params();
    uint32_t calls = 1; // ends it at once
    CHECK(begin());
    CHECK(set_rows("decode_unroll 2\nform experts_gemm f32 exact 7 rows_in_lanes\n"
                   "form experts_gemm q8_0 exact 7 rows_in_lanes\n"));
    params.progress = stop;
    params.user = &calls;
    CHECK_OK(vkmoe_device_tune(device, &params));
    CHECK(device->overrides->form_count == 2 && device->overrides->forms[1].from == 7);
    CHECK(device->overrides->values[TUNE_DECODE_UNROLL] == 2);
    params.progress = NULL;
    CHECK_OK(vkmoe_device_tune(device, &params));
    CHECK(device->overrides->form_count >= 1 && device->overrides->forms[0].from == 7);
    CHECK(device->overrides->forms[0].dtype == VKMOE_DTYPE_F32);
    // Where there is none to choose from nothing is cut short, however slow the machine is.
    const bool chooses = !device->is_cpu || device->needs & NEED_uniform_loads;
    CHECK(chooses || device->overrides->form_count == 1);
    return true;
fail:
    return false;
}

static bool test_refused(void)
{
    struct vkmoe_tune_params params;
    CHECK(begin());
    CHECK(set_rows("decode_unroll 2\n"));
#define REFUSED(field, value) \
    params = small_params(); \
    params.field = value; \
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_tune(device, &params)); \
    CHECK(!strncmp(record.last, "vkmoe_device_tune: ", 19))
    REFUSED(hidden, 0);
    REFUSED(hidden, 65537);
    REFUSED(hidden, 97); // Q8_0 has blocks of 32
    REFUSED(inner, 0);
    params = small_params();
    params.hidden = params.inner = 65536;
    CHECK_STATUS(VKMOE_ERROR_INVALID, vkmoe_device_tune(device, &params));
    REFUSED(experts, 0);
    REFUSED(experts, 1025);
    REFUSED(experts_per_token, 0);
    REFUSED(experts_per_token, 5);
    REFUSED(dtype, (enum vkmoe_dtype)99);
    REFUSED(precision, (enum vkmoe_precision)2);
    CHECK(device->overrides->values[TUNE_DECODE_UNROLL] == 2); // as it was
    return true;
fail:
    tap_note("%s", record.last);
    return false;
}

// An output that is not what it should be is no candidate, with one line.
static bool test_wrong(void)
{
    const struct vkmoe_tune_params params = small_params();
    struct tune_layer layer = { .device = NULL };
    double ns;
    bool ok = false;
    CHECK(begin());
    const struct caller caller = { &device->gpu.log, "test" };
    CHECK_OK(vkmoe_tune_layer_init(&caller, device, &params, 8, &layer));
    CHECK_OK(vkmoe_tune_layer_expect(&layer, 8, 4));
    CHECK_OK(vkmoe_tune_layer_time(&layer, "right", 8, INFINITY, &ns));
    CHECK(ns > 0 && ns < 1e10 && record.lines[VKMOE_LOG_WARNING] == 0);
    layer.expected[3] *= 1.01f;
    CHECK_OK(vkmoe_tune_layer_time(&layer, "crooked", 8, INFINITY, &ns));
    CHECK(isinf(ns) && record.lines[VKMOE_LOG_WARNING] == 1);
    CHECK(strstr(record.last, "crooked is left out") != NULL);
    ok = true;
fail:
    vkmoe_tune_layer_finish(&layer);
    return ok;
}

// Whether so many tokens are few for a layer of these weights, sorted or not.
static bool few_tokens(enum vkmoe_dtype dtype, uint32_t *few, bool *columns)
{
    struct vkmoe_tune_params params = small_params();
    struct tune_layer layer = { .device = NULL };
    const struct caller caller = { &device->gpu.log, "test" };
    bool ok = false;
    params.dtype = dtype;
    CHECK_OK(vkmoe_tune_layer_init(&caller, device, &params, 8, &layer));
    *few = vkmoe_moe_few_tokens(layer.moe);
    *columns = !strcmp(vkmoe_experts_form(&layer.moe->up, 1)->form, "columns");
    CHECK(vkmoe_moe_plan(layer.moe, *few, *few).few);
    CHECK(!vkmoe_moe_plan(layer.moe, *few + 1, *few + 1).few);
    ok = true;
fail:
    vkmoe_tune_layer_finish(&layer);
    return ok;
}

// Where lanes own columns of 16 bits, two tokens are sorted, unless it was measured otherwise.
static bool test_few(void)
{
    static const enum vkmoe_dtype dtypes[] = { VKMOE_DTYPE_F32, VKMOE_DTYPE_F16, VKMOE_DTYPE_BF16,
        VKMOE_DTYPE_Q8_0 };
    uint32_t few;
    bool columns;
    CHECK(begin());
    const uint32_t table = vkmoe_tuning(device, TUNE_DECODE_TOKENS);
    for (uint32_t i = 0; i < ARRAY_SIZE(dtypes); i++) {
        CHECK(few_tokens(dtypes[i], &few, &columns));
        CHECK(few == (columns && dtypes[i] != VKMOE_DTYPE_F32 ? 1 : table));
    }
    CHECK(set_rows("decode_tokens 8\n"));
    CHECK(few_tokens(VKMOE_DTYPE_BF16, &few, &columns) && few == 8);
    return true;
fail:
    return false;
}

CLEAN_TESTS_MAIN(ON_DEVICE, clean_up, { "forms", test_forms }, { "values", test_values },
    { "few", test_few }, { "tune", test_tune }, { "other-rows", test_other_rows },
    { "refused", test_refused }, { "wrong", test_wrong })
