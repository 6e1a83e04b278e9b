// smallthinker.c - see family_writers.h.
#include "family_writers.h"

static void write_smallthinker(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "block_sparse_moe.primary_router.weight");
    family_add_experts(w, f, prefix, l, "block_sparse_moe.experts.%u.gate.weight",
        "block_sparse_moe.experts.%u.up.weight", "block_sparse_moe.experts.%u.down.weight");
}

#define MODEL_OF_SMALLTHINKER(name_, softmax, ...) \
    MODEL(name_, "smallthinker", \
        "\"hidden_size\":40,\"moe_ffn_hidden_size\":24,\"moe_num_primary_experts\":8," \
        "\"moe_num_active_primary_experts\":3,\"num_hidden_layers\":2," \
        "\"moe_primary_router_apply_softmax\":" softmax, \
        STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), .arrays = HAS_GATE, \
        LAYER(40, 24, 8, 3, .score = VKMOE_SCORE_IDENTITY, .activation = VKMOE_ACTIVATION_RELU, \
            __VA_ARGS__), \
        WRITTEN_BY(write_smallthinker))

FAMILY_MODELS(smallthinker,
    MODEL_OF_SMALLTHINKER(
        "smallthinker", "false", .weigh = VKMOE_WEIGH_SIGMOID, .renormalize = true),
    MODEL_OF_SMALLTHINKER("smallthinker-softmax", "true", .weigh = VKMOE_WEIGH_SOFTMAX));
