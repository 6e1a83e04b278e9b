// lfm2_moe.c - see family_writers.h.
#include "family_writers.h"

static void write_lfm2(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "feed_forward.gate.weight");
    if (l->correction_bias)
        family_add_correction(w, f, prefix, l, "feed_forward.expert_bias");
    family_add_experts(w, f, prefix, l, W1_W3_W2("feed_forward.experts.%u"));
}

FAMILY_MODELS(lfm2_moe,
    MODEL("lfm2_moe", "lfm2_moe",
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":4,\"num_dense_layers\":2,\"num_experts\":8,"
        "\"num_experts_per_tok\":4,\"use_expert_bias\":true,\"norm_topk_prob\":true,"
        "\"routed_scaling_factor\":1.25",
        STORED(VKMOE_DTYPE_BF16, 1, 3, "--xx"), .correction_dtype = VKMOE_DTYPE_F32,
        .arrays = HAS_GATE | HAS_CORRECTION_BIAS,
        SILU_LAYER(40, 24, 8, 4, .score = VKMOE_SCORE_SIGMOID, .renormalize = true,
            .renormalize_epsilon = 1e-6, .scale = 1.25),
        WRITTEN_BY(write_lfm2)),
    MODEL("lfm2_moe-unbiased", "lfm2_moe",
        "\"hidden_size\":40,\"moe_intermediate_size\":24,\"num_hidden_layers\":1,"
        "\"num_dense_layers\":0,\"num_experts\":8,\"num_experts_per_tok\":1,"
        "\"use_expert_bias\":false,\"norm_topk_prob\":false",
        STORED(VKMOE_DTYPE_F16, 1, 0, "x"), .arrays = HAS_GATE,
        SILU_LAYER(
            40, 24, 8, 1, .score = VKMOE_SCORE_SIGMOID, .renormalize_epsilon = 1e-6, .scale = 1.0),
        WRITTEN_BY(write_lfm2)));
