// decode.h - what the cases of decode_up and decode_down have in common.
#ifndef VKMOE_TESTS_CASES_DECODE_H
#define VKMOE_TESTS_CASES_DECODE_H

#include "cases.h"

#include <string.h>
#include <vkmoe/moe.h>

#include "weights/format.h"

#include "shaders/decode.h"

struct decode_case {
    struct kernel_case base;
    uint32_t tokens, k, experts;
    uint32_t hidden, inner;
    enum ids_pattern pattern;
    enum vkmoe_dtype dtype;
    enum vkmoe_activation activation; // up only, as are the next two
    bool gated, shared_gated;
    bool misaligned; // up: x is at an address that is a multiple of 4 only
    bool biased, weight_input;
    uint32_t shared_inner;             // 0: no shared expert
    bool shared_weighted, output_bias; // down only
    uint32_t x_gap, first_shared_tile; // up: between rows of x, and of the shared matrix's tiles
    uint32_t heads, y_gap; // up: rows of x and of results for each token, each by a matrix of its
                           // own instead of the shared one; columns between two results
    float broken;          // up: an element of the last token, infinite or a NaN; 0: none
    bool norm;             // up: a norm is folded in
    float gain;            // on what is multiplied; 0: none
    float
        residual; // what results are scaled by and added to; up: the shared expert's alone. 0: none
};

#define DECODE_TEST_EPSILON 0.25f // of the folded norm; not to be overlooked

#define DECODE_TEST_ALPHA 1.702f
#define DECODE_TEST_LIMIT 1.25f // within what random inputs reach

// The first one is a GPU's for one token, the next a CPU's.
static const struct kernel_shape shapes[] = { // lanes, blocks, tokens, unroll, slots, together
    { 256, 2, 1, 4, 8, 1 }, { 8, 4, 1, 1, 1, 1 }, { 8, 4, 8, 1, 1, 1 }, { 32, 4, 2, 2, 1, 2 },
    { 256, 2, 4, 1, 2, 4 }, { 8, 2, 2, 1, 1, 2 }, { 64, 2, 8, 1, 2, 4 }, { 128, 2, 1, 3, 4, 1 },
    { 64, 4, 1, 8, 2, 1 }, { 32, 2, 1, 8, 1, 1 }, { 8, 4, 1, 1, 1, 1 }, { 64, 2, 2, 8, 1, 2 }
};
enum { // masks of shapes
    GPU_1 = 1,
    CPU_1 = 2,
    CPU_8 = 4,
    GPU_2 = 8,
    GPU_4 = 16,
    CPU_2 = 32,
    GPU_8 = 64,
    GPU_3 = 128,
    GPU_16 = 256,         // units a lane, in nibbles
    WHOLE_16 = 512,       // likewise, and scales as integers
    COLUMNS_1 = 1024,     // a CPU's for blocks whose columns are in lanes
    SIGNED_16 = 2048,     // as GPU_16, of two tokens at once, where no product is mixed
    ONE = GPU_1 | CPU_1,  // one token at once
    SOME = GPU_4 | CPU_8, // several
    ALL = 255,
};
#define EVERYWHERE .everywhere = true

// What both specialise alike.
#define DECODE_SPEC(c, s) \
    [DECODE_LANES] = (s)->lanes, [DECODE_BLOCKS] = (s)->blocks, [DECODE_TYPE] = (c)->dtype, \
    [DECODE_MIXED] = (s)->lanes < 256 && (s)->unroll * (s)->together < 16, \
    [DECODE_WHOLE] = (s)->lanes == 32 && (s)->unroll == 8, [DECODE_BIAS] = (c)->biased, \
    [DECODE_WEIGHT_INPUT] = (c)->weight_input, [DECODE_RESIDUAL] = (c)->residual != 0.0f, \
    [DECODE_RESIDUAL_SCALE] = float_bits((c)->residual)

// From results that are expected in an output to what is there where they are added to `before`,
// and expects that times `next_weight` in "weighted".
static inline void add_residual(struct kernel_io *io, double scale, const char *name,
    const float *before, const float *next_weight)
{
    const struct kernel_operand *y = io_find(io, name);
    double *sums = y->floats, *weighted = io_expect_floats(io, "weighted");
    for (size_t i = 0; i < y->size / 4; i++) {
        sums[i] = before[i] + scale * sums[i];
        weighted[i] = sums[i] * next_weight[i % y->columns];
    }
}

static inline bool is_integer(const struct variant *variant)
{
    return variant->needs & NEED_integer_dot;
}

// What is subtracted from several weights is multiplied with the sum of x.
static inline bool sums_x(const struct variant *variant)
{
    return is_integer(variant) || !strcmp(variant->form, "narrow_columns");
}

// In integers whole blocks of 4 units, at times more than one.
static inline uint32_t decode_unroll(const struct kernel_io *io)
{
    return io->shape.unroll * (is_integer(io->variant) ? 2 : 1);
}

// Tighter than what a layer may show: x in f16 would fail it.
static inline void set_tolerance(struct kernel_io *io, const char *name)
{
    struct kernel_operand *operand = io_find(io, name);
    if (operand && is_integer(io->variant)) {
        operand->tolerance = 1e-3;
        operand->rms_tolerance = 1e-4;
    }
}

// Of forms whose lanes own columns, the cases that reach what is theirs alone, mostly cut as for
// CPUs: compilers take long.
static inline bool columns_suit(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    static const char *const others[] = { "columns-", "norm-and", "heads-1", "q4-k", "q6-k",
        "pairs-" };
    bool wanted = test->timed;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        wanted |= !strncmp(test->name, others[i], strlen(others[i]));
    const bool several = !strcmp(test->name, "q4-k"); // lanes that share a row
    return wanted && shape->together == 1 && shape->tokens == 1
        && (several || (shape->lanes == 8 && shape->blocks == variant->tile.blocks));
}

// See has_whole_blocks() of src/weights/products.c.
static inline bool has_whole_blocks(const struct decode_case *c, const struct variant *variant)
{
    const uint32_t elements = vkmoe_format(c->dtype)->elements;
    return variant->kernel == KERNEL_decode_up
        ? c->hidden % elements == 0
        : c->inner % elements == 0 && c->shared_inner % elements == 0;
}

// For integers, a card's subgroups have 32 lanes, which have to be of one slot, and of nibbles two
// rows of x are what shared memory holds.
static inline bool decode_suits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    const struct decode_case *c = (const void *)test;
    if (!(variant->formats >> c->dtype & 1))
        return false;
    // Nothing cuts blocks' units by threes: what is unrolled is a power of two.
    if (shape->unroll == 3 && test_format(c->dtype)->elements > 1)
        return false;
    if (strstr(variant->form, "columns"))
        return columns_suit(test, variant, shape);
    // Of what lanes that own columns take as well, a few cases.
    if (!strcmp(variant->form, "broadcast") && c->dtype != VKMOE_DTYPE_Q8_0 && !test->everywhere)
        return false;
    const uint32_t mask = 1u << (shape - shapes);
    if (!is_integer(variant))
        return !(mask & (WHOLE_16 | COLUMNS_1 | SIGNED_16));
    return has_whole_blocks(c, variant) && shape->lanes >= 32 * MAX(shape->slots, 1)
        && (!variant->tile.blocks || shape->together <= 2);
}

static inline bool decode_fits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    const struct decode_case *c = (const void *)test;
    if (strstr(variant->form, "broadcast") && shape->lanes != 8)
        return false;
    return shape->tokens == 1 || c->tokens * c->k <= DECODE_MAX_PAIRS;
}

#endif
