// attention_data.c - makes a case's weights and inputs (attention_cases.h): numbers from the
// seed, rounded to the dtype they are stored in, behind views for the library and read back
// through them as doubles for the reference.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention_cases.h"
#include "formats.h"
#include "random.h"

// What every array needs to be made.
struct maker {
    struct attention_data *data;
    const struct attention_case *c;
    uint64_t seed;
};

// Memory that lives as long as the data.
static void *keep(struct attention_data *data, size_t size)
{
    // Doubled whenever the count is a power of two.
    uint32_t count = data->memory_count;
    if ((count & (count - 1)) == 0) {
        void **grown = realloc(data->memory, (count ? 2 * (size_t)count : 1) * sizeof(void *));
        if (!grown)
            abort(); // a test without memory has nothing to say
        data->memory = grown;
    }
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        abort();
    return data->memory[data->memory_count++] = memory;
}

// ---------------------------------------------------------------------------- weights

// A matrix of numbers around `mean`; `thirds`: only -deviation, 0 and deviation.
static struct vkmoe_view make(const struct maker *m, struct rng *rng, uint32_t rows,
    uint32_t columns, enum vkmoe_dtype dtype, double mean, double deviation, bool thirds)
{
    const size_t count = (size_t)rows * columns;
    char *base = keep(m->data, format_bytes(dtype, count));
    double *values = allocate(count, sizeof(double));
    bool transposed = rows > 1 && m->c->has & ATTENTION_TRANSPOSED;
    for (size_t i = 0; i < count; i++) {
        size_t at = transposed ? i % columns * rows + i / columns : i;
        double random = thirds ? (double)rng_below(rng, 3) - 1.0 : rng_normal(rng);
        values[at] = mean + deviation * random;
    }
    format_encode(dtype, values, count, base);
    free(values);
    return (struct vkmoe_view){
        .data = base,
        .dtype = dtype,
        .row_stride = transposed ? 1 : 0,
        .column_stride = transposed ? rows : 0,
    };
}

static struct vkmoe_view make_named(const struct maker *m, const char *name, uint32_t rows,
    uint32_t columns, enum vkmoe_dtype dtype, double mean, double deviation)
{
    struct rng rng = rng_for(m->seed, name);
    return make(m, &rng, rows, columns, dtype, mean, deviation, false);
}

static void make_router(const struct maker *m)
{
    const struct vkmoe_attention_params *a = &m->c->attention;
    struct vkmoe_router_params *router = &m->data->params.router;
    if (a->experts <= 1 || a->router.select == VKMOE_SELECT_SUPPLIED_WEIGHTED)
        return;
    router->weight =
        make_named(m, "router", a->experts, a->hidden, m->c->dtype, 0.0, 2.0 / sqrt(a->hidden));
    if (router->always > 0)
        router->levels =
            make_named(m, "levels", 2, a->hidden, m->c->dtype, 0.0, 1.0 / sqrt(a->hidden));
    if (!(m->c->has & (ATTENTION_ROUTER_BIAS | ATTENTION_HOT)))
        return;
    float *bias = keep(m->data, a->experts * sizeof(float));
    struct rng rng = rng_for(m->seed, "router bias");
    for (uint32_t e = 0; e < a->experts; e++)
        bias[e] = (float)(0.5 * rng_normal(&rng));
    if (m->c->has & ATTENTION_HOT)
        bias[a->experts / 2] = 30.0f;
    router->bias = (struct vkmoe_view){ .data = bias };
}

// Keys and values of all heads, apart or as checkpoints have them: in one tensor, each head's keys
// above its values.
static void make_latent(const struct maker *m)
{
    const struct vkmoe_latent *l = &m->c->attention.latent;
    uint32_t heads = m->c->attention.heads, rows = l->key_size + l->value_size;
    struct vkmoe_view *keys = keep(m->data, heads * sizeof(*keys));
    struct vkmoe_view *values = keep(m->data, heads * sizeof(*values));
    struct rng rng = rng_for(m->seed, "latent");
    double deviation = 1.0 / sqrt(l->rank);
    bool one = m->c->has & ATTENTION_KV_B;
    struct vkmoe_view all = { 0 };
    if (one)
        all = make(m, &rng, heads * rows, l->rank, m->c->dtype, 0.0, deviation, false);
    for (uint32_t h = 0; h < heads; h++) {
        if (one) {
            keys[h] = values[h] = all;
            keys[h].data = format_at(&all, l->rank, h * rows, 0);
            keys[h].row_stride = 1;
            keys[h].column_stride = l->rank;
            values[h].data = format_at(&all, l->rank, h * rows + l->key_size, 0);
        } else {
            keys[h] = make(m, &rng, l->rank, l->key_size, m->c->dtype, 0.0, deviation, false);
            values[h] = make(m, &rng, l->value_size, l->rank, m->c->dtype, 0.0, deviation, false);
        }
    }
    m->data->params.latent.keys = keys;
    m->data->params.latent.values = values;
    if (l->query_rank)
        m->data->params.latent.query_matrix = make(m, &rng, l->query_rank, m->c->attention.hidden,
            m->c->dtype, 0.0, 1.0 / sqrt(m->c->attention.hidden), false);
}

// Query weights such that scale * q . k has the case's deviation.
static void make_experts(const struct maker *m)
{
    const struct vkmoe_attention_params *a = &m->c->attention;
    const struct vkmoe_latent *l = a->latent.rank ? &a->latent : NULL;
    uint32_t width = a->heads * (l ? l->key_size + a->head_size - l->rank : a->head_size);
    uint32_t columns = l && l->query_rank ? l->query_rank : a->hidden;
    uint32_t outputs_width =
        l ? a->heads * l->value_size : a->heads * (a->value_size ? a->value_size : a->head_size);
    double gain = m->c->score_gain != 0.0 ? m->c->score_gain : 1.5;
    if (a->scale != 0.0f)
        gain /= fabs(a->scale) * sqrt(a->head_size);
    struct vkmoe_view *queries = keep(m->data, a->experts * sizeof(*queries));
    struct vkmoe_view *outputs = keep(m->data, a->experts * sizeof(*outputs));
    struct rng rng = rng_for(m->seed, "experts");
    bool has_outputs = a->output.experts.experts == 0;
    for (uint32_t e = 0; e < a->experts; e++) {
        queries[e] = make(m, &rng, width, columns, m->c->dtype, 0.0, gain / sqrt(columns), false);
        outputs[e] = make(
            m, &rng, a->hidden, outputs_width, m->c->dtype, 0.0, 1.0 / sqrt(outputs_width), false);
    }
    m->data->params.query.matrices = queries;
    m->data->params.output.matrices = has_outputs ? outputs : NULL;
}

// Experts of each head, and their gate.
static void make_head_experts(const struct maker *m, const char *name, uint32_t heads,
    uint32_t rows, uint32_t columns, struct vkmoe_head_experts *h)
{
    uint32_t count = heads * h->experts, hidden = m->c->attention.hidden;
    if (count == 0)
        return;
    struct vkmoe_view *matrices = keep(m->data, count * sizeof(*matrices));
    struct rng rng = rng_for(m->seed, name);
    for (uint32_t e = 0; e < count; e++)
        matrices[e] = make(m, &rng, rows, columns, m->c->dtype, 0.0, 1.0 / sqrt(columns), false);
    h->matrices = matrices;
    h->router.weight = make(m, &rng, count, hidden, m->c->dtype, 0.0, 2.0 / sqrt(hidden), false);
}

// The largest power of two that is not above `value`.
static double power_below(double value)
{
    return exp2(floor(log2(value)));
}

static void make_keys(const struct maker *m)
{
    const struct vkmoe_attention_params *a = &m->c->attention;
    struct vkmoe_attention_params *p = &m->data->params;
    uint32_t width = a->kv_heads * a->head_size;
    bool exact = m->c->has & ATTENTION_EXACT;
    enum vkmoe_dtype dtype = m->c->has & ATTENTION_KEYS_F32 ? VKMOE_DTYPE_F32 : m->c->dtype;
    double deviation = 1.0 / sqrt(a->hidden);
    if (exact)
        deviation = power_below(1.5 * deviation);
    struct rng rng = rng_for(m->seed, "keys");
    p->key.matrix = make(m, &rng, width, a->hidden, dtype, 0.0, deviation, exact);
    if (m->c->has & ATTENTION_VALUES_F32)
        dtype = VKMOE_DTYPE_F32;
    if (a->latent.rank) {
        make_latent(m);
        return;
    }
    if (a->value.experts.experts == 0)
        p->value.matrix =
            make(m, &rng, a->kv_heads * (a->value_size ? a->value_size : a->head_size), a->hidden,
                dtype, 0.0, deviation, exact);
    make_head_experts(m, "value experts", a->kv_heads, a->head_size, a->hidden, &p->value.experts);
    if (a->mosa.sparsity)
        p->mosa.router =
            make_named(m, "choice", a->experts, a->hidden, m->c->dtype, 0.0, 1.0 / sqrt(a->hidden));
    if (a->nsa.compressed)
        p->nsa.gate = make_named(
            m, "branches", a->heads * 3, a->hidden, m->c->dtype, 0.0, 1.0 / sqrt(a->hidden));
    if (m->c->has & ATTENTION_GATE)
        p->gate.matrix = make_named(m, "gate", a->heads * (a->gate.wide ? a->head_size : 1),
            a->hidden, m->c->dtype, 0.0, 2.0 / sqrt(a->hidden));
    make_head_experts(m, "output experts", a->heads, a->hidden, a->head_size, &p->output.experts);
}

// Moves the elements of a view apart, with NaNs between them.
static struct vkmoe_view spread(
    const struct maker *m, const struct vkmoe_view *packed, uint32_t rows, uint32_t columns)
{
    const size_t size = packed->dtype == VKMOE_DTYPE_F32 ? 4 : 2;
    struct vkmoe_view apart = {
        .dtype = packed->dtype, .row_stride = 3 * (int64_t)columns + 5, .column_stride = 3
    };
    char *base = keep(m->data, (size_t)(rows * apart.row_stride) * size);
    memset(base, 0xff, (size_t)(rows * apart.row_stride) * size);
    for (size_t i = 0; i < (size_t)rows * columns; i++)
        memcpy(base + size * (i / columns * (size_t)apart.row_stride + i % columns * 3),
            (const char *)packed->data + i * size, size);
    apart.data = base;
    return apart;
}

static struct vkmoe_view make_vector(const struct maker *m, const char *name, uint32_t rows,
    uint32_t columns, double mean, double deviation)
{
    const struct vkmoe_view packed =
        make_named(m, name, rows, columns, m->c->vector_dtype, mean, deviation);
    return m->c->has & ATTENTION_SPREAD ? spread(m, &packed, rows, columns) : packed;
}

static void make_vectors(const struct maker *m)
{
    const struct attention_case *c = m->c;
    struct vkmoe_attention_params *p = &m->data->params;
    uint32_t width = p->heads * p->head_size, kv_width = p->kv_heads * p->head_size;
    bool all = p->norm.wide;
    if (c->has & ATTENTION_QUERY_BIAS)
        p->query.bias = make_vector(m, "query bias", p->experts, width, 0.0, 0.5);
    if (c->has & ATTENTION_KEY_BIAS)
        p->key.bias = make_vector(m, "key bias", 1, kv_width, 0.0, 0.5);
    if (c->has & ATTENTION_VALUE_BIAS)
        p->value.bias = make_vector(
            m, "value bias", 1, p->value_size ? p->kv_heads * p->value_size : kv_width, 0.0, 0.5);
    if (c->has & ATTENTION_OUTPUT_BIAS)
        p->output.bias = make_vector(m, "output bias", 1, p->hidden, 0.0, 0.5);
    if (c->has & ATTENTION_QUERY_NORM)
        p->query.norm = make_vector(m, "query norm", 1, all ? width : p->head_size, 1.0, 0.25);
    if (c->has & ATTENTION_KEY_NORM)
        p->key.norm = make_vector(m, "key norm", 1,
            all                  ? kv_width
                : p->latent.rank ? p->latent.rank
                                 : p->head_size,
            1.0, 0.25);
    if (c->has & ATTENTION_KEY_NORM && p->latent.query_rank)
        p->latent.query_norm =
            make_vector(m, "latent query norm", 1, p->latent.query_rank, 1.0, 0.25);
    if (c->has & ATTENTION_POSITION_BIAS)
        p->position.bias =
            make_vector(m, "position bias", p->heads, 2 * p->position.reach + 1, 0.0, 1.0);
    if (c->has & ATTENTION_SINKS)
        p->sinks = make_vector(m, "sinks", 1, p->heads, 0.5, 1.0);
    if (c->has & ATTENTION_ROPE_DIVISORS)
        p->rope_divisors = make_vector(m, "divisors", 1, attention_rope_size(p) / 2, 4.0, 1.0);
    if (c->has & ATTENTION_LONG_ROPE)
        p->long_rope.divisors =
            make_vector(m, "long divisors", 1, attention_rope_size(p) / 2, 9.0, 2.0);
}

// Dense, as few heads as there may be, and a window of one key.
static void make_filler(const struct maker *m)
{
    static const struct vkmoe_pattern itself = { .left = 1 };
    const struct attention_data *data = m->data;
    struct vkmoe_attention_params *p = &m->data->filler;
    *p = data->params;
    uint32_t size = p->latent.rank ? p->latent.value_size
        : p->value_size            ? p->value_size
                                   : p->head_size;
    uint32_t width = data->params.heads * size;
    struct vkmoe_view *output = keep(m->data, sizeof(*output));
    *output = data->params.output.matrices ? data->params.output.matrices[0]
                                           : data->params.query.matrices[0];
    if (!output->row_stride) {
        output->row_stride = width;
        output->column_stride = 1;
    }
    p->heads = p->kv_heads;
    p->experts = p->experts_per_token = 1;
    p->router = (struct vkmoe_router_params){ 0 };
    p->output.experts = (struct vkmoe_head_experts){ 0 };
    p->output.matrices = output; // of which only the first columns are used, and nobody looks
    p->query.bias = p->query.norm = p->sinks = p->output.bias = (struct vkmoe_view){ 0 };
    p->position.bias = (struct vkmoe_view){ 0 };
    p->expert_kv_heads = 0;
    p->first_kv_head = NULL;
    p->patterns = &itself;
    p->nsa = (struct vkmoe_nsa){ 0 };
    p->mosa = (struct vkmoe_mosa){ 0 };
    p->gate.matrix = (struct vkmoe_view){ 0 };
}

// ----------------------------------------------------------------------------- inputs

// Normal vectors, or halves between -1 and 1.
static float *make_x(const struct maker *m, const char *name, uint32_t tokens)
{
    uint32_t hidden = m->c->attention.hidden;
    struct rng rng = rng_for(m->seed, name);
    float *x = keep(m->data, (size_t)tokens * hidden * sizeof(float));
    for (size_t i = 0; i < (size_t)tokens * hidden; i++) {
        if (m->c->has & ATTENTION_EXACT)
            x[i] = 0.5f * (float)((int)rng_below(&rng, 5) - 2);
        else
            x[i] = (float)rng_normal(&rng);
    }
    return x;
}

// Sequences hold history, then ever less; the last one nothing.
static uint32_t history_of(const struct maker *m, uint32_t sequence)
{
    uint32_t count = m->data->sequences;
    return count == 1 ? m->c->history : m->c->history * (count - 1 - sequence) / (count - 1);
}

static void make_history(const struct maker *m)
{
    struct attention_data *data = m->data;
    struct attention_batch *h = &data->history;
    for (uint32_t s = 0; s < data->sequences; s++)
        h->tokens += history_of(m, s);
    h->x = make_x(m, "history", h->tokens);
    h->positions = keep(data, h->tokens * sizeof(uint32_t));
    h->sequences = keep(data, h->tokens * sizeof(uint32_t));
    for (uint32_t s = 0, t = 0; s < data->sequences; s++) {
        for (uint32_t i = 0; i < history_of(m, s); i++, t++) {
            h->positions[t] = i;
            h->sequences[t] = s;
        }
    }
}

// The sequence of each token: the first has the fewest.
static void deal_sequences(const struct maker *m, uint32_t *sequences)
{
    uint32_t count = m->data->sequences, tokens = m->c->tokens;
    for (uint32_t t = 0; t < tokens; t++) {
        if (m->c->has & ATTENTION_INTERLEAVED)
            sequences[t] = t % count;
        else // the square root gives sequence s a share of 2 s + 1
            sequences[t] = (uint32_t)(count * sqrt((t + 0.5) / tokens));
    }
}

static void shuffle(const struct maker *m, struct attention_batch *b)
{
    struct rng rng = rng_for(m->seed, "order");
    for (uint32_t t = b->tokens; t-- > 1;) {
        uint32_t other = rng_below(&rng, t + 1);
        uint32_t position = b->positions[t], sequence = b->sequences[t];
        b->positions[t] = b->positions[other];
        b->sequences[t] = b->sequences[other];
        b->positions[other] = position;
        b->sequences[other] = sequence;
    }
}

static void make_batch(const struct maker *m)
{
    struct attention_data *data = m->data;
    struct attention_batch *b = &data->batch;
    uint32_t *held = keep(data, data->sequences * sizeof(uint32_t));
    b->tokens = m->c->tokens;
    b->x = make_x(m, "x", b->tokens);
    b->positions = keep(data, b->tokens * sizeof(uint32_t));
    b->sequences = keep(data, b->tokens * sizeof(uint32_t));
    for (uint32_t s = 0; s < data->sequences; s++)
        held[s] = history_of(m, s);
    deal_sequences(m, b->sequences);
    uint32_t *next = held;
    if (m->c->has & ATTENTION_STORED) // queries stand in a text of their own
        next = keep(data, data->sequences * sizeof(uint32_t));
    for (uint32_t t = 0; t < b->tokens; t++)
        b->positions[t] = next[b->sequences[t]]++;
    if (m->c->has & ATTENTION_SHUFFLED)
        shuffle(m, b);

    uint32_t longest = 1;
    for (uint32_t s = 0; s < data->sequences; s++)
        longest = held[s] > longest ? held[s] : longest;
    data->capacity = m->c->has & ATTENTION_FULL ? longest : longest + 5;
    data->longest = m->c->has & ATTENTION_LONGEST ? longest : 0;
    for (uint32_t e = 0; m->c->attention.patterns && e < m->c->attention.experts; e++) {
        if (m->c->attention.patterns[e].both_sides)
            data->lengths = held;
    }
    if (m->c->has & ATTENTION_NO_SEQUENCES)
        b->sequences = NULL;
}

// k different experts for each token, and weights, of which some drop.
static void make_routing(const struct maker *m)
{
    const struct vkmoe_attention_params *a = &m->c->attention;
    struct attention_batch *b = &m->data->batch;
    uint32_t k = a->experts_per_token;
    enum vkmoe_select select = a->router.select;
    if (select != VKMOE_SELECT_SUPPLIED && select != VKMOE_SELECT_SUPPLIED_WEIGHTED)
        return;
    struct rng rng = rng_for(m->seed, "ids");
    b->ids = keep(m->data, (size_t)b->tokens * k * sizeof(int32_t));
    for (size_t t = 0; t < b->tokens; t++) {
        uint32_t first = rng_below(&rng, a->experts);
        for (uint32_t j = 0; j < k; j++) {
            b->ids[t * k + j] = (int32_t)((first + j) % a->experts);
            if (m->c->has & ATTENTION_DROPPED && t % 5 == 1)
                b->ids[t * k + j] = j % 2 ? -7 : INT32_MAX;
        }
    }
    if (select != VKMOE_SELECT_SUPPLIED_WEIGHTED)
        return;
    b->weights = keep(m->data, (size_t)b->tokens * k * sizeof(float));
    for (size_t i = 0; i < (size_t)b->tokens * k; i++) {
        b->weights[i] = (float)(0.1 + rng_uniform(&rng));
        if (m->c->has & ATTENTION_DROPPED && i % 3 == 1)
            b->weights[i] = i % 2 ? -0.0f : -0.5f;
    }
}

void attention_data_init(struct attention_data *data, const struct attention_case *c, uint64_t seed)
{
    *data = (struct attention_data){
        .params = c->attention,
        .sequences = c->sequences ? c->sequences : 1,
    };
    data->params.struct_size = sizeof data->params;
    const struct maker m = { data, c, seed };
    make_router(&m);
    make_experts(&m);
    make_keys(&m);
    make_vectors(&m);
    make_filler(&m);
    make_history(&m);
    make_batch(&m);
    make_routing(&m);
    reference_attention_from(&data->params, &data->reference);
}

void attention_data_finish(struct attention_data *data)
{
    reference_attention_finish(&data->reference);
    for (uint32_t i = 0; i < data->memory_count; i++)
        free(data->memory[i]);
    free(data->memory);
    *data = (struct attention_data){ 0 };
}

struct attention_case attention_case_stored_as(
    const struct attention_case *c, enum vkmoe_dtype dtype)
{
    struct attention_case stored = *c;
    stored.dtype = dtype;
    stored.has &= ~(unsigned)(ATTENTION_TRANSPOSED | ATTENTION_KEYS_F32 | ATTENTION_VALUES_F32);
    stored.attention.hidden = format_width(dtype, c->attention.hidden);
    struct vkmoe_latent *l = &stored.attention.latent;
    if (l->rank) {
        const uint32_t turned = c->attention.head_size - l->rank;
        l->rank = format_width(dtype, l->rank);
        l->key_size = format_width(dtype, l->key_size);
        l->value_size = format_width(dtype, l->value_size);
        l->query_rank = format_width(dtype, l->query_rank);
        stored.attention.head_size = l->rank + turned;
        return stored;
    }
    stored.attention.head_size = format_width(dtype, c->attention.head_size);
    return stored;
}
