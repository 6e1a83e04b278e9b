// self_test.c - see self_test.h.
#include "moe/self_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/try.h"
#include "device/overrides.h"
#include "device/verdicts.h"
#include "weights/format.h"

#define WIDTH 160u // of x and of h; tiles and slices along K are not whole
#define EXPERTS 3
#define K 2
#define TOKENS 51 // 34 rows an expert: tiles of 16, or one of 32, and 2 more

// ---------------------------------------------------------------------- on the host

static void read_matrix(const struct vkmoe_view *view, uint32_t width, float *to)
{
    const struct format *format = vkmoe_format(view->dtype);
    const unsigned char *blocks = view->data;
    for (uint32_t i = 0; i < width * width; i += format->elements, blocks += format->bytes)
        format->decode(blocks, to + i);
}

static double dot(const float *row, const float *x, uint32_t width)
{
    double sum = 0;
    for (uint32_t i = 0; i < width; i++)
        sum += (double)row[i] * (double)x[i];
    return sum;
}

bool vkmoe_self_test_product(
    const struct self_test *t, enum tune_matrix matrix, const float *x, float *y)
{
    const struct vkmoe_view view = vkmoe_tune_layer_view(&t->layer, matrix, 0);
    const uint32_t width = t->layer.moe->params.hidden;
    float *rows = malloc((size_t)width * width * sizeof *rows);
    if (!rows)
        return false;
    read_matrix(&view, width, rows);
    for (uint32_t i = 0; i < width; i++)
        y[i] = (float)dot(rows + i * width, x, width);
    free(rows);
    return true;
}

// Adds what the expert of these matrices, gate, up and down, makes of x.
static void add_expert(const float *matrices, const float *x, uint32_t width, float *h, double *y)
{
    const float *gate = matrices, *up = gate + width * width, *down = up + width * width;
    for (uint32_t i = 0; i < width; i++) {
        const double g = dot(gate + i * width, x, width);
        h[i] = (float)(g / (1 + exp(-g)) * dot(up + i * width, x, width));
    }
    for (uint32_t i = 0; i < width; i++)
        y[i] += dot(down + i * width, h, width) / K;
}

// What is expected of the layer, which was made just now: its x is still there.
static bool expect_by_host(struct tune_layer *layer)
{
    const uint32_t width = layer->moe->params.hidden;
    float *matrices = calloc(3 * (size_t)width * width + width, sizeof *matrices);
    double *y = calloc((size_t)TOKENS * width, sizeof *y);
    for (uint32_t e = 0; matrices && y && e < EXPERTS; e++) {
        for (uint32_t m = 0; m < 3; m++) {
            const struct vkmoe_view view = vkmoe_tune_layer_view(layer, (enum tune_matrix)m, e);
            read_matrix(&view, width, matrices + m * width * width);
        }
        for (uint32_t pair = e; pair < TOKENS * K; pair += EXPERTS)
            add_expert(matrices, layer->got + pair / K * width, width, matrices + 3 * width * width,
                y + pair / K * width);
    }
    for (uint32_t i = 0; y && i < TOKENS * width; i++)
        layer->expected[i] = (float)y[i];
    const bool done = matrices && y;
    free(matrices);
    free(y);
    return done;
}

// -------------------------------------------------------------------- on the device

static enum vkmoe_status make_layer(
    const struct loading *loading, enum vkmoe_dtype dtype, bool fast, struct tune_layer *out)
{
    const uint32_t block = vkmoe_format(dtype)->elements;
    const uint32_t width = div_up(WIDTH, block) * block;
    const struct vkmoe_tune_params params = {
        .hidden = width,
        .inner = width,
        .experts = EXPERTS,
        .experts_per_token = K,
        .dtype = dtype,
        .precision = fast ? VKMOE_PRECISION_FAST : VKMOE_PRECISION_EXACT,
    };
    TRY_RETURN(vkmoe_tune_layer_init(&loading->caller, loading->device, &params, TOKENS, out));
    if (!expect_by_host(out))
        return vkmoe_refuse(&loading->caller, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    out->moe->up.shapes.decode_tokens = 1;
    return vkmoe_tune_layer_choose(out, TOKENS, EXPERTS);
}

// A form that the device would take for some number of rows, and is neither the plainest nor was
// seen; NULL: there is none any more.
static const struct variant *next_form(
    const vkmoe_device *device, enum vkmoe_dtype dtype, bool fast, const bool *seen)
{
    const struct overrides *o = device->overrides;
    const char *plain = vkmoe_form_plainest(KERNEL_experts_gemm, dtype)->form;
    for (uint32_t i = 0; i < vkmoe_variant_count + (o ? o->form_count : 0); i++) {
        const bool is_row = i < vkmoe_variant_count;
        if (is_row && vkmoe_variants[i].kernel != KERNEL_experts_gemm)
            continue;
        const uint32_t rows =
            is_row ? vkmoe_variants[i].from : o->forms[i - vkmoe_variant_count].from;
        const struct variant *v = vkmoe_form_choose(device, KERNEL_experts_gemm, dtype, rows, fast);
        if (strcmp(v->form, plain) != 0 && !seen[v - vkmoe_variants])
            return v;
    }
    return NULL;
}

// `why` is what the driver does with it.
static void condemn(
    const struct self_test *t, const struct variant *form, const char *why, const char *how_much)
{
    vkmoe_device *device = t->loading->device;
    vkmoe_verdicts_add(device->verdicts, form, t->dtype, t->fast);
    if (!t->matters)
        vkmoe_verdicts_add(device->verdicts, form, t->dtype, true);
    vkmoe_log(&device->gpu.log, VKMOE_LOG_WARNING,
        "%s: this driver %s %s for %s weights%s: it is not used", t->loading->caller.function, why,
        form->name, vkmoe_format(t->dtype)->name, how_much);
}

enum vkmoe_status vkmoe_self_test_form(struct self_test *t, const struct variant *form,
    enum vkmoe_status (*compare)(struct self_test *t, double *error))
{
    struct verdicts *verdicts = t->loading->device->verdicts;
    double error;
    char how_much[48];
    vkmoe_verdicts_begin(verdicts, form);
    const enum vkmoe_status status = compare(t, &error);
    vkmoe_verdicts_end(verdicts);
    if (status != VKMOE_OK && verdicts->refused) {
        condemn(t, form, "does not compile", "");
        return VKMOE_OK;
    }
    TRY_RETURN(status);
    snprintf(how_much, sizeof how_much, ", by %.1e of rms", error);
    if (!(error <= t->layer.tolerance))
        condemn(t, form, "wrongly computes", how_much);
    return VKMOE_OK;
}

static enum vkmoe_status compare_layer(struct self_test *t, double *error)
{
    return vkmoe_tune_layer_compare(&t->layer, TOKENS, error);
}

static enum vkmoe_status test_forms(struct self_test *t)
{
    const vkmoe_device *device = t->loading->device;
    bool seen[VERDICTS_MAX] = { false };
    const struct variant *form;
    while ((form = next_form(device, t->dtype, t->fast, seen)) != NULL) {
        if (!t->layer.device)
            TRY_RETURN(make_layer(t->loading, t->dtype, t->fast, &t->layer));
        seen[form - vkmoe_variants] = true;
        vkmoe_tune_layer_force(&t->layer, form);
        TRY_RETURN(vkmoe_self_test_form(t, form, compare_layer));
    }
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_self_test_once(const struct loading *loading, enum vkmoe_dtype dtype,
    bool heads, enum vkmoe_status (*work)(struct self_test *t))
{
    const vkmoe_device *device = loading->device;
    struct verdicts *verdicts = device->verdicts;
    enum vkmoe_status status = VKMOE_OK;
    if (!verdicts || device->fit || loading->is_test)
        return VKMOE_OK;
    uint32_t *tested = heads ? verdicts->heads_tested : verdicts->tested;
    struct self_test test = { .loading = loading, .dtype = dtype };
    test.matters = vkmoe_precision_matters(device, dtype);
    test.fast = loading->fast && test.matters;
    pthread_mutex_lock(&verdicts->mutex);
    if (!(tested[test.fast] >> dtype & 1))
        status = work(&test);
    if (status == VKMOE_OK)
        tested[test.fast] |= 1u << dtype;
    pthread_mutex_unlock(&verdicts->mutex);
    vkmoe_tune_layer_finish(&test.layer);
    return status;
}

enum vkmoe_status vkmoe_self_test(const struct loading *loading, enum vkmoe_dtype dtype)
{
    return vkmoe_self_test_once(loading, dtype, false, test_forms);
}
