// afmoe.c - AFMoE: Arcee's Trinity.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(16, 0, 128), TEXT(200192, 16384, -1, 1e-5),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .bias = { "attention_bias", false },
    .window = WINDOW_BUT_EVERY, .window_preset = 1024,
    .window_every = { "global_attn_every_n_layers", 4 }, .window_rope = true,
    .embedding_root = { "mup_enabled", false },
    .names = { { MATRICES("self_attn"), BIASES("self_attn"), NORMS("self_attn"),
        .gate = "self_attn.gate_proj.weight", SANDWICH_NORMS("mlp") } },
    ENDS);

FAMILY(afmoe, .prefix = BLOCKS, SIZES(32, 2048, "moe_intermediate_size", 1408),
    EXPERTS("num_experts|num_local_experts", 64, "num_experts_per_tok", 6), HIDDEN_ACT,
    .renormalize_key = "route_norm", .scale_key = "route_scale",
    .shared_inner = { "moe_intermediate_size", 1408 }, .shared_count = { "num_shared_experts", 2 },
    DENSE_GATE_UP_DOWN("mlp", 6144), .dense_first = { "num_dense_layers", 1 },
    .mark = vkmoe_mark_after_dense,
    .expect = { "score_func=sigmoid", "n_group=1", "num_expert_groups=1" },
    .preset.router = { V3_ROUTER, .scale = 1.0f },
    .names = { .router = "mlp.router.gate.weight",
        EXPERTS_GATE_UP_DOWN("mlp"),
        SHARED_GATE_UP_DOWN("mlp.shared_experts"),
        .correction_bias = "mlp.expert_bias" },
    .whole = &whole);
