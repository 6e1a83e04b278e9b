// decode_heads.c - cases and reference of queries, keys and values of few tokens: store_kv's
// reference, of what is projected. A cache of f16 or q8_0 is compared bit by bit, so that x chooses
// a column of the matrix for those.
#include "attention_constants.h"
#include "cache_rows.h"
#include "decode.h"
#include "store_reference.h"

#include <math.h>

#include "shaders/decode_heads.h"

struct heads_case {
    struct store_case store;
    uint32_t hidden;
    enum vkmoe_dtype dtype;
    bool norm, biased;
    bool chosen;  // x of token t is 1 at t and 0 elsewhere
    bool kv_only; // the matrix has keys and values alone
};

// A case a row.
// clang-format off
#define CASE(...) {.store = {.base = {__VA_ARGS__}
#define SHAPE(t, h, kv, d) .tokens = t, .heads = h, .kv_heads = kv, .head_size = d
#define PLACED(n, places) .placed = true, .sequences = n, .capacity = places
#define ROPE(way, size) .rope = ROPE_##way, .rope_size = size
#define NORMS .query_norm = HEAD_NORM_EACH, .key_norm = HEAD_NORM_EACH
#define OF(columns, type) .hidden = columns, .dtype = VKMOE_DTYPE_##type

static const struct heads_case cases[] = {
    CASE("qwen3", .timed = true, .shapes = GPU_1 | CPU_1, EVERYWHERE), SHAPE(1, 4, 2, 128),
        ROPE(HALF, 128), PLACED(2, 33), NORMS}, OF(64, F32), .norm = true},
    CASE("hunyuan", .shapes = GPU_4 | CPU_8), SHAPE(11, 4, 1, 64), ROPE(HALF, 64), PLACED(3, 40),
        .query_norm = HEAD_NORM_AFTER, .key_norm = HEAD_NORM_AFTER}, OF(72, F32), .norm = true},
    CASE("biased", .shapes = GPU_1 | CPU_1), SHAPE(3, 2, 2, 32), ROPE(INTERLEAVED, 16),
        .capacity = 40, .first_token = 7, .clip = 1.0f, .value_norm = true}, OF(45, F32),
        .biased = true},
    CASE("llama4", .shapes = GPU_1), SHAPE(2, 5, 1, 96), PLACED(2, 40), .temperature = 0.75f,
        .floor = 9}, OF(64, F16)},
    CASE("dbrx", .shapes = GPU_4 | CPU_8), SHAPE(5, 6, 1, 64), ROPE(HALF, 64), PLACED(2, 33),
        .clip = 0.5f}, OF(64, BF16)},
    CASE("kv-only", .shapes = GPU_1 | CPU_1), SHAPE(2, 4, 2, 32), ROPE(HALF, 32), PLACED(2, 33),
        NORMS}, OF(64, BF16), .norm = true, .kv_only = true},
    CASE("cache-f16", .shapes = GPU_1 | CPU_1), SHAPE(3, 2, 1, 64), ROPE(HALF, 64), PLACED(2, 33),
        .cache = CACHE_F16}, OF(64, F16), .chosen = true},
    CASE("cache-q8_0", .shapes = GPU_1), SHAPE(3, 2, 1, 64), PLACED(2, 33), .cache = CACHE_Q8_0},
        OF(64, F32), .chosen = true},
    CASE("no-token", .shapes = GPU_1), SHAPE(0, 4, 2, 128), ROPE(HALF, 128), PLACED(2, 33), NORMS},
        OF(64, F32), .norm = true},
    // ------------------------------------------------------------------------- formats
    CASE("q8-0", .shapes = GPU_1), SHAPE(2, 2, 1, 64), ROPE(HALF, 64), PLACED(2, 33)},
        OF(256, Q8_0), .norm = true},
    CASE("q4-k", .shapes = GPU_1 | COLUMNS_1), SHAPE(2, 2, 1, 64), ROPE(HALF, 64), PLACED(2, 33)},
        OF(512, Q4_K), .norm = true},
    CASE("mxfp4", .shapes = GPU_1), SHAPE(2, 2, 1, 64), ROPE(HALF, 64), PLACED(2, 33)},
        OF(256, MXFP4)},
};
// clang-format on

struct heads_model {
    struct store_model store;
    struct linear matrix;
    float *x, *raw;
};

static uint32_t width(const struct heads_case *c)
{
    return c->store.heads * c->store.head_size;
}

// Of a row of y.
static uint32_t row_size(const struct heads_case *c)
{
    return kv_stride(&c->store) + (c->kv_only ? 0 : width(c));
}

static double scale_of(const struct heads_case *c, const struct heads_model *m, uint32_t token)
{
    double squares = 0.0;
    for (uint32_t i = 0; c->norm && i < c->hidden; i++)
        squares += pow(m->raw[(size_t)token * c->hidden + i], 2);
    return c->norm ? 1.0 / sqrt(squares / c->hidden + DECODE_TEST_EPSILON) : 1.0;
}

// What store_kv would be given.
static void add_projected(struct kernel_io *io)
{
    const struct heads_case *c = (const void *)io->test;
    const struct heads_model *m = io->model;
    const uint32_t queries = width(c), kv = kv_stride(&c->store),
                   left_out = c->kv_only ? queries : 0;
    float *query = io_add_floats(io, "query", c->store.tokens, queries, 1.0);
    float *rows = io_add_floats(io, "kv", c->store.tokens, kv, 1.0);
    for (uint32_t t = 0; t < c->store.tokens; t++) {
        for (uint32_t i = left_out; i < queries + kv; i++) {
            float *to =
                i < queries ? query + (size_t)t * queries + i : rows + (size_t)t * kv + i - queries;
            *to = (float)linear_row(
                &m->matrix, 0, 0, i - left_out, m->x + (size_t)t * c->hidden, scale_of(c, m, t));
        }
    }
}

static void fill(struct kernel_io *io)
{
    const struct heads_case *c = (const void *)io->test;
    const struct store_case *s = &c->store;
    struct heads_model *m = io->model = io_alloc(io, 1, sizeof *m);
    m->store.query_rows = s->tokens;
    m->store.query_stride = width(c);
    m->store.padded = (uint32_t)align_up(s->head_size, 8);
    m->store.row_token = io_alloc(io, s->tokens, sizeof *m->store.row_token);
    m->store.position = io_alloc(io, s->tokens, sizeof *m->store.position);
    m->store.sequence = io_alloc(io, s->tokens, sizeof *m->store.sequence);
    for (uint32_t t = 0; t < s->tokens; t++)
        m->store.row_token[t] = t;
    store_add_places(io, &m->store);
    m->x = io_add_floats(io, "x", s->tokens, c->hidden, 1.0);
    for (uint32_t i = 0; c->chosen && i < s->tokens * c->hidden; i++)
        m->x[i] = i % c->hidden == i / c->hidden ? 1.0f : 0.0f;
    if (c->norm)
        m->raw = io_add_floats(io, "raw", s->tokens, c->hidden, 2.0);
    m->matrix = io_add_linear(
        io, "matrix", c->biased ? "bias" : NULL, 1, row_size(c), c->hidden, false, c->dtype);
    io_add_table(io, 0);
    add_projected(io);
    io_add(io, "y", ROLE_OUT, s->tokens, row_size(c));
    const size_t rows = (size_t)MAX(s->sequences, 1) * s->kv_heads * s->capacity;
    io_add(io, "keys", ROLE_OUT, rows, cache_row_words(s->cache, s->head_size));
    io_add(io, "values", ROLE_OUT, rows, cache_row_words(s->cache, s->head_size));
    if (s->rope != ROPE_NONE)
        store_add_rotations(io);
    if (s->query_norm)
        io_add_floats(io, "query_norm", 1, s->head_size, 1.0);
    if (s->key_norm)
        io_add_floats(io, "key_norm", 1, s->head_size, 1.0);
    const uint32_t tiles = div_up(s->tokens, io->shape.tokens);
    io_add(io, "counters", ROLE_IN, tiles * (s->heads + 2 * s->kv_heads), 1); // 0 again afterwards
    io_add_attention_constants(io);
}

static void reference(struct kernel_io *io)
{
    const struct heads_case *c = (const void *)io->test;
    const uint32_t queries = c->kv_only ? 0 : width(c);
    store_reference(io);
    double *y = io_expect_floats(io, "y");
    const double *finished = io_find(io, "query")->floats;
    for (uint32_t t = 0; t < c->store.tokens; t++)
        for (uint32_t i = 0; i < row_size(c); i++) // fresh keys and values are anything
            y[(size_t)t * row_size(c) + i] =
                i < queries ? finished[(size_t)t * queries + i] : INFINITY;
    io_find(io, "query")->floats = NULL;
    set_tolerance(io, "y");
    set_tolerance(io, "keys");
    set_tolerance(io, "values");
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct heads_case *c = (const void *)io->test;
    const struct store_case *store = &c->store;
    const struct heads_model *m = io->model;
    const struct kernel_shape *s = &io->shape;
    struct attention_constants numbers =
        attention_numbers(store->heads, store->kv_heads, 0, 0, row_size(c));
    numbers.kv_stride = row_size(c);
    io_fill_table(io, NULL, &m->matrix);
    SET_PUSH(io, decode_heads, .constants = io_fill_attention_constants(io, numbers),
        .tokens = store->tokens, .columns = c->hidden, .units = m->matrix.units,
        .row_tiles = row_size(c) / (8 * s->blocks), .first_head = c->kv_only ? store->heads : 0,
        .capacity = store->capacity, .sequence_count = MAX(store->sequences, 1),
        .first_token = store->first_token,
        AT(x) AT(raw) AT(table) AT(bias) AT(y) AT(keys) AT(values) AT(positions) AT(sequences)
            AT(rotations) AT(counters));
    const struct decode_heads_push *push = (const void *)io->push;
    *d = (struct dispatch){
        .spec = {
            [DECODE_LANES] = s->lanes,
            [DECODE_BLOCKS] = s->blocks,
            [DECODE_TYPE] = c->dtype,
            [DECODE_MIXED] = s->lanes < 256,
            [DECODE_UNROLL] = decode_unroll(io),
            [DECODE_TOGETHER] = s->together,
            [DECODE_TOKENS] = s->tokens,
            [DECODE_PACKED] = io_is_packed(io, io_find(io, "x"), 8),
            [DECODE_SHARED_BIAS] = c->biased,
            [DECODE_NORM] = c->norm,
            [DECODE_NORM_EPSILON] = float_bits(DECODE_TEST_EPSILON),
            [DECODE_HEADS_STORE + STORE_LANES] = MIN(s->lanes, 64),
        },
        .groups = div_up(store->tokens, s->tokens) * push->row_tiles,
    };
    store_set_spec(store, d->spec + DECODE_HEADS_STORE);
}

static bool suits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    const struct heads_case *c = (const void *)test;
    if (!(variant->formats >> c->dtype & 1) || shape->blocks > 4)
        return false;
    if (strstr(variant->form, "columns"))
        return shape->together == 1 && shape->lanes == 8 && shape->blocks == variant->tile.blocks;
    return !is_integer(variant)
        || (shape->lanes >= 32 * MAX(shape->slots, 1)
            && (!variant->tile.blocks || shape->together <= 2));
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct heads_case *c = (const void *)test;
    return format_bytes(c->dtype, (uint64_t)row_size(c) * c->hidden)
        + (uint64_t)c->store.tokens * (c->hidden + 2 * row_size(c)) * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct heads_case *c = (const void *)test;
    return 2ull * c->store.tokens * c->hidden * row_size(c);
}

KERNEL_SUITE(decode_heads, suits, reference)
