// arctic.c - Snowflake Arctic. Experts see what attention does, under a norm of their own, beside a
// dense network, as wide as the model, that follows attention.
#include "checkpoint/families/families.h"

// What was published; absent, both settings mean another model, which its class has as well.
static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    const uint32_t frequency = vkmoe_setting_u32(settings, "moe_layer_frequency", 2, 1, UINT32_MAX);
    if (frequency != 1)
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "moe_layer_frequency is %u, only 1 is supported", frequency);
    if (!vkmoe_setting_bool(settings, "parallel_attn_mlp_res", false))
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "parallel_attn_mlp_res is false, only true is supported");
    vkmoe_mark_all(family, settings, blocks);
}

WHOLE(whole, HEADS(32, 0, 0), TEXT(32000, 4096, 2, 1e-5), .early = true,
    .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e6f },
    .names = { { MATRICES("self_attn"), .attention_norm = "input_layernorm.weight",
        .experts_norm = "residual_layernorm.weight",
        .experts_pre_norm = "post_attention_layernorm.weight" } },
    ENDS);

FAMILY(arctic, .prefix = BLOCKS, SIZES(32, 4096, "intermediate_size", 14336),
    EXPERTS("num_local_experts", 8, "num_experts_per_tok", 1), HIDDEN_ACT,
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX, .renormalize.mode = VKMOE_RENORMALIZE_SUM },
    .names = { .router = "block_sparse_moe.gate.weight",
        .gate = "block_sparse_moe.experts.{e}.w1.weight",
        .up = "block_sparse_moe.experts.{e}.w3.weight",
        .down = "block_sparse_moe.experts.{e}.w2.weight" },
    .dense_inner = { "hidden_size", 4096 },
    .dense = { .gate = "residual_mlp.w1.weight",
        .up = "residual_mlp.w3.weight",
        .down = "residual_mlp.w2.weight" },
    .mark = mark, .whole = &whole);
