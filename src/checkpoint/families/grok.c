// grok.c - xAI's Grok: Grok-2 as its files would be if each tensor were whole (they are published
// in eight parts, which is not read), and what GGUF files have of it and of Grok-1.
#include "checkpoint/families/families.h"

#define BESIDE "residual_moe"

// A dense network beside the experts, which is a shared one, or none.
static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    if (!vkmoe_setting_bool(settings, BESIDE, false))
        params->shared.inner = 0;
}

WHOLE(whole, HEADS(64, 8, 128), TEXT(131072, 8192, -1, 1e-5),
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .scale_key = "attn_output_multiplier",
    .soft_cap_key = "attn_logit_softcapping", .soft_cap = 30.0,
    .steady_key = "attn_temperature_len", .embedding_scale_key = "embedding_multiplier_scale",
    .embedding_scale = 78.38367176906169, .logits_scale_key = "output_multiplier_scale",
    .logits_scale = 0.5773502691896257, .logits_cap_key = "final_logit_softcapping",
    .root_of_sum = { BESIDE, false },
    .expect = { "rope_type=original", "rope_rotate_half_dims=false", "sliding_window_size=-1",
        "attn_logit_softcapping_method=tanh" },
    .names = { { MATRICES("self_attn"), .attention_norm = "pre_attn_norm.weight",
        .attention_post_norm = "post_attn_norm.weight", .experts_norm = "pre_moe_norm.weight",
        .post_norm = "post_moe_norm.weight" } },
    ENDS);

// Called git as published.
static const struct alias aliases[] = { { "git", .whole = "" }, { NULL } };

FAMILY(grok, .aliases = aliases, .prefix = BLOCKS,
    SIZES(64, 8192, "moe_intermediate_size|intermediate_size", 16384),
    EXPERTS("num_local_experts", 8, "num_experts_per_tok", 2), .activation_key = "hidden_act",
    .activation = "gelu_pytorch_tanh", .soft_cap_key = "router_logit_softcapping",
    .shared_inner = { "intermediate_size", 32768 },
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX, .soft_cap = 30.0f },
    .names = { .router = "block_sparse_moe.gate.weight",
        .gate = "block_sparse_moe.experts.{e}.w1.weight",
        .up = "block_sparse_moe.experts.{e}.w3.weight",
        .down = "block_sparse_moe.experts.{e}.w2.weight",
        SHARED_GATE_UP_DOWN("mlp") },
    .mark = vkmoe_mark_all, .adjust = adjust, .whole = &whole);
