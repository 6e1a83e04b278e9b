// qwen3_moe.c - Qwen 3.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(32, 4, 0), TEXT(151936, 32768, -1, 1e-6),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .bias = { "attention_bias", false },
    .window = WINDOW_ALL, .window_preset = 4096, .window_switch = "use_sliding_window",
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn") } }, ENDS);

// The positions of a text's tokens are the same in all sections of RoPE.
#define SAME_ATTENTION \
    .whole = "num_attention_heads num_key_value_heads vocab_size rms_norm_eps " \
             "rope_theta|rope_parameters"

static const struct alias aliases[] = {
    { "qwen3_vl_moe", .renormalize = true, SAME_ATTENTION },
    { "qwen3_vl_moe_text", .renormalize = true, SAME_ATTENTION },
    { NULL },
};

FAMILY(qwen3_moe, .prefix = BLOCKS, SIZES(24, 2048, "moe_intermediate_size", 768),
    EXPERTS("num_experts|num_local_experts", 128, "num_experts_per_tok", 8), HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob", .preset.router = { .score = VKMOE_SCORE_SOFTMAX },
    .names = { .router = "mlp.gate.weight", EXPERTS_GATE_UP_DOWN("mlp") },
    DENSE_GATE_UP_DOWN("mlp", 6144), .mark = vkmoe_mark_qwen, .whole = &whole, .aliases = aliases);
