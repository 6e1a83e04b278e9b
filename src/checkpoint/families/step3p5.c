// step3p5.c - StepFun's Step-3.5-Flash. Blocks with a window have heads of their own, and turn all
// of a head.
#include <float.h>

#include "base/common.h"
#include "base/value.h"
#include "checkpoint/families/families.h"
#include "checkpoint/rope_kinds.h"

// Of a setting that is one for all blocks, or a list with one for each and maybe more.
static const struct value *find_own(struct settings *settings, const char *key, uint32_t block)
{
    const struct value *item = vkmoe_setting_find(settings, key);
    if (!value_is(item, VALUE_LIST))
        return item;
    if (block >= item->count)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%s has %u items, and none for block %u",
            key, item->count, block);
    return block < item->count ? &item->items[block] : NULL;
}

// Whether the scaling is of blocks of this kind.
static bool is_scaled(struct settings *settings, const char *kind)
{
    const struct value *kinds = vkmoe_setting_list(settings, "yarn_only_types");
    bool scaled = false;
    if (!kinds || kinds->count == 0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "rope_scaling is there, but no yarn_only_types says of which blocks");
    VALUE_EACH(item, kinds)
    {
        const char *name = value_text(item);
        scaled = scaled || (name && strcmp(name, kind) == 0);
    }
    return scaled;
}

// As published: a base and a part for each block, and a scaling for some kinds of blocks, from
// which an object with what others say of both kinds is made for this one.
static void read_rope(const struct whole_source *source, struct vkmoe_block block, bool sliding,
    const struct rope_kind *kind, struct vkmoe_attention_params *params)
{
    enum { MOST = 16 };
    struct settings *settings = source->settings;
    const struct value *scaling = vkmoe_setting_object(settings, "rope_scaling");
    const struct value *base = find_own(settings, "rope_theta", block.index);
    const struct value *part = find_own(settings, "partial_rotary_factors", block.index);
    const struct value *list = vkmoe_setting_find(settings, "use_rope_layers");
    const bool each = value_is(list, VALUE_LIST) && list->count == 0; // as published
    const struct value *turned = each ? NULL : find_own(settings, "use_rope_layers", block.index);
    const struct value *positions = vkmoe_setting_find(settings, "max_position_embeddings");
    const struct value *types = vkmoe_setting_find(settings, "layer_types");
    struct value members[MOST + 2], one, all, items[3];
    uint32_t count = 0, used = 0;
    const char *name = sliding ? "sliding_attention" : "full_attention";
    if (turned && turned->number == 0.0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "use_rope_layers says that block %u has no RoPE", block.index);
    if (scaling && scaling->count > MOST)
        vkmoe_setting_fail(
            settings, VKMOE_ERROR_INVALID, "rope_scaling has more than %d settings", MOST);
    for (uint32_t i = 0; scaling && is_scaled(settings, name) && i < MIN(scaling->count, MOST); i++)
        members[count++] = scaling->items[i];
    if (base) {
        members[count] = *base;
        members[count++].name = "rope_theta";
    }
    if (part) {
        members[count] = *part;
        members[count++].name = "partial_rotary_factor";
    }
    one = (struct value){ .kind = VALUE_OBJECT, .name = name, .count = count, .items = members };
    all = (struct value){
        .kind = VALUE_OBJECT, .name = "rope_parameters", .count = 1, .items = &one
    };
    items[used++] = all;
    if (types)
        items[used++] = *types;
    if (positions)
        items[used++] = *positions;
    const struct value object = { .kind = VALUE_OBJECT, .count = used, .items = items };
    struct settings own = *settings;
    struct whole_source of_block = *source;
    own.object = &object;
    of_block.settings = &own;
    if (own.status == VKMOE_OK)
        vkmoe_rope_read_kinds(&of_block, block, kind, kind, params);
    settings->status = own.status;
}

static void adjust_attention(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params, struct traits *traits)
{
    static const struct rope_kind full = { { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, 1.0 };
    struct settings *settings = source->settings;
    const bool sliding = vkmoe_whole_is_sliding(source, block, false);
    const uint32_t size = params->head_size;
    traits->gate_of_heads = true;
    traits->more_divisors = true;
    traits->plain_rope = sliding;
    if (sliding)
        vkmoe_whole_read_swa(settings, params);
    if (sliding
        && vkmoe_setting_u32(settings, "attention_other_setting/head_dim", size, 1, MAX_WIDTH)
            != size)
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "attention_other_setting/head_dim is another than head_dim, %u", size);
    if (vkmoe_setting_find(settings, "rope_parameters")) // of a GGUF file
        vkmoe_rope_read_kinds(source, block, &full, &full, params);
    else
        read_rope(source, block, sliding, &full, params);
}

WHOLE(whole, .heads = { "num_attention_heads", 64 }, .kv_heads = { "num_attention_groups", 8 },
    .head_size = { "head_dim", 128 }, TEXT(128896, 262144, -1, 1e-5), .window = WINDOW_LISTED,
    .window_preset = 512, .longer_lists = true, .adjust = adjust_attention,
    .expect = { "use_head_wise_attn_gate=true", "attention_bias=false", "sink=false",
        "zero_centered=true" },
    .names = { { PROJECTIONS("self_attn"), NORMS("self_attn"),
        .gate = "self_attn.g_proj.weight" } },
    ENDS);

// "3,4,5": which blocks have experts.
static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    const char *text = vkmoe_setting_string(settings, "moe_layers_enum", NULL);
    (void)family;
    if (!text)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "needs moe_layers_enum, which says which blocks have experts");
    while (text && *text) {
        uint32_t block = 0, digits = 0;
        for (; *text >= '0' && *text <= '9' && digits < 9; text++, digits++)
            block = block * 10 + (uint32_t)(*text - '0');
        if (digits == 0 || (*text && *text != ',') || (*text && !text[1])) {
            vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
                "moe_layers_enum has something else than block numbers between commas");
            return;
        }
        if (block < blocks->count[0])
            blocks->moe[0][block] = true;
        text += *text == ',';
    }
}

// A block's limit, of a list with a number for each and maybe more; 0: none.
static float read_limit(struct settings *settings, const char *keys, uint32_t block)
{
    const struct value *item = find_own(settings, keys, block);
    if (!item || item->kind == VALUE_NULL)
        return 0.0f;
    if (item->kind != VALUE_NUMBER || !(item->number >= 0.0 && item->number <= 1e30)) {
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "%s has for block %u something else than a number of at least 0", keys, block);
        return 0.0f;
    }
    return item->number > 1e-6 ? (float)item->number : 0.0f;
}

// Limits of the experts, and of the shared one, or of a dense network.
static void adjust_block(
    struct settings *settings, uint32_t block, bool moe, struct vkmoe_moe_params *params)
{
    const float routed = read_limit(settings, "swiglu_limits|swiglu_clamp_exp", block);
    const float shared = read_limit(settings, "swiglu_limits_shared|swiglu_clamp_shexp", block);
    const float own = moe ? routed : shared;
    if (own == 0.0f && (!moe || shared == 0.0f))
        return;
    params->activation = VKMOE_ACTIVATION_SWIGLU_STEP;
    params->activation_limit = own > 0.0f ? own : FLT_MAX;
    if (moe)
        params->shared_limit = shared > 0.0f ? shared : FLT_MAX;
}

// Its class has another gate if nothing is said of it.
static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    (void)params;
    if (!vkmoe_setting_find(settings, "moe_router_activation"))
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "needs moe_router_activation, of which only sigmoid is supported");
}

FAMILY(step3p5, .prefix = BLOCKS, SIZES(45, 4096, "moe_intermediate_size", 1280),
    EXPERTS("moe_num_experts", 288, "moe_top_k", 8), HIDDEN_ACT,
    .renormalize_key = "norm_expert_weight", .scale_key = "moe_router_scaling_factor",
    .correction_bias = { "use_moe_router_bias", false },
    .shared_inner = { "share_expert_dim", 1280 }, DENSE_GATE_UP_DOWN("mlp", 11264), .mark = mark,
    .expect = { "hidden_act=silu", "moe_router_activation=sigmoid", "moe_every_n_layer=1" },
    .preset.router = { .score = VKMOE_SCORE_SIGMOID,
        .weigh = VKMOE_WEIGH_SCORE,
        .renormalize.mode = VKMOE_RENORMALIZE_SUM,
        .scale = 1.0f },
    .names = { .router = "moe.gate.weight",
        .correction_bias = "moe.router_bias",
        .gate = "moe.gate_proj.weight",
        .up = "moe.up_proj.weight",
        .down = "moe.down_proj.weight",
        SHARED_GATE_UP_DOWN("share_expert") },
    .adjust = adjust, .adjust_block = adjust_block, .norms_less_1 = true, .whole = &whole);
