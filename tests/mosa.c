// mosa.c - attention whose heads choose their tokens, on a device against the reference: through
// the public API, which differs from that of other attention in that a forward has whole sequences
// and no cache.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "attention/attention.h"
#include "attention_cases.h"
#include "compare.h"
#include "harness.h"

// clang-format off
#define MOSA(t, s, e, size, ...) .tokens = t, .sequences = s, \
    .attention = { .hidden = 48, .head_size = size, .heads = 1, .kv_heads = e, .experts = e, \
        .experts_per_token = e, __VA_ARGS__ }
#define HALF_OF(n) .rope = { .kind = VKMOE_ROPE_HALF, .size = n }
#define TAKES(n) .mosa = { .sparsity = n }

#define ALL ATTENTION_BIASES | ATTENTION_OUTPUT_BIAS | ATTENTION_NORMS

// tokens: of all sequences, which are one after the other. Pipelines cost more than tokens: what is
// not slow has most of them in common.
static const struct attention_case cases[] = {
    {"sequences", MOSA(60, 3, 5, 20, HALF_OF(8), TAKES(5)), .has = ALL},
    {"first", MOSA(22, 1, 5, 20, HALF_OF(8), .mosa = { .sparsity = 4, .first = true }),
        .has = ALL},
    {"two-of-few", MOSA(21, 3, 5, 20, HALF_OF(8), TAKES(64)), .has = ALL},
    {"one-token", MOSA(1, 1, 5, 20, HALF_OF(8), TAKES(2)), .has = ALL},
    {"plain", MOSA(128, 1, 6, 16, HALF_OF(8), TAKES(4)), .has = ATTENTION_SLOW},
    {"f16", MOSA(66, 2, 4, 16, HALF_OF(16), TAKES(8)), .dtype = VKMOE_DTYPE_F16,
        .has = ATTENTION_SLOW},
    {"all-tokens", MOSA(33, 1, 2, 16, .soft_cap = 3.0f, .value_clip = 1.0f, .scale = 0.3f,
        TAKES(1)), .has = ATTENTION_SLOW},
    {"fast", MOSA(128, 1, 4, 32, HALF_OF(16), TAKES(2), .precision = VKMOE_PRECISION_FAST),
        .dtype = VKMOE_DTYPE_BF16, .has = ATTENTION_SLOW},
};
// clang-format on

struct run {
    struct attention_data data;
    vkmoe_attention *attention;
    struct array x, y, weights, ids;
};

static bool run_init(
    struct run *r, struct harness *harness, const struct attention_case *row, uint64_t seed)
{
    struct attention_case c = *row;
    c.attention.router.select = VKMOE_SELECT_SUPPLIED_WEIGHTED; // no gate to make
    *r = (struct run){ 0 };
    attention_data_init(&r->data, &c, seed);
    const struct attention_batch *b = &r->data.batch;
    const size_t pairs = (size_t)b->tokens * c.attention.experts * 4;
    const size_t size = (size_t)b->tokens * c.attention.hidden * 4;
    return is_ok(vkmoe_attention_create(harness->device, &r->data.params, &r->attention), "create")
        && array_init(&r->x, harness->device, b->x, size, false)
        && array_init(&r->y, harness->device, NULL, size, true)
        && array_init(&r->weights, harness->device, NULL, pairs, false)
        && array_init(&r->ids, harness->device, NULL, pairs, false);
}

static void run_finish(struct run *r)
{
    vkmoe_attention_destroy(&r->attention);
    FINISH_ARRAYS(&r->x, &r->y, &r->weights, &r->ids);
    attention_data_finish(&r->data);
}

static struct vkmoe_attention_forward_params params_of(
    const struct run *r, uint32_t sequence_tokens)
{
    return (struct vkmoe_attention_forward_params){ VKMOE_INIT(vkmoe_attention_forward_params),
        .tokens = r->data.batch.tokens, .x = array_span(&r->x), .y = array_span(&r->y),
        .ids = array_span(&r->ids), .weights = array_span(&r->weights),
        .sequence_tokens = sequence_tokens };
}

static bool forward(
    struct run *r, struct harness *harness, uint32_t sequence_tokens, bool with_routing)
{
    struct vkmoe_attention_forward_params p = params_of(r, sequence_tokens);
    if (!with_routing)
        p.ids.buffer = p.weights.buffer = NULL;
    return array_upload(&r->x) && array_upload(&r->y) && array_upload(&r->ids)
        && array_upload(&r->weights)
        && is_ok(vkmoe_attention_forward(harness->stream, r->attention, NULL, &p), "forward")
        && harness_run(harness) && array_download(&r->x) && array_download(&r->y)
        && array_download(&r->ids) && array_download(&r->weights);
}

// The bound that vkmoe_attention_scratch_size() documents.
static bool check_scratch(const struct run *r)
{
    const struct vkmoe_attention_params *p = &r->data.params;
    const uint32_t tokens[] = { 0, 1, 7, 64, 300, 4096, 16384 };
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        const uint64_t of_pair = p->head_size + p->hidden + 2 * p->head_size + 1;
        const uint64_t pairs = (uint64_t)tokens[i] * p->experts;
        const uint64_t bound = pairs * (of_pair + 2 * p->head_size + 44) * 4 + (2 << 20);
        const uint64_t size = vkmoe_attention_scratch_size(r->attention, tokens[i]);
        if (size > bound) {
            tap_note("scratch for %" PRIu32 " tokens is %" PRIu64 ", at most %" PRIu64, tokens[i],
                size, bound);
            return false;
        }
    }
    return true;
}

static bool check_results(const struct run *r, const struct attention_case *c)
{
    const struct vkmoe_attention_params *p = &c->attention;
    const size_t values = (size_t)c->tokens * p->hidden, pairs = (size_t)c->tokens * p->experts;
    double *y = allocate(values, sizeof(double)), *weights = allocate(pairs, sizeof(double));
    int32_t *ids = allocate(pairs, sizeof(int32_t));
    const bool fast = p->precision == VKMOE_PRECISION_FAST;
    for (size_t i = 0; i < pairs; i++)
        ids[i] = (int32_t)(i % p->experts);
    reference_mosa(
        &r->data.reference, c->tokens, c->tokens / c->sequences, r->data.batch.x, y, weights);
    bool ok = compare_ids("ids", ids, array_range(&r->ids), pairs, p->experts)
        && compare_weights(
            "weights", weights, array_range(&r->weights), pairs, p->experts, COMPARE_F32_TOLERANCE)
        && compare_floats("y", y, array_range(&r->y), values, p->hidden,
            fast ? COMPARE_FAST_TOLERANCE : COMPARE_F32_TOLERANCE)
               .ok;
    free(y);
    free(weights);
    free(ids);
    return ok;
}

static bool check_case(struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    struct run r;
    // Of one sequence 0 says as much.
    const uint32_t sequence_tokens = c->sequences == 1 ? 0 : c->tokens / c->sequences;
    harness->messages = 0;
    bool ok = run_init(&r, harness, c, seed) && check_scratch(&r)
        && forward(&r, harness, sequence_tokens, true) && array_check("x", &r.x, true)
        && array_check("y", &r.y, false) && array_check("ids", &r.ids, false)
        && array_check("weights", &r.weights, false) && check_results(&r, c);
    if (ok) {
        // Again, without the optional outputs: the same bits.
        float *y = allocate(r.y.size, 1);
        memcpy(y, array_range(&r.y), r.y.size);
        ok = forward(&r, harness, sequence_tokens, false)
            && compare_bits("second run", y, array_range(&r.y), r.y.size);
        free(y);
    }
    run_finish(&r);
    return ok && !harness->messages;
}

// ---------------------------------------------------------------------------- behaviour

// A sequence gives what it gives alone, whatever is beside it: bit by bit.
static bool check_alone(struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    struct run r;
    const uint32_t sequence_tokens = c->tokens / c->sequences;
    const size_t size = (size_t)sequence_tokens * c->attention.hidden * 4;
    harness->messages = 0;
    bool ok = run_init(&r, harness, c, seed) && forward(&r, harness, sequence_tokens, false);
    float *y = allocate(size, 1);
    if (ok)
        memcpy(y, array_range(&r.y), size);
    memset((char *)array_input(&r.x) + size, 0xff, r.x.size - size); // NaN
    ok = ok && forward(&r, harness, sequence_tokens, false)
        && compare_bits("the first sequence", y, array_range(&r.y), size);
    free(y);
    run_finish(&r);
    return ok && !harness->messages;
}

// A model's progress ends where the sizes of its parts say: with all that is read counted.
static bool check_load_size(
    struct harness *harness, const struct attention_case *row, uint64_t seed)
{
    struct attention_case c = *row;
    struct attention_data data;
    vkmoe_attention *attention = NULL;
    c.attention.router.select = VKMOE_SELECT_SUPPLIED_WEIGHTED;
    attention_data_init(&data, &c, seed);
    struct loading loading = { .device = harness->device };
    const bool ok = is_ok(vkmoe_attention_load(&loading, &data.params, &attention), "load");
    const uint64_t size = vkmoe_attention_load_size(&data.params);
    if (loading.done != size)
        tap_note("%" PRIu64 " bytes read, of %" PRIu64, loading.done, size);
    vkmoe_attention_destroy(&attention);
    attention_data_finish(&data);
    return ok && loading.done == size;
}

enum {
    FORWARD_VALID,
    FORWARD_CACHE,
    FORWARD_POSITIONS,
    FORWARD_SEQUENCES,
    FORWARD_LENGTHS,
    FORWARD_STORED,
    FORWARD_CUT,
    FORWARD_SHORT_IDS,
    FORWARD_STORE,
    FORWARD_REFUSALS
};

// What a forward must not have, each with one line.
static bool check_refusal(struct run *r, struct harness *harness, vkmoe_cache *cache, int what)
{
    struct vkmoe_attention_forward_params p = params_of(r, what == FORWARD_CUT ? 50 : 20);
    if (what == FORWARD_POSITIONS)
        p.positions = p.ids;
    if (what == FORWARD_SEQUENCES)
        p.sequences = p.ids;
    if (what == FORWARD_LENGTHS)
        p.lengths = p.ids;
    if (what == FORWARD_SHORT_IDS)
        p.ids.offset += r->ids.total;
    p.stored = what == FORWARD_STORED;
    harness->messages = 0;
    if (what == FORWARD_STORE)
        return is_refused(harness, "vkmoe_attention_store",
            vkmoe_attention_store(harness->stream, r->attention, cache, &p), VKMOE_ERROR_INVALID);
    const enum vkmoe_status status = vkmoe_attention_forward(
        harness->stream, r->attention, what == FORWARD_CACHE ? cache : NULL, &p);
    return what == FORWARD_VALID
        ? is_ok(status, "forward") && !harness->messages
        : is_refused(harness, "vkmoe_attention_forward", status, VKMOE_ERROR_INVALID);
}

static bool check_refusals(struct harness *harness, const struct attention_case *c, uint64_t seed)
{
    struct run r;
    vkmoe_cache *cache = NULL;
    bool ok = run_init(&r, harness, c, seed)
        && is_ok(vkmoe_cache_create(harness->device,
                     &(struct vkmoe_cache_params){ VKMOE_INIT(vkmoe_cache_params), .kv_heads = 5,
                         .head_size = 20, .sequences = 1, .capacity = 200 },
                     &cache),
            "cache");
    for (int what = 0; ok && what < FORWARD_REFUSALS; what++) {
        ok = check_refusal(&r, harness, cache, what);
        if (!ok)
            tap_note("refusal %d", what);
    }
    // More pairs than a pass takes.
    struct vkmoe_attention_forward_params p = params_of(&r, 0);
    p.tokens = 131072 / 5 + 1;
    harness->messages = 0;
    ok = ok
        && is_refused(harness, "vkmoe_attention_forward",
            vkmoe_attention_forward(harness->stream, r.attention, NULL, &p),
            VKMOE_ERROR_UNSUPPORTED);
    ok = harness_run(harness) && ok;
    vkmoe_cache_destroy(&cache);
    run_finish(&r);
    return ok;
}

static void check_all(struct tap *tap, struct harness *harness)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (!tap_wants(tap, cases[i].name))
            continue;
        if (cases[i].has & ATTENTION_SLOW && !getenv("VKMOE_TEST_SLOW"))
            tap_skip(tap, cases[i].name, "set VKMOE_TEST_SLOW to run it");
        else
            tap_result(tap, check_case(harness, &cases[i], tap->seed), cases[i].name);
    }
    if (tap_wants(tap, "alone"))
        tap_result(tap, check_alone(harness, &cases[0], tap->seed), "alone");
    if (tap_wants(tap, "load-size"))
        tap_result(tap, check_load_size(harness, &cases[0], tap->seed), "load-size");
    if (tap_wants(tap, "refusals"))
        tap_result(tap, check_refusals(harness, &cases[0], tap->seed), "refusals");
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
