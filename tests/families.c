// families.c - published checkpoints on a device: every family's layout (checkpoints.h) is
// opened, made into a layer and run as one token, a few and many, against the reference;
// and the layers of two trained models, against what was recorded of them.
//
// Environment: VKMOE_TEST_DEVICE and VKMOE_TEST_VALIDATE, as in layer.c.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vkmoe/vkmoe.h>

#include "checkpoints.h"
#include "compare.h"
#include "harness.h"
#include "recorded.h"
#include "random.h"
#include "reference.h"

#ifndef VKMOE_TEST_MODELS
#define VKMOE_TEST_MODELS "tests/models"
#endif

// --------------------------------------------------------------------------- one layer

// What a layer is run with, and what it made of it. finish() frees all arrays.
struct work {
    uint32_t tokens, hidden, k;
    float *x, *router_x; // [tokens][hidden]; router_x may be NULL
    float *y;            // [tokens][hidden]
    int32_t *ids;        // [tokens][k]
    float *weights;      // [tokens][k]
};

static void work_init(struct work *work, uint32_t tokens, uint32_t hidden, uint32_t k)
{
    *work = (struct work){ .tokens = tokens, .hidden = hidden, .k = k };
    work->y = allocate((size_t)tokens * hidden, sizeof(float));
    work->ids = allocate((size_t)tokens * k, sizeof(int32_t));
    work->weights = allocate((size_t)tokens * k, sizeof(float));
}

static void work_finish(struct work *work)
{
    free(work->x);
    free(work->router_x);
    free(work->y);
    free(work->ids);
    free(work->weights);
    *work = (struct work){ 0 };
}

static bool record(struct harness *harness, const vkmoe_moe *layer, const struct work *work,
    vkmoe_buffer *const *buffers, uint32_t step)
{
    for (uint32_t first = 0; first < work->tokens; first += step) {
        const uint64_t row = (uint64_t)first * work->hidden * 4;
        const uint64_t pair = (uint64_t)first * work->k * 4;
        const uint32_t left = work->tokens - first;
        struct vkmoe_moe_forward_params params = {
            VKMOE_INIT(vkmoe_moe_forward_params),
            .tokens = left < step ? left : step,
            .x = { buffers[0], row },
            .y = { buffers[2], row },
            .ids = { buffers[3], pair },
            .weights = { buffers[4], pair },
        };
        if (work->router_x)
            params.router_x = (struct vkmoe_span){ buffers[1], row };
        if (!is_ok(vkmoe_moe_forward(harness->stream, layer, &params), "vkmoe_moe_forward"))
            return false;
    }
    return harness_run(harness);
}

// Runs `layer` over all tokens, `step` at a time in one submission.
static bool run(struct harness *harness, const vkmoe_moe *layer, struct work *work, uint32_t step)
{
    const size_t rows = sizeof(float) * work->tokens * work->hidden;
    const size_t pairs = sizeof(float) * work->tokens * work->k;
    struct {
        void *data;
        size_t size;
    } arrays[] = { { work->x, rows }, { work->router_x, rows }, { work->y, rows },
        { work->ids, pairs }, { work->weights, pairs } };
    vkmoe_buffer *buffers[5] = { NULL };
    bool ok = true;
    // What the device leaves out stays NaN, or an absurd id.
    memset(work->y, 0xff, rows);
    memset(work->ids, 0xff, pairs);
    memset(work->weights, 0xff, pairs);
    for (int i = 0; i < 5 && ok; i++) {
        const size_t size = arrays[i].size;
        if (arrays[i].data)
            ok = is_ok(vkmoe_buffer_create(harness->device, size, &buffers[i]), "create")
                && is_ok(vkmoe_buffer_upload(buffers[i], 0, arrays[i].data, size), "upload");
    }
    ok = ok && record(harness, layer, work, buffers, step);
    for (int i = 2; i < 5 && ok; i++) {
        const size_t size = arrays[i].size;
        ok = is_ok(vkmoe_buffer_download(buffers[i], 0, arrays[i].data, size), "download");
    }
    for (int i = 0; i < 5; i++)
        vkmoe_buffer_destroy(&buffers[i]);
    return ok;
}

// ---------------------------------------------------------------------------- families

static const uint32_t token_counts[] = { 1, 5, 40 };
enum { TOKEN_COUNTS = sizeof token_counts / sizeof *token_counts };

static float *random_rows(uint64_t seed, const char *name, size_t count)
{
    struct rng rng = rng_for(seed, name);
    float *values = allocate(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)rng_normal(&rng);
    return values;
}

static bool compare_work(const struct reference_layer *layer, const struct work *work)
{
    const uint64_t pairs = (uint64_t)work->tokens * work->k;
    const uint64_t values = (uint64_t)work->tokens * work->hidden;
    double *y = allocate(values, sizeof *y), *weights = allocate(pairs, sizeof *weights);
    double *scores = allocate((size_t)work->tokens * layer->experts, sizeof *scores);
    int32_t *ids = allocate(pairs, sizeof *ids);
    reference_forward(
        layer, work->tokens, 0, work->x, work->router_x, NULL, NULL, y, ids, weights, scores);
    uint64_t first;
    const enum reference_routing routing =
        reference_compare_routing(layer, work->tokens, ids, scores, work->ids, &first);
    bool ok = routing != REFERENCE_ROUTING_WRONG;
    if (!ok) {
        tap_note("ids: [%" PRIu64 "][%" PRIu64 "] is %" PRId32 ", expected %" PRId32,
            first / work->k, first % work->k, work->ids[first], ids[first]);
    } else if (routing == REFERENCE_ROUTING_CLOSE) {
        tap_note("ids: differ within rounding, first at [%" PRIu64 "]", first / work->k);
        reference_forward(layer, work->tokens, 0, work->x, work->router_x, work->ids, NULL, y, NULL,
            weights, NULL);
    }
    ok = ok
        && compare_weights(
            "weights", weights, work->weights, pairs, work->k, COMPARE_F32_TOLERANCE);
    ok = ok && compare_floats("y", y, work->y, values, work->hidden, COMPARE_F32_TOLERANCE).ok;
    free(y);
    free(weights);
    free(scores);
    free(ids);
    return ok;
}

static bool check_tokens(struct harness *harness, const vkmoe_moe *layer,
    const struct checkpoint *checkpoint, uint32_t tokens, uint64_t seed)
{
    const struct reference_layer *reference = &checkpoint->layer;
    struct work work;
    harness->messages = 0;
    work_init(&work, tokens, reference->hidden, reference->experts_per_token);
    work.x = random_rows(seed, "x", (size_t)tokens * work.hidden);
    if (reference->rms_norm) // Gemma-4: the gate sees the residual, the experts its norm
        work.router_x = random_rows(seed, "router_x", (size_t)tokens * work.hidden);
    const bool ok = run(harness, layer, &work, tokens) && compare_work(reference, &work);
    work_finish(&work);
    return ok && !harness->messages;
}

// The layer as a user gets it: the model may go once the weights are on the device.
static bool create_layer(struct harness *harness, const char *path, struct vkmoe_block block,
    struct vkmoe_moe_params *params, vkmoe_moe **out)
{
    vkmoe_checkpoint *model;
    *out = NULL;
    const bool ok =
        is_ok(vkmoe_checkpoint_open(path, &harness->log, &model), "vkmoe_checkpoint_open")
        && is_ok(vkmoe_checkpoint_get_moe(model, block, params), "vkmoe_checkpoint_get_moe")
        && is_ok(vkmoe_moe_create(harness->device, params, out), "vkmoe_moe_create");
    vkmoe_checkpoint_destroy(&model);
    return ok;
}

static void test_family(
    struct tap *tap, struct harness *harness, uint32_t index, const char *directory)
{
    char names[TOKEN_COUNTS][96];
    bool wanted[TOKEN_COUNTS], any = false;
    for (int i = 0; i < TOKEN_COUNTS; i++) {
        snprintf(names[i], sizeof names[i], "family/%s/%" PRIu32, checkpoint_name(index),
            token_counts[i]);
        any |= wanted[i] = tap_wants(tap, names[i]);
    }
    if (!any)
        return;
    struct checkpoint checkpoint;
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    vkmoe_moe *layer = NULL;
    harness->messages = 0;
    const bool made = checkpoint_create(index, tap->seed, directory, &checkpoint)
        && create_layer(harness, checkpoint.path, checkpoint.block, &params, &layer)
        && !harness->messages;
    for (int i = 0; i < TOKEN_COUNTS; i++) {
        if (wanted[i])
            tap_result(tap,
                made && check_tokens(harness, layer, &checkpoint, token_counts[i], tap->seed),
                names[i]);
    }
    vkmoe_moe_destroy(&layer);
    checkpoint_destroy(&checkpoint);
}

// ---------------------------------------------------------------------------- recorded

enum { TOKENS = 160, HIDDEN = 128, K = 2, LAYERS = 4 };

static double *to_double(const float *values, size_t count)
{
    double *result = allocate(count, sizeof *result);
    for (size_t i = 0; i < count; i++)
        result[i] = values[i];
    return result;
}

// `step` tokens at a time: 1 decodes the text, TOKENS reads it at once.
static bool check_recorded(struct harness *harness, const vkmoe_moe *layer, struct work *work,
    uint32_t step, const double *y, const int32_t *ids, const double *weights)
{
    if (!run(harness, layer, work, step) || !compare_ids("ids", ids, work->ids, TOKENS * K, K)
        || !compare_weights(
            "weights", weights, work->weights, TOKENS * K, K, COMPARE_F32_TOLERANCE))
        return false;
    const struct compare_result result =
        compare_floats("y", y, work->y, TOKENS * HIDDEN, HIDDEN, COMPARE_F32_TOLERANCE);
    tap_note("%" PRIu32 " tokens at a time: error %.2g of the rms", step, result.error);
    return result.ok;
}

static bool check_recorded_layer(struct harness *harness, const char *name, uint32_t index)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", VKMOE_TEST_MODELS, name);
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    vkmoe_moe *layer;
    harness->messages = 0;
    if (!create_layer(harness, path, (struct vkmoe_block){ .index = index }, &params, &layer))
        return false;
    struct work work;
    work_init(&work, TOKENS, HIDDEN, K);
    work.x = recorded_moe_floats(name, index, "input", TOKENS * HIDDEN);
    float *y = recorded_moe_floats(name, index, "output", TOKENS * HIDDEN);
    int32_t *ids = recorded_moe_ids(name, index, "expert_ids", TOKENS * K);
    float *weights = recorded_moe_floats(name, index, "expert_weights", TOKENS * K);
    bool ok =
        work.x && y && ids && weights && params.hidden == HIDDEN && params.experts_per_token == K;
    if (ok) {
        double *exact_y = to_double(y, TOKENS * HIDDEN);
        double *exact_weights = to_double(weights, TOKENS * K);
        ok = check_recorded(harness, layer, &work, TOKENS, exact_y, ids, exact_weights)
            && check_recorded(harness, layer, &work, 1, exact_y, ids, exact_weights);
        free(exact_y);
        free(exact_weights);
    }
    free(y);
    free(ids);
    free(weights);
    work_finish(&work);
    vkmoe_moe_destroy(&layer);
    return ok && !harness->messages;
}

// -------------------------------------------------------------------------------- main

static void check_all(struct tap *tap, struct harness *harness)
{
    char directory[] = "/tmp/vkmoe-families-XXXXXX";
    static const char *const models[] = { "tiny-mixtral", "tiny-jetmoe" };
    if (!tap->list && !mkdtemp(directory)) {
        tap_result(tap, false, directory);
        return;
    }
    for (uint32_t i = 0; i < checkpoint_count(); i++)
        test_family(tap, harness, i, directory);
    rmdir(directory);
    for (int m = 0; m < 2; m++) {
        for (uint32_t i = 0; i < LAYERS; i++) {
            char name[64];
            snprintf(name, sizeof name, "recorded/%s/%" PRIu32, models[m], i);
            if (tap_wants(tap, name))
                tap_result(tap, check_recorded_layer(harness, models[m], i), name);
        }
    }
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
