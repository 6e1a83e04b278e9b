// granitemoeshared.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(granitemoeshared,
    MODEL("granitemoeshared", "granitemoeshared",
        "\"hidden_size\":40,\"intermediate_size\":24,\"shared_intermediate_size\":56,"
        "\"num_hidden_layers\":2,\"num_local_experts\":8,\"num_experts_per_tok\":3",
        STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), .arrays = HAS_GATE | HAS_SHARED_GATE,
        SILU_LAYER(40, 24, 8, 3, .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX,
            .shared_inner = 56),
        WRITTEN_BY(family_write_granite)));
