// dots1.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(dots1,
    MODEL("dots1", "dots1", // its "scoring function" as published
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"n_shared_experts\":2,\"n_routed_experts\":12,\"num_experts_per_tok\":3,"
        "\"num_hidden_layers\":3,\"first_k_dense_replace\":1,\"moe_layer_freq\":1,"
        "\"n_group\":1,\"topk_group\":1,\"topk_method\":\"noaux_tc\","
        "\"scoring_func\":\"noaux_tc\",\"norm_topk_prob\":true,\"routed_scaling_factor\":2.5",
        V3_MODEL(family_write_deepseek, STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"),
            V3_LAYER(40, 24, 12, 3, .scale = 2.5, .shared_inner = 48))));
