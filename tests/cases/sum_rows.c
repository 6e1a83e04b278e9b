// sum_rows.c - cases and reference of products with transposed matrices of heads.
#include "cases.h"

#include "shaders/sum_rows.h"

struct sum_case {
    struct kernel_case base;
    uint32_t tokens, heads, rows, columns;
    uint32_t further; // elements after those that count, of x and of y
    enum vkmoe_dtype dtype;
};

enum { CPU = 1, GPU = 2 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, h, n, r) .tokens = t, .heads = h, .rows = n, .columns = r, .further = 3
#define BOTH .shapes = CPU | GPU

static const struct sum_case cases[] = {
    CASE("deepseek-q8-0", .timed = true, BOTH, .everywhere = true),
        SHAPE(9, 3, 128, 512), .dtype = VKMOE_DTYPE_Q8_0},
    CASE("deepseek-q4-k", .timed = true, .shapes = CPU, .everywhere = true),
        SHAPE(1, 3, 128, 512), .dtype = VKMOE_DTYPE_Q4_K},
    CASE("lite-iq2-s", .shapes = CPU), SHAPE(5, 2, 64, 256), .dtype = VKMOE_DTYPE_IQ2_S},
    CASE("q5-0", .shapes = GPU), SHAPE(8, 2, 33, 96), .dtype = VKMOE_DTYPE_Q5_0},

    // ---------------------------------------------- shapes, with the pipelines of deepseek-q8-0
    CASE("no-token", .shapes = CPU), SHAPE(0, 2, 8, 32), .dtype = VKMOE_DTYPE_Q8_0},
    CASE("one-row", BOTH), SHAPE(7, 1, 1, 32), .dtype = VKMOE_DTYPE_Q8_0},
    CASE("rows-64", BOTH), SHAPE(17, 2, 64, 64), .dtype = VKMOE_DTYPE_Q8_0},
    CASE("columns-7", .shapes = CPU), SHAPE(9, 2, 65, 7), .dtype = VKMOE_DTYPE_F32},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64 } };

static void fill(struct kernel_io *io)
{
    const struct sum_case *c = (const void *)io->test;
    struct linear *matrices = io->model = io_alloc(io, 1, sizeof *matrices);
    *matrices = io_add_linear(io, "matrices", NULL, c->heads, c->rows, c->columns, false, c->dtype);
    io_add_floats(io, "x", c->tokens * c->heads, c->rows + c->further, 1.0);
    io_add(io, "y", ROLE_OUT, c->tokens * c->heads, c->columns + c->further);
    io_add_table(io, c->heads);
}

static void reference(struct kernel_io *io)
{
    const struct sum_case *c = (const void *)io->test;
    const struct linear *matrices = io->model;
    const float *x = io_find(io, "x")->before;
    double *y = io_expect_floats(io, "y");
    for (uint32_t i = 0; i < c->tokens * c->heads; i++) {
        const double *weights = matrices->weights[0]
            + (size_t)(i % c->heads % matrices->distinct) * c->rows * c->columns;
        double *sum = y + (size_t)i * (c->columns + c->further);
        for (uint32_t k = 0; k < c->columns; k++)
            sum[k] = 0.0;
        for (uint32_t row = 0; row < c->rows; row++) {
            const double factor = x[(size_t)i * (c->rows + c->further) + row];
            for (uint32_t k = 0; k < c->columns; k++)
                sum[k] += factor * weights[(size_t)row * c->columns + k];
        }
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct sum_case *c = (const void *)io->test;
    const struct linear *matrices = io->model;
    const uint32_t tile = c->tokens > 1 ? SUM_MAX_TOKENS : 1;
    io_fill_table(io, matrices, NULL);
    SET_PUSH(io, sum_rows, .tokens = c->tokens, .heads = c->heads, .rows = c->rows,
        .columns = c->columns, .units = matrices->units, .x_stride = c->rows + c->further,
        .y_stride = c->columns + c->further, AT(x) AT(y) AT(table));
    *d = (struct dispatch){
        .spec = {
            [SUM_LANES] = io->shape.lanes,
            [SUM_TYPE] = c->dtype,
            [SUM_TOKENS] = tile,
        },
        .groups = c->heads * div_up(matrices->units, io->shape.lanes) * div_up(c->tokens, tile),
    };
}

static bool fits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    const struct sum_case *c = (const void *)test;
    return shape->lanes > 0 && form_has(variant, c->dtype);
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct sum_case *c = (const void *)test;
    return c->heads
        * (c->rows * format_bytes(c->dtype, c->columns)
            + (uint64_t)c->tokens * (c->rows + c->columns) * 4);
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct sum_case *c = (const void *)test;
    return 2ull * c->tokens * c->heads * c->rows * c->columns;
}

KERNEL_SUITE(sum_rows, fits, reference)
