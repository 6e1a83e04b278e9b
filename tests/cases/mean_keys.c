// mean_keys.c - cases and reference of the mean keys of blocks. What the cache has not been
// given yet is NaN, and so is the rest of the means.
#include "attention_constants.h"
#include "cache_rows.h"
#include "cases.h"

#include <math.h>
#include <string.h>

#include "shaders/mean_keys.h"

struct mean_case {
    struct kernel_case base;
    uint32_t tokens, kv_heads, head_size, block, capacity;
    uint32_t stride;    // 0: block
    uint32_t start;     // positions held before these tokens
    uint32_t sequences; // 0: no array of them
    bool placed;        // positions are given
    enum cache_type cache;
    bool wild; // the last token's place is out of range
};

enum { CPU = 1, GPU = 2 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, h, d, b, places) \
    .tokens = t, .kv_heads = h, .head_size = d, .block = b, .capacity = places
#define BOTH .shapes = CPU | GPU

static const struct mean_case cases[] = {
    CASE("moba", .timed = true, BOTH, .everywhere = true), SHAPE(70, 2, 64, 16, 96), .placed = true,
        .sequences = 2},
    CASE("moba-f16", .timed = true, BOTH), SHAPE(40, 2, 64, 16, 64), .placed = true,
        .cache = CACHE_F16},
    CASE("decode-completes", BOTH), SHAPE(1, 4, 32, 8, 64), .start = 15},
    CASE("decode-does-not", BOTH), SHAPE(1, 4, 32, 8, 64), .start = 14},
    CASE("no-token", .shapes = CPU), SHAPE(0, 4, 32, 8, 64)},
    CASE("moba-q8_0", .shapes = GPU), SHAPE(40, 2, 64, 16, 64), .placed = true,
        .cache = CACHE_Q8_0},
    CASE("head-7-q8_0", .shapes = CPU, .everywhere = true), SHAPE(9, 2, 7, 3, 12),
        .cache = CACHE_Q8_0},
    CASE("block-1", BOTH), SHAPE(5, 1, 32, 1, 9), .start = 3},
    CASE("block-5-of-33", BOTH), SHAPE(29, 3, 33, 5, 33), .start = 4, .placed = true,
        .sequences = 1},
    CASE("block-past-capacity", BOTH), SHAPE(9, 1, 32, 100, 16), .placed = true},
    CASE("last-block-not-whole", BOTH), SHAPE(10, 1, 8, 4, 10)},
    CASE("head-1-f16", BOTH), SHAPE(9, 2, 1, 3, 12), .cache = CACHE_F16},
    CASE("head-7-f16", BOTH), SHAPE(9, 2, 7, 3, 12), .cache = CACHE_F16},
    CASE("head-256", BOTH), SHAPE(5, 1, 256, 2, 6)},
    CASE("moba-of-a-million", .shapes = CPU), SHAPE(1, 1, 256, 4096, 4096), .start = 4095},
    CASE("nsa", BOTH), SHAPE(40, 2, 33, 8, 64), .stride = 4, .start = 9, .placed = true,
        .sequences = 2},
    CASE("stride-1-f16", BOTH), SHAPE(20, 1, 7, 5, 30), .stride = 1, .start = 3,
        .cache = CACHE_F16},
    CASE("wild-place", BOTH), SHAPE(5, 2, 32, 4, 16), .placed = true, .sequences = 3, .wild = true},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64 }, { .lanes = 32 } };

static uint32_t stride_of(const struct mean_case *c)
{
    return c->stride ? c->stride : c->block;
}

struct mean_model {
    uint32_t *position, *sequence; // [tokens], in range
    float *keys;                   // [sequences][kv heads][capacity][padded]
};

static void add_places(struct kernel_io *io)
{
    const struct mean_case *c = (const void *)io->test;
    struct mean_model *m = io->model;
    const uint32_t sequences = MAX(c->sequences, 1);
    uint32_t *positions = io_add_places(io, "positions", c->placed, c->tokens);
    uint32_t *given = io_add_places(io, "sequences", c->sequences != 0, c->tokens);
    for (uint32_t t = 0; t < c->tokens; t++) {
        m->sequence[t] = t % sequences;
        m->position[t] = c->start + t / sequences;
        if (c->wild && t == c->tokens - 1) {
            m->sequence[t] = sequences - 1;
            m->position[t] = c->capacity - 1;
        }
        if (positions)
            positions[t] = c->wild && t == c->tokens - 1 ? 0x80000000 : m->position[t];
        if (given)
            given[t] = c->wild && t == c->tokens - 1 ? 0xffffffff : m->sequence[t];
    }
}

static void fill(struct kernel_io *io)
{
    const struct mean_case *c = (const void *)io->test;
    struct mean_model *m = io->model = io_alloc(io, 1, sizeof *m);
    const uint32_t streams = MAX(c->sequences, 1) * c->kv_heads;
    const uint32_t padded = (uint32_t)align_up(c->head_size, 8);
    m->position = io_alloc(io, c->tokens, sizeof *m->position);
    m->sequence = io_alloc(io, c->tokens, sizeof *m->sequence);
    add_places(io);
    struct rng rng = io_rng(io, "keys");
    const size_t rows = (size_t)streams * c->capacity;
    m->keys = io_alloc(io, rows * padded, sizeof *m->keys);
    uint32_t *cache =
        io_add(io, "keys", ROLE_IN, rows, cache_row_words(c->cache, c->head_size))->before;
    for (size_t row = 0; row < rows; row++) {
        float *key = m->keys + row * padded;
        for (uint32_t i = 0; i < c->head_size; i++)
            key[i] = (float)rng_normal(&rng);
        cache_put_row(c->cache, c->head_size, rows, row, key, cache);
        cache_get_row(c->cache, c->head_size, rows, row, cache, key);
    }
    io_add(io, "means", ROLE_OUT, (size_t)streams * div_up(c->capacity, stride_of(c)), padded);
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

static void reference(struct kernel_io *io)
{
    const struct mean_case *c = (const void *)io->test;
    const struct mean_model *m = io->model;
    const uint32_t padded = (uint32_t)align_up(c->head_size, 8);
    double *means = io_expect_floats(io, "means");
    for (uint32_t t = 0; t < c->tokens; t++) {
        const uint32_t stride = stride_of(c), end = m->position[t] + 1;
        if (end < c->block || (end - c->block) % stride)
            continue;
        const uint32_t first = end - c->block;
        for (uint32_t h = 0; h < c->kv_heads; h++) {
            const size_t stream = (size_t)m->sequence[t] * c->kv_heads + h;
            const float *key = m->keys + (stream * c->capacity + first) * padded;
            double *to = means + (stream * div_up(c->capacity, stride) + first / stride) * padded;
            for (uint32_t i = 0; i < padded; i++) {
                to[i] = 0.0;
                for (uint32_t n = 0; n < c->block; n++)
                    to[i] += key[(size_t)n * padded + i] / (double)c->block;
            }
        }
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct mean_case *c = (const void *)io->test;
    SET_PUSH(io, mean_keys, .tokens = c->tokens, .kv_heads = c->kv_heads, .capacity = c->capacity,
        .sequence_count = MAX(c->sequences, 1), .first_token = c->start,
        AT(keys) AT(means) AT(positions) AT(sequences));
    *d = (struct dispatch){
        .spec = {
            [MEAN_LANES] = io->shape.lanes,
            [MEAN_HEAD_SIZE] = c->head_size,
            [MEAN_CACHE] = c->cache,
            HAS_PLACES(MEAN, c),
            [MEAN_BLOCK] = c->block,
            [MEAN_STRIDE] = stride_of(c),
        },
        .groups = c->tokens * c->kv_heads,
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct mean_case *c = (const void *)test;
    return (uint64_t)c->tokens * c->kv_heads * c->head_size * (4 >> c->cache);
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct mean_case *c = (const void *)test;
    return (uint64_t)c->tokens * c->kv_heads * c->head_size;
}

KERNEL_SUITE(mean_keys, NULL, reference)
