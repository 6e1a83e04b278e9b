// qwen2_moe.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(qwen2_moe,
    MODEL("qwen2_moe", "qwen2_moe",
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"shared_expert_intermediate_size\":56,\"num_hidden_layers\":4,"
        "\"decoder_sparse_step\":2,\"mlp_only_layers\":[3],\"num_experts\":12,"
        "\"num_experts_per_tok\":4",
        STORED(VKMOE_DTYPE_BF16, 1, 1, "-x--"), .misaligned = 1,
        .arrays = HAS_GATE | HAS_SHARED_GATE | HAS_TOKEN_GATE,
        SILU_LAYER(40, 24, 12, 4, .score = VKMOE_SCORE_SOFTMAX, .shared_inner = 56),
        WRITTEN_BY(family_write_qwen), .dense_inner = 99, .write_dense = family_write_gated_dense));
