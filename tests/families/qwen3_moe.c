// qwen3_moe.c - see family_writers.h.
#include "family_writers.h"

static family_t models[] = {
    {
        .name = "qwen3_moe",
        .config = "{\"model_type\":\"qwen3_moe\",\"hidden_size\":64,\"intermediate_size\":99,"
                  "\"moe_intermediate_size\":24,\"num_hidden_layers\":3,\"mlp_only_layers\":[2],"
                  "\"num_experts\":16,\"num_experts_per_tok\":8,\"norm_topk_prob\":true,"
                  "\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 2,
        .moe = { "xx-" },
        .block = { .index = 0 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 64,
            .inner = 24,
            .experts = 16,
            .experts_per_token = 8,
            .score = VKMOE_SCORE_SOFTMAX,
            .renormalize = true,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = family_write_qwen,
        .prefix = MODEL_PREFIX,
        .dense_inner = 99,
        .write_dense = family_write_gated_dense,
    },
};

FAMILY_MODELS(qwen3_moe);
