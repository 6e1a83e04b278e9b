// olmoe.c - see family_writers.h.
#include "family_writers.h"

static family_t models[] = {
    {
        .name = "olmoe",
        .config = "{\"model_type\":\"olmoe\",\"hidden_size\":48,\"intermediate_size\":32,"
                  "\"num_hidden_layers\":1,\"num_experts\":16,\"num_experts_per_tok\":8,"
                  "\"norm_topk_prob\":false,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F32,
        .files = 1,
        .misaligned = 5,
        .moe = { "x" },
        .block = { .index = 0 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 48,
            .inner = 32,
            .experts = 16,
            .experts_per_token = 8,
            .score = VKMOE_SCORE_SOFTMAX,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = family_write_qwen,
        .prefix = MODEL_PREFIX,
    },
};

FAMILY_MODELS(olmoe);
