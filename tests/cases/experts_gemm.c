// experts_gemm.c - cases and reference of the matrix products over rows sorted by expert.
#include "cases.h"
#include "compare.h"
#include "half_rows.h"

#include <math.h>
#include <string.h>

#include "weights/experts.h"

#include "shaders/experts_gemm.h"
#include "shaders/plan.h"

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
    bool unpacked;              // of forms for matrix units that unpack formats, which have all
                                // else in common with the others
    uint32_t wide_rows;         // for forms with matrices of any size alone: GEMM_WIDE_ROWS
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

static const struct kernel_shape shapes[] = { { 0 } };

// Some forms take some formats only: for them cases of others are of their first.
static enum vkmoe_dtype dtype_of(const struct gemm_case *c, const struct variant *variant)
{
    uint32_t dtype = c->dtype;
    if (variant->needs & NEED_ANY_MATRIX && !(variant->formats >> dtype & 1))
        for (dtype = 0; !(variant->formats >> dtype & 1);)
            dtype++;
    return (enum vkmoe_dtype)dtype;
}

static bool is_fast(const struct gemm_case *c, const struct variant *variant)
{
    return c->fast || variant->needs & NEED_fast;
}

static bool fits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    const struct gemm_case *c = (const void *)test;
    (void)shape;
    const bool units = variant->needs & NEED_ANY_MATRIX;
    if (variant->needs & NEED_flexible_matrix || c->wide_rows)
        return variant->needs & NEED_flexible_matrix && c->wide_rows;
    const bool unpacks = units && !(variant->formats & FORMAT_f16);
    if (unpacks || c->unpacked)
        return unpacks && c->unpacked && variant->formats >> c->dtype & 1;
    if (units)
        return true;
    // rows_broadcast_many is the same code for f16: of rows_broadcast's a few cases.
    if (variant->needs & NEED_uniform_loads && variant->formats == FORMATS_wide && !test->everywhere
        && c->dtype == VKMOE_DTYPE_F16)
        return false;
    return !c->fast && form_has(variant, c->dtype);
}

struct gemm_model {
    struct routing routing;
    struct grouping grouping;
    struct linear matrices, shared; // direct: only the second
    const float *source;
    uint32_t tile_blocks, tile_rows;
    uint32_t columns, stride; // of a source row
    uint32_t result_columns, shared_columns;
    uint32_t tiles, shared_tiles;
    uint32_t first_tile; // the case's, or the matrix's last
};

// Up: the width of a row of h, padded with zeros to whole units. Else, and at the places of
// pairs, what is asked for.
static uint32_t padded(const struct gemm_case *c, uint32_t rows)
{
    return c->kind == UP && c->sharers == 0 ? (uint32_t)align_up(rows, 8) : rows;
}

static void add_plan(struct kernel_io *io, struct gemm_model *m)
{
    const struct gemm_case *c = (const void *)io->test;
    const uint32_t pairs = c->tokens * c->k;
    m->routing = io_add_routing(io, c->pattern, c->tokens, c->k, c->experts);
    m->grouping = group_pairs(io, &m->routing, c->tokens, c->capacity ? c->capacity : UINT32_MAX);
    float *weights = io_find(io, "weights")->before;
    for (uint32_t pair = 0; pair < pairs; pair++)
        if (m->routing.dropped[pair])
            weights[pair] = -0.0f;
    memcpy(io_add(io, "rows", ROLE_IN, c->tokens, c->k)->before, m->grouping.rows, pairs * 4);
    // As much as there is, not as there might be: what comes behind is nobody's.
    const uint32_t room = plan_room(&m->routing, m->tile_rows);
    uint32_t *plan = io_alloc(io, room, sizeof *plan);
    const uint32_t size =
        make_plan(&m->routing, &m->grouping, m->tile_rows, c->shared_rows ? c->tokens : 0, plan);
    memcpy(io_add(io, "plan", ROLE_IN, size, 1)->before, plan, size * 4);
    m->tiles = plan[PLAN_TILES];
    m->shared_tiles = plan[PLAN_SHARED_TILES];
}

// Pairs that share a row of the source.
static uint32_t sharers(const struct gemm_case *c)
{
    return c->sharers ? c->sharers : c->k;
}

static bool reads_half(const struct gemm_case *c)
{
    return c->kind != UP && c->half;
}

static void add_source(struct kernel_io *io, struct gemm_model *m)
{
    const struct gemm_case *c = (const void *)io->test;
    const uint32_t rows = c->kind == DOWN ? c->tokens * c->k
        : c->kind == DIRECT               ? c->tokens * MAX(c->heads, 1)
                                          : c->tokens * c->k / sharers(c);
    m->columns = c->kind == UP ? c->columns : (uint32_t)align_up(c->columns, 8);
    m->stride = m->columns + c->gap;
    float *source = io_add_floats(io, "source", rows, m->stride, 1.0);
    for (uint32_t row = 0; row < rows && c->gain > 0.0; row++)
        for (uint32_t i = c->part ? 128 : 0;
             i < (c->part ? 256 : c->columns) && (!c->mixed || row % 3 == 0); i++)
            source[(size_t)row * m->stride + i] *= (float)c->gain;
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t i = c->columns; i < m->stride; i++) // rows of h end in zeros
            source[(size_t)row * m->stride + i] = i < m->columns ? 0.0f : NAN;
    for (uint32_t row = 0; c->kind == DOWN && row < rows; row++)
        for (uint32_t i = 0; m->grouping.rows[row] == UINT32_MAX && i < m->stride; i++)
            source[(size_t)row * m->stride + i] = NAN; // nobody has written these
    io_find(io, "source")->skew = c->misaligned ? 4 : 0;
    m->source = reads_half(c) ? half_rows_from_floats(io, "source", rows, c->half == 2) : source;
}

// `half`: the bit of GEMM_RESULT_HALF.
static void add_result(
    struct kernel_io *io, const char *name, uint32_t half, uint32_t rows, uint32_t columns)
{
    const struct gemm_case *c = (const void *)io->test;
    if (c->kind == UP && c->half & half) {
        half_rows_add(io, name, rows, columns);
        return;
    }
    io_add(io, name, ROLE_OUT, rows, columns);
    io_find(io, name)->skew = c->misaligned ? 4 : 0;
}

static void fill(struct kernel_io *io)
{
    const struct gemm_case *c = (const void *)io->test;
    struct gemm_model *m = io->model = io_alloc(io, 1, sizeof *m);
    m->tile_blocks = io->variant->tile.blocks;
    m->tile_rows = io->variant->tile.rows;
    if (c->kind != DIRECT) {
        add_plan(io, m);
        m->matrices = io_add_linear(io, "matrices", c->biased ? "bias" : NULL, c->experts, c->rows,
            c->columns, c->gated, dtype_of(c, io->variant));
    }
    const uint32_t shared_rows = c->kind == DIRECT ? c->rows : c->shared_rows;
    if (shared_rows)
        m->shared = io_add_linear(io, "shared", NULL, MAX(c->heads, 1), shared_rows, c->columns,
            c->shared_gated, dtype_of(c, io->variant));
    add_source(io, m);
    io_add_table(io, MAX(c->experts, c->heads));
    // Blocks of two strips belong together.
    const uint32_t together = m->tile_blocks < 4 ? 4 / m->tile_blocks : 1;
    m->first_tile = MIN(c->first_tile, (c->rows - 1) / (together * m->tile_blocks * 8)) * together;
    m->result_columns = padded(c, c->rows);
    m->shared_columns = padded(c, c->shared_rows);
    add_result(io, "result", 1, c->kind == DIRECT ? c->tokens * MAX(c->heads, 1) : c->tokens * c->k,
        m->result_columns + c->result_gap);
    if (c->kind == UP && c->shared_rows)
        add_result(io, "shared_result", 2, c->tokens, m->shared_columns);
}

// One row of results.
static void make_row(const struct gemm_case *c, const struct linear *l, uint32_t expert,
    const float *x, double scale, double *to)
{
    for (uint32_t i = 0; i < padded(c, l->rows); i++) {
        const double first = linear_row(l, 0, expert, i, x, scale);
        const double second = l->parts == 2 ? linear_row(l, 1, expert, i, x, scale) : first;
        to[i] = c->kind != UP
            ? first
            : activation_value(c->activation, l->parts == 2, first, second, TEST_ALPHA, TEST_LIMIT);
    }
}

// Fast: what the rounding of x to f16 makes of all together, and of one by bad luck. Results of
// tiny x are held against what they are, not against what is usual.
static void set_tolerance(struct kernel_io *io, const char *name)
{
    const struct gemm_case *c = (const void *)io->test;
    struct kernel_operand *operand = io_find(io, name);
    if (!operand)
        return;
    operand->tolerance = is_fast(c, io->variant) ? COMPARE_FAST_TOLERANCE : COMPARE_F32_TOLERANCE;
    operand->rms_tolerance = is_fast(c, io->variant) ? COMPARE_FAST_RMS : 0.0;
    if (c->gain > 0.0 && c->gain < 1.0 && !c->mixed && !c->part)
        operand->tolerance *= c->gain * 10.0;
    if (c->base.shrunk > 0.0)
        operand->tolerance *= exp2(-c->base.shrunk) * 10.0;
}

static void reference(struct kernel_io *io)
{
    const struct gemm_case *c = (const void *)io->test;
    const struct gemm_model *m = io->model;
    set_tolerance(io, "result");
    set_tolerance(io, "shared_result");
    double *result = io_expect_floats(io, "result");
    const uint32_t heads = MAX(c->heads, 1);
    for (uint32_t row = 0; c->kind == DIRECT && row < c->tokens * heads; row++)
        make_row(c, &m->shared, row % heads, m->source + (size_t)row * m->stride, 1.0,
            result + (size_t)row * (m->result_columns + c->result_gap));
    const uint32_t left_out = m->first_tile * m->tile_blocks * 8;
    for (uint32_t t = 0; c->kind == DIRECT && t < c->tokens; t++)
        for (uint32_t i = 0; i < left_out; i++)
            result[(size_t)t * (m->result_columns + c->result_gap) + i] = INFINITY;
    for (uint32_t pair = 0; c->kind != DIRECT && pair < c->tokens * c->k; pair++) {
        const uint32_t row = m->grouping.row_of[pair];
        if (row == UINT32_MAX)
            continue;
        const size_t from = c->kind == UP ? pair / sharers(c) : row;
        const size_t to = c->kind == UP && c->sharers == 0 ? row : pair;
        make_row(c, &m->matrices, m->routing.expert[pair], m->source + from * m->stride,
            c->weight_input ? m->routing.weights[pair] : 1.0, result + to * m->result_columns);
    }
    if (c->kind != UP || !c->shared_rows)
        return;
    double *shared = io_expect_floats(io, "shared_result");
    for (uint32_t t = 0; t < c->tokens; t++)
        make_row(c, &m->shared, 0, m->source + (size_t)t * m->stride, 1.0,
            shared + (size_t)t * m->shared_columns);
}

static void set_spec(struct kernel_io *io, uint32_t spec[SPEC_MAX])
{
    const struct experts_gemm_push *push = (const void *)io->push;
    const struct gemm_case *c = (const void *)io->test;
    const struct kernel_operand *shared = io_find(io, "shared_result");
    spec[GEMM_TYPE] = dtype_of(c, io->variant);
    spec[GEMM_UP] = c->kind == UP;
    spec[GEMM_DIRECT] = c->kind == DIRECT;
    spec[GEMM_PACKED] = reads_half(c) || io_is_packed(io, io_find(io, "source"), 8);
    spec[GEMM_RESULT_PACKED] = push->result_columns % 4 == 0
        && io_is_packed(io, io_find(io, "result"), 4) && (!shared || io_is_packed(io, shared, 4));
    spec[GEMM_GATED] = c->gated;
    spec[GEMM_SHARED_GATED] = c->shared_gated;
    spec[GEMM_ACTIVATION] = c->kind == UP ? c->activation : VKMOE_ACTIVATION_IDENTITY;
    spec[GEMM_BIAS] = c->biased;
    spec[GEMM_WEIGHT_INPUT] = c->weight_input;
    spec[GEMM_ALPHA] = float_bits(TEST_ALPHA);
    spec[GEMM_LIMIT] = float_bits(TEST_LIMIT);
    spec[GEMM_TO_PAIRS] = c->sharers > 0;
    spec[GEMM_FAST] = is_fast(c, io->variant);
    spec[GEMM_HEADS] = c->heads;
    spec[GEMM_HALF] = reads_half(c);
    spec[GEMM_RESULT_HALF] = c->kind == UP ? c->half : 0;
    vkmoe_gemm_cut(io->device, io->variant, push->units, push->source_columns, spec);
    if (c->wide_rows)
        spec[GEMM_WIDE_ROWS] = c->wide_rows;
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct gemm_case *c = (const void *)io->test;
    const struct gemm_model *m = io->model;
    const bool has_shared = c->kind == DIRECT || c->shared_rows;
    const struct linear *main = c->kind == DIRECT ? &m->shared : &m->matrices;
    io_fill_table(io,
        c->heads                ? &m->shared
            : c->kind == DIRECT ? NULL
                                : &m->matrices,
        has_shared ? &m->shared : NULL);
    SET_PUSH(io, experts_gemm, .k = sharers(c), .experts = c->experts, .tokens = c->tokens,
        .units = main->units, .source_columns = m->columns,
        .source_stride = reads_half(c) ? HALF_STRIDE(m->columns) : m->stride,
        .result_columns = m->result_columns,
        .result_stride = c->kind == UP && c->half & 1 ? HALF_STRIDE(m->result_columns)
                                                      : m->result_columns + c->result_gap,
        .shared_result_columns = m->shared_columns,
        .row_tiles = div_up(main->blocks, m->tile_blocks) - m->first_tile,
        .first_row_tile = m->first_tile,
        .shared_row_tiles = c->kind == UP ? div_up(m->shared.blocks, m->tile_blocks) : 0,
        .bias_stride = main->blocks * 8, .tile_rows = m->tile_rows,
        AT(plan) AT(rows) AT(source) AT(result) AT(shared_result) AT(table) AT(bias) AT(weights));
    const struct experts_gemm_push *push = (const void *)io->push;
    *d = (struct dispatch){
        .groups = c->kind == DIRECT
            ? push->row_tiles * div_up(c->tokens, m->tile_rows) * MAX(c->heads, 1)
            : m->tiles * push->row_tiles + m->shared_tiles * push->shared_row_tiles,
    };
    set_spec(io, d->spec);
}

// Matrix rows that a token, or an expert, has to do with.
static uint64_t matrix_rows(const struct gemm_case *c, bool shared)
{
    if (shared)
        return c->kind == DIRECT ? c->rows : (uint64_t)c->shared_rows * (c->shared_gated ? 2 : 1);
    return c->kind == DIRECT ? 0 : (uint64_t)c->rows * (c->gated ? 2 : 1);
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct gemm_case *c = (const void *)test;
    const uint64_t pairs = c->tokens * c->k, heads = MAX(c->heads, 1);
    const uint64_t sources = c->kind == DOWN ? pairs : c->sharers ? pairs / c->sharers : c->tokens;
    const uint64_t results = c->kind == DIRECT ? c->tokens : pairs;
    const uint64_t rows = MIN(pairs, c->experts) * matrix_rows(c, false) + matrix_rows(c, true);
    return heads * format_bytes(c->dtype, rows * c->columns)
        + (heads * (sources * c->columns + results * c->rows) + c->tokens * c->shared_rows) * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct gemm_case *c = (const void *)test;
    return 2ull * c->tokens * MAX(c->heads, 1) * c->columns
        * (c->k * matrix_rows(c, false) + matrix_rows(c, true));
}

KERNEL_SUITE(experts_gemm, fits, reference)
