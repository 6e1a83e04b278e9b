// deepseek.c - the first DeepSeek MoE.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(32, 32, 0), TEXT(102400, 2048, 100001, 1e-6),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .bias = { "attention_bias", false },
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn") } }, ENDS);

// One expert is never renormalised.
static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    (void)settings;
    if (params->experts_per_token == 1)
        params->router.renormalize.mode = VKMOE_RENORMALIZE_NONE;
}

FAMILY(deepseek, .prefix = BLOCKS, SIZES(30, 4096, "moe_intermediate_size", 1407),
    EXPERTS("n_routed_experts", 0, "num_experts_per_tok", 0), HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob", DEEPSEEK_BLOCKS(1407, 0, 11008, 0),
    .expect = { "scoring_func=softmax", "mlp_bias=false" },
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX, .renormalize.epsilon = 1e-20f },
    .names = { DEEPSEEK_NAMES }, .adjust = adjust, .whole = &whole);
