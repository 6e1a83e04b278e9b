// hunyuan_v1_moe.c - see family_writers.h.
#include "family_writers.h"

static void write_hunyuan(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "mlp.gate.wg.weight");
    family_add_experts(w, f, prefix, l, GATE_UP_DOWN("mlp.experts.%u"));
    family_add_shared(w, f, prefix, l, GATE_UP_DOWN("mlp.shared_mlp"));
}

#define HUNYUAN_LAYER(inner, experts, k, shared) \
    SILU_LAYER(40, inner, experts, k, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true, \
        .shared_inner = shared)

FAMILY_MODELS(hunyuan_v1_moe,
    // As published: a number for each block; two shared experts as wide as a dense network
    MODEL("hunyuan_v1_moe", "hunyuan_v1_moe",
        "\"hidden_size\":40,\"intermediate_size\":56,\"moe_intermediate_size\":[24,24,24],"
        "\"num_hidden_layers\":3,\"num_experts\":6,\"moe_topk\":[3,3,3],"
        "\"num_shared_expert\":[2,2,2],\"moe_layer_num_skipped\":1,\"use_mixed_mlp_moe\":true,"
        "\"hidden_act\":\"silu\",\"mlp_bias\":false",
        STORED(VKMOE_DTYPE_BF16, 1, 1, "-xx"), .misaligned = 1,
        .arrays = HAS_GATE | HAS_SHARED_GATE, HUNYUAN_LAYER(24, 6, 3, 112),
        WRITTEN_BY(write_hunyuan), .dense_inner = 56, .write_dense = family_write_gated_dense),
    // As the class in transformers saves it
    MODEL("hunyuan_v1_moe-plain", "hunyuan_v1_moe",
        "\"hidden_size\":40,\"intermediate_size\":32,\"num_hidden_layers\":1,"
        "\"num_experts\":5,\"moe_topk\":2,\"use_mixed_mlp_moe\":false",
        STORED(VKMOE_DTYPE_F32, 1, 0, "x"), .arrays = HAS_GATE | HAS_SHARED_GATE,
        HUNYUAN_LAYER(32, 5, 2, 32), WRITTEN_BY(write_hunyuan)));
