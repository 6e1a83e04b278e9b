// mimo_v2_flash.c - Xiaomi's MiMo-V2-Flash. Blocks with a window have heads, and a base of RoPE, of
// their own.
#include "base/value.h"
#include "checkpoint/families/families.h"

#define PATTERN "hybrid_layer_pattern"

static void read_sliding(struct settings *settings, struct vkmoe_attention_params *params)
{
    const uint32_t size = params->head_size;
    const uint32_t turned = params->rope.size ? params->rope.size : size;
    const double base = vkmoe_setting_number(
        settings, "swa_rope_theta|rope.freq_base_swa", (double)params->rope.base);
    vkmoe_whole_read_swa(settings, params);
    params->rope.base = (float)base;
    if (!(params->rope.base > 1.0f))
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "RoPE's base of blocks with a window is %g, expected more than 1", base);
    params->value_size =
        vkmoe_setting_u32(settings, "swa_v_head_dim", params->value_size, 1, MAX_WIDTH);
    if (vkmoe_setting_u32(settings, "swa_head_dim", size, 1, MAX_WIDTH) != size
        || vkmoe_setting_u32(settings, "rope.dimension_count_swa", turned, 1, MAX_WIDTH) != turned)
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "queries of blocks with a window are of another size than %u, or RoPE turns another "
            "part of them",
            size);
}

static void adjust_attention(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params, struct traits *traits)
{
    struct settings *settings = source->settings;
    const bool sliding = vkmoe_whole_is_sliding(source, block, false);
    if (!vkmoe_setting_find(settings, PATTERN) && !vkmoe_setting_find(settings, "layer_types"))
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "needs " PATTERN ", which says which blocks have windows");
    if (sliding)
        read_sliding(settings, params);
    if (settings->status == VKMOE_OK && params->value_size > params->head_size)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "block %u has values of %u, which are longer than keys of %u", block.index,
            params->value_size, params->head_size);
    traits->sinks_may_lack = vkmoe_setting_bool(settings, "sinks_may_lack", false);
    traits->no_sinks = !traits->sinks_may_lack
        && !vkmoe_setting_bool(settings,
            sliding ? "add_swa_attention_sink_bias" : "add_full_attention_sink_bias", false);
}

WHOLE(whole, HEADS(64, 4, 192), TEXT(152576, 262144, -1, 1e-5),
    .norm_epsilon_key = "layernorm_epsilon", .value_size = { "v_head_dim", 0 },
    .value_scale_key = "attention_value_scale", .rope = { .kind = VKMOE_ROPE_HALF, .base = 5e6f },
    .rope_part = 1.0, .bias = { "attention_bias", false }, .window = WINDOW_LISTED,
    .window_preset = 128, .window_layout = PATTERN, .adjust = adjust_attention,
    .names = { { PROJECTIONS("self_attn"), INPUT_BIASES("self_attn"),
        .sinks = "self_attn.attention_sink_bias" } },
    ENDS);

// A number for each block that is 0 where it is dense.
static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    const struct value *list;
    if (value_is(vkmoe_setting_find(settings, "moe_layer_freq"), VALUE_NUMBER)) {
        vkmoe_mark_after_dense(family, settings, blocks);
        return;
    }
    if (!vkmoe_setting_list_of(
            settings, "moe_layer_freq", blocks->count[0], "number", "blocks", &list)) {
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "needs moe_layer_freq, which says which blocks have experts");
        return;
    }
    for (uint32_t b = 0; b < blocks->count[0]; b++)
        blocks->moe[0][b] = list->items[b].number != 0.0;
}

FAMILY(mimo_v2_flash, .prefix = BLOCKS, SIZES(48, 4096, "moe_intermediate_size", 2048),
    EXPERTS("n_routed_experts|num_local_experts", 256, "num_experts_per_tok", 8), HIDDEN_ACT,
    DEEPSEEK_SETTINGS, DENSE_GATE_UP_DOWN("mlp", 16384), .dense_first = { NULL, 0 }, .mark = mark,
    .expect = { "scoring_func=sigmoid", "topk_method=noaux_tc", "n_shared_experts=0" },
    .preset.router = { V3_ROUTER, .scale = 1.0f },
    .names = { .router = "mlp.gate.weight",
        EXPERTS_GATE_UP_DOWN("mlp"),
        .correction_bias = "mlp.gate.e_score_correction_bias" },
    .whole = &whole);
