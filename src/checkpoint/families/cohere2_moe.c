// cohere2_moe.c - Cohere 2 with experts: Command A+, North.
#include "base/common.h"
#include "checkpoint/families/families.h"

#define STRATEGY "shared_expert_combination_strategy"

// The gate chooses by logits, and weighs the chosen ones by one of two functions.
static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    struct vkmoe_router_params *router = &params->router;
    const bool sigmoid = vkmoe_setting_is(settings, "expert_selection_fn=sigmoid");
    if (!sigmoid)
        vkmoe_setting_expect(settings, "expert_selection_fn=softmax");
    router->weigh = sigmoid ? VKMOE_WEIGH_SIGMOID : VKMOE_WEIGH_SOFTMAX;
    if (sigmoid && vkmoe_setting_bool(settings, "norm_topk_prob", true))
        router->renormalize.mode = VKMOE_RENORMALIZE_SUM;
    if (!vkmoe_setting_is(settings, STRATEGY "=sum"))
        vkmoe_setting_expect(settings, STRATEGY "=average");
}

// Blocks without a window have no RoPE, but for dense ones if each of those is without.
static void adjust_attention(const struct whole_source *source, struct vkmoe_block block,
    struct vkmoe_attention_params *params, struct traits *traits)
{
    (void)traits;
    struct blocks blocks;
    vkmoe_family_read_blocks(source->family, source->settings, &blocks);
    const bool turned = !blocks.moe[0][block.index]
        && vkmoe_setting_read(&source->whole->window_every_dense, source->settings, 1, MAX_BLOCKS)
            == 1;
    if (!turned && !vkmoe_whole_is_sliding(source, block, false))
        params->rope = (struct vkmoe_rope){ .kind = VKMOE_ROPE_NONE };
}

WHOLE(whole, HEADS(64, 0, 128), TEXT(256000, 8192, 255001, 1e-5),
    .norm_epsilon_key = "layer_norm_eps", .layer_norm = true, .rms_by_key = true, .parallel = true,
    .tied = true, .rope = { .kind = VKMOE_ROPE_INTERLEAVED, .base = 1e4f },
    .bias = { "attention_bias", false }, .window = WINDOW_BUT_EVERY, .window_preset = 4096,
    .window_every = { "sliding_window_pattern", 4 },
    .window_every_dense = { "prefix_dense_sliding_window_pattern", 1 },
    .logits_scale_key = "logit_scale", .logits_scale = 0.0625,
    .names = { { .attention_norm = "input_layernorm.weight",
        MATRICES("self_attn"),
        BIASES("self_attn") } },
    .adjust = adjust_attention, ENDS);

FAMILY(cohere2_moe, .prefix = BLOCKS, SIZES(40, 8192, "intermediate_size", 22528),
    EXPERTS("num_experts|num_local_experts", 8, "num_experts_per_tok", 2), HIDDEN_ACT,
    .shared_inner = { "intermediate_size", 22528 }, .shared_count = { "num_shared_experts", 0 },
    .shared_sum = STRATEGY "=sum",
    DENSE_GATE_UP_DOWN_OF("mlp", "prefix_dense_intermediate_size|intermediate_size", 22528),
    .dense_first = { "first_k_dense_replace", 0 }, .mark = vkmoe_mark_after_dense,
    .preset.router = { .score = VKMOE_SCORE_IDENTITY }, .names = { DEEPSEEK_NAMES },
    .adjust = adjust, .whole = &whole);
