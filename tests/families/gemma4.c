// gemma4.c - see family_writers.h.
#include "family_writers.h"

static void write_gemma4(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "router.proj.weight");
    family_add(w, f, prefix, "router.scale", l->input_scale, 1, SHAPE(l->hidden));
    family_add(w, f, prefix, "router.per_expert_scale", l->expert_scale, 1, SHAPE(l->experts));
    family_add_fused(w, f, prefix, l, "experts.gate_up_proj", "experts.down_proj", CONCATENATED);
}

FAMILY_MODELS(gemma4,
    OTHER_MODEL("gemma4",
        TEXT_CONFIG("gemma4",
            "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
            "\"num_hidden_layers\":2,\"num_experts\":8,\"top_k_experts\":3,"
            "\"enable_moe_block\":true,\"rms_norm_eps\":1e-5,"
            "\"hidden_activation\":\"gelu_pytorch_tanh\"",
            "null"),
        STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), .misaligned = 3,
        .arrays = HAS_GATE | HAS_INPUT_SCALE | HAS_EXPERT_SCALE,
        LAYER(40, 24, 8, 3, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true, .rms_norm = true,
            .rms_epsilon = 1e-5, .activation = VKMOE_ACTIVATION_GELU_TANH),
        .beside = true, .write = write_gemma4,
        .prefix = { "model.language_model.layers.%u.", NULL }));
