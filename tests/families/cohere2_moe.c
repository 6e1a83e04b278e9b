// cohere2_moe.c - see family_writers.h.
#include "family_writers.h"

// Of shared experts that are averaged with the others golden_whole.c has a model.
FAMILY_MODELS(cohere2_moe,
    MODEL("cohere2_moe", "cohere2_moe",
        "\"hidden_size\":40,\"intermediate_size\":24,\"prefix_dense_intermediate_size\":99,"
        "\"first_k_dense_replace\":1,\"num_shared_experts\":2,\"num_experts\":12,"
        "\"shared_expert_combination_strategy\":\"sum\",\"expert_selection_fn\":\"sigmoid\","
        "\"norm_topk_prob\":true,\"num_experts_per_tok\":3,\"num_hidden_layers\":3",
        STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"), .arrays = HAS_GATE | HAS_SHARED_GATE,
        SILU_LAYER(40, 24, 12, 3, .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID,
            .renormalize = true, .shared_inner = 48),
        WRITTEN_BY(family_write_deepseek), .dense_inner = 99,
        .write_dense = family_write_gated_dense));
