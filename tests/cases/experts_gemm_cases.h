// experts_gemm_cases.h - what experts_gemm.c computes.
#ifndef VKMOE_TESTS_EXPERTS_GEMM_CASES_H
#define VKMOE_TESTS_EXPERTS_GEMM_CASES_H

#include "cases.h"

enum gemm_kind { UP, DOWN, DIRECT };

struct gemm_case {
    struct kernel_case base;
    enum gemm_kind kind;
    uint32_t tokens, k, experts;
    uint32_t columns, rows; // of the matrices: K, and outputs
    uint32_t shared_rows;   // up: 0: no shared expert
    enum ids_pattern pattern;
    enum vkmoe_dtype dtype;
    enum vkmoe_activation activation;
    bool gated, shared_gated, biased, weight_input;
    uint32_t sharers;           // up: pairs that share a row of the source, and results go to their
                                // pairs' places; 0: k of them, and results stay sorted
    bool misaligned;            // source and result are at addresses that are multiples of 4 only
    uint32_t capacity;          // leaves holes in the sorted rows
    uint32_t gap, first_tile;   // direct: between rows of the source, and of the matrix's tiles
    uint32_t heads, result_gap; // direct: rows of source and result for each token, each by its own
                                // matrix; columns between two results
    uint32_t half;              // up: GEMM_RESULT_HALF; else 1: GEMM_HALF, 2: in rows of one scale
    bool fast;                  // of forms for matrix units, those that can be exact as well
    double gain;                // of x; 0: 1
    bool mixed, part;           // of every third row of it only, of the second 128 columns only
    bool unpacked;              // of forms for integers, and of those for matrix units that unpack
                                // formats, which have all else in common with the others
    uint32_t wide_rows;         // for forms with matrices of any size alone: GEMM_WIDE_ROWS
    uint32_t part_units;        // direct: GEMM_SPLIT, for forms that can
};

#define TEST_ALPHA 1.702f
#define TEST_LIMIT 1.25f // within what random inputs reach

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define TIMED .timed = true
#define EVERYWHERE .everywhere = true
#define SHAPE(t, slots, e, from, to) \
    .tokens = t, .k = slots, .experts = e, .columns = from, .rows = to
#define UP_GATED .kind = UP, .gated = true, .shared_gated = true
#define OAI_UP(t, from, to) UP_GATED, SHAPE(t, 2, 4, from, to), .shared_rows = 24, \
    .biased = true, .activation = VKMOE_ACTIVATION_SWIGLU_OAI
#define SMALL_UP(t, from, to) UP_GATED, SHAPE(t, 2, 4, from, to), .shared_rows = 24
#define MIX(n, t, slots, e, from, to) .kind = UP, SHAPE(t, slots, e, from, to), .sharers = n, \
    .activation = VKMOE_ACTIVATION_IDENTITY
#define SMALL_DOWN(t, from, to) .kind = DOWN, SHAPE(t, 2, 4, from, to)
#define SMALL_DIRECT(t, from, to) .kind = DIRECT, SHAPE(t, 1, 1, from, to)
#define HEADS(t, n, from, to) .kind = DIRECT, SHAPE(t, 1, 0, from, to), .heads = n
#define HUGE_X .gain = 1e6
#define TINY_X .gain = 1e-6

static const struct gemm_case cases[] = {
    // ------------------------------------------------------------- whom it is made for
    CASE("mixtral-up", TIMED, EVERYWHERE), UP_GATED, SHAPE(160, 2, 8, 64, 96)},
    CASE("mixtral-down", TIMED, EVERYWHERE), .kind = DOWN, SHAPE(160, 2, 8, 96, 64)},
    CASE("mixtral-up-f16", TIMED), UP_GATED, SHAPE(40, 2, 8, 64, 96), .dtype = VKMOE_DTYPE_F16},
    CASE("mixtral-down-f16", .thorough = true), .kind = DOWN, SHAPE(40, 2, 8, 96, 64),
        .dtype = VKMOE_DTYPE_F16},
    CASE("mixtral-up-q8-0", TIMED), UP_GATED, SHAPE(40, 2, 8, 64, 96), .dtype = VKMOE_DTYPE_Q8_0},
    CASE("mixtral-down-q8-0"), .kind = DOWN, SHAPE(40, 2, 8, 96, 64), .dtype = VKMOE_DTYPE_Q8_0},
#define NARROW(name, NAME) CASE(name), .kind = DIRECT, SHAPE(35, 1, 4, 256, 40), \
    .dtype = VKMOE_DTYPE_##NAME}
    NARROW("q4-0", Q4_0),
    NARROW("q4-k", Q4_K),
    NARROW("mxfp4", MXFP4),
    CASE("iq2-s", .thorough = true), .kind = DIRECT, SHAPE(35, 1, 4, 256, 40),
        .dtype = VKMOE_DTYPE_IQ2_S},
    CASE("q4-k-up", EVERYWHERE), UP_GATED, SHAPE(40, 2, 8, 512, 24), .dtype = VKMOE_DTYPE_Q4_K},
    CASE("shared-down-q8-0"), .kind = DIRECT, SHAPE(17, 1, 8, 32, 45), .dtype = VKMOE_DTYPE_Q8_0},
    CASE("qwen3-moe-up-bf16", .thorough = true), UP_GATED, SHAPE(96, 8, 128, 64, 48),
        .dtype = VKMOE_DTYPE_BF16},
    CASE("qwen3-moe-down-bf16", TIMED), .kind = DOWN, SHAPE(96, 8, 128, 48, 64),
        .dtype = VKMOE_DTYPE_BF16},
    CASE("deepseek-v3-up", TIMED), UP_GATED, SHAPE(65, 8, 256, 112, 64), .shared_rows = 72},
    CASE("deepseek-v3-shared-down", TIMED, EVERYWHERE), .kind = DIRECT,
        SHAPE(65, 1, 256, 72, 112)},
    CASE("shared-down-f16-odd"), .kind = DIRECT, SHAPE(17, 1, 8, 24, 45), .dtype = VKMOE_DTYPE_F16},
    CASE("gpt-oss-up", EVERYWHERE), OAI_UP(33, 45, 45)},
    CASE("gpt-oss-down"), .kind = DOWN, SHAPE(33, 4, 32, 48, 45), .biased = true},
    CASE("llama4-up", .thorough = true), UP_GATED, SHAPE(33, 1, 16, 80, 40), .weight_input = true,
        .shared_rows = 64},
    CASE("nemotron-up", .thorough = true), .kind = UP, SHAPE(40, 6, 128, 84, 58),
        .activation = VKMOE_ACTIVATION_RELU2, .shared_rows = 116},
    CASE("switch-up-f16"), .kind = UP, SHAPE(64, 1, 8, 48, 100),
        .activation = VKMOE_ACTIVATION_RELU2,
        .dtype = VKMOE_DTYPE_F16, .shared_rows = 27, .shared_gated = true, .weight_input = true,
        .capacity = 8},
    CASE("switch-down"), .kind = DOWN, SHAPE(64, 1, 8, 104, 48), .capacity = 8},
    CASE("misaligned-up-bf16"), .kind = UP, SHAPE(19, 2, 4, 64, 40), .dtype = VKMOE_DTYPE_BF16,
        .activation = VKMOE_ACTIVATION_GELU_TANH, .gated = true, .shared_rows = 40,
        .misaligned = true},
    CASE("misaligned-down", .thorough = true), SMALL_DOWN(19, 64, 40), .misaligned = true,
        .biased = true},
    CASE("misaligned-direct", .thorough = true), SMALL_DIRECT(19, 64, 40), .misaligned = true},
    CASE("relu", .thorough = true), .kind = UP, SHAPE(19, 2, 8, 96, 40), .gated = true,
        .shared_rows = 40, .activation = VKMOE_ACTIVATION_RELU},
    CASE("gelu-erf", .thorough = true), .kind = UP, SHAPE(19, 2, 8, 96, 40), .gated = true,
        .shared_rows = 40, .activation = VKMOE_ACTIVATION_GELU_ERF},
    CASE("identity", .thorough = true), .kind = UP, SHAPE(19, 2, 8, 96, 40), .gated = true,
        .shared_rows = 40, .activation = VKMOE_ACTIVATION_IDENTITY},
    CASE("silu-clamp", .thorough = true), UP_GATED, SHAPE(19, 2, 8, 96, 40), .shared_rows = 40,
        .activation = VKMOE_ACTIVATION_SILU_CLAMP},
    CASE("swiglu-step", .thorough = true), UP_GATED, SHAPE(19, 2, 8, 96, 40), .shared_rows = 40,
        .activation = VKMOE_ACTIVATION_SWIGLU_STEP},

    // --------------------------- heads with experts of their own: values, and outputs
    CASE("switchhead-values", TIMED, EVERYWHERE), MIX(4, 33, 4, 10, 48, 16)},
    CASE("switchhead-outputs", TIMED), MIX(2, 33, 4, 10, 16, 48)},
    CASE("switchhead-outputs-f16", .thorough = true), MIX(2, 33, 4, 10, 16, 48),
        .dtype = VKMOE_DTYPE_F16},
    CASE("mix-of-one-sharer"), MIX(1, 33, 3, 9, 16, 24)},
    CASE("mix-unpadded"), MIX(2, 33, 4, 10, 24, 45)},
    CASE("mix-unpadded-columns"), MIX(3, 19, 6, 12, 33, 7), .dtype = VKMOE_DTYPE_BF16},
    CASE("mix-row-1"), MIX(2, 19, 2, 5, 24, 1)},
    CASE("mix-rows-4"), MIX(2, 19, 2, 5, 24, 4)},
    CASE("mix-misaligned", .thorough = true), MIX(2, 19, 4, 5, 24, 40), .misaligned = true},
    CASE("mix-hot-expert"), MIX(2, 140, 2, 8, 24, 20), .pattern = IDS_ONE_HOT},
    CASE("mix-dropped"), MIX(2, 33, 4, 7, 24, 20), .pattern = IDS_DROPPED},
    CASE("mix-no-token"), MIX(2, 0, 4, 7, 24, 20)},
    CASE("mix-gated", .thorough = true), MIX(2, 33, 4, 7, 24, 21), .gated = true},

    // ------------------------------------------------------------ each head's own matrix
    CASE("deepseek-keys", TIMED, EVERYWHERE), HEADS(40, 16, 128, 512), .gap = 64,
        .result_gap = 64},
    CASE("deepseek-values", .thorough = true), HEADS(40, 16, 512, 128)},
    CASE("heads-3", EVERYWHERE), HEADS(19, 3, 45, 33), .gap = 3, .result_gap = 2},
    CASE("heads-20-f16"), HEADS(70, 20, 64, 40), .dtype = VKMOE_DTYPE_F16, .gap = 16,
        .result_gap = 8},
    CASE("heads-7-q8-0"), HEADS(33, 7, 64, 40), .dtype = VKMOE_DTYPE_Q8_0},
    CASE("heads-1"), HEADS(19, 1, 24, 40), .gap = 8, .result_gap = 2},
    CASE("heads-rows-18"), HEADS(9, 5, 16, 18), .result_gap = 2},
    CASE("heads-no-token"), HEADS(0, 4, 24, 40)},

    // ------------------- shapes, with the pipelines of mixtral, gpt-oss and deepseek-v3
    CASE("no-token-up"), SMALL_UP(0, 64, 40)},
    CASE("no-token-direct"), SMALL_DIRECT(0, 64, 40)},
    CASE("one-token-up"), SMALL_UP(1, 64, 40)},
    CASE("one-token-down"), SMALL_DOWN(1, 64, 40)},
    CASE("one-of-each-up"), UP_GATED, SHAPE(1, 1, 1, 8, 1), .shared_rows = 1},
    CASE("one-of-each-oai-up"), UP_GATED, SHAPE(1, 1, 1, 1, 1), .shared_rows = 1, .biased = true,
        .activation = VKMOE_ACTIVATION_SWIGLU_OAI},
    CASE("one-of-each-down"), .kind = DOWN, SHAPE(1, 1, 1, 1, 1), .biased = true},
    CASE("one-of-each-direct"), .kind = DIRECT, SHAPE(1, 1, 1, 1, 1), .dtype = VKMOE_DTYPE_F16},
    CASE("hot-expert-up"), UP_GATED, SHAPE(140, 2, 8, 24, 24), .shared_rows = 9,
        .pattern = IDS_ONE_HOT},
    CASE("hot-expert-down"), .kind = DOWN, SHAPE(140, 2, 8, 24, 24), .pattern = IDS_ONE_HOT},
    CASE("odd-experts-empty-up"), UP_GATED, SHAPE(33, 2, 9, 24, 24), .shared_rows = 9,
        .pattern = IDS_EVEN},
    CASE("twice-the-same-up"), UP_GATED, SHAPE(33, 4, 9, 24, 24), .shared_rows = 9,
        .pattern = IDS_TWICE},
    CASE("twice-the-same-down"), .kind = DOWN, SHAPE(33, 4, 9, 24, 24), .pattern = IDS_TWICE},
    CASE("dropped-up"), UP_GATED, SHAPE(33, 2, 5, 24, 24), .shared_rows = 9,
        .pattern = IDS_DROPPED},
    CASE("dropped-down"), .kind = DOWN, SHAPE(33, 2, 5, 24, 24), .pattern = IDS_DROPPED},
    CASE("everything-dropped-up"), UP_GATED, SHAPE(9, 2, 5, 24, 24), .shared_rows = 9,
        .pattern = IDS_ALL_DROPPED},
    CASE("everything-dropped-down"), .kind = DOWN, SHAPE(9, 2, 5, 24, 24),
        .pattern = IDS_ALL_DROPPED},
    CASE("experts-1024-up"), UP_GATED, SHAPE(10, 8, 1024, 16, 8), .shared_rows = 8},
    // Columns, in units of 8 and slices of 16.
    CASE("columns-1-up"), OAI_UP(19, 1, 24)},
    CASE("columns-7-up"), OAI_UP(19, 7, 24)},
    CASE("columns-8-up"), SMALL_UP(19, 8, 24)},
    CASE("columns-9-up"), OAI_UP(19, 9, 24)},
    CASE("columns-16-up"), SMALL_UP(19, 16, 24)},
    CASE("columns-17-up"), OAI_UP(19, 17, 24)},
    CASE("columns-24-up"), SMALL_UP(19, 24, 24)},
    CASE("columns-33-up"), OAI_UP(19, 33, 24)},
    CASE("columns-704-up"), SMALL_UP(19, 704, 24)},
    CASE("columns-1-down"), SMALL_DOWN(19, 1, 24)},
    CASE("columns-9-down"), SMALL_DOWN(19, 9, 24)},
    CASE("columns-704-down"), SMALL_DOWN(19, 704, 24)},
    // Rows of a tile: 2, 8, 16, 64.
    CASE("part-direct"), SMALL_DIRECT(19, 64, 200), .gap = 8, .first_tile = 1},
    CASE("part-unpacked-direct"), SMALL_DIRECT(19, 40, 200), .gap = 3, .first_tile = 2},
    CASE("part-of-many-direct"), SMALL_DIRECT(19, 64, 600), .first_tile = 2},
    CASE("tokens-2-direct"), SMALL_DIRECT(2, 24, 40)},
    CASE("tokens-3-direct"), SMALL_DIRECT(3, 24, 40)},
    CASE("tokens-4-direct"), SMALL_DIRECT(4, 24, 40)},
    CASE("tokens-5-direct"), SMALL_DIRECT(5, 24, 40)},
    CASE("tokens-7-direct"), SMALL_DIRECT(7, 24, 40)},
    CASE("tokens-8-direct"), SMALL_DIRECT(8, 24, 40)},
    CASE("tokens-9-direct"), SMALL_DIRECT(9, 24, 40)},
    CASE("tokens-15-direct"), SMALL_DIRECT(15, 24, 40)},
    CASE("tokens-16-direct"), SMALL_DIRECT(16, 24, 40)},
    CASE("tokens-17-direct"), SMALL_DIRECT(17, 24, 40)},
    CASE("tokens-63-direct"), SMALL_DIRECT(63, 24, 40)},
    CASE("tokens-64-direct"), SMALL_DIRECT(64, 24, 40)},
    CASE("tokens-65-direct"), SMALL_DIRECT(65, 24, 40)},
    CASE("tokens-130-direct"), SMALL_DIRECT(130, 24, 40)},
    CASE("tokens-9-up"), SMALL_UP(9, 24, 24)},
    // Of a few rows, where lanes own columns: records of 16 columns, two of them a step or one, or
    // half of the last.
    CASE("few-1-up-f16"), SMALL_UP(1, 88, 40), .dtype = VKMOE_DTYPE_F16},
    CASE("few-up-f16"), SMALL_UP(6, 80, 72), .dtype = VKMOE_DTYPE_F16},
    CASE("few-2-direct-f16"), SMALL_DIRECT(2, 64, 72), .dtype = VKMOE_DTYPE_F16},
    CASE("few-3-direct-f16"), SMALL_DIRECT(3, 45, 33), .dtype = VKMOE_DTYPE_F16},
    CASE("few-5-direct-f16", .thorough = true), SMALL_DIRECT(5, 88, 40), .dtype = VKMOE_DTYPE_F16},
    CASE("few-1-up-bf16", .thorough = true), SMALL_UP(1, 88, 40), .dtype = VKMOE_DTYPE_BF16},
    CASE("few-4-direct-bf16"), SMALL_DIRECT(4, 72, 40), .dtype = VKMOE_DTYPE_BF16},
    CASE("few-5-direct-bf16", .thorough = true), SMALL_DIRECT(5, 64, 40),
        .dtype = VKMOE_DTYPE_BF16},
    CASE("few-3-direct-f32", .thorough = true), SMALL_DIRECT(3, 80, 40)},
    CASE("tokens-17-one-expert-up"), UP_GATED, SHAPE(17, 1, 1, 24, 24), .shared_rows = 24},
    CASE("tokens-65-one-expert-up"), UP_GATED, SHAPE(65, 1, 1, 24, 24), .shared_rows = 24},
    CASE("tokens-65-one-expert-down", EVERYWHERE), .kind = DOWN, SHAPE(65, 1, 1, 24, 24)},
    // Matrix rows of a tile: 32, 64; gate and up take turns.
    CASE("rows-15-up"), SMALL_UP(11, 16, 15)},
    CASE("rows-16-up"), SMALL_UP(11, 16, 16)},
    CASE("rows-17-up"), SMALL_UP(11, 16, 17)},
    CASE("rows-31-up"), SMALL_UP(11, 16, 31)},
    CASE("rows-32-up"), SMALL_UP(11, 16, 32)},
    CASE("rows-33-up"), SMALL_UP(11, 16, 33)},
    CASE("rows-65-up"), SMALL_UP(11, 16, 65)},
    CASE("rows-4-down"), SMALL_DOWN(11, 16, 4)},
    CASE("rows-12-down"), SMALL_DOWN(11, 16, 12)},
    CASE("rows-32-down"), SMALL_DOWN(11, 16, 32)},
    CASE("rows-36-down"), SMALL_DOWN(11, 16, 36)},
    CASE("rows-64-down"), SMALL_DOWN(11, 16, 64)},
    CASE("rows-68-down"), SMALL_DOWN(11, 16, 68)},
    CASE("rows-1-bias-down"), SMALL_DOWN(11, 16, 1), .biased = true},
    CASE("rows-7-bias-down"), SMALL_DOWN(11, 16, 7), .biased = true},
    CASE("rows-31-bias-down"), SMALL_DOWN(11, 16, 31), .biased = true},
    CASE("rows-33-bias-down"), SMALL_DOWN(11, 16, 33), .biased = true},
    CASE("rows-63-bias-down"), SMALL_DOWN(11, 16, 63), .biased = true},
    CASE("rows-65-bias-down"), SMALL_DOWN(11, 16, 65), .biased = true},
    CASE("rows-300-up"), SMALL_UP(11, 16, 300)},
    CASE("rows-300-down"), SMALL_DOWN(11, 16, 300)},

    // ------------------------------------------ what f16 cannot hold, where x becomes that
    CASE("fast-up", EVERYWHERE), UP_GATED, SHAPE(65, 2, 3, 80, 48), .shared_rows = 24,
        .fast = true},
    CASE("fast-down", EVERYWHERE), SMALL_DOWN(65, 704, 40), .fast = true},
    CASE("huge-x-direct"), SMALL_DIRECT(33, 72, 40), HUGE_X},
    CASE("huge-x-up", EVERYWHERE), SMALL_UP(33, 72, 40), HUGE_X},
    CASE("huge-x-fast-direct"), SMALL_DIRECT(33, 72, 40), HUGE_X, .fast = true},
    CASE("huge-x-mixed-down"), SMALL_DOWN(33, 72, 40), HUGE_X, .mixed = true},
    CASE("tiny-x-direct", EVERYWHERE), SMALL_DIRECT(33, 72, 40), TINY_X},
    CASE("tiny-x-fast-direct"), SMALL_DIRECT(33, 72, 40), TINY_X, .fast = true},
    CASE("tiny-x-mixed-direct"), SMALL_DIRECT(33, 72, 40), TINY_X, .mixed = true},
    // ------------------------------------------------------------ h in f16, with its scales
#define HALF .fast = true, .half = 1
#define HALF_UP .fast = true, .half = 3
    CASE("half-up"), UP_GATED, SHAPE(33, 2, 4, 80, 200), .shared_rows = 600, HALF_UP},
    CASE("half-huge-up"), UP_GATED, SHAPE(33, 2, 4, 80, 200), .shared_rows = 24, HUGE_X, HALF_UP},
    CASE("half-tiny-up"), UP_GATED, SHAPE(33, 2, 4, 80, 200), .shared_rows = 24, TINY_X, HALF_UP},
    CASE("half-faint-up"), UP_GATED, SHAPE(33, 2, 4, 80, 200), .shared_rows = 24, .gain = 5e-18,
        HALF_UP},
    CASE("half-row-1-up"), UP_GATED, SHAPE(19, 2, 4, 80, 1), .shared_rows = 1, HALF_UP},
    CASE("half-routed-up", .thorough = true), SMALL_UP(33, 80, 200), .fast = true, .half = 1},
    CASE("half-shared-up", .thorough = true), SMALL_UP(33, 80, 200), .fast = true, .half = 2},
    CASE("half-ungated-up"), .kind = UP, SHAPE(19, 2, 4, 80, 300),
        .shared_rows = 200, .activation = VKMOE_ACTIVATION_GELU_TANH, .weight_input = true,
        HALF_UP},
    CASE("half-down"), SMALL_DOWN(33, 712, 40), HALF},
    CASE("half-even-down"), SMALL_DOWN(33, 712, 40), .fast = true, .half = 2},
    CASE("half-huge-mixed-down"), SMALL_DOWN(33, 712, 40), HUGE_X, .mixed = true, HALF},
    CASE("half-tiny-down"), SMALL_DOWN(33, 712, 40), TINY_X, HALF},
    CASE("half-faint-part-down"), SMALL_DOWN(33, 712, 40), .gain = 1e-35, .part = true, HALF},
    CASE("half-column-1-down"), SMALL_DOWN(19, 1, 40), HALF},
    CASE("half-columns-128-down", .thorough = true), SMALL_DOWN(19, 128, 40), HALF},
    CASE("half-direct"), SMALL_DIRECT(33, 264, 40), HALF},
#define UNPACKED .dtype = VKMOE_DTYPE_Q4_K, .unpacked = true
    // Parts of K, of which the last is shorter, or ends within a slice.
#define PARTS(t, from, to, n) SMALL_DIRECT(t, from, to), .part_units = n
    CASE("parts-direct", EVERYWHERE), PARTS(70, 424, 40, 16)},
    CASE("parts-even-direct-f16"), PARTS(19, 256, 300, 16), .dtype = VKMOE_DTYPE_F16},
    CASE("parts-odd-direct"), PARTS(33, 150, 45, 16)},
    CASE("parts-mixed-direct", EVERYWHERE), PARTS(33, 300, 40, 32), HUGE_X, .mixed = true},
    CASE("parts-fast-direct"), PARTS(33, 300, 40, 16), .fast = true},
    CASE("parts-tile-direct"), PARTS(33, 300, 300, 16), .first_tile = 1},
    CASE("parts-unpack-direct"), PARTS(33, 512, 40, 16), UNPACKED},
    CASE("parts-unpack-fast-direct"), PARTS(33, 512, 40, 32), UNPACKED, .fast = true},
    CASE("parts-huge-weights-direct", .shrunk = -11), PARTS(33, 512, 40, 32), UNPACKED},
    CASE("unpack-down"), SMALL_DOWN(33, 512, 40), UNPACKED},
    CASE("huge-weights-down", .shrunk = -11), SMALL_DOWN(33, 512, 40), UNPACKED},
    CASE("tiny-weights-down", .shrunk = 16), SMALL_DOWN(33, 512, 40), UNPACKED},
    CASE("unpack-fast-up"), SMALL_UP(33, 512, 40), UNPACKED, .fast = true},
    CASE("unpack-half-up"), SMALL_UP(33, 512, 200), UNPACKED, HALF_UP},
    CASE("unpack-half-down"), SMALL_DOWN(33, 512, 40), UNPACKED, HALF},
#define FORMAT(name, NAME, ...) \
    CASE("unpack-" #name, .thorough = true), SMALL_DIRECT(33, 512, 40), \
        .dtype = VKMOE_DTYPE_##NAME, .unpacked = true}, \
    CASE("unpack-" #name "-fast", .thorough = true), SMALL_DIRECT(19, 512, 40), \
        .dtype = VKMOE_DTYPE_##NAME, .unpacked = true, .fast = true},
#include "weights/formats.def"
    // Matrices of any size, of which lavapipe takes long to compile those of many rows.
#define FLEXIBLE(rows, NAME) .wide_rows = rows, .dtype = VKMOE_DTYPE_##NAME, .fast = true
    CASE("flexible-up"), UP_GATED, SHAPE(65, 2, 3, 80, 48), .shared_rows = 24, HUGE_X,
        .mixed = true, FLEXIBLE(32, F16)},
    CASE("flexible-half-down"), SMALL_DOWN(33, 512, 300), .half = 1, FLEXIBLE(16, Q4_K)},
    CASE("flexible-half-up", .thorough = true), SMALL_UP(33, 80, 200), .half = 3,
        FLEXIBLE(16, BF16)},
    CASE("flexible-direct", .thorough = true), SMALL_DIRECT(130, 96, 40), TINY_X,
        FLEXIBLE(64, Q8_0)},
};
// clang-format on

#endif
