// olmoe.c - see family_writers.h.
#include "family_writers.h"

static family_t models[] = {
    MODEL(.name = "olmoe",
        .config = "{\"model_type\":\"olmoe\",\"hidden_size\":48,\"intermediate_size\":32,"
                  "\"num_hidden_layers\":1,\"num_experts\":16,\"num_experts_per_tok\":8,"
                  "\"norm_topk_prob\":false,\"vocab_size\":32}",
        STORED(VKMOE_DTYPE_F32, 1, 0, "x"), .misaligned = 5, .arrays = HAS_GATE,
        LAYER(48, 32, 16, 8, .score = VKMOE_SCORE_SOFTMAX, .activation = VKMOE_ACTIVATION_SILU),
        WRITTEN_BY(family_write_qwen)),
};

FAMILY_MODELS(olmoe);
