// bailing_moe.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(bailing_moe,
    MODEL("bailing_moe", "bailing_moe",
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"num_shared_experts\":2,\"num_experts\":12,\"num_experts_per_tok\":3,"
        "\"num_hidden_layers\":3,\"first_k_dense_replace\":1,\"norm_topk_prob\":true",
        STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"), .arrays = HAS_GATE | HAS_SHARED_GATE,
        SILU_LAYER(
            40, 24, 12, 3, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true, .shared_inner = 48),
        WRITTEN_BY(family_write_deepseek), .dense_inner = 99,
        .write_dense = family_write_gated_dense));
