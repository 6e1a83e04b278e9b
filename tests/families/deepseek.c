// deepseek.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(deepseek,
    MODEL("deepseek", "deepseek",
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"n_shared_experts\":2,\"n_routed_experts\":12,\"num_experts_per_tok\":6,"
        "\"num_hidden_layers\":3,\"first_k_dense_replace\":1,\"moe_layer_freq\":1,"
        "\"scoring_func\":\"softmax\",\"norm_topk_prob\":false",
        STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"), .arrays = HAS_GATE | HAS_SHARED_GATE,
        SILU_LAYER(40, 24, 12, 6, .score = VKMOE_SCORE_SOFTMAX, .renormalize_epsilon = 1e-20,
            .shared_inner = 48),
        WRITTEN_BY(family_write_deepseek), .dense_inner = 99,
        .write_dense = family_write_gated_dense));
