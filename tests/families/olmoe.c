// olmoe.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(olmoe,
    MODEL("olmoe", "olmoe",
        "\"hidden_size\":48,\"intermediate_size\":32,\"num_hidden_layers\":1,"
        "\"num_experts\":16,\"num_experts_per_tok\":8,\"norm_topk_prob\":false",
        STORED(VKMOE_DTYPE_F32, 1, 0, "x"), .misaligned = 5, .arrays = HAS_GATE,
        SILU_LAYER(48, 32, 16, 8, .score = VKMOE_SCORE_SOFTMAX), WRITTEN_BY(family_write_qwen)));
