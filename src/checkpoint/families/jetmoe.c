// jetmoe.c - JetMoE.
#include "checkpoint/families/families.h"

// The query heads of an expert are as many as the kv heads; num_attention_heads
// counts those of a token's experts together.
WHOLE(whole, .heads = { "num_key_value_heads", 16 }, .kv_heads = { "num_key_value_heads", 16 },
    .head_size = { "kv_channels|head_dim", 128 }, .vocabulary = 32000, .max_positions = 4096,
    .tied = true, .end_token = 2, .norm_epsilon = 1e-6,
    .block_norm_epsilon = 1e-6, // whatever rms_norm_eps says
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .tiled_kv = true,
    .expert_windows = "attention_expert_windows",
    .router = { .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX },
    .names = { {
        .module = "self_attention.",
        .router = "self_attention.experts.router.layer.weight",
        .query = "self_attention.experts.input_linear.weight",
        .output = "self_attention.experts.output_linear.weight",
        .key_value = "self_attention.kv_proj.weight",
        .output_bias = "self_attention.experts.bias",
        BLOCK_NORMS,
    } },
    ENDS);

FAMILY(jetmoe, .prefix = BLOCKS,
    SIZES(12, 2048, "intermediate_size", 5632),
    EXPERTS("num_local_experts", 8, "num_experts_per_tok", 2),
    .activation_key = "activation_function",
    .activation = "silu",
    .preset.router = { TOP_K_THEN_SOFTMAX },
    .names = {
        .router = "mlp.router.layer.weight",
        STACKED_INPUT_OUTPUT("mlp"),
        .output_bias = "mlp.bias",
    },
    .mark = vkmoe_mark_all,
    .whole = &whole);
