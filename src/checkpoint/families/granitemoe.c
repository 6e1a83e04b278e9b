// granitemoe.c - Granite 3 MoE.
#include "checkpoint/families/families.h"

static const struct whole whole = {
    .heads = { "num_attention_heads", 32 },
    .kv_heads = { "num_key_value_heads", 0 },
    .head_size = { "head_dim", 0 },
    .vocabulary = 32000,
    .max_positions = 2048,
    .end_token = 2,
    .norm_epsilon = 1e-6,
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f },
    .bias = { "attention_bias", false },
    .scale_key = "attention_multiplier",
    .scale = 1.0,
    .embedding_scale_key = "embedding_multiplier",
    .residual_scale_key = "residual_multiplier",
    .logits_divisor_key = "logits_scaling",
    .expect = { "position_embedding_type=rope" },
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn") } },
    ENDS,
};

const struct family vkmoe_family_granitemoe = {
    .name = "granitemoe",
    .prefix = BLOCKS,
    .blocks = { "num_hidden_layers", 32 },
    .hidden = { "hidden_size", 4096 },
    .inner = { "intermediate_size", 11008 },
    .experts = { "num_local_experts", 8 },
    .experts_per_token = { "num_experts_per_tok", 2 },
    HIDDEN_ACT,
    .preset.router = { TOP_K_THEN_SOFTMAX },
    .names = {
        .router = "block_sparse_moe.router.layer.weight",
        .gate_up = "block_sparse_moe.input_linear.weight",
        .down = "block_sparse_moe.output_linear.weight",
    },
    .mark = vkmoe_mark_all,
    .whole = &whole,
};
