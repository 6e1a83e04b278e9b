// norm.c - cases and reference of the residual and RMS norm, or LayerNorm.
#include "cases.h"

#include <math.h>

#include "shaders/norm.h"

struct norm_case {
    struct kernel_case base;
    uint32_t tokens, columns;
    float epsilon;
    bool delta;
    float scale;  // of delta
    float factor; // of the sum; 0: 1
    bool zeros;   // a row of x is zero
    bool centered, none;
    float offset; // of all of x, far from 0 for its mean to matter
};

enum { CPU = 1, GPU = 2, ALL = 7 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, width) .tokens = t, .columns = width
#define FIRST .epsilon = 1e-6f                              // nothing to add yet
#define LATER .epsilon = 1e-6f, .delta = true, .scale = 1.0f
#define LAYER .epsilon = 1e-5f, .delta = true, .scale = 0.75f, .centered = true
#define PLAIN(name, t, width, kind) CASE(name, .shapes = CPU | GPU), SHAPE(t, width), kind}

static const struct norm_case cases[] = {
    CASE("mixtral", .timed = true, .shapes = ALL, .everywhere = true), SHAPE(7, 128),
        .epsilon = 1e-5f, .delta = true, .scale = 1.0f},
    CASE("mixtral-first", .shapes = CPU | GPU, .everywhere = true), SHAPE(7, 128),
        .epsilon = 1e-5f},
    CASE("gpt-oss", .timed = true, .shapes = CPU | GPU), SHAPE(3, 2880), .epsilon = 1e-5f,
        .delta = true, .scale = 1.0f},
    CASE("granite-multiplier", .shapes = CPU | GPU), SHAPE(5, 96), .epsilon = 1e-5f,
        .delta = true, .scale = 0.22f},
    CASE("gemma4", .shapes = CPU | GPU), SHAPE(5, 96), .epsilon = 1e-6f, .delta = true,
        .scale = 1.0f, .factor = 0.375f},
    CASE("epsilon-large", .shapes = CPU), SHAPE(5, 40), .epsilon = 0.75f, .delta = true,
        .scale = -1.5f},
    CASE("phimoe", .timed = true, .shapes = ALL, .everywhere = true), SHAPE(7, 256), LAYER},
    CASE("phimoe-first", .shapes = CPU | GPU), SHAPE(7, 256), .epsilon = 1e-5f, .centered = true},
    CASE("centered-far", .shapes = CPU | GPU), SHAPE(3, 200), LAYER, .offset = 40.0f},
    CASE("centered-zeros", .shapes = CPU | GPU), SHAPE(3, 33), .epsilon = 1e-5f,
        .centered = true, .zeros = true},
    CASE("flex-olmo", .shapes = CPU | GPU), SHAPE(5, 96), LATER, .none = true},
    CASE("flex-olmo-first", .shapes = CPU | GPU), SHAPE(3, 33), FIRST, .none = true},
    CASE("cohere2-moe-sum", .shapes = CPU | GPU), SHAPE(3, 33), LATER, .centered = true,
        .none = true},
    PLAIN("centered-1", 3, 1, LAYER), PLAIN("centered-5", 3, 5, LAYER),
    PLAIN("centered-257", 2, 257, LAYER), PLAIN("centered-4095", 1, 4095, LAYER),

    // ------------------------------------------------- shapes, with two pipelines each
    CASE("no-token", .shapes = CPU), SHAPE(0, 64), LATER},
    CASE("zeros", .shapes = CPU | GPU), SHAPE(3, 33), FIRST, .zeros = true},
    PLAIN("columns-1-first", 3, 1, FIRST), PLAIN("columns-1", 1, 1, LATER),
    PLAIN("columns-3", 2, 3, LATER),       PLAIN("columns-4", 2, 4, LATER),
    PLAIN("columns-5", 3, 5, LATER),       PLAIN("columns-5-first", 3, 5, FIRST),
    PLAIN("columns-31", 9, 31, LATER),     PLAIN("columns-33", 9, 33, LATER),
    PLAIN("columns-257", 2, 257, LATER),   PLAIN("columns-2880", 2, 2880, FIRST),
    PLAIN("columns-4095", 1, 4095, LATER), PLAIN("tokens-300", 300, 7, LATER),
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 256 }, { .lanes = 32 } };

static void fill(struct kernel_io *io)
{
    const struct norm_case *c = (const void *)io->test;
    float *x = io_add_floats(io, "x", c->tokens, c->columns, 2.0);
    io_find(io, "x")->role = c->delta ? ROLE_IN_OUT : ROLE_IN;
    for (size_t i = 0; i < (size_t)c->tokens * c->columns; i++)
        x[i] += c->offset;
    for (uint32_t i = 0; c->zeros && i < c->columns; i++)
        x[c->columns + i] = 0.0f;
    if (c->delta)
        io_add_floats(io, "delta", c->tokens, c->columns, 1.0);
    io_add_floats(io, "weight", c->centered ? 2 : 1, c->columns, 1.0);
    io_add(io, "result", ROLE_OUT, c->tokens, c->columns);
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

static void reference(struct kernel_io *io)
{
    const struct norm_case *c = (const void *)io->test;
    const float *x = io_find(io, "x")->before, *weight = io_find(io, "weight")->before;
    const float *delta = c->delta ? io_find(io, "delta")->before : NULL;
    double *result = io_expect_floats(io, "result");
    double *sum = c->delta ? io_expect_floats(io, "x") : io_alloc(io, io_find(io, "x")->size, 2);
    for (uint32_t t = 0; t < c->tokens; t++) {
        const size_t first = (size_t)t * c->columns;
        double mean = 0.0, square = 0.0;
        for (size_t i = first; i < first + c->columns; i++) {
            sum[i] = x[i] + (delta ? (double)c->scale * delta[i] : 0.0);
            sum[i] *= c->factor != 0.0f ? (double)c->factor : 1.0;
            mean += c->centered ? sum[i] / c->columns : 0.0;
        }
        for (size_t i = first; i < first + c->columns; i++)
            square += (sum[i] - mean) * (sum[i] - mean);
        const double rms = sqrt(square / c->columns + c->epsilon);
        for (uint32_t i = 0; i < c->columns; i++)
            result[first + i] = c->none ? sum[first + i]
                                        : (sum[first + i] - mean) / rms * weight[i]
                    + (c->centered ? weight[c->columns + i] : 0.0);
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct norm_case *c = (const void *)io->test;
    SET_PUSH(io, norm, .tokens = c->tokens, .columns = c->columns,
        .factor = c->factor != 0.0f ? c->factor : 1.0f, AT(x) AT(delta) AT(weight) AT(result));
    *d = (struct dispatch){
        .spec = {
            [NORM_LANES] = io->shape.lanes,
            [NORM_HAS_DELTA] = c->delta,
            [NORM_EPSILON] = float_bits(c->epsilon),
            [NORM_SCALE] = float_bits(c->delta ? c->scale : 1.0f),
            [NORM_CENTERED] = c->centered,
            [NORM_NONE] = c->none,
        },
        .groups = c->tokens,
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct norm_case *c = (const void *)test;
    return (uint64_t)c->tokens * c->columns * (c->delta ? 4 : 2) * 4 + c->columns * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct norm_case *c = (const void *)test;
    return (uint64_t)c->tokens * c->columns * (c->delta ? 6 : 4);
}

KERNEL_SUITE(norm, NULL, reference)
