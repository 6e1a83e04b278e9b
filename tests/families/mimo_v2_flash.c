// mimo_v2_flash.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(mimo_v2_flash,
    MODEL("mimo_v2_flash", "mimo_v2_flash",
        "\"hidden_size\":56,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"n_shared_experts\":null,\"n_routed_experts\":32,\"num_experts_per_tok\":8,"
        "\"num_hidden_layers\":5,\"moe_layer_freq\":[0,1,1,0,1],\"n_group\":1,\"topk_group\":1,"
        "\"topk_method\":\"noaux_tc\",\"scoring_func\":\"sigmoid\",\"norm_topk_prob\":true,"
        "\"routed_scaling_factor\":null",
        STORED(VKMOE_DTYPE_BF16, 1, 2, "-xx-x"), .correction_dtype = VKMOE_DTYPE_F32,
        .misaligned = 1, .arrays = HAS_GATE | HAS_CORRECTION_BIAS,
        SILU_LAYER(56, 24, 32, 8, .score = VKMOE_SCORE_SIGMOID, .renormalize = true,
            .renormalize_epsilon = 1e-20, .scale = 1.0),
        WRITTEN_BY(family_write_deepseek), .dense_inner = 99,
        .write_dense = family_write_gated_dense));
