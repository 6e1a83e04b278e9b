// qwen3_moe.c - Qwen 3.
#include "checkpoint/families/families.h"

static const struct whole whole = {
    .heads = { "num_attention_heads", 32 },
    .kv_heads = { "num_key_value_heads", 4 },
    .head_size = { "head_dim", 0 },
    .vocabulary = 151936,
    .max_positions = 32768,
    .end_token = -1,
    .norm_epsilon = 1e-6,
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f },
    .bias = { "attention_bias", false },
    .window = WINDOW_ALL,
    .window_preset = 4096,
    .window_switch = "use_sliding_window",
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn") } },
    ENDS,
};

static const struct alias aliases[] = {
    { "qwen3_vl_moe", .renormalize = true },
    { "qwen3_vl_moe_text", .renormalize = true },
    { NULL },
};

const struct family vkmoe_family_qwen3_moe = {
    .name = "qwen3_moe",
    .prefix = BLOCKS,
    .blocks = { "num_hidden_layers", 24 },
    .hidden = { "hidden_size", 2048 },
    .inner = { "moe_intermediate_size", 768 },
    .experts = { "num_experts|num_local_experts", 128 },
    .experts_per_token = { "num_experts_per_tok", 8 },
    HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob",
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX },
    .names = { .router = "mlp.gate.weight", EXPERTS_GATE_UP_DOWN("mlp") },
    DENSE_GATE_UP_DOWN("mlp", 6144),
    .mark = vkmoe_mark_qwen,
    .whole = &whole,
    .aliases = aliases,
};
