// deepseek_v2.c - DeepSeek-V2.
#include "checkpoint/families/families.h"

// The original code renormalises or scales, never both, and one expert is never renormalised.
static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    struct vkmoe_router_params *router = &params->router;
    if (params->experts_per_token == 1)
        router->renormalize.mode = VKMOE_RENORMALIZE_NONE;
    if (router->renormalize.mode != VKMOE_RENORMALIZE_NONE)
        router->scale = 1.0f;
    const char *method = vkmoe_setting_string(settings, "topk_method", "greedy");
    if (strcmp(method, "greedy") == 0) {
        router->groups.count = router->groups.kept = 0;
    } else if (strcmp(method, "group_limited_greedy") != 0) {
        char text[64];
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "topk_method is \"%s\", only greedy and group_limited_greedy are supported",
            vkmoe_printable(method, text, sizeof text));
    }
}

WHOLE(whole, .heads = { "num_attention_heads", 32 }, TEXT(32000, 2048, 2, 1e-6),
    .rope = { .kind = VKMOE_ROPE_INTERLEAVED, .base = 1e4f }, LATENT_SIZES,
    .expect = { "attention_bias=false" }, .names = { { LATENT_PROJECTIONS("self_attn") } }, ENDS);

FAMILY(deepseek_v2, .prefix = BLOCKS,
    SIZES(32, 4096, "moe_intermediate_size", 1407),
    EXPERTS("n_routed_experts", 64, "num_experts_per_tok", 0),
    HIDDEN_ACT,
    DEEPSEEK_SETTINGS,
    DEEPSEEK_BLOCKS(1407, 2, 11008, 0),
    .expect = { "scoring_func=softmax", "mlp_bias=false" },
    .preset.router = {
        .score = VKMOE_SCORE_SOFTMAX,
        .groups.score = VKMOE_GROUP_SCORE_MAX,
        .groups.mode = VKMOE_GROUP_MODE_MASK_ZERO,
        .renormalize.epsilon = 1e-20f,
    },
    .names = { DEEPSEEK_NAMES },
    .adjust = adjust,
    .whole = &whole);
