// reorder.c - cases and reference of rows in the order of a matrix's columns. Every result is
// exact.
#include "cases.h"

#include "shaders/reorder.h"

enum order_by { BY_NOTHING, BY_PAIR, BY_SORTED };

struct reorder_case {
    struct kernel_case base;
    uint32_t tokens, k, experts; // by nothing: rows, 1, 1
    uint32_t columns, spare;     // spare: of x behind a row's columns
    enum order_by by;
    enum ids_pattern pattern;
};

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, slots, count, width) \
    .tokens = t, .k = slots, .experts = count, .columns = width

static const struct reorder_case cases[] = {
    CASE("projection", .timed = true, .shapes = 7, .everywhere = true), SHAPE(33, 1, 1, 128)},
    CASE("projection-of-heads", .shapes = 7), SHAPE(9, 1, 1, 96), .spare = 64},
    CASE("mixtral", .timed = true, .shapes = 7, .everywhere = true), SHAPE(40, 2, 8, 128),
        .by = BY_PAIR},
    CASE("mixtral-sorted", .timed = true, .shapes = 7, .everywhere = true), SHAPE(40, 2, 8, 128),
        .by = BY_SORTED},
    CASE("wild-ids", .shapes = 3), SHAPE(17, 4, 16, 64), .by = BY_PAIR, .pattern = IDS_WILD},
    CASE("wild-ids-sorted", .shapes = 3), SHAPE(17, 4, 16, 64), .by = BY_SORTED,
        .pattern = IDS_WILD},
    CASE("dropped", .shapes = 3), SHAPE(17, 4, 16, 64), .by = BY_PAIR, .pattern = IDS_DROPPED},
    CASE("dropped-sorted", .shapes = 7, .everywhere = true), SHAPE(17, 4, 16, 64),
        .by = BY_SORTED, .pattern = IDS_DROPPED},
    CASE("everything-dropped-sorted", .shapes = 1), SHAPE(5, 2, 8, 40), .by = BY_SORTED,
        .pattern = IDS_ALL_DROPPED},
    CASE("padded", .shapes = 7, .everywhere = true), SHAPE(9, 2, 4, 44), .by = BY_SORTED},
    CASE("padded-pairs", .shapes = 7), SHAPE(9, 2, 4, 33), .by = BY_PAIR},
    CASE("no-token", .shapes = 1), SHAPE(0, 1, 1, 64)},
    CASE("one-of-each", .shapes = 7), SHAPE(1, 1, 1, 1)},
    CASE("one-token", .shapes = 7), SHAPE(1, 8, 8, 64), .by = BY_PAIR},
    CASE("columns-7168", .shapes = 2), SHAPE(2, 2, 3, 7168), .by = BY_PAIR},
};
// clang-format on

static const struct kernel_shape shapes[] = {
    { .lanes = 64, .blocks = 4 },
    { .lanes = 8, .blocks = 1 },
    { .lanes = 32, .blocks = 8 },
};

struct reorder_model {
    struct routing routing;
    uint32_t *order;  // [experts][columns]
    uint32_t *sorted; // [row] pair, as the kernel is told
};

// Of a row of the result.
static uint32_t stride_of(const struct reorder_case *c)
{
    return c->by == BY_NOTHING ? c->columns : (uint32_t)align_up(c->columns, 8);
}

static uint32_t *add_words(struct kernel_io *io, const char *name, size_t rows, uint32_t columns)
{
    return io_add(io, name, ROLE_IN, rows, columns)->before;
}

static void shuffle(struct rng *rng, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t j = rng_below(rng, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

static void fill(struct kernel_io *io)
{
    const struct reorder_case *c = (const void *)io->test;
    struct reorder_model *model = io->model = io_alloc(io, 1, sizeof *model);
    const uint32_t pairs = c->tokens * c->k;
    struct rng rng = io_rng(io, "orders");
    io_add_floats(io, "x", c->by == BY_PAIR ? c->tokens : pairs, c->columns + c->spare, 1.0);
    model->order = add_words(io, "orders", c->experts, c->columns);
    for (uint32_t e = 0; e < c->experts; e++)
        shuffle(&rng, model->order + (size_t)e * c->columns, c->columns);
    if (c->by != BY_NOTHING)
        model->routing = io_add_routing(io, c->pattern, c->tokens, c->k, c->experts);
    if (c->by == BY_SORTED) {
        const struct grouping groups = group_pairs(io, &model->routing, c->tokens, UINT32_MAX);
        model->sorted = add_words(io, "sorted", pairs, 1);
        memcpy(model->sorted, groups.rows, pairs * sizeof *groups.rows);
    }
    io_add(io, "result", ROLE_OUT, pairs, stride_of(c));
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

static void reference(struct kernel_io *io)
{
    const struct reorder_case *c = (const void *)io->test;
    const struct reorder_model *model = io->model;
    const uint32_t pairs = c->tokens * c->k, stride = stride_of(c);
    const float *x = io_find(io, "x")->before;
    double *result = io_expect_floats(io, "result");
    for (uint32_t row = 0; row < pairs; row++) {
        const uint32_t pair = c->by == BY_SORTED ? MIN(model->sorted[row], pairs - 1) : row;
        const uint32_t expert = c->by == BY_NOTHING ? 0 : model->routing.expert[pair];
        const float *from =
            x + (size_t)(c->by == BY_PAIR ? row / c->k : row) * (c->columns + c->spare);
        for (uint32_t i = 0; i < stride; i++)
            result[(size_t)row * stride + i] =
                i < c->columns ? from[model->order[(size_t)expert * c->columns + i]] : 0.0;
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct reorder_case *c = (const void *)io->test;
    const struct kernel_shape *s = &io->shape;
    const uint32_t rows = c->tokens * c->k;
    SET_PUSH(io, reorder, .rows = rows, .sharing = c->by == BY_PAIR ? c->k : 1,
        .columns = c->columns, .x_stride = c->columns + c->spare, .stride = stride_of(c),
        .experts = c->experts, AT(x) AT(orders) AT(ids) AT(sorted) AT(result));
    *d = (struct dispatch){
        .spec = {
            [REORDER_LANES] = s->lanes,
            [REORDER_RUN] = s->blocks,
            [REORDER_BY_EXPERT] = c->by != BY_NOTHING,
            [REORDER_SORTED] = c->by == BY_SORTED,
        },
        .groups = div_up(rows * stride_of(c), s->lanes * s->blocks),
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct reorder_case *c = (const void *)test;
    return 12ull * c->tokens * c->k * c->columns;
}

MOVING_SUITE(reorder, NULL, reference)
