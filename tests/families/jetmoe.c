// jetmoe.c - see family_writers.h.
#include "family_writers.h"

static void write_jetmoe(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "mlp.router.layer.weight");
    family_add_fused(
        w, f, prefix, l, "mlp.input_linear.weight", "mlp.output_linear.weight", CONCATENATED);
    family_add(w, f, prefix, "mlp.bias", l->output_bias, 1, SHAPE(l->hidden));
}

FAMILY_MODELS(jetmoe,
    MODEL("jetmoe", "jetmoe",
        "\"hidden_size\":40,\"intermediate_size\":24,\"num_hidden_layers\":2,"
        "\"num_local_experts\":8,\"num_experts_per_tok\":2,\"activation_function\":\"silu\"",
        STORED(VKMOE_DTYPE_F16, 1, 1, "xx"), .misaligned = 1, .arrays = HAS_GATE | HAS_OUTPUT_BIAS,
        SILU_LAYER(40, 24, 8, 2, .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX),
        WRITTEN_BY(write_jetmoe)));
