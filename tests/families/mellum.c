// mellum.c - see family_writers.h.
#include "family_writers.h"

#define WIDTHS "\"hidden_size\":40,\"moe_intermediate_size\":24,\"num_hidden_layers\":2,"

FAMILY_MODELS(mellum,
    MODEL("mellum", "mellum", WIDTHS "\"num_experts\":8,\"num_experts_per_tok\":3",
        STORED(VKMOE_DTYPE_F16, 1, 1, "xx"), .arrays = HAS_GATE,
        SILU_LAYER(40, 24, 8, 3, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true),
        WRITTEN_BY(family_write_qwen)));
