// ernie4_5_moe.c - ERNIE 4.5.
#include "checkpoint/families/families.h"

WHOLE(whole, HEADS(20, 4, 0), TEXT(103424, 131072, 2, 1e-5), .tied = true,
    .rope = { .kind = VKMOE_ROPE_INTERLEAVED, .base = 5e5f }, .expect = { "use_bias=false" },
    .names = { { PROJECTIONS("self_attn") } }, ENDS);

// Every interval-th block, of those from the first with experts to the last.
static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    const uint32_t first = vkmoe_setting_read(&family->dense_first, settings, 0, MAX_BLOCKS);
    const uint32_t step = vkmoe_setting_u32(settings, "moe_layer_interval", 1, 1, MAX_BLOCKS);
    const uint32_t last = vkmoe_setting_is(settings, "moe_layer_end_index=-1")
        ? MAX_BLOCKS
        : vkmoe_setting_u32(settings, "moe_layer_end_index", MAX_BLOCKS, 0, MAX_BLOCKS);
    for (uint32_t b = first; b < blocks->count[0] && b <= last; b++)
        blocks->moe[0][b] = (b + 1) % step == 0;
}

// What divides the weights is not below a norm of its own.
static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    const double least = vkmoe_setting_number(settings, "moe_norm_min", 1e-12);
    if (!(least >= 0.0))
        vkmoe_setting_fail(
            settings, VKMOE_ERROR_INVALID, "moe_norm_min is %g, expected at least 0", least);
    params->router.renormalize.epsilon = (float)least;
}

FAMILY(ernie4_5_moe, .prefix = BLOCKS, SIZES(28, 2560, "moe_intermediate_size", 1536),
    EXPERTS("moe_num_experts|num_local_experts|num_experts", 64, "moe_k|num_experts_per_tok", 6),
    HIDDEN_ACT, .shared_inner = { "moe_intermediate_size", 1536 },
    .shared_count = { "moe_num_shared_experts", 2 }, .expect = { "use_bias=false" },
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX,
        .weigh = VKMOE_WEIGH_SCORE,
        .renormalize.mode = VKMOE_RENORMALIZE_MAX },
    .names = { DEEPSEEK_NAMES,
        .correction_bias = "mlp.moe_statics.e_score_correction_bias"
                           "|mlp.gate.moe_statics.e_score_correction_bias" },
    DENSE_GATE_UP_DOWN("mlp", 12288), .dense_first = { "moe_layer_start_index", 1 }, .mark = mark,
    .adjust = adjust, .whole = &whole);
