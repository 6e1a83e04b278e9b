// attention_models.h - what the rows of attention_cases.c are made of: the models' shapes.
#ifndef VKMOE_TESTS_ATTENTION_MODELS_H
#define VKMOE_TESTS_ATTENTION_MODELS_H

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
// MiMo-V2: values of two thirds of a key, which are multiplied; RoPE of a third, sinks.
#define MIMO(t) \
    DENSE(t, 64, 48, 8, 2), .attention.rope = { .kind = VKMOE_ROPE_HALF, .size = 16 }, \
                            .attention.value_size = 32, .attention.value_scale = 0.707f
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
#define QWEN3_NEXT(t) \
    DENSE(t, 64, 32, 8, 1), .has = ATTENTION_NORMS | ATTENTION_GATE, .attention.gate.wide = true, \
                            .attention.norm.epsilon = 1e-6f, \
                            .attention.rope = { .kind = VKMOE_ROPE_HALF, .base = 1e7f, .size = 8 }
#define GATE_OF_HEADS(t) DENSE(t, 48, 33, 6, 2), .has = ATTENTION_GATE
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

#endif
