// add_branches.c - cases and reference of the gated sum of NSA's branches, of heads under a gate
// and of heads that are moved together.
#include "attention_constants.h"
#include "cases.h"

#include <math.h>

#include "shaders/add_branches.h"

struct branches_case {
    struct kernel_case base;
    uint32_t rows, heads, head_size;
    uint32_t gap; // columns between two rows of the result
    double gain;  // of the gates; 0: 1
    bool alone, wide, softplus;
    uint32_t kept; // elements of each head; 0: there are gates
};

enum { CPU = 1, GPU = 2 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(n, h, d) .rows = n, .heads = h, .head_size = d
#define BOTH .shapes = CPU | GPU

static const struct branches_case cases[] = {
    CASE("nsa", .timed = true, BOTH, .everywhere = true), SHAPE(9, 16, 64), .gap = 128},
    CASE("no-row", .shapes = CPU), SHAPE(0, 16, 64)},
    CASE("gates-far-out", BOTH), SHAPE(5, 3, 64), .gain = 60.0},
    CASE("head-1-gap", BOTH), SHAPE(7, 3, 1), .gap = 1},
    CASE("head-33", BOTH), SHAPE(2, 5, 33)},
    CASE("gate", .timed = true, BOTH, .everywhere = true), SHAPE(9, 16, 64), .gap = 128,
        .alone = true},
    CASE("gate-wide", BOTH, .everywhere = true), SHAPE(7, 3, 33), .gap = 5, .alone = true,
        .wide = true, .gain = 20.0},
    CASE("gate-softplus", BOTH, .everywhere = true), SHAPE(9, 4, 33), .gap = 5, .alone = true,
        .softplus = true, .gain = 20.0},
    CASE("mimo", .timed = true, BOTH, .everywhere = true), SHAPE(9, 16, 192), .gap = 128,
        .kept = 128},
    CASE("kept-odd", BOTH, .everywhere = true), SHAPE(7, 5, 33), .gap = 5, .kept = 32},
    CASE("kept-one", BOTH), SHAPE(3, 70, 3), .kept = 1},
    CASE("kept-all", BOTH), SHAPE(5, 3, 16), .gap = 2, .kept = 16},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64 }, { .lanes = 32 } };

#define FACTOR 0.707f

static uint32_t gates_of(const struct branches_case *c)
{
    return !c->alone ? BRANCHES : c->wide ? c->head_size : 1;
}

static void fill(struct kernel_io *io)
{
    const struct branches_case *c = (const void *)io->test;
    const uint32_t stride = c->heads * c->head_size + c->gap;
    const size_t heads = (size_t)c->rows * c->heads;
    io_add_floats(io, "gates", heads, gates_of(c), c->gain != 0.0 ? c->gain : 1.0);
    io_add_floats(io, "compressed", heads, c->head_size, 1.0);
    io_add_floats(io, "window", heads, c->head_size, 1.0);
    // The last row ends where its heads do.
    struct rng rng = io_rng(io, "selected");
    const uint32_t size = c->rows ? c->rows * stride - c->gap : 0;
    struct kernel_operand *selected = io_add(io, "selected", ROLE_IN_OUT, size, 1);
    selected->columns = stride;
    for (uint32_t i = 0; i < size; i++)
        ((float *)selected->before)[i] = (float)rng_normal(&rng);
    io_add_attention_constants(io);
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

static void reference(struct kernel_io *io)
{
    const struct branches_case *c = (const void *)io->test;
    const uint32_t width = c->heads * c->head_size, stride = width + c->gap;
    const float *gates = io_find(io, "gates")->before, *selected = io_find(io, "selected")->before;
    const float *compressed = io_find(io, "compressed")->before;
    const float *window = io_find(io, "window")->before;
    double *sum = io_expect_floats(io, "selected");
    for (uint32_t i = 0; c->kept && i < c->rows * c->heads * c->kept; i++) {
        const size_t head = i / c->kept, row = head / c->heads;
        sum[row * stride + i % (c->heads * c->kept)] =
            (double)FACTOR * selected[row * stride + head % c->heads * c->head_size + i % c->kept];
    }
    if (c->kept)
        return;
    for (uint32_t i = 0; i < c->rows * width; i++) {
        const size_t at = (size_t)i / width * stride + i % width;
        if (c->alone) {
            const double gate = gates[c->wide ? i : i / c->head_size];
            sum[at] = selected[at] * (c->softplus ? log1p(exp(gate)) : 1.0 / (1.0 + exp(-gate)));
            continue;
        }
        const float *logits = gates + (size_t)i / c->head_size * BRANCHES;
        sum[at] = compressed[i] / (1.0 + exp(-logits[0])) + selected[at] / (1.0 + exp(-logits[1]))
            + window[i] / (1.0 + exp(-logits[2]));
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct branches_case *c = (const void *)io->test;
    SET_PUSH(io, add_branches,
        .constants = io_fill_attention_constants(
            io, attention_numbers(c->heads, 1, 1, 1, c->heads * c->head_size + c->gap)),
        .rows = c->rows, AT(gates) AT(compressed) AT(selected) AT(window));
    *d = (struct dispatch){
        .spec = {
            [BRANCHES_LANES] = io->shape.lanes,
            [BRANCHES_HEAD_SIZE] = c->head_size,
            [BRANCHES_ALONE] = c->alone,
            [BRANCHES_WIDE] = c->wide,
        },
        .groups = c->rows,
    };
    d->spec[BRANCHES_SOFTPLUS] = c->softplus;
    d->spec[BRANCHES_KEPT] = c->kept;
    d->spec[BRANCHES_FACTOR] = float_bits(c->kept ? FACTOR : 1.0f);
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct branches_case *c = (const void *)test;
    return (uint64_t)c->rows * c->heads * ((c->alone ? 2 : 4) * c->head_size + gates_of(c)) * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct branches_case *c = (const void *)test;
    return 6ull * c->rows * c->heads * c->head_size;
}

KERNEL_SUITE(add_branches, NULL, reference)
