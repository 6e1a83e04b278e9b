// glm4_moe.c - GLM 4.5.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(96, 8, 0), TEXT(151552, 131072, -1, 1e-5),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .rope_part = 0.5,
    .bias = { "attention_bias", false }, .head_norms = { "use_qk_norm", false },
    .names = { { PROJECTIONS("self_attn"), INPUT_BIASES("self_attn"), NORMS("self_attn") } }, ENDS);

// The positions of a text's tokens are the same in all sections of RoPE; the classes differ in
// some presets.
#define GLM4V(name) \
    { \
        name, DENSE_FIRST, \
            .whole = "num_attention_heads num_key_value_heads attention_bias vocab_size " \
                     "max_position_embeddings rms_norm_eps rope_theta|rope_parameters" \
    }

static const struct alias aliases[] = {
    GLM4V("glm4v_moe"),
    GLM4V("glm4v_moe_text"),
    { "glm_moe_dsa", DENSE_FIRST },
    { NULL },
};

FAMILY(glm4_moe, .prefix = BLOCKS, SIZES(46, 4096, "moe_intermediate_size", 1408),
    EXPERTS("n_routed_experts|num_local_experts", 128, "num_experts_per_tok", 8), HIDDEN_ACT,
    DEEPSEEK_SETTINGS, DEEPSEEK_BLOCKS(1408, 1, 10944, 1),
    .expect = { "scoring_func=sigmoid", "topk_method=noaux_tc" },
    .preset.router = { V3_ROUTER, .groups.count = 1, .groups.kept = 1, .scale = 1.0f },
    .names = { DEEPSEEK_NAMES, .correction_bias = "mlp.gate.e_score_correction_bias" },
    .aliases = aliases, .whole = &whole);
