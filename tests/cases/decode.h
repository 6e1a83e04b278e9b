// decode.h - what the cases of decode_up and decode_down have in common.
#ifndef VKMOE_TESTS_CASES_DECODE_H
#define VKMOE_TESTS_CASES_DECODE_H

#include "cases.h"

#include <string.h>
#include <vkmoe/moe.h>

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
};

#define DECODE_TEST_ALPHA 1.702f
#define DECODE_TEST_LIMIT 1.25f // within what random inputs reach

// The first one is a GPU's for one token, the next a CPU's.
static const struct kernel_shape shapes[] = { // lanes, blocks, tokens, unroll, slots, together
    { 256, 2, 1, 4, 8, 1 }, { 8, 4, 1, 1, 1, 1 }, { 8, 4, 8, 1, 1, 1 }, { 32, 2, 2, 2, 1, 2 },
    { 256, 2, 4, 1, 2, 4 }, { 8, 2, 2, 1, 1, 2 }, { 64, 2, 8, 1, 2, 4 }, { 128, 2, 1, 3, 4, 1 }
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
    ONE = GPU_1 | CPU_1,  // one token at once
    SOME = GPU_4 | CPU_8, // several
    ALL = 255,
};
#define EVERYWHERE .everywhere = true

static inline bool decode_fits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    const struct decode_case *c = (const void *)test;
    if (!strcmp(variant->form, "broadcast") && shape->lanes != 8)
        return false;
    return shape->tokens == 1 || c->tokens * c->k <= DECODE_MAX_PAIRS;
}

#endif
