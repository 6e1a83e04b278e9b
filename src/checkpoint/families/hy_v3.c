// hy_v3.c - Hunyuan 3.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(64, 8, 128), TEXT(120832, 131072, -1, 1e-5),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 11158840.0f }, .bias = { "attention_bias", false },
    .expect = { "qk_norm=true" },
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn") } }, ENDS);

FAMILY(hy_v3, .prefix = BLOCKS, SIZES(80, 4096, "moe_intermediate_size", 1536),
    EXPERTS("num_experts|num_local_experts", 192, "num_experts_per_tok", 8), HIDDEN_ACT,
    .scale_key = "router_scaling_factor", .shared_inner = { "moe_intermediate_size", 1536 },
    .shared_count = { "num_shared_experts", 1 }, DENSE_GATE_UP_DOWN("mlp", 13312),
    .dense_first = { "first_k_dense_replace", 1 }, .mark = vkmoe_mark_after_dense,
    .expect = { "mlp_bias=false", "route_norm=true", "moe_router_use_sigmoid=true",
        "moe_router_enable_expert_bias=true" },
    .preset.router = { V3_ROUTER, .scale = 2.826f },
    .names = { .router = "mlp.router.gate.weight|mlp.gate.weight",
        EXPERTS_GATE_UP_DOWN("mlp"),
        SHARED_OF_EITHER("mlp.shared_mlp", "mlp.shared_experts"),
        .correction_bias = "mlp.expert_bias|mlp.e_score_correction_bias" },
    .whole = &whole);
