// laguna.c - Poolside's Laguna.
#include "base/value.h"
#include "checkpoint/families/families.h"
#include "checkpoint/rope_kinds.h"

// Heads of each block, of which keys and values have as many everywhere.
static void read_heads(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params)
{
    static const char key[] = "num_attention_heads_per_layer";
    struct settings *settings = source->settings;
    const struct value *list;
    uint64_t heads;
    if (!vkmoe_setting_list_of(settings, key, source->blocks[0], "number", "blocks", &list))
        return;
    if (!vkmoe_value_integer(&list->items[block.index], &heads) || heads == 0
        || heads > MAX_WIDTH / params->head_size || heads % params->kv_heads) {
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "%s has for block %u something else than a multiple of %u up to %u", key, block.index,
            params->kv_heads, MAX_WIDTH / params->head_size);
        return;
    }
    params->heads = (uint32_t)heads;
}

// A gate for each head, or for each of its elements.
static bool is_gate_wide(struct settings *settings)
{
    const struct value *item = vkmoe_setting_find(settings, "gating");
    const char *name = value_text(item);
    const bool wide = name && strcmp(name, "per-element") == 0;
    char text[64];
    if (item && !wide && !(name && strcmp(name, "per-head") == 0)
        && !(item->kind == VALUE_BOOL && item->number != 0.0))
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "gating is \"%s\", only true, per-head and per-element are supported",
            name ? vkmoe_printable(name, text, sizeof text) : "false");
    return wide;
}

static void adjust_attention(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params, struct traits *traits)
{
    static const struct rope_kind full = { { .kind = VKMOE_ROPE_HALF, .base = 5e5f }, 0.5 };
    static const struct rope_kind sliding = { { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, 1.0 };
    read_heads(source, block, params);
    vkmoe_rope_read_kinds(source, block, &full, &sliding, params);
    params->gate_softplus = true;
    traits->gate_of_heads = !is_gate_wide(source->settings);
}

WHOLE(whole, HEADS(48, 8, 128), TEXT(100352, 131072, -1, 1e-6), .bias = { "attention_bias", false },
    .window = WINDOW_LISTED, .window_preset = 512, .adjust = adjust_attention,
    .names = { { PROJECTIONS("self_attn"), BIASES("self_attn"), NORMS("self_attn"),
        .gate = "self_attn.g_proj.weight" } },
    ENDS);

// By either list; without one the first block is dense.
static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    const bool listed = vkmoe_setting_find(settings, "mlp_layer_types");
    if (!listed && vkmoe_setting_find(settings, "mlp_only_layers"))
        vkmoe_mark_qwen(family, settings, blocks);
    else
        vkmoe_mark_after_dense(family, settings, blocks);
}

FAMILY(laguna, .prefix = BLOCKS, SIZES(40, 2048, "moe_intermediate_size", 512),
    EXPERTS("num_experts|num_local_experts", 256, "num_experts_per_tok", 8), HIDDEN_ACT,
    .scale_key = "moe_routed_scaling_factor", .soft_cap_key = "moe_router_logit_softcapping",
    .shared_inner = { "shared_expert_intermediate_size", 512 }, DENSE_GATE_UP_DOWN("mlp", 8192),
    .dense_first = { NULL, 1 }, .mark = mark,
    .expect = { "moe_apply_router_weight_on_input=false", "norm_topk_prob=true" },
    .preset.router = { .score = VKMOE_SCORE_SIGMOID,
        .weigh = VKMOE_WEIGH_SCORE,
        .renormalize.mode = VKMOE_RENORMALIZE_SUM,
        .scale = 1.0f },
    .names = { .router = "mlp.gate.weight",
        EXPERTS_GATE_UP_DOWN("mlp"),
        SHARED_OF_EITHER("mlp.shared_expert", "mlp.shared_experts"),
        .correction_bias = "mlp.experts.e_score_correction_bias|mlp.gate.e_score_correction_bias" },
    .whole = &whole);
