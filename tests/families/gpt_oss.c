// gpt_oss.c - see family_writers.h.
#include "family_writers.h"

static void write_gpt_oss(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "mlp.router.weight");
    family_add(w, f, prefix, "mlp.router.bias", l->router_bias, 1, SHAPE(l->experts));
    family_add_fused(w, f, prefix, l, "mlp.experts.gate_up_proj", "mlp.experts.down_proj",
        TRANSPOSED_INTERLEAVED);
    size_t count = (size_t)l->experts * l->inner;
    double *bias = malloc(2 * count * sizeof(double));
    if (!bias)
        abort();
    for (size_t i = 0; i < count; i++) { // rows of 2 inner: gate even, up odd
        bias[2 * i] = l->gate_bias[i];
        bias[2 * i + 1] = l->up_bias[i];
    }
    family_add(
        w, f, prefix, "mlp.experts.gate_up_proj_bias", bias, 2, SHAPE(l->experts, 2 * l->inner));
    family_add(
        w, f, prefix, "mlp.experts.down_proj_bias", l->down_bias, 2, SHAPE(l->experts, l->hidden));
    free(bias);
}

FAMILY_MODELS(gpt_oss,
    MODEL("gpt_oss", "gpt_oss",
        "\"hidden_size\":40,\"intermediate_size\":40,\"num_hidden_layers\":2,"
        "\"num_local_experts\":8,\"num_experts_per_tok\":4,\"experts_per_token\":4,"
        "\"hidden_act\":\"silu\",\"swiglu_limit\":3.0",
        STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), .misaligned = 7,
        .arrays = HAS_GATE | HAS_ROUTER_BIAS | HAS_GATE_UP_BIAS | HAS_DOWN_BIAS,
        LAYER(40, 40, 8, 4, .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX,
            .activation = VKMOE_ACTIVATION_SWIGLU_OAI, .activation_alpha = 1.702,
            .activation_limit = 3.0),
        WRITTEN_BY(write_gpt_oss)));
