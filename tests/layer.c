// layer.c - whole layers on a device against the reference, one test per row of
// layer_cases.c, all through the public API.
//
// Environment: VKMOE_TEST_DEVICE selects a device as vkmoe_device_params.select does;
// VKMOE_TEST_VALIDATE enables the validation layer, whose messages then fail the test;
// VKMOE_TEST_SLOW adds the cases marked slow or timed. VKMOE_TEST_DTYPE stores all matrices in one
// format.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "formats.h"
#include "harness.h"
#include "layer_cases.h"
#include "random.h"

// A timed case beyond this would keep the reference busy for minutes.
#define LARGEST_CHECKED_FLOPS 4e9

// --------------------------------------------------------------------------- one case

struct run {
    struct harness *harness;
    const struct layer_case *c;
    const struct layer_data *data;
    vkmoe_moe *layer;
    struct array x, router_x, y, ids, weights;
};

static void run_finish(struct run *run)
{
    vkmoe_moe_destroy(&run->layer);
    FINISH_ARRAYS(&run->x, &run->router_x, &run->y, &run->ids, &run->weights);
}

static bool run_init(struct run *run, struct harness *harness, const struct layer_case *c,
    const struct layer_data *data)
{
    *run = (struct run){ .harness = harness, .c = c, .data = data };
    vkmoe_device *device = harness->device;
    bool misaligned = c->has & CASE_MISALIGNED;
    size_t x_size = (size_t)c->tokens * c->layer.hidden * sizeof(float);
    uint32_t router_hidden = c->layer.router_hidden ? c->layer.router_hidden : c->layer.hidden;
    size_t router_x_size = (size_t)c->tokens * router_hidden * sizeof(float);
    size_t ids_size = (size_t)c->tokens * c->layer.experts_per_token * sizeof(float);
    if (!is_ok(vkmoe_moe_create(device, &data->params, &run->layer), "vkmoe_moe_create"))
        return false;
    // SUPPLIED reads ids and leaves the weights to the router: no array for them.
    bool has_weights = c->layer.router.select != VKMOE_SELECT_SUPPLIED;
    return array_init(&run->x, device, data->x, x_size, misaligned)
        && (!data->router_x
            || array_init(&run->router_x, device, data->router_x, router_x_size, misaligned))
        && array_init(&run->y, device, NULL, x_size, misaligned)
        && array_init(&run->ids, device, data->ids, ids_size, misaligned)
        && (!has_weights || array_init(&run->weights, device, data->weights, ids_size, misaligned));
}

// Uploads everything afresh, runs the layer and downloads everything.
static bool forward(struct run *run, bool with_routing_outputs)
{
    const struct layer_data *data = run->data;
    struct vkmoe_moe_forward_params params = {
        VKMOE_INIT(vkmoe_moe_forward_params),
        .tokens = run->c->tokens,
        .sequence_tokens = run->c->sequence_tokens,
        .x = array_span(&run->x),
        .router_x = array_span(&run->router_x),
        .y = array_span(&run->y),
    };
    if (data->ids || with_routing_outputs)
        params.ids = array_span(&run->ids);
    if (data->weights || with_routing_outputs)
        params.weights = array_span(&run->weights);

    struct array *arrays[] = { &run->x, &run->router_x, &run->y, &run->ids, &run->weights };
    for (int i = 0; i < 5; i++) {
        if (!array_upload(arrays[i]))
            return false;
    }
    if (!is_ok(vkmoe_moe_forward(run->harness->stream, run->layer, &params), "vkmoe_moe_forward")
        || !harness_run(run->harness))
        return false;
    for (int i = 0; i < 5; i++) {
        if (!array_download(arrays[i]))
            return false;
    }
    return true;
}

// Inputs as they were, and nothing written beside the outputs.
static bool check_memory(const struct run *run)
{
    bool ok = array_check("x", &run->x, true);
    ok &= array_check("y", &run->y, false);
    ok &= array_check("router_x", &run->router_x, true);
    ok &= array_check("ids", &run->ids, run->data->ids);
    ok &= array_check("weights", &run->weights, run->data->weights);
    return ok;
}

// Rounding of a sum grows with the root of its length, and the common tolerance is
// measured at a model's widths, 4096 at most.
static double tolerance_of(const struct vkmoe_moe_params *p)
{
    uint32_t longest = p->hidden > p->inner ? p->hidden : p->inner;
    if (p->shared.inner > longest)
        longest = p->shared.inner;
    if (p->precision == VKMOE_PRECISION_FAST)
        return COMPARE_FAST_TOLERANCE;
    return COMPARE_F32_TOLERANCE * (longest > 4096 ? sqrt(longest / 4096.0) : 1.0);
}

// Compares ids, weights and y of the first run with the reference.
static bool check_results(const struct run *run)
{
    const struct layer_case *c = run->c;
    const struct layer_data *data = run->data;
    uint32_t k = c->layer.experts_per_token, hidden = c->layer.hidden;
    size_t choices = (size_t)c->tokens * k, values = (size_t)c->tokens * hidden;
    // Somewhere to write even without tokens.
    int32_t *ids = malloc((choices + 1) * sizeof(*ids));
    double *weights = malloc((choices + 1) * sizeof(*weights));
    double *scores = malloc(((size_t)c->tokens * c->layer.experts + 1) * sizeof(*scores));
    double *y = malloc((values + 1) * sizeof(*y));
    if (!ids || !weights || !scores || !y)
        abort();
    reference_forward(&data->reference, c->tokens, c->sequence_tokens, data->x, data->router_x,
        data->ids, data->weights, y, ids, weights, scores);

    bool ok = true;
    if (!data->ids) {
        const int32_t *device_ids = array_range(&run->ids);
        uint64_t first;
        enum reference_routing routing =
            reference_compare_routing(&data->reference, c->tokens, ids, scores, device_ids, &first);
        if (routing == REFERENCE_ROUTING_WRONG) {
            tap_note("ids: [%" PRIu64 "][%" PRIu64 "] is %" PRId32 ", expected %" PRId32, first / k,
                first % k, device_ids[first], ids[first]);
            ok = false;
        } else if (routing == REFERENCE_ROUTING_CLOSE) {
            tap_note("ids: differ within rounding, first at [%" PRIu64 "]", first / k);
            reference_forward(&data->reference, c->tokens, c->sequence_tokens, data->x,
                data->router_x, device_ids, NULL, y, NULL, weights, NULL);
        }
    }
    if (ok && !data->weights && run->weights.buffer)
        ok = compare_weights(
            "weights", weights, array_range(&run->weights), choices, k, COMPARE_F32_TOLERANCE);
    if (ok)
        ok =
            compare_floats("y", y, array_range(&run->y), values, hidden, tolerance_of(&c->layer)).ok
            && (c->layer.precision != VKMOE_PRECISION_FAST
                || compare_rms("y", y, array_range(&run->y), values, COMPARE_FAST_RMS));
    free(ids);
    free(weights);
    free(scores);
    free(y);
    return ok;
}

// The bound that vkmoe_moe_scratch_size() documents.
static bool check_scratch(const struct run *run)
{
    const struct vkmoe_moe_params *p = &run->c->layer;
    const uint32_t tokens[] = { 0, 1, 2, 7, 33, 64, 300, 4096, 65536, run->c->tokens };
    uint64_t k = p->experts_per_token, routed = k * p->hidden;
    uint64_t width = layer_case_experts_width(run->c),
             shared = p->latent.size ? 0 : p->shared.inner;
    uint64_t logits = p->experts + (run->c->has & CASE_LEVELS ? 2 : 0);
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        uint64_t t = tokens[i];
        uint64_t bound = t * k * (p->inner + width) * 4 + t * logits * 4 + (1 << 20);
        if (shared > routed)
            bound += t * (shared - routed) * 4;
        if (p->latent.size)
            bound += t * (2ull * p->latent.size + p->hidden + 2ull * p->shared.inner) * 4;
        if (run->c->has & (CASE_OTHER_GATE | CASE_OTHER_SHARED_GATE))
            bound += t * (k * p->inner + shared) * 4;
        if (!scratch_fits(tokens[i], vkmoe_moe_scratch_size(run->layer, tokens[i]), bound))
            return false;
    }
    return true;
}

// The matrices of the experts in the dtypes they have are the least a layer takes.
static bool check_size(const struct run *run)
{
    const struct vkmoe_moe_params *p = &run->c->layer;
    uint64_t elements = (uint64_t)p->experts * p->inner * layer_case_experts_width(run->c);
    uint64_t least = format_bytes(run->c->dtype, elements)
        + format_bytes(layer_case_down_dtype(run->c), elements);
    if (!(run->c->has & CASE_UNGATED))
        least += format_bytes(layer_case_gate_dtype(run->c), elements);
    uint64_t size = vkmoe_moe_device_size(run->layer);
    if (size >= least)
        return true;
    tap_note("layer size is %" PRIu64 ", but the experts have %" PRIu64, size, least);
    return false;
}

static bool check_case(struct harness *harness, const struct layer_case *c, uint64_t seed)
{
    struct layer_data data;
    struct run run = { 0 };
    layer_data_init(&data, c, seed, true);
    harness->messages = 0;
    bool ok = run_init(&run, harness, c, &data) && check_scratch(&run) && check_size(&run)
        && forward(&run, true) && check_memory(&run);
    ok = ok && check_results(&run);
    if (ok) {
        // Again, without the optional outputs: the same bits.
        unsigned char *y = malloc(run.y.total);
        if (!y)
            abort();
        memcpy(y, run.y.after, run.y.total);
        ok = forward(&run, false) && compare_bits("second run", y, run.y.after, run.y.total);
        free(y);
    }
    run_finish(&run);
    layer_data_finish(&data);
    return ok && !harness->messages;
}

// ------------------------------------------------------------------------------ chains

// The output of a layer is the input of the next, many times in one submission: whatever
// the library leaves in scratch or forgets to wait for shows as other bits than one
// submission for each.
static bool check_chain(struct harness *harness, uint64_t seed)
{
    static const char *const names[] = { "tokens-33-bf16", "mixtral-decode", "tokens-9" };
    enum { LAYERS = 3, STEPS = 9 };
    struct layer_data data[LAYERS];
    struct run runs[LAYERS] = { { 0 } };
    bool ok = true;
    harness->messages = 0;
    for (int i = 0; i < LAYERS; i++) {
        const struct layer_case *c = layer_cases;
        while (strcmp(c->name, names[i]))
            c++;
        layer_data_init(&data[i], c, seed, false);
        ok = ok && run_init(&runs[i], harness, c, &data[i]);
    }

    // Two vectors of the widest layer, written in turn.
    struct array vectors[2] = { { 0 } };
    for (int i = 0; i < 2; i++)
        ok = ok
            && array_init(
                &vectors[i], harness->device, i ? NULL : data[0].x, runs[0].x.size, false);
    unsigned char *alone = malloc(vectors[1].total);
    if (!alone)
        abort();
    for (int together = 0; together < 2; together++) {
        ok = ok && array_upload(&vectors[0]) && array_upload(&vectors[1]);
        for (int step = 0; ok && step < STEPS; step++) {
            struct vkmoe_moe_forward_params params = {
                VKMOE_INIT(vkmoe_moe_forward_params),
                .tokens = runs[step % LAYERS].c->tokens,
                .x = array_span(&vectors[step % 2]),
                .y = array_span(&vectors[1 - step % 2]),
            };
            ok = is_ok(vkmoe_moe_forward(harness->stream, runs[step % LAYERS].layer, &params),
                "vkmoe_moe_forward");
            if (ok && (!together || step == STEPS - 1))
                ok = is_ok(vkmoe_stream_submit(harness->stream, NULL), "vkmoe_stream_submit");
            if (ok && !together)
                ok = is_ok(vkmoe_stream_wait(harness->stream, UINT64_MAX), "vkmoe_stream_wait");
        }
        ok = ok && is_ok(vkmoe_stream_wait(harness->stream, UINT64_MAX), "vkmoe_stream_wait")
            && array_download(&vectors[1]);
        if (ok && !together)
            memcpy(alone, vectors[1].after, vectors[1].total);
    }
    ok = ok && compare_bits("together", alone, vectors[1].after, vectors[1].total);
    ok = ok && array_check("y", &vectors[1], false);

    free(alone);
    for (int i = 0; i < 2; i++)
        array_finish(&vectors[i]);
    for (int i = 0; i < LAYERS; i++) {
        run_finish(&runs[i]);
        layer_data_finish(&data[i]);
    }
    return ok && !harness->messages;
}

// -------------------------------------------------------------------------------- main

static void check_cases(struct tap *tap, struct harness *harness)
{
    bool slow = getenv("VKMOE_TEST_SLOW") != NULL;
    enum vkmoe_dtype dtype;
    const bool asked = format_asked(&dtype);
    for (const struct layer_case *row = layer_cases; row->name; row++) {
        const struct layer_case c = asked ? layer_case_stored_as(row, dtype) : *row;
        if (!tap_wants(tap, c.name))
            continue;
        if (layer_case_flops(&c) > LARGEST_CHECKED_FLOPS)
            tap_skip(tap, c.name, "only timed");
        else if (c.has & (CASE_SLOW | CASE_TIMED) && !slow)
            tap_skip(tap, c.name, "set VKMOE_TEST_SLOW to run it");
        else
            tap_result(tap, check_case(harness, &c, tap->seed), c.name);
    }
    TAP_TEST(tap, "chain", check_chain(harness, tap->seed));
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_cases);
}
