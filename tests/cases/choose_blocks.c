// choose_blocks.c - cases and reference of the choice of blocks. Means and queries are whole
// numbers, so that scores are exact: what they choose has to be exact too, ties included.
#include "cases.h"
#include "attention_constants.h"

#include <math.h>
#include <string.h>

#include "shaders/choose_blocks.h"
#include "shaders/plan.h"

struct choose_case {
    struct kernel_case base;
    uint32_t tokens, heads, kv_heads, head_size;
    uint32_t block, top, capacity, start;
    uint32_t stride;     // of lists; 0: top
    uint32_t rows;       // ROWS_*
    uint32_t k, experts; // with pairs; odd experts choose no blocks
    uint32_t tile_rows;
    uint32_t expert_kv; // kv heads of one expert; 0: all. Expert e's are the e-th on
    enum ids_pattern ids;
    bool tiled, placed;
    uint32_t sequences; // 0: no array of them
    enum { RANDOM, ALL_EQUAL, SOME_NAN } means;
};

enum { CPU = 1, GPU = 2 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, h, kv, d) .tokens = t, .heads = h, .kv_heads = kv, .head_size = d
#define BLOCKS(size, n, places) .block = size, .top = n, .capacity = places
#define BOTH .shapes = CPU | GPU
#define PAIRS(slots, e) .rows = ROWS_PAIRS, .k = slots, .experts = e
#define SORTED(slots, e, tile) .rows = ROWS_SORTED, .k = slots, .experts = e, .tile_rows = tile

static const struct choose_case cases[] = {
    CASE("moba", .timed = true, BOTH, .everywhere = true), SHAPE(19, 4, 2, 64),
        BLOCKS(8, 3, 200), .start = 60, .placed = true, .sequences = 2},
    CASE("moba-decode", .timed = true, BOTH), SHAPE(1, 4, 4, 64), BLOCKS(16, 3, 600), .start = 560},
    CASE("founding-sorted", BOTH), SHAPE(17, 4, 2, 32), BLOCKS(4, 8, 100), .start = 50,
        SORTED(2, 4, 8), .tiled = true, .placed = true, .sequences = 3},
    CASE("founding-pairs", BOTH), SHAPE(5, 4, 2, 32), BLOCKS(4, 8, 100), .start = 50,
        PAIRS(2, 4), .tiled = true, .ids = IDS_WILD},
    CASE("moh-heads", BOTH), SHAPE(9, 1, 4, 32), BLOCKS(4, 3, 100), .start = 50,
        SORTED(3, 4, 16), .expert_kv = 1, .ids = IDS_DROPPED},
    CASE("first-blocks", BOTH), SHAPE(30, 2, 2, 32), BLOCKS(4, 3, 32)},
    CASE("top-1", BOTH), SHAPE(9, 2, 2, 32), BLOCKS(4, 1, 64), .start = 20},
    CASE("top-more-than-blocks", BOTH), SHAPE(9, 2, 2, 32), BLOCKS(4, 64, 64), .start = 20},
    CASE("stride-beyond-top", BOTH), SHAPE(9, 2, 2, 32), BLOCKS(4, 2, 64), .start = 20,
        .stride = 5},
    CASE("block-1", BOTH), SHAPE(3, 2, 1, 32), BLOCKS(1, 7, 300), .start = 290},
    CASE("all-equal", BOTH), SHAPE(9, 2, 2, 32), BLOCKS(4, 4, 300), .start = 280,
        .means = ALL_EQUAL},
    CASE("some-nan", BOTH), SHAPE(9, 2, 2, 32), BLOCKS(4, 9, 64), .start = 40,
        .means = SOME_NAN},
    CASE("head-1", BOTH), SHAPE(5, 3, 3, 1), BLOCKS(4, 3, 64), .start = 40},
    CASE("head-33", BOTH), SHAPE(5, 3, 3, 33), BLOCKS(5, 3, 64), .start = 40},
    CASE("most-blocks", .shapes = CPU, .thorough = true), SHAPE(1, 1, 1, 8),
        BLOCKS(1, 64, 2048), .start = 2047},
    CASE("most-products", .shapes = CPU), SHAPE(1, 1, 1, 256),
        BLOCKS(1, 64, 2048), .start = 2047},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64 }, { .lanes = 32 } };

struct choose_model {
    struct routing routing;
    uint32_t row_count, tiles;
    uint32_t *row_token, *row_expert; // token ~0: nobody's
    uint32_t *position, *sequence;
    const float *query, *means;
};

static void add_rows(struct kernel_io *io, struct choose_model *m)
{
    const struct choose_case *c = (const void *)io->test;
    m->row_token = io_alloc(io, m->row_count, sizeof *m->row_token);
    m->row_expert = io_alloc(io, m->row_count, sizeof *m->row_expert);
    m->tiles = m->row_count;
    if (c->rows != ROWS_TOKENS)
        m->routing = io_add_routing(io, c->ids, c->tokens, c->k, c->experts);
    for (uint32_t row = 0; row < m->row_count; row++) {
        m->row_token[row] = c->rows == ROWS_TOKENS ? row : row / c->k;
        m->row_expert[row] = c->rows == ROWS_TOKENS ? 0 : m->routing.expert[row];
    }
    if (c->rows != ROWS_SORTED)
        return;
    const struct grouping g = group_pairs(io, &m->routing, c->tokens, UINT32_MAX);
    uint32_t *plan = io_alloc(io, plan_room(&m->routing, c->tile_rows), sizeof *plan);
    const uint32_t words = make_plan(&m->routing, &g, c->tile_rows, 0, plan);
    memcpy(io_add(io, "plan", ROLE_IN, words, 1)->before, plan, words * sizeof *plan);
    memcpy(
        io_add(io, "rows", ROLE_IN, m->row_count, 1)->before, g.rows, m->row_count * sizeof *plan);
    m->tiles = (m->row_count / c->tile_rows + MIN(c->experts, m->row_count)) * c->tile_rows;
    for (uint32_t row = 0; row < m->row_count; row++) {
        const uint32_t pair = g.rows[row];
        m->row_token[row] = pair == UINT32_MAX ? UINT32_MAX : pair / c->k;
        m->row_expert[row] = pair == UINT32_MAX ? 0 : m->routing.expert[pair];
    }
}

static void add_patterns(struct kernel_io *io)
{
    const struct choose_case *c = (const void *)io->test;
    const uint32_t experts = MAX(c->experts, 1);
    uint32_t *to = io_add(io, "patterns", ROLE_IN, experts, PATTERN_WORDS)->before;
    memset(to, 0, experts * PATTERN_WORDS * sizeof *to);
    for (uint32_t e = 0; e < experts; e++, to += PATTERN_WORDS) {
        to[PATTERN_KIND] = e % 2 ? PATTERN_WINDOW : PATTERN_BLOCKS;
        to[PATTERN_BLOCK] = c->block;
        to[PATTERN_TOP] = e % 2 ? 0 : c->top;
        to[PATTERN_KV_HEAD] = c->expert_kv ? e % (c->kv_heads - c->expert_kv + 1) : 0;
    }
}

static float *add_whole_numbers(
    struct kernel_io *io, const char *name, size_t rows, uint32_t columns)
{
    struct rng rng = io_rng(io, name);
    float *x = io_add(io, name, ROLE_IN, rows, columns)->before;
    for (size_t i = 0; i < rows * columns; i++)
        x[i] = (float)rng_below(&rng, 5) - 2.0f;
    return x;
}

static void fill(struct kernel_io *io)
{
    const struct choose_case *c = (const void *)io->test;
    struct choose_model *m = io->model = io_alloc(io, 1, sizeof *m);
    const uint32_t sequences = MAX(c->sequences, 1), padded = (uint32_t)align_up(c->head_size, 8);
    const uint32_t blocks = div_up(c->capacity, c->block);
    m->row_count = c->tokens * (c->rows == ROWS_TOKENS ? 1 : c->k);
    io_add_turns(io, c->placed, c->sequences, c->tokens, c->start, &m->position, &m->sequence);
    add_rows(io, m);
    add_patterns(io);
    m->query = add_whole_numbers(io, "query", m->row_count, c->heads * c->head_size);
    float *means = add_whole_numbers(io, "means", (size_t)sequences * c->kv_heads * blocks, padded);
    m->means = means;
    for (size_t i = 0; i < (size_t)sequences * c->kv_heads * blocks * padded; i++) {
        if (c->means == ALL_EQUAL)
            means[i] = 1.0f;
        else if (c->means == SOME_NAN && i / padded % 3 == 1)
            means[i] = NAN;
        if (i % padded >= c->head_size)
            means[i] = 0.0f;
    }
    io_add(
        io, "choices", ROLE_OUT, (size_t)m->row_count * c->heads, c->stride ? c->stride : c->top);
    io_add_attention_constants(io);
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

// One list: the own block, then the best of those before it.
static void choose(const struct kernel_io *io, uint32_t row, uint32_t head, uint32_t *list)
{
    const struct choose_case *c = (const void *)io->test;
    const struct choose_model *m = io->model;
    const uint32_t padded = (uint32_t)align_up(c->head_size, 8);
    const uint32_t blocks = div_up(c->capacity, c->block);
    const uint32_t used = c->expert_kv ? c->expert_kv : c->kv_heads;
    const uint32_t first = c->expert_kv ? m->row_expert[row] % (c->kv_heads - used + 1) : 0;
    const uint32_t kv = first + (c->tiled ? head % used : head / (c->heads / used));
    const uint32_t token = m->row_token[row], own = m->position[token] / c->block;
    const float *query = m->query + ((size_t)row * c->heads + head) * c->head_size;
    const float *means =
        m->means + ((size_t)m->sequence[token] * c->kv_heads + kv) * blocks * padded;
    list[0] = own;
    for (uint32_t n = 1; n < c->top; n++) {
        double best = -INFINITY;
        for (uint32_t b = 0; b < own; b++) {
            double score = 0.0;
            bool taken = false;
            for (uint32_t i = 0; i < c->head_size; i++)
                score += (double)query[i] * means[(size_t)b * padded + i];
            for (uint32_t i = 1; i < n; i++)
                taken = taken || list[i] == b;
            if (!taken && score > best) {
                best = score;
                list[n] = b;
            }
        }
    }
}

static void reference(struct kernel_io *io)
{
    const struct choose_case *c = (const void *)io->test;
    const struct choose_model *m = io->model;
    const uint32_t stride = c->stride ? c->stride : c->top;
    // ~0 is what stays where nothing is written, and what is written where nothing is chosen.
    uint32_t *choices = io_expect_words(io, "choices");
    for (uint32_t row = 0; row < m->row_count; row++) {
        for (uint32_t head = 0; head < c->heads; head++) {
            if (m->row_token[row] != UINT32_MAX && m->row_expert[row] % 2 == 0)
                choose(io, row, head, choices + ((size_t)row * c->heads + head) * stride);
        }
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct choose_case *c = (const void *)io->test;
    const struct choose_model *m = io->model;
    SET_PUSH(io, choose_blocks,
        .constants = io_fill_attention_constants(io,
            attention_numbers(c->heads, c->kv_heads, c->experts, c->k, c->heads * c->head_size)),
        .rows = io_address(io, c->rows == ROWS_PAIRS ? "ids" : "rows"), .row_count = m->row_count,
        .capacity = c->capacity, .sequence_count = MAX(c->sequences, 1), .first_token = c->start,
        .tile_rows = c->tile_rows,
        AT(query) AT(means) AT(choices) AT(plan) AT(positions) AT(sequences));
    *d = (struct dispatch){
        .spec = {
            [CHOOSE_LANES] = io->shape.lanes,
            [CHOOSE_HEAD_SIZE] = c->head_size,
            [CHOOSE_MODE] = c->rows,
            [CHOOSE_TILED_KV] = c->tiled,
            [CHOOSE_EXPERT_KV_HEADS] = c->expert_kv,
            HAS_PLACES(CHOOSE, c),
            [CHOOSE_BLOCK] = c->block,
            [CHOOSE_BLOCKS] = div_up(c->capacity, c->block),
            [CHOOSE_TOP] = c->stride ? c->stride : c->top,
        },
        .groups = m->tiles * c->heads,
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct choose_case *c = (const void *)test;
    const uint64_t rows = (uint64_t)c->tokens * MAX(c->k, 1) * c->heads;
    return rows * (c->head_size + c->top) * 4
        + (uint64_t)c->kv_heads * (c->start / c->block) * c->head_size * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct choose_case *c = (const void *)test;
    return 2ull * c->tokens * MAX(c->k, 1) * c->heads * (c->start / c->block) * c->head_size;
}

KERNEL_SUITE(choose_blocks, NULL, reference)
