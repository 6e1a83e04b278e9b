// afmoe.c - see family_writers.h.
#include "family_writers.h"

static void write_afmoe(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_write_expert_bias(w, f, prefix, l, GATE_UP_DOWN("mlp.shared_experts"));
}

FAMILY_MODELS(afmoe,
    MODEL("afmoe", "afmoe",
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"num_shared_experts\":2,\"num_experts\":12,\"num_experts_per_tok\":3,"
        "\"num_hidden_layers\":3,\"num_dense_layers\":1,\"n_group\":1,\"topk_group\":1,"
        "\"num_expert_groups\":1,\"num_limited_groups\":1,\"score_func\":\"sigmoid\","
        "\"route_norm\":true,\"route_scale\":2.826",
        V3_MODEL(write_afmoe, STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"),
            V3_LAYER(40, 24, 12, 3, .scale = 2.826, .shared_inner = 48))));
