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

// no_rope_layers has 1 for blocks with RoPE; an empty one is none.
static bool has_rope(const struct whole_source *source, uint32_t block)
{
    static const char key[] = "no_rope_layers";
    struct settings *settings = source->settings;
    const uint32_t interval =
        vkmoe_setting_u32(settings, "no_rope_layer_interval", 4, 1, UINT32_MAX);
    const struct value *list = vkmoe_setting_list(settings, key);
    if (!list || list->count == 0)
        return (block + 1) % interval != 0;
    if (list->count < source->blocks[0])
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%s has %u items for %u blocks", key,
            list->count, source->blocks[0]);
    if (settings->status != VKMOE_OK)
        return false;
    const struct value *item = &list->items[block];
    if (item->kind != VALUE_NUMBER && item->kind != VALUE_BOOL)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "%s has for block %u something else than 0 and 1", key, block);
    return item->number != 0.0;
}

// A flag, which the first published configs have as a number.
static bool is_on(struct settings *settings, const char *key)
{
    const struct value *item = vkmoe_setting_find(settings, key);
    return value_is(item, VALUE_NUMBER) ? item->number != 0.0
                                        : vkmoe_setting_bool(settings, key, true);
}

// Blocks with RoPE have norms of queries and keys behind it, which are without weights and so might
// as well be before it: turning changes no root mean square. Those without have queries that grow
// with the position.
static void adjust(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params, struct traits *traits)
{
    struct settings *settings = source->settings;
    if (has_rope(source, block.index)) {
        traits->unit_norms = is_on(settings, "use_qk_norm");
        params->norm.epsilon = traits->unit_norms ? vkmoe_whole_read_epsilon(source) : 0.0f;
        const bool longrope = params->rope.scaling == VKMOE_ROPE_SCALING_LONGROPE;
        if (traits->unit_norms && (longrope || params->rope.scaling == VKMOE_ROPE_SCALING_YARN))
            vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
                "use_qk_norm together with RoPE of type %s is not supported",
                longrope ? "longrope" : "yarn");
        return;
    }
    params->rope = (struct vkmoe_rope){ .kind = VKMOE_ROPE_NONE };
    if (!is_on(settings, "attn_temperature_tuning"))
        return;
    params->temperature.floor = vkmoe_setting_u32(settings, "floor_scale", 8192, 1, INT32_MAX);
    params->temperature.scale = (float)vkmoe_setting_number(settings, "attn_scale", 0.1);
}

WHOLE(whole, HEADS(40, 8, 128), TEXT(202048, 131072, 2, 1e-5),
    .rope = { .kind = VKMOE_ROPE_INTERLEAVED, .base = 5e5f }, .bias = { "attention_bias", false },
    .window = WINDOW_CHUNKS, .window_preset = 8192,
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn") } }, .adjust = adjust, ENDS);

FAMILY(llama4, .text_name = "llama4_text", .prefix = BLOCKS,
    SIZES(48, 5120, "intermediate_size", 8192),
    EXPERTS("num_local_experts", 16, "num_experts_per_tok", 1),
    HIDDEN_ACT,
    .shared_inner = { "intermediate_size", 8192 },
    .preset = {
        .router = { .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID },
        .weight_on_input = true,
    },
    .names = {
        .router = "feed_forward.router.weight",
        // Apart where they were quantised.
        EXPERTS_GATE_UP_DOWN("feed_forward"),
        SHARED_GATE_UP_DOWN("feed_forward.shared_expert"),
    },
    .layout = LAYOUT_TRANSPOSED,
    .mark = mark,
    DENSE_GATE_UP_DOWN_OF("feed_forward", "intermediate_size_mlp", 16384),
    .whole = &whole);
