// step3p5.c - see family_writers.h. Of the block that is looked at experts have a limit, and the
// shared one another.
#include "family_writers.h"

static void write_step(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    const uint64_t *shape = SHAPE(l->experts, l->inner, l->hidden);
    family_add_router(w, f, prefix, l, "moe.gate.weight");
    family_add_correction(w, f, prefix, l, "moe.router_bias");
    family_add(w, f, prefix, "moe.gate_proj.weight", l->gate, 3, shape);
    family_add(w, f, prefix, "moe.up_proj.weight", l->up, 3, shape);
    family_add(
        w, f, prefix, "moe.down_proj.weight", l->down, 3, SHAPE(l->experts, l->hidden, l->inner));
    family_add_shared(w, f, prefix, l, "share_expert.gate_proj.weight",
        "share_expert.up_proj.weight", "share_expert.down_proj.weight");
}

FAMILY_MODELS(step3p5,
    MODEL("step3p5", "step3p5",
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"share_expert_dim\":20,\"moe_num_experts\":12,\"moe_top_k\":3,"
        "\"num_hidden_layers\":3,\"moe_layers_enum\":\"1,2\",\"moe_router_scaling_factor\":3.0,"
        "\"norm_expert_weight\":true,\"moe_router_activation\":\"sigmoid\","
        "\"use_moe_router_bias\":true,\"swiglu_limits\":[0,0,0.5,0],"
        "\"swiglu_limits_shared\":[0.25,null,0.25]",
        STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"), .correction_dtype = VKMOE_DTYPE_F32,
        .arrays = HAS_GATE | HAS_SHARED_GATE | HAS_CORRECTION_BIAS,
        LAYER(40, 24, 12, 3, .activation = VKMOE_ACTIVATION_SWIGLU_STEP, .activation_limit = 0.5,
            .shared_limit = 0.25, .score = VKMOE_SCORE_SIGMOID, .renormalize = true, .scale = 3.0,
            .shared_inner = 20),
        WRITTEN_BY(write_step), .dense_inner = 99, .write_dense = family_write_gated_dense));
