// rope_kinds.c - see rope_kinds.h.
#include "checkpoint/rope_kinds.h"

#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/value.h"
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

void vkmoe_rope_read_kinds(const struct whole_source *source, struct vkmoe_block block,
    const struct rope_kind *full, const struct rope_kind *sliding,
    struct vkmoe_attention_params *params)
{
    const bool is_sliding = vkmoe_whole_is_sliding(source, block, false);
    const struct rope_kind *kind = is_sliding ? sliding : full;
    struct settings settings = *source->settings;
    const struct value *all = vkmoe_setting_object(&settings, "rope_parameters");
    struct value one = { .kind = VALUE_OBJECT };
    refuse_others(source->settings, all);
    settings.object = all ? all : &one;
    const struct value *own =
        vkmoe_setting_object(&settings, is_sliding ? "sliding_attention" : "full_attention");
    if (all && !own)
        vkmoe_setting_fail(source->settings, VKMOE_ERROR_UNSUPPORTED,
            "rope_parameters has nothing for %s_attention", is_sliding ? "sliding" : "full");
    struct value named = own ? *own : one;
    named.name = "rope_parameters";
    one.items = &named;
    one.count = 1;
    settings.object = &one;
    const uint32_t positions = vkmoe_setting_u32(
        source->settings, "max_position_embeddings|context_length", 131072, 1, INT32_MAX);
    vkmoe_rope_read(&settings, &kind->preset, positions, false, &params->rope);
    const double part = vkmoe_rope_part(&settings, all && kind->part != 0.0 ? 1.0 : kind->part);
    if (source->whole->rope.size && kind->part == 0.0)
        vkmoe_setting_fail(source->settings, VKMOE_ERROR_UNSUPPORTED,
            "only %u elements of each head have RoPE", source->whole->rope.size);
    vkmoe_whole_turn(&settings, (uint32_t)(params->head_size * part), params);
    if (settings.status == VKMOE_OK && params->rope.scaling == VKMOE_ROPE_SCALING_LONGROPE)
        vkmoe_setting_fail(
            &settings, VKMOE_ERROR_UNSUPPORTED, "longrope of one kind of block is not supported");
    if (settings.status != VKMOE_OK)
        source->settings->status = settings.status;
}
