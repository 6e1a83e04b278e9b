// attend_compressed.c - cases and reference of attention over means, and of the blocks that are
// chosen by it. Means that no query may see are NaN.
#include "attention_constants.h"
#include "cases.h"

#include <math.h>
#include <string.h>

#include "shaders/attend_compressed.h"

struct compressed_case {
    struct kernel_case base;
    uint32_t tokens, heads, kv_heads, head_size;
    uint32_t size, stride, block; // positions of a mean, and of a block; 0: as `size`
    uint32_t top, first, local;   // blocks; local 0: 1
    uint32_t capacity, start;
    uint32_t sequences; // 0: no array of them
    uint32_t gap;       // columns between two rows of queries
    bool tiled, placed;
    bool equal; // all means: then the lowest blocks are chosen
};

enum { CPU = 1, GPU = 2 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, h, kv, d) .tokens = t, .heads = h, .kv_heads = kv, .head_size = d
#define MEANS(n, between, places) .size = n, .stride = between, .capacity = places
#define BOTH .shapes = CPU | GPU

static const struct compressed_case cases[] = {
    CASE("nsa", .timed = true, BOTH, .everywhere = true), SHAPE(19, 4, 2, 64), MEANS(8, 0, 200),
        .top = 4, .start = 60, .placed = true, .sequences = 2, .gap = 256},
    CASE("nsa-decode", .timed = true, .shapes = GPU), SHAPE(1, 16, 1, 64), MEANS(32, 16, 2048),
        .block = 64, .top = 16, .first = 1, .local = 2, .start = 2000},
    CASE("no-token", .shapes = CPU), SHAPE(0, 4, 2, 64), MEANS(8, 0, 64), .top = 4},
    CASE("from-nothing-on", .shapes = CPU), SHAPE(30, 4, 2, 32), MEANS(8, 4, 30), .top = 4},
    CASE("tiled", .shapes = GPU), SHAPE(9, 6, 2, 33), MEANS(4, 2, 64), .block = 8, .top = 3,
        .start = 40, .tiled = true},
    CASE("means-longer-than-blocks", .shapes = CPU), SHAPE(9, 2, 1, 32), MEANS(12, 4, 100),
        .block = 4, .top = 5, .start = 70},
    CASE("stride-1", BOTH, .thorough = true), SHAPE(5, 2, 2, 32), MEANS(3, 1, 64), .block = 2,
        .top = 6, .start = 50},
    CASE("forced-alone", .shapes = CPU), SHAPE(5, 2, 2, 32), MEANS(4, 0, 64), .top = 4, .first = 2,
        .local = 2, .start = 40},
    CASE("top-more-than-blocks", BOTH, .thorough = true), SHAPE(9, 2, 2, 32), MEANS(4, 0, 64),
        .top = 64, .start = 20},
    CASE("all-equal", .shapes = CPU), SHAPE(4, 2, 2, 32), MEANS(4, 0, 300), .top = 6, .start = 280,
        .equal = true},
    CASE("head-1", BOTH, .thorough = true), SHAPE(5, 3, 3, 1), MEANS(4, 2, 64), .top = 3,
        .start = 40},
    CASE("head-256", .shapes = CPU, .thorough = true), SHAPE(2, 2, 1, 256), MEANS(4, 0, 64),
        .top = 3, .start = 40},
    CASE("most-scores", .shapes = CPU, .thorough = true), SHAPE(1, 2, 1, 8), MEANS(1, 0, 1536),
        .top = 64, .start = 1535},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64 }, { .lanes = 32 } };

// The case's numbers, with what they are by default, and what is made of them.
struct compressed_model {
    uint32_t stride, block, local, held, blocks, padded;
    uint32_t *position, *sequence;
    const float *query, *keys, *values;
};

static uint32_t count_means(const struct compressed_case *c, uint32_t stride, uint32_t position)
{
    return position + 1 < c->size ? 0 : (position + 1 - c->size) / stride + 1;
}

// Of keys, or of values.
static const float *add_means(struct kernel_io *io, const char *name)
{
    const struct compressed_case *c = (const void *)io->test;
    const struct compressed_model *m = io->model;
    const uint32_t sequences = MAX(c->sequences, 1);
    const size_t rows = (size_t)sequences * c->kv_heads * m->held;
    float *means = io_add_floats(io, name, rows, m->padded, 1.0);
    for (size_t i = 0; i < rows * m->padded; i++) {
        const uint32_t sequence = (uint32_t)(i / m->padded / m->held / c->kv_heads);
        uint32_t seen = 0;
        for (uint32_t t = 0; t < c->tokens; t++)
            if (m->sequence[t] == sequence)
                seen = MAX(seen, count_means(c, m->stride, m->position[t]));
        if (i / m->padded % m->held >= seen)
            means[i] = NAN;
        else if (i % m->padded >= c->head_size)
            means[i] = 0.0f;
        else if (c->equal)
            means[i] = 1.0f;
    }
    return means;
}

static void fill(struct kernel_io *io)
{
    const struct compressed_case *c = (const void *)io->test;
    struct compressed_model *m = io->model = io_alloc(io, 1, sizeof *m);
    m->stride = c->stride ? c->stride : c->size;
    m->block = c->block ? c->block : c->size;
    m->local = MAX(c->local, 1);
    m->held = div_up(c->capacity, m->stride);
    m->blocks = div_up(c->capacity, m->block);
    m->padded = (uint32_t)align_up(c->head_size, 8);
    io_add_turns(io, c->placed, c->sequences, c->tokens, c->start, &m->position, &m->sequence);
    m->query = io_add_floats(io, "query", c->tokens, c->heads * c->head_size + c->gap, 1.0);
    m->keys = add_means(io, "mean_keys");
    m->values = add_means(io, "mean_values");
    io_add(io, "result", ROLE_OUT, (size_t)c->tokens * c->heads, c->head_size);
    io_add(io, "copy", ROLE_OUT, (size_t)c->tokens * c->heads, c->head_size);
    io_add(io, "choices", ROLE_OUT, (size_t)c->tokens * c->heads, c->top);
    io_add_attention_constants(io);
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

// One head of a token: its result, and what it adds to the scores of `blocks` blocks.
static void attend(const struct kernel_io *io, uint32_t token, uint32_t head, uint32_t kv_head,
    uint32_t blocks, double *scores, double *result)
{
    const struct compressed_case *c = (const void *)io->test;
    const struct compressed_model *m = io->model;
    const uint32_t count = count_means(c, m->stride, m->position[token]);
    const size_t first = ((size_t)m->sequence[token] * c->kv_heads + kv_head) * m->held;
    const float *query =
        m->query + (size_t)token * (c->heads * c->head_size + c->gap) + head * c->head_size;
    double sum = 0.0, weights[2048];
    for (uint32_t pass = 0; pass < 2; pass++) { // the second with the sum of the first
        for (uint32_t i = 0; i < count; i++) {
            double s = 0.0;
            for (uint32_t n = 0; n < c->head_size; n++)
                s += (double)query[n] * m->keys[(first + i) * m->padded + n];
            weights[i] = pass ? weights[i] / sum : exp(s / sqrt(c->head_size));
            sum += pass ? 0.0 : weights[i];
        }
    }
    for (uint32_t n = 0; n < c->head_size; n++) {
        result[n] = 0.0;
        for (uint32_t i = 0; i < count; i++)
            result[n] += weights[i] * m->values[(first + i) * m->padded + n];
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t p = i * m->stride; p < i * m->stride + c->size; p += m->stride)
            if (p / m->block < blocks)
                scores[p / m->block] += weights[i];
    }
}

static void choose(const struct compressed_case *c, const struct compressed_model *m,
    uint32_t blocks, double *scores, uint32_t *list)
{
    for (uint32_t b = 0; b < blocks; b++)
        scores[b] = b < c->first || b + m->local >= blocks ? INFINITY : scores[b];
    for (uint32_t n = 0; n < MIN(c->top, blocks); n++) {
        uint32_t best = 0;
        for (uint32_t b = 1; b < blocks; b++)
            best = scores[b] > scores[best] * (1 + 1e-9) ? b : best;
        scores[best] = -1.0;
        list[n] = best;
    }
}

static void reference(struct kernel_io *io)
{
    const struct compressed_case *c = (const void *)io->test;
    const struct compressed_model *m = io->model;
    const uint32_t sharing = c->heads / c->kv_heads, width = c->heads * c->head_size;
    double *result = io_expect_floats(io, "result"), *copy = io_expect_floats(io, "copy");
    uint32_t *choices = io_expect_words(io, "choices");
    for (uint32_t t = 0; t < c->tokens; t++) {
        const uint32_t blocks = m->position[t] / m->block + 1;
        for (uint32_t kv = 0; kv < c->kv_heads; kv++) {
            double scores[2048] = { 0 };
            uint32_t list[64];
            memset(list, 0xff, sizeof list);
            for (uint32_t n = 0; n < sharing; n++) {
                const uint32_t h = c->tiled ? n * c->kv_heads + kv : kv * sharing + n;
                const size_t at = (size_t)t * width + h * c->head_size;
                attend(io, t, h, kv, blocks, scores, result + at);
                for (uint32_t i = 0; i < c->head_size; i++)
                    copy[at + i] = m->query[(size_t)t * (width + c->gap) + h * c->head_size + i];
            }
            choose(c, m, blocks, scores, list);
            for (uint32_t n = 0; n < sharing; n++) {
                const uint32_t h = c->tiled ? n * c->kv_heads + kv : kv * sharing + n;
                memcpy(choices + ((size_t)t * c->heads + h) * c->top, list, c->top * sizeof *list);
            }
        }
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct compressed_case *c = (const void *)io->test;
    const struct compressed_model *m = io->model;
    SET_PUSH(io, attend_compressed,
        .constants = io_fill_attention_constants(
            io, attention_numbers(c->heads, c->kv_heads, 1, 1, c->heads * c->head_size + c->gap)),
        .row_count = c->tokens, .capacity = c->capacity, .sequence_count = MAX(c->sequences, 1),
        .first_token = c->start,
        AT(query) AT(mean_keys) AT(mean_values) AT(result) AT(copy) AT(choices) AT(positions)
            AT(sequences));
    *d = (struct dispatch){
        // clang-format off
        .spec = { [COMPRESSED_LANES] = io->shape.lanes, [COMPRESSED_HEAD_SIZE] = c->head_size,
            [COMPRESSED_SCALE] = float_bits((float)(1.0 / sqrt(c->head_size))),
            [COMPRESSED_TILED_KV] = c->tiled, HAS_PLACES(COMPRESSED, c),
            [COMPRESSED_SIZE] = c->size,
            [COMPRESSED_STRIDE] = m->stride, [COMPRESSED_MEANS] = m->held,
            [COMPRESSED_BLOCK] = m->block, [COMPRESSED_BLOCKS] = m->blocks,
            [COMPRESSED_TOP] = c->top, [COMPRESSED_FIRST] = c->first,
            [COMPRESSED_LOCAL] = m->local },
        // clang-format on
        .groups = c->tokens * c->kv_heads,
    };
}

static uint64_t means_seen(const struct compressed_case *c)
{
    return (uint64_t)c->start / (c->stride ? c->stride : c->size);
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct compressed_case *c = (const void *)test;
    return (uint64_t)c->tokens * c->heads * (3 * c->head_size + c->top) * 4
        + 2 * c->kv_heads * means_seen(c) * c->head_size * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct compressed_case *c = (const void *)test;
    return 4ull * c->tokens * c->heads * means_seen(c) * c->head_size;
}

KERNEL_SUITE(attend_compressed, NULL, reference)
