// mistral4.c - see family_writers.h.
#include "family_writers.h"

#define MISTRAL4(stored, groups_, ...) \
    stored, .arrays = HAS_GATE | HAS_SHARED_GATE, \
            SILU_LAYER(40, 24, 16, 3, .score = VKMOE_SCORE_SOFTMAX, \
                .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2, .groups = groups_, \
                .renormalize = true, .renormalize_epsilon = 1e-20, __VA_ARGS__), \
            .write = family_write_deepseek
#define WIDTHS \
    "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24," \
    "\"n_routed_experts\":16,\"num_experts_per_tok\":3,"

FAMILY_MODELS(mistral4,
    OTHER_MODEL("mistral3", // the text of a model that sees
        "{\"model_type\":\"mistral3\",\"text_config\":{\"model_type\":\"mistral4\"," WIDTHS
        "\"n_shared_experts\":1,\"num_hidden_layers\":2,\"first_k_dense_replace\":0,"
        "\"n_group\":1,\"topk_group\":1,\"norm_topk_prob\":true,\"routed_scaling_factor\":1.0,"
        "\"vocab_size\":32},\"vision_config\":{\"hidden_size\":7}}",
        MISTRAL4(STORED(VKMOE_DTYPE_BF16, 1, 1, "xx"), 0, .scale = 1.0, .shared_inner = 24),
        .prefix = { "language_model.model.layers.%u.", NULL }),
    MODEL("mistral4-grouped", "mistral4",
        WIDTHS "\"n_shared_experts\":2,\"num_hidden_layers\":2,\"first_k_dense_replace\":1,"
               "\"n_group\":4,\"topk_group\":2,\"routed_scaling_factor\":1.5",
        MISTRAL4(STORED(VKMOE_DTYPE_F16, 1, 1, "-x"), 4, .groups_kept = 2, .scale = 1.5,
            .shared_inner = 48),
        .prefix = MODEL_PREFIX, .dense_inner = 99, .write_dense = family_write_gated_dense));
