// mixtral.c - Mixtral.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(32, 8, 0), TEXT(32000, 131072, 2, 1e-5),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e6f }, .window = WINDOW_ALL,
    .names = { { PROJECTIONS("self_attn") } }, ENDS);

static const struct alias aliases[] = {
    { "minimax" },
    { "minimax_text_01", .expect = "shared_intermediate_size=0" },
    { NULL },
};

FAMILY(mixtral, .prefix = BLOCKS,
    SIZES(32, 4096, "intermediate_size", 14336),
    EXPERTS("num_local_experts|num_experts", 8, "num_experts_per_tok", 2),
    HIDDEN_ACT,
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX, .renormalize.mode = VKMOE_RENORMALIZE_SUM },
    .names = {
        .router = "block_sparse_moe.gate.weight|mlp.gate.weight",
        EXPERTS_W1_W3_W2("block_sparse_moe"),
    },
    .mark = vkmoe_mark_all,
    .whole = &whole,
    .other_if = "scoring_func=sigmoid", // MiniMax-M2 as "minimax"
    .other = "minimax_m2",
    .aliases = aliases);
