// dbrx.c - see family_writers.h.
#include "family_writers.h"

// All experts one below the other, down transposed.
static void write_dbrx(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    const size_t hidden = l->hidden, inner = l->inner, rows = (size_t)l->experts * inner;
    double *down = malloc(rows * hidden * sizeof(double));
    if (!down)
        abort();
    for (size_t row = 0; row < rows; row++) {
        const double *expert = l->down + row / inner * hidden * inner;
        for (size_t i = 0; i < hidden; i++)
            down[row * hidden + i] = expert[i * inner + row % inner];
    }
    family_add_router(w, f, prefix, l, "ffn.router.layer.weight");
    family_add(w, f, prefix, "ffn.experts.mlp.w1", l->gate, 2, SHAPE(rows, hidden));
    family_add(w, f, prefix, "ffn.experts.mlp.v1", l->up, 2, SHAPE(rows, hidden));
    family_add(w, f, prefix, "ffn.experts.mlp.w2", down, 2, SHAPE(rows, hidden));
    free(down);
}

#define CONFIG_OF_DBRX(weights) \
    "\"d_model\":40,\"n_heads\":4,\"n_layers\":2,\"ffn_config\":{\"ffn_hidden_size\":24," \
    "\"ffn_act_fn\":{\"name\":\"silu\"},\"moe_num_experts\":8,\"moe_top_k\":3," \
    "\"moe_normalize_expert_weights\":" weights "}"
#define MODEL_OF_DBRX(name_, weights, renormalize_) \
    MODEL(name_, "dbrx", CONFIG_OF_DBRX(weights), STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), \
        .arrays = HAS_GATE, \
        SILU_LAYER(40, 24, 8, 3, .score = VKMOE_SCORE_SOFTMAX, .renormalize = renormalize_), \
        .write = write_dbrx, .prefix = { "transformer.blocks.%u.", NULL })

FAMILY_MODELS(
    dbrx, MODEL_OF_DBRX("dbrx", "1.0", true), MODEL_OF_DBRX("dbrx-unnormalised", "null", false));
