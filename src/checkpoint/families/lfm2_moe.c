// lfm2_moe.c - LFM2-MoE.
#include "checkpoint/families/families.h"

static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    vkmoe_mark_from(blocks, vkmoe_setting_read(&family->dense_first, settings, 0, MAX_BLOCKS), 1);
}

FAMILY(lfm2_moe, .prefix = BLOCKS,
    SIZES(32, 2048, "moe_intermediate_size", 1792),
    EXPERTS("num_experts", 32, "num_experts_per_tok", 4),
    HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob",
    .scale_key = "routed_scaling_factor",
    .correction_bias = { "use_expert_bias", true },
    .preset.router = {
        .score = VKMOE_SCORE_SIGMOID,
        .renormalize.mode = VKMOE_RENORMALIZE_SUM,
        .renormalize.epsilon = 1e-6f,
        .scale = 1.0f,
    },
    .names = {
        .router = "feed_forward.gate.weight",
        .correction_bias = "feed_forward.expert_bias",
        EXPERTS_W1_W3_W2("feed_forward"),
    },
    .dense_first = { "num_dense_layers", 2 },
    .mark = mark);
