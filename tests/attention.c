// attention.c - routed and dense attention on a device against the reference, one test per
// row of attention_cases.c, and what one forward alone does not show: chunks, sequences side
// by side, going back. All through the public API; environment: harness.h, and
// VKMOE_TEST_SLOW, which adds the cases marked slow.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention_run.h"
#include "compare.h"
#include "formats.h"
#include "random.h"

// ----------------------------------------------------------------------------- a case

static uint64_t mix_bound(const struct vkmoe_head_experts *h, uint64_t heads, uint64_t rows)
{
    return heads * (h->experts_per_token * (rows + 2) + h->experts) * 4;
}

static uint64_t latent_bound(const struct vkmoe_attention_params *p)
{
    const struct vkmoe_latent *l = &p->latent;
    uint64_t query = l->key_size + p->head_size - l->rank;
    return p->heads * (query > l->value_size ? query : l->value_size) + 2 * l->query_rank;
}

// The bound that vkmoe_attention_scratch_size() documents.
static bool check_scratch(const struct attention_run *run)
{
    const struct vkmoe_attention_params *p = &run->c->attention;
    const uint32_t tokens[] = { 0, 1, 2, 7, 33, 64, 300, 4096, 65536, run->c->tokens };
    uint64_t k = p->experts_per_token, width = p->heads * p->head_size, top = 0;
    for (uint32_t e = 0; p->patterns && e < p->experts; e++)
        top = p->patterns[e].top > top ? p->patterns[e].top : top;
    uint64_t values =
        p->value.experts.experts ? mix_bound(&p->value.experts, p->kv_heads, p->head_size) : 0;
    uint64_t outputs =
        p->output.experts.experts ? mix_bound(&p->output.experts, p->heads, p->hidden) : 0;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        uint64_t t = tokens[i];
        uint64_t bound = t * (k * width + k * p->hidden + 2 * p->kv_heads * p->head_size) * 4
            + t * p->experts * 4 + t * k * p->heads * top * 4
            + t * (values > outputs ? values : outputs) + (2 << 20);
        if (p->latent.rank)
            bound += t * latent_bound(p) * 4;
        if (p->nsa.compressed)
            bound += t * p->heads * (2 * p->head_size + p->nsa.top + 3) * 4;
        if (p->hidden >= 1024 || width >= 1024)
            bound += 3 << 20;
        if (run->c->has & ATTENTION_GATE)
            bound += t * p->heads * (p->gate.wide ? p->head_size : 1) * 4;
        if (!scratch_fits(
                tokens[i], vkmoe_attention_scratch_size(run->attention, tokens[i]), bound))
            return false;
    }
    return true;
}

// The matrices, and the keys and values, in the dtype they have are the least.
static bool check_sizes(const struct attention_run *run)
{
    const struct vkmoe_attention_params *p = &run->c->attention;
    uint64_t kv_width = (uint64_t)p->kv_heads * p->head_size;
    uint64_t value_size = p->value_size ? p->value_size : p->head_size;
    uint64_t matrices = format_bytes(run->c->dtype,
        ((uint64_t)p->experts * p->heads + p->kv_heads) * (p->head_size + value_size) * p->hidden);
    const struct vkmoe_latent *l = &p->latent;
    if (l->rank)
        matrices = format_bytes(run->c->dtype,
            (uint64_t)p->heads * l->rank * (l->key_size + l->value_size)
                + (uint64_t)p->hidden * (p->heads * l->value_size + p->head_size + l->query_rank));
    uint64_t cached = (l->rank ? 1 : 2) * kv_width * run->data.capacity * run->data.sequences
        * (run->c->cache_dtype == VKMOE_DTYPE_F32        ? 4
                : run->c->cache_dtype == VKMOE_DTYPE_F16 ? 2
                                                         : 1);
    uint64_t size = vkmoe_attention_device_size(run->attention);
    uint64_t cache_size = vkmoe_cache_device_size(run->cache);
    if (size < matrices)
        tap_note("attention's size is %" PRIu64 ", its matrices' %" PRIu64, size, matrices);
    if (cache_size < cached || (l->rank && cache_size > cached + cached / 2 + (1 << 16)))
        tap_note("cache's size is %" PRIu64 ", its contents' %" PRIu64, cache_size, cached);
    return size >= matrices && cache_size >= cached;
}

static unsigned char *copy_of(const struct array *array)
{
    unsigned char *copy = malloc(array->total);
    if (!copy)
        abort();
    memcpy(copy, array->after, array->total);
    return copy;
}

static bool check_case(struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    struct attention_run run;
    harness->messages = 0;
    bool with_routing = c->attention.experts > 1 && !(c->has & ATTENTION_NO_ROUTING);
    bool ok = attention_run_init(&run, harness, c, seed) && check_scratch(&run) && check_sizes(&run)
        && attention_run_forward(&run, with_routing) && attention_run_check_memory(&run);
    ok = ok && attention_run_check_results(&run, with_routing, NULL);
    if (ok) {
        // Again, without the optional outputs, over what is there: the same bits.
        unsigned char *y = copy_of(&run.y);
        ok = attention_run_forward(&run, false)
            && compare_bits("second run", y, run.y.after, run.y.total);
        free(y);
    }
    attention_run_finish(&run);
    return ok && !harness->messages;
}

// ----------------------------------------------------------------------------- chunks

// Runs the batch in chunks, in one submission or one for each.
static bool run_chunks(struct attention_run *run, uint32_t chunk, bool together)
{
    uint32_t tokens = run->c->tokens;
    bool ok = attention_run_renew_cache(run) && attention_run_upload(run);
    for (uint32_t t = 0; ok && t < tokens; t += chunk) {
        uint32_t count = tokens - t < chunk ? tokens - t : chunk;
        ok = attention_run_record(run, t, count, false) && (together || harness_run(run->harness));
    }
    return ok && harness_run(run->harness) && attention_run_download(run);
}

// At once, in chunks of 7, and token by token.
static bool check_chunks(struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    struct attention_run run;
    size_t count = (size_t)c->tokens * c->attention.hidden;
    double *once = calloc(count, sizeof(double));
    if (!once)
        abort();
    harness->messages = 0;
    bool ok = attention_run_init(&run, harness, c, seed) && run_chunks(&run, c->tokens, true)
        && attention_run_check_results(&run, false, NULL);
    const float *y = array_range(&run.y);
    for (size_t i = 0; ok && i < count; i++)
        once[i] = y[i];
    double between = fmax(1e-4, run.tolerance);
    const uint32_t chunks[] = { 7, 1 };
    for (int i = 0; ok && i < 2; i++) {
        uint32_t chunk = chunks[i];
        tap_note("chunks of %" PRIu32, chunk);
        ok = run_chunks(&run, chunk, true) && attention_run_check_results(&run, false, NULL)
            && compare_floats("against all at once", once, array_range(&run.y), count,
                c->attention.hidden, between)
                   .ok;
        unsigned char *together = copy_of(&run.y);
        if (ok && chunk == 7)
            ok = run_chunks(&run, chunk, false)
                && compare_bits("a submission each", together, run.y.after, run.y.total);
        free(together);
    }
    free(once);
    attention_run_finish(&run);
    return ok && !harness->messages;
}

// -------------------------------------------------------------------------- sequences

// Changes all tokens of one sequence, to NaN if so, and demands the bits of the others as
// they were.
static bool check_others(
    struct harness *harness, const struct attention_case *c, uint64_t seed, bool to_nan)
{
    struct attention_run run;
    uint32_t hidden = c->attention.hidden, compared = 0;
    harness->messages = 0;
    bool ok = attention_run_init(&run, harness, c, seed) && attention_run_forward(&run, false);
    unsigned char *before = ok ? copy_of(&run.y) : NULL;
    for (uint32_t changed = 0; ok && changed < run.data.sequences; changed++) {
        const struct attention_batch *b = &run.data.batch;
        struct rng rng = rng_for(seed, "changed");
        float *x = array_input(&run.x);
        memcpy(x, b->x, run.x.size);
        for (uint32_t t = 0; t < b->tokens; t++) {
            for (uint32_t i = 0; b->sequences[t] == changed && i < hidden; i++)
                x[(size_t)t * hidden + i] = to_nan ? NAN : (float)rng_normal(&rng);
        }
        ok = attention_run_renew_cache(&run) && attention_run_forward(&run, false);
        for (uint32_t t = 0; ok && t < b->tokens; t++) {
            char what[64];
            size_t at = run.y.offset + (size_t)t * hidden * 4;
            bool is_same = !memcmp(before + at, run.y.after + at, hidden * 4);
            snprintf(
                what, sizeof(what), "token %" PRIu32 " with another sequence %" PRIu32, t, changed);
            if (b->sequences[t] != changed)
                ok = compare_bits(what, before + at, run.y.after + at, hidden * 4);
            compared += b->sequences[t] == changed && !is_same;
        }
    }
    if (ok && compared != c->tokens) {
        tap_note("%" PRIu32 " of %" PRIu32 " tokens changed with their own", compared, c->tokens);
        ok = false;
    }
    free(before);
    attention_run_finish(&run);
    return ok && !harness->messages;
}

static bool check_independence(
    struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    return check_others(harness, c, seed, false);
}

// What one sequence does to itself stays there.
static bool check_nan_contained(
    struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    return check_others(harness, c, seed, true);
}

// ------------------------------------------------------------------------- going back

// The first half of the batch, then nonsense behind it, then the second half as it should
// be, from the middle on: nothing of the nonsense may be left.
static bool check_going_back(struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    struct attention_run run;
    uint32_t half = c->tokens / 2, rest = c->tokens - half;
    size_t from = (size_t)half * c->attention.hidden;
    harness->messages = 0;
    bool ok = attention_run_init(&run, harness, c, seed);
    for (int nonsense = 0; ok && nonsense < 3; nonsense++) {
        const float values[] = { 100.0f, -INFINITY, NAN };
        float *x = array_input(&run.x);
        tap_note("over %g", (double)values[nonsense]);
        for (size_t i = from; i < run.x.size / 4; i++)
            x[i] = values[nonsense];
        ok = attention_run_upload(&run) && attention_run_record(&run, 0, half, false)
            && attention_run_record(&run, half, rest, false) && harness_run(harness)
            && array_download(&run.y);
        memcpy(x, run.data.batch.x, run.x.size);
        unsigned char *first = ok ? copy_of(&run.y) : NULL;
        ok = ok && attention_run_upload(&run) && attention_run_record(&run, half, rest, false)
            && harness_run(harness) && attention_run_download(&run);
        if (ok) {
            memcpy(run.y.after + run.y.offset, first + run.y.offset, from * 4);
            ok = attention_run_check_results(&run, false, NULL);
        }
        free(first);
    }
    attention_run_finish(&run);
    return ok && !harness->messages;
}

// Positions and sequences that do not exist must do no harm: the next valid forward finds
// its own.
static bool check_wild_places(
    struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    const uint32_t wild[] = { UINT32_MAX, 1u << 31, 0, 1u << 24, 65535, 1, INT32_MAX };
    struct attention_run run;
    harness->messages = 0;
    bool ok = attention_run_init(&run, harness, c, seed);
    if (ok) {
        uint32_t *positions = array_input(&run.positions);
        uint32_t *sequences = array_input(&run.sequences);
        for (uint32_t t = 0; t < c->tokens; t++) {
            positions[t] = wild[t % 7];
            if (sequences)
                sequences[t] = wild[t % 5];
        }
        for (uint32_t i = 0; run.lengths.buffer && i < run.data.sequences; i++)
            ((uint32_t *)array_input(&run.lengths))[i] = wild[i % 7];
        ok = attention_run_forward(&run, false) && attention_run_check_memory(&run);
        memcpy(positions, run.data.batch.positions, run.positions.size);
        if (sequences)
            memcpy(sequences, run.data.batch.sequences, run.sequences.size);
        if (run.lengths.buffer)
            memcpy(array_input(&run.lengths), run.data.lengths, run.lengths.size);
        ok = ok && attention_run_forward(&run, false)
            && attention_run_check_results(&run, false, NULL);
    }
    attention_run_finish(&run);
    return ok && !harness->messages;
}

// Where no positions are given, token t stands at t: the bits are the same.
static bool check_no_positions(
    struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    struct attention_run run;
    harness->messages = 0;
    bool ok = attention_run_init(&run, harness, c, seed) && attention_run_forward(&run, false);
    unsigned char *y = ok ? copy_of(&run.y) : NULL;
    array_finish(&run.positions);
    ok = ok && attention_run_renew_cache(&run) && attention_run_forward(&run, false)
        && compare_bits("y", y, run.y.after, run.y.total);
    free(y);
    attention_run_finish(&run);
    return ok && !harness->messages;
}

// Keys and values written alone, then queries alone: the bits of both at once.
static bool check_stored(struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    struct attention_run run;
    harness->messages = 0;
    bool ok = attention_run_init(&run, harness, c, seed) && attention_run_forward(&run, false);
    unsigned char *y = ok ? copy_of(&run.y) : NULL;
    const struct vkmoe_attention_forward_params params = {
        VKMOE_INIT(vkmoe_attention_forward_params),
        .tokens = c->tokens,
        .x = array_span(&run.x),
        .positions = array_span(&run.positions),
        .sequences = array_span(&run.sequences),
    };
    ok = ok && attention_run_renew_cache(&run) && attention_run_upload(&run)
        && is_ok(vkmoe_attention_store(harness->stream, run.attention, run.cache, &params),
            "vkmoe_attention_store");
    run.stored = true;
    ok = ok && attention_run_record(&run, 0, c->tokens, false) && harness_run(harness)
        && attention_run_download(&run) && attention_run_check_memory(&run)
        && compare_bits("y", y, run.y.after, run.y.total);
    free(y);
    attention_run_finish(&run);
    return ok && !harness->messages;
}

// ------------------------------------------------------------------------------- passes

// However wide a token is, no array of a pass reaches 4 GiB, which shaders cannot address;
// the one that is wide here is nearly all of the scratch.
static bool check_wide(struct harness *harness, const struct vkmoe_attention_params *params)
{
    const uint64_t most = ((uint64_t)4 << 30) + (128 << 20);
    vkmoe_attention *attention = NULL;
    bool ok = is_ok(vkmoe_attention_create(harness->device, params, &attention), "wide");
    uint64_t size = ok ? vkmoe_attention_scratch_size(attention, 65536) : 0;
    if (size > most)
        tap_note("scratch is %" PRIu64 ", at most %" PRIu64, size, most);
    vkmoe_attention_destroy(&attention);
    return ok && size <= most;
}

static bool check_wide_passes(struct harness *harness)
{
    static const float zeros[65536];
    const struct vkmoe_view view = { .data = zeros };
    const struct vkmoe_view views[] = { view, view };
    const struct vkmoe_pattern top = { .kind = VKMOE_PATTERN_BLOCKS, .block = 32, .top = 64 };
    const struct vkmoe_attention_params choices = { VKMOE_INIT(vkmoe_attention_params), .hidden = 1,
        .head_size = 1, .heads = 1024, .kv_heads = 1, .experts = 1, .experts_per_token = 1,
        .query.matrices = views, .output.matrices = views, .key.matrix = view, .value.matrix = view,
        .patterns = &top };
    // A head of its own for each expert, and all their keys for each token.
    const struct vkmoe_attention_params keys = { VKMOE_INIT(vkmoe_attention_params), .hidden = 1,
        .head_size = 64, .heads = 1, .kv_heads = 1024, .expert_kv_heads = 1, .experts = 2,
        .experts_per_token = 1, .query.matrices = views, .output.matrices = views,
        .router.weight = view, .key.matrix = view, .value.matrix = view };
    // Queries as projected are much wider than what is made of them.
    struct vkmoe_view matrices[128];
    for (size_t h = 0; h < COUNT_OF(matrices); h++)
        matrices[h] = view;
    const struct vkmoe_attention_params latent = { VKMOE_INIT(vkmoe_attention_params), .hidden = 1,
        .head_size = 3, .heads = COUNT_OF(matrices), .kv_heads = 1, .experts = 1,
        .experts_per_token = 1, .query.matrices = views, .output.matrices = views,
        .key.matrix = view, .key.norm = view, .rope.kind = VKMOE_ROPE_HALF,
        .latent = {
            .rank = 1, .key_size = 510, .value_size = 1, .keys = matrices, .values = matrices } };
    return check_wide(harness, &choices) && check_wide(harness, &keys)
        && check_wide(harness, &latent);
}

// One token far behind keys that are all zero, as a new cache holds them: with a query of zero
// all weigh the same, and y is its value's share. A driver that would end the walk before it
// gets there has to be refused.
static bool check_far(struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    enum { POSITION = 149999, HEAD = 128 };
    static const float zeros[HEAD], first[HEAD] = { 1.0f }, one = 1.0f;
    static const uint32_t position = POSITION;
    const struct vkmoe_view zero = { .data = zeros }, unit = { .data = first };
    struct array x = { 0 }, y = { 0 }, positions = { 0 };
    vkmoe_attention *attention = NULL;
    vkmoe_cache *cache = NULL;
    (void)c;
    (void)seed;
    harness->messages = 0;
    bool ok = is_ok(vkmoe_attention_create(harness->device,
                        &(struct vkmoe_attention_params){ VKMOE_INIT(vkmoe_attention_params),
                            .hidden = 1, .head_size = HEAD, .heads = 1, .kv_heads = 1, .experts = 1,
                            .experts_per_token = 1, .query.matrices = &zero,
                            .output.matrices = &unit, .key.matrix = zero, .value.matrix = unit },
                        &attention),
                  "vkmoe_attention_create")
        && is_ok(vkmoe_cache_create(harness->device,
                     &(struct vkmoe_cache_params){ VKMOE_INIT(vkmoe_cache_params), .kv_heads = 1,
                         .head_size = HEAD, .sequences = 1, .capacity = POSITION + 1 },
                     &cache),
            "vkmoe_cache_create")
        && array_init(&x, harness->device, &one, 4, false)
        && array_init(&y, harness->device, NULL, 4, false)
        && array_init(&positions, harness->device, &position, 4, false) && array_upload(&x)
        && array_upload(&y) && array_upload(&positions);
    const struct vkmoe_attention_forward_params params = {
        VKMOE_INIT(vkmoe_attention_forward_params), .tokens = 1, .x = array_span(&x),
        .y = array_span(&y), .positions = array_span(&positions)
    };
    enum vkmoe_status status = VKMOE_OK;
    if (ok)
        status = vkmoe_attention_forward(harness->stream, attention, cache, &params);
    if (status == VKMOE_ERROR_UNSUPPORTED) {
        ok = harness->messages == 1;
        harness->messages = 0;
    } else if (ok) {
        const double share = 1.0 / (POSITION + 1);
        ok = is_ok(status, "vkmoe_attention_forward") && harness_run(harness) && array_download(&y)
            && compare_floats("y", &share, array_range(&y), 1, 1, 1e-4).ok;
    }
    vkmoe_attention_destroy(&attention);
    vkmoe_cache_destroy(&cache);
    array_finish(&x);
    array_finish(&y);
    array_finish(&positions);
    return ok && !harness->messages;
}

// -------------------------------------------------------------------------------- main

enum { MOST_CASES = 16 };

struct behaviour {
    const char *name;
    bool (*check)(struct harness *harness, const struct attention_case *c, uint64_t seed);
    const char *cases[MOST_CASES];
};

static const struct behaviour behaviours[] = {
    { "chunks", check_chunks,
        { "mixtral-prefill", "mixtral-sliding-window", "jetmoe-prefill", "founding-prefill",
            "founding-chunk", "gpt-oss-prefill", "dilated", "seed-prefill", "moba-prefill",
            "t5-decoder", "rope-dynamic", "deepseek-v3-prefill", "nsa-prefill" } },
    { "independence", check_independence,
        { "sequences-4", "sequences-4-interleaved", "sequences-4-routed",
            "sequences-4-routed-shuffled", "sequences-16-decode", "sequences-16-decode-routed",
            "sequences-6-decode-k3", "sequences-6-decode-k3-f16", "bert-both-sides",
            "both-sides-some", "moba-sequences", "deepseek-v3-decode-batch", "nsa-sequences" } },
    { "nan-contained", check_nan_contained,
        { "sequences-4", "sequences-4-interleaved", "sequences-4-routed", "sequences-16-decode",
            "sequences-16-decode-routed", "moba-sequences", "deepseek-v3-decode-batch" } },
    { "going-back", check_going_back,
        { "mixtral-prefill", "mixtral-prefill-f16", "jetmoe-prefill", "founding-prefill",
            "tokens-2", "founding-decode-batch", "seed-prefill", "moba-prefill", "latent-odd",
            "nsa-sequences" } },
    { "no-positions", check_no_positions, { "tokens-31", "tokens-1-alone-routed" } },
    { "wild-places", check_wild_places,
        { "sequences-4-shuffled", "tokens-31-routed", "tokens-1-alone", "bert-both-sides",
            "seed-prefill", "moba-prefill", "nsa-sequences" } },
    { "stored", check_stored,
        { "t5-encoder", "sequences-4", "jetmoe-prefill", "moba-sequences", "tokens-2",
            "deepseek-v3-prefill", "latent-nope", "nsa-sequences", "qwen3-decode" } },
    { "far", check_far, { "tokens-1-alone" } },
};

static void check_all(struct tap *tap, struct harness *harness)
{
    bool slow = getenv("VKMOE_TEST_SLOW") != NULL;
    enum vkmoe_dtype dtype;
    const bool asked = format_asked(&dtype);
    for (const struct attention_case *row = attention_cases; row->name; row++) {
        const struct attention_case c = asked ? attention_case_stored_as(row, dtype) : *row;
        if (!tap_wants_always(tap, c.name, c.has & ATTENTION_ALWAYS))
            continue;
        if (c.has & ATTENTION_SLOW && !slow)
            tap_skip(tap, c.name, "set VKMOE_TEST_SLOW to run it");
        else if (asked && c.has & ATTENTION_EXACT)
            tap_skip(tap, c.name, "its numbers are of another format");
        else
            tap_result(tap, check_case(harness, &c, tap->seed), c.name);
    }
    for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
        const struct behaviour *b = &behaviours[i];
        for (int j = 0; j < MOST_CASES && b->cases[j]; j++) {
            char name[128];
            const struct attention_case *c = attention_case_find(b->cases[j]);
            snprintf(name, sizeof(name), "%s-%s", b->name, b->cases[j]);
            if (tap_wants(tap, name))
                tap_result(tap, c && b->check(harness, c, tap->seed), name);
        }
    }
    if (tap_wants(tap, "wide-passes"))
        tap_result(tap, check_wide_passes(harness), "wide-passes");
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
