// bailing_moe_v2.c - Ling and Ring 2.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(16, 0, 0), TEXT(157184, 32768, -1, 1e-6),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 6e5f }, .rope_part = 0.5,
    .bias = { "use_qkv_bias", false }, .head_norms = { "use_qk_norm", true },
    .expect = { "use_bias=false", "use_sliding_window=false" },
    .names = { { BAILING_PROJECTIONS, .query_norm = "attention.query_layernorm.weight",
        .key_norm = "attention.key_layernorm.weight" } },
    BAILING_ENDS);

FAMILY(bailing_moe_v2, .prefix = BLOCKS, SIZES(20, 2048, "moe_intermediate_size", 512),
    EXPERTS("num_experts", 256, "num_experts_per_tok", 8), HIDDEN_ACT, DEEPSEEK_SETTINGS,
    BAILING_BLOCKS(1), .correction_bias = { "moe_router_enable_expert_bias", true },
    .expect = { "use_bias=false", "score_function=sigmoid" },
    .preset.router = { V3_ROUTER, .groups.count = 8, .groups.kept = 4, .scale = 2.5f },
    .names = { DEEPSEEK_NAMES, .correction_bias = "mlp.gate.expert_bias" }, .whole = &whole);
