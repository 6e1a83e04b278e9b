// deepseek_v3.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(deepseek_v3,
    MODEL("deepseek_v3", "deepseek_v3",
        "\"hidden_size\":56,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"n_shared_experts\":1,\"n_routed_experts\":32,\"num_experts_per_tok\":8,"
        "\"num_hidden_layers\":5,\"first_k_dense_replace\":3,\"moe_layer_freq\":1,"
        "\"n_group\":8,\"topk_group\":4,\"topk_method\":\"noaux_tc\","
        "\"scoring_func\":\"sigmoid\",\"norm_topk_prob\":true,\"routed_scaling_factor\":2.5",
        STORED(VKMOE_DTYPE_BF16, 2, 4, "---xx"), .correction_dtype = VKMOE_DTYPE_F32,
        .misaligned = 1, .arrays = HAS_GATE | HAS_SHARED_GATE | HAS_CORRECTION_BIAS,
        SILU_LAYER(56, 24, 32, 8, .score = VKMOE_SCORE_SIGMOID,
            .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2, .groups = 8, .groups_kept = 4,
            .renormalize = true, .renormalize_epsilon = 1e-20, .scale = 2.5, .shared_inner = 24),
        WRITTEN_BY(family_write_deepseek), .dense_inner = 99,
        .write_dense = family_write_gated_dense));
