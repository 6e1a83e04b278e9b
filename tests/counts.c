// counts.c - what a layer costs, as vkmoe.h promises it: dispatches, scratch memory, and
// the same bits every time. Values are other tests' business.
#include "device/stream.h" // before host.h: both bring Vulkan's types, this one without prototypes

#include "attention/plan.h"
#include "check.h"
#include "class_dispatches.h"
#include "guest.h"
#include "random.h"
#include <vkmoe/moe.h>

// A device of the library's own, and what the tests here make of it.
struct bench {
    vkmoe_device *device;
    vkmoe_stream *stream;
    vkmoe_moe *layer; // the test's, if it has one
    vkmoe_buffer *x, *y, *ids, *weights;
    struct record record;
};

static struct bench bench; // the test's

static bool init(struct bench *b, uint64_t size)
{
    *b = (struct bench){ 0 };
    CHECK_OK(open_device(&b->record, &b->device));
    CHECK_OK(vkmoe_stream_create(b->device, &b->stream));
    CHECK_OK(vkmoe_buffer_create(b->device, size, &b->x));
    CHECK_OK(vkmoe_buffer_create(b->device, size, &b->y));
    CHECK_OK(vkmoe_buffer_create(b->device, size, &b->ids));
    CHECK_OK(vkmoe_buffer_create(b->device, size, &b->weights));
    return true;
fail:
    return false;
}

static void finish(struct bench *b)
{
    vkmoe_stream_destroy(&b->stream);
    vkmoe_moe_destroy(&b->layer);
    DESTROY_BUFFERS(&b->x, &b->y, &b->ids, &b->weights);
    vkmoe_device_destroy(&b->device);
}

// Where all weights lie; experts overlap, which nobody forbids. A matrix is at most 8192
// numbers, and as f16 they are read as what they happen to be.
#define NUMBERS 16384
static float numbers[NUMBERS];

static struct vkmoe_view some(uint32_t at, uint32_t size)
{
    return (struct vkmoe_view){ .data = numbers + at * 61u % (NUMBERS - size) };
}

// Fills in the weights: the router and three matrices an expert.
static enum vkmoe_status create_mixed(vkmoe_device *device, const struct vkmoe_moe_params *shape,
    enum vkmoe_dtype dtype, enum vkmoe_dtype gate_dtype, vkmoe_moe **out)
{
    static struct vkmoe_view views[3][MAX_EXPERTS];
    struct vkmoe_moe_params p = *shape;
    p.struct_size = sizeof p;
    const uint32_t size = p.inner * p.hidden, shared_size = p.shared.inner * p.hidden;
    for (uint32_t e = 0; e < p.experts; e++)
        for (uint32_t i = 0; i < 3; i++) {
            views[i][e] = some(3 * e + i, size);
            views[i][e].dtype = i == 0 ? gate_dtype : dtype;
        }
    p.gate = views[0];
    p.up = views[1];
    p.down = views[2];
    if (p.router.select != VKMOE_SELECT_SUPPLIED_WEIGHTED) {
        p.router.weight = some(5, p.hidden + p.experts);
        p.router.weight.row_stride = p.router.weight.column_stride = 1;
    }
    if (p.shared.inner) {
        p.shared.gate = some(7, shared_size);
        p.shared.up = some(11, shared_size);
        p.shared.down = some(13, shared_size);
        p.shared.up.dtype = p.shared.down.dtype = dtype;
        p.shared.gate.dtype = gate_dtype;
    }
    if (p.latent.size)
        p.latent.down = p.latent.up = some(17, p.latent.size * p.hidden);
    return vkmoe_moe_create(device, &p, out);
}

static enum vkmoe_status create_layer(vkmoe_device *device, const struct vkmoe_moe_params *shape,
    enum vkmoe_dtype dtype, vkmoe_moe **out)
{
    return create_mixed(device, shape, dtype, dtype, out);
}

// UINT32_MAX when the forward fails.
static uint32_t count_dispatches(
    struct bench *b, const vkmoe_moe *layer, uint32_t tokens, bool routed)
{
    const uint64_t before = vkmoe_stream_dispatch_count(b->stream);
    struct vkmoe_moe_forward_params params = { VKMOE_INIT(vkmoe_moe_forward_params),
        .tokens = tokens, .x.buffer = b->x, .y.buffer = b->y };
    if (!routed) {
        params.ids.buffer = b->ids;
        params.weights.buffer = b->weights;
    }
    const enum vkmoe_status status = vkmoe_moe_forward(b->stream, layer, &params);
    if (status != VKMOE_OK) {
        tap_note("%u tokens: %s: %s", tokens, vkmoe_status_name(status), b->record.last);
        return UINT32_MAX;
    }
    return (uint32_t)(vkmoe_stream_dispatch_count(b->stream) - before);
}

// ------------------------------------------------------------------------- dispatches

#define PLAIN .hidden = 24, .inner = 16, .experts = 8, .experts_per_token = 2
#define SHARED PLAIN, .shared.inner = 40

#define NARROW .hidden = 8, .inner = 8
#define BY_ID .router.select = VKMOE_SELECT_SUPPLIED
#define BY_WEIGHT .router.select = VKMOE_SELECT_SUPPLIED_WEIGHTED

struct dispatch_case {
    const char *name;
    uint32_t decode, prefill; // dispatches
    uint32_t least, most;     // tokens up to which it decodes: usually between these
    enum vkmoe_dtype dtype;
    bool token_gate;
    struct vkmoe_moe_params layer;
    bool gate_apart;
};

#define F32(name, decode, prefill, least, most, ...) \
    { \
        name, decode, prefill, least, most, VKMOE_DTYPE_F32, false, \
        { \
            __VA_ARGS__ \
        } \
    }

static const struct dispatch_case dispatch_cases[] = {
    F32("plain", 3, 5, 4, 16, PLAIN),
    { "f16", 3, 5, 4, 16, VKMOE_DTYPE_F16, false, { PLAIN } },
    F32("one-expert", 3, 5, 4, 16, NARROW, .experts = 1, .experts_per_token = 1),
    F32("1024-experts", 3, 5, 4, 16, NARROW, .experts = 1024, .experts_per_token = 8),
    F32("shared", 3, 6, 4, 16, SHARED),
    { "shared-token-gate", 3, 6, 4, 16, VKMOE_DTYPE_F32, true, { SHARED } },
    { "shared-bf16", 3, 6, 4, 16, VKMOE_DTYPE_BF16, false, { SHARED } },
    // One token always decodes, several only if their pairs fit the kernels' tables.
    F32("k-64", 3, 5, 2, 2, NARROW, .experts = 64, .experts_per_token = 64),
    F32("k-256", 3, 5, 1, 1, NARROW, .experts = 256, .experts_per_token = 256),
    // An expert that has to drop tokens needs them grouped.
    F32("capacity-1", 3, 5, 1, 1, PLAIN, .router.capacity = 1),
    F32("capacity-2", 3, 5, 2, 2, PLAIN, .router.capacity = 2),
    F32("supplied", 3, 5, 4, 16, PLAIN, BY_ID),
    F32("supplied-weighted", 2, 4, 4, 16, PLAIN, BY_WEIGHT),
    F32("supplied-weighted-shared", 2, 5, 4, 16, SHARED, BY_WEIGHT),
    { "gate-apart", 5, 7, 4, 16, VKMOE_DTYPE_F32, false, { PLAIN }, true },
    { "gate-apart-shared", 6, 9, 4, 16, VKMOE_DTYPE_BF16, false, { SHARED }, true },
    F32("latent", 5, 7, 4, 16, PLAIN, .latent.size = 9),
    F32("latent-shared", 10, 12, 4, 16, SHARED, .latent.size = 9),
};

// Decode up to some number of tokens, prefill from there on, and nothing in between.
static bool check_dispatches(struct bench *b, const vkmoe_moe *layer, const struct dispatch_case *c)
{
    static const uint32_t many[] = { 17, 40, 300, 500 };
    const bool routed = c->layer.router.select < VKMOE_SELECT_SUPPLIED;
    uint32_t limit = 0;
    CHECK(count_dispatches(b, layer, 0, routed) == 0);
    for (uint32_t tokens = 1; tokens <= 16; tokens++) {
        const uint32_t count = count_dispatches(b, layer, tokens, routed);
        if (count != c->decode && count != c->prefill)
            tap_note("%u tokens: %u dispatches, expected %u or %u", tokens, count, c->decode,
                c->prefill);
        CHECK(count == c->prefill || (count == c->decode && limit == tokens - 1));
        limit = count == c->decode ? tokens : limit;
    }
    tap_note("%s: decodes up to %u tokens", c->name, limit);
    CHECK(limit >= 1 && limit <= c->most); // one always; how many more is the device's choice
    for (size_t i = 0; i < sizeof many / sizeof *many; i++)
        CHECK(count_dispatches(b, layer, many[i], routed)
            == c->prefill + class_dispatches(layer, many[i]));
    return true;
fail:
    return false;
}

static bool test_dispatches(void)
{
    CHECK(init(&bench, 500 * 256 * 4));
    for (size_t i = 0; i < sizeof dispatch_cases / sizeof *dispatch_cases; i++) {
        const struct dispatch_case *c = &dispatch_cases[i];
        struct vkmoe_moe_params shape = c->layer;
        if (c->token_gate)
            shape.shared.token_gate = some(17, shape.hidden);
        CHECK_OK(create_mixed(bench.device, &shape, c->dtype,
            c->gate_apart ? VKMOE_DTYPE_F16 : c->dtype, &bench.layer));
        // Work that nobody submitted goes with its stream, and only then may the layer go.
        const bool ok = check_dispatches(&bench, bench.layer, c);
        vkmoe_stream_destroy(&bench.stream);
        vkmoe_moe_destroy(&bench.layer);
        if (!ok)
            tap_note("in %s", c->name);
        CHECK(ok);
        CHECK_OK(vkmoe_stream_create(bench.device, &bench.stream));
    }
    CHECK(!bench.record.lines[VKMOE_LOG_ERROR] && !bench.record.lines[VKMOE_LOG_WARNING]);
    return true;
fail:
    return false;
}

// More than 131072 tokens * k take several passes, and no more than they need.
static bool test_passes(void)
{
    static const struct {
        uint32_t k, tokens, passes;
    } cases[] = { { 4, 32768, 1 }, { 4, 32769, 2 }, { 4, 65536, 2 }, { 1, 65536, 1 },
        { 3, 43690, 1 }, { 3, 43691, 2 }, { 16, 8192, 1 }, { 16, 65536, 8 } };
    CHECK(init(&bench, MAX_TOKENS * 16 * 4));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (uint32_t shared = 0; shared < 2; shared++) {
            CHECK_OK(create_layer(bench.device,
                &(struct vkmoe_moe_params){ VKMOE_INIT(vkmoe_moe_params), .hidden = 8, .inner = 8,
                    .experts = 16, .experts_per_token = cases[i].k, .shared.inner = shared * 8 },
                VKMOE_DTYPE_F32, &bench.layer));
            const uint32_t count = count_dispatches(&bench, bench.layer, cases[i].tokens, true);
            const uint32_t expected = cases[i].passes * (5 + shared);
            if (count != expected)
                tap_note("k %u, %u tokens, shared %u: %u dispatches, expected %u", cases[i].k,
                    cases[i].tokens, shared, count, expected);
            CHECK(count == expected);
            vkmoe_stream_destroy(&bench.stream);
            vkmoe_moe_destroy(&bench.layer);
            CHECK_OK(vkmoe_stream_create(bench.device, &bench.stream));
        }
    }
    return true;
fail:
    return false;
}

// tokens = 0 touches nothing, whatever else it is given; and can be submitted.
static bool test_no_tokens(void)
{
    CHECK(init(&bench, 256));
    CHECK_OK(create_layer(
        bench.device, &(struct vkmoe_moe_params){ SHARED }, VKMOE_DTYPE_F32, &bench.layer));
    CHECK(vkmoe_moe_scratch_size(bench.layer, 0) == 0);
    CHECK_OK(vkmoe_moe_forward(bench.stream, bench.layer,
        &(struct vkmoe_moe_forward_params){ VKMOE_INIT(vkmoe_moe_forward_params) }));
    CHECK_OK(vkmoe_moe_forward(bench.stream, bench.layer,
        &(struct vkmoe_moe_forward_params){
            VKMOE_INIT(vkmoe_moe_forward_params), .x = { bench.x, 4096 }, .y = { bench.x, 3 } }));
    CHECK(vkmoe_stream_dispatch_count(bench.stream) == 0);
    CHECK_OK(vkmoe_stream_submit(bench.stream, NULL));
    CHECK_OK(vkmoe_stream_wait(bench.stream, UINT64_MAX));
    CHECK(!bench.record.lines[VKMOE_LOG_ERROR] && !bench.record.lines[VKMOE_LOG_WARNING]);
    return true;
fail:
    return false;
}

// Queries, keys and values take one dispatch if their matrices have one dtype, then there are the
// cache, attention and the output; keys and values alone, or queries alone, take no more. Where few
// tokens have heads of 32, those dispatches fill the cache themselves.
static bool test_attention(void)
{
    bool ok = false;
    vkmoe_attention *attention = NULL;
    vkmoe_cache *cache = NULL;
    CHECK(init(&bench, 24 * 4));
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t apart = i % 2, head = i < 2 ? 8 : 32;
        CHECK_OK(vkmoe_cache_create(bench.device,
            &(struct vkmoe_cache_params){ VKMOE_INIT(vkmoe_cache_params), .kv_heads = 1,
                .head_size = head, .sequences = 1, .capacity = 16 },
            &cache));
        struct vkmoe_view query = some(1, 2 * head * 24), output = some(2, 2 * head * 24);
        query.dtype = apart ? VKMOE_DTYPE_F16 : VKMOE_DTYPE_F32;
        struct vkmoe_attention_forward_params params = { VKMOE_INIT(vkmoe_attention_forward_params),
            .tokens = 1, .x.buffer = bench.x, .y.buffer = bench.y };
        CHECK_OK(vkmoe_attention_create(bench.device,
            &(struct vkmoe_attention_params){ VKMOE_INIT(vkmoe_attention_params), .hidden = 24,
                .head_size = head, .heads = 2, .kv_heads = 1, .experts = 1, .experts_per_token = 1,
                .query.matrices = &query, .key.matrix = some(3, head * 24),
                .value.matrix = some(4, head * 24), .output.matrices = &output },
            &attention));
        const uint32_t both = apart + (vkmoe_attention_plan(attention, 1, 1, 16).finishes ? 3 : 4);
        const uint64_t begin = vkmoe_stream_dispatch_count(bench.stream);
        CHECK_OK(vkmoe_attention_forward(bench.stream, attention, cache, &params));
        CHECK(vkmoe_stream_dispatch_count(bench.stream) - begin == both);
        CHECK_OK(vkmoe_attention_store(bench.stream, attention, cache, &params));
        CHECK(vkmoe_stream_dispatch_count(bench.stream) - begin == both + 2);
        params.stored = true;
        CHECK_OK(vkmoe_attention_forward(bench.stream, attention, cache, &params));
        CHECK(vkmoe_stream_dispatch_count(bench.stream) - begin == both + 2 + 4);
        CHECK_OK(vkmoe_stream_submit(bench.stream, NULL));
        CHECK_OK(vkmoe_stream_wait(bench.stream, UINT64_MAX));
        vkmoe_attention_destroy(&attention);
        vkmoe_cache_destroy(&cache);
    }
    ok = true;
fail:
    vkmoe_attention_destroy(&attention);
    vkmoe_cache_destroy(&cache);
    return ok;
}

// ---------------------------------------------------------------------------- scratch

static uint64_t scratch_bound(const struct vkmoe_moe_params *p, bool gate_apart, uint64_t tokens)
{
    const uint64_t k = p->experts_per_token;
    const uint64_t latent = p->latent.size, width = latent ? latent : p->hidden;
    const uint64_t shared = latent ? 0 : p->shared.inner;
    uint64_t bound = tokens * k * (p->inner + width) * 4 + tokens * p->experts * 4 + (1 << 20);
    if (shared > k * p->hidden)
        bound += tokens * (shared - k * p->hidden) * 4;
    if (gate_apart)
        bound += tokens * (k * p->inner + shared) * 4;
    return bound + (latent ? tokens * (2 * latent + p->hidden + 2ull * p->shared.inner) * 4 : 0);
}

static bool check_bound(
    const vkmoe_moe *layer, const struct vkmoe_moe_params *p, bool gate_apart, double *fullest)
{
    static const uint32_t counts[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 31, 33, 64, 100, 127, 129,
        255, 300, 512, 1000, 1024, 2047, 4096, 8191, 10000, 16384, 32767, 32768, 32769, 43691,
        50000, 65535, MAX_TOKENS };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const uint64_t size = vkmoe_moe_scratch_size(layer, counts[i]);
        const uint64_t bound = scratch_bound(p, gate_apart, counts[i]);
        const double share = (double)size / (double)bound;
        if (share > *fullest)
            *fullest = share;
        if (size > bound || (counts[i] != 0) != (size != 0)) {
            tap_note("hidden %u, inner %u, experts %u, k %u, shared_inner %u: scratch for %u "
                     "tokens is %llu, at most %llu",
                p->hidden, p->inner, p->experts, p->experts_per_token, p->shared.inner, counts[i],
                (unsigned long long)size, (unsigned long long)bound);
            return false;
        }
    }
    return true;
}

// Shapes that lose most to padding and to bookkeeping: narrow ones, of many experts.
static bool test_scratch_bound(void)
{
    static const uint32_t widths[] = { 1, 2, 3, 7, 8, 9, 16, 24, 33, 64 };
    static const uint32_t experts[] = { 1, 2, 3, 8, 16, 60, 128, 257, MAX_EXPERTS };
    enum { WIDTHS = sizeof widths / sizeof *widths, EXPERTS = sizeof experts / sizeof *experts };
    struct rng rng = rng_for(1, "scratch-bound");
    double fullest = 0;
    uint32_t layers = 0;
    CHECK(init(&bench, 256));
    for (uint32_t i = 0; i < EXPERTS; i++) {
        const uint32_t rounds = experts[i] > 256 ? 8 : 32;
        for (uint32_t round = 0; round < rounds; round++, layers++) {
            struct vkmoe_moe_params p = {
                VKMOE_INIT(vkmoe_moe_params),
                .hidden = round ? widths[rng_below(&rng, WIDTHS)] : 1,
                .inner = round ? widths[rng_below(&rng, WIDTHS)] : 1,
                .experts = experts[i],
                .experts_per_token = round % 4 == 0 ? experts[i] : 1 + rng_below(&rng, experts[i]),
            };
            if (round % 4 == 1 && p.experts_per_token > 8)
                p.experts_per_token = 8;
            if (round % 2) // narrow, or wider than all routed outputs together
                p.shared.inner = round % 4 == 1 ? 1 + rng_below(&rng, 8192 / p.hidden)
                                                : widths[rng_below(&rng, WIDTHS)];
            if (round % 8 == 3)
                p.shared.token_gate = some(17, p.hidden);
            if (round % 5 == 3)
                p.latent.size = 1 + rng_below(&rng, p.hidden);
            const bool gate_apart = round % 3 == 1;
            CHECK_OK(
                create_mixed(bench.device, &p, round % 3 == 2 ? VKMOE_DTYPE_F16 : VKMOE_DTYPE_F32,
                    round % 3 > 0 ? VKMOE_DTYPE_F16 : VKMOE_DTYPE_F32, &bench.layer));
            CHECK(check_bound(bench.layer, &p, gate_apart, &fullest));
            vkmoe_moe_destroy(&bench.layer);
        }
    }
    tap_note("%u layers; the fullest scratch has %.4f of what is allowed", layers, fullest);
    return true;
fail:
    return false;
}

// Records a forward with so much scratch, and runs what was recorded.
static bool record_with(struct guest *g, uint32_t tokens, uint64_t scratch_size,
    enum vkmoe_status expected, uint32_t dispatches)
{
    const struct vkmoe_moe_forward_params params = { VKMOE_INIT(vkmoe_moe_forward_params),
        .tokens = tokens, .x.buffer = g->wrapped_x, .y.buffer = g->wrapped_y };
    vkmoe_stream_destroy(&g->stream); // for its scratch
    CHECK_OK(vkmoe_stream_create(g->device, &g->stream));
    CHECK_OK(vkmoe_stream_reserve(g->stream, scratch_size));
    VkCommandBuffer commands = host_begin(&g->host);
    CHECK(commands);
    CHECK_OK(vkmoe_stream_record_begin(g->stream, commands));
    CHECK_STATUS(expected, vkmoe_moe_forward(g->stream, g->layer, &params));
    CHECK(vkmoe_stream_dispatch_count(g->stream) == dispatches);
    CHECK_OK(vkmoe_stream_record_end(g->stream));
    CHECK(host_run(&g->host, commands));
    return true;
fail:
    return false;
}

// The scratch size is enough, and a byte less is refused before anything is recorded.
static bool check_scratch(struct guest *g, const struct vkmoe_moe_params *shape, uint32_t tokens)
{
    bool ok = false;
    const size_t count = (size_t)tokens * shape->hidden;
    float *x = g->x.mapped, *y = g->y.mapped;
    CHECK_OK(create_layer(g->device, shape, VKMOE_DTYPE_F32, &g->layer));
    const uint64_t size = vkmoe_moe_scratch_size(g->layer, tokens);
    for (size_t i = 0; i < count; i++) {
        x[i] = numbers[i % NUMBERS];
        y[i] = 12345;
    }
    g->record = (struct record){ 0 };
    CHECK(record_with(g, tokens, size - 1, VKMOE_ERROR_OUT_OF_MEMORY, 0));
    CHECK(g->record.lines[VKMOE_LOG_ERROR] == 1);
    for (size_t i = 0; i < count; i++)
        CHECK(y[i] == 12345);
    g->record = (struct record){ 0 };
    const uint32_t prefill = (shape->shared.inner ? 6 : 5) + class_dispatches(g->layer, tokens);
    CHECK(record_with(g, tokens, size, VKMOE_OK, tokens == 1 ? 3 : prefill));
    CHECK(!g->record.lines[VKMOE_LOG_ERROR] && !g->record.lines[VKMOE_LOG_WARNING]);
    for (size_t i = 0; i < count; i++)
        CHECK(y[i] != 12345 && isfinite(y[i]));
    vkmoe_moe_destroy(&g->layer);
    ok = true;
fail:
    if (!ok)
        tap_note(
            "%u tokens, shared_inner %u; log: %s", tokens, shape->shared.inner, g->record.last);
    return ok;
}

static bool test_scratch_size(void)
{
    bool ok = false;
    static const struct vkmoe_moe_params shapes[] = {
        { VKMOE_INIT(vkmoe_moe_params), PLAIN },
        { SHARED },
        { VKMOE_INIT(vkmoe_moe_params), PLAIN,
            .shared.inner = 300 }, // wider than all routed outputs
        { VKMOE_INIT(vkmoe_moe_params), .hidden = 1, .inner = 1, .experts = 300,
            .experts_per_token = 7 },
    };
    static const uint32_t counts[] = { 1, 20, 333 };
    struct guest g;
    CHECK(guest_init(&g,
        &(struct guest_options){ VKMOE_LOG_WARNING, .all_features = true, .size = 333 * 24 * 4 }));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t j = 0; j < sizeof counts / sizeof *counts; j++)
            CHECK(check_scratch(&g, &shapes[i], counts[j]));
    ok = true;
fail:
    guest_finish(&g);
    return ok;
}

// -------------------------------------------------------------------------- same bits

enum { REPETITIONS = 100, SUBMITS = 10 };

// Records into the `index`-th of REPETITIONS outputs.
static enum vkmoe_status repeat(
    struct bench *b, const vkmoe_moe *layer, uint32_t tokens, uint32_t index)
{
    const struct vkmoe_moe_params shape = { SHARED };
    const uint64_t row = tokens * shape.hidden * 4, pair = tokens * shape.experts_per_token * 4;
    return vkmoe_moe_forward(b->stream, layer,
        &(struct vkmoe_moe_forward_params){
            VKMOE_INIT(vkmoe_moe_forward_params),
            .tokens = tokens,
            .x.buffer = b->x,
            .y = { b->y, index * row },
            .ids = { b->ids, index * pair },
            .weights = { b->weights, index * pair },
        });
}

static bool same_bits(const vkmoe_buffer *buffer, const char *what, uint64_t size)
{
    unsigned char *all = malloc(size * REPETITIONS);
    bool ok = all && vkmoe_buffer_download(buffer, 0, all, size * REPETITIONS) == VKMOE_OK;
    for (uint32_t i = 1; ok && i < REPETITIONS; i++) {
        ok = memcmp(all, all + i * size, size) == 0;
        if (!ok)
            tap_note("%s: repetition %u differs from the first", what, i);
    }
    // Something was written at all: the buffers start as 0xff bytes.
    for (uint64_t i = 0; ok && i < size; i += 4)
        ok = memcmp(all + i, "\xff\xff\xff\xff", 4) != 0;
    free(all);
    return ok;
}

static bool check_bits(struct bench *b, const struct vkmoe_moe_params *shape, uint32_t tokens)
{
    bool ok = false;
    static unsigned char unwritten[40 * 24 * 4 * REPETITIONS];
    const uint64_t row = tokens * shape->hidden * 4, pair = tokens * shape->experts_per_token * 4;
    vkmoe_moe *layer = NULL;
    memset(unwritten, 0xff, sizeof unwritten);
    CHECK_OK(vkmoe_buffer_upload(b->y, 0, unwritten, row * REPETITIONS));
    CHECK_OK(vkmoe_buffer_upload(b->ids, 0, unwritten, pair * REPETITIONS));
    CHECK_OK(vkmoe_buffer_upload(b->weights, 0, unwritten, pair * REPETITIONS));
    CHECK_OK(vkmoe_buffer_upload(b->x, 0, numbers, row));
    CHECK_OK(create_layer(b->device, shape, VKMOE_DTYPE_F32, &layer));
    for (uint32_t i = 0; i < REPETITIONS; i++) {
        CHECK_OK(repeat(b, layer, tokens, i));
        if (i % SUBMITS == SUBMITS - 1)
            CHECK_OK(vkmoe_stream_submit(b->stream, NULL));
    }
    CHECK_OK(vkmoe_stream_wait(b->stream, UINT64_MAX));
    CHECK(same_bits(b->y, "y", row));
    CHECK(same_bits(b->ids, "ids", pair));
    CHECK(same_bits(b->weights, "weights", pair));
    ok = true;
fail:
    vkmoe_stream_wait(b->stream, UINT64_MAX);
    vkmoe_moe_destroy(&layer);
    return ok;
}

static bool test_same_bits(void)
{
    static const uint32_t counts[] = { 1, 4, 40 };
    CHECK(init(&bench, (uint64_t)40 * 24 * 4 * REPETITIONS));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const struct vkmoe_moe_params shape = { SHARED };
        CHECK(check_bits(&bench, &shape, counts[i]));
        tap_note("%u tokens: %d times the same", counts[i], REPETITIONS);
    }
    CHECK(!bench.record.lines[VKMOE_LOG_ERROR] && !bench.record.lines[VKMOE_LOG_WARNING]);
    return true;
fail:
    return false;
}

// ----------------------------------------------------------------------------- repeated

// Repeated work counts no dispatches, as none is recorded, and has its own times each time.
static bool test_repeated(void)
{
    double first, again;
    CHECK(init(&bench, 40 * 24 * 4));
    CHECK_OK(create_layer(
        bench.device, &(struct vkmoe_moe_params){ SHARED }, VKMOE_DTYPE_F32, &bench.layer));
    CHECK_OK(vkmoe_buffer_upload(bench.x, 0, numbers, 40 * 24 * 4));
    CHECK_OK(vkmoe_stream_timestamp(bench.stream, 0));
    const uint32_t count = count_dispatches(&bench, bench.layer, 40, true);
    CHECK_OK(vkmoe_stream_timestamp(bench.stream, 1));
    CHECK_OK(vkmoe_stream_submit(bench.stream, NULL));
    CHECK_OK(vkmoe_stream_wait(bench.stream, UINT64_MAX));
    first = vkmoe_stream_elapsed_ns(bench.stream, 0, 1);
    uint32_t changes = 0;
    for (uint32_t i = 0; i < 20; i++) {
        CHECK_OK(vkmoe_stream_repeat(bench.stream, NULL));
        if (i % 2)
            CHECK_OK(vkmoe_stream_wait(bench.stream, UINT64_MAX));
        again = vkmoe_stream_elapsed_ns(bench.stream, 0, 1);
        CHECK((first < 0) == (again < 0)); // the one or the other all the time
        changes += first != again;
    }
    CHECK(changes > 0 || first < 0);
    CHECK(vkmoe_stream_dispatch_count(bench.stream) == count);
    CHECK(!bench.record.lines[VKMOE_LOG_ERROR] && !bench.record.lines[VKMOE_LOG_WARNING]);
    return true;
fail:
    return false;
}

static void clean_up(void)
{
    finish(&bench);
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "dispatches", test_dispatches }, { "passes", test_passes },
        { "attention", test_attention }, { "no-tokens", test_no_tokens },
        { "scratch-bound", test_scratch_bound }, { "scratch-size", test_scratch_size },
        { "same-bits", test_same_bits }, { "repeated", test_repeated });
    struct tap tap;
    int code;
    if (!tests_begin(&tap, argc, argv, &code))
        return code;
    struct rng rng = rng_for(tap.seed, "numbers");
    for (uint32_t i = 0; i < NUMBERS; i++)
        numbers[i] = (float)rng_normal(&rng);
    run_clean_tests(&tap, tests, COUNT_OF(tests), clean_up);
    return tap_end(&tap);
}
