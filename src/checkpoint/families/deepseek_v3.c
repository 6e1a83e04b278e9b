// deepseek_v3.c - DeepSeek-V3 and R1.
#include "checkpoint/families/families.h"

static const struct alias aliases[] = {
    { "kimi_k2", DENSE_FIRST },
    { "deepseek_v32", DENSE_FIRST },
    // What it calls a scoring function is the method; the scores are sigmoids.
    { "dots1", DENSE_FIRST, .accept = "scoring_func=noaux_tc" },
    { NULL },
};

FAMILY(deepseek_v3, .prefix = BLOCKS,
    SIZES(61, 7168, "moe_intermediate_size", 2048),
    EXPERTS("n_routed_experts|num_local_experts", 256, "num_experts_per_tok", 8),
    HIDDEN_ACT,
    V3_SETTINGS,
    .shared_inner = { "moe_intermediate_size", 2048 },
    .shared_count = { "n_shared_experts", 1 },
    .expect = { "scoring_func=sigmoid", "topk_method=noaux_tc", "mlp_bias=false" },
    .preset.router = { V3_ROUTER, .groups.count = 8, .groups.kept = 4, .scale = 2.5f },
    .names = {
        .router = "mlp.gate.weight",
        .correction_bias = "mlp.gate.e_score_correction_bias",
        EXPERTS_GATE_UP_DOWN("mlp"),
        SHARED_GATE_UP_DOWN("mlp.shared_experts"),
    },
    DENSE_GATE_UP_DOWN("mlp", 18432),
    .dense_first = { "first_k_dense_replace", 3 },
    .mark = vkmoe_mark_after_dense,
    .aliases = aliases);
