// llama4.c - Llama 4.
#include "checkpoint/families/families.h"

static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    (void)family;
    if (vkmoe_mark_listed(settings, blocks, "moe_layers", true))
        return;
    uint32_t step = vkmoe_setting_u32(settings, "interleave_moe_layer_step", 1, 1, MAX_BLOCKS);
    for (uint32_t b = step - 1; b < blocks->count[0]; b += step)
        blocks->moe[0][b] = true;
}

FAMILY(llama4, .text_name = "llama4_text",
    .prefix = "language_model.model.layers.{b}.feed_forward.|model.layers.{b}.feed_forward."
        "|model.language_model.layers.{b}.feed_forward.",
    SIZES(48, 5120, "intermediate_size", 8192),
    EXPERTS("num_local_experts", 16, "num_experts_per_tok", 1),
    HIDDEN_ACT,
    .shared_inner = { "intermediate_size", 8192 },
    .preset = {
        .router = { .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID },
        .weight_on_input = true,
    },
    .names = {
        .router = "router.weight",
        STACKED_GATE_UP_DOWN("experts"),
        SHARED_GATE_UP_DOWN("shared_expert"),
    },
    .layout = LAYOUT_TRANSPOSED,
    .mark = mark);
