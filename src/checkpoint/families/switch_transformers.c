// switch_transformers.c - Switch Transformers.
#include "checkpoint/families/families.h"

#define T5_ATTENTION(layer, name) \
    .module = layer "." name ".", .attention_norm = layer ".layer_norm.weight", \
    .query = layer "." name ".q.weight", .output = layer "." name ".o.weight", \
    .key = layer "." name ".k.weight", .value = layer "." name ".v.weight"

// Every step-th block from the second on; with step 1 all, with step 0 none.
static void mark_stack(struct settings *settings, struct blocks *blocks, uint32_t stack,
    const char *step_key, const char *sparse_key)
{
    uint32_t count = blocks->count[stack];
    uint32_t sparse = vkmoe_setting_u32(settings, sparse_key, 3, 0, MAX_BLOCKS);
    uint32_t step =
        vkmoe_setting_u32(settings, step_key, sparse ? count / sparse : 0, 0, MAX_BLOCKS);
    for (uint32_t b = 0; b < count; b++)
        blocks->moe[stack][b] = step == 1 || (step > 1 && b % step == 1);
}

static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    (void)family;
    blocks->count[1] = vkmoe_setting_u32(settings, "num_decoder_layers",
        vkmoe_setting_is_null(settings, "num_decoder_layers") ? blocks->count[0] : 12, 1,
        MAX_BLOCKS);
    mark_stack(settings, blocks, 0, "encoder_sparse_step", "num_sparse_encoder_layers");
    mark_stack(settings, blocks, 1, "decoder_sparse_step", "num_sparse_decoder_layers");
}

static void adjust(struct settings *settings, struct vkmoe_moe_params *params)
{
    params->router.capacity = vkmoe_setting_u32(settings, "expert_capacity", 64, 1, INT32_MAX);
}

// T5's frame: scores are not scaled, and know positions by a bias alone.
WHOLE(whole, .heads = { "num_heads|num_attention_heads", 12 },
    .head_size = { "d_kv", 64 },
    .vocabulary = 32128,
    .max_positions_key = "n_positions", // T5's; nothing in the model is bound to it
    .max_positions = 512,
    .tied = true,
    .end_token = 1,
    .start_token = 0,
    .norm_epsilon_key = "layer_norm_epsilon",
    .norm_epsilon = 1e-6,
    .scale = 1.0,
    .buckets = { "relative_attention_num_buckets", 32 },
    .max_distance = { "relative_attention_max_distance", 128 },
    .tied_root = true,
    .expect = { "is_encoder_decoder=true" },
    .both_sides = { [PLACE_BLOCKS] = true, [PLACE_CROSS] = true },
    .names = {
        [PLACE_BLOCKS] = {
            .prefix = "encoder.block.{b}.",
            T5_ATTENTION("layer.0", "SelfAttention"),
            .position_bias = "layer.0.SelfAttention.relative_attention_bias.weight",
            .experts_norm = "layer.1.layer_norm.weight",
        },
        [PLACE_DECODER] = {
            .prefix = "decoder.block.{b}.",
            T5_ATTENTION("layer.0", "SelfAttention"),
            .position_bias = "layer.0.SelfAttention.relative_attention_bias.weight",
            .experts_norm = "layer.2.layer_norm.weight",
        },
        [PLACE_CROSS] = {
            .prefix = "decoder.block.{b}.",
            T5_ATTENTION("layer.1", "EncDecAttention"),
            .ignored = "layer.1.EncDecAttention.relative_attention_bias.weight",
        },
    },
    .ends = {
        .embedding = "shared.weight|encoder.embed_tokens.weight|decoder.embed_tokens.weight",
        .head = "lm_head.weight",
        .copies = { "encoder.embed_tokens.weight", "decoder.embed_tokens.weight" },
        .final_norm = "decoder.final_layer_norm.weight",
        .encoder_norm = "encoder.final_layer_norm.weight",
    });

FAMILY(switch_transformers, .prefix = "encoder.block.{b}.layer.1.mlp.",
    .decoder_prefix = "decoder.block.{b}.layer.2.mlp.",
    .blocks = { "num_layers", 12 },
    .hidden = { "d_model", 768 },
    .inner = { "d_ff", 2048 },
    .experts = { "num_experts", 8 },
    .experts_per_token = { NULL, 1 },
    .activation_key = "dense_act_fn",
    .activation = "relu",
    .router_bias = { "router_bias", false },
    .expect = { "is_gated_act=false" },
    .preset.router = { .score = VKMOE_SCORE_SOFTMAX },
    .names = {
        .router = "router.classifier.weight",
        .router_bias = "router.classifier.bias",
        .up = "experts.expert_{e}.wi.weight",
        .down = "experts.expert_{e}.wo.weight",
    },
    .dense_inner = { "d_ff", 2048 },
    .dense = { .up = "wi.weight", .down = "wo.weight" },
    .mark = mark,
    .adjust = adjust,
    .whole = &whole);
