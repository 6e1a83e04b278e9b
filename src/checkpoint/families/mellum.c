// mellum.c - Mellum 2.
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/value.h"
#include "checkpoint/families/families.h"
#include "checkpoint/rope.h"

// What would say the same of all blocks, or a thing that neither kind has.
static void refuse_others(struct settings *settings, const struct value *all)
{
    static const char *const names[] = { "rope_theta", "rope_scaling" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (vkmoe_setting_find(settings, names[i]))
            vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
                "%s is there, but RoPE of this family is what rope_parameters has for each kind "
                "of block",
                names[i]);
    }
    vkmoe_setting_expect(settings, "partial_rotary_factor=1");
    VALUE_EACH(item, all)
    {
        char text[64];
        if (strcmp(item->name, "full_attention") != 0
            && strcmp(item->name, "sliding_attention") != 0)
            vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
                "rope_parameters has %s beside full_attention and sliding_attention",
                vkmoe_printable(item->name, text, sizeof text));
    }
}

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
    refuse_others(source->settings, all);
    if (source->whole->rope.size)
        vkmoe_setting_fail(source->settings, VKMOE_ERROR_UNSUPPORTED,
            "only %u elements of each head have RoPE", source->whole->rope.size);
    settings.object = all ? all : &one;
    const struct value *own =
        vkmoe_setting_object(&settings, sliding ? "sliding_attention" : "full_attention");
    if (all && !own)
        vkmoe_setting_fail(source->settings, VKMOE_ERROR_UNSUPPORTED,
            "rope_parameters has nothing for %s_attention", sliding ? "sliding" : "full");
    struct value named = own ? *own : one;
    named.name = "rope_parameters";
    one.items = &named;
    one.count = 1;
    settings.object = &one;
    const uint32_t positions = vkmoe_setting_u32(
        source->settings, "max_position_embeddings|context_length", 131072, 1, INT32_MAX);
    vkmoe_rope_read(&settings, &preset, positions, false, &params->rope);
    vkmoe_rope_part(&settings, 0.0);
    if (settings.status == VKMOE_OK && params->rope.scaling == VKMOE_ROPE_SCALING_LONGROPE)
        vkmoe_setting_fail(
            &settings, VKMOE_ERROR_UNSUPPORTED, "longrope of one kind of block is not supported");
    if (settings.status != VKMOE_OK)
        source->settings->status = settings.status;
}

WHOLE(whole, HEADS(32, 4, 128), TEXT(98304, 131072, -1, 1e-6), .bias = { "attention_bias", false },
    .window = WINDOW_LISTED, .window_preset = 1024, .adjust = adjust,
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn") } }, ENDS);

FAMILY(mellum, .prefix = BLOCKS, SIZES(28, 2304, "moe_intermediate_size", 896),
    EXPERTS("num_experts|num_local_experts", 64, "num_experts_per_tok", 8), HIDDEN_ACT,
    .renormalize_key = "norm_topk_prob",
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX, .renormalize.mode = VKMOE_RENORMALIZE_SUM },
    .names = { .router = "mlp.gate.weight", EXPERTS_GATE_UP_DOWN("mlp") },
    DENSE_GATE_UP_DOWN("mlp", 7168), .mark = vkmoe_mark_after_dense, .whole = &whole);
