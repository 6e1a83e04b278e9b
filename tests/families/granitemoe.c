// granitemoe.c - see family_writers.h.
#include "family_writers.h"

static family_t models[] = {
    {
        .name = "granitemoe",
        .config = "{\"model_type\":\"granitemoe\",\"hidden_size\":40,\"intermediate_size\":24,"
                  "\"num_hidden_layers\":2,\"num_local_experts\":8,\"num_experts_per_tok\":3,"
                  "\"residual_multiplier\":0.22,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F32,
        .files = 1,
        .moe = { "xx" },
        .block = { .index = 0 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 8,
            .experts_per_token = 3,
            .score = VKMOE_SCORE_IDENTITY,
            .weigh = VKMOE_WEIGH_SOFTMAX,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = family_write_granite,
        .prefix = MODEL_PREFIX,
    },
};

FAMILY_MODELS(granitemoe);
