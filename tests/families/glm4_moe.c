// glm4_moe.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(glm4_moe,
    MODEL("glm4_moe", "glm4_moe",
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"n_shared_experts\":1,\"n_routed_experts\":12,\"num_experts_per_tok\":3,"
        "\"num_hidden_layers\":3,\"first_k_dense_replace\":1,\"n_group\":1,"
        "\"topk_group\":1,\"norm_topk_prob\":true,\"routed_scaling_factor\":1.5,"
        "\"num_nextn_predict_layers\":1",
        V3_MODEL(family_write_deepseek, STORED(VKMOE_DTYPE_BF16, 1, 1, "-xx"),
            V3_LAYER(40, 24, 12, 3, .scale = 1.5, .shared_inner = 24))));
