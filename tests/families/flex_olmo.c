// flex_olmo.c - see family_writers.h.
#include "family_writers.h"

#define WEIGHTS_OF_7 SILU_LAYER(40, 24, 7, 5, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true)

FAMILY_MODELS(flex_olmo,
    MODEL("flex_olmo", "flex_olmo",
        "\"hidden_size\":40,\"intermediate_size\":24,\"num_hidden_layers\":2,\"num_experts\":7,"
        "\"num_experts_per_tok\":5,\"norm_topk_prob\":true",
        STORED(VKMOE_DTYPE_BF16, 2, 1, "xx"), .arrays = HAS_GATE, WEIGHTS_OF_7,
        WRITTEN_BY(family_write_qwen)));
