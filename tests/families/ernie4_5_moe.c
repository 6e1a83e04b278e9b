// ernie4_5_moe.c - see family_writers.h.
#include "family_writers.h"

static void write_ernie(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_write_corrected(w, f, prefix, l, NULL);
    char name[256]; // a matrix of one row
    snprintf(name, sizeof name, "%s%s.e_score_correction_bias", prefix,
        f->moe[0][0] == '-' && f->moe[0][1] == 'x' && f->moe[0][2] == '-' ? "mlp.gate.moe_statics"
                                                                          : "mlp.moe_statics");
    writer_add(w, name, f->correction_dtype, l->correction_bias, 2, SHAPE(1, l->experts));
}

#define ERNIE(name_, config_, stored, ...) \
    MODEL(name_, "ernie4_5_moe", \
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24," \
        "\"use_bias\":false,\"moe_num_experts\":12,\"moe_k\":3," config_, \
        stored, .correction_dtype = VKMOE_DTYPE_F32, __VA_ARGS__, WRITTEN_BY(write_ernie), \
        .dense_inner = 99, .write_dense = family_write_gated_dense)

FAMILY_MODELS(ernie4_5_moe,
    ERNIE("ernie4_5_moe",
        "\"moe_num_shared_experts\":2,\"num_hidden_layers\":3,\"moe_layer_start_index\":1,"
        "\"moe_layer_end_index\":-1,\"moe_layer_interval\":1",
        STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"),
        .arrays = HAS_GATE | HAS_SHARED_GATE | HAS_CORRECTION_BIAS,
        SILU_LAYER(40, 24, 12, 3, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true,
            .renormalize_max = true, .renormalize_epsilon = 1e-12, .shared_inner = 48)),
    // Every second block up to the fourth, and a norm that is felt.
    ERNIE("ernie4_5_moe-interval",
        "\"moe_num_shared_experts\":0,\"num_hidden_layers\":6,\"moe_layer_start_index\":0,"
        "\"moe_layer_end_index\":3,\"moe_layer_interval\":2,\"moe_norm_min\":0.75",
        STORED(VKMOE_DTYPE_F32, 1, 1, "-x-x--"), .arrays = HAS_GATE | HAS_CORRECTION_BIAS,
        SILU_LAYER(40, 24, 12, 3, .score = VKMOE_SCORE_SOFTMAX, .renormalize = true,
            .renormalize_max = true, .renormalize_epsilon = 0.75)));
