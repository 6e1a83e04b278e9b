// merge_attention.c - cases and reference of the sum of attend's partial results.
#include "cases.h"
#include "attention_constants.h"

#include <math.h>

#include "shaders/merge_attention.h"

struct merge_case {
    struct kernel_case base;
    uint32_t rows, heads, head_size, splits;
    uint32_t value; // of a head's columns so many, the first, are results; 0: all
    uint32_t gap;   // columns between two rows of the result
    bool sinks;
    enum { FULL, SOME_EMPTY, ALL_EMPTY } keys; // splits that met no key
    double spread;                             // of the splits' maxima; 0: 1
};

enum { CPU = 1, GPU = 2, ALL = 7 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(n, h, d, s) .rows = n, .heads = h, .head_size = d, .splits = s
#define BOTH .shapes = CPU | GPU

static const struct merge_case cases[] = {
    CASE("mixtral-decode", .timed = true, .shapes = ALL, .everywhere = true),
        SHAPE(1, 32, 128, 4)},
    CASE("gpt-oss", .timed = true, BOTH, .everywhere = true), SHAPE(3, 16, 64, 5),
        .sinks = true},
    CASE("jetmoe-pairs", BOTH), SHAPE(6, 4, 64, 2), .keys = SOME_EMPTY},

    // ------------------------------------------- shapes, with the pipelines of head size 64
    CASE("no-row", .shapes = CPU), SHAPE(0, 4, 64, 2)},
    CASE("one-split", BOTH), SHAPE(2, 3, 64, 1)},
    CASE("splits-3-gap", BOTH), SHAPE(5, 3, 64, 3), .gap = 7},
    CASE("splits-64", BOTH), SHAPE(1, 2, 64, 64), .keys = SOME_EMPTY},
    CASE("sinks-gap", BOTH), SHAPE(5, 3, 64, 2), .gap = 1, .sinks = true},
    CASE("sinks-some-empty", BOTH), SHAPE(5, 3, 64, 5), .sinks = true, .keys = SOME_EMPTY},
    CASE("sinks-all-empty", BOTH), SHAPE(2, 3, 64, 3), .sinks = true, .keys = ALL_EMPTY},
    CASE("all-empty", BOTH), SHAPE(2, 3, 64, 3), .keys = ALL_EMPTY},
    CASE("far-apart", BOTH), SHAPE(3, 2, 64, 4), .spread = 200.0},
    CASE("far-apart-sinks", BOTH), SHAPE(3, 2, 64, 4), .spread = 200.0, .sinks = true},
    CASE("head-1", BOTH), SHAPE(3, 5, 1, 3), .keys = SOME_EMPTY},
    CASE("head-7", .shapes = CPU), SHAPE(3, 2, 7, 3)},
    CASE("head-33", .shapes = CPU), SHAPE(3, 2, 33, 3)},
    CASE("head-80", .shapes = GPU), SHAPE(3, 2, 80, 3)},
    CASE("deepseek", BOTH), SHAPE(2, 3, 576, 4), .value = 512},
    CASE("value-33-of-40", BOTH), SHAPE(3, 3, 40, 3), .value = 33, .gap = 2},
    CASE("head-256", BOTH), SHAPE(2, 2, 256, 2), .keys = SOME_EMPTY},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64 }, { .lanes = 32 } };

static uint32_t value_size(const struct merge_case *c)
{
    return c->value ? c->value : c->head_size;
}

static void fill(struct kernel_io *io)
{
    const struct merge_case *c = (const void *)io->test;
    const uint32_t columns = 2 + value_size(c), stride = c->heads * c->head_size + c->gap;
    struct rng rng = io_rng(io, "splits");
    float *partials =
        io_add_floats(io, "partials", (size_t)c->rows * c->heads * c->splits, columns, 1.0);
    for (uint32_t i = 0; i < c->rows * c->heads * c->splits; i++) {
        float *p = partials + (size_t)i * columns;
        const bool empty =
            c->keys == ALL_EMPTY || (c->keys == SOME_EMPTY && rng_below(&rng, 3) == 0);
        p[0] = (float)((c->spread != 0.0 ? c->spread : 1.0) * rng_normal(&rng));
        p[1] = (float)(1.0 + 8.0 * rng_uniform(&rng));
        for (uint32_t n = 0; empty && n < columns; n++)
            p[n] = n == 0 ? -1e38f : 0.0f; // as attend leaves it
    }
    if (c->sinks)
        io_add_floats(io, "sinks", 1, c->heads, 2.0);
    // The last row ends where its heads do.
    const uint32_t size = c->rows ? c->rows * stride - c->gap : 0;
    io_add(io, "result", ROLE_OUT, size, 1)->columns = stride;
    io_add_attention_constants(io);
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

static void reference(struct kernel_io *io)
{
    const struct merge_case *c = (const void *)io->test;
    const uint32_t columns = 2 + value_size(c), stride = c->heads * c->head_size + c->gap;
    const float *sinks = c->sinks ? io_find(io, "sinks")->before : NULL;
    const float *partials = io_find(io, "partials")->before;
    double *result = io_expect_floats(io, "result");
    for (uint32_t row = 0; row < c->rows; row++) {
        for (uint32_t h = 0; h < c->heads; h++) {
            const float *p = partials + (size_t)(row * c->heads + h) * c->splits * columns;
            double most = sinks ? sinks[h] : -INFINITY;
            for (uint32_t s = 0; s < c->splits; s++)
                most = fmax(most, p[s * columns]);
            double sum = sinks ? exp(sinks[h] - most) : 0.0;
            for (uint32_t s = 0; s < c->splits; s++)
                sum += exp(p[s * columns] - most) * p[s * columns + 1];
            for (uint32_t i = 0; i < value_size(c); i++) {
                double value = 0.0;
                for (uint32_t s = 0; s < c->splits; s++)
                    value += exp(p[s * columns] - most) * p[s * columns + 2 + i];
                result[(size_t)row * stride + h * c->head_size + i] = sum > 0.0 ? value / sum : 0.0;
            }
        }
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct merge_case *c = (const void *)io->test;
    SET_PUSH(io, merge_attention,
        .constants = io_fill_attention_constants(io,
            (struct attention_constants){
                .heads = c->heads, .query_stride = c->heads * c->head_size + c->gap }),
        .rows = c->rows, .splits = c->splits, AT(partials) AT(result));
    *d = (struct dispatch){
        .spec = {
            [MERGE_LANES] = io->shape.lanes,
            [MERGE_HEAD_SIZE] = c->head_size,
            [MERGE_SINK_LOGITS] = c->sinks,
            [MERGE_VALUE_SIZE] = c->value,
        },
        .groups = c->rows * c->heads,
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct merge_case *c = (const void *)test;
    return (uint64_t)c->rows * c->heads * (c->splits * (2 + value_size(c)) + value_size(c)) * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct merge_case *c = (const void *)test;
    return 2ull * c->rows * c->heads * c->splits * (1 + value_size(c));
}

KERNEL_SUITE(merge_attention, NULL, reference)
