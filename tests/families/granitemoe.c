// granitemoe.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(granitemoe,
    MODEL("granitemoe", "granitemoe",
        "\"hidden_size\":40,\"intermediate_size\":24,\"num_hidden_layers\":2,"
        "\"num_local_experts\":8,\"num_experts_per_tok\":3,\"residual_multiplier\":0.22",
        STORED(VKMOE_DTYPE_F32, 1, 0, "xx"), .arrays = HAS_GATE,
        SILU_LAYER(40, 24, 8, 3, .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX),
        WRITTEN_BY(family_write_granite)));
