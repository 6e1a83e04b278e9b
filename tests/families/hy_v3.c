// hy_v3.c - see family_writers.h.
#include "family_writers.h"

#define BLOCKS_AS_LISTED "\"num_hidden_layers\":2,\"mlp_layer_types\":[\"dense\",\"sparse\"],"

static void write_hunyuan(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_write_expert_bias(w, f, prefix, l, GATE_UP_DOWN("mlp.shared_mlp"));
}

FAMILY_MODELS(hy_v3,
    MODEL("hy_v3", "hy_v3",
        BLOCKS_AS_LISTED "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
                         "\"num_shared_experts\":1,\"num_experts\":12,\"num_experts_per_tok\":3,"
                         "\"router_scaling_factor\":2.826,\"route_norm\":true",
        V3_MODEL(write_hunyuan, STORED(VKMOE_DTYPE_BF16, 1, 1, "-x"),
            V3_LAYER(40, 24, 12, 3, .scale = 2.826, .shared_inner = 24))));
