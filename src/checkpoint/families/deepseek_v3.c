// deepseek_v3.c - DeepSeek-V3 and R1. Kimi-K2 and GLM-4.7-Flash have its code under other names.
#include "checkpoint/families/families.h"

WHOLE(whole, .heads = { "num_attention_heads", 128 }, TEXT(129280, 4096, 1, 1e-6),
    .rope = { .kind = VKMOE_ROPE_INTERLEAVED, .base = 1e4f }, LATENT_SIZES,
    .expect = { "attention_bias=false" }, .names = { { LATENT_PROJECTIONS("self_attn") } }, ENDS);

#define SAME_ATTENTION \
    .whole = "num_attention_heads kv_lora_rank q_lora_rank qk_nope_head_dim qk_rope_head_dim " \
             "v_head_dim vocab_size rms_norm_eps rope_theta|rope_parameters"

static const struct alias aliases[] = {
    { "kimi_k2", DENSE_FIRST, SAME_ATTENTION },
    { "glm4_moe_lite", DENSE_FIRST, SAME_ATTENTION },
    { "deepseek_v32", DENSE_FIRST },
    { NULL },
};

FAMILY(deepseek_v3, .prefix = BLOCKS, SIZES(61, 7168, "moe_intermediate_size", 2048),
    EXPERTS("n_routed_experts|num_local_experts", 256, "num_experts_per_tok", 8), HIDDEN_ACT,
    DEEPSEEK_SETTINGS, DEEPSEEK_BLOCKS(2048, 1, 18432, 3),
    .expect = { "scoring_func=sigmoid", "topk_method=noaux_tc", "mlp_bias=false" },
    .preset.router = { V3_ROUTER, .groups.count = 8, .groups.kept = 4, .scale = 2.5f },
    .names = { DEEPSEEK_NAMES, .correction_bias = "mlp.gate.e_score_correction_bias" },
    .aliases = aliases, .whole = &whole);
