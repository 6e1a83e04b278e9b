// jamba.c - see family_writers.h.
#include "family_writers.h"

static void write_jamba(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "feed_forward.router.weight");
    family_add_experts(w, f, prefix, l, "feed_forward.experts.%u.gate_proj.weight",
        "feed_forward.experts.%u.up_proj.weight", "feed_forward.experts.%u.down_proj.weight");
}

static family_t models[] = {
    {
        .name = "jamba",
        .config = "{\"model_type\":\"jamba\",\"hidden_size\":40,\"intermediate_size\":48,"
                  "\"num_hidden_layers\":5,\"num_experts\":8,\"num_experts_per_tok\":2,"
                  "\"expert_layer_period\":3,\"expert_layer_offset\":1,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .moe = { "-x--x" },
        .block = { .index = 4 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 40,
            .inner = 48,
            .experts = 8,
            .experts_per_token = 2,
            .score = VKMOE_SCORE_SOFTMAX,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_jamba,
        .prefix = MODEL_PREFIX,
    },
};

FAMILY_MODELS(jamba);
