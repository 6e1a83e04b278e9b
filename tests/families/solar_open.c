// solar_open.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(solar_open,
    MODEL("solar_open", "solar_open",
        "\"hidden_size\":40,\"moe_intermediate_size\":24,\"n_shared_experts\":1,"
        "\"n_routed_experts\":12,\"num_experts_per_tok\":3,\"num_hidden_layers\":2,"
        "\"n_group\":1,\"topk_group\":1,\"norm_topk_prob\":true,\"routed_scaling_factor\":1.25",
        STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), .correction_dtype = VKMOE_DTYPE_F32,
        .arrays = HAS_GATE | HAS_SHARED_GATE | HAS_CORRECTION_BIAS,
        V3_LAYER(40, 24, 12, 3, .scale = 1.25, .shared_inner = 24),
        WRITTEN_BY(family_write_deepseek)));
