// minimax_m2.c - MiniMax-M2.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(48, 8, 128), TEXT(200064, 196608, -1, 1e-6),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 5e6f }, .rope_part = 1.0,
    .rope_size_key = "rotary_dim", .norm_wide = true,
    .expect = { "use_qk_norm=true", "qk_norm_type=per_layer" },
    .names = { { PROJECTIONS("self_attn"), NORMS("self_attn") } }, ENDS);

FAMILY(minimax_m2, .prefix = BLOCKS, SIZES(62, 3072, "intermediate_size", 1536),
    EXPERTS("num_local_experts|num_experts", 256, "num_experts_per_tok", 8), HIDDEN_ACT,
    .expect = { "scoring_func=sigmoid", "shared_intermediate_size=0", "use_routing_bias=true" },
    .preset.router = { .score = VKMOE_SCORE_SIGMOID,
        .weigh = VKMOE_WEIGH_SCORE,
        .renormalize.mode = VKMOE_RENORMALIZE_SUM },
    .names = { .router = "block_sparse_moe.gate.weight|mlp.gate.weight",
        EXPERTS_W1_W3_W2("block_sparse_moe"),
        .correction_bias = "block_sparse_moe.e_score_correction_bias|mlp.e_score_correction_bias" },
    .mark = vkmoe_mark_all, .whole = &whole);
