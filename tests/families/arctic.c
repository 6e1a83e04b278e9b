// arctic.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(arctic,
    MODEL("arctic", "arctic",
        "\"hidden_size\":40,\"intermediate_size\":24,\"num_hidden_layers\":2,"
        "\"num_local_experts\":8,\"num_experts_per_tok\":3,\"moe_layer_frequency\":1,"
        "\"parallel_attn_mlp_res\":true,\"moe_token_dropping\":false",
        STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), .arrays = HAS_GATE,
        SILU_LAYER(40, 24, 8, 3, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true), .beside = true,
        WRITTEN_BY(family_write_mixtral)));
