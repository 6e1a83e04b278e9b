// grok.c - see family_writers.h.
#include "family_writers.h"

static void write_grok(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_write_mixtral(w, f, prefix, l);
    if (l->shared_inner)
        family_add_shared(w, f, prefix, l, GATE_UP_DOWN("mlp"));
}

#define CONFIG_OF_GROK \
    "\"hidden_size\":40,\"num_local_experts\":8,\"num_experts_per_tok\":2,\"num_hidden_layers\":2,"
#define LAYER_OF_GROK(...) \
    LAYER(40, 24, 8, 2, .score = VKMOE_SCORE_SOFTMAX, .activation = VKMOE_ACTIVATION_GELU_TANH, \
        __VA_ARGS__)

// Grok-2's dense network beside the experts is a shared one.
FAMILY_MODELS(grok,
    MODEL("grok", "grok",
        CONFIG_OF_GROK "\"intermediate_size\":36,\"moe_intermediate_size\":24,"
                       "\"residual_moe\":true,\"router_logit_softcapping\":1.5",
        STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), .arrays = HAS_GATE | HAS_SHARED_GATE,
        LAYER_OF_GROK(.soft_cap = 1.5, .shared_inner = 36), WRITTEN_BY(write_grok)),
    MODEL("grok-alone", "grok", CONFIG_OF_GROK "\"intermediate_size\":24",
        STORED(VKMOE_DTYPE_F16, 1, 1, "xx"), .arrays = HAS_GATE, LAYER_OF_GROK(.soft_cap = 30.0),
        WRITTEN_BY(write_grok)));
