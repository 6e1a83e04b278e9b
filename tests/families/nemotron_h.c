// nemotron_h.c - see family_writers.h.
#include "family_writers.h"

static void write_nemotron(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "mixer.gate.weight");
    family_add_correction(w, f, prefix, l, "mixer.gate.e_score_correction_bias");
    family_add_experts(w, f, prefix, l, "", "mixer.experts.%u.up_proj.weight",
        "mixer.experts.%u.down_proj.weight");
    family_add_shared(w, f, prefix, l, "", "mixer.shared_experts.up_proj.weight",
        "mixer.shared_experts.down_proj.weight");
    if (!l->latent_size)
        return;
    family_add(w, f, prefix, "mixer.fc1_latent_proj.weight", l->latent_down, 2,
        SHAPE(l->latent_size, l->hidden));
    family_add(w, f, prefix, "mixer.fc2_latent_proj.weight", l->latent_up, 2,
        SHAPE(l->hidden, l->latent_size));
}

FAMILY_MODELS(nemotron_h,
    MODEL("nemotron_h", "nemotron_h",
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"moe_shared_expert_intermediate_size\":56,\"n_shared_experts\":1,"
        "\"n_routed_experts\":12,\"num_experts_per_tok\":4,\"num_hidden_layers\":6,"
        "\"hybrid_override_pattern\":\"MEM*-E\",\"n_group\":1,\"topk_group\":1,"
        "\"norm_topk_prob\":true,\"routed_scaling_factor\":2.5,"
        "\"mlp_hidden_act\":\"relu2\",\"mlp_bias\":false,\"moe_latent_size\":null,"
        "\"time_step_limit\":[0.0,Infinity]",
        STORED(VKMOE_DTYPE_BF16, 1, 5, "-x---x"), .correction_dtype = VKMOE_DTYPE_F32,
        .arrays = HAS_CORRECTION_BIAS,
        LAYER(40, 24, 12, 4, .score = VKMOE_SCORE_SIGMOID,
            .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2, .renormalize = true,
            .renormalize_epsilon = 1e-20, .scale = 2.5, .shared_inner = 56,
            .activation = VKMOE_ACTIVATION_RELU2),
        .write = write_nemotron, .prefix = { "backbone.layers.%u.", NULL }),
    MODEL("nemotron_h-latent", "nemotron_h",
        "\"hidden_size\":40,\"moe_intermediate_size\":24,\"moe_latent_size\":16,"
        "\"moe_shared_expert_intermediate_size\":56,\"n_shared_experts\":1,"
        "\"n_routed_experts\":12,\"num_experts_per_tok\":5,\"num_hidden_layers\":3,"
        "\"layers_block_type\":[\"mamba\",\"attention\",\"moe\"],"
        "\"norm_topk_prob\":true,\"routed_scaling_factor\":5.0,\"mlp_hidden_act\":\"relu2\"",
        STORED(VKMOE_DTYPE_BF16, 1, 2, "--x"), .correction_dtype = VKMOE_DTYPE_F32,
        .arrays = HAS_CORRECTION_BIAS,
        LAYER(40, 24, 12, 5, .score = VKMOE_SCORE_SIGMOID,
            .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2, .renormalize = true,
            .renormalize_epsilon = 1e-20, .scale = 5.0, .shared_inner = 56, .latent_size = 16,
            .activation = VKMOE_ACTIVATION_RELU2),
        .write = write_nemotron, .prefix = { "backbone.layers.%u.", NULL }));
