// mistral4.c - Mistral Small 4: DeepSeek's latent attention, whose queries grow with their
// positions, and a gate with softmax scores.
#include "checkpoint/families/families.h"

WHOLE(whole, .heads = { "num_attention_heads", 32 }, TEXT(131072, 1048576, 2, 1e-6),
    YARN_ROPE(INTERLEAVED, 1e4f, 128.0f, 8192, .attention_factor = 1.0f), .rope_grows = true,
    .rope_growth = 0.1,
    .latent = { true, .rank = 256, .query_rank = 1024, .key_size = 64, .rope_size = 64,
        .value_size = 128, .norm_epsilon = 1e-6, .plain_scores = true, .says_part = true },
    .expect = { "attention_bias=false" }, .names = { { LATENT_PROJECTIONS("self_attn") } }, ENDS);

FAMILY(mistral4, .prefix = BLOCKS, SIZES(36, 4096, "moe_intermediate_size", 2048),
    EXPERTS("n_routed_experts|num_local_experts", 128, "num_experts_per_tok", 4), HIDDEN_ACT,
    DEEPSEEK_SETTINGS, DEEPSEEK_BLOCKS(2048, 1, 12288, 0),
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX,
        .weigh = VKMOE_WEIGH_SCORE,
        .groups = { .score = VKMOE_GROUP_SCORE_SUM_TOP_2, .count = 1, .kept = 1 },
        .renormalize = { VKMOE_RENORMALIZE_SUM, .epsilon = 1e-20f },
        .scale = 1.0f },
    .names = { DEEPSEEK_NAMES }, .whole = &whole);
