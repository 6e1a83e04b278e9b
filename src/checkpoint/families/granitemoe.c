// granitemoe.c - Granite 3 MoE.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(32, 0, 0), TEXT(32000, 2048, 2, 1e-6),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .bias = { "attention_bias", false },
    .scale_key = "attention_multiplier", .scale = 1.0,
    .embedding_scale_key = "embedding_multiplier", .residual_scale_key = "residual_multiplier",
    .logits_divisor_key = "logits_scaling", .expect = { "position_embedding_type=rope" },
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn") } }, ENDS);

FAMILY(granitemoe, .prefix = BLOCKS, SIZES(32, 4096, "intermediate_size", 11008),
    EXPERTS("num_local_experts", 8, "num_experts_per_tok", 2), HIDDEN_ACT,
    .preset.router = { TOP_K_THEN_SOFTMAX }, .names = { GRANITE_NAMES }, .mark = vkmoe_mark_all,
    .whole = &whole);
