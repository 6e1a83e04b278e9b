// cap.c - cases and reference of the soft cap of logits.
#include "cases.h"

#include <math.h>

#include "shaders/cap.h"

struct cap_case {
    struct kernel_case base;
    uint32_t tokens, columns;
    float limit;
    double deviation; // of x
};

enum { CPU = 1, GPU = 2, ALL = 7 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, width) .tokens = t, .columns = width

static const struct cap_case cases[] = {
    CASE("gemma4", .timed = true, .shapes = ALL, .everywhere = true), SHAPE(7, 333),
        .limit = 30.0f, .deviation = 20.0},
    CASE("small", .shapes = CPU | GPU), SHAPE(2, 100), .limit = 30.0f, .deviation = 0.3},
    CASE("huge", .shapes = CPU), SHAPE(2, 100), .limit = 0.5f, .deviation = 1e4},
    CASE("one", .shapes = CPU | GPU), SHAPE(1, 1), .limit = 2.0f, .deviation = 1.0},
    CASE("none", .shapes = CPU), SHAPE(0, 64), .limit = 2.0f, .deviation = 1.0},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 256 }, { .lanes = 32 } };

static void fill(struct kernel_io *io)
{
    const struct cap_case *c = (const void *)io->test;
    io_add_floats(io, "x", c->tokens, c->columns, c->deviation);
    io_find(io, "x")->role = ROLE_IN_OUT;
}

static void reference(struct kernel_io *io)
{
    const struct cap_case *c = (const void *)io->test;
    const float *x = io_find(io, "x")->before;
    double *result = io_expect_floats(io, "x");
    for (uint32_t i = 0; i < c->tokens * c->columns; i++)
        result[i] = c->limit * tanh(x[i] / (double)c->limit);
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct cap_case *c = (const void *)io->test;
    SET_PUSH(io, cap, .count = c->tokens * c->columns, AT(x));
    *d = (struct dispatch){
        .spec = { [CAP_LANES] = io->shape.lanes, [CAP_LIMIT] = float_bits(c->limit) },
        .groups = div_up(c->tokens * c->columns, io->shape.lanes),
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct cap_case *c = (const void *)test;
    return 8ull * c->tokens * c->columns;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct cap_case *c = (const void *)test;
    return 10ull * c->tokens * c->columns;
}

KERNEL_SUITE(cap, NULL, reference)
