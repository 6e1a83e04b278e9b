// qwen3_moe.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(qwen3_moe,
    MODEL("qwen3_moe", "qwen3_moe",
        "\"hidden_size\":64,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":3,\"mlp_only_layers\":[2],\"num_experts\":16,"
        "\"num_experts_per_tok\":8,\"norm_topk_prob\":true",
        STORED(VKMOE_DTYPE_BF16, 2, 0, "xx-"), .arrays = HAS_GATE,
        SILU_LAYER(64, 24, 16, 8, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true),
        WRITTEN_BY(family_write_qwen), .dense_inner = 99, .write_dense = family_write_gated_dense));
