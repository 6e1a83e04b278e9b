// jamba.c - see family_writers.h.
#include "family_writers.h"

static void write_jamba(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "feed_forward.router.weight");
    family_add_experts(w, f, prefix, l, GATE_UP_DOWN("feed_forward.experts.%u"));
}

FAMILY_MODELS(jamba,
    MODEL("jamba", "jamba",
        "\"hidden_size\":40,\"intermediate_size\":48,\"num_hidden_layers\":5,"
        "\"num_experts\":8,\"num_experts_per_tok\":2,\"expert_layer_period\":3,"
        "\"expert_layer_offset\":1",
        STORED(VKMOE_DTYPE_BF16, 1, 4, "-x--x"), .arrays = HAS_GATE,
        SILU_LAYER(40, 48, 8, 2, .score = VKMOE_SCORE_SOFTMAX), WRITTEN_BY(write_jamba)));
