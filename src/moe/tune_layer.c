// tune_layer.c - see tune_layer.h.
#include "moe/tune_layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/try.h"
#include "device/fit.h"
#include "device/stream.h"
#include "weights/format.h"

#define WEIGHTS_SIZE ((uint64_t)1 << 30)       // of a layer, about: more than a card's caches hold
#define WEIGHTS_SIZE_CPU ((uint64_t)128 << 20) // which takes long to make them
#define POOL_BLOCKS 4099                       // different ones; a prime, so that rows differ
#define PARTS 16                               // of a block, drawn one by one
#define MOST_TRIES 1000000                     // to draw the first one
#define LEAST_WEIGHT 1e-3f
#define MOST_WEIGHT 0.1f
#define MIN_SAMPLES 5
#define MAX_SAMPLES 25
#define SAMPLING_NS 40000000u
#define LONGEST_NS 400000000u // then fewer samples will do

// ------------------------------------------------------------------------- making

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13; // xorshift32
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

static float largest(const float *values, uint32_t count)
{
    float most = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            return INFINITY;
        most = MAX(most, fabsf(values[i]));
    }
    return most;
}

static bool is_usual(const struct format *format, const unsigned char *block)
{
    float values[FORMAT_MAX_ELEMENTS];
    format->decode(block, values);
    const float most = largest(values, format->elements);
    return most >= LEAST_WEIGHT && most <= MOST_WEIGHT;
}

static void draw(unsigned char *bytes, uint32_t count, uint32_t *state)
{
    for (uint32_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(next_random(state) >> 24);
}

// A block of any format, by chance: bytes that come to elements of a usual size. In some formats
// one in 20,000 does, so that only the first is drawn until it does: the others are the one before
// them with other bytes, part by part, where that leaves it usual.
static void make_block(
    const struct format *format, uint32_t *state, unsigned char *block, bool is_first)
{
    const uint32_t step = div_up(format->bytes, PARTS);
    unsigned char kept[FORMAT_MAX_ELEMENTS];
    if (is_first) {
        for (int tries = 0; tries < MOST_TRIES; tries++) {
            draw(block, format->bytes, state);
            if (is_usual(format, block))
                return;
        }
    }
    for (uint32_t at = 0; at < format->bytes; at += step) {
        const uint32_t count = MIN(step, format->bytes - at);
        memcpy(kept, block + at, count);
        draw(block + at, count, state);
        if (!is_usual(format, block))
            memcpy(block + at, kept, count);
    }
}

// Matrices of so many bytes, one behind the other by no more than what their beginnings differ in:
// blocks of the pool, over and over.
static void *make_matrices(const struct format *format, uint64_t size)
{
    const uint64_t pool = (uint64_t)POOL_BLOCKS * format->bytes, all = size + pool;
    unsigned char *blocks = malloc(all);
    uint32_t state = 1;
    for (uint64_t at = 0; blocks && at < pool; at += format->bytes) {
        if (at > 0)
            memcpy(blocks + at, blocks + at - format->bytes, format->bytes);
        make_block(format, &state, blocks + at, at == 0);
    }
    for (uint64_t at = pool; blocks && at < all; at += pool)
        memcpy(blocks + at, blocks, MIN(pool, all - at));
    return blocks;
}

struct vkmoe_view vkmoe_tune_layer_view(
    const struct tune_layer *layer, enum tune_matrix matrix, uint32_t expert)
{
    const struct format *format = vkmoe_format(layer->dtype);
    const uint64_t block = (3 * (uint64_t)expert + matrix) * 97 % POOL_BLOCKS;
    return (struct vkmoe_view){
        .data = (const unsigned char *)layer->matrices + block * format->bytes,
        .dtype = layer->dtype,
    };
}

static enum vkmoe_status load(
    struct loading *loading, const struct vkmoe_moe_params *params, struct tune_layer *layer)
{
    vkmoe_device *device = layer->device;
    vkmoe_moe *trial = NULL;
    TRY_RETURN(vkmoe_fit_begin(device, &loading->device));
    const enum vkmoe_status status = vkmoe_moe_load(loading, params, &trial);
    vkmoe_moe_destroy(&trial);
    TRY_RETURN(vkmoe_fit_end(&loading->device, loading->caller.function, status));
    loading->device = device;
    return vkmoe_moe_load(loading, params, &layer->moe);
}

static enum vkmoe_status make_moe(
    const struct caller *caller, const struct vkmoe_tune_params *p, struct tune_layer *layer)
{
    const uint64_t size = vkmoe_format_size(p->dtype, (uint64_t)p->inner * p->hidden);
    const uint64_t room = layer->device->is_cpu ? WEIGHTS_SIZE_CPU : WEIGHTS_SIZE;
    const uint64_t most = MAX(room / (3 * MAX(size, 1)), p->experts_per_token);
    const uint32_t experts = (uint32_t)MIN(most, p->experts);
    struct vkmoe_view *views = calloc(3 * (size_t)experts, sizeof *views);
    enum vkmoe_status status = VKMOE_ERROR_OUT_OF_MEMORY;
    layer->matrices = make_matrices(vkmoe_format(p->dtype), size);
    if (!layer->matrices || !views) {
        vkmoe_refuse(caller, status, "out of host memory");
        goto fail;
    }
    for (uint32_t i = 0; i < 3 * experts; i++)
        views[i] = vkmoe_tune_layer_view(layer, (enum tune_matrix)(i / experts), i % experts);
    const struct vkmoe_moe_params params = {
        VKMOE_INIT(vkmoe_moe_params),
        .hidden = p->hidden,
        .inner = p->inner,
        .experts = experts,
        .experts_per_token = p->experts_per_token,
        .router.select = VKMOE_SELECT_SUPPLIED_WEIGHTED,
        .gate = views,
        .up = views + experts,
        .down = views + 2 * experts,
        .precision = p->precision,
    };
    struct loading loading = {
        .caller = *caller, .fast = p->precision == VKMOE_PRECISION_FAST, .is_test = true
    };
    TRY(load(&loading, &params, layer));
fail:
    free(views);
    return status;
}

static enum vkmoe_status upload_inputs(struct tune_layer *layer)
{
    const uint32_t tokens = layer->most_tokens, k = layer->moe->params.experts_per_token;
    const size_t count = (size_t)tokens * layer->moe->params.hidden, pairs = (size_t)tokens * k;
    uint32_t state = 2;
    for (size_t i = 0; i < count; i++)
        layer->got[i] = (float)(int32_t)next_random(&state) / 2147483648.0f;
    TRY_RETURN(vkmoe_buffer_upload(layer->x, 0, layer->got, count * sizeof(float)));
    float *weights = (float *)layer->choice;
    for (size_t i = 0; i < pairs; i++)
        weights[i] = 1.0f / (float)k;
    return vkmoe_buffer_upload(layer->weights, 0, weights, pairs * sizeof(float));
}

enum vkmoe_status vkmoe_tune_layer_init(const struct caller *caller, vkmoe_device *device,
    const struct vkmoe_tune_params *params, uint32_t most_tokens, struct tune_layer *out)
{
    const uint64_t rows_size = (uint64_t)most_tokens * params->hidden * sizeof(float);
    const uint64_t pairs_size = (uint64_t)most_tokens * params->experts_per_token * sizeof(float);
    *out = (struct tune_layer){
        .device = device,
        .dtype = params->dtype,
        .most_tokens = most_tokens,
        .tolerance = params->precision == VKMOE_PRECISION_FAST ? 1e-3 : 2e-5,
        .choice = malloc(pairs_size),
        .expected = malloc(rows_size),
        .got = malloc(rows_size),
    };
    if (!out->choice || !out->expected || !out->got)
        return vkmoe_refuse(caller, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    TRY_RETURN(make_moe(caller, params, out));
    TRY_RETURN(vkmoe_buffer_create(device, rows_size, &out->x));
    TRY_RETURN(vkmoe_buffer_create(device, rows_size, &out->y));
    TRY_RETURN(vkmoe_buffer_create(device, pairs_size, &out->ids));
    TRY_RETURN(vkmoe_buffer_create(device, pairs_size, &out->weights));
    TRY_RETURN(upload_inputs(out));
    return vkmoe_stream_create(device, &out->stream);
}

void vkmoe_tune_layer_finish(struct tune_layer *layer)
{
    vkmoe_stream_destroy(&layer->stream);
    BUFFERS_DESTROY(&layer->x, &layer->y, &layer->ids, &layer->weights);
    vkmoe_moe_destroy(&layer->moe);
    free(layer->matrices);
    free(layer->choice);
    free(layer->expected);
    free(layer->got);
}

// ------------------------------------------------------------------------ running

void vkmoe_tune_layer_update(struct tune_layer *layer)
{
    layer->moe->up.shapes = layer->moe->down.shapes = vkmoe_shapes_choose(layer->device);
}

void vkmoe_tune_layer_force(struct tune_layer *layer, const struct variant *form)
{
    layer->moe->up.form = layer->moe->down.form = form;
}

static enum vkmoe_status record(struct tune_layer *layer, uint32_t tokens)
{
    struct vkmoe_moe_forward_params forward = { VKMOE_INIT(vkmoe_moe_forward_params) };
    forward.tokens = tokens;
    forward.ids.buffer = layer->ids;
    forward.weights.buffer = layer->weights;
    forward.x.buffer = layer->x;
    forward.y.buffer = layer->y;
    TRY_RETURN(vkmoe_stream_timestamp(layer->stream, 0));
    TRY_RETURN(vkmoe_moe_forward(layer->stream, layer->moe, &forward));
    return vkmoe_stream_timestamp(layer->stream, 1);
}

// Once, from NaN; *to is what came out.
static enum vkmoe_status run(struct tune_layer *layer, uint32_t tokens, float *to)
{
    const uint64_t size = (uint64_t)tokens * layer->moe->params.hidden * sizeof(float);
    memset(to, 0xff, size);
    TRY_RETURN(vkmoe_buffer_upload(layer->y, 0, to, size));
    vkmoe_stream_begin(layer->stream);
    TRY_RETURN(vkmoe_stream_end(layer->stream, record(layer, tokens)));
    TRY_RETURN(vkmoe_stream_submit(layer->stream, NULL));
    TRY_RETURN(vkmoe_stream_wait(layer->stream, UINT64_MAX));
    return vkmoe_buffer_download(layer->y, 0, to, size);
}

enum vkmoe_status vkmoe_tune_layer_choose(
    struct tune_layer *layer, uint32_t tokens, uint32_t active)
{
    const uint32_t pairs = tokens * layer->moe->params.experts_per_token;
    for (uint32_t i = 0; i < pairs; i++)
        layer->choice[i] = (int32_t)(i % active);
    return vkmoe_buffer_upload(layer->ids, 0, layer->choice, (uint64_t)pairs * 4);
}

enum vkmoe_status vkmoe_tune_layer_expect(
    struct tune_layer *layer, uint32_t tokens, uint32_t active)
{
    TRY_RETURN(vkmoe_tune_layer_choose(layer, tokens, active));
    return run(layer, tokens, layer->expected);
}

double vkmoe_tune_layer_error(const struct tune_layer *layer, uint32_t tokens)
{
    const size_t count = (size_t)tokens * layer->moe->params.hidden;
    double squares = 0, errors = 0;
    for (size_t i = 0; i < count; i++) {
        const double expected = (double)layer->expected[i];
        const double error = (double)layer->got[i] - expected;
        squares += expected * expected;
        errors += error * error;
    }
    return sqrt(errors / (squares > 0 ? squares : 1));
}

enum vkmoe_status vkmoe_tune_layer_compare(struct tune_layer *layer, uint32_t tokens, double *error)
{
    TRY_RETURN(run(layer, tokens, layer->got));
    *error = vkmoe_tune_layer_error(layer, tokens);
    return VKMOE_OK;
}

static enum vkmoe_status time_once(struct tune_layer *layer, double *ns)
{
    const uint64_t start = clock_ns();
    TRY_RETURN(vkmoe_stream_repeat(layer->stream, NULL));
    TRY_RETURN(vkmoe_stream_wait(layer->stream, UINT64_MAX));
    *ns = vkmoe_stream_elapsed_ns(layer->stream, 0, 1);
    if (!(*ns > 0)) // no timestamps
        *ns = (double)(clock_ns() - start);
    return VKMOE_OK;
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static enum vkmoe_status time_many(struct tune_layer *layer, double limit, double *ns)
{
    double samples[MAX_SAMPLES];
    uint32_t count = 0;
    const uint64_t start = clock_ns();
    uint64_t spent = 0;
    while (count < MAX_SAMPLES && (count < MIN_SAMPLES || spent < SAMPLING_NS)
        && (count == 0 || (spent < LONGEST_NS && samples[0] <= limit))) {
        TRY_RETURN(time_once(layer, &samples[count++]));
        spent = clock_ns() - start;
    }
    qsort(samples, count, sizeof *samples, compare);
    *ns = samples[count / 2];
    return VKMOE_OK;
}

static enum vkmoe_status try_candidate(
    struct tune_layer *layer, uint32_t tokens, double limit, double *error, double *ns)
{
    TRY_RETURN(vkmoe_tune_layer_compare(layer, tokens, error));
    return *error <= layer->tolerance ? time_many(layer, limit, ns) : VKMOE_OK;
}

enum vkmoe_status vkmoe_tune_layer_time(
    struct tune_layer *layer, const char *what, uint32_t tokens, double limit, double *ns)
{
    struct gpu *gpu = &layer->device->gpu;
    struct vkmoe_log log = gpu->log;
    double error = 0;
    *ns = INFINITY;
    gpu->log.write = vkmoe_log_demote; // a candidate's failure is not one of the call
    gpu->log.user = &log;
    const enum vkmoe_status status = try_candidate(layer, tokens, limit, &error, ns);
    gpu->log = log;
    TRY_RETURN(gpu_check(gpu, "vkmoe_device_tune"));
    if (status != VKMOE_OK)
        *ns = INFINITY;
    if (status != VKMOE_OK || !(error <= layer->tolerance))
        vkmoe_log(&gpu->log, VKMOE_LOG_WARNING,
            "vkmoe_device_tune: %s is left out: %s, %.1e of rms", what,
            status != VKMOE_OK ? vkmoe_status_name(status) : "it is wrong", error);
    return VKMOE_OK;
}
