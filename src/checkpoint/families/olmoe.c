// olmoe.c - OLMoE.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(16, 0, 0), TEXT(50304, 4096, 50279, 1e-5),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .bias = { "attention_bias", false },
    .norm_wide = true, .clip_key = "clip_qkv",
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn") } }, ENDS);

FAMILY(olmoe, .prefix = BLOCKS, SIZES(16, 2048, "intermediate_size", 2048),
    EXPERTS("num_experts|num_local_experts", 64, "num_experts_per_tok", 8), HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob", .preset.router = { .score = VKMOE_SCORE_SOFTMAX },
    .names = { .router = "mlp.gate.weight", EXPERTS_GATE_UP_DOWN("mlp") }, .mark = vkmoe_mark_all,
    .whole = &whole);
