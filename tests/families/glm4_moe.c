// glm4_moe.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(glm4_moe,
    MODEL("glm4_moe", "glm4_moe", V3_CONFIG(1, 1.5, "\"num_nextn_predict_layers\":1"),
        V3_MODEL(family_write_deepseek, STORED(VKMOE_DTYPE_BF16, 1, 1, "-xx"),
            V3_LAYER(40, 24, 12, 3, .scale = 1.5, .shared_inner = 24))));
