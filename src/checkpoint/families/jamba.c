// jamba.c - Jamba.
#include "checkpoint/families/families.h"

static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    (void)family;
    if (vkmoe_setting_u32(settings, "num_experts", 16, 1, MAX_EXPERTS) == 1)
        return; // a plain feed-forward network then
    uint32_t period = vkmoe_setting_u32(settings, "expert_layer_period", 2, 1, MAX_BLOCKS);
    uint32_t offset = vkmoe_setting_u32(settings, "expert_layer_offset", 1, 0, MAX_BLOCKS);
    if (offset >= period)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "expert_layer_offset is %u, expected less than expert_layer_period, %u", offset,
            period);
    for (uint32_t b = 0; b < blocks->count[0]; b++)
        blocks->moe[0][b] = b % period == offset;
}

FAMILY(jamba, .prefix = BLOCKS,
    SIZES(32, 4096, "intermediate_size", 14336),
    EXPERTS("num_experts", 16, "num_experts_per_tok", 2),
    HIDDEN_ACT,
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX },
    .names = {
        .router = "feed_forward.router.weight",
        EXPERTS_GATE_UP_DOWN("feed_forward"),
    },
    .mark = mark);
