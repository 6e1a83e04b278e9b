// attention_run.c - see attention_run.h.
#include "attention_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"

// A key that f32 rounds to the one and double to the other side moves by 2^-11, and y by as
// much if there are few keys.
#define F16_CACHE_TOLERANCE 1e-3
// Likewise by a 127th of the largest element of 32.
#define Q8_0_CACHE_TOLERANCE 1e-2

static bool is_routed(const struct attention_run *run)
{
    return run->c->attention.experts > 1;
}

// A history up to this is run through the attention itself, in chunks of the case's size, so
// that no pipelines are compiled for it; a longer one through the filler, all at once.
#define LONG_HISTORY 400

struct filling {
    struct array x, y, positions, sequences, lengths, ids, weights;
};

static bool filling_init(struct filling *f, const struct attention_run *run)
{
    const struct attention_batch *h = &run->data.history;
    const struct vkmoe_attention_params *p = &run->c->attention;
    size_t x_size = (size_t)h->tokens * p->hidden * sizeof(float);
    size_t place_size = h->tokens * sizeof(uint32_t);
    size_t ids_size = place_size * p->experts_per_token;
    vkmoe_device *device = run->harness->device;
    if (!array_init(&f->x, device, h->x, x_size, false)
        || !array_init(&f->y, device, NULL, x_size, false)
        || !array_init(&f->positions, device, h->positions, place_size, false)
        || !array_init(&f->sequences, device, h->sequences, place_size, false)
        || !array_init(&f->lengths, device, NULL, 64 * sizeof(uint32_t), false)
        || !array_init(&f->ids, device, NULL, ids_size, false)
        || !array_init(&f->weights, device, NULL, ids_size, false))
        return false;
    // Whom the tokens are routed to does not matter; NaN would.
    memset(array_input(&f->ids), 0, ids_size);
    memset(array_input(&f->weights), 0, ids_size);
    memset(array_input(&f->lengths), 0, f->lengths.size);
    return array_upload(&f->x) && array_upload(&f->positions) && array_upload(&f->sequences)
        && array_upload(&f->lengths) && array_upload(&f->ids) && array_upload(&f->weights);
}

static void filling_finish(struct filling *f)
{
    struct array *arrays[] = { &f->x, &f->y, &f->positions, &f->sequences, &f->lengths, &f->ids,
        &f->weights };
    for (int i = 0; i < 7; i++)
        array_finish(arrays[i]);
}

static bool fill_cache(struct attention_run *run)
{
    uint32_t tokens = run->data.history.tokens, chunk = run->c->tokens ? run->c->tokens : 1;
    const struct attention_batch *b = &run->data.batch;
    size_t hidden = run->c->attention.hidden, k = run->c->attention.experts_per_token;
    vkmoe_attention *filler = NULL;
    struct filling f = { 0 };
    bool ok = !tokens || filling_init(&f, run);
    if (ok && tokens > LONG_HISTORY) {
        chunk = tokens;
        ok = is_ok(
            vkmoe_attention_create(run->harness->device, &run->data.filler, &filler), "filler");
    }
    for (uint32_t t = 0; ok && t < tokens; t += chunk) {
        struct vkmoe_attention_forward_params params = {
            VKMOE_INIT(vkmoe_attention_forward_params),
            .tokens = tokens - t < chunk ? tokens - t : chunk,
            .x = span_from(&f.x, t * hidden),
            .y = span_from(&f.y, t * hidden),
            .positions = span_from(&f.positions, t),
            .sequences = span_from(&f.sequences, t),
            .lengths = array_span(&f.lengths),
        };
        if (b->ids)
            params.ids = span_from(&f.ids, t * k);
        if (b->weights)
            params.weights = span_from(&f.weights, t * k);
        ok = is_ok(vkmoe_attention_forward(
                       run->harness->stream, filler ? filler : run->attention, run->cache, &params),
            "filling the cache");
    }
    ok = ok && harness_run(run->harness);
    vkmoe_attention_destroy(&filler);
    filling_finish(&f);
    return ok;
}

// Of the patterns that choose blocks, or of nsa.
static uint32_t block_of(const struct vkmoe_attention_params *p)
{
    uint32_t block = p->nsa.compressed;
    for (uint32_t e = 0; p->patterns && e < p->experts; e++)
        block = p->patterns[e].top > 0 ? p->patterns[e].block : block;
    return block;
}

bool attention_run_renew_cache(struct attention_run *run)
{
    vkmoe_cache_destroy(&run->cache);
    return is_ok(vkmoe_cache_create(run->harness->device,
                     &(struct vkmoe_cache_params){
                         VKMOE_INIT(vkmoe_cache_params),
                         .kv_heads = run->c->attention.kv_heads,
                         .head_size = run->c->attention.head_size,
                         .sequences = run->data.sequences,
                         .capacity = run->data.capacity,
                         .dtype = run->c->cache_dtype,
                         .block = block_of(&run->c->attention),
                         .keys_only = run->c->attention.latent.rank > 0,
                         .stride = run->c->attention.nsa.stride,
                         .mean_values = run->c->attention.nsa.compressed > 0,
                     },
                     &run->cache),
               "vkmoe_cache_create")
        && fill_cache(run);
}

static bool init_arrays(struct attention_run *run)
{
    const struct attention_case *c = run->c;
    const struct attention_batch *b = &run->data.batch;
    vkmoe_device *device = run->harness->device;
    bool misaligned = c->has & ATTENTION_MISALIGNED;
    size_t x_size = (size_t)c->tokens * c->attention.hidden * sizeof(float);
    size_t place_size = c->tokens * sizeof(uint32_t);
    size_t ids_size = place_size * c->attention.experts_per_token;
    // SUPPLIED reads ids and leaves the weights to the router: no array for them.
    bool has_weights = c->attention.router.select != VKMOE_SELECT_SUPPLIED;
    return array_init(&run->x, device, b->x, x_size, misaligned)
        && array_init(&run->y, device, NULL, x_size, misaligned)
        && array_init(&run->positions, device, b->positions, place_size, misaligned)
        && (!b->sequences
            || array_init(&run->sequences, device, b->sequences, place_size, misaligned))
        && (!run->data.lengths
            || array_init(&run->lengths, device, run->data.lengths,
                run->data.sequences * sizeof(uint32_t), misaligned))
        && (!is_routed(run) || array_init(&run->ids, device, b->ids, ids_size, misaligned))
        && (!is_routed(run) || !has_weights
            || array_init(&run->weights, device, b->weights, ids_size, misaligned));
}

bool attention_run_init(struct attention_run *run, struct harness *harness,
    const struct attention_case *c, uint64_t seed)
{
    *run = (struct attention_run){ .harness = harness, .c = c };
    attention_data_init(&run->data, c, seed);
    // The rounding of a score grows with it, and e^score has that as a relative error.
    run->tolerance = COMPARE_F32_TOLERANCE * fmax(c->score_gain / 5.0, 1.0);
    if (c->cache_dtype != VKMOE_DTYPE_F32 && !(c->has & ATTENTION_EXACT))
        run->tolerance =
            c->cache_dtype == VKMOE_DTYPE_F16 ? F16_CACHE_TOLERANCE : Q8_0_CACHE_TOLERANCE;
    if (c->attention.precision == VKMOE_PRECISION_FAST)
        run->tolerance = fmax(run->tolerance, COMPARE_FAST_TOLERANCE);
    return is_ok(vkmoe_attention_create(harness->device, &run->data.params, &run->attention),
               "vkmoe_attention_create")
        && attention_run_renew_cache(run) && init_arrays(run);
}

void attention_run_finish(struct attention_run *run)
{
    vkmoe_attention_destroy(&run->attention);
    vkmoe_cache_destroy(&run->cache);
    struct array *arrays[] = { &run->x, &run->y, &run->positions, &run->sequences, &run->lengths,
        &run->ids, &run->weights };
    for (int i = 0; i < 7; i++)
        array_finish(arrays[i]);
    attention_data_finish(&run->data);
}

bool attention_run_upload(struct attention_run *run)
{
    return array_upload(&run->x) && array_upload(&run->y) && array_upload(&run->positions)
        && array_upload(&run->sequences) && array_upload(&run->lengths) && array_upload(&run->ids)
        && array_upload(&run->weights);
}

bool attention_run_download(struct attention_run *run)
{
    return array_download(&run->x) && array_download(&run->y) && array_download(&run->positions)
        && array_download(&run->sequences) && array_download(&run->lengths)
        && array_download(&run->ids) && array_download(&run->weights);
}

bool attention_run_record(
    struct attention_run *run, uint32_t first, uint32_t tokens, bool with_routing)
{
    const struct attention_batch *b = &run->data.batch;
    size_t hidden = run->c->attention.hidden, k = run->c->attention.experts_per_token;
    struct vkmoe_attention_forward_params params = {
        VKMOE_INIT(vkmoe_attention_forward_params),
        .tokens = tokens,
        .x = span_from(&run->x, first * hidden),
        .y = span_from(&run->y, first * hidden),
        .positions = span_from(&run->positions, first),
        .sequences = span_from(&run->sequences, first),
        .lengths = array_span(&run->lengths),
        .longest = run->data.longest,
        .stored = run->c->has & ATTENTION_STORED || run->stored,
    };
    if (b->ids || with_routing)
        params.ids = span_from(&run->ids, first * k);
    if (b->weights || with_routing)
        params.weights = span_from(&run->weights, first * k);
    return is_ok(vkmoe_attention_forward(run->harness->stream, run->attention, run->cache, &params),
        "vkmoe_attention_forward");
}

bool attention_run_forward(struct attention_run *run, bool with_routing)
{
    return attention_run_upload(run) && attention_run_record(run, 0, run->c->tokens, with_routing)
        && harness_run(run->harness) && attention_run_download(run);
}

bool attention_run_check_memory(const struct attention_run *run)
{
    const struct attention_batch *b = &run->data.batch;
    bool ok = array_check("x", &run->x, true);
    ok &= array_check("y", &run->y, false);
    ok &= array_check("positions", &run->positions, true);
    ok &= array_check("sequences", &run->sequences, true);
    ok &= array_check("lengths", &run->lengths, true);
    ok &= array_check("ids", &run->ids, b->ids != NULL);
    return ok && array_check("weights", &run->weights, b->weights != NULL);
}

// Where results of the reference go.
struct expected {
    double *y, *weights, *scores;
    int32_t *ids;
};

static void run_reference(
    const struct attention_run *run, const int32_t *ids, const struct expected *out)
{
    const struct attention_data *data = &run->data;
    const struct attention_batch *b = &data->batch, *h = &data->history;
    struct reference_history history;
    reference_history_init(
        &history, &data->reference, data->sequences, data->capacity, run->c->cache_dtype);
    reference_remember(&data->reference, h->tokens, h->x, h->positions, h->sequences, &history);
    history.longest = data->longest;
    reference_attend(&data->reference, b->tokens, array_input(&run->x), b->positions, b->sequences,
        data->lengths, &history, run->c->has & ATTENTION_STORED, ids, b->weights, out->y, out->ids,
        out->weights, out->scores);
    reference_history_finish(&history);
}

// Leaves the results under the device's routing where that is as good as the reference's.
static bool check_routing(const struct attention_run *run, const struct expected *expected)
{
    const struct attention_case *c = run->c;
    uint32_t k = c->attention.experts_per_token;
    const int32_t *ids = array_range(&run->ids);
    uint64_t first;
    enum reference_routing routing = reference_compare_routing(
        &run->data.reference.router, c->tokens, expected->ids, expected->scores, ids, &first);
    if (routing == REFERENCE_ROUTING_WRONG) {
        tap_note("ids: [%" PRIu64 "][%" PRIu64 "] is %" PRId32 ", expected %" PRId32, first / k,
            first % k, ids[first], expected->ids[first]);
        return false;
    }
    if (routing == REFERENCE_ROUTING_CLOSE) {
        struct expected again = *expected;
        tap_note("ids: differ within rounding, first at [%" PRIu64 "]", first / k);
        again.ids = NULL;
        again.scores = NULL;
        run_reference(run, ids, &again);
    }
    return true;
}

bool attention_run_check_results(const struct attention_run *run, bool with_routing, double *y)
{
    const struct attention_case *c = run->c;
    const struct attention_batch *b = &run->data.batch;
    uint32_t k = c->attention.experts_per_token, hidden = c->attention.hidden;
    size_t choices = (size_t)c->tokens * k, values = (size_t)c->tokens * hidden;
    const struct expected expected = {
        .y = y ? y : allocate(values, sizeof(double)),
        .weights = allocate(choices, sizeof(double)),
        .scores = allocate((size_t)c->tokens * c->attention.experts, sizeof(double)),
        .ids = allocate(choices, sizeof(int32_t)),
    };
    run_reference(run, b->ids, &expected);
    bool ok = true;
    if (is_routed(run) && with_routing && !b->ids)
        ok = check_routing(run, &expected);
    if (ok && with_routing && !b->weights && run->weights.buffer)
        ok = compare_weights("weights", expected.weights, array_range(&run->weights), choices, k,
            COMPARE_F32_TOLERANCE);
    if (ok)
        ok = compare_floats("y", expected.y, array_range(&run->y), values, hidden, run->tolerance)
                 .ok;
    if (ok && run->c->attention.precision == VKMOE_PRECISION_FAST)
        ok = compare_rms("y", expected.y, array_range(&run->y), values, COMPARE_FAST_RMS);
    if (!y)
        free(expected.y);
    free(expected.weights);
    free(expected.scores);
    free(expected.ids);
    return ok;
}
