// combine.c - cases and reference of the weighted sum.
#include "cases.h"

#include <math.h>

#include "shaders/combine.h"

struct combine_case {
    struct kernel_case base;
    uint32_t tokens, k, columns;
    enum ids_pattern pattern; // of what is dropped
    uint32_t unweighted;      // as COMBINE_UNWEIGHTED
    bool output_bias;
    uint32_t shared; // as COMBINE_SHARED
};

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, slots, width) .tokens = t, .k = slots, .columns = width

static const struct combine_case cases[] = {
    CASE("mixtral", .timed = true, .shapes = 31, .everywhere = true), SHAPE(40, 2, 128)},
    CASE("qwen3-moe", .timed = true, .shapes = 1), SHAPE(130, 8, 64)},
    CASE("switch-base-8", .shapes = 1), SHAPE(33, 1, 48), .pattern = IDS_DROPPED},
    CASE("gshard-dropped", .shapes = 31), SHAPE(33, 2, 33), .pattern = IDS_DROPPED},
    CASE("everything-dropped", .shapes = 1), SHAPE(9, 2, 33), .pattern = IDS_ALL_DROPPED},
    CASE("everything-dropped-shared", .shapes = 1), SHAPE(9, 2, 33), .shared = 1,
        .pattern = IDS_ALL_DROPPED},
    CASE("deepseek-v3", .timed = true, .shapes = 31, .everywhere = true),
        SHAPE(65, 8, 112), .shared = 1},
    CASE("qwen2-moe", .shapes = 31), SHAPE(17, 4, 64), .shared = 2},
    CASE("qwen2-moe-odd", .shapes = 9), SHAPE(17, 4, 65), .shared = 2, .pattern = IDS_DROPPED},
    CASE("llama4-scout", .shapes = 3), SHAPE(33, 1, 80), .unweighted = 1, .shared = 1},
    CASE("llama4-k2-dropped", .shapes = 1), SHAPE(33, 2, 20), .unweighted = 1,
        .pattern = IDS_DROPPED},
    CASE("nemotron-3-latent", .shapes = 3), SHAPE(9, 1, 33), .unweighted = 2, .shared = 2,
        .pattern = IDS_ALL_DROPPED},
    CASE("jetmoe", .shapes = 3), SHAPE(40, 2, 128), .output_bias = true},
    CASE("jetmoe-odd", .shapes = 31, .everywhere = true), SHAPE(7, 2, 45), .output_bias = true},
    CASE("bias-and-weighted-shared", .shapes = 3), SHAPE(5, 3, 31), .output_bias = true,
        .shared = 2, .pattern = IDS_DROPPED},
    CASE("no-token", .shapes = 1), SHAPE(0, 2, 64)},
    CASE("one-token", .shapes = 31), SHAPE(1, 2, 64)},
    CASE("one-column", .shapes = 31), SHAPE(3, 2, 1)},
    CASE("one-column-one-token", .shapes = 31), SHAPE(1, 1, 1)},
    CASE("columns-3", .shapes = 31), SHAPE(5, 2, 3)},
    CASE("columns-5", .shapes = 31), SHAPE(5, 2, 5)},
    CASE("columns-9", .shapes = 31), SHAPE(5, 2, 9)},
    CASE("columns-704", .shapes = 1), SHAPE(3, 6, 704)},
    CASE("k-64", .shapes = 1), SHAPE(3, 64, 17), .pattern = IDS_DROPPED},
};
// clang-format on

static const struct kernel_shape shapes[] = {
    { .lanes = 8, .blocks = 4 },
    { .lanes = 64, .blocks = 4 },
    { .lanes = 32, .blocks = 1 },
    { .lanes = 8, .blocks = 8 },
    { .lanes = 128, .blocks = 2 },
};

// Without weights nothing is.
static bool is_dropped(const struct kernel_io *io, uint32_t pair)
{
    const struct combine_case *c = (const void *)io->test;
    const struct routing *routing = io->model;
    return c->unweighted < 2 && routing->dropped[pair];
}

static void fill(struct kernel_io *io)
{
    const struct combine_case *c = (const void *)io->test;
    struct routing *routing = io->model = io_alloc(io, 1, sizeof *routing);
    *routing = io_add_routing(io, c->pattern, c->tokens, c->k, 64 + c->k);
    float *outputs = io_add_floats(io, "outputs", (size_t)c->tokens * c->k, c->columns, 1.0);
    for (uint32_t pair = 0; pair < c->tokens * c->k; pair++) // nobody has written these
        for (uint32_t i = 0; is_dropped(io, pair) && i < c->columns; i++)
            outputs[(size_t)pair * c->columns + i] = NAN;
    if (c->shared == 2)
        io_add_floats(io, "shared_weights", c->tokens, 1, 1.0);
    if (c->output_bias)
        io_add_floats(io, "output_bias", 1, c->columns, 1.0);
    if (c->shared) {
        io_add_floats(io, "y", c->tokens, c->columns, 1.0);
        io_find(io, "y")->role = ROLE_IN_OUT;
    } else {
        io_add(io, "y", ROLE_OUT, c->tokens, c->columns);
    }
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

static const float *floats(struct kernel_io *io, const char *name)
{
    return io_find(io, name)->before;
}

static void reference(struct kernel_io *io)
{
    const struct combine_case *c = (const void *)io->test;
    const struct routing *routing = io->model;
    const float *outputs = floats(io, "outputs"), *y_before = floats(io, "y");
    double *y = io_expect_floats(io, "y");
    for (uint32_t t = 0; t < c->tokens; t++) {
        for (uint32_t i = 0; i < c->columns; i++) {
            const size_t at = (size_t)t * c->columns + i;
            double sum = c->output_bias ? floats(io, "output_bias")[i] : 0.0;
            const double weight = c->shared == 2 ? floats(io, "shared_weights")[t] : 1.0;
            if (c->shared)
                sum += weight * y_before[at];
            for (uint32_t pair = t * c->k; pair < (t + 1) * c->k; pair++)
                if (!is_dropped(io, pair))
                    sum += (c->unweighted ? 1.0 : routing->weights[pair])
                        * (double)outputs[(size_t)pair * c->columns + i];
            y[at] = sum;
        }
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct combine_case *c = (const void *)io->test;
    const struct kernel_shape *s = &io->shape;
    SET_PUSH(io, combine, .tokens = c->tokens, .k = c->k, .columns = c->columns,
        .runs = div_up(c->columns, s->blocks),
        AT(outputs) AT(weights) AT(shared_weights) AT(output_bias) AT(y));
    const struct combine_push *push = (const void *)io->push;
    *d = (struct dispatch){
        .spec = {
            [COMBINE_LANES] = s->lanes,
            [COMBINE_UNWEIGHTED] = c->unweighted,
            [COMBINE_SHARED] = c->shared,
            [COMBINE_OUTPUT_BIAS] = c->output_bias,
            [COMBINE_RUN] = s->blocks,
        },
        .groups = div_up(c->tokens * push->runs, s->lanes),
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct combine_case *c = (const void *)test;
    const uint64_t rows = c->k + 1 + (c->shared ? 1 : 0);
    return c->tokens * (rows * c->columns + c->k) * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct combine_case *c = (const void *)test;
    return 2ull * c->tokens * c->columns * (c->k + (c->shared ? 1 : 0));
}

KERNEL_SUITE(combine, NULL, reference)
