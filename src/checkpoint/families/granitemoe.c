// granitemoe.c - Granite 3 MoE.
#include "checkpoint/families/families.h"

WHOLE(whole, GRANITE_WHOLE);

FAMILY(granitemoe, .prefix = BLOCKS, SIZES(32, 4096, "intermediate_size", 11008),
    EXPERTS("num_local_experts", 8, "num_experts_per_tok", 2), HIDDEN_ACT,
    .preset.router = { TOP_K_THEN_SOFTMAX }, .names = { GRANITE_NAMES }, .mark = vkmoe_mark_all,
    .whole = &whole);
