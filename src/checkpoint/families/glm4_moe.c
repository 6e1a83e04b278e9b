// glm4_moe.c - GLM 4.5.
#include "checkpoint/families/families.h"

static const struct alias aliases[] = {
    { "glm4v_moe", DENSE_FIRST },
    { "glm4v_moe_text", DENSE_FIRST },
    { "glm4_moe_lite", DENSE_FIRST },
    { "glm_moe_dsa", DENSE_FIRST },
    { NULL },
};

FAMILY(glm4_moe, .prefix = BLOCKS,
    SIZES(46, 4096, "moe_intermediate_size", 1408),
    EXPERTS("n_routed_experts|num_local_experts", 128, "num_experts_per_tok", 8),
    HIDDEN_ACT,
    V3_SETTINGS,
    .shared_inner = { "moe_intermediate_size", 1408 },
    .shared_count = { "n_shared_experts", 1 },
    .expect = { "scoring_func=sigmoid", "topk_method=noaux_tc" },
    .preset.router = { V3_ROUTER, .groups.count = 1, .groups.kept = 1, .scale = 1.0f },
    .names = {
        .router = "mlp.gate.weight",
        .correction_bias = "mlp.gate.e_score_correction_bias",
        EXPERTS_GATE_UP_DOWN("mlp"),
        SHARED_GATE_UP_DOWN("mlp.shared_experts"),
    },
    DENSE_GATE_UP_DOWN("mlp", 10944),
    .dense_first = { "first_k_dense_replace", 1 },
    .mark = vkmoe_mark_after_dense,
    .aliases = aliases);
