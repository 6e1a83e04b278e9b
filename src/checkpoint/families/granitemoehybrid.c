// granitemoehybrid.c - Granite 4.
#include "checkpoint/families/families.h"

static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    // The dense models of the family have 0 experts.
    if (vkmoe_setting_u32(settings, "num_local_experts", 8, 0, MAX_EXPERTS) > 0)
        vkmoe_mark_all(family, settings, blocks);
}

FAMILY(granitemoehybrid, .prefix = BLOCKS, SIZES(32, 4096, "intermediate_size", 11008),
    EXPERTS("num_local_experts", 8, "num_experts_per_tok", 2), HIDDEN_ACT,
    .shared_inner = { "shared_intermediate_size", 1024 }, .preset.router = { TOP_K_THEN_SOFTMAX },
    .names = { GRANITE_NAMES, SHARED_INPUT_OUTPUT("shared_mlp") }, .mark = mark);
