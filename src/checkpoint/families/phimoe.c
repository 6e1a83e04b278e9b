// phimoe.c - Phi-3.5-MoE.
#include "checkpoint/families/families.h"

// The jitter of training decides at inference which experts compete.
static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    double jitter = vkmoe_setting_number(settings, "router_jitter_noise", 0.01);
    if (jitter <= 0.0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "router_jitter_noise is %g, expected more than 0", jitter);
    params->router.sparsemixer_threshold = (float)(2.0 * jitter);
}

WHOLE(whole, HEADS(32, 8, 0), TEXT(32064, 131072, 2, 1e-5), .layer_norm = true,
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e6f }, .bias = { "attention_bias", false },
    .head_bias = { "lm_head_bias", false }, .window = WINDOW_ALL,
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"),
        .attention_norm_bias = "input_layernorm.bias",
        .experts_norm_bias = "post_attention_layernorm.bias" } },
    .ends = { ENDS_OF_TEXT, .final_norm_bias = PART("norm.bias"),
        .head_bias = "lm_head.bias|language_model.lm_head.bias" });

FAMILY(phimoe, .prefix = BLOCKS,
    SIZES(32, 4096, "intermediate_size", 6400),
    EXPERTS("num_local_experts", 16, "num_experts_per_tok", 2),
    HIDDEN_ACT,
    .expect = { "num_experts_per_tok=2" }, // the method picks two, one after the other
    .preset.router = { .score = VKMOE_SCORE_IDENTITY, .select = VKMOE_SELECT_SPARSEMIXER },
    .names = {
        .router = "block_sparse_moe.gate.weight|mlp.router.weight|mlp.gate.weight",
        EXPERTS_W1_W3_W2("block_sparse_moe"),
    },
    .mark = vkmoe_mark_all,
    .adjust = adjust,
    .whole = &whole);
