// phimoe.c - Phi-3.5-MoE.
#include "checkpoint/families/families.h"

// The jitter of training decides at inference which experts compete.
static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    double jitter = vkmoe_setting_number(settings, "router_jitter_noise", 0.01);
    if (jitter <= 0.0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "router_jitter_noise is %g, expected more than 0", jitter);
    params->router.sparsemixer_threshold = (float)(2.0 * jitter);
}

FAMILY(phimoe, .prefix = BLOCKS,
    SIZES(32, 4096, "intermediate_size", 6400),
    EXPERTS("num_local_experts", 16, "num_experts_per_tok", 2),
    HIDDEN_ACT,
    .expect = { "num_experts_per_tok=2" }, // the method picks two, one after the other
    .preset.router = { .score = VKMOE_SCORE_IDENTITY, .select = VKMOE_SELECT_SPARSEMIXER },
    .names = {
        .router = "block_sparse_moe.gate.weight|mlp.router.weight|mlp.gate.weight",
        EXPERTS_W1_W3_W2("block_sparse_moe"),
    },
    .mark = vkmoe_mark_all,
    .adjust = adjust);
