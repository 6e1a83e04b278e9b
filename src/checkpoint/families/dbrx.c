// dbrx.c - DBRX. What it says of attention and experts stands in objects of its settings.
#include "checkpoint/families/families.h"

#define ACTIVATION "ffn_config/ffn_act_fn"
#define WEIGHTS_NORM "ffn_config/moe_normalize_expert_weights"

// The weights of the chosen experts are divided by their norm: of order 1, if any.
static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    if (vkmoe_setting_is_null(settings, WEIGHTS_NORM))
        params->router.renormalize.mode = VKMOE_RENORMALIZE_NONE;
    if (vkmoe_setting_find(settings, ACTIVATION "/approximate"))
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            ACTIVATION " has an approximation, which is not known");
}

WHOLE(whole, .heads = { "n_heads|num_attention_heads", 16 },
    .kv_heads = { "attn_config/kv_n_heads", 1 }, .head_size = { "head_dim", 0 },
    TEXT(32000, 2048, -1, 1e-5), .max_positions_key = "max_seq_len|max_position_embeddings",
    .layer_norm = true, .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f },
    .rope_base_key = "attn_config/rope_theta", .clip_key = "attn_config/clip_qkv",
    .expect = { "tie_word_embeddings=false" },
    .names = { { .module = "norm_attn_norm.attn.",
        .fused = "norm_attn_norm.attn.Wqkv.weight",
        .output = "norm_attn_norm.attn.out_proj.weight",
        .attention_norm = "norm_attn_norm.norm_1.weight",
        .experts_norm = "norm_attn_norm.norm_2.weight" } },
    .ends = { .embedding = "transformer.wte.weight|wte.weight",
        .final_norm = "transformer.norm_f.weight|norm_f.weight",
        .head = "lm_head.weight" });

FAMILY(dbrx, .prefix = "transformer.blocks.{b}.|blocks.{b}.",
    .blocks = { "n_layers|num_hidden_layers", 24 }, .hidden = { "d_model|hidden_size", 2048 },
    .inner = { "ffn_config/ffn_hidden_size", 3584 },
    EXPERTS("ffn_config/moe_num_experts", 4, "ffn_config/moe_top_k", 1),
    .activation_key = ACTIVATION "/name", .activation = "silu", .expect = { WEIGHTS_NORM "=1" },
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX, .renormalize.mode = VKMOE_RENORMALIZE_SUM },
    .names = { .router = "ffn.router.layer.weight",
        .gate = "ffn.experts.mlp.w1",
        .up = "ffn.experts.mlp.v1",
        .down = "ffn.experts.mlp.w2" },
    .layout = LAYOUT_ROWS, .mark = vkmoe_mark_all, .adjust = adjust, .whole = &whole);
