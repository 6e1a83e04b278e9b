// group_tokens.c - cases and reference of sorting pairs by expert.
#include "cases.h"

#include <string.h>

#include "shaders/group_tokens.h"

struct group_case {
    struct kernel_case base;
    uint32_t tokens, k, experts;
    enum ids_pattern pattern;
    uint32_t sequence_tokens, capacity; // capacity 0: no limit
    uint32_t tile_rows;                 // 0: 16
    uint32_t many, rest;                // bounds of a second class; 0: there is none
    bool shared;
    bool tight;          // no gaps where pairs are dropped
    uint32_t max_groups; // 0: 65535
};

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, slots, e) .tokens = t, .k = slots, .experts = e

static const struct group_case cases[] = {
    CASE("mixtral", .timed = true, .shapes = 7), SHAPE(160, 2, 8), .tile_rows = 64},
    CASE("mixtral-cpu", .shapes = 7), SHAPE(160, 2, 8)},
    CASE("qwen3-moe", .timed = true), SHAPE(96, 8, 128), .tile_rows = 8},
    CASE("deepseek-v3", .timed = true, .shapes = 7), SHAPE(65, 8, 256), .shared = true},
    CASE("qwen3-next"), SHAPE(33, 10, 512), .shared = true, .tile_rows = 64},
    CASE("qwen2-moe"), SHAPE(17, 4, 60), .shared = true, .tile_rows = 8},
    CASE("switch-base-8", .shapes = 7), SHAPE(64, 1, 8), .capacity = 8},
    CASE("switch-base-8-sequences", .shapes = 7), SHAPE(100, 1, 8), .capacity = 4,
        .sequence_tokens = 30},
    CASE("switch-many-sequences"), SHAPE(2048, 1, 8), .capacity = 1, .sequence_tokens = 2},
    CASE("switch-all-the-sequences", .thorough = true), SHAPE(65536, 1, 2), .capacity = 1,
        .sequence_tokens = 2},
    CASE("gshard-capacity", .shapes = 7), SHAPE(64, 2, 8), .capacity = 12},
    CASE("gshard-capacity-sequences", .shapes = 7), SHAPE(129, 2, 8), .capacity = 5,
        .sequence_tokens = 31},
    CASE("capacity-1-hot-expert"), SHAPE(33, 2, 8), .capacity = 1, .pattern = IDS_ONE_HOT},
    CASE("capacity-of-all"), SHAPE(33, 2, 4), .capacity = 33},
    CASE("capacity-and-dropped", .shapes = 7), SHAPE(65, 3, 6), .capacity = 4,
        .sequence_tokens = 13, .pattern = IDS_DROPPED},
    CASE("capacity-and-wild-ids"), SHAPE(65, 2, 6), .capacity = 4, .sequence_tokens = 20,
        .pattern = IDS_WILD},
    CASE("capacity-and-twice"), SHAPE(33, 3, 6), .capacity = 5, .pattern = IDS_TWICE},
    CASE("hot-expert", .shapes = 7), SHAPE(65, 2, 8), .pattern = IDS_ONE_HOT},
    CASE("odd-experts-empty", .shapes = 7), SHAPE(65, 2, 9), .pattern = IDS_EVEN},
    CASE("wild-ids", .shapes = 7), SHAPE(33, 2, 8), .pattern = IDS_WILD},
    CASE("twice-the-same", .shapes = 7), SHAPE(33, 2, 8), .pattern = IDS_TWICE},
    CASE("dropped", .shapes = 7), SHAPE(65, 2, 8), .pattern = IDS_DROPPED, .shared = true},
    CASE("dropped-tight", .shapes = 7), SHAPE(65, 3, 8), .pattern = IDS_DROPPED, .tight = true},
    CASE("everything-dropped"), SHAPE(9, 2, 8), .pattern = IDS_ALL_DROPPED},
    CASE("everything-dropped-shared"), SHAPE(9, 2, 8), .pattern = IDS_ALL_DROPPED,
        .shared = true},
    CASE("no-token"), SHAPE(0, 2, 8)},
    CASE("no-token-shared"), SHAPE(0, 2, 8), .shared = true},
    CASE("one-token", .shapes = 7), SHAPE(1, 2, 8)},
    CASE("one-expert", .shapes = 7), SHAPE(65, 1, 1)},
    CASE("one-of-each", .shapes = 7), SHAPE(1, 1, 1), .shared = true},
    CASE("tile-less-1", .shapes = 7), SHAPE(15, 1, 1), .shared = true},
    CASE("tile", .shapes = 7), SHAPE(16, 1, 1), .shared = true},
    CASE("tile-and-1", .shapes = 7), SHAPE(17, 1, 1), .shared = true},
    CASE("tiles-8-and-1"), SHAPE(9, 1, 2), .tile_rows = 8, .pattern = IDS_ONE_HOT},
    CASE("tiles-64-less-1"), SHAPE(63, 1, 2), .tile_rows = 64, .pattern = IDS_ONE_HOT},
    CASE("tiles-64-and-1"), SHAPE(65, 1, 2), .tile_rows = 64, .pattern = IDS_ONE_HOT},
    CASE("classes", .shapes = 7), SHAPE(65, 2, 8), .many = 17, .shared = true},
    CASE("classes-hot-expert", .shapes = 7), SHAPE(65, 2, 8), .many = 33, .pattern = IDS_ONE_HOT},
    CASE("classes-rest", .shapes = 7), SHAPE(96, 2, 8), .many = 33, .rest = 33,
        .pattern = IDS_ONE_HOT},
    CASE("classes-rest-less-1", .shapes = 7), SHAPE(97, 1, 1), .many = 49, .rest = 33},
    CASE("classes-no-rest"), SHAPE(128, 1, 1), .many = 49, .rest = 49},
    CASE("classes-none-has-many"), SHAPE(33, 2, 8), .many = 33, .shared = true},
    CASE("classes-all-have-many"), SHAPE(40, 5, 5), .many = 33, .shared = true},
    CASE("classes-less-1"), SHAPE(32, 3, 3), .many = 33},
    CASE("classes-empty-experts"), SHAPE(65, 2, 9), .many = 20, .pattern = IDS_EVEN},
    CASE("classes-capacity", .shapes = 7), SHAPE(129, 2, 8), .many = 9, .capacity = 5,
        .sequence_tokens = 31, .pattern = IDS_ONE_HOT},
    CASE("classes-dropped"), SHAPE(65, 2, 8), .many = 11, .pattern = IDS_DROPPED, .shared = true},
    CASE("classes-dropped-tight"), SHAPE(65, 3, 8), .many = 15, .pattern = IDS_DROPPED,
        .tight = true},
    CASE("classes-everything-dropped"), SHAPE(9, 2, 8), .many = 2, .pattern = IDS_ALL_DROPPED,
        .shared = true},
    CASE("classes-two-dimensions"), SHAPE(65, 2, 8), .many = 17, .shared = true, .max_groups = 7},
    CASE("classes-experts-512"), SHAPE(96, 8, 512), .many = 17, .pattern = IDS_ONE_HOT,
        .shared = true},
    CASE("dispatch-in-two-dimensions"), SHAPE(65, 2, 8), .shared = true, .max_groups = 7},
    CASE("experts-1024", .shapes = 6), SHAPE(40, 8, 1024), .shared = true},
    CASE("k-equals-experts", .shapes = 7), SHAPE(5, 33, 33)},
    CASE("pairs-131072-hot", .shapes = 2), SHAPE(65536, 2, 3), .tile_rows = 8,
        .pattern = IDS_ONE_HOT, .shared = true},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 64 }, { .lanes = 32 }, { .lanes = 8 } };

static bool fits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    const struct group_case *c = (const void *)test;
    (void)variant;
    // 8 lanes would need more iterations than lavapipe 22.3 allows.
    return shape->lanes > 8 || c->tokens * c->k < 4096;
}

// Tiles along the matrices; any numbers would do.
enum { UP_TILES = 5, DOWN_TILES = 3, SHARED_UP_TILES = 2, MANY_UP_TILES = 4, MANY_DOWN_TILES = 7 };
// Of the second class.
enum { MANY_TILE_ROWS = 64 };

struct group_model {
    struct routing routing;
    struct grouping grouping;
};

static uint32_t capacity_of(const struct group_case *c)
{
    return c->capacity ? c->capacity : UINT32_MAX;
}

static uint32_t sequence_of(const struct group_case *c)
{
    return c->sequence_tokens ? c->sequence_tokens : c->tokens;
}

static uint32_t tile_rows_of(const struct group_case *c)
{
    return c->tile_rows ? c->tile_rows : 16;
}

// Where the plan of the second class begins; words.
static uint32_t many_plan(const struct group_case *c, const struct routing *routing)
{
    return plan_room(routing, tile_rows_of(c));
}

static void fill(struct kernel_io *io)
{
    const struct group_case *c = (const void *)io->test;
    struct group_model *model = io->model = io_alloc(io, 1, sizeof *model);
    model->routing = io_add_routing(io, c->pattern, c->tokens, c->k, c->experts);
    io_find(io, "weights")->role = ROLE_IN_OUT;
    io_add(io, "rows", ROLE_OUT, c->tokens, c->k);
    io_add(io, "counts", ROLE_SCRATCH, 2, c->experts);
    io_add(io, "plan", ROLE_OUT, many_plan(c, &model->routing) * (c->many ? 2 : 1), 1);
    io_add(io, "counter", ROLE_IN, 1, 1);
}

static void expect_dispatch(uint32_t *plan, uint32_t groups, uint32_t max_groups)
{
    plan[0] = MIN(groups, max_groups);
    plan[1] = div_up(groups, max_groups);
    plan[2] = 1;
}

// A class of experts.
struct size {
    bool many, shared;
    uint32_t tile_rows, up_tiles, down_tiles;
};

// Moves the rows of each expert behind those of the one before.
static void close_gaps(const struct group_case *c, struct grouping *g)
{
    uint32_t used = 0;
    for (uint32_t e = 0; e < c->experts; e++) {
        memmove(g->rows + used, g->rows + g->first[e], g->count[e] * sizeof *g->rows);
        g->first[e] = used;
        used += g->count[e];
    }
    memset(g->rows + used, 0xff, (c->tokens * c->k - used) * sizeof *g->rows);
}

// Of an expert's rows those of the first class, which are the last.
static uint32_t few_of(const struct group_case *c, uint32_t rows)
{
    const uint32_t left = rows % MANY_TILE_ROWS;
    return !c->many || rows < c->many ? rows : left < c->rest ? left : 0;
}

static void expect_plan(struct kernel_io *io, const struct size *size, uint32_t *plan)
{
    const struct group_case *c = (const void *)io->test;
    const struct group_model *model = io->model;
    const uint32_t max_groups = c->max_groups ? c->max_groups : 65535;
    struct grouping g = model->grouping;
    g.first = io_alloc(io, c->experts, sizeof *g.first);
    g.count = io_alloc(io, c->experts, sizeof *g.count);
    for (uint32_t e = 0; e < c->experts; e++) {
        const uint32_t rows = model->grouping.count[e], few = few_of(c, rows);
        g.first[e] = model->grouping.first[e] + (size->many ? 0 : rows - few);
        g.count[e] = size->many ? rows - few : few;
    }
    make_plan(
        &model->routing, &g, size->tile_rows, size->shared && c->shared ? c->tokens : 0, plan);
    const uint32_t tiles = plan[PLAN_TILES], shared = plan[PLAN_SHARED_TILES];
    expect_dispatch(&plan[PLAN_UP], tiles * size->up_tiles + shared * SHARED_UP_TILES, max_groups);
    expect_dispatch(&plan[PLAN_DOWN], tiles * size->down_tiles, max_groups);
}

static void reference(struct kernel_io *io)
{
    const struct group_case *c = (const void *)io->test;
    struct group_model *model = io->model;
    struct routing *routing = &model->routing;
    uint32_t *weights = io_expect_words(io, "weights"), *plan = io_expect_words(io, "plan");
    uint32_t *rows = io_expect_words(io, "rows");

    model->grouping = group_pairs(io, routing, sequence_of(c), capacity_of(c));
    if (c->tight)
        close_gaps(c, &model->grouping);
    for (uint32_t pair = 0; pair < c->tokens * c->k; pair++)
        weights[pair] = float_bits(routing->dropped[pair] ? -0.0f : routing->weights[pair]);
    memcpy(rows, model->grouping.rows, (size_t)c->tokens * c->k * sizeof *rows);
    expect_plan(io, &(struct size){ false, !c->many, tile_rows_of(c), UP_TILES, DOWN_TILES }, plan);
    if (c->many)
        expect_plan(io,
            &(struct size){ true, true, MANY_TILE_ROWS, MANY_UP_TILES, MANY_DOWN_TILES },
            plan + many_plan(c, routing));
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct group_case *c = (const void *)io->test;
    const struct group_model *model = io->model;
    SET_PUSH(io, group_tokens, .tokens = c->tokens, .k = c->k, .experts = c->experts,
        .sequence_tokens = c->capacity ? sequence_of(c) : c->tokens, .capacity = capacity_of(c),
        .tile_rows = tile_rows_of(c), .up_row_tiles = UP_TILES, .down_row_tiles = DOWN_TILES,
        .many = c->many ? c->many : UINT32_MAX, .many_rest = c->rest,
        .many_plan = c->many ? many_plan(c, &model->routing) : 0, .many_tile_rows = MANY_TILE_ROWS,
        .many_up_row_tiles = MANY_UP_TILES, .many_down_row_tiles = MANY_DOWN_TILES,
        .shared_up_row_tiles = c->shared ? SHARED_UP_TILES : 0,
        .max_groups = c->max_groups ? c->max_groups : 65535,
        AT(ids) AT(weights) AT(rows) AT(counts) AT(plan) AT(counter));
    *d = (struct dispatch){
        .spec = { [GROUP_LANES] = io->shape.lanes, [GROUP_TIGHT] = c->tight },
        .groups = c->experts,
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct group_case *c = (const void *)test;
    return 3ull * c->tokens * c->k * 4;
}

MOVING_SUITE(group_tokens, fits, reference)
