// solar_open.c - Solar Open.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(64, 8, 128), TEXT(196608, 131072, -1, 1e-5),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e6f }, .rope_part = 1.0,
    .bias = { "attention_bias", false }, .expect = { "use_qk_norm=false" },
    .names = { { PROJECTIONS("self_attn"), INPUT_BIASES("self_attn") } }, ENDS);

FAMILY(solar_open, .prefix = BLOCKS, SIZES(48, 4096, "moe_intermediate_size", 1280),
    EXPERTS("n_routed_experts|num_local_experts", 128, "num_experts_per_tok", 8), HIDDEN_ACT,
    DEEPSEEK_SETTINGS, .shared_inner = { "moe_intermediate_size", 1280 },
    .shared_count = { "n_shared_experts", 1 }, .mark = vkmoe_mark_all,
    .expect = { "scoring_func=sigmoid", "topk_method=noaux_tc", "first_k_dense_replace=0" },
    .preset.router = { V3_ROUTER, .groups.count = 1, .groups.kept = 1, .scale = 1.0f },
    .names = { DEEPSEEK_NAMES, .correction_bias = "mlp.gate.e_score_correction_bias" },
    .whole = &whole);
