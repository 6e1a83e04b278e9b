// phimoe.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(phimoe,
    MODEL("phimoe", "phimoe",
        "\"hidden_size\":40,\"intermediate_size\":48,\"num_hidden_layers\":1,"
        "\"num_local_experts\":16,\"num_experts_per_tok\":2,\"router_jitter_noise\":0.2,"
        "\"input_jitter_noise\":0.01",
        STORED(VKMOE_DTYPE_BF16, 1, 0, "x"), .arrays = HAS_GATE,
        SILU_LAYER(40, 48, 16, 2, .score = VKMOE_SCORE_IDENTITY, .select = VKMOE_SELECT_SPARSEMIXER,
            .sparsemixer_threshold = 0.4),
        WRITTEN_BY(family_write_mixtral)));
