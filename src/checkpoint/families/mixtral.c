// mixtral.c - Mixtral.
#include "checkpoint/families/families.h"

static const struct whole whole = {
    .heads = { "num_attention_heads", 32 },
    .kv_heads = { "num_key_value_heads", 8 },
    .head_size = { "head_dim", 0 },
    .vocabulary = 32000,
    .max_positions = 131072,
    .end_token = 2,
    .norm_epsilon = 1e-5,
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e6f },
    .window = WINDOW_ALL,
    .names = { { PROJECTIONS("self_attn") } },
    ENDS,
};

static const struct alias aliases[] = {
    { "minimax" },
    { "minimax_text_01", .expect = "shared_intermediate_size=0" },
    { NULL },
};

const struct family vkmoe_family_mixtral = {
    .name = "mixtral",
    .prefix = BLOCKS,
    .blocks = { "num_hidden_layers", 32 },
    .hidden = { "hidden_size", 4096 },
    .inner = { "intermediate_size", 14336 },
    .experts = { "num_local_experts|num_experts", 8 },
    .experts_per_token = { "num_experts_per_tok", 2 },
    HIDDEN_ACT,
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX, .renormalize.mode = VKMOE_RENORMALIZE_SUM },
    .names = {
        .router = "block_sparse_moe.gate.weight|mlp.gate.weight",
        EXPERTS_W1_W3_W2("block_sparse_moe"),
    },
    .mark = vkmoe_mark_all,
    .whole = &whole,
    .aliases = aliases,
};
