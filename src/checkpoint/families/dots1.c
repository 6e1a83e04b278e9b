// dots1.c - dots.llm1.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(32, 32, 0), TEXT(152064, 2048, -1, 1e-6),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .bias = { "attention_bias", false },
    .window = WINDOW_LATER, .expect = { "qk_layernorm=true" },
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn") } }, ENDS);

// What published files call a scoring function is the method; the scores are sigmoids.
static void check(struct settings *settings, struct vkmoe_moe_params *params)
{
    (void)params;
    if (!vkmoe_setting_is(settings, "scoring_func=sigmoid"))
        vkmoe_setting_expect(settings, "scoring_func=noaux_tc");
}

FAMILY(dots1, .prefix = BLOCKS, SIZES(62, 4608, "moe_intermediate_size", 1408),
    EXPERTS("n_routed_experts|num_local_experts", 0, "num_experts_per_tok", 0), HIDDEN_ACT,
    DEEPSEEK_SETTINGS, DEEPSEEK_BLOCKS(1408, 0, 10944, 0),
    .expect = { "topk_method=noaux_tc", "mlp_bias=false" },
    .preset.router = { .score = VKMOE_SCORE_SIGMOID,
        .weigh = VKMOE_WEIGH_SCORE,
        .groups.score = VKMOE_GROUP_SCORE_SUM_TOP_2,
        .renormalize.epsilon = 1e-20f,
        .scale = 1.0f },
    .names = { DEEPSEEK_NAMES, .correction_bias = "mlp.gate.e_score_correction_bias" },
    .adjust = check, .whole = &whole);
