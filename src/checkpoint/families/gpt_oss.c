// gpt_oss.c - gpt-oss.
#include "checkpoint/families/families.h"

// The activation's two constants; hidden_act is "silu", but what is computed is not.
static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    double alpha = vkmoe_setting_number(settings, "swiglu_alpha", 1.702);
    double limit = vkmoe_setting_number(settings, "swiglu_limit", 7.0);
    if (alpha <= 0.0 || limit <= 0.0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%s is %g, expected more than 0",
            alpha <= 0.0 ? "swiglu_alpha" : "swiglu_limit", alpha <= 0.0 ? alpha : limit);
    params->activation = VKMOE_ACTIVATION_SWIGLU_OAI;
    params->activation_alpha = (float)alpha;
    params->activation_limit = (float)limit;
}

WHOLE(whole, HEADS(64, 8, 64), TEXT(201088, 131072, -1, 1e-5),
    YARN_ROPE(HALF, 150000.0f, 32.0f, 4096, .exact_range = true),
    .bias = { "attention_bias", true }, .window = WINDOW_ALTERNATE, .window_preset = 128,
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"), .sinks = "self_attn.sinks" } },
    ENDS);

FAMILY(gpt_oss, .prefix = BLOCKS,
    SIZES(36, 2880, "intermediate_size", 2880),
    EXPERTS("num_local_experts|num_experts", 128, "num_experts_per_tok|experts_per_token", 4),
    HIDDEN_ACT,
    .expect = { "hidden_act=silu" },
    .preset.router = { TOP_K_THEN_SOFTMAX },
    .names = {
        .router = "mlp.router.weight",
        .router_bias = "mlp.router.bias",
        STACKED_GATE_UP_DOWN("mlp.experts"),
        .gate_up_bias = "mlp.experts.gate_up_proj_bias",
        .down_bias = "mlp.experts.down_proj_bias",
    },
    .layout = LAYOUT_TRANSPOSED | LAYOUT_INTERLEAVED,
    .mark = vkmoe_mark_all,
    .adjust = adjust,
    .whole = &whole);
