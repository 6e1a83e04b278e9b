// exaone_moe.c - see family_writers.h.
#include "family_writers.h"

#define WIDTHS "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
#define GATE "\"n_group\":4,\"topk_group\":2,\"norm_topk_prob\":true,\"routed_scaling_factor\":2.5"

FAMILY_MODELS(exaone_moe,
    MODEL("exaone_moe", "exaone_moe",
        WIDTHS "\"num_shared_experts\":2,\"num_experts\":12,\"num_experts_per_tok\":3,"
               "\"num_hidden_layers\":3,\"first_k_dense_replace\":1," GATE,
        V3_MODEL(family_write_deepseek, STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"),
            V3_LAYER(
                40, 24, 12, 3, .groups = 4, .groups_kept = 2, .scale = 2.5, .shared_inner = 48))));
