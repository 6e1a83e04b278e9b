// mixtral.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(mixtral,
    MODEL("mixtral", "mixtral",
        "\"hidden_size\":48,\"intermediate_size\":64,\"num_hidden_layers\":2,"
        "\"num_local_experts\":8,\"num_experts_per_tok\":2,\"hidden_act\":\"silu\","
        "\"router_jitter_noise\":0.01",
        STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), .arrays = HAS_GATE,
        SILU_LAYER(48, 64, 8, 2, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true),
        WRITTEN_BY(family_write_mixtral)),
    MODEL("mixtral-sharded", "mixtral",
        "\"hidden_size\":33,\"intermediate_size\":17,\"num_hidden_layers\":3,"
        "\"num_local_experts\":5,\"num_experts_per_tok\":3,\"hidden_act\":\"gelu\","
        "\"sliding_window\":null",
        STORED(VKMOE_DTYPE_F16, 2, 2, "xxx"), .misaligned = 3, .arrays = HAS_GATE,
        LAYER(33, 17, 5, 3, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true,
            .activation = VKMOE_ACTIVATION_GELU_ERF),
        WRITTEN_BY(family_write_mixtral)));
