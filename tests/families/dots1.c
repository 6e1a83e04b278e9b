// dots1.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(dots1,
    MODEL("dots1", "dots1", // its "scoring function" as published
        V3_CONFIG(2, 2.5,
            "\"moe_layer_freq\":1,\"topk_method\":\"noaux_tc\",\"scoring_func\":\"noaux_tc\""),
        V3_MODEL(family_write_deepseek, STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx"),
            V3_LAYER(40, 24, 12, 3, .scale = 2.5, .shared_inner = 48))));
