// minimax_m2.c - see family_writers.h.
#include "family_writers.h"

static void write_minimax(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_write_mixtral(w, f, prefix, l);
    family_add_correction(w, f, prefix, l, "block_sparse_moe.e_score_correction_bias");
}

FAMILY_MODELS(minimax_m2,
    MODEL("minimax_m2", "minimax_m2",
        "\"hidden_size\":40,\"intermediate_size\":24,\"num_hidden_layers\":2,"
        "\"num_local_experts\":12,\"num_experts_per_tok\":3,\"scoring_func\":\"sigmoid\","
        "\"use_routing_bias\":true,\"shared_intermediate_size\":0",
        STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), .correction_dtype = VKMOE_DTYPE_F32,
        .arrays = HAS_GATE | HAS_CORRECTION_BIAS,
        SILU_LAYER(40, 24, 12, 3, .score = VKMOE_SCORE_SIGMOID, .renormalize = true),
        WRITTEN_BY(write_minimax)));
