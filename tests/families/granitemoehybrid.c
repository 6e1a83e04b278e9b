// granitemoehybrid.c - see family_writers.h.
#include "family_writers.h"

static family_t models[] = {
    MODEL(.name = "granitemoehybrid",
        .config =
            "{\"model_type\":\"granitemoehybrid\",\"hidden_size\":40,"
            "\"intermediate_size\":24,\"shared_intermediate_size\":56,\"num_hidden_layers\":2,"
            "\"num_local_experts\":8,\"num_experts_per_tok\":3,\"vocab_size\":32}",
        STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), .arrays = HAS_GATE | HAS_SHARED_GATE,
        LAYER(40, 24, 8, 3, .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX,
            .shared_inner = 56, .activation = VKMOE_ACTIVATION_SILU),
        WRITTEN_BY(family_write_granite)),
};

FAMILY_MODELS(granitemoehybrid);
