// olmoe.c - OLMoE.
#include "checkpoint/families/families.h"

static const struct whole whole = {
    .heads = { "num_attention_heads", 16 },
    .kv_heads = { "num_key_value_heads", 0 },
    .head_size = { "head_dim", 0 },
    .vocabulary = 50304,
    .max_positions = 4096,
    .end_token = 50279,
    .norm_epsilon = 1e-5,
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f },
    .bias = { "attention_bias", false },
    .norm_wide = true,
    .clip_key = "clip_qkv",
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn") } },
    ENDS,
};

static const struct alias aliases[] = {
    { "flex_olmo" },
    { NULL },
};

const struct family vkmoe_family_olmoe = {
    .name = "olmoe",
    .prefix = BLOCKS,
    .blocks = { "num_hidden_layers", 16 },
    .hidden = { "hidden_size", 2048 },
    .inner = { "intermediate_size", 2048 },
    .experts = { "num_experts|num_local_experts", 64 },
    .experts_per_token = { "num_experts_per_tok", 8 },
    HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob",
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX },
    .names = { .router = "mlp.gate.weight", EXPERTS_GATE_UP_DOWN("mlp") },
    .mark = vkmoe_mark_all,
    .whole = &whole,
    .aliases = aliases,
};
