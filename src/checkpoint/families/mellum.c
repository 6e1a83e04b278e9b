// mellum.c - Mellum 2.
#include "base/value.h"
#include "checkpoint/families/families.h"
#include "checkpoint/rope.h"

// Of blocks with a window and without, each its own, in an object as others have it for all.
static void adjust(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params, struct traits *traits)
{
    (void)traits;
    const bool sliding = vkmoe_whole_is_sliding(source, block, false);
    const struct vkmoe_rope preset = { .kind = VKMOE_ROPE_HALF, .base = sliding ? 1e4f : 5e5f };
    struct settings settings = *source->settings;
    const struct value *all = vkmoe_setting_object(&settings, "rope_parameters");
    struct value one = { .kind = VALUE_OBJECT };
    settings.object = all ? all : &one;
    const struct value *own =
        vkmoe_setting_object(&settings, sliding ? "sliding_attention" : "full_attention");
    struct value named = own ? *own : one;
    named.name = "rope_parameters";
    one.items = &named;
    one.count = 1;
    settings.object = &one;
    const uint32_t positions = vkmoe_setting_u32(
        source->settings, "max_position_embeddings|context_length", 131072, 1, INT32_MAX);
    vkmoe_rope_read(&settings, &preset, positions, &params->rope);
    if (settings.status != VKMOE_OK)
        source->settings->status = settings.status;
}

WHOLE(whole, HEADS(32, 4, 128), TEXT(98304, 131072, -1, 1e-6), .bias = { "attention_bias", false },
    .window = WINDOW_LATER, .window_preset = 1024, .adjust = adjust,
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn") } }, ENDS);

FAMILY(mellum, .prefix = BLOCKS, SIZES(28, 2304, "moe_intermediate_size", 896),
    EXPERTS("num_experts|num_local_experts", 64, "num_experts_per_tok", 8), HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob",
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX, .renormalize.mode = VKMOE_RENORMALIZE_SUM },
    .names = { .router = "mlp.gate.weight", EXPERTS_GATE_UP_DOWN("mlp") },
    DENSE_GATE_UP_DOWN("mlp", 7168), .mark = vkmoe_mark_after_dense, .whole = &whole);
