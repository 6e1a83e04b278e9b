// activate.c - cases and reference of what joins gate and up where they are products of their own.
#include "cases.h"

#include "shaders/activate.h"

#define ALPHA 1.702
#define LIMIT 1.5

struct activate_case {
    struct kernel_case base;
    uint32_t rows, columns;
    enum vkmoe_activation activation;
    bool ungated;
};

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(r, c) .rows = r, .columns = c
#define ACT(name) .activation = VKMOE_ACTIVATION_##name

static const struct activate_case cases[] = {
    CASE("mixtral", .timed = true, .shapes = 15, .everywhere = true), SHAPE(80, 128)},
    CASE("qwen3-moe-decode", .timed = true, .shapes = 3), SHAPE(8, 768)},
    CASE("gpt-oss", .shapes = 1), SHAPE(9, 48), ACT(SWIGLU_OAI)},
    CASE("deepseek-v4", .shapes = 1), SHAPE(9, 48), ACT(SILU_CLAMP)},
    CASE("step-3.5", .shapes = 1), SHAPE(9, 48), ACT(SWIGLU_STEP)},
    CASE("grok", .shapes = 1), SHAPE(9, 48), ACT(GELU_TANH)},
    CASE("gelu-erf", .shapes = 1), SHAPE(9, 48), ACT(GELU_ERF)},
    CASE("relu", .shapes = 1), SHAPE(9, 48), ACT(RELU)},
    CASE("relu2", .shapes = 1), SHAPE(9, 48), ACT(RELU2)},
    CASE("identity", .shapes = 1), SHAPE(9, 48), ACT(IDENTITY)},
    CASE("silu-ungated", .shapes = 1), SHAPE(9, 48), .ungated = true},
    CASE("gelu-tanh-ungated", .shapes = 1), SHAPE(9, 48), ACT(GELU_TANH), .ungated = true},
    CASE("gelu-erf-ungated", .shapes = 1), SHAPE(9, 48), ACT(GELU_ERF), .ungated = true},
    CASE("relu-ungated", .shapes = 1), SHAPE(9, 48), ACT(RELU), .ungated = true},
    CASE("nemotron", .shapes = 1), SHAPE(9, 48), ACT(RELU2), .ungated = true},
    CASE("no-row", .shapes = 1), SHAPE(0, 8)},
    CASE("one-unit", .shapes = 15), SHAPE(1, 8)},
    CASE("elements-1", .shapes = 15), SHAPE(1, 1)},
    CASE("elements-31", .shapes = 15), SHAPE(1, 31)},
    CASE("elements-33", .shapes = 15), SHAPE(1, 33)},
    CASE("elements-255", .shapes = 15), SHAPE(1, 255)},
    CASE("elements-257", .shapes = 15), SHAPE(1, 257)},
    // More workgroups than fit into one dimension.
    CASE("elements-4200001", .shapes = 2, .thorough = true), SHAPE(1, 4200001)},
};
// clang-format on

static const struct kernel_shape shapes[] = {
    { .lanes = 8, .blocks = 4 },
    { .lanes = 64, .blocks = 1 },
    { .lanes = 32, .blocks = 8 },
    { .lanes = 128, .blocks = 2 },
};

static void fill(struct kernel_io *io)
{
    const struct activate_case *c = (const void *)io->test;
    if (!c->ungated)
        io_add_floats(io, "gate", c->rows, c->columns, 2.0);
    io_add_floats(io, "h", c->rows, c->columns, 2.0);
    io_find(io, "h")->role = ROLE_IN_OUT;
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

static void reference(struct kernel_io *io)
{
    const struct activate_case *c = (const void *)io->test;
    const float *gate = c->ungated ? NULL : io_find(io, "gate")->before;
    const float *up = io_find(io, "h")->before;
    double *h = io_expect_floats(io, "h");
    for (size_t i = 0; i < (size_t)c->rows * c->columns; i++)
        h[i] = activation_value(c->activation, !!gate, gate ? gate[i] : 0.0, up[i], ALPHA, LIMIT);
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct activate_case *c = (const void *)io->test;
    const struct kernel_shape *s = &io->shape;
    SET_PUSH(io, activate, .elements = c->rows * c->columns, AT(gate) AT(h));
    *d = (struct dispatch){
        .spec = {
            [ACTIVATE_LANES] = s->lanes,
            [ACTIVATE_KIND] = c->activation,
            [ACTIVATE_ALPHA] = float_bits(ALPHA),
            [ACTIVATE_LIMIT] = float_bits(LIMIT),
            [ACTIVATE_GATED] = !c->ungated,
            [ACTIVATE_RUN] = s->blocks,
        },
        .groups = div_up(c->rows * c->columns, s->lanes * s->blocks),
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct activate_case *c = (const void *)test;
    return (c->ungated ? 2ull : 3ull) * c->rows * c->columns * 4;
}

KERNEL_SUITE_OF(activate, NULL, reference, no_flops)
