// attention_cases.c - the table. Widths are those of the models divided until a CPU driver
// computes the case in some ten milliseconds; heads per kv head, experts, k, patterns and
// parameters are the models' own.
#include "attention_cases.h"

#include <string.h>

#define SHAPE(t, d, size, h, kv) \
    .tokens = t, .attention.hidden = d, .attention.head_size = size, .attention.heads = h, \
    .attention.kv_heads = kv
#define DENSE(t, d, size, h, kv) \
    SHAPE(t, d, size, h, kv), .attention.experts = 1, .attention.experts_per_token = 1
#define ROUTED(t, d, size, h, kv, e, k) \
    SHAPE(t, d, size, h, kv), .attention.experts = e, .attention.experts_per_token = k

#define FAST .attention.precision = VKMOE_PRECISION_FAST
#define HALF .attention.rope = { .kind = VKMOE_ROPE_HALF }
#define INTERLEAVED .attention.rope = { .kind = VKMOE_ROPE_INTERLEAVED }
#define DYNAMIC(way, trained, times) \
    .attention.rope = { .kind = VKMOE_ROPE_##way, \
        .scaling = VKMOE_ROPE_SCALING_DYNAMIC, \
        .factor = times, \
        .original_positions = trained }
#define LONGROPE(way, trained) \
    .attention.rope = { .kind = VKMOE_ROPE_##way, \
        .scaling = VKMOE_ROPE_SCALING_LONGROPE, \
        .original_positions = trained, \
        .attention_factor = 1.25f }, \
    .attention.long_rope.attention_factor = 0.75f
#define LONG_ROPE (ATTENTION_ROPE_DIVISORS | ATTENTION_LONG_ROPE)
#define TOP_K_OF_LOGITS \
    .attention.router = { .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX }
#define TOP_K_NORM .attention.router = { .renormalize.mode = VKMOE_RENORMALIZE_SUM }
#define SUPPLIED .attention.router = { .select = VKMOE_SELECT_SUPPLIED }
#define SUPPLIED_WEIGHTED .attention.router = { .select = VKMOE_SELECT_SUPPLIED_WEIGHTED }
#define PATTERNS(...) \
    .attention.patterns = (const struct vkmoe_pattern[]) \
    { \
        __VA_ARGS__ \
    }

// Llama and Mixtral: grouped queries, half-split RoPE.
#define LLAMA(t) DENSE(t, 64, 32, 4, 2), HALF
// The tiny model with windows; JetMoE itself has none, and 16 kv heads of 128.
#define WINDOWS \
    { .left = 8 }, { .left = 8 }, { .left = 32 }, { .left = 32 }, { .left = 128 }, \
        { .left = 128 }, { 0 }, \
    { \
        0 \
    }
#define JETMOE(t) \
    ROUTED(t, 64, 32, 2, 2, 8, 2), HALF, TOP_K_OF_LOGITS, .attention.tiled_kv = true, \
                                                          PATTERNS(WINDOWS)
// MoA: one head an expert, one kv head, no RoPE.
#define MOA(t, e, k) ROUTED(t, 48, 32, 1, 1, e, k), TOP_K_NORM
// "Expert 1: local patterns, expert 2: long-range dependencies, expert 3: syntactic
// patterns ..."
#define FOUNDING(t) \
    ROUTED(t, 48, 16, 2, 1, 4, 2), HALF, TOP_K_NORM, \
        PATTERNS({ .left = 6 }, \
            { .kind = VKMOE_PATTERN_STRIDED, .step = 8, .phase = 3, .sinks = 4 }, \
            { .kind = VKMOE_PATTERN_DILATED, .step = 5, .left = 40, .local = 3 }, { 0 })
// "Expert 1 local, expert 2 long-range, expert 3 syntactic": a window, strides with sinks, blocks.
#define SEED(t) \
    ROUTED(t, 48, 16, 2, 1, 3, 2), HALF, TOP_K_NORM, \
        PATTERNS({ .left = 6 }, { .kind = VKMOE_PATTERN_STRIDED, .step = 8, .sinks = 4 }, \
            { .kind = VKMOE_PATTERN_BLOCKS, .block = 8, .top = 3 })
#define MOBA(t) \
    DENSE(t, 48, 16, 4, 2), HALF, PATTERNS({ .kind = VKMOE_PATTERN_BLOCKS, .block = 8, .top = 3 })
// NSA: means of so many positions, their stride, and what follows in struct vkmoe_nsa.
#define NSA(t, ...) DENSE(t, 48, 16, 4, 2), HALF, .attention.nsa = { __VA_ARGS__ }
#define LISTED(...) \
    .kind = VKMOE_PATTERN_BLOCKS, .blocks = (const uint32_t[]){ __VA_ARGS__ }, \
    .block_count = sizeof(const uint32_t[]){ __VA_ARGS__ } / sizeof(uint32_t)
// MoH: an expert is a head with a kv head of its own, or shared by neighbours. Its gate has
// heads that are always on, and two levels.
#define FIRST_KV_HEADS(...) \
    .attention.expert_kv_heads = 1, .attention.first_kv_head = (const uint32_t[]) \
    { \
        __VA_ARGS__ \
    }
#define MOH(t) \
    ROUTED(t, 48, 16, 1, 4, 8, 5), HALF, FIRST_KV_HEADS(0, 0, 1, 1, 2, 2, 3, 3), \
        .attention.router = { .renormalize.mode = VKMOE_RENORMALIZE_SUM, .scale = 3, .always = 2 }
#define HEAD_EXPERTS(e, k) \
    { \
        .experts = e, .experts_per_token = k, .router = {.score = VKMOE_SCORE_SIGMOID } \
    }
#define SWITCHHEAD(t) \
    DENSE(t, 48, 16, 4, 4), .attention.rope = { .kind = VKMOE_ROPE_HALF, .size = 8 }, \
                            .attention.value.experts = HEAD_EXPERTS(4, 2), \
                            .attention.output.experts = HEAD_EXPERTS(4, 2)
#define T5(t) \
    DENSE(t, 48, 16, 3, 3), .attention.scale = 1.0f, .has = ATTENTION_POSITION_BIAS, \
                            .attention.position.reach = 12
#define GPT_OSS(t) \
    DENSE(t, 45, 64, 8, 1), .has = ATTENTION_SINKS | ATTENTION_BIASES | ATTENTION_OUTPUT_BIAS, \
                            .attention.rope = { .kind = VKMOE_ROPE_HALF, \
                                .base = 150000, \
                                .scaling = VKMOE_ROPE_SCALING_YARN, \
                                .factor = 32, \
                                .original_positions = 4096, \
                                .beta_fast = 32, \
                                .beta_slow = 1, \
                                .exact_range = true }
#define QWEN3(t) \
    DENSE(t, 64, 32, 8, 2), .has = ATTENTION_NORMS, .attention.norm.epsilon = 1e-6f, \
                            .attention.rope = { .kind = VKMOE_ROPE_HALF, .base = 1e6f }
#define OLMOE(t) \
    DENSE(t, 64, 16, 4, 4), HALF, .has = ATTENTION_NORMS, .attention.norm.wide = true, \
                                  .attention.norm.epsilon = 1e-5f, .attention.value_clip = 1.25f

// DeepSeek: heads, rank, rope, the key's and the value's part of a head, query rank.
#define KV_B ATTENTION_KEY_NORM | ATTENTION_KV_B
#define LATENT(t, h, r, rope_, key, value, q, flags) \
    DENSE(t, 64, (r) + (rope_), h, 1), \
        .has = flags, .attention.norm.epsilon = 1e-6f, \
        .attention.latent = { .rank = r, .key_size = key, .value_size = value, .query_rank = q }
#define DEEPSEEK_YARN \
    .attention.rope = { .kind = VKMOE_ROPE_INTERLEAVED, \
        .scaling = VKMOE_ROPE_SCALING_YARN, \
        .factor = 40, \
        .original_positions = 4096, \
        .attention_factor = 1 }

// A case a row.
// clang-format off
const struct attention_case attention_cases[] = {
    // ----------------------------------------------------- models, as they are published
    {"multi-head", DENSE(33, 64, 16, 4, 4), HALF},
    {"multi-query", DENSE(33, 64, 16, 8, 1), HALF, .dtype = VKMOE_DTYPE_F16},
    {"mixtral-prefill", LLAMA(100)},
    {"mixtral-decode", LLAMA(1), .history = 40},
    {"mixtral-prefill-f16", LLAMA(100), .dtype = VKMOE_DTYPE_F16, .cache_dtype = VKMOE_DTYPE_F16},
    {"mixtral-prefill-fast", LLAMA(100), .history = 30, FAST},
    {"mixtral-window-fast-f16", LLAMA(100), .cache_dtype = VKMOE_DTYPE_F16, FAST,
        PATTERNS({.left = 20})},
    {"mixtral-decode-bf16", LLAMA(1), .history = 40, .dtype = VKMOE_DTYPE_BF16},
    {"mixtral-sliding-window", LLAMA(100), .history = 10, PATTERNS({.left = 20})},
    {"llama-3.1", DENSE(40, 64, 32, 8, 2), .attention.rope = {.kind = VKMOE_ROPE_HALF,
        .base = 500000, .scaling = VKMOE_ROPE_SCALING_LLAMA3, .factor = 8,
        .original_positions = 8192,
        .low_factor = 1, .high_factor = 4}},
    {"gpt-oss-prefill", GPT_OSS(40), PATTERNS({.left = 16})},
    {"gpt-oss-full-prefill", GPT_OSS(40), .vector_dtype = VKMOE_DTYPE_BF16},
    {"gpt-oss-decode", GPT_OSS(1), .history = 40},
    {"qwen3-prefill", QWEN3(33)},
    {"qwen3-decode", QWEN3(1), .history = 20, .vector_dtype = VKMOE_DTYPE_BF16},
    {"olmoe-prefill", OLMOE(33)},
    {"olmoe-decode", OLMOE(1), .history = 20},
    {"gemma-2", DENSE(33, 48, 64, 4, 2), HALF, .attention.soft_cap = 5.0f,
        .attention.scale = 0.1f, .score_gain = 5.0},
    {"gpt-j-partial-rope", DENSE(33, 64, 32, 4, 2), .attention.rope = {
        .kind = VKMOE_ROPE_INTERLEAVED, .size = 8}},
    {"phi-partial-rope", DENSE(33, 48, 80, 2, 2), .attention.rope = {.kind = VKMOE_ROPE_HALF,
        .size = 32}, .has = ATTENTION_BIASES | ATTENTION_OUTPUT_BIAS},
    {"qwen2-biases", DENSE(33, 56, 16, 7, 1), HALF, .has = ATTENTION_BIASES,
        .vector_dtype = VKMOE_DTYPE_F16},
    {"bert-both-sides", DENSE(33, 48, 16, 3, 3), .sequences = 3, PATTERNS({.both_sides = true}),
        .has = ATTENTION_BIASES | ATTENTION_OUTPUT_BIAS},
    {"moa", MOA(33, 16, 4), .has = ATTENTION_ROUTER_BIAS},
    {"moa-decode", MOA(1, 16, 4), .history = 30, .dtype = VKMOE_DTYPE_F16},
    {"moa-paper-16-of-32", MOA(20, 32, 16)},
    {"jetmoe-prefill", JETMOE(100), .has = ATTENTION_OUTPUT_BIAS},
    {"jetmoe-prefill-fast", JETMOE(300), FAST},
    {"jetmoe-prefill-f16", JETMOE(160), .dtype = VKMOE_DTYPE_F16, .has = ATTENTION_OUTPUT_BIAS},
    {"jetmoe-decode", JETMOE(1), .history = 150, .has = ATTENTION_OUTPUT_BIAS},
    {"jetmoe-decode-batch", JETMOE(6), .history = 150, .sequences = 6,
        .has = ATTENTION_OUTPUT_BIAS | ATTENTION_INTERLEAVED},
    {"jetmoe-as-published", ROUTED(33, 64, 32, 4, 4, 8, 2), HALF, TOP_K_OF_LOGITS,
        .attention.tiled_kv = true, .has = ATTENTION_OUTPUT_BIAS},
    {"founding-prefill", FOUNDING(100)},
    {"founding-decode", FOUNDING(1), .history = 100},
    {"founding-decode-batch", FOUNDING(5), .history = 60, .sequences = 5,
        .has = ATTENTION_INTERLEAVED},
    {"founding-chunk", FOUNDING(30), .history = 61, .cache_dtype = VKMOE_DTYPE_F16},
    {"seed-prefill", SEED(100)},
    {"seed-decode", SEED(1), .history = 100},
    {"seed-decode-batch", SEED(4), .history = 77, .sequences = 4, .has = ATTENTION_INTERLEAVED},
    {"seed-chunk", SEED(30), .history = 61, .sequences = 2},
    {"moba-prefill", MOBA(100)},
    {"moba-decode", MOBA(1), .history = 100},
    {"moba-decode-splits", MOBA(1), .history = 300, .has = ATTENTION_LONGEST},
    {"moba-sequences", MOBA(60), .sequences = 3, .history = 40, .has = ATTENTION_INTERLEAVED},
    {"nsa-prefill", NSA(100, .compressed = 8, .top = 4, .window = 12)},
    {"nsa-decode", NSA(1, .compressed = 8, .top = 4, .window = 12), .history = 100},
    {"nsa-paper", NSA(70, .compressed = 8, .stride = 4, .block = 16, .top = 4, .first_blocks = 1,
        .local_blocks = 2, .window = 20), .history = 41},
    {"nsa-sequences", NSA(60, .compressed = 6, .stride = 2, .block = 4, .top = 3, .window = 5),
        .sequences = 3, .history = 40, .has = ATTENTION_INTERLEAVED},
    {"nsa-f16", NSA(40, .compressed = 8, .top = 2, .window = 12), .dtype = VKMOE_DTYPE_F16,
        .has = ATTENTION_FULL | ATTENTION_BIASES | ATTENTION_OUTPUT_BIAS},
    {"nsa-tiled-norms", NSA(40, .compressed = 5, .stride = 1, .block = 2, .top = 7, .window = 1),
        .attention.tiled_kv = true, .has = ATTENTION_NORMS | ATTENTION_SLOW,
        .attention.scale = 0.4f},
    {"nsa-fast", NSA(40, .compressed = 8, .top = 3, .window = 70), .history = 60, FAST,
        .has = ATTENTION_SLOW},
    {"moba-f16", MOBA(70), .dtype = VKMOE_DTYPE_F16, .has = ATTENTION_FULL},
    {"moh-prefill", MOH(60), .has = ATTENTION_OUTPUT_BIAS},
    {"moh-decode", MOH(1), .history = 50},
    {"moh-decode-batch-f16", MOH(3), .history = 50, .sequences = 3, .dtype = VKMOE_DTYPE_F16,
        .has = ATTENTION_INTERLEAVED},
    {"moh-32-heads", ROUTED(20, 64, 16, 1, 32, 32, 24), FIRST_KV_HEADS(0, 1, 2, 3, 4, 5, 6, 7, 8,
        9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31),
        .attention.router = {.renormalize.mode = VKMOE_RENORMALIZE_SUM, .scale = 8, .always = 16}},
    {"moh-both-sides", MOH(33), PATTERNS({.both_sides = true}, {.both_sides = true},
        {.both_sides = true}, {.both_sides = true}, {.both_sides = true}, {.both_sides = true},
        {.both_sides = true}, {.both_sides = true})},
    {"switchhead-prefill", SWITCHHEAD(60), .has = ATTENTION_OUTPUT_BIAS},
    {"switchhead-decode", SWITCHHEAD(1), .history = 50},
    {"switchhead-batch-f16", SWITCHHEAD(7), .history = 30, .sequences = 7, .dtype = VKMOE_DTYPE_F16,
        .has = ATTENTION_INTERLEAVED | ATTENTION_OUTPUT_BIAS},
    {"switchhead-values-only", DENSE(33, 45, 13, 3, 3), .history = 5,
        .attention.value.experts = HEAD_EXPERTS(5, 1)},
    {"switchhead-outputs-only", DENSE(33, 45, 13, 6, 2), .history = 5,
        .attention.output.experts = HEAD_EXPERTS(3, 3), PATTERNS({.left = 9})},
    {"switchhead-one-expert", DENSE(20, 48, 16, 4, 2), .attention.value.experts = HEAD_EXPERTS(1,
        1),
        .attention.output.experts = HEAD_EXPERTS(1, 1)},
    {"t5-encoder", T5(60), PATTERNS({.both_sides = true}), .sequences = 2},
    {"t5-decoder", T5(60), .history = 10},
    {"t5-decode", T5(1), .history = 60},
    {"t5-cross", DENSE(40, 48, 16, 3, 3), .attention.scale = 1.0f, .history = 33, .sequences = 3,
        .has = ATTENTION_STORED, PATTERNS({.both_sides = true})},
    {"t5-cross-decode", DENSE(3, 48, 16, 3, 3), .attention.scale = 1.0f, .history = 70,
        .sequences = 3, .has = ATTENTION_STORED, PATTERNS({.both_sides = true})},
    {"cross-routed", JETMOE(30), .history = 40, .has = ATTENTION_STORED},
    {"cross-moba", MOBA(30), .history = 60, .has = ATTENTION_STORED},

    {"deepseek-v2-lite-prefill", LATENT(33, 4, 64, 16, 32, 32, 0, KV_B), DEEPSEEK_YARN},
    {"deepseek-v2-lite-decode", LATENT(1, 4, 64, 16, 32, 32, 0, KV_B), DEEPSEEK_YARN,
        .history = 40},
    {"deepseek-v3-prefill", LATENT(33, 16, 128, 32, 32, 32, 48, KV_B), DEEPSEEK_YARN},
    {"deepseek-v3-decode", LATENT(1, 16, 128, 32, 32, 32, 48, KV_B), DEEPSEEK_YARN, .history = 40},
    {"deepseek-v3-decode-batch", LATENT(3, 16, 128, 32, 32, 32, 48, KV_B), DEEPSEEK_YARN,
        .history = 40, .sequences = 3, .dtype = VKMOE_DTYPE_BF16},
    {"deepseek-v3-f16", LATENT(40, 8, 128, 32, 32, 32, 48, KV_B), DEEPSEEK_YARN,
        .dtype = VKMOE_DTYPE_F16, .cache_dtype = VKMOE_DTYPE_F16},
    {"deepseek-v3-q8-0", LATENT(9, 8, 128, 32, 32, 32, 64, KV_B), DEEPSEEK_YARN,
        .dtype = VKMOE_DTYPE_Q8_0, .history = 20},
    {"deepseek-v3-fast", LATENT(70, 8, 128, 32, 32, 32, 48, KV_B), DEEPSEEK_YARN, FAST},
    {"glm-4.7-flash", LATENT(19, 20, 64, 16, 24, 40, 48, KV_B), INTERLEAVED, .history = 9},
    {"latent-512", LATENT(7, 5, 512, 64, 128, 128, 0, KV_B), INTERLEAVED, .history = 70},
    {"latent-512-decode", LATENT(1, 5, 512, 64, 128, 128, 0,
        ATTENTION_KEY_NORM | ATTENTION_LONGEST), INTERLEAVED, .history = 300,
        .cache_dtype = VKMOE_DTYPE_F16},
    {"latent-apart", LATENT(19, 6, 32, 8, 16, 16, 0, ATTENTION_KEY_NORM), INTERLEAVED,
        .history = 20, .dtype = VKMOE_DTYPE_F16},
    {"latent-apart-q8-0", LATENT(3, 6, 32, 8, 32, 16, 0, ATTENTION_KEY_NORM), INTERLEAVED,
        .history = 20, .dtype = VKMOE_DTYPE_Q8_0},
    {"latent-nope", LATENT(19, 3, 48, 0, 16, 16, 24, KV_B), .history = 20},
    {"latent-nope-decode", LATENT(1, 3, 48, 0, 16, 16, 24, KV_B), .history = 20},
    {"latent-unturned", LATENT(19, 3, 48, 8, 16, 16, 0, KV_B), .history = 20},
    {"latent-no-norms", LATENT(19, 3, 48, 8, 16, 16, 24, ATTENTION_KV_B), HALF},
    {"latent-odd", LATENT(19, 7, 33, 6, 13, 21, 19, KV_B), HALF, .history = 11},
    {"latent-odd-decode", LATENT(2, 7, 33, 6, 13, 21, 19, KV_B), HALF, .history = 11,
        .sequences = 2},
    {"latent-1", LATENT(9, 2, 1, 2, 1, 1, 1, KV_B), HALF, .history = 3},
    {"latent-one-head", LATENT(9, 1, 32, 8, 16, 16, 0,
        ATTENTION_KEY_NORM | ATTENTION_OUTPUT_BIAS | ATTENTION_SINKS | ATTENTION_FULL),
        INTERLEAVED, .history = 300},
    {"latent-window", LATENT(50, 6, 32, 8, 16, 16, 0, KV_B), INTERLEAVED, PATTERNS({.left = 9,
        .sinks = 2})},
    {"latent-long", LATENT(2, 4, 64, 16, 32, 32, 24, KV_B), INTERLEAVED, .history = 500,
        .sequences = 2},
    {"latent-stored", LATENT(9, 4, 64, 16, 32, 32, 24, KV_B | ATTENTION_STORED), INTERLEAVED,
        .history = 33},
    {"latent-divisors", LATENT(9, 4, 64, 16, 32, 32, 24, KV_B | ATTENTION_ROPE_DIVISORS),
        INTERLEAVED, .history = 33},
    {"latent-dynamic", LATENT(30, 4, 32, 16, 16, 16, 0, ATTENTION_KEY_NORM | ATTENTION_LONGEST),
        DYNAMIC(HALF, 32, 4), .history = 30},

    // --------------------------------------------------------------- numbers of tokens
    {"tokens-0", LLAMA(0), .history = 3},
    {"tokens-0-routed", JETMOE(0)},
    {"tokens-1-alone", LLAMA(1), .has = ATTENTION_NO_SEQUENCES},
    {"tokens-1-alone-routed", JETMOE(1), .has = ATTENTION_NO_SEQUENCES},
    {"tokens-2", LLAMA(2), .has = ATTENTION_MISALIGNED},
    {"tokens-2-routed", FOUNDING(2), .history = 17, .has = ATTENTION_MISALIGNED},
    {"tokens-7", LLAMA(7), .history = 3},
    {"tokens-7-routed", FOUNDING(7), .history = 9},
    {"tokens-8", LLAMA(8), .has = ATTENTION_FULL},
    {"tokens-8-routed", FOUNDING(8), .has = ATTENTION_FULL},
    {"tokens-9", LLAMA(9), .has = ATTENTION_LONGEST},
    {"tokens-9-routed", FOUNDING(9), .history = 30, .has = ATTENTION_LONGEST},
    {"tokens-31", LLAMA(31), .has = ATTENTION_NO_SEQUENCES},
    {"tokens-31-routed", FOUNDING(31), .has = ATTENTION_MISALIGNED | ATTENTION_NO_SEQUENCES},
    {"tokens-300", LLAMA(300), .has = ATTENTION_MISALIGNED | ATTENTION_LONGEST},
    {"tokens-300-routed", FOUNDING(300), .has = ATTENTION_FULL},
    {"tokens-300-jetmoe", JETMOE(300), .cache_dtype = VKMOE_DTYPE_F16, .has = ATTENTION_LONGEST},

    // ------------------------------------------------------------ head sizes and heads
    {"head-size-1", DENSE(9, 24, 1, 4, 2)},
    {"head-size-1-decode", DENSE(1, 24, 1, 4, 2), .history = 20, .cache_dtype = VKMOE_DTYPE_F16,
        .has = ATTENTION_EXACT},
    {"head-size-2", DENSE(9, 24, 2, 4, 2), HALF},
    {"head-size-7", DENSE(9, 24, 7, 3, 1), .attention.rope = {.kind = VKMOE_ROPE_HALF,
        .size = 4}},
    {"head-size-7-f16", DENSE(19, 24, 7, 3, 1), .cache_dtype = VKMOE_DTYPE_F16,
        .has = ATTENTION_EXACT},
    {"head-size-24", DENSE(33, 48, 24, 4, 2), HALF},
    {"head-size-24-routed", ROUTED(33, 40, 24, 2, 1, 4, 2), INTERLEAVED, TOP_K_NORM},
    {"head-size-33", DENSE(19, 40, 33, 3, 3), .attention.rope = {
        .kind = VKMOE_ROPE_INTERLEAVED, .size = 32}},
    {"head-size-33-routed-decode", ROUTED(1, 40, 33, 1, 1, 4, 2), TOP_K_NORM, .history = 50},
    {"head-size-64", DENSE(33, 48, 64, 4, 1), HALF, .cache_dtype = VKMOE_DTYPE_F16},
    {"head-size-80", DENSE(19, 48, 80, 2, 1), INTERLEAVED},
    {"head-size-112", DENSE(19, 48, 112, 2, 1), HALF},
    {"head-size-128", DENSE(33, 48, 128, 4, 1), HALF},
    {"head-size-128-decode-f16", DENSE(1, 48, 128, 4, 1), HALF, .history = 70,
        .cache_dtype = VKMOE_DTYPE_F16},
    {"head-size-256", DENSE(19, 48, 256, 2, 1), HALF},
    {"head-size-256-routed", ROUTED(19, 48, 256, 1, 1, 4, 2), HALF, TOP_K_NORM,
        .has = ATTENTION_SLOW},
    {"head-size-256-decode", DENSE(1, 48, 256, 2, 1), HALF, .history = 70},
    {"heads-16-of-2", DENSE(19, 48, 16, 16, 2), HALF},
    {"heads-16-of-2-tiled", DENSE(19, 48, 16, 16, 2), HALF, .attention.tiled_kv = true},
    {"heads-6-of-3-tiled-routed", ROUTED(33, 48, 16, 6, 3, 4, 2), HALF, TOP_K_NORM,
        .attention.tiled_kv = true},
    {"heads-6-of-3-tiled-decode", ROUTED(2, 48, 16, 6, 3, 4, 2), HALF, TOP_K_NORM,
        .attention.tiled_kv = true, .history = 20},
    {"heads-33-of-11", DENSE(9, 33, 8, 33, 11), HALF},
    {"heads-48-of-1", DENSE(3, 33, 8, 48, 1), HALF, .history = 20},
    {"hidden-1", DENSE(9, 1, 16, 2, 1), HALF},
    {"hidden-primes", ROUTED(33, 127, 16, 2, 1, 5, 3), HALF, TOP_K_NORM, .dtype = VKMOE_DTYPE_F16},
    {"transposed", ROUTED(19, 40, 16, 2, 1, 4, 2), HALF, TOP_K_NORM,
        .has = ATTENTION_TRANSPOSED},
    {"dtypes-mixed", ROUTED(40, 40, 16, 2, 1, 4, 2), HALF, TOP_K_NORM, .dtype = VKMOE_DTYPE_F16,
        .has = ATTENTION_KEYS_F32},
    {"dtypes-mixed-decode", ROUTED(2, 40, 16, 2, 1, 4, 2), HALF, TOP_K_NORM, .history = 5,
        .dtype = VKMOE_DTYPE_BF16, .has = ATTENTION_KEYS_F32},
    {"dtypes-mixed-dense", DENSE(40, 40, 16, 2, 1), HALF, .dtype = VKMOE_DTYPE_F16,
        .has = ATTENTION_KEYS_F32},
    {"dtypes-of-values", DENSE(40, 64, 16, 4, 2), HALF, .dtype = VKMOE_DTYPE_Q8_0,
        .has = ATTENTION_VALUES_F32 | ATTENTION_BIASES},
    {"dtypes-of-values-decode", DENSE(2, 64, 16, 4, 2), HALF, .dtype = VKMOE_DTYPE_F16,
        .history = 5, .has = ATTENTION_VALUES_F32 | ATTENTION_BIASES},
    {"dtypes-of-values-routed", ROUTED(19, 48, 16, 2, 1, 4, 2), HALF, TOP_K_NORM,
        .dtype = VKMOE_DTYPE_BF16, .has = ATTENTION_VALUES_F32},
    {"q8-0", ROUTED(40, 64, 32, 2, 1, 4, 2), HALF, TOP_K_NORM, .dtype = VKMOE_DTYPE_Q8_0},
    {"q8-0-decode", ROUTED(2, 96, 16, 2, 1, 4, 2), HALF, TOP_K_NORM, .history = 5,
        .dtype = VKMOE_DTYPE_Q8_0},
    {"q8-0-dense", DENSE(33, 64, 80, 4, 2), HALF, .dtype = VKMOE_DTYPE_Q8_0},
    {"q5-k-dense", DENSE(9, 256, 64, 4, 2), HALF, .dtype = VKMOE_DTYPE_Q5_K},
    // Rows of keys and values that do not begin at a block of 8 in what is multiplied together.
    {"q8-0-stacked", DENSE(5, 64, 4, 8, 1), HALF, .dtype = VKMOE_DTYPE_Q8_0},
    {"transposed-dense", DENSE(19, 40, 16, 2, 1), HALF, .has = ATTENTION_TRANSPOSED},

    // ---------------------------------------------------------------------------- rope
    {"rope-none", DENSE(19, 48, 16, 2, 2)},
    {"rope-interleaved", DENSE(19, 48, 16, 2, 2), INTERLEAVED, .history = 20},
    {"rope-interleaved-norms", DENSE(19, 48, 16, 2, 2), INTERLEAVED, .has = ATTENTION_NORMS,
        .attention.norm.epsilon = 1e-2f},
    {"rope-divisors", DENSE(19, 48, 16, 2, 2), INTERLEAVED, .history = 20,
        .has = ATTENTION_ROPE_DIVISORS},
    {"rope-divisors-yarn", DENSE(1, 48, 32, 2, 2), .history = 30, .has = ATTENTION_ROPE_DIVISORS,
        .attention.rope = {.kind = VKMOE_ROPE_HALF, .size = 24, .factor = 4,
            .scaling = VKMOE_ROPE_SCALING_YARN, .original_positions = 256}},
    {"rope-linear", DENSE(19, 48, 16, 2, 2), .history = 20, .attention.rope = {
        .kind = VKMOE_ROPE_HALF, .scaling = VKMOE_ROPE_SCALING_LINEAR, .factor = 4}},
    // Contexts so short that all three ranges of frequencies are met.
    {"rope-llama3-short", DENSE(30, 48, 32, 2, 2), .history = 30, .attention.rope = {
        .kind = VKMOE_ROPE_INTERLEAVED, .scaling = VKMOE_ROPE_SCALING_LLAMA3, .factor = 8,
        .original_positions = 64, .low_factor = 1, .high_factor = 4, .base = 1000}},
    {"rope-yarn", DENSE(30, 48, 32, 2, 2), .history = 30, .attention.rope = {
        .kind = VKMOE_ROPE_HALF, .scaling = VKMOE_ROPE_SCALING_YARN, .factor = 4,
        .original_positions = 256, .base = 1000}},
    {"rope-yarn-not-truncated", DENSE(30, 48, 32, 2, 2), .history = 30, .attention.rope = {
        .kind = VKMOE_ROPE_HALF, .scaling = VKMOE_ROPE_SCALING_YARN, .factor = 4, .base = 1000,
        .original_positions = 256, .exact_range = true, .beta_fast = 16, .beta_slow = 2}},
    {"rope-yarn-factor-given", DENSE(30, 48, 32, 2, 2), .history = 30, .attention.rope = {
        .kind = VKMOE_ROPE_INTERLEAVED, .scaling = VKMOE_ROPE_SCALING_YARN, .factor = 40,
        .size = 16,
        .original_positions = 4096, .attention_factor = 0.8f}},
    {"rope-one-pair", DENSE(19, 48, 16, 2, 2), .attention.rope = {
        .kind = VKMOE_ROPE_HALF, .size = 2}},
    // The history is rotated for its capacity, the batch for its own length where it is given.
    {"rope-dynamic-within", DENSE(30, 48, 32, 2, 2), DYNAMIC(HALF, 256, 4), .history = 30,
        .has = ATTENTION_LONGEST},
    {"rope-dynamic", DENSE(30, 48, 32, 2, 2), DYNAMIC(HALF, 32, 4), .history = 30,
        .has = ATTENTION_LONGEST},
    {"rope-dynamic-capacity", DENSE(30, 48, 32, 2, 2), DYNAMIC(HALF, 32, 4), .history = 30},
    {"rope-dynamic-decode", DENSE(1, 48, 32, 4, 2), DYNAMIC(INTERLEAVED, 8, 8), .history = 50,
        .cache_dtype = VKMOE_DTYPE_F16, .has = ATTENTION_LONGEST},
    {"rope-dynamic-partial", DENSE(19, 48, 33, 2, 2), .history = 20, .attention.rope = {
        .kind = VKMOE_ROPE_HALF, .scaling = VKMOE_ROPE_SCALING_DYNAMIC, .size = 4, .base = 500,
        .factor = 1.5f, .original_positions = 7}, .has = ATTENTION_LONGEST | ATTENTION_NORMS},
    {"rope-dynamic-routed", ROUTED(40, 48, 16, 2, 1, 4, 2), TOP_K_NORM, DYNAMIC(HALF, 16, 2),
        .history = 20, .has = ATTENTION_LONGEST},
    {"rope-dynamic-routed-decode", ROUTED(3, 48, 16, 2, 1, 4, 2), TOP_K_NORM,
        DYNAMIC(HALF, 16, 2), .history = 20, .sequences = 3, .has = ATTENTION_LONGEST},
    // Within the trained context, and past it.
    {"longrope-within", DENSE(30, 48, 32, 2, 2), LONGROPE(HALF, 256), .history = 30,
        .has = LONG_ROPE | ATTENTION_LONGEST},
    {"longrope", DENSE(30, 48, 32, 2, 2), LONGROPE(HALF, 32), .history = 30,
        .has = LONG_ROPE | ATTENTION_LONGEST},
    {"longrope-decode", DENSE(1, 48, 32, 4, 2), LONGROPE(HALF, 8), .history = 50,
        .cache_dtype = VKMOE_DTYPE_F16, .has = LONG_ROPE | ATTENTION_LONGEST | ATTENTION_BIASES},
    {"norm-after-rope", DENSE(19, 64, 32, 4, 2), HALF, .history = 20, .has = ATTENTION_NORMS,
        .attention.norm_after_rope = true, .attention.norm.epsilon = 1e-2f},
    {"norm-after-rope-decode", DENSE(1, 64, 32, 4, 2), .history = 30, .attention.rope = {
        .kind = VKMOE_ROPE_HALF, .size = 12, .factor = 4, .scaling = VKMOE_ROPE_SCALING_YARN,
        .original_positions = 256}, .has = ATTENTION_NORMS, .attention.norm_after_rope = true,
        .attention.norm.epsilon = 1e-5f},
    {"rope-far", DENSE(4, 32, 32, 2, 1), HALF, .history = 20000, .has = ATTENTION_SLOW},

    // ------------------------------------------------------------------------ patterns
    // The first tokens see nothing at all.
    {"empty-keys", DENSE(33, 48, 16, 2, 2), HALF, .has = ATTENTION_OUTPUT_BIAS,
        PATTERNS({.kind = VKMOE_PATTERN_STRIDED, .step = 7, .phase = 6})},
    {"empty-keys-decode", DENSE(1, 48, 16, 2, 2), HALF, .history = 4,
        PATTERNS({.kind = VKMOE_PATTERN_STRIDED, .step = 7, .phase = 6})},
    {"empty-keys-sinks", DENSE(9, 48, 16, 2, 2), HALF, .has = ATTENTION_SINKS,
        PATTERNS({.kind = VKMOE_PATTERN_STRIDED, .step = 100, .phase = 50})},
    {"empty-keys-routed", ROUTED(33, 48, 16, 2, 1, 3, 2), TOP_K_NORM,
        PATTERNS({.kind = VKMOE_PATTERN_STRIDED, .step = 40, .phase = 20},
            {.kind = VKMOE_PATTERN_DILATED, .step = 30, .phase = 9, .left = 12}, {.left = 1})},
    {"window-1", DENSE(33, 48, 16, 2, 1), HALF, PATTERNS({.left = 1})},
    {"window-wide", DENSE(33, 48, 16, 2, 1), HALF, PATTERNS({.left = (1u << 30) - 1})},
    {"window-and-sinks", DENSE(100, 48, 16, 2, 1), HALF, PATTERNS({.left = 10, .sinks = 4})},
    {"sinks-beyond-all", DENSE(33, 48, 16, 2, 1), HALF,
        PATTERNS({.left = 3, .sinks = (1u << 30) - 1})},
    {"sinks-in-window", DENSE(33, 48, 16, 2, 1), HALF, .history = 5,
        PATTERNS({.left = 30, .sinks = 12, .local = 20})},
    {"strided", DENSE(70, 48, 16, 2, 1), HALF, .history = 33,
        PATTERNS({.kind = VKMOE_PATTERN_STRIDED, .step = 8})},
    {"strided-1", DENSE(33, 48, 16, 2, 1), HALF,
        PATTERNS({.kind = VKMOE_PATTERN_STRIDED, .step = 1})},
    {"strided-far", DENSE(33, 48, 16, 2, 1), HALF,
        PATTERNS({.kind = VKMOE_PATTERN_STRIDED, .step = (1u << 30) - 1, .phase = 2, .local = 2})},
    {"strided-window-sinks-local", DENSE(100, 48, 16, 2, 1), HALF, .history = 33,
        PATTERNS({.kind = VKMOE_PATTERN_STRIDED, .step = 6, .phase = 5, .left = 50, .sinks = 8,
            .local = 9})},
    {"strided-decode", DENSE(1, 48, 16, 2, 1), HALF, .history = 300,
        PATTERNS({.kind = VKMOE_PATTERN_STRIDED, .step = 3, .phase = 1, .left = 250, .sinks = 5,
            .local = 40})},
    {"dilated", DENSE(70, 48, 16, 2, 1), HALF, .history = 20,
        PATTERNS({.kind = VKMOE_PATTERN_DILATED, .step = 4})},
    {"dilated-not-itself", DENSE(33, 48, 16, 2, 1), HALF,
        PATTERNS({.kind = VKMOE_PATTERN_DILATED, .step = 4, .phase = 3})},
    {"dilated-window-sinks-local", DENSE(100, 48, 16, 2, 1), HALF, .history = 33,
        PATTERNS({.kind = VKMOE_PATTERN_DILATED, .step = 7, .phase = 2, .left = 60, .sinks = 3,
            .local = 5})},
    {"dilated-decode", DENSE(1, 48, 16, 2, 1), HALF, .history = 200,
        PATTERNS({.kind = VKMOE_PATTERN_DILATED, .step = 5, .phase = 1, .sinks = 3, .local = 5})},
    {"both-sides-right", DENSE(40, 48, 16, 2, 1), HALF,
        PATTERNS({.both_sides = true, .left = 6, .right = 3})},
    {"both-sides-right-wide", DENSE(40, 48, 16, 2, 1), HALF,
        PATTERNS({.both_sides = true, .right = (1u << 30) - 1})},
    {"blocks-listed", DENSE(70, 48, 16, 2, 1), HALF, .history = 20,
        PATTERNS({LISTED(0, 3, 9, 65535), .block = 7})},
    {"blocks-listed-none", DENSE(20, 48, 16, 2, 1), HALF, .has = ATTENTION_OUTPUT_BIAS,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 7})},
    {"blocks-listed-window-sinks-local", DENSE(100, 48, 16, 2, 1), HALF, .history = 33,
        PATTERNS({LISTED(9, 2, 3), .block = 10, .left = 70, .sinks = 4, .local = 5})},
    {"blocks-listed-decode", DENSE(1, 48, 16, 2, 1), HALF, .history = 300,
        PATTERNS({LISTED(1, 2, 7), .block = 40, .sinks = 3, .local = 9})},
    {"blocks-listed-both-sides", DENSE(40, 48, 16, 2, 1), HALF, .sequences = 2,
        PATTERNS({LISTED(0, 2, 4), .block = 6, .both_sides = true, .right = 20})},
    {"blocks-listed-two-sizes", ROUTED(60, 48, 16, 2, 1, 3, 2), HALF, TOP_K_NORM,
        PATTERNS({LISTED(1, 5), .block = 3}, {LISTED(0), .block = 33}, {0})},
    {"blocks-top-1", DENSE(40, 48, 16, 2, 1), HALF, .history = 9,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 5, .top = 1})},
    {"blocks-top-window-sinks-local", DENSE(100, 48, 16, 2, 1), HALF, .history = 33,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 9, .top = 4, .left = 70, .sinks = 3,
            .local = 12})},
    {"blocks-top-64-of-few", DENSE(40, 48, 16, 2, 1), HALF,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 3, .top = 64})},
    {"blocks-of-1", DENSE(33, 48, 16, 2, 1), HALF,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 1, .top = 5})},
    {"blocks-2048", DENSE(8, 16, 8, 1, 1), .history = 2040, .has = ATTENTION_FULL,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 1, .top = 3})},
    {"blocks-beyond-capacity", DENSE(33, 48, 16, 2, 1), HALF,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = (1u << 30) - 1, .top = 2})},
    {"blocks-tops-differ", ROUTED(60, 48, 16, 2, 1, 3, 2), HALF, TOP_K_NORM,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 4, .top = 2},
            {.kind = VKMOE_PATTERN_BLOCKS, .block = 4, .top = 6}, {.left = 3})},
    {"kv-heads-shared-by-pairs", ROUTED(33, 48, 16, 4, 6, 3, 2), HALF, TOP_K_NORM,
        .attention.expert_kv_heads = 2, .attention.tiled_kv = true,
        .attention.first_kv_head = (const uint32_t[]){4, 0, 3}},
    {"kv-heads-with-blocks", ROUTED(40, 48, 16, 2, 4, 3, 2), HALF, TOP_K_NORM,
        FIRST_KV_HEADS(3, 0, 1), PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 4, .top = 3},
            {.left = 5}, {.kind = VKMOE_PATTERN_BLOCKS, .block = 4, .top = 2})},
    {"position-bias-reach-1", DENSE(33, 48, 16, 2, 1), HALF, .has = ATTENTION_POSITION_BIAS,
        .attention.position.reach = 1},
    {"position-bias-sinks-cap", DENSE(33, 48, 16, 2, 1), HALF, .attention.soft_cap = 2.0f,
        .has = ATTENTION_POSITION_BIAS | ATTENTION_SINKS, .attention.position.reach = 40},
    {"both-sides-left-only", DENSE(40, 48, 16, 2, 1), HALF, .history = 10,
        PATTERNS({.both_sides = true, .left = 2, .sinks = 2})},
    {"both-sides-strided", DENSE(40, 48, 16, 2, 1), HALF,
        PATTERNS({.kind = VKMOE_PATTERN_STRIDED, .both_sides = true, .step = 5, .phase = 2,
            .right = 12, .sinks = 3, .local = 4})},
    {"both-sides-dilated", DENSE(40, 48, 16, 2, 1), HALF,
        PATTERNS({.kind = VKMOE_PATTERN_DILATED, .both_sides = true, .step = 3, .phase = 1,
            .left = 20, .right = 15})},
    {"both-sides-decode", DENSE(1, 48, 16, 2, 1), HALF, .history = 30,
        PATTERNS({.both_sides = true})},
    {"both-sides-some", ROUTED(60, 48, 16, 2, 1, 4, 2), HALF, TOP_K_NORM, .sequences = 3,
        PATTERNS({.both_sides = true, .right = 4, .left = 9}, {.left = 5}, {.both_sides = true},
            {.kind = VKMOE_PATTERN_DILATED, .step = 3}), .has = ATTENTION_INTERLEAVED},

    // ----------------------------------------------------------------------- sequences
    {"sequences-4", LLAMA(60), .sequences = 4, .history = 20},
    {"sequences-4-interleaved", LLAMA(61), .sequences = 4, .history = 20,
        .has = ATTENTION_INTERLEAVED | ATTENTION_LONGEST},
    {"sequences-4-shuffled", LLAMA(60), .sequences = 4, .has = ATTENTION_SHUFFLED},
    {"sequences-4-routed", JETMOE(60), .sequences = 4, .history = 50},
    {"sequences-4-routed-shuffled", FOUNDING(60), .sequences = 4, .history = 50,
        .has = ATTENTION_SHUFFLED | ATTENTION_MISALIGNED},
    {"sequences-16-decode", LLAMA(16), .sequences = 16, .history = 90,
        .has = ATTENTION_INTERLEAVED},
    {"sequences-16-decode-routed", FOUNDING(16), .sequences = 16, .history = 90,
        .has = ATTENTION_INTERLEAVED},
    {"sequences-6-decode-k3", ROUTED(6, 48, 16, 2, 1, 5, 3), HALF, TOP_K_NORM, .sequences = 6,
        .history = 20, .has = ATTENTION_INTERLEAVED},
    {"sequences-6-decode-k3-f16", ROUTED(6, 48, 16, 2, 1, 5, 3), HALF, TOP_K_NORM,
        .sequences = 6, .history = 20, .dtype = VKMOE_DTYPE_F16, .has = ATTENTION_INTERLEAVED},
    {"shuffled", LLAMA(33), .has = ATTENTION_SHUFFLED, .history = 3},

    // --------------------------------------------------------------------------- gates
    {"supplied", ROUTED(33, 48, 16, 2, 1, 4, 2), HALF, SUPPLIED},
    {"supplied-wild-decode", ROUTED(2, 48, 16, 2, 1, 4, 2), HALF, SUPPLIED, .history = 10,
        .has = ATTENTION_DROPPED},
    {"supplied-weighted", ROUTED(33, 48, 16, 2, 1, 4, 2), HALF, SUPPLIED_WEIGHTED},
    {"supplied-weighted-dropped", ROUTED(33, 48, 16, 2, 1, 4, 2), HALF, SUPPLIED_WEIGHTED,
        .has = ATTENTION_DROPPED | ATTENTION_BIASES | ATTENTION_OUTPUT_BIAS},
    {"supplied-weighted-dropped-decode", ROUTED(3, 48, 16, 2, 1, 4, 2), HALF, SUPPLIED_WEIGHTED,
        .history = 20, .has = ATTENTION_DROPPED | ATTENTION_BIASES | ATTENTION_OUTPUT_BIAS},
    {"hot", ROUTED(100, 48, 16, 2, 1, 8, 2), HALF, TOP_K_NORM, .has = ATTENTION_HOT,
        PATTERNS(WINDOWS)},
    {"k-of-all", ROUTED(33, 48, 16, 2, 1, 4, 4), HALF, TOP_K_NORM},
    {"k-1", ROUTED(33, 48, 16, 2, 2, 8, 1), HALF, .attention.router = {0}},
    {"experts-64", ROUTED(33, 48, 16, 1, 1, 64, 8), TOP_K_OF_LOGITS},
    {"experts-64-decode", ROUTED(1, 48, 16, 1, 1, 64, 8), TOP_K_OF_LOGITS, .history = 20},
    {"sigmoid-gate", ROUTED(33, 48, 16, 2, 1, 6, 3), HALF, .attention.router = {
        .score = VKMOE_SCORE_SIGMOID, .renormalize.mode = VKMOE_RENORMALIZE_SUM, .scale = 2.5f}},
    {"no-routing-asked", JETMOE(33), .has = ATTENTION_NO_ROUTING},
    {"no-routing-asked-decode", JETMOE(1), .history = 9, .has = ATTENTION_NO_ROUTING},
    {"routed-norms", ROUTED(33, 48, 16, 4, 2, 4, 2), HALF, TOP_K_NORM, .has = ATTENTION_NORMS,
        .attention.norm.epsilon = 1e-6f},
    {"routed-norms-wide", ROUTED(33, 48, 16, 4, 2, 4, 2), HALF, TOP_K_NORM,
        .has = ATTENTION_NORMS | ATTENTION_BIASES, .attention.norm.wide = true,
        .attention.norm.epsilon = 1e-6f},
    {"routed-sinks-cap-clip", ROUTED(33, 48, 16, 4, 2, 4, 2), HALF, TOP_K_NORM,
        .has = ATTENTION_SINKS, .attention.soft_cap = 2.0f, .attention.value_clip = 0.8f},
    {"routed-sinks-cap-clip-decode", ROUTED(1, 48, 16, 4, 2, 4, 2), HALF, TOP_K_NORM,
        .has = ATTENTION_SINKS, .attention.soft_cap = 2.0f, .attention.value_clip = 0.8f,
        .history = 30},
    {"query-norm-only", DENSE(19, 48, 16, 4, 2), HALF, .has = ATTENTION_QUERY_NORM},
    {"norms-by-strides", DENSE(19, 48, 16, 4, 2), HALF, .has = ATTENTION_NORMS | ATTENTION_SPREAD},
    {"vectors-by-strides", ROUTED(33, 48, 16, 4, 2, 4, 2), TOP_K_NORM,
        .has = ATTENTION_NORMS | ATTENTION_BIASES | ATTENTION_OUTPUT_BIAS | ATTENTION_SINKS
            | ATTENTION_POSITION_BIAS | ATTENTION_SPREAD, .attention.position.reach = 20,
        .attention.norm.wide = true, .vector_dtype = VKMOE_DTYPE_BF16},
    {"key-norm-only-wide", DENSE(19, 48, 16, 4, 2), HALF, .has = ATTENTION_KEY_NORM,
        .attention.norm.wide = true},

    // -------------------------------------------------------------------- hard numbers
    {"scores-far-out", DENSE(40, 48, 16, 2, 1), HALF, .score_gain = 40.0},
    {"scores-all-close", DENSE(40, 48, 16, 2, 1), HALF, .score_gain = 1e-3},
    {"scale-negative", DENSE(40, 48, 16, 2, 1), HALF, .attention.scale = -0.3f,
        .has = ATTENTION_SLOW},
    {"soft-cap-tight", DENSE(40, 48, 16, 2, 1), HALF, .attention.soft_cap = 0.5f,
        .score_gain = 20.0},
    {"soft-cap-far", DENSE(40, 48, 16, 2, 1), HALF, .attention.soft_cap = 1000.0f},
    {"exact-f16", DENSE(40, 48, 16, 2, 1), .cache_dtype = VKMOE_DTYPE_F16,
        .has = ATTENTION_EXACT | ATTENTION_SLOW},
    {"exact-f16-routed", ROUTED(40, 48, 32, 2, 1, 4, 2), TOP_K_NORM, .cache_dtype = VKMOE_DTYPE_F16,
        .has = ATTENTION_EXACT, .dtype = VKMOE_DTYPE_F16},
    {"exact-f16-decode", DENSE(1, 48, 64, 2, 1), .cache_dtype = VKMOE_DTYPE_F16, .history = 300,
        .has = ATTENTION_EXACT},

    // ------------------------------------------------------------------- long contexts
    {"long-1000", DENSE(1, 32, 32, 4, 2), HALF, .history = 1000},
    {"long-1000-jetmoe", JETMOE(1), .history = 1000},
    {"long-1000-founding", FOUNDING(2), .history = 1000, .sequences = 2},
    {"long-4097", DENSE(1, 32, 32, 4, 1), HALF, .history = 4096},
    {"long-4097-sinks", DENSE(1, 32, 32, 4, 1), HALF, .history = 4096, .has = ATTENTION_SINKS},
    {"long-4097-window", DENSE(1, 32, 32, 4, 1), HALF, .history = 4096,
        PATTERNS({.left = 1500, .sinks = 300})},
    {"long-4097-moa", MOA(1, 8, 2), .history = 4096},
    {"long-4097-two", DENSE(2, 32, 32, 4, 1), HALF, .history = 4096, .sequences = 2,
        .has = ATTENTION_LONGEST},
    // The history is written by an attention that chooses no blocks.
    {"long-moba-filled", DENSE(3, 32, 32, 2, 1), HALF, .history = 1000,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 64, .top = 3})},
    // lavapipe 22.3 ends an invocation's loops after 65535 iterations together: many pieces of
    // blocks, many choices, many blocks to choose from, long blocks, blocks far behind.
    {"long-moba", DENSE(33, 16, 64, 1, 1), .history = 16000,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 512, .top = 8})},
    {"long-blocks-top-64", DENSE(8, 16, 16, 1, 1), .history = 8192,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 32, .top = 64})},
    {"long-blocks-2048", DENSE(8, 16, 256, 1, 1), .history = 2040, .has = ATTENTION_FULL,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 1, .top = 3})},
    {"long-blocks-of-4096", DENSE(8, 16, 256, 1, 1), .history = 8192,
        PATTERNS({.kind = VKMOE_PATTERN_BLOCKS, .block = 4096, .top = 2})},
    {"long-blocks-listed", DENSE(33, 16, 16, 1, 1), .history = 65500,
        PATTERNS({LISTED(0, 31, 700, 65440, 65442, 65444, 65446, 65448, 65450, 65452, 65454, 65456,
            65458, 65460, 65462, 65464, 65466, 65468, 65470, 65472, 65474, 65476, 65478, 65480,
            65482, 65484, 65486, 65488, 65490, 65492, 65494, 65496, 65498, 65500, 65502, 65504,
            65506, 65508, 65510, 65512, 65514, 65516, 65518, 65520), .block = 1})},
    {0},
};
// clang-format on

const struct attention_case *attention_case_find(const char *name)
{
    const struct attention_case *c = attention_cases;
    while (c->name && strcmp(c->name, name))
        c++;
    return c->name ? c : NULL;
}
