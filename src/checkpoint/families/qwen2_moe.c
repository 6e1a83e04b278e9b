// qwen2_moe.c - Qwen 1.5 and 2.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(16, 16, 0), TEXT(151936, 32768, -1, 1e-6),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .bias = { "qkv_bias", true },
    .window = WINDOW_ALL, .window_preset = 4096, .window_switch = "use_sliding_window",
    .names = { { PROJECTIONS("self_attn"), INPUT_BIASES("self_attn") } }, ENDS);

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
    .whole = &whole,
    .aliases = aliases);
