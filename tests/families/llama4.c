// llama4.c - see family_writers.h.
#include "family_writers.h"

static void write_llama4(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "feed_forward.router.weight");
    family_add_fused(w, f, prefix, l, "feed_forward.experts.gate_up_proj",
        "feed_forward.experts.down_proj", TRANSPOSED);
    family_add_shared(w, f, prefix, l, "feed_forward.shared_expert.gate_proj.weight",
        "feed_forward.shared_expert.up_proj.weight", "feed_forward.shared_expert.down_proj.weight");
}

static void write_dense(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_experts(w, f, prefix, l, "feed_forward.gate_proj.weight",
        "feed_forward.up_proj.weight", "feed_forward.down_proj.weight");
}

FAMILY_MODELS(llama4,
    OTHER_MODEL("llama4",
        "{\"model_type\":\"llama4\",\"text_config\":{\"model_type\":\"llama4_text\","
        "\"hidden_size\":40,\"intermediate_size\":24,\"intermediate_size_mlp\":99,"
        "\"num_hidden_layers\":4,\"interleave_moe_layer_step\":2,\"num_local_experts\":8,"
        "\"num_experts_per_tok\":1,\"hidden_act\":\"silu\",\"vocab_size\":32},"
        "\"vision_config\":{\"hidden_size\":7}}",
        STORED(VKMOE_DTYPE_BF16, 1, 1, "-x-x"), .arrays = HAS_GATE | HAS_SHARED_GATE,
        SILU_LAYER(40, 24, 8, 1, .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID,
            .shared_inner = 24, .weight_on_input = true),
        .write = write_llama4, .prefix = { "language_model.model.layers.%u.", NULL },
        .dense_inner = 99, .write_dense = write_dense),
    MODEL("llama4_text", "llama4_text",
        "\"hidden_size\":24,\"intermediate_size\":40,\"intermediate_size_mlp\":99,"
        "\"num_hidden_layers\":3,"
        "\"moe_layers\":[0,2],\"num_local_experts\":4,\"num_experts_per_tok\":2",
        STORED(VKMOE_DTYPE_F16, 1, 2, "x-x"), .arrays = HAS_GATE | HAS_SHARED_GATE,
        SILU_LAYER(24, 40, 4, 2, .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID,
            .shared_inner = 40, .weight_on_input = true),
        WRITTEN_BY(write_llama4), .dense_inner = 99, .write_dense = write_dense));
