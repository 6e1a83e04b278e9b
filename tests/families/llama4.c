// llama4.c - see family_writers.h.
#include "family_writers.h"

static void write_llama4(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "feed_forward.router.weight");
    family_add_fused(w, f, prefix, l, "feed_forward.experts.gate_up_proj",
        "feed_forward.experts.down_proj", TRANSPOSED);
    family_add_shared(w, f, prefix, l, GATE_UP_DOWN("feed_forward.shared_expert"));
}

static void write_dense(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_experts(w, f, prefix, l, GATE_UP_DOWN("feed_forward"));
}

// With shared experts as wide as the others.
#define LLAMA4(stored, hidden_, inner_, experts_, k) \
    stored, .arrays = HAS_GATE | HAS_SHARED_GATE, \
            SILU_LAYER(hidden_, inner_, experts_, k, .score = VKMOE_SCORE_IDENTITY, \
                .weigh = VKMOE_WEIGH_SIGMOID, .shared_inner = inner_, .weight_on_input = true), \
            .write = write_llama4, .dense_inner = 99, .write_dense = write_dense

FAMILY_MODELS(llama4,
    OTHER_MODEL("llama4",
        TEXT_CONFIG("llama4",
            "\"hidden_size\":40,\"intermediate_size\":24,\"intermediate_size_mlp\":99,"
            "\"num_hidden_layers\":4,\"interleave_moe_layer_step\":2,\"num_local_experts\":8,"
            "\"num_experts_per_tok\":1,\"hidden_act\":\"silu\"",
            "{\"hidden_size\":7}"),
        LLAMA4(STORED(VKMOE_DTYPE_BF16, 1, 1, "-x-x"), 40, 24, 8, 1),
        .prefix = { "language_model.model.layers.%u.", NULL }),
    MODEL("llama4_text", "llama4_text",
        "\"hidden_size\":24,\"intermediate_size\":40,\"intermediate_size_mlp\":99,"
        "\"num_hidden_layers\":3,"
        "\"moe_layers\":[0,2],\"num_local_experts\":4,\"num_experts_per_tok\":2",
        LLAMA4(STORED(VKMOE_DTYPE_F16, 1, 2, "x-x"), 24, 40, 4, 2), .prefix = MODEL_PREFIX));
