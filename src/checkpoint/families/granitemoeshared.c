// granitemoeshared.c - Granite with a shared expert.
#include "checkpoint/families/families.h"

WHOLE(whole, GRANITE_WHOLE);

FAMILY(granitemoeshared, .prefix = BLOCKS, SIZES(32, 4096, "intermediate_size", 11008),
    EXPERTS("num_local_experts", 8, "num_experts_per_tok", 2), HIDDEN_ACT,
    .shared_inner = { "shared_intermediate_size", 0 }, .preset.router = { TOP_K_THEN_SOFTMAX },
    .names = { GRANITE_NAMES, SHARED_INPUT_OUTPUT("shared_mlp") }, .mark = vkmoe_mark_all,
    .whole = &whole);
