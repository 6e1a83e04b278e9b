// bailing_moe.c - Ling and Ring, the first.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(16, 4, 0), TEXT(126464, 16384, -1, 1e-6),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 6e5f }, .bias = { "use_qkv_bias", false },
    .expect = { "use_bias=false", "norm_head=false", "use_sliding_window=false" },
    .names = { { BAILING_PROJECTIONS } }, BAILING_ENDS);

FAMILY(bailing_moe, .prefix = BLOCKS, SIZES(28, 2048, "moe_intermediate_size", 1408),
    EXPERTS("num_experts", 64, "num_experts_per_tok", 6), HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob", BAILING_BLOCKS(0),
    .expect = { "use_bias=false", "multi_gate=false", "score_function=softmax",
        "use_qk_norm=false" },
    .other_if = "score_function=sigmoid", .other = "bailing_moe_v2", // as Ling 2 is published
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX, .renormalize.mode = VKMOE_RENORMALIZE_SUM },
    .names = { DEEPSEEK_NAMES }, .whole = &whole);
