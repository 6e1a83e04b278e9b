// flex_olmo.c - FlexOlmo: OLMoE's block with its norms behind attention and experts.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(32, 0, 0), TEXT(100352, 4096, 100257, 1e-6),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 5e5f }, .bias = { "attention_bias", false },
    .norm_wide = true,
    .names = { { MATRICES("self_attn"), BIASES("self_attn"), NORMS("self_attn"),
        .attention_post_norm = "post_attention_layernorm.weight",
        .post_norm = "post_feedforward_layernorm.weight" } },
    ENDS);

FAMILY(flex_olmo, .prefix = BLOCKS, SIZES(32, 4096, "intermediate_size", 11008),
    EXPERTS("num_experts|num_local_experts", 7, "num_experts_per_tok", 5), HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob", .preset.router = { .score = VKMOE_SCORE_SOFTMAX },
    .names = { .router = "mlp.gate.weight", EXPERTS_GATE_UP_DOWN("mlp") }, .mark = vkmoe_mark_all,
    .whole = &whole);
