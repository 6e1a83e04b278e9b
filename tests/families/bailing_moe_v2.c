// bailing_moe_v2.c - see family_writers.h.
#include "family_writers.h"

static void write_bailing(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_write_corrected(w, f, prefix, l, "mlp.gate.expert_bias");
}

FAMILY_MODELS(bailing_moe_v2,
    MODEL("bailing_moe_v2", "bailing_moe_v2",
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"moe_shared_expert_intermediate_size\":56,\"num_shared_experts\":1,"
        "\"num_experts\":32,\"num_experts_per_tok\":8,\"num_hidden_layers\":3,"
        "\"first_k_dense_replace\":1,\"n_group\":8,\"topk_group\":4,"
        "\"score_function\":\"sigmoid\",\"moe_router_enable_expert_bias\":true,"
        "\"norm_topk_prob\":true,\"routed_scaling_factor\":2.5",
        V3_MODEL(write_bailing, STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"),
            V3_LAYER(
                40, 24, 32, 8, .groups = 8, .groups_kept = 4, .scale = 2.5, .shared_inner = 56))));
