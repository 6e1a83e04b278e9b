// qwen2_moe.c - Qwen 1.5 and 2.
#include "checkpoint/families/families.h"

static const struct alias aliases[] = {
    { "qwen3_next" },
    { "qwen3_5_moe", .renormalize = true },
    { "qwen3_5_moe_text", .renormalize = true },
    { NULL },
};

FAMILY(qwen2_moe, .prefix = BLOCKS,
    SIZES(24, 2048, "moe_intermediate_size", 1408),
    EXPERTS("num_experts", 60, "num_experts_per_tok", 4),
    HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob",
    .shared_inner = { "shared_expert_intermediate_size", 5632 },
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX },
    .names = {
        .router = "mlp.gate.weight",
        EXPERTS_GATE_UP_DOWN("mlp"),
        SHARED_GATE_UP_DOWN("mlp.shared_expert"),
        .shared_token_gate = "mlp.shared_expert_gate.weight",
    },
    DENSE_GATE_UP_DOWN("mlp", 5632),
    .mark = vkmoe_mark_qwen,
    .aliases = aliases);
