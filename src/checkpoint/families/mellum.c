// mellum.c - Mellum 2.
#include "checkpoint/families/families.h"
#include "checkpoint/rope_kinds.h"

static void adjust(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params, struct traits *traits)
{
    static const struct rope_kind full = { { .kind = VKMOE_ROPE_HALF, .base = 5e5f }, 0.0 };
    static const struct rope_kind sliding = { { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, 0.0 };
    (void)traits;
    vkmoe_setting_expect(source->settings, "partial_rotary_factor=1");
    vkmoe_rope_read_kinds(source, block, &full, &sliding, params);
}

WHOLE(whole, HEADS(32, 4, 128), TEXT(98304, 131072, -1, 1e-6), .bias = { "attention_bias", false },
    .window = WINDOW_LISTED, .window_preset = 1024, .adjust = adjust,
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn") } }, ENDS);

FAMILY(mellum, .prefix = BLOCKS, SIZES(28, 2304, "moe_intermediate_size", 896),
    EXPERTS("num_experts|num_local_experts", 64, "num_experts_per_tok", 8), HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob",
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX, .renormalize.mode = VKMOE_RENORMALIZE_SUM },
    .names = { .router = "mlp.gate.weight", EXPERTS_GATE_UP_DOWN("mlp") },
    DENSE_GATE_UP_DOWN("mlp", 7168), .mark = vkmoe_mark_after_dense, .whole = &whole);
