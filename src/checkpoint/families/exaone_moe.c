// exaone_moe.c - K-EXAONE.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(32, 32, 0), TEXT(102400, 2048, 53, 1e-5),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .window = WINDOW_BUT_EVERY,
    .window_preset = 4096, .window_every = { "sliding_window_pattern", 4 }, .window_rope = true,
    .names = { { PROJECTIONS("self_attn"), NORMS("self_attn") } }, ENDS);

FAMILY(exaone_moe, .prefix = BLOCKS, SIZES(32, 4096, "moe_intermediate_size", 1024),
    EXPERTS("num_experts|num_local_experts", 64, "num_experts_per_tok", 8), HIDDEN_ACT,
    DEEPSEEK_SETTINGS, .shared_inner = { "moe_intermediate_size", 1024 },
    .shared_count = { "num_shared_experts", 1 }, DENSE_GATE_UP_DOWN("mlp", 16384),
    .dense_first = { "first_k_dense_replace", 1 }, .mark = vkmoe_mark_after_dense,
    .expect = { "scoring_func=sigmoid", "topk_method=noaux_tc" },
    .preset.router = { V3_ROUTER, .groups.count = 1, .groups.kept = 1, .scale = 2.5f },
    .names = { DEEPSEEK_NAMES,
        .correction_bias = "mlp.gate.e_score_correction_bias|mlp.e_score_correction_bias" },
    .whole = &whole);
