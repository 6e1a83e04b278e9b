// store_reference.c - see store_reference.h.
#include "store_reference.h"

#include "attention_constants.h"
#include "cache_rows.h"

#include <math.h>

#define TURN (4.0 * acos(0.0))

// What of a turn, in 64 bits, one position rotates a pair by.
static uint64_t fraction_of(const struct store_case *c, uint32_t pair)
{
    if (c->cache != CACHE_F32)
        return (uint64_t)(pair + 1) << 62;
    return (uint64_t)ldexp(pow(10000.0, -2.0 * pair / c->rope_size) / TURN, 64);
}

// The angle by which position `p` rotates pair `c`, less its whole turns.
static double angle_of(const struct store_case *c, uint32_t p, uint32_t pair)
{
    return TURN * ldexp((double)(p * fraction_of(c, pair)), -64);
}

// Quarter turns are to be exact.
static double exact_cos(const struct store_case *c, double angle)
{
    return c->cache != CACHE_F32 ? round(cos(angle)) : cos(angle);
}

void store_add_rotations(struct kernel_io *io)
{
    const struct store_case *c = (const void *)io->test;
    const uint32_t pairs = c->rope_size / 2 + (c->magnitude != 0);
    uint32_t *to = io_add(io, "rotations", ROLE_IN, pairs, 2)->before;
    for (uint32_t pair = 0; pair < c->rope_size / 2; pair++) {
        *to++ = (uint32_t)fraction_of(c, pair);
        *to++ = (uint32_t)(fraction_of(c, pair) >> 32);
    }
    if (c->magnitude != 0)
        *to = float_bits(c->magnitude);
}

// Distinct places of a sequence, near its ends and all over it.
void store_add_places(struct kernel_io *io, struct store_model *m)
{
    const struct store_case *c = (const void *)io->test;
    struct rng rng = io_rng(io, "places");
    const uint32_t start = c->placed ? rng_below(&rng, c->capacity) : c->first_token;
    const uint32_t step = c->placed ? MAX(c->capacity / MAX(c->tokens, 1), 1) : 1;
    for (uint32_t t = 0; t < c->tokens; t++) {
        m->position[t] = (c->compact ? t : start + t * step) % c->capacity;
        m->sequence[t] = c->sequences ? rng_below(&rng, c->sequences) : 0;
    }
    if (c->placed && c->tokens > 0)
        m->position[c->tokens - 1] = c->capacity - 1;
    for (uint32_t t = 0; c->placed && t + 1 < c->tokens; t++)
        if (m->position[t] == c->capacity - 1)
            m->position[t] = start ? start - 1 : 1;
    io_copy_places(io, c->placed, c->sequences != 0, c->tokens, m->position, m->sequence);
    if (c->wild) {
        m->sequence[0] = c->sequences - 1;
        ((uint32_t *)io_find(io, "sequences")->before)[0] = 0x80000000;
        ((uint32_t *)io_find(io, "positions")->before)[c->tokens - 1] = 0xffffffff;
    }
}

// ------------------------------------------------------------------------ reference

static void normalise(const float *norm, uint32_t count, double *x)
{
    double square = 0.0;
    for (uint32_t i = 0; i < count; i++)
        square += x[i] * x[i];
    for (uint32_t i = 0; i < count; i++)
        x[i] = x[i] / sqrt(square / count + STORE_EPSILON) * norm[i];
}

static void rotate(const struct store_case *c, uint32_t position, double *head)
{
    for (uint32_t pair = 0; c->rope != ROPE_NONE && pair < c->rope_size / 2; pair++) {
        double *a = &head[c->rope == ROPE_HALF ? pair : 2 * pair];
        double *b = &head[c->rope == ROPE_HALF ? pair + c->rope_size / 2 : 2 * pair + 1];
        const double angle = angle_of(c, position, pair), x = *a, y = *b;
        const double magnitude = c->magnitude ? c->magnitude : 1.0;
        const double cosine = magnitude * exact_cos(c, angle);
        const double sine = magnitude * exact_cos(c, angle - TURN / 4.0);
        *a = x * cosine - y * sine;
        *b = y * cosine + x * sine;
    }
}

static void clip(const struct store_case *c, uint32_t count, double *x)
{
    for (uint32_t i = 0; c->clip != 0.0f && i < count; i++)
        x[i] = isnan(x[i]) ? x[i] : fmax(-c->clip, fmin(x[i], c->clip));
}

// `heads` heads as they are after norm, clip and RoPE, or RoPE and norm.
static void finish(const struct store_case *c, const float *from, uint32_t heads, uint32_t mode,
    const float *norm, uint32_t position, double *to)
{
    const uint32_t d = c->head_size;
    for (uint32_t i = 0; i < heads * d; i++)
        to[i] = from[i];
    if (mode == HEAD_NORM_WIDE)
        normalise(norm, heads * d, to);
    for (uint32_t h = 0; mode == HEAD_NORM_EACH && h < heads; h++)
        normalise(norm, norm_size(c), to + h * d);
    clip(c, heads * d, to);
    for (uint32_t h = 0; h < heads; h++)
        rotate(c, position, to + h * d + c->latent);
    for (uint32_t h = 0; mode == HEAD_NORM_AFTER && h < heads; h++)
        normalise(norm, d, to + h * d);
}

// One head in its row of a cache, with zeros behind it.
static void expect_row(const struct store_case *c, const struct store_model *m, size_t row,
    const double *head, double *floats, uint32_t *words)
{
    const size_t rows = (size_t)MAX(c->sequences, 1) * c->kv_heads * c->capacity;
    float rounded[STORE_MAX_HEAD_SIZE];
    for (uint32_t i = 0; i < m->padded && !words; i++)
        floats[row * m->padded + i] = i >= c->head_size ? 0.0
            : isnan(head[i])                            ? (double)INFINITY // see kernel_operand.nan
                                                        : head[i];
    for (uint32_t i = 0; i < c->head_size; i++)
        rounded[i] = head[i] == 0.0 ? 0.0f : (float)head[i];
    if (words)
        cache_put_row(c->cache, c->head_size, rows, row, rounded, words);
}

static const float *floats_of(struct kernel_io *io, const char *name)
{
    const struct kernel_operand *operand = io_find(io, name);
    return operand ? operand->before : NULL;
}

// What queries at a position are multiplied by.
static double query_factor(const struct store_case *c, uint32_t position)
{
    const uint64_t counted = (uint64_t)position + (c->before ? 0 : 1);
    return 1.0 + c->temperature * log((double)(counted / MAX(c->floor, 1)) + 1.0);
}

// What RoPE turns comes from the projection, the rest stays but for the factor.
static void reference_latent_queries(struct kernel_io *io)
{
    const struct store_case *c = (const void *)io->test;
    const struct store_model *m = io->model;
    const uint32_t turned = c->head_size - c->latent;
    const float *raw = floats_of(io, "raw"), *before = floats_of(io, "query");
    double *query = io_expect_floats(io, "query");
    for (uint32_t i = 0; i < m->query_rows * c->heads; i++) {
        const uint32_t row = i / c->heads,
                       first = row * m->query_stride + i % c->heads * c->head_size;
        for (uint32_t n = 0; n < c->head_size; n++)
            query[first + n] = n < c->latent
                ? (double)before[first + n]
                : (double)raw[(i + 1) * c->query_size - turned + n - c->latent];
        rotate(c, m->position[row], query + first + c->latent);
        for (uint32_t n = 0; n < c->head_size; n++)
            query[first + n] *= query_factor(c, m->position[row]);
    }
    for (uint32_t row = 0; row + 1 < m->query_rows; row++)
        for (uint32_t n = 0; n < c->gap; n++)
            query[(row + 1) * m->query_stride - c->gap + n] =
                before[(row + 1) * m->query_stride - c->gap + n];
}

static void reference_queries(struct kernel_io *io)
{
    const struct store_case *c = (const void *)io->test;
    const struct store_model *m = io->model;
    const uint32_t width = c->heads * c->head_size;
    double *query = io_expect_floats(io, "query");
    for (uint32_t row = 0; row < m->query_rows; row++) {
        const uint32_t token = m->row_token[row];
        const size_t first = (size_t)row * m->query_stride;
        if (token != UINT32_MAX)
            finish(c, floats_of(io, "query") + first, c->heads, c->query_norm,
                floats_of(io, "query_norm"), m->position[token], query + first);
        for (uint32_t i = 0; token != UINT32_MAX && i < width; i++)
            query[first + i] *= query_factor(c, m->position[token]);
        for (uint32_t i = 0; token == UINT32_MAX && i < width; i++)
            query[first + i] = INFINITY;
    }
}

void store_reference(struct kernel_io *io)
{
    const struct store_case *c = (const void *)io->test;
    const struct store_model *m = io->model;
    const uint32_t d = c->head_size, width = c->kv_heads * d;
    if (c->latent)
        reference_latent_queries(io);
    else
        reference_queries(io);
    if (c->queries_only)
        return;
    const bool f32 = c->cache == CACHE_F32;
    double *key_floats = f32 ? io_expect_floats(io, "keys") : NULL;
    double *value_floats = f32 && !c->latent ? io_expect_floats(io, "values") : NULL;
    uint32_t *key_words = f32 ? NULL : io_expect_words(io, "keys");
    uint32_t *value_words = f32 || c->latent ? NULL : io_expect_words(io, "values");
    double *key = io_alloc(io, width, sizeof *key), *value = io_alloc(io, width, sizeof *value);
    float *ones = io_alloc(io, d, sizeof *ones);
    for (uint32_t i = 0; i < d; i++)
        ones[i] = 1.0f;
    for (uint32_t t = 0; t < key_rows(c, m); t++) {
        const float *kv = floats_of(io, "kv") + (size_t)t * kv_stride(c);
        const uint32_t token = c->compact ? m->row_token[t] : t;
        finish(c, kv, c->kv_heads, c->key_norm, floats_of(io, "key_norm"), m->position[token], key);
        const uint32_t size = c->value_size ? c->value_size : d;
        const float *values = kv + width;
        if (c->values_apart)
            values = floats_of(io, "apart") + (size_t)t * c->kv_heads * size;
        for (uint32_t i = 0; i < width && !c->latent; i++)
            value[i] = i % d < size ? values[i / d * size + i % d] : 0.0;
        for (uint32_t h = 0; c->value_norm && h < c->kv_heads; h++)
            normalise(ones, d, value + h * d);
        clip(c, width, value);
        for (uint32_t h = 0; h < c->kv_heads; h++) {
            const size_t row = c->compact
                ? t
                : ((size_t)m->sequence[t] * c->kv_heads + h) * c->capacity + m->position[t];
            expect_row(c, m, row, key + h * d, key_floats, key_words);
            if (!c->latent)
                expect_row(c, m, row, value + h * d, value_floats, value_words);
        }
    }
}

void store_set_spec(const struct store_case *c, uint32_t *spec)
{
    spec[STORE_HEAD_SIZE] = c->head_size;
    spec[STORE_ROWS] = c->rows;
    spec[STORE_CACHE] = c->cache;
    spec[STORE_ROPE] = c->rope;
    spec[STORE_ROPE_SIZE] = c->rope_size;
    spec[STORE_QUERY_NORM] = c->query_norm;
    spec[STORE_KEY_NORM] = c->key_norm;
    spec[STORE_HAS_POSITIONS] = c->placed;
    spec[STORE_HAS_SEQUENCES] = c->sequences != 0;
    spec[STORE_NORM_EPSILON] = float_bits(STORE_EPSILON);
    spec[STORE_CLIP] = float_bits(c->clip);
    spec[STORE_ROPE_SCALED] = c->magnitude != 0;
    spec[STORE_LATENT] = c->latent;
    spec[STORE_QUERY_SIZE] = c->query_size;
    spec[STORE_COMPACT] = c->compact;
    spec[STORE_VALUE_NORM] = c->value_norm;
    spec[STORE_TEMPERATURE] = float_bits(c->temperature);
    spec[STORE_FLOOR] = c->floor;
    spec[STORE_ITSELF] = !c->before;
}
