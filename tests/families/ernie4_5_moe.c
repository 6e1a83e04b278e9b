// ernie4_5_moe.c - see family_writers.h.
#include "family_writers.h"

// The bias is a matrix of one row, of two names.
static void write_with_bias(
    struct writer *w, family_t *f, const char *prefix, layer_t *l, const char *parent)
{
    char name[256];
    family_write_corrected(w, f, prefix, l, NULL);
    snprintf(name, sizeof name, "%s%s.e_score_correction_bias", prefix, parent);
    writer_add(w, name, f->correction_dtype, l->correction_bias, 2, SHAPE(1, l->experts));
}

static void write_ernie(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    write_with_bias(w, f, prefix, l, "mlp.moe_statics");
}

// As transformers 5 saves it.
static void write_ernie_5(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    write_with_bias(w, f, prefix, l, "mlp.gate.moe_statics");
}

#define ERNIE(name_, writer, config_, stored, ...) \
    MODEL(name_, "ernie4_5_moe", \
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24," \
        "\"use_bias\":false,\"moe_num_experts\":12,\"moe_k\":3," config_, \
        stored, .correction_dtype = VKMOE_DTYPE_F32, __VA_ARGS__, WRITTEN_BY(writer), \
        .dense_inner = 99, .write_dense = family_write_gated_dense)

FAMILY_MODELS(ernie4_5_moe,
    ERNIE("ernie4_5_moe", write_ernie,
        "\"moe_num_shared_experts\":2,\"num_hidden_layers\":3,\"moe_layer_start_index\":1,"
        "\"moe_layer_end_index\":-1,\"moe_layer_interval\":1",
        STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"),
        .arrays = HAS_GATE | HAS_SHARED_GATE | HAS_CORRECTION_BIAS,
        SILU_LAYER(40, 24, 12, 3, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true,
            .renormalize_max = true, .renormalize_epsilon = 1e-12, .shared_inner = 48)),
    // Every second block up to the fourth, and a norm that is felt.
    ERNIE("ernie4_5_moe-interval", write_ernie_5,
        "\"moe_num_shared_experts\":0,\"num_hidden_layers\":6,\"moe_layer_start_index\":0,"
        "\"moe_layer_end_index\":3,\"moe_layer_interval\":2,\"moe_norm_min\":0.75",
        STORED(VKMOE_DTYPE_F32, 1, 1, "-x-x--"), .arrays = HAS_GATE | HAS_CORRECTION_BIAS,
        SILU_LAYER(40, 24, 12, 3, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true,
            .renormalize_max = true, .renormalize_epsilon = 0.75)));
