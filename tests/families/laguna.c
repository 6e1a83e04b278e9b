// laguna.c - see family_writers.h.
#include "family_writers.h"

#define LAYER_OF_LAGUNA \
    SILU_LAYER(40, 24, 12, 3, .score = VKMOE_SCORE_SIGMOID, .renormalize = true, .scale = 2.5, \
        .soft_cap = 1.5, .shared_inner = 20)
#define CONFIG_OF_LAGUNA \
    "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24," \
    "\"shared_expert_intermediate_size\":20,\"num_experts\":12,\"num_experts_per_tok\":3," \
    "\"num_hidden_layers\":3,\"mlp_only_layers\":[1],\"moe_routed_scaling_factor\":2.5," \
    "\"moe_router_logit_softcapping\":1.5,\"norm_topk_prob\":true"

static void write_laguna(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_write_corrected(w, f, prefix, l, "mlp.experts.e_score_correction_bias");
}

FAMILY_MODELS(laguna,
    MODEL("laguna", "laguna", CONFIG_OF_LAGUNA,
        V3_MODEL(write_laguna, STORED(VKMOE_DTYPE_BF16, 1, 2, "x-x"), LAYER_OF_LAGUNA)));
