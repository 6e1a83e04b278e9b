// layer_data.c - makes a case's weights and inputs (layer_cases.h): numbers from the seed,
// rounded to the dtype they are stored in, once for the library in the case's memory
// layout and once as plain doubles for the reference.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats.h"
#include "layer_cases.h"
#include "random.h"

// Memory that lives as long as the data.
static void *keep(struct layer_data *data, size_t size)
{
    // Doubled whenever the count is a power of two.
    uint32_t count = data->memory_count;
    if ((count & (count - 1)) == 0) {
        void **grown = realloc(data->memory, (count ? 2 * (size_t)count : 1) * sizeof(void *));
        if (!grown)
            abort();
        data->memory = grown;
    }
    return data->memory[data->memory_count++] = allocate(size, 1);
}

// What every array needs to be made.
struct maker {
    struct layer_data *data;
    const struct layer_case *c;
    uint64_t seed;
    bool with_reference;
};

// Where the elements of a matrix go.
struct place {
    void *base;                        // element (0, 0)
    int64_t row_stride, column_stride; // zero: dense, and the view says so with zeros
};

// Writes `values` [rows][columns] to a place and returns the view of it.
static struct vkmoe_view write_view(const double *values, uint32_t rows, uint32_t columns,
    enum vkmoe_dtype dtype, struct place place)
{
    struct vkmoe_view view = {
        .data = place.base,
        .dtype = dtype,
        .row_stride = place.row_stride,
        .column_stride = place.column_stride,
    };
    if (!place.row_stride && !place.column_stride) {
        place.row_stride = columns;
        place.column_stride = 1;
    }
    const uint32_t block = test_format(dtype)->elements;
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t i = 0; i < columns; i += block) {
            size_t offset = (size_t)(r * place.row_stride + i * place.column_stride);
            format_encode(dtype, values + (size_t)r * columns + i, block,
                (char *)place.base + format_bytes(dtype, offset));
        }
    }
    return view;
}

// `count` numbers around `mean`, rounded to dtype.
static void fill_normal(double *values, size_t count, enum vkmoe_dtype dtype, struct rng rng,
    double mean, double deviation)
{
    for (size_t i = 0; i < count; i++)
        values[i] = mean + deviation * rng_normal(&rng);
    format_round(dtype, values, count);
}

// Hands values to the reference if there is one, and frees them if not.
static void give(const struct maker *m, double **slot, double *values)
{
    if (m->with_reference)
        *slot = values;
    else
        free(values);
}

// A dense matrix or vector called `name`.
static struct vkmoe_view make_dense(const struct maker *m, const char *name, uint32_t rows,
    uint32_t columns, enum vkmoe_dtype dtype, double mean, double deviation, double **slot)
{
    size_t count = (size_t)rows * columns;
    double *values = allocate(count, sizeof(double));
    fill_normal(values, count, dtype, rng_for(m->seed, name), mean, deviation);
    char *base = keep(m->data, format_bytes(dtype, count) + 1);
    if (m->c->layout == LAYOUT_UNALIGNED)
        base++;
    struct vkmoe_view view = write_view(values, rows, columns, dtype, (struct place){ base, 0, 0 });
    give(m, slot, values);
    return view;
}

// ----------------------------------------------------------------------------- router

static uint32_t router_hidden_of(const struct layer_case *c)
{
    return c->layer.router_hidden ? c->layer.router_hidden : c->layer.hidden;
}

static void make_router_weight(const struct maker *m)
{
    const struct layer_case *c = m->c;
    uint32_t experts = c->layer.experts, hidden = router_hidden_of(c);
    size_t count = (size_t)experts * hidden;
    double gain = c->router_gain != 0.0 ? c->router_gain : 2.0;
    double *values = allocate(count, sizeof(double));
    fill_normal(values, count, c->dtype, rng_for(m->seed, "router"), 0.0,
        c->has & CASE_TIED ? 0.0 : gain / sqrt(hidden));
    for (uint32_t e = 1; c->has & CASE_TWINS && e < experts; e += 2)
        memcpy(values + (size_t)e * hidden, values + (size_t)(e - 1) * hidden,
            hidden * sizeof(double));
    struct place place = { keep(m->data, format_bytes(c->dtype, count)), 0, 0 };
    if (c->layout == LAYOUT_TRANSPOSED)
        place = (struct place){ place.base, 1, experts };
    m->data->params.router.weight = write_view(values, experts, hidden, c->dtype, place);
    give(m, &m->data->reference.router, values);
}

// The bias that makes experts hot or cold; random besides if the case has one.
static void make_router_bias(const struct maker *m)
{
    const struct layer_case *c = m->c;
    uint32_t experts = c->layer.experts;
    double *values = allocate(experts, sizeof(double));
    fill_normal(values, experts, c->vector_dtype, rng_for(m->seed, "router bias"), 0.0,
        c->has & CASE_ROUTER_BIAS ? 0.5 : 0.0);
    for (uint32_t e = 1; c->has & CASE_COLD && e < experts; e += 2)
        values[e] = -30.0;
    if (c->has & CASE_HOT)
        values[experts / 2] = 30.0;
    struct place place = { keep(m->data, format_bytes(c->vector_dtype, experts)), 0, 0 };
    m->data->params.router.bias = write_view(values, 1, experts, c->vector_dtype, place);
    give(m, &m->data->reference.router_bias, values);
}

static void make_router(const struct maker *m)
{
    const struct layer_case *c = m->c;
    struct vkmoe_router_params *router = &m->data->params.router;
    struct reference_layer *reference = &m->data->reference;
    uint32_t experts = c->layer.experts, hidden = router_hidden_of(c);
    make_router_weight(m);
    if (c->has & (CASE_ROUTER_BIAS | CASE_HOT | CASE_COLD))
        make_router_bias(m);
    if (c->has & CASE_CORRECTION_BIAS) {
        // Of the scores' own size: it has to change some choices, not all.
        bool is_softmax = c->layer.router.score == VKMOE_SCORE_SOFTMAX;
        router->correction_bias = make_dense(m, "correction bias", 1, experts, c->vector_dtype,
            c->has & CASE_NEGATIVE_BIAS ? -1.0 : 0.0, is_softmax ? 1.0 / experts : 0.2,
            &reference->correction_bias);
    }
    if (c->has & CASE_INPUT_SCALE)
        router->input_scale = make_dense(
            m, "input scale", 1, hidden, c->vector_dtype, 1.0, 0.25, &reference->input_scale);
    if (c->has & CASE_EXPERT_SCALE)
        router->expert_scale = make_dense(
            m, "expert scale", 1, experts, c->vector_dtype, 1.0, 0.25, &reference->expert_scale);
    if (c->has & CASE_LEVELS)
        router->levels = make_dense(m, "levels", 2, hidden, c->dtype, 0.0,
            c->has & CASE_TIED ? 0.0 : 1.0 / sqrt(hidden), &reference->levels);
}

// ---------------------------------------------------------------------------- experts

uint32_t layer_case_experts_width(const struct layer_case *c)
{
    return c->layer.latent.size ? c->layer.latent.size : c->layer.hidden;
}

// The places of one expert's gate (none if ungated) and up, in memory of their own.
static void place_gate_up(const struct maker *m, struct place *gate, struct place *up)
{
    int64_t inner = m->c->layer.inner, hidden = layer_case_experts_width(m->c);
    size_t size = format_bytes(m->c->dtype, (size_t)(inner * hidden)); // of one
    size_t first = format_bytes(m->c->dtype, test_format(m->c->dtype)->elements);
    bool gated = !(m->c->has & CASE_UNGATED);
    int64_t width = gated ? 2 * inner : inner;
    char *base = keep(m->data, (gated ? 2 : 1) * size + 1);
    char *half = base + (gated ? size : 0);
    switch (m->c->layout) {
    case LAYOUT_DENSE: // the same as fused but for where the library could look
    case LAYOUT_FUSED:
        *gate = (struct place){ base, 0, 0 };
        *up = (struct place){ half, 0, 0 };
        break;
    case LAYOUT_UNALIGNED:
        *gate = (struct place){ base + 1, 0, 0 };
        *up = (struct place){ half + 1, 0, 0 };
        break;
    case LAYOUT_TRANSPOSED:
        *gate = (struct place){ base, 1, width };
        *up = (struct place){ base + (gated ? inner * first : 0), 1, width };
        break;
    case LAYOUT_INTERLEAVED:
        *gate = (struct place){ base, 2, width };
        *up = (struct place){ base + (gated ? first : 0), gated ? 2 : 1, width };
        break;
    }
    if (m->c->layout == LAYOUT_DENSE && gated)
        up->base = keep(m->data, size);
    if (m->c->has & CASE_OTHER_GATE)
        gate->base = keep(m->data, format_bytes(m->c->gate_dtype, (size_t)(inner * hidden)));
}

enum vkmoe_dtype layer_case_gate_dtype(const struct layer_case *c)
{
    return c->has & CASE_OTHER_GATE ? c->gate_dtype : c->dtype;
}

enum vkmoe_dtype layer_case_down_dtype(const struct layer_case *c)
{
    return c->has & CASE_OTHER_DOWN ? c->down_dtype : c->dtype;
}

struct layer_case layer_case_stored_as(const struct layer_case *c, enum vkmoe_dtype dtype)
{
    struct layer_case stored = *c;
    stored.dtype = dtype;
    stored.has &=
        ~(unsigned)(CASE_OTHER_DOWN | CASE_OTHER_SHARED | CASE_OTHER_GATE | CASE_OTHER_SHARED_GATE);
    stored.layer.hidden = format_width(dtype, c->layer.hidden);
    stored.layer.latent.size = format_width(dtype, c->layer.latent.size);
    stored.layer.inner = format_width(dtype, c->layer.inner);
    stored.layer.router_hidden = format_width(dtype, c->layer.router_hidden);
    stored.layer.shared.inner = format_width(dtype, c->layer.shared.inner);
    if (test_format(dtype)->elements > 1 && c->layout != LAYOUT_UNALIGNED)
        stored.layout = c->layout == LAYOUT_DENSE ? LAYOUT_DENSE : LAYOUT_FUSED;
    return stored;
}

static struct place place_down(const struct maker *m, uint32_t hidden, uint32_t inner)
{
    size_t size = format_bytes(layer_case_down_dtype(m->c), (size_t)inner * hidden);
    char *base = keep(m->data, size + 1);
    if (m->c->layout == LAYOUT_TRANSPOSED || m->c->layout == LAYOUT_INTERLEAVED)
        return (struct place){ base, 1, hidden };
    return (struct place){ base + (m->c->layout == LAYOUT_UNALIGNED), 0, 0 };
}

// One matrix of one expert; `all` is the reference's array of all experts, or NULL.
static struct vkmoe_view make_expert_matrix(struct rng *rng, uint32_t expert, uint32_t rows,
    uint32_t columns, enum vkmoe_dtype dtype, double gain, struct place place, double *all)
{
    size_t count = (size_t)rows * columns;
    double *values = all ? all + expert * count : allocate(count, sizeof(double));
    fill_normal(values, count, dtype, (struct rng){ rng_next(rng) }, 0.0, gain / sqrt(columns));
    struct vkmoe_view view = write_view(values, rows, columns, dtype, place);
    if (!all)
        free(values);
    return view;
}

static void make_experts(const struct maker *m)
{
    const struct layer_case *c = m->c;
    uint32_t experts = c->layer.experts, inner = c->layer.inner;
    uint32_t hidden = layer_case_experts_width(c);
    bool gated = !(c->has & CASE_UNGATED);
    double gain = c->expert_gain != 0.0 ? c->expert_gain : 1.0;
    struct reference_layer *reference = &m->data->reference;
    size_t size = (size_t)experts * inner * hidden * sizeof(double);
    if (m->with_reference) {
        reference->gate = gated ? allocate(size, 1) : NULL;
        reference->up = allocate(size, 1);
        reference->down = allocate(size, 1);
    }

    struct vkmoe_view *gates = keep(m->data, experts * sizeof(*gates));
    struct vkmoe_view *ups = keep(m->data, experts * sizeof(*ups));
    struct vkmoe_view *downs = keep(m->data, experts * sizeof(*downs));
    struct rng rng = rng_for(m->seed, "experts");
    for (uint32_t e = 0; e < experts; e++) {
        struct place gate, up;
        place_gate_up(m, &gate, &up);
        if (gated)
            gates[e] = make_expert_matrix(
                &rng, e, inner, hidden, layer_case_gate_dtype(c), gain, gate, reference->gate);
        ups[e] = make_expert_matrix(&rng, e, inner, hidden, c->dtype, gain, up, reference->up);
        downs[e] = make_expert_matrix(&rng, e, hidden, inner, layer_case_down_dtype(c), 1.0,
            place_down(m, hidden, inner), reference->down);
    }
    m->data->params.gate = gated ? gates : NULL;
    m->data->params.up = ups;
    m->data->params.down = downs;
}

static void make_biases(const struct maker *m)
{
    const struct layer_case *c = m->c;
    struct vkmoe_moe_params *params = &m->data->params;
    struct reference_layer *reference = &m->data->reference;
    uint32_t experts = c->layer.experts, hidden = c->layer.hidden, inner = c->layer.inner;
    if (c->has & CASE_GATE_BIAS)
        params->gate_bias = make_dense(
            m, "gate bias", experts, inner, c->vector_dtype, 0.0, 0.5, &reference->gate_bias);
    if (c->has & CASE_UP_BIAS)
        params->up_bias = make_dense(
            m, "up bias", experts, inner, c->vector_dtype, 0.0, 0.5, &reference->up_bias);
    if (c->has & CASE_DOWN_BIAS)
        params->down_bias = make_dense(m, "down bias", experts, layer_case_experts_width(c),
            c->vector_dtype, 0.0, 0.5, &reference->down_bias);
    if (c->has & CASE_OUTPUT_BIAS)
        params->output_bias = make_dense(
            m, "output bias", 1, hidden, c->vector_dtype, 0.0, 0.5, &reference->output_bias);
}

static void make_shared(const struct maker *m)
{
    const struct layer_case *c = m->c;
    struct vkmoe_moe_params *params = &m->data->params;
    struct reference_layer *reference = &m->data->reference;
    uint32_t hidden = c->layer.hidden, inner = c->layer.shared.inner;
    if (!inner)
        return;
    const bool other = c->has & CASE_OTHER_SHARED;
    const enum vkmoe_dtype up_dtype = other ? c->shared_dtype : c->dtype;
    const enum vkmoe_dtype down_dtype = other ? c->shared_dtype : layer_case_down_dtype(c);
    const enum vkmoe_dtype gate_dtype = c->has & CASE_OTHER_SHARED_GATE ? c->gate_dtype : up_dtype;
    double deviation = (c->expert_gain != 0.0 ? c->expert_gain : 1.0) / sqrt(hidden);
    if (!(c->has & CASE_SHARED_UNGATED))
        params->shared.gate = make_dense(
            m, "shared gate", inner, hidden, gate_dtype, 0.0, deviation, &reference->shared_gate);
    params->shared.up =
        make_dense(m, "shared up", inner, hidden, up_dtype, 0.0, deviation, &reference->shared_up);

    double *down = allocate((size_t)inner * hidden, sizeof(double));
    fill_normal(down, (size_t)inner * hidden, down_dtype, rng_for(m->seed, "shared down"), 0.0,
        1.0 / sqrt(inner));
    struct place place = { 0 };
    if (other)
        place.base = keep(m->data, format_bytes(down_dtype, (size_t)inner * hidden));
    else
        place = place_down(m, hidden, inner);
    params->shared.down = write_view(down, hidden, inner, down_dtype, place);
    give(m, &reference->shared_down, down);
    if (c->has & CASE_SHARED_TOKEN_GATE)
        params->shared.token_gate = make_dense(m, "shared token gate", 1, hidden, c->dtype, 0.0,
            1.0 / sqrt(hidden), &reference->shared_token_gate);
}

static void make_latent(const struct maker *m)
{
    const struct layer_case *c = m->c;
    struct vkmoe_moe_params *params = &m->data->params;
    struct reference_layer *reference = &m->data->reference;
    uint32_t hidden = c->layer.hidden, size = c->layer.latent.size;
    if (!size)
        return;
    params->latent.down = make_dense(
        m, "latent down", size, hidden, c->dtype, 0.0, 1.0 / sqrt(hidden), &reference->latent_down);
    params->latent.up = make_dense(m, "latent up", hidden, size, layer_case_down_dtype(c), 0.0,
        1.0 / sqrt(size), &reference->latent_up);
}

// ----------------------------------------------------------------------------- inputs

// Normal vectors; the last token of several is all zeros, so that its logits tie.
static float *make_tokens(const struct maker *m, const char *name, uint32_t hidden)
{
    uint32_t tokens = m->c->tokens;
    struct rng rng = rng_for(m->seed, name);
    float *x = keep(m->data, (size_t)tokens * hidden * sizeof(float));
    for (size_t i = 0; i < (size_t)tokens * hidden; i++)
        x[i] = (float)rng_normal(&rng);
    if (tokens > 2)
        memset(x + (size_t)(tokens - 1) * hidden, 0, hidden * sizeof(float));
    return x;
}

// k different experts for each token.
static void make_ids(const struct maker *m)
{
    uint32_t k = m->c->layer.experts_per_token, experts = m->c->layer.experts;
    const int32_t wild[] = { -1, (int32_t)experts, INT32_MIN, INT32_MAX, (int32_t)experts + 1000,
        -7 };
    struct rng rng = rng_for(m->seed, "ids");
    int32_t *ids = keep(m->data, (size_t)m->c->tokens * k * sizeof(int32_t));
    int32_t *deck = allocate(experts, sizeof(int32_t));
    for (uint32_t e = 0; e < experts; e++)
        deck[e] = (int32_t)e;
    for (size_t t = 0; t < m->c->tokens; t++) {
        for (uint32_t j = 0; j < k; j++) {
            uint32_t other = j + rng_below(&rng, experts - j);
            int32_t drawn = deck[other];
            deck[other] = deck[j];
            ids[t * k + j] = deck[j] = drawn;
            if (m->c->has & CASE_WILD_IDS && (t * k + j) % 5 == 1)
                ids[t * k + j] = wild[(t * k + j) / 5 % 6];
        }
    }
    free(deck);
    m->data->ids = ids;
}

static void make_weights(const struct maker *m)
{
    const float odd[] = { -0.0f, 0.0f, -0.75f, -0.0f };
    size_t count = (size_t)m->c->tokens * m->c->layer.experts_per_token;
    struct rng rng = rng_for(m->seed, "weights");
    float *weights = keep(m->data, count * sizeof(float));
    for (size_t i = 0; i < count; i++) {
        weights[i] = (float)(0.1 + rng_uniform(&rng));
        if (m->c->has & CASE_DROPPED && i % 3 == 1)
            weights[i] = odd[i / 3 % 4];
    }
    m->data->weights = weights;
}

void layer_data_init(
    struct layer_data *data, const struct layer_case *c, uint64_t seed, bool with_reference)
{
    *data = (struct layer_data){ .params = c->layer };
    data->params.struct_size = sizeof data->params;
    struct maker m = { data, c, rng_for(seed, c->name).state, with_reference };
    if (with_reference)
        data->reference = reference_numbers(&c->layer);
    if (c->layer.router.select != VKMOE_SELECT_SUPPLIED_WEIGHTED)
        make_router(&m);
    make_experts(&m);
    make_biases(&m);
    make_shared(&m);
    make_latent(&m);
    data->x = make_tokens(&m, "x", c->layer.hidden);
    if (c->has & CASE_ROUTER_X)
        data->router_x = make_tokens(&m, "router x", router_hidden_of(c));
    if (c->layer.router.select == VKMOE_SELECT_SUPPLIED
        || c->layer.router.select == VKMOE_SELECT_SUPPLIED_WEIGHTED)
        make_ids(&m);
    if (c->layer.router.select == VKMOE_SELECT_SUPPLIED_WEIGHTED)
        make_weights(&m);
}

void layer_data_finish(struct layer_data *data)
{
    if (!data)
        return;
    reference_layer_finish(&data->reference);
    for (uint32_t i = 0; i < data->memory_count; i++)
        free(data->memory[i]);
    free(data->memory);
    *data = (struct layer_data){ 0 };
}

double layer_case_flops(const struct layer_case *c)
{
    double k = c->layer.experts_per_token, hidden = c->layer.hidden;
    double latent = c->layer.latent.size, width = latent > 0.0 ? latent : hidden;
    double routed = k * width * c->layer.inner * (c->has & CASE_UNGATED ? 2.0 : 3.0);
    double shared = hidden * c->layer.shared.inner * (c->has & CASE_SHARED_UNGATED ? 2.0 : 3.0);
    return 2.0 * c->tokens * (routed + shared + 2.0 * hidden * latent);
}
