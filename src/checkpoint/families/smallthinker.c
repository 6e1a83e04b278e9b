// smallthinker.c - SmallThinker of PowerInfer. The gate of a block's experts sees what came into
// the block, so that who loads them on demand can start before attention.
#include "checkpoint/families/families.h"

// The weights are the sigmoids of the chosen logits by their sum, or the softmax of these.
static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    if (!vkmoe_setting_bool(settings, "moe_primary_router_apply_softmax", false))
        return;
    params->router.weigh = VKMOE_WEIGH_SOFTMAX;
    params->router.renormalize.mode = VKMOE_RENORMALIZE_NONE;
}

static void adjust_attention(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params, struct traits *traits)
{
    (void)traits;
    if (!vkmoe_setting_flag_of(
            source->settings, "rope_layout", source->blocks[0], block.index, true))
        params->rope = (struct vkmoe_rope){ .kind = VKMOE_ROPE_NONE };
}

WHOLE(whole, HEADS(12, 2, 128), TEXT(151936, 131072, 151643, 1e-6), .tied = true, .early = true,
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e6f }, .window = WINDOW_LISTED,
    .window_preset = 4096, .window_key = "sliding_window_size",
    .window_layout = "sliding_window_layout", .expect = { "use_qk_norm=false" },
    .names = { { PROJECTIONS("self_attn") } }, .adjust = adjust_attention, ENDS);

FAMILY(smallthinker, .prefix = BLOCKS, SIZES(32, 1536, "moe_ffn_hidden_size", 768),
    EXPERTS("moe_num_primary_experts", 32, "moe_num_active_primary_experts", 4),
    .activation_key = "hidden_act", .activation = "relu",
    .expect = { "hidden_act=relu", "moe_enable_early_router=true",
        "moe_enable_secondary_experts=false", "moe_shared_primary_experts=0" },
    .preset.router = { .score = VKMOE_SCORE_IDENTITY,
        .weigh = VKMOE_WEIGH_SIGMOID,
        .renormalize.mode = VKMOE_RENORMALIZE_SUM },
    .names = { .router = "block_sparse_moe.primary_router.weight",
        .gate = "block_sparse_moe.experts.{e}.gate.weight",
        .up = "block_sparse_moe.experts.{e}.up.weight",
        .down = "block_sparse_moe.experts.{e}.down.weight" },
    .mark = vkmoe_mark_all, .adjust = adjust, .whole = &whole);
