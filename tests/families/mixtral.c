// mixtral.c - see family_writers.h.
#include "family_writers.h"

static family_t models[] = {
    {
        .name = "mixtral",
        .config = "{\"model_type\":\"mixtral\",\"hidden_size\":48,\"intermediate_size\":64,"
                  "\"num_hidden_layers\":2,\"num_local_experts\":8,\"num_experts_per_tok\":2,"
                  "\"hidden_act\":\"silu\",\"router_jitter_noise\":0.01,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .moe = { "xx" },
        .block = { .index = 1 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 48,
            .inner = 64,
            .experts = 8,
            .experts_per_token = 2,
            .score = VKMOE_SCORE_SOFTMAX,
            .renormalize = true,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = family_write_mixtral,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "mixtral-sharded",
        .config = "{\"model_type\":\"mixtral\",\"hidden_size\":33,\"intermediate_size\":17,"
                  "\"num_hidden_layers\":3,\"num_local_experts\":5,\"num_experts_per_tok\":3,"
                  "\"hidden_act\":\"gelu\",\"sliding_window\":null,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F16,
        .files = 2,
        .misaligned = 3,
        .moe = { "xxx" },
        .block = { .index = 2 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 33,
            .inner = 17,
            .experts = 5,
            .experts_per_token = 3,
            .score = VKMOE_SCORE_SOFTMAX,
            .renormalize = true,
            .activation = VKMOE_ACTIVATION_GELU_ERF },
        .write = family_write_mixtral,
        .prefix = MODEL_PREFIX,
    },
};

FAMILY_MODELS(mixtral);
