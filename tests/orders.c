// orders.c - matrices whose columns are in another order (GPTQ's desc_act): layers and attention
// made of them beside the same ones in f32, and the places where none may have one. Environment:
// harness.h
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention/attention.h"
#include "checkpoint/assembly.h"
#include "checkpoint/checkpoint.h"
#include "folder.h"
#include "harness.h"
#include "quantise.h"
#include "random.h"
#include "weights/format.h"

#define TOLERANCE 2e-5 // of the outputs' rms

enum { HIDDEN = 128, INNER = 64, MOST = 640, MOST_TOKENS = 20 };

// Matrices in a folder, each in an order of its own, and the values that they have, in f32.
static struct pool {
    struct quantise_file file;
    struct container container;
    float *values[MOST];
    struct vkmoe_view views[2][MOST]; // of the folder, and of the values
    uint32_t count;
} pool;

// Returns its number.
static uint32_t add(uint32_t rows, uint32_t columns)
{
    const uint32_t number = pool.count++;
    const size_t count = (size_t)rows * columns;
    char name[32];
    snprintf(name, sizeof name, "m%u", number);
    struct rng rng = rng_for(1, name);
    double *values = allocate(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = rng_normal(&rng) / sqrt(columns);
    quantise_way_named("gptq desc_act of each").store(&pool.file, name, values, 0, rows, columns);
    pool.values[number] = allocate(count, sizeof(float));
    for (size_t i = 0; i < count; i++)
        pool.values[number][i] = (float)values[i];
    pool.views[1][number] = (struct vkmoe_view){ .data = pool.values[number] };
    free(values);
    return number;
}

static uint32_t add_several(uint32_t count, uint32_t rows, uint32_t columns)
{
    const uint32_t first = pool.count;
    for (uint32_t i = 0; i < count; i++)
        add(rows, columns);
    return first;
}

static bool open_pool(void)
{
    struct quantisation quantisation;
    char config[200], name[32];
    snprintf(config, sizeof config, "{\"quantization_config\":%s}",
        quantise_way_named("gptq desc_act of each").config);
    folder_empty();
    folder_write_text("config.json", config);
    quantise_write(&pool.file, "model.safetensors");
    if (!is_ok(quantise_open(folder, &printing_log, &quantisation, &pool.container), "open"))
        return false;
    for (uint32_t i = 0; i < pool.count; i++) {
        snprintf(name, sizeof name, "m%u.weight", i);
        const struct tensor *tensor = vkmoe_tensors_find(&pool.container.tensors, name);
        struct vkmoe_view *view = &pool.views[0][i];
        *view = (struct vkmoe_view){ .data = tensor->data, .file = tensor->file };
        if (!vkmoe_format_named(tensor->dtype, &view->dtype))
            return false;
        view->row_stride = (int64_t)vkmoe_format_width(view->dtype, tensor->shape[1]);
    }
    return true;
}

static void close_pool(void)
{
    vkmoe_container_close(&pool.container);
    for (uint32_t i = 0; i < pool.count; i++)
        free(pool.values[i]);
    pool = (struct pool){ .count = 0 };
}

// Of f32, in no order: a gate, say.
static struct vkmoe_view plain(uint32_t rows, uint32_t columns)
{
    return pool.views[1][add(rows, columns)];
}

static bool is_near(const float *a, const float *b, size_t count)
{
    double error = 0.0, total = 0.0;
    for (size_t i = 0; i < count; i++) {
        error = fmax(error, isnan(a[i]) ? INFINITY : fabs((double)a[i] - (double)b[i]));
        total += pow((double)b[i], 2);
    }
    error /= sqrt(total / (double)count);
    if (!(error <= TOLERANCE))
        tap_note("outputs differ by %.3g of their rms", error);
    return error <= TOLERANCE;
}

// Runs two objects on the same x, in chunks of so many tokens, and compares what comes out.
struct pair {
    vkmoe_moe *moe[2];
    vkmoe_attention *attention[2];
    vkmoe_cache *cache[2];
    struct array ids, weights; // of experts that the caller chose, of one token
};

static bool forward(struct harness *harness, const struct pair *pair, int which,
    const struct array *x, const struct array *positions, const struct array *y, uint32_t from,
    uint32_t tokens)
{
    const struct vkmoe_moe_forward_params moe = { VKMOE_INIT(vkmoe_moe_forward_params),
        .tokens = tokens, .x = span_from(x, (size_t)from * HIDDEN),
        .y = span_from(y, (size_t)from * HIDDEN), .ids = span_from(&pair->ids, 0),
        .weights = span_from(&pair->weights, 0) };
    const struct vkmoe_attention_forward_params attention = {
        VKMOE_INIT(vkmoe_attention_forward_params),
        .tokens = tokens,
        .x = moe.x,
        .y = moe.y,
        .positions = span_from(positions, from),
    };
    const enum vkmoe_status status = pair->moe[which]
        ? vkmoe_moe_forward(harness->stream, pair->moe[which], &moe)
        : vkmoe_attention_forward(
            harness->stream, pair->attention[which], pair->cache[which], &attention);
    return is_ok(status, "forward") && harness_run(harness);
}

static bool agree(struct harness *harness, const struct pair *pair, uint32_t tokens, uint32_t chunk)
{
    struct rng rng = rng_for(1, "x");
    float values[MOST_TOKENS * HIDDEN];
    uint32_t places[MOST_TOKENS];
    const size_t size = (size_t)tokens * HIDDEN * sizeof(float);
    struct array x = { 0 }, positions = { 0 }, y[2] = { { 0 } };
    for (size_t i = 0; i < (size_t)tokens * HIDDEN; i++)
        values[i] = (float)rng_normal(&rng);
    for (uint32_t t = 0; t < tokens; t++)
        places[t] = t;
    bool ok = array_init(&x, harness->device, values, size, false)
        && array_init(&positions, harness->device, places, tokens * sizeof *places, false)
        && array_upload(&x) && array_upload(&positions);
    for (int i = 0; i < 2 && ok; i++) {
        ok = array_init(&y[i], harness->device, NULL, size, false) && array_upload(&y[i]);
        for (uint32_t t = 0; t < tokens && ok; t += chunk)
            ok = forward(harness, pair, i, &x, &positions, &y[i], t,
                t + chunk < tokens ? chunk : tokens - t);
        ok = ok && array_download(&y[i]) && array_check("y", &y[i], false);
    }
    ok = ok && is_near(array_range(&y[0]), array_range(&y[1]), (size_t)tokens * HIDDEN);
    FINISH_ARRAYS(&x, &positions, &y[0], &y[1]);
    return ok;
}

// ------------------------------------------------------------------------- experts

static const struct experts_case {
    const char *name;
    uint32_t experts, k, tokens, shared;
    bool supplied; // expert i is choice i, so that pairs and experts have the same numbers
} experts_cases[] = {
    { "1 token, 140 of 160", 160, 140, 1, 0 },
    { "1 token, 200 of 200, a shared one", 200, 200, 1, INNER },
    { "1 token, 140 of 160 in turn", 160, 140, 1, 0, true },
    { "1 token, 2 of 160", 160, 2, 1, 0 },
    { "3 tokens, 6 of 160, a shared one", 160, 6, 3, INNER },
    { "2 tokens, 60 of 160", 160, 60, 2, 0 },
    { "20 tokens, 140 of 160", 160, 140, 20, 0 },
};

static bool supply(struct harness *harness, uint32_t k, struct pair *pair)
{
    int32_t ids[256];
    float weights[256];
    for (uint32_t i = 0; i < k; i++) {
        ids[i] = (int32_t)i;
        weights[i] = 1.0f / (float)(i + 1);
    }
    return array_init(&pair->ids, harness->device, ids, k * sizeof *ids, false)
        && array_init(&pair->weights, harness->device, weights, k * sizeof *weights, false)
        && array_upload(&pair->ids) && array_upload(&pair->weights);
}

static bool check_experts(struct harness *harness, const struct experts_case *c)
{
    struct pair pair = { { 0 } };
    const uint32_t gate = add_several(c->experts, INNER, HIDDEN);
    const uint32_t up = add_several(c->experts, INNER, HIDDEN);
    const uint32_t down = add_several(c->experts, HIDDEN, INNER);
    const uint32_t shared[] = { add(INNER, HIDDEN), add(INNER, HIDDEN), add(HIDDEN, INNER) };
    struct rng rng = rng_for(1, "router");
    float router[256 * HIDDEN];
    for (size_t i = 0; i < (size_t)c->experts * HIDDEN; i++)
        router[i] = (float)rng_normal(&rng) / 8.0f;
    bool ok = open_pool() && (!c->supplied || supply(harness, c->k, &pair));
    for (int i = 0; i < 2 && ok; i++) {
        const struct vkmoe_view *views = pool.views[i];
        struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params), .hidden = HIDDEN,
            .inner = INNER, .experts = c->experts, .experts_per_token = c->k,
            .router.weight.data = router, .gate = views + gate, .up = views + up,
            .down = views + down };
        if (c->supplied)
            params.router =
                (struct vkmoe_router_params){ .select = VKMOE_SELECT_SUPPLIED_WEIGHTED };
        params.shared.inner = c->shared;
        if (c->shared > 0) {
            params.shared.gate = views[shared[0]];
            params.shared.up = views[shared[1]];
            params.shared.down = views[shared[2]];
        }
        ok = is_ok(vkmoe_moe_create(harness->device, &params, &pair.moe[i]), "create");
    }
    ok = ok && agree(harness, &pair, c->tokens, c->tokens);
    vkmoe_moe_destroy(&pair.moe[0]);
    vkmoe_moe_destroy(&pair.moe[1]);
    FINISH_ARRAYS(&pair.ids, &pair.weights);
    close_pool();
    return ok;
}

// ----------------------------------------------------------------------- attention

enum attention_kind { GATED, LATENT, ROUTED };
enum { HEADS = 2, HEAD_SIZE = 32, EXPERTS = 4, TURNED = 8 };

static const struct attention_case {
    const char *name;
    enum attention_kind kind;
} attention_cases[] = {
    { "a gate of heads", GATED },
    { "latent queries", LATENT },
    { "routed queries", ROUTED },
};

// Numbers of matrices.
struct parts {
    uint32_t query, key, value, output, gate, down;
    struct vkmoe_view keys[HEADS], values[HEADS], router;
};

static struct parts add_parts(enum attention_kind kind)
{
    const uint32_t experts = kind == ROUTED ? EXPERTS : 1, width = HEADS * HEAD_SIZE;
    const uint32_t turned = kind == LATENT ? TURNED : 0;
    struct parts parts = {
        .query = add_several(experts, width + HEADS * turned, HIDDEN),
        .key = add(width + turned, HIDDEN),
        .value = add(width, HIDDEN),
        .output = add_several(experts, HIDDEN, width),
        .gate = add(8, HIDDEN),
        .down = add(HIDDEN, HIDDEN),
        .router = plain(8, HIDDEN),
    };
    for (uint32_t h = 0; h < HEADS; h++) {
        parts.keys[h] = plain(width, HEAD_SIZE);
        parts.values[h] = plain(HEAD_SIZE, width);
    }
    return parts;
}

static struct vkmoe_attention_params describe(
    enum attention_kind kind, const struct parts *parts, const struct vkmoe_view *views)
{
    struct vkmoe_attention_params params = { VKMOE_INIT(vkmoe_attention_params), .hidden = HIDDEN,
        .head_size = HEAD_SIZE, .heads = HEADS, .kv_heads = HEADS,
        .experts = kind == ROUTED ? EXPERTS : 1, .experts_per_token = kind == ROUTED ? 2 : 1 };
    params.query.matrices = views + parts->query;
    params.key.matrix = views[parts->key];
    params.output.matrices = views + parts->output;
    if (kind == ROUTED)
        params.router.weight = parts->router;
    if (kind == GATED)
        params.gate.matrix = views[parts->gate];
    if (kind != LATENT) {
        params.value.matrix = views[parts->value];
        return params;
    }
    params.kv_heads = 1;
    params.head_size = HEADS * HEAD_SIZE + TURNED;
    params.latent = (struct vkmoe_latent){ .rank = HEADS * HEAD_SIZE,
        .key_size = HEAD_SIZE,
        .value_size = HEAD_SIZE,
        .query_rank = HIDDEN,
        .query_matrix = views[parts->down],
        .keys = parts->keys,
        .values = parts->values };
    return params;
}

static bool check_attention(struct harness *harness, const struct attention_case *c)
{
    static const uint32_t chunks[] = { MOST_TOKENS, 3, 1 };
    struct pair pair = { { 0 } };
    const struct parts parts = add_parts(c->kind);
    bool ok = open_pool();
    for (int i = 0; i < 2 && ok; i++) {
        const struct vkmoe_attention_params params = describe(c->kind, &parts, pool.views[i]);
        const struct vkmoe_cache_params cache = { VKMOE_INIT(vkmoe_cache_params),
            .kv_heads = params.kv_heads, .head_size = params.head_size, .sequences = 1,
            .capacity = MOST_TOKENS, .keys_only = c->kind == LATENT };
        ok =
            is_ok(vkmoe_attention_create(harness->device, &params, &pair.attention[i]), "attention")
            && is_ok(vkmoe_cache_create(harness->device, &cache, &pair.cache[i]), "cache");
    }
    for (uint32_t i = 0; i < COUNT_OF(chunks); i++)
        ok = ok && agree(harness, &pair, MOST_TOKENS, chunks[i]);
    for (int i = 0; i < 2; i++) {
        vkmoe_attention_destroy(&pair.attention[i]);
        vkmoe_cache_destroy(&pair.cache[i]);
    }
    close_pool();
    return ok;
}

// ------------------------------------------------------------------------- refused

// Each is refused before a device is asked for anything: the line names the tensor.
static bool is_refused_there(enum vkmoe_status status, struct record *record, const char *place)
{
    char line[200];
    snprintf(line, sizeof line, "%s: tensor m0.weight has its columns in another order", place);
    const bool ok = status == VKMOE_ERROR_UNSUPPORTED && record->lines[VKMOE_LOG_ERROR] == 1
        && strstr(record->last, line);
    if (!ok)
        tap_note("%d: %s", (int)status, record->last);
    *record = (struct record){ .last = "" };
    return ok;
}

static bool check_layer_refused(void)
{
    struct record record = { 0 };
    const struct vkmoe_log log = log_to(&record);
    const struct caller caller = { &log, "vkmoe_moe_create" };
    add_several(2, HIDDEN, HIDDEN);
    bool ok = open_pool();
    const struct vkmoe_view *ordered = &pool.views[0][0], *other = &pool.views[1][1];
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params), .hidden = HIDDEN,
        .inner = HIDDEN, .experts = 1, .experts_per_token = 1,
        .router.select = VKMOE_SELECT_SUPPLIED_WEIGHTED, .up = other, .down = other };
    params.latent.size = HIDDEN;
    params.latent.down = *ordered;
    params.latent.up = *other;
    ok = ok && is_refused_there(vkmoe_moe_check(&caller, &params), &record, "latent.down");
    close_pool();
    return ok;
}

static bool check_attention_refused(void)
{
    struct record record = { 0 };
    const struct vkmoe_log log = log_to(&record);
    const struct caller caller = { &log, "vkmoe_attention_create" };
    add_several(2, HIDDEN, HIDDEN);
    bool ok = open_pool();
    const struct vkmoe_view *ordered = pool.views[0], *other = &pool.views[1][1];
    const struct vkmoe_view both[] = { *ordered, *ordered };
    struct vkmoe_attention_params params = { VKMOE_INIT(vkmoe_attention_params), .hidden = HIDDEN,
        .head_size = HIDDEN, .heads = 1, .kv_heads = 1, .experts = 1, .experts_per_token = 1 };
    params.query.matrices = params.output.matrices = other;
    params.key.matrix = *other;
    struct vkmoe_attention_params mixed = params, latent = params, mosa = params;
    mixed.value.experts = (struct vkmoe_head_experts){ .experts = 1,
        .experts_per_token = 1,
        .router.score = VKMOE_SCORE_SIGMOID,
        .matrices = ordered };
    latent.latent = (struct vkmoe_latent){
        .rank = HIDDEN, .key_size = HIDDEN, .value_size = HIDDEN, .keys = other, .values = ordered
    };
    mosa.experts = mosa.experts_per_token = mosa.kv_heads = 2;
    mosa.query.matrices = mosa.output.matrices = both;
    mosa.key.matrix = mosa.value.matrix = *ordered;
    mosa.mosa.sparsity = 2;
    mosa.mosa.router = *other;
    ok = ok && is_refused_there(vkmoe_attention_check(&caller, &mixed), &record, "value.experts")
        && is_refused_there(vkmoe_attention_check(&caller, &latent), &record, "latent.values")
        && is_refused_there(vkmoe_attention_check(&caller, &mosa), &record, "mosa: key");
    close_pool();
    return ok;
}

static void check_all(struct tap *tap, struct harness *harness)
{
    char name[128];
    if (!folder_begin("orders"))
        return;
    for (uint32_t i = 0; i < COUNT_OF(experts_cases); i++) {
        snprintf(name, sizeof name, "experts/%s", experts_cases[i].name);
        TAP_TEST(tap, name, check_experts(harness, &experts_cases[i]));
    }
    for (uint32_t i = 0; i < COUNT_OF(attention_cases); i++) {
        snprintf(name, sizeof name, "attention/%s", attention_cases[i].name);
        TAP_TEST(tap, name, check_attention(harness, &attention_cases[i]));
    }
    TAP_TEST(tap, "refused/layer", check_layer_refused());
    TAP_TEST(tap, "refused/attention", check_attention_refused());
    folder_finish();
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
