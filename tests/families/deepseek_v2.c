// deepseek_v2.c - see family_writers.h.
#include "family_writers.h"

// With softmax scores, and dense networks of this width in blocks without experts; 0: there are
// none.
#define V2_MODEL(stored, dense, hidden_, inner_, experts_, k, ...) \
    stored, .arrays = HAS_GATE | HAS_SHARED_GATE, \
            SILU_LAYER(hidden_, inner_, experts_, k, .score = VKMOE_SCORE_SOFTMAX, __VA_ARGS__), \
            WRITTEN_BY(family_write_deepseek), .dense_inner = dense, \
            .write_dense = family_write_gated_dense

FAMILY_MODELS(deepseek_v2,
    MODEL("deepseek_v2", "deepseek_v2",
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"n_shared_experts\":2,\"n_routed_experts\":12,\"num_experts_per_tok\":6,"
        "\"num_hidden_layers\":3,\"first_k_dense_replace\":1,\"moe_layer_freq\":1,"
        "\"n_group\":1,\"topk_group\":1,\"topk_method\":\"greedy\","
        "\"scoring_func\":\"softmax\",\"norm_topk_prob\":false,"
        "\"routed_scaling_factor\":2.0",
        V2_MODEL(STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"), 99, 40, 24, 12, 6, .scale = 2.0,
            .shared_inner = 48)),
    MODEL("deepseek_v2-grouped", "deepseek_v2",
        "\"hidden_size\":40,\"moe_intermediate_size\":24,\"n_shared_experts\":1,"
        "\"n_routed_experts\":16,\"num_experts_per_tok\":3,\"num_hidden_layers\":2,"
        "\"first_k_dense_replace\":0,\"moe_layer_freq\":1,\"n_group\":4,\"topk_group\":2,"
        "\"topk_method\":\"group_limited_greedy\",\"norm_topk_prob\":false,"
        "\"routed_scaling_factor\":16.0",
        V2_MODEL(STORED(VKMOE_DTYPE_F32, 1, 1, "xx"), 0, 40, 24, 16, 3,
            .group_score = VKMOE_GROUP_SCORE_MAX, .groups = 4, .groups_kept = 2,
            .group_mask_zero = true, .scale = 16.0, .shared_inner = 24)),
    MODEL("deepseek_v2-renormalized", "deepseek_v2", // and then the scale does not apply
        "\"hidden_size\":24,\"intermediate_size\":44,\"moe_intermediate_size\":16,"
        "\"n_shared_experts\":1,\"n_routed_experts\":8,\"num_experts_per_tok\":3,"
        "\"num_hidden_layers\":3,\"first_k_dense_replace\":1,\"moe_layer_freq\":2,"
        "\"topk_method\":\"greedy\",\"norm_topk_prob\":true,\"routed_scaling_factor\":16.0",
        V2_MODEL(STORED(VKMOE_DTYPE_F32, 1, 2, "--x"), 44, 24, 16, 8, 3, .renormalize = true,
            .renormalize_epsilon = 1e-20, .scale = 1.0, .shared_inner = 16)));
