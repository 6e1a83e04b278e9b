// gemma4.c - Gemma 4.
#include "base/common.h"
#include "checkpoint/families/families.h"

static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    if (vkmoe_setting_bool(settings, "enable_moe_block", false))
        vkmoe_mark_all(family, settings, blocks);
}

static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    double epsilon = vkmoe_setting_number(settings, "rms_norm_eps", 1e-6);
    if (epsilon < 0.0)
        vkmoe_setting_fail(
            settings, VKMOE_ERROR_INVALID, "rms_norm_eps is %g, expected at least 0", epsilon);
    params->router.rms_epsilon = (float)epsilon;
}

// Of blocks that see everything: heads of their own size, and fewer that have keys and values.
static void read_global_heads(
    struct settings *settings, struct vkmoe_attention_params *params, struct traits *traits)
{
    params->head_size = vkmoe_setting_u32(settings, "global_head_dim", 512, 1, MAX_HEAD_SIZE);
    if (!vkmoe_setting_bool(settings, "attention_k_eq_v", false))
        return;
    traits->keys_are_values = true;
    params->kv_heads =
        vkmoe_setting_u32(settings, "num_global_key_value_heads", params->kv_heads, 1, MAX_WIDTH);
    if (settings->status == VKMOE_OK && params->heads % params->kv_heads)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "%u attention heads do not share %u global key and value heads evenly", params->heads,
            params->kv_heads);
}

// Of blocks with a window and without, each its own. Of the latter only some pairs are turned, and
// with the frequencies that they would have among all.
static void read_rope(struct settings *settings, bool sliding,
    struct vkmoe_attention_params *params, struct traits *traits)
{
    const struct value *all = vkmoe_setting_object(settings, "rope_parameters");
    struct settings object = *settings;
    struct value none = { .kind = VALUE_OBJECT };
    object.object = all ? all : &none;
    const char *key = sliding ? "sliding_attention" : "full_attention";
    const struct value *own = vkmoe_setting_object(&object, key);
    object.object = own ? own : &none;
    const char *type =
        vkmoe_setting_string(&object, "rope_type", sliding || own ? "default" : "proportional");
    const bool part = strcmp(type, "proportional") == 0;
    char text[64];
    if (!part && strcmp(type, "default") != 0)
        vkmoe_setting_fail(&object, VKMOE_ERROR_UNSUPPORTED,
            "rope_parameters has for %s the type \"%s\", only default and proportional are "
            "supported",
            key, vkmoe_printable(type, text, sizeof text));
    vkmoe_setting_expect(&object, "factor=1");
    const double base = vkmoe_setting_number(&object, "rope_theta", sliding ? 1e4 : 1e6);
    const double turned =
        part ? vkmoe_setting_number(&object, "partial_rotary_factor", own ? 1.0 : 0.25) : 1.0;
    if (!(base > 1.0) || !(turned > 0.0 && turned <= 1.0))
        vkmoe_setting_fail(&object, VKMOE_ERROR_INVALID,
            "rope_parameters of %s: rope_theta is %g and partial_rotary_factor %g", key, base,
            turned);
    params->rope = (struct vkmoe_rope){ .kind = VKMOE_ROPE_HALF, .base = (float)base };
    if (turned < 1.0)
        traits->turned_pairs = MAX(1, (uint32_t)(turned * params->head_size / 2));
    traits->plain_rope = sliding;
    settings->status = object.status;
}

static void adjust_attention(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params, struct traits *traits)
{
    struct settings *settings = source->settings;
    const bool sliding = vkmoe_whole_is_sliding(source, block, false);
    params->scale = 1.0f;
    params->value_norm = true;
    if (sliding)
        params->head_size =
            vkmoe_setting_u32(settings, "head_dim", params->head_size, 1, MAX_HEAD_SIZE);
    else
        read_global_heads(settings, params, traits);
    vkmoe_setting_expect(settings, "num_kv_shared_layers=0");
    read_rope(settings, sliding, params, traits);
    if (vkmoe_setting_u32(settings, "hidden_size_per_layer_input", 256, 0, MAX_WIDTH) != 0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "hidden_size_per_layer_input is not 0: embeddings of blocks are not supported");
    if (vkmoe_setting_find(settings, "per_layer_config"))
        vkmoe_setting_fail(
            settings, VKMOE_ERROR_UNSUPPORTED, "per_layer_config is there, which is not supported");
    if (!vkmoe_setting_is(settings, "use_bidirectional_attention=vision"))
        vkmoe_setting_expect(settings, "use_bidirectional_attention=null");
}

WHOLE(whole, HEADS(8, 4, 256), TEXT(262144, 131072, 1, 1e-6), .tied = true,
    .bias = { "attention_bias", false }, .window = WINDOW_5_OF_6, .window_preset = 512,
    .embedding_root = { NULL, 1 }, .logits_cap_key = "final_logit_softcapping",
    .expect = { "use_double_wide_mlp=false" },
    .names = { { MATRICES("self_attn"), BIASES("self_attn"), NORMS("self_attn"),
        .attention_norm = "input_layernorm.weight",
        .experts_norm = "pre_feedforward_layernorm.weight",
        .attention_post_norm = "post_attention_layernorm.weight",
        .post_norm = "post_feedforward_layernorm.weight",
        .dense_post_norm = "post_feedforward_layernorm_1.weight",
        .experts_pre_norm = "pre_feedforward_layernorm_2.weight",
        .experts_post_norm = "post_feedforward_layernorm_2.weight",
        .block_scale = "layer_scalar" } },
    .adjust = adjust_attention, ENDS);

FAMILY(gemma4, .text_name = "gemma4_text",
    .prefix = BLOCKS,
    SIZES(30, 2304, "moe_intermediate_size", 0),
    EXPERTS("num_experts", 0, "top_k_experts", 0),
    .activation_key = "hidden_activation",
    .activation = "gelu_pytorch_tanh",
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX,
        .renormalize.mode = VKMOE_RENORMALIZE_SUM, .rms_norm = true },
    .names = {
        .router = "router.proj.weight",
        .router_scale = "router.scale",
        .expert_scale = "router.per_expert_scale",
        STACKED_GATE_UP_DOWN("experts"),
    },
    DENSE_GATE_UP_DOWN("mlp", 9216),
    .mark = mark,
    .adjust = adjust,
    .whole = &whole);
