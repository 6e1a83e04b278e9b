// store_kv.c - cases and reference of what finishes queries and keys and fills the cache.
//
// A cache of f16 or q8_0 is compared bit by bit, so its cases have no norm, and rotations by
// quarter turns; those of f16 keep to what f16 holds.
#include "cases.h"
#include "attention_constants.h"
#include "cache_rows.h"
#include "store_reference.h"

#include <math.h>
#include <string.h>

#include "shaders/store_kv.h"

enum { CPU = 1, GPU = 2, ODD = 4, ALL = 7 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, h, kv, d) .tokens = t, .heads = h, .kv_heads = kv, .head_size = d
#define BOTH .shapes = CPU | GPU
#define EVERYWHERE .everywhere = true
#define ROPE(way, size) .rope = ROPE_##way, .rope_size = size
#define PAIRS(slots) .rows = ROWS_PAIRS, .k = slots
#define SORTED(slots) .rows = ROWS_SORTED, .k = slots
#define PLACED(n, places) .placed = true, .sequences = n, .capacity = places

static const struct store_case cases[] = {
    // ------------------------------------------------------------- whom it is made for
    CASE("mixtral", .timed = true, BOTH, EVERYWHERE), SHAPE(9, 8, 2, 128), ROPE(HALF, 128),
        PLACED(2, 300)},
    CASE("mixtral-f16", .timed = true, BOTH, EVERYWHERE), SHAPE(9, 8, 2, 128), ROPE(HALF, 128),
        PLACED(2, 300), .cache = CACHE_F16},
    CASE("mixtral-no-positions", BOTH), SHAPE(9, 8, 2, 128), ROPE(HALF, 128), .capacity = 300,
        .first_token = 250},
    CASE("jetmoe-pairs", BOTH), SHAPE(3, 4, 4, 32), ROPE(HALF, 32), PLACED(3, 40), PAIRS(2)},
    CASE("jetmoe-sorted", BOTH), SHAPE(11, 4, 4, 32), ROPE(HALF, 32), PLACED(3, 40), SORTED(2)},
    CASE("jetmoe-sorted-dropped", BOTH), SHAPE(11, 4, 4, 32), ROPE(HALF, 32), PLACED(3, 40),
        SORTED(2), .dropped = true},
    CASE("mosa", BOTH), SHAPE(9, 1, 1, 20), ROPE(HALF, 8), SORTED(3), .capacity = 3, .gap = 4,
        .compact = true},
    CASE("gpt-oss", BOTH), SHAPE(5, 16, 2, 64), ROPE(HALF, 64), PLACED(1, 70),
        .magnitude = 1.34657359f},
    CASE("qwen3", ALL), SHAPE(5, 8, 2, 64), ROPE(HALF, 64), PLACED(2, 33),
        .query_norm = HEAD_NORM_EACH, .key_norm = HEAD_NORM_EACH},
    CASE("olmoe", ALL), SHAPE(5, 4, 4, 32), ROPE(HALF, 32), PLACED(2, 33),
        .query_norm = HEAD_NORM_WIDE, .key_norm = HEAD_NORM_WIDE, .clip = 1.0f},
    CASE("hunyuan", ALL, EVERYWHERE), SHAPE(5, 8, 2, 64), ROPE(HALF, 64), PLACED(2, 33),
        .query_norm = HEAD_NORM_AFTER, .key_norm = HEAD_NORM_AFTER},
    CASE("norm-after-partial", BOTH), SHAPE(5, 3, 1, 33), ROPE(INTERLEAVED, 10), PLACED(2, 33),
        .query_norm = HEAD_NORM_AFTER, .key_norm = HEAD_NORM_AFTER, .magnitude = 3.0f},
    CASE("norm-after-unturned", .shapes = CPU), SHAPE(5, 3, 1, 33), PLACED(2, 33),
        .query_norm = HEAD_NORM_AFTER},
    CASE("dbrx-clip", BOTH), SHAPE(5, 6, 2, 64), ROPE(HALF, 64), PLACED(2, 33), .clip = 0.5f},
    CASE("deepseek-interleaved", BOTH), SHAPE(5, 4, 1, 64), ROPE(INTERLEAVED, 64),
        PLACED(2, 33)},
    CASE("glm-partial-interleaved", BOTH), SHAPE(5, 4, 2, 64), ROPE(INTERLEAVED, 32),
        PLACED(2, 33)},
    CASE("deepseek-latent", .timed = true, BOTH, EVERYWHERE), SHAPE(5, 16, 1, 576),
        ROPE(INTERLEAVED, 64), PLACED(2, 33), .key_norm = HEAD_NORM_EACH, .latent = 512,
        .query_size = 192},
    CASE("latent-f16", BOTH), SHAPE(5, 3, 1, 40), ROPE(HALF, 8), PLACED(2, 33), .latent = 32,
        .query_size = 24, .cache = CACHE_F16},
    CASE("latent-odd", ALL), SHAPE(5, 5, 1, 39), ROPE(HALF, 6), PLACED(2, 33),
        .key_norm = HEAD_NORM_EACH, .latent = 33, .query_size = 7, .gap = 2},
    CASE("latent-wide", BOTH), SHAPE(3, 2, 1, 36), ROPE(INTERLEAVED, 4), PLACED(1, 33),
        .key_norm = HEAD_NORM_EACH, .latent = 32, .query_size = 100, .magnitude = 1.25f},
    CASE("latent-unturned", BOTH), SHAPE(3, 2, 1, 36), PLACED(1, 33), .latent = 32,
        .query_size = 9},
    CASE("llama4", BOTH), SHAPE(7, 5, 1, 64), PLACED(2, 40), .temperature = 0.75f, .floor = 9},
    CASE("llama4-far", BOTH), SHAPE(9, 3, 1, 64), PLACED(1, 0x80000000), .queries_only = true,
        .temperature = 0.1f, .floor = 8192},
    CASE("mistral4", BOTH), SHAPE(7, 3, 1, 40), ROPE(INTERLEAVED, 8), PLACED(2, 40), .latent = 32,
        .query_size = 24, .temperature = 0.75f, .floor = 9, .before = true},
    CASE("mistral4-unturned", ALL), SHAPE(7, 3, 1, 32), PLACED(2, 40), .latent = 32,
        .query_size = 24, .temperature = 0.75f, .floor = 9},
    CASE("gemma4", ALL), SHAPE(5, 4, 2, 512), ROPE(HALF, 512), PLACED(2, 33), .value_norm = true,
        .query_norm = HEAD_NORM_EACH, .key_norm = HEAD_NORM_EACH},
    CASE("gemma4-odd", ALL), SHAPE(5, 3, 3, 33), PLACED(2, 33), .value_norm = true},
    CASE("mimo", ALL, EVERYWHERE), SHAPE(5, 8, 2, 192), ROPE(HALF, 64), PLACED(2, 33),
        .value_size = 128},
    CASE("short-values-f16", BOTH), SHAPE(5, 3, 3, 40), ROPE(HALF, 8), PLACED(2, 33),
        .value_size = 13, .cache = CACHE_F16},
    CASE("short-values-apart", BOTH), SHAPE(5, 4, 2, 33), PLACED(2, 33), .value_size = 20,
        .values_apart = true, .clip = 0.75f},
    CASE("short-values-q8_0", .shapes = GPU), SHAPE(5, 2, 2, 72), ROPE(HALF, 72), PLACED(2, 33),
        .value_size = 40, .cache = CACHE_Q8_0},
    CASE("phi-partial", .shapes = CPU), SHAPE(5, 4, 4, 80), ROPE(HALF, 32), PLACED(2, 33)},
    CASE("gemma", .shapes = GPU), SHAPE(3, 4, 2, 256), ROPE(HALF, 256), PLACED(2, 33)},
    CASE("nothing-to-do", .shapes = CPU), SHAPE(5, 4, 2, 64), PLACED(2, 33)},

    // ----------------------------------------------------------------------- ugly ones
    CASE("one-of-each", BOTH, EVERYWHERE), SHAPE(1, 1, 1, 1), .capacity = 1},
    CASE("head-1", BOTH, EVERYWHERE), SHAPE(5, 3, 3, 1), .capacity = 6},
    CASE("head-1-f16", BOTH), SHAPE(5, 3, 3, 1), .capacity = 6, .cache = CACHE_F16},
    CASE("head-2-far", .shapes = CPU | ODD, EVERYWHERE), SHAPE(9, 2, 1, 2), ROPE(HALF, 2),
        PLACED(2, 40000)},
    CASE("far-queries", BOTH, EVERYWHERE), SHAPE(9, 4, 1, 64), ROPE(HALF, 64),
        PLACED(1, 0x80000000), .queries_only = true},
    CASE("many-queries", .shapes = GPU), SHAPE(2115, 31, 1, 1), .capacity = 2115,
        .queries_only = true}, // an odd number of workgroups, in two rows
    CASE("far-queries-interleaved", .shapes = CPU), SHAPE(300, 1, 1, 32), ROPE(INTERLEAVED, 32),
        PLACED(1, (1 << 20) + 7), .queries_only = true, .magnitude = 1.25f},
    CASE("head-7", .shapes = ALL), SHAPE(5, 3, 1, 7), ROPE(INTERLEAVED, 6), PLACED(2, 33),
        .query_norm = HEAD_NORM_EACH},
    CASE("head-7-f16", .shapes = CPU), SHAPE(5, 3, 1, 7), ROPE(INTERLEAVED, 6), PLACED(2, 33),
        .cache = CACHE_F16, .clip = 0.5f},
    CASE("head-33", .shapes = CPU | ODD), SHAPE(5, 3, 3, 33), ROPE(HALF, 2), PLACED(2, 33),
        .key_norm = HEAD_NORM_EACH},
    CASE("head-33-f16", .shapes = GPU), SHAPE(5, 3, 3, 33), ROPE(HALF, 2), PLACED(2, 33),
        .cache = CACHE_F16},
    CASE("mixtral-q8_0", .timed = true, BOTH), SHAPE(9, 8, 2, 128), ROPE(HALF, 128),
        PLACED(2, 300), .cache = CACHE_Q8_0},
    CASE("head-64-q8_0", .shapes = CPU, EVERYWHERE), SHAPE(99, 3, 3, 64), PLACED(1, 120),
        .cache = CACHE_Q8_0},
    CASE("head-7-q8_0", .shapes = CPU), SHAPE(35, 3, 1, 7), ROPE(INTERLEAVED, 6), PLACED(2, 40),
        .cache = CACHE_Q8_0},
    CASE("head-72-q8_0-clip", .shapes = GPU), SHAPE(5, 2, 2, 72), ROPE(HALF, 72), PLACED(2, 33),
        .cache = CACHE_Q8_0, .clip = 1.0f},
    CASE("latent-q8_0", .shapes = GPU), SHAPE(5, 3, 1, 104), ROPE(HALF, 8), PLACED(2, 33),
        .latent = 96, .query_size = 24, .cache = CACHE_Q8_0},
    CASE("broken-q8_0", .shapes = GPU), SHAPE(5, 2, 2, 96), PLACED(1, 33), .cache = CACHE_Q8_0,
        .broken = true},
    CASE("broken-q8_0-clip", .shapes = GPU), SHAPE(5, 2, 2, 96), PLACED(1, 33),
        .cache = CACHE_Q8_0, .broken = true, .clip = 0.5f},
    CASE("broken-clip", BOTH), SHAPE(5, 2, 2, 96), ROPE(HALF, 96), PLACED(1, 33), .broken = true,
        .clip = 0.5f}, // infinities become numbers, and what is NaN stays so
    CASE("head-80-wide", .shapes = GPU), SHAPE(3, 3, 1, 80), ROPE(INTERLEAVED, 80),
        PLACED(2, 33), .query_norm = HEAD_NORM_WIDE, .key_norm = HEAD_NORM_EACH, .clip = 0.75f},

    // ----------------------------------------------------- with the pipelines of others
    CASE("no-token", .shapes = CPU), SHAPE(0, 8, 2, 128), ROPE(HALF, 128), PLACED(2, 300)},
    CASE("one-token", BOTH), SHAPE(1, 16, 2, 64), ROPE(HALF, 64), PLACED(1, 70)},
    CASE("gap", BOTH), SHAPE(5, 3, 3, 64), ROPE(HALF, 64), PLACED(3, 70), .gap = 3},
    CASE("wild-places", BOTH), SHAPE(5, 3, 3, 64), ROPE(HALF, 64), PLACED(3, 70),
        .wild = true},
    CASE("more-sequences-than-tokens", BOTH), SHAPE(2, 3, 3, 64), ROPE(HALF, 64),
        PLACED(7, 9)},
    CASE("pairs-of-one-token", BOTH), SHAPE(1, 4, 4, 32), ROPE(HALF, 32), PLACED(1, 40),
        PAIRS(5)},
    CASE("sorted-gap", BOTH), SHAPE(5, 3, 1, 32), ROPE(HALF, 32), PLACED(1, 40), SORTED(3),
        .gap = 1, .dropped = true},
};
// clang-format on

// `blocks`: heads that a workgroup does, one after the other; 0: all.
static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64, .blocks = 1 },
    { .lanes = 32, .blocks = 2 } };

// ------------------------------------------------------------------------- operands

// Every row of queries its token, in some order.
static void add_rows(struct kernel_io *io, struct store_model *m)
{
    const struct store_case *c = (const void *)io->test;
    struct rng rng = io_rng(io, "rows");
    uint32_t *pairs = io_alloc(io, m->query_rows, sizeof *pairs);
    for (uint32_t row = 0; row < m->query_rows; row++) {
        const uint32_t other = rng_below(&rng, row + 1);
        pairs[row] = pairs[other];
        pairs[other] = row;
    }
    for (uint32_t row = 0; row < m->query_rows; row++) {
        const bool nobody = c->dropped && row % 4 == 3;
        if (nobody)
            pairs[row] = UINT32_MAX;
        const uint32_t pair = c->rows == ROWS_SORTED ? pairs[row] : row;
        m->row_token[row] = nobody ? UINT32_MAX : c->rows == ROWS_TOKENS ? row : pair / c->k;
    }
    if (c->rows == ROWS_SORTED)
        memcpy(io_add(io, "rows", ROLE_IN, m->query_rows, 1)->before, pairs,
            m->query_rows * sizeof *pairs);
}

// To what f16 holds, and nothing that a device may flush to zero.
static void round_floats(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = fabsf(x[i]) < 0.001f ? 0.5f : (float)round_to_f16(x[i]);
}

// What blocks of q8_0 have to be rounded rightly for: magnitudes of which scales are infinite,
// usual, less than normal in f16, and zero; halves between two bytes; blocks without a scale.
static void vary_blocks(struct kernel_io *io, float *x, size_t count)
{
    static const int exponents[] = { 0, -7, -9, -13, -16, -19, -40, -120, 12, 21, 24, 60 };
    struct rng rng = io_rng(io, "blocks");
    for (size_t first = 0; first < count; first += 32) {
        const uint32_t way = rng_below(&rng, 16);
        for (size_t i = first; i < MIN(count, first + 32); i++) {
            const float half = (float)(i % 32) - 16.5f;
            x[i] = way < ARRAY_SIZE(exponents) ? ldexpf(x[i], exponents[way])
                : way == 12                    ? 0.0f
                : way == 13                    ? -x[first]
                                               : ldexpf(i % 32 ? half : 127.0f, (int)way - 20);
        }
    }
}

static void add_keys(struct kernel_io *io, const struct store_model *m)
{
    const struct store_case *c = (const void *)io->test;
    const uint32_t kv_columns = kv_stride(c);
    const size_t count = (size_t)key_rows(c, m) * kv_columns;
    float *kv = io_add_floats(io, "kv", key_rows(c, m), kv_columns, 1.0);
    if (c->cache == CACHE_F16)
        round_floats(kv, count);
    if (c->cache == CACHE_Q8_0)
        vary_blocks(io, kv, count);
    for (size_t i = 7; c->broken && i < count; i += 50)
        kv[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? -INFINITY : INFINITY;
    const size_t cache_rows =
        c->compact ? m->query_rows : (size_t)MAX(c->sequences, 1) * c->kv_heads * c->capacity;
    const uint32_t words = cache_row_words(c->cache, c->head_size);
    io_add(io, "keys", ROLE_OUT, cache_rows, words)->nan = c->broken;
    if (!c->latent)
        io_add(io, "values", ROLE_OUT, cache_rows, words)->nan = c->broken;
    if (c->values_apart)
        io_add_floats(io, "apart", c->tokens, c->kv_heads * c->value_size, 1.0);
}

static void fill(struct kernel_io *io)
{
    const struct store_case *c = (const void *)io->test;
    struct store_model *m = io->model = io_alloc(io, 1, sizeof *m);
    m->query_rows = c->tokens * (c->rows == ROWS_TOKENS ? 1 : c->k);
    m->query_stride = c->heads * c->head_size + c->gap;
    m->padded = (uint32_t)align_up(c->head_size, 8);
    m->row_token = io_alloc(io, m->query_rows, sizeof *m->row_token);
    m->position = io_alloc(io, c->tokens, sizeof *m->position);
    m->sequence = io_alloc(io, c->tokens, sizeof *m->sequence);
    store_add_places(io, m);
    add_rows(io, m);

    io_add_floats(io, "query", m->query_rows, m->query_stride, 1.0);
    io_find(io, "query")->role = ROLE_IN_OUT;
    io_leave_queries(io, m->query_rows, c->heads * c->head_size, m->row_token);
    if (!c->queries_only)
        add_keys(io, m);
    if (c->latent)
        io_add_floats(io, "raw", m->query_rows, c->heads * c->query_size, 1.0);
    if (c->rope != ROPE_NONE)
        store_add_rotations(io);
    if (c->query_norm)
        io_add_floats(
            io, "query_norm", c->query_norm == HEAD_NORM_WIDE ? c->heads : 1, c->head_size, 1.0);
    if (c->key_norm)
        io_add_floats(
            io, "key_norm", c->key_norm == HEAD_NORM_WIDE ? c->kv_heads : 1, norm_size(c), 1.0);
    io_add_attention_constants(io);
    memset(io_add(io, "dummy", ROLE_IN, 1, 64)->before, 0x3f, 64 * 4); // no key would leave it so
}

// ------------------------------------------------------------------------- dispatch

static uint32_t groups_of(const struct kernel_io *io, uint32_t heads)
{
    return io->shape.blocks ? div_up(heads, io->shape.blocks) : 1;
}

static void dispatch(struct kernel_io *io, struct dispatch *dispatch)
{
    const struct store_case *c = (const void *)io->test;
    const struct store_model *m = io->model;
    struct attention_constants numbers =
        attention_numbers(c->heads, c->kv_heads, 0, c->k, m->query_stride);
    numbers.kv_stride = kv_stride(c);
    const uint64_t value = c->latent ? io_address(io, "raw")
        : c->values_apart            ? io_address(io, "apart")
                                     : io_address(io, "kv") + 4 * c->kv_heads * c->head_size;
    SET_PUSH(io, store_kv, .constants = io_fill_attention_constants(io, numbers),
        .key = io_address(io, "kv"), .value = value, .tokens = c->tokens,
        .query_rows = m->query_rows, .stored = c->queries_only ? 0 : key_rows(c, m),
        .capacity = c->capacity, .sequence_count = MAX(c->sequences, 1),
        .first_token = c->first_token,
        AT(query) AT(keys) AT(values) AT(rows) AT(positions) AT(sequences) AT(rotations));
    const struct store_kv_push *push = (const void *)io->push;
    *dispatch = (struct dispatch){
        .spec = {
            [STORE_LANES] = io->shape.lanes,
            [STORE_QUERY_GROUPS] =
                c->query_norm == HEAD_NORM_WIDE ? 1 : groups_of(io, c->heads),
            [STORE_KV_GROUPS] = groups_of(io, c->kv_heads),
        },
    };
    store_set_spec(c, dispatch->spec);
    dispatch->spec[STORE_VALUE_SIZE] = c->value_size;
    dispatch->spec[STORE_VALUE_STRIDE] = c->values_apart ? c->kv_heads * c->value_size : 0;
    dispatch->groups = STORE_GROUPS(dispatch->spec, *push);
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct store_case *c = (const void *)test;
    const uint64_t rows = c->rows == ROWS_TOKENS ? 1 : c->k;
    const uint64_t cached = 2ull * c->kv_heads * align_up(c->head_size, 8) * (4 >> c->cache);
    return c->tokens
        * (rows * 2 * c->heads * c->head_size * 4 + 2ull * c->kv_heads * c->head_size * 4 + cached);
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct store_case *c = (const void *)test;
    const uint64_t rows = c->rows == ROWS_TOKENS ? 1 : c->k;
    return c->tokens * (rows * c->heads + c->kv_heads) * 3 * c->rope_size;
}

KERNEL_SUITE(store_kv, NULL, store_reference)
