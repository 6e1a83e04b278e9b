// attend.c - cases of attention over a cache. What the cache has not been given yet is NaN.
// Reference: attend_reference.c.
#include "attend_reference.h"
#include "attention_constants.h"
#include "cache_rows.h"
#include "compare.h"

#include <math.h>
#include <string.h>

#include "shaders/attend.h"
#include "shaders/plan.h"

enum { CPU = 1, GPU = 2, WIDE = 8, NARROW = 16 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, h, kv, d) .tokens = t, .heads = h, .kv_heads = kv, .head_size = d
#define BOTH .shapes = CPU | GPU
#define EVERYWHERE .everywhere = true
#define HELD(n, before, places) .placed = true, .sequences = n, .start = before, .capacity = places
#define PAIRS(slots, e) .rows = ROWS_PAIRS, .k = slots, .experts = e
#define SORTED(slots, e, tile) .rows = ROWS_SORTED, .k = slots, .experts = e, .tile_rows = tile
#define PATTERN(...) .patterns = {{__VA_ARGS__}}
#define CORE SHAPE(11, 4, 2, 32), HELD(3, 90, 120) // one pipeline for all patterns
#define STRIDED .kind = VKMOE_PATTERN_STRIDED
#define DILATED .kind = VKMOE_PATTERN_DILATED
#define CHUNKED .kind = VKMOE_PATTERN_CHUNKED
#define AROUND .both_sides = true
#define PATTERNS_4 .pattern_count = 4, .patterns = { \
    {0}, {.left = 9, .sinks = 2}, {STRIDED, .step = 4, .phase = 1, .local = 3}, \
    {DILATED, .step = 3, .phase = 2, .left = 40, .sinks = 1}}
#define LISTED(...) .kind = VKMOE_PATTERN_BLOCKS, .blocks = (const uint32_t[]){__VA_ARGS__}, \
    .block_count = sizeof (const uint32_t[]){__VA_ARGS__} / sizeof(uint32_t)
#define CHOSEN(n) .kind = VKMOE_PATTERN_BLOCKS, .top = n
#define DECODE .columns = true, .alone = true
#define PREFILL .matrices = true
#define PICKED CORE, .words = 2, .top = 3 // one more pipeline, for all blocks
#define F16 .cache = CACHE_F16
#define Q8_0 .cache = CACHE_Q8_0
#define MOH SHAPE(13, 4, 6, 32), HELD(2, 40, 60), .expert_kv = 2, .words = 1, .top = 3, \
    .reach = 4, .pattern_count = 4, .patterns = {{CHOSEN(3), .block = 3, .local = 2}, \
    {LISTED(0, 3, 4), .block = 11, .sinks = 3}, {.left = 9}, {CHOSEN(2), .block = 3, .left = 30}}

static const struct attend_case cases[] = {
    // ------------------------------------------------------------- whom it is made for
    CASE("mixtral", .timed = true, .shapes = CPU), SHAPE(9, 8, 2, 128), HELD(1, 30, 40)},
    CASE("mixtral-decode", .timed = true, .shapes = GPU), SHAPE(1, 8, 2, 128), HELD(1, 139, 140),
        .splits = 4},
    CASE("mixtral-decode-cpu", .shapes = CPU, .thorough = true), SHAPE(1, 8, 2, 128),
        HELD(1, 139, 140), .splits = 4},
    CASE("no-places", BOTH), SHAPE(9, 4, 2, 32), .capacity = 40, .start = 7},
    CASE("gpt-oss", .shapes = CPU), SHAPE(7, 16, 2, 64), HELD(2, 30, 50), .sinks = true,
        PATTERN(.left = 12)},
    CASE("gpt-oss-decode", .shapes = GPU), SHAPE(3, 16, 2, 64), HELD(3, 80, 100), .sinks = true,
        .splits = 3, .alternate = true},
    CASE("olmoe-f16", .timed = true, .shapes = CPU), SHAPE(10, 4, 4, 32), HELD(2, 25, 50), F16},
    CASE("qwen3", .shapes = CPU, .thorough = true), SHAPE(5, 8, 1, 128), HELD(1, 3, 10), F16},
    CASE("gemma-soft-cap", .shapes = GPU), SHAPE(3, 4, 2, 256), HELD(1, 20, 30),
        .soft_cap = 2.0f, PATTERN(.left = 8)},
    CASE("grok-soft-cap", .shapes = CPU), SHAPE(5, 6, 1, 64), HELD(1, 20, 30), .soft_cap = 30.0f},
    CASE("jetmoe-sorted", BOTH), SHAPE(13, 4, 4, 32), HELD(2, 30, 50),
        SORTED(2, 8, 8), .tiled = true},
    CASE("jetmoe-pairs", BOTH), SHAPE(3, 4, 4, 32), HELD(3, 30, 50), PAIRS(2, 8),
        .tiled = true, .alternate = true},
    CASE("jetmoe-pairs-split", BOTH), SHAPE(3, 4, 4, 32), HELD(3, 70, 100), PAIRS(2, 8),
        .tiled = true, .splits = 2},


    // ---------------------------------------------------- patterns, with one pipeline each
    CASE("everything", BOTH, EVERYWHERE), CORE},
    CASE("alternating-sequences", BOTH), CORE, .alternate = true},
    CASE("window-1", BOTH), CORE, PATTERN(.left = 1)},
    CASE("window-5", BOTH), CORE, PATTERN(.left = 5)},
    CASE("window-64", BOTH), CORE, PATTERN(.left = 64), .alternate = true},
    CASE("window-100-and-sinks", BOTH), CORE, PATTERN(.left = 100, .sinks = 3)},
    CASE("streaming", BOTH), CORE, PATTERN(.left = 7, .sinks = 4)},
    CASE("sinks-everywhere", BOTH), CORE, PATTERN(.left = 7, .sinks = 1000)},
    CASE("window-and-local", BOTH), CORE, PATTERN(.left = 3, .local = 8)},
    CASE("window-around-local", BOTH), CORE, PATTERN(.left = 80, .local = 70)},
    CASE("strided", BOTH), CORE, PATTERN(STRIDED, .step = 4, .phase = 3)},
    CASE("strided-local-sinks", BOTH), CORE,
        PATTERN(STRIDED, .step = 4, .phase = 1, .local = 6, .sinks = 2)},
    CASE("strided-window", BOTH), CORE, PATTERN(STRIDED, .step = 5, .phase = 0, .left = 30),
        .alternate = true},
    CASE("strided-sees-none", BOTH), SHAPE(11, 4, 2, 32), HELD(3, 0, 120),
        PATTERN(STRIDED, .step = 7, .phase = 5)},
    CASE("strided-huge-step", BOTH), CORE, PATTERN(STRIDED, .step = 1000, .phase = 97)},
    CASE("dilated", BOTH), CORE, PATTERN(DILATED, .step = 3, .phase = 0)},
    CASE("dilated-local-sinks", BOTH), CORE,
        PATTERN(DILATED, .step = 3, .phase = 1, .local = 2, .sinks = 2, .left = 44)},
    CASE("dilated-sees-none", BOTH), SHAPE(11, 4, 2, 32), HELD(3, 0, 120),
        PATTERN(DILATED, .step = 9, .phase = 8)},
    CASE("chunked", BOTH), CORE, PATTERN(CHUNKED, .block = 31)},
    CASE("chunked-window-local-sinks", BOTH), CORE,
        PATTERN(CHUNKED, .block = 24, .left = 9, .sinks = 2, .local = 4), .alternate = true},
    CASE("chunked-of-1", BOTH), CORE, PATTERN(CHUNKED, .block = 1)},
    CASE("chunked-of-all", BOTH), CORE, PATTERN(CHUNKED, .block = 1000)},
    CASE("both-sides", BOTH), CORE, PATTERN(AROUND), .ahead = true},
    CASE("both-sides-behind", BOTH), CORE, PATTERN(AROUND), .ahead = true, .behind = 40},
    CASE("both-sides-right-3", BOTH), CORE, PATTERN(AROUND, .right = 3), .ahead = true},
    CASE("both-sides-right-huge", BOTH), CORE, PATTERN(AROUND, .right = (1u << 30) - 1),
        .ahead = true},
    CASE("longformer", BOTH), CORE, PATTERN(AROUND, .left = 6, .right = 5, .sinks = 2),
        .ahead = true, .alternate = true},
    CASE("both-sides-strided", BOTH), CORE,
        PATTERN(AROUND, STRIDED, .step = 4, .phase = 2, .right = 9, .local = 3), .ahead = true},
    CASE("both-sides-dilated", BOTH), CORE,
        PATTERN(AROUND, DILATED, .step = 4, .phase = 3, .left = 50, .right = 11, .sinks = 1),
        .ahead = true},
    CASE("both-sides-wild", BOTH), CORE, PATTERN(AROUND, .right = 4), .ahead = true, .wild = true},
    CASE("wild-places", BOTH), CORE, .wild = true},
    CASE("first-tokens", BOTH), SHAPE(11, 4, 2, 32), HELD(3, 0, 120)},
    CASE("first-token", BOTH), SHAPE(4, 4, 2, 32), HELD(4, 0, 1), .alternate = true},
    CASE("cache-full", BOTH), SHAPE(11, 4, 2, 32), HELD(1, 53, 64)},
    CASE("gap", BOTH), CORE, .gap = 3},
    CASE("no-token", .shapes = CPU), SHAPE(0, 4, 2, 32), HELD(1, 0, 8)},

    // --------------------------------------------------------------------------- blocks
    CASE("blocks-listed", BOTH, EVERYWHERE), PICKED, PATTERN(LISTED(0, 3, 9), .block = 10)},
    CASE("blocks-listed-none", BOTH), PICKED, PATTERN(.kind = VKMOE_PATTERN_BLOCKS, .block = 7)},
    CASE("blocks-listed-of-lanes", BOTH), PICKED, PATTERN(LISTED(0), .block = 64)},
    CASE("blocks-listed-words", BOTH), PICKED, PATTERN(LISTED(47, 0, 63, 32, 31), .block = 2)},
    CASE("blocks-listed-one-word", BOTH), PICKED, PATTERN(LISTED(2, 8), .block = 2, .local = 40)},
    CASE("blocks-listed-of-1", BOTH), PICKED, PATTERN(LISTED(5, 30, 63), .block = 1)},
    CASE("blocks-listed-streaming", BOTH), PICKED, .alternate = true,
        PATTERN(LISTED(8, 1, 5, 9), .block = 9, .left = 70, .sinks = 4, .local = 5)},
    CASE("blocks-listed-both-sides", BOTH), PICKED, .ahead = true,
        PATTERN(AROUND, LISTED(0, 4, 5, 10, 11), .block = 9, .right = 5, .local = 2)},
    CASE("blocks-listed-all-around", BOTH), PICKED, .ahead = true, .alternate = true,
        PATTERN(AROUND, LISTED(11, 10, 2, 1), .block = 9, .sinks = 1)},
    CASE("blocks-listed-huge", BOTH), PICKED, PATTERN(LISTED(0, 1), .block = (1u << 30) - 1)},
    CASE("blocks-wild-places", BOTH), PICKED, .wild = true, PATTERN(CHOSEN(3), .block = 4)},
    CASE("blocks-top-1", BOTH), PICKED, PATTERN(CHOSEN(1), .block = 5)},
    CASE("blocks-top-3", BOTH, EVERYWHERE), PICKED, PATTERN(CHOSEN(3), .block = 5)},
    CASE("blocks-top-3-of-2", BOTH), PICKED, PATTERN(CHOSEN(3), .block = 2), .alternate = true},
    CASE("blocks-top-3-of-31", BOTH), PICKED, PATTERN(CHOSEN(3), .block = 31)},
    CASE("blocks-top-streaming", BOTH), PICKED,
        PATTERN(CHOSEN(3), .block = 9, .left = 70, .sinks = 4, .local = 13)},
    CASE("blocks-top-huge", BOTH), PICKED, PATTERN(CHOSEN(2), .block = (1u << 30) - 1)},
    CASE("blocks-top-first-tokens", BOTH), SHAPE(11, 4, 2, 32), HELD(3, 0, 120), .words = 2,
        .top = 3, PATTERN(CHOSEN(3), .block = 2)},
    CASE("blocks-top-many", .shapes = CPU), SHAPE(8, 1, 1, 32), HELD(1, 4080, 4096),
        .words = 16, .top = 64, PATTERN(CHOSEN(64), .block = 8)},
    CASE("blocks-listed-splits", BOTH), PICKED, .splits = 3,
        PATTERN(LISTED(2, 4, 7), .block = 12, .sinks = 3, .local = 9)},
    CASE("blocks-listed-splits-both-sides", BOTH), PICKED, .splits = 4, .ahead = true,
        PATTERN(AROUND, LISTED(0, 3, 10, 11), .block = 9, .left = 80, .right = 4)},
    CASE("blocks-listed-splits-huge", BOTH), PICKED, .splits = 5,
        PATTERN(LISTED(0), .block = (1u << 30) - 1)},
    CASE("blocks-top-splits", BOTH), PICKED, .splits = 3, PATTERN(CHOSEN(3), .block = 9)},
    CASE("blocks-top-splits-streaming", BOTH), PICKED, .splits = 2, .alternate = true,
        PATTERN(CHOSEN(2), .block = 11, .left = 77, .sinks = 10, .local = 12)},
    CASE("blocks-top-splits-past-pieces", BOTH), PICKED, .splits = 64,
        PATTERN(CHOSEN(3), .block = 2)},

    // -------------------------------------- experts with kv heads of their own, and blocks
    CASE("moh-sorted", BOTH), MOH, SORTED(2, 7, 8)},
    CASE("moh-sorted-partly", BOTH), MOH, SORTED(3, 5, 16), .ids = IDS_DROPPED},
    CASE("moh-pairs", BOTH), MOH, PAIRS(2, 7), .tiled = true, .alternate = true},
    CASE("moh-pairs-wild", BOTH), MOH, PAIRS(3, 5), .tiled = true, .ids = IDS_WILD},
    CASE("moh-pairs-split", BOTH), MOH, PAIRS(2, 7), .splits = 3, .ids = IDS_DROPPED},
    CASE("moh-one-head", .shapes = CPU), SHAPE(9, 1, 3, 32), HELD(1, 9, 20), .expert_kv = 1,
        SORTED(2, 3, 8)},
    CASE("kv-heads-of-one-expert", .shapes = GPU), SHAPE(9, 4, 5, 32), HELD(1, 9, 20),
        .expert_kv = 2},

    // -------------------------------------------------------------------- position bias
    CASE("bias", BOTH), CORE, .reach = 3},
    CASE("bias-both-sides", BOTH), CORE, .reach = 3, PATTERN(AROUND, .left = 9), .ahead = true},
    CASE("bias-far-sinks-cap", BOTH), CORE, .reach = 40, .sinks = true, .soft_cap = 2.0f,
        PATTERN(AROUND), .ahead = true},
    CASE("bias-splits", BOTH), CORE, .reach = 1, .splits = 2, .alternate = true},
    CASE("bias-sinks-splits", BOTH), CORE, .reach = 65535, .sinks = true, .splits = 2},

    // --------------------------------------------------------------------------- splits
    CASE("splits-1", BOTH), CORE, .splits = 1},
    CASE("splits-2", BOTH), CORE, .splits = 2},
    CASE("splits-3-streaming", BOTH), CORE, .splits = 3, PATTERN(.left = 50, .sinks = 9)},
    CASE("splits-4-strided", BOTH), CORE, .splits = 4, .alternate = true,
        PATTERN(STRIDED, .step = 2, .phase = 1, .local = 21, .sinks = 2)},
    CASE("splits-5-dilated", BOTH), CORE, .splits = 5,
        PATTERN(DILATED, .step = 2, .phase = 1, .local = 9, .sinks = 10)},
    CASE("splits-past-blocks", BOTH), CORE, .splits = 64, PATTERN(.left = 11)},
    CASE("splits-of-one-key", BOTH), SHAPE(4, 4, 2, 32), HELD(4, 0, 3), .splits = 5,
        .alternate = true},
    CASE("splits-both-sides", BOTH), CORE, .splits = 3, .ahead = true,
        PATTERN(AROUND, .left = 40, .right = 6)},

    // -------------------------------------------------- pairs, with the pipelines of jetmoe
    CASE("sorted-partly", BOTH), SHAPE(13, 4, 4, 32), HELD(2, 30, 50), SORTED(3, 5, 16),
        .tiled = true, .ids = IDS_DROPPED, PATTERNS_4},
    CASE("sorted-odd-tiles", BOTH), SHAPE(29, 4, 4, 32), HELD(2, 30, 60), SORTED(2, 3, 5),
        .tiled = true, PATTERNS_4, .alternate = true},
    CASE("sorted-one-hot", BOTH), SHAPE(29, 4, 4, 32), HELD(1, 30, 60), SORTED(1, 7, 32),
        .tiled = true, .ids = IDS_ONE_HOT, PATTERNS_4},
    CASE("sorted-none", .shapes = CPU), SHAPE(9, 4, 4, 32), HELD(1, 30, 60), SORTED(2, 7, 8),
        .tiled = true, .ids = IDS_ALL_DROPPED, PATTERNS_4},
    CASE("pairs-wild", BOTH), SHAPE(6, 4, 4, 32), HELD(3, 30, 50), PAIRS(2, 8), .tiled = true,
        .ids = IDS_WILD, PATTERNS_4},
    CASE("pairs-dropped", BOTH), SHAPE(6, 4, 4, 32), HELD(3, 30, 50), PAIRS(2, 8),
        .tiled = true, .ids = IDS_DROPPED, PATTERNS_4, .gap = 1},
    CASE("pairs-wild-split", BOTH), SHAPE(3, 4, 4, 32), HELD(3, 70, 100), PAIRS(2, 8),
        .tiled = true, .ids = IDS_WILD, PATTERNS_4, .splits = 3},

    // ------------------------- where columns lie in lanes: few rows have a workgroup each
    CASE("qwen3-decode", .timed = true, .shapes = WIDE), DECODE, SHAPE(1, 16, 2, 128),
        HELD(1, 700, 720), F16, .splits = 8},
    CASE("gpt-oss-batch", .shapes = WIDE), DECODE, SHAPE(3, 16, 2, 64), HELD(3, 400, 420),
        F16, .sinks = true, .alternate = true, .splits = 3},
    CASE("heads-16-of-one", .shapes = WIDE), DECODE, SHAPE(2, 16, 1, 128), HELD(2, 300, 310),
        .splits = 4},
    CASE("heads-20-of-one", .shapes = GPU | NARROW), DECODE, SHAPE(2, 20, 1, 64), HELD(1, 150, 160),
        F16, .splits = 2},
    CASE("heads-7-of-one", .shapes = GPU | NARROW), DECODE, SHAPE(2, 14, 2, 80), HELD(1, 150, 160),
        .splits = 3},
    CASE("heads-3-of-one", .shapes = GPU), DECODE, SHAPE(2, 6, 2, 33), HELD(1, 150, 160),
        F16, .splits = 2, .tiled = true},
    CASE("gemma-decode", .shapes = WIDE | NARROW), DECODE, SHAPE(1, 4, 2, 256), HELD(1, 200, 210),
        F16, .soft_cap = 2.0f, .splits = 2, PATTERN(.left = 120)},
    CASE("decode-head-8", .shapes = GPU | NARROW), DECODE, SHAPE(1, 2, 1, 8), HELD(1, 140, 150)},
    CASE("decode-head-5", .shapes = GPU | NARROW), DECODE, SHAPE(1, 2, 1, 5), HELD(1, 140, 150),
        F16},
    CASE("decode-q8_0", .timed = true, .shapes = WIDE, .thorough = true), DECODE,
        SHAPE(1, 16, 2, 128), HELD(1, 700, 720), Q8_0, .splits = 8},
    CASE("decode-head-320-q8_0", .shapes = GPU | WIDE), DECODE, SHAPE(1, 1, 1, 320),
        HELD(1, 300, 310), Q8_0},
    CASE("decode-head-40-q8_0", .shapes = GPU), DECODE, SHAPE(2, 6, 2, 40), HELD(2, 150, 160),
        Q8_0, .alternate = true, PATTERN(.left = 90, .sinks = 2)},
    CASE("many-keys", .shapes = GPU | NARROW), DECODE, SHAPE(1, 2, 1, 32), HELD(1, 1000, 1010),
        .splits = 64},
    CASE("decode-everything", .shapes = GPU), DECODE, CORE},
    CASE("decode-splits", .shapes = GPU | NARROW), DECODE, CORE, .splits = 5, .alternate = true},
    CASE("decode-splits-of-one-block", .shapes = GPU), DECODE, SHAPE(4, 4, 2, 32),
        HELD(4, 0, 120), .splits = 5, .alternate = true},
    CASE("decode-window", .shapes = GPU), DECODE, CORE, .splits = 3,
        PATTERN(.left = 40, .sinks = 3)},
    CASE("decode-strided", .shapes = GPU), DECODE, CORE, .splits = 2,
        PATTERN(STRIDED, .step = 2, .phase = 1, .local = 37, .sinks = 2)},
    CASE("decode-strided-sees-none", .shapes = GPU), DECODE, SHAPE(11, 4, 2, 32),
        HELD(3, 0, 120), .splits = 2, PATTERN(STRIDED, .step = 7, .phase = 5)},
    CASE("decode-dilated", .shapes = GPU), DECODE, CORE, .splits = 2,
        PATTERN(DILATED, .step = 2, .phase = 1, .local = 9, .sinks = 10)},
    CASE("decode-chunked", .shapes = GPU), DECODE, CORE, .splits = 2,
        PATTERN(CHUNKED, .block = 93)},
    CASE("decode-both-sides", .shapes = GPU), DECODE, CORE, .ahead = true, .splits = 2,
        PATTERN(AROUND, .left = 40, .right = 6)},
    CASE("decode-behind", .shapes = GPU), DECODE, CORE, .ahead = true, .behind = 20,
        PATTERN(AROUND, STRIDED, .step = 4, .phase = 2, .left = 40, .local = 16)},
    CASE("decode-bias-sinks", .shapes = GPU), DECODE, CORE, .reach = 40, .sinks = true,
        .splits = 3},
    CASE("decode-blocks-listed", .shapes = GPU), DECODE, PICKED, .splits = 3,
        PATTERN(LISTED(2, 4, 7), .block = 12, .sinks = 3, .local = 39)},
    CASE("decode-blocks-top", .shapes = GPU | NARROW), DECODE, PICKED, .splits = 2,
        .alternate = true, PATTERN(CHOSEN(2), .block = 11, .left = 77, .sinks = 10, .local = 12)},

    // ------------------------- on matrix units, besides all of the above that suits them
    CASE("qwen3-prefill", .timed = true, .shapes = GPU), PREFILL, SHAPE(70, 8, 1, 128),
        HELD(1, 100, 180), F16},
    CASE("prefill-splits", .shapes = GPU), PREFILL, SHAPE(40, 3, 1, 80), HELD(2, 150, 220),
        .sinks = true, .soft_cap = 30.0f, .reach = 9, .splits = 3,
        PATTERN(.left = 133, .sinks = 5)},
    CASE("prefill-chunked", .shapes = GPU), PREFILL, SHAPE(70, 8, 1, 128),
        HELD(1, 100, 180), F16, PATTERN(CHUNKED, .block = 64)},
    CASE("prefill-poison-f16", .shapes = GPU), PREFILL, SHAPE(9, 70, 1, 16), HELD(2, 50, 70),
        F16, .poison = true, PATTERN(.left = 14)},
    CASE("prefill-q8_0", .shapes = GPU), PREFILL, SHAPE(40, 3, 1, 80), HELD(2, 150, 220), Q8_0,
        .poison = true, .splits = 3, PATTERN(.left = 60)},
    CASE("prefill-poison", .shapes = GPU), PREFILL, CORE, .poison = true, PATTERN(.left = 14)},
    CASE("prefill-huge", .shapes = GPU), PREFILL, CORE, .gain = 1e5f},
    CASE("prefill-tiny", .shapes = GPU), PREFILL, CORE, .gain = 1e-6f},
    // Of a head size by whose root scores are divided exactly: only the weights are rounded.
    CASE("prefill-dominant", .shapes = GPU), PREFILL, SHAPE(9, 70, 1, 16), HELD(2, 50, 70),
        F16, .dominant = true},

    // ----------------------------------------------- values that are the start of their keys
    CASE("deepseek", .timed = true, .shapes = CPU), SHAPE(3, 4, 1, 576), HELD(1, 40, 50),
        .value = 512},
    CASE("deepseek-decode", .shapes = WIDE | NARROW), DECODE, SHAPE(1, 16, 1, 576),
        HELD(1, 300, 310), F16, .splits = 4, .value = 512},
    CASE("deepseek-decode-q8_0", .shapes = WIDE, .thorough = true), DECODE, SHAPE(1, 16, 1, 576),
        HELD(1, 300, 310), Q8_0, .splits = 4, .value = 512},
    CASE("latent-odd-q8_0", .shapes = CPU), SHAPE(5, 3, 1, 39), HELD(2, 70, 80), .value = 33, Q8_0},
    CASE("latent", BOTH, EVERYWHERE), SHAPE(5, 6, 1, 40), HELD(2, 30, 50), .value = 32},
    CASE("latent-odd-f16", BOTH), SHAPE(5, 3, 1, 39), HELD(2, 70, 80), .value = 33, F16,
        .sinks = true, .gap = 3},
    CASE("latent-splits", BOTH), SHAPE(3, 5, 1, 72), HELD(3, 90, 100), .value = 64, .splits = 3,
        .alternate = true},

    // ----------------------------------------------------------------------- ugly shapes
    CASE("one-of-each", BOTH), SHAPE(1, 1, 1, 1), .capacity = 1},
    CASE("head-1", .shapes = CPU), SHAPE(9, 3, 3, 1), HELD(2, 10, 30), .sinks = true},
    CASE("head-7-f16", BOTH), SHAPE(5, 3, 1, 7), HELD(2, 20, 30), F16},
    CASE("head-7-q8_0", .shapes = CPU, EVERYWHERE), SHAPE(5, 3, 1, 7), HELD(2, 20, 30), Q8_0},
    CASE("head-33", .shapes = CPU), SHAPE(5, 6, 2, 33), HELD(2, 20, 30), .tiled = true},
    CASE("head-33-f16", .shapes = GPU), SHAPE(5, 6, 2, 33), HELD(2, 70, 80), F16,
        .tiled = true, .sinks = true},
    CASE("head-80", .shapes = GPU), SHAPE(3, 12, 1, 80), HELD(1, 20, 30), PATTERN(.left = 10)},
    CASE("head-256-f16", .shapes = CPU, .thorough = true), SHAPE(3, 2, 1, 256),
        HELD(1, 20, 30), F16},
    CASE("heads-12-of-one", .shapes = CPU), SHAPE(3, 12, 1, 8), HELD(1, 40, 50)},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64 }, { .lanes = 32 },
    { .lanes = 256 }, { .lanes = 64, .unroll = 1 } };

static bool in_columns(const struct variant *variant)
{
    return !strcmp(variant->form, "columns_in_lanes");
}

static bool on_matrices(const struct variant *variant)
{
    return variant->needs & NEED_ANY_MATRIX;
}

// Few pipelines have all patterns, since compiling them takes long.
static bool suits_matrices(const struct attend_case *c)
{
    const bool core = c->tokens == 11 && c->head_size == 32 && !c->words && !c->columns && !c->reach
        && !c->splits && c->patterns[0].kind != VKMOE_PATTERN_DILATED;
    return c->matrices || core || (c->rows == ROWS_SORTED && c->tiled && !c->pattern_count);
}

static bool fits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    const struct attend_case *c = (const void *)test;
    if (on_matrices(variant))
        return shape->lanes == 64 && !shape->unroll && suits_matrices(c);
    if (c->matrices)
        return false;
    if (in_columns(variant))
        return shape->lanes >= 64;
    if (variant->needs & NEED_uniform_loads && c->head_size > ATTEND_SUBGROUP_MAX_HEAD)
        return false;
    return !c->columns && shape->lanes <= 64 && !shape->unroll
        && (strcmp(variant->form, "subgroup") || shape->lanes == 8);
}

// As choose_queries() of src/attention/plan.c; where columns lie in lanes, with few rows or many.
static void choose_group(const struct kernel_io *io, struct attend_model *m)
{
    const struct attend_case *c = (const void *)io->test;
    const bool in_lanes = io->variant->needs & NEED_gpu;
    const uint32_t d = c->head_size, columns = io->shape.unroll ? 4 : 16;
    const uint32_t tile = io->variant->tile.rows; // for matrix units
    const uint32_t keys = d > 128 ? 2 : d > 64 ? 4 : 8;
    const uint32_t part = d > 256 ? MAX(columns / 8, 1) : d > 128 ? columns / 2 : columns;
    const uint32_t most = tile ? tile : !in_lanes ? keys : part;
    m->expert_kv = c->expert_kv ? c->expert_kv : c->kv_heads;
    m->kv_share = c->heads / m->expert_kv;
    m->group_heads =
        in_lanes ? div_up(m->kv_share, div_up(m->kv_share, most)) : MIN(m->kv_share, most);
    m->group_rows =
        c->rows == ROWS_PAIRS || c->alone ? 1 : MIN(most / m->group_heads, MAX(m->row_count, 1));
    m->merges = in_lanes && c->splits;
}

// ------------------------------------------------------------------------- operands

static uint32_t *add_words(
    struct kernel_io *io, const char *name, const uint32_t *words, uint32_t count)
{
    uint32_t *before = io_add(io, name, ROLE_IN, count, 1)->before;
    memcpy(before, words, count * sizeof *words);
    return before;
}

static void add_places(struct kernel_io *io, struct attend_model *m)
{
    const struct attend_case *c = (const void *)io->test;
    const uint32_t sequences = MAX(c->sequences, 1);
    uint32_t *held = io_alloc(io, sequences, sizeof *held);
    m->position = io_alloc(io, c->tokens, sizeof *m->position);
    m->sequence = io_alloc(io, c->tokens, sizeof *m->sequence);
    m->length = io_alloc(io, sequences, sizeof *m->length);
    for (uint32_t s = 0; s < sequences; s++) // the others' histories are shorter
        held[s] = s == 0 ? c->start : c->start / (s + 1);
    for (uint32_t t = 0; t < c->tokens; t++) {
        const uint32_t s = c->alternate ? t % sequences : t * sequences / c->tokens;
        m->sequence[t] = s;
        m->position[t] = held[s]++;
    }
    if (c->wild) {
        m->sequence[0] = sequences - 1;
        m->position[c->tokens - 1] = c->capacity - 1;
    }
    for (uint32_t s = 0; s < sequences; s++)
        m->length[s] = MIN(held[s] + (c->ahead ? 7 : 0), c->capacity);
    for (uint32_t t = 0; t < c->tokens; t++)
        m->length[m->sequence[t]] = MAX(m->length[m->sequence[t]], m->position[t] + 1);
    for (uint32_t s = 0; s < sequences && c->behind; s++)
        m->length[s] = m->length[s] > c->behind ? m->length[s] - c->behind : 1;
    if (c->placed) {
        uint32_t *positions = add_words(io, "positions", m->position, c->tokens);
        if (c->wild)
            positions[c->tokens - 1] = 0xffffffff;
    }
    if (c->sequences) {
        uint32_t *given = add_words(io, "sequences", m->sequence, c->tokens);
        if (c->wild)
            given[0] = 0x80000000;
    }
    if (c->ahead) {
        uint32_t *lengths = add_words(io, "lengths", m->length, sequences);
        if (c->wild) // the last token's, which stands at the cache's end
            lengths[sequences - 1] = 0xffffffff;
    }
}

// Whether there is something in this row of the cache.
static bool is_held(const struct attend_case *c, const struct attend_model *m, size_t row)
{
    const uint32_t sequence = (uint32_t)(row / c->capacity / c->kv_heads);
    const uint32_t before = c->poison ? c->start / (sequence + 1) + 1 - c->patterns[0].left : 0;
    return row % c->capacity >= before && row % c->capacity < m->length[sequence];
}

static void add_cache(
    struct kernel_io *io, const struct attend_model *m, const char *name, float **out)
{
    const struct attend_case *c = (const void *)io->test;
    const size_t rows = (size_t)MAX(c->sequences, 1) * c->kv_heads * c->capacity;
    struct rng rng = io_rng(io, name);
    const bool is_key = !strcmp(name, "keys");
    float *x = *out = io_alloc(io, rows * m->padded, sizeof *x);
    uint32_t *cache =
        io_add(io, name, ROLE_IN, rows, cache_row_words(c->cache, c->head_size))->before;
    for (size_t row = 0; row < rows; row++) {
        float *head = x + row * m->padded;
        for (uint32_t i = 0; i < c->head_size; i++) {
            const bool first = row % c->capacity == 0;
            double value = rng_normal(&rng) * (c->gain ? c->gain : 1.0);
            if (c->dominant && (first || (is_key && i == 0)))
                value = is_key && first && i == 0 ? 7.0 * sqrt(c->head_size) : 0.0;
            head[i] = is_held(c, m, row) ? (float)value : NAN;
        }
        cache_put_row(c->cache, c->head_size, rows, row, head, cache);
        cache_get_row(c->cache, c->head_size, rows, row, cache, head);
    }
}

static void add_plan(struct kernel_io *io, struct attend_model *m)
{
    const struct attend_case *c = (const void *)io->test;
    const struct grouping g = group_pairs(io, &m->routing, c->tokens, UINT32_MAX);
    uint32_t *plan = io_alloc(io, plan_room(&m->routing, c->tile_rows), sizeof *plan);
    add_words(io, "plan", plan, make_plan(&m->routing, &g, c->tile_rows, 0, plan));
    add_words(io, "rows", g.rows, m->row_count);
    m->tiles = m->row_count / c->tile_rows + MIN(c->experts, m->row_count);
    for (uint32_t row = 0; row < m->row_count; row++) {
        const uint32_t pair = g.rows[row];
        m->row_token[row] = pair == UINT32_MAX ? UINT32_MAX : pair / c->k;
        m->row_expert[row] = pair == UINT32_MAX ? 0 : m->routing.expert[pair];
    }
}

static void add_rows(struct kernel_io *io, struct attend_model *m)
{
    const struct attend_case *c = (const void *)io->test;
    m->row_token = io_alloc(io, m->row_count, sizeof *m->row_token);
    m->row_expert = io_alloc(io, m->row_count, sizeof *m->row_expert);
    m->tiles = div_up(m->row_count, m->group_rows);
    if (c->rows != ROWS_TOKENS)
        m->routing = io_add_routing(io, c->ids, c->tokens, c->k, c->experts);
    if (c->rows == ROWS_SORTED) {
        add_plan(io, m);
        return;
    }
    for (uint32_t row = 0; row < m->row_count; row++) {
        const bool pair = c->rows == ROWS_PAIRS;
        m->row_token[row] = !pair ? row : m->routing.dropped[row] ? UINT32_MAX : row / c->k;
        m->row_expert[row] = pair ? m->routing.expert[row] : 0;
    }
}

static void add_head_vectors(struct kernel_io *io)
{
    const struct attend_case *c = (const void *)io->test;
    if (c->sinks)
        io_add_floats(io, "sinks", 1, c->heads, 2.0);
    if (c->reach)
        io_add_floats(io, "position_bias", c->heads, 2 * c->reach + 1, 2.0);
}

// Workgroups, of which the splits of some queries count as one.
static uint32_t count_groups(const struct attend_case *c, const struct attend_model *m)
{
    const uint32_t tiles =
        c->rows == ROWS_SORTED ? m->tiles * div_up(c->tile_rows, m->group_rows) : m->tiles;
    return tiles * m->expert_kv * div_up(m->kv_share, m->group_heads);
}

// What splits that merge have for themselves.
static void add_merged(struct kernel_io *io, const struct attend_model *m)
{
    const struct attend_case *c = (const void *)io->test;
    const uint32_t groups = count_groups(c, m), queries = m->group_rows * m->group_heads;
    io_add(io, "partials", ROLE_SCRATCH, (size_t)groups * c->splits * queries,
        4 + (uint32_t)align_up(value_size(c), 4));
    io_add(io, "counters", ROLE_IN, groups, 1); // 0 again afterwards
}

static void fill(struct kernel_io *io)
{
    const struct attend_case *c = (const void *)io->test;
    struct attend_model *m = io->model = io_alloc(io, 1, sizeof *m);
    m->row_count = c->tokens * (c->rows == ROWS_TOKENS ? 1 : c->k);
    m->query_stride = c->heads * c->head_size + c->gap;
    m->padded = (uint32_t)align_up(c->head_size, 8);
    choose_group(io, m);
    add_places(io, m);
    add_rows(io, m);
    float *query = io_add_floats(io, "query", m->row_count, m->query_stride, 1.0);
    for (uint32_t i = 0; c->gain && i < m->row_count * m->query_stride; i++)
        query[i] /= c->gain;
    for (uint32_t i = 0; c->dominant && i < m->row_count * m->query_stride; i += c->head_size)
        query[i] = 2.0f;
    io_leave_queries(io, m->row_count, c->heads * c->head_size, m->row_token);
    add_cache(io, m, "keys", &m->keys);
    if (c->value)
        m->values = m->keys;
    else
        add_cache(io, m, "values", &m->values);
    attend_add_patterns(io);
    attend_add_choices(io, m);
    add_head_vectors(io);
    if (m->merges)
        add_merged(io, m);
    else if (c->splits)
        io_add(io, "partials", ROLE_OUT, (size_t)m->row_count * c->heads * c->splits,
            2 + value_size(c));
    if (m->merges || !c->splits)
        io_find(io, "query")->role = ROLE_IN_OUT;
    if (on_matrices(io->variant)) {
        io_find(io, "query")->tolerance = COMPARE_FAST_TOLERANCE * (c->gain ? c->gain : 1.0);
        io_find(io, "query")->rms_tolerance = COMPARE_FAST_RMS;
    }
    io_add_attention_constants(io);
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

// ------------------------------------------------------------------------- dispatch

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct attend_case *c = (const void *)io->test;
    const struct attend_model *m = io->model;
    SET_PUSH(io, attend,
        .constants = io_fill_attention_constants(
            io, attention_numbers(c->heads, c->kv_heads, c->experts, c->k, m->query_stride)),
        .rows = io_address(io, c->rows == ROWS_PAIRS ? "ids" : "rows"), .row_count = m->row_count,
        .capacity = c->capacity, .sequence_count = MAX(c->sequences, 1), .first_token = c->start,
        .splits = MAX(c->splits, 1), .tile_rows = c->tile_rows,
        .values = io_address(io, c->value ? "keys" : "values"),
        AT(query) AT(keys) AT(plan) AT(choices) AT(positions) AT(sequences) AT(lengths) AT(partials)
            AT(counters));
    *d = (struct dispatch){
        .spec = {
            [ATTEND_LANES] = on_matrices(io->variant)
                ? io->variant->tile.lanes * io->device->matrix_units.subgroup_size
                : io->shape.lanes,
            [ATTEND_HEAD_SIZE] = c->head_size,
            [ATTEND_ROWS] = m->group_rows,
            [ATTEND_HEADS] = m->group_heads,
            [ATTEND_MODE] = c->rows,
            [ATTEND_CACHE] = c->cache,
            [ATTEND_TILED_KV] = c->tiled,
            [ATTEND_SINK_LOGITS] = c->sinks,
            [ATTEND_SPLIT] = c->splits != 0,
            HAS_PLACES(ATTEND, c),
            [ATTEND_SCALE] = float_bits((float)(1.0 / sqrt(c->head_size))),
            [ATTEND_SOFT_CAP] = float_bits(c->soft_cap),
            [ATTEND_EXPERT_KV_HEADS] = c->expert_kv,
            [ATTEND_BIAS_REACH] = c->reach,
            [ATTEND_PICKED_WORDS] = c->words,
            [ATTEND_TOP] = c->top,
            [ATTEND_LOADS] = io->shape.unroll ? io->shape.unroll : 4,
            [ATTEND_MATRIX_K] = io->device->matrix_units.k,
            [ATTEND_VALUE_SIZE] = c->value,
        },
        .groups = count_groups(c, m) * MAX(c->splits, 1),
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    return attend_bytes(test);
}

static uint64_t flops(const struct kernel_case *test)
{
    return attend_flops(test);
}

KERNEL_SUITE(attend, fits, attend_reference)
