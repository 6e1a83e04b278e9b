// families.h - what several families share: where things are in their checkpoints, and gates.
// Sources of all families: docs/semantics.md A.1, A.2 and B.1 for formulas, layouts and names, the
// config and modeling classes of Hugging Face transformers 5.12 for presets.
#ifndef VKMOE_FAMILIES_H
#define VKMOE_FAMILIES_H

#include <string.h>

#include "checkpoint/aliases.h"
#include "checkpoint/blocks.h"
#include "checkpoint/family.h"
#include "checkpoint/whole.h"

// Where published checkpoints keep a decoder-only model's blocks; the second and third
// inside multimodal models.
#define BLOCKS \
    "model.layers.{b}.|language_model.model.layers.{b}." \
    "|model.language_model.layers.{b}.|layers.{b}."

// A family of this name; how its models run whole.
#define FAMILY(name_, ...) \
    const struct family vkmoe_family_##name_ = { .name = #name_, __VA_ARGS__ }
#define WHOLE(name, ...) static const struct whole name = { __VA_ARGS__ }

// Sizes, and what they are if config.json does not say.
#define SIZES(blocks_, hidden_, inner_key, inner_) \
    .blocks = { "num_hidden_layers", blocks_ }, .hidden = { "hidden_size", hidden_ }, \
    .inner = { inner_key, inner_ }
#define EXPERTS(key, count, k_key, k) .experts = { key, count }, .experts_per_token = { k_key, k }
#define HEADS(heads_, kv_heads_, head_size_) \
    .heads = { "num_attention_heads", heads_ }, .kv_heads = { "num_key_value_heads", kv_heads_ }, \
    .head_size = { "head_dim", head_size_ }
#define YARN_ROPE(kind_, base_, factor_, positions, ...) \
    .rope = { .kind = VKMOE_ROPE_##kind_, \
        .base = base_, \
        .scaling = VKMOE_ROPE_SCALING_YARN, \
        .factor = factor_, \
        .original_positions = positions, \
        .beta_fast = 32.0f, \
        .beta_slow = 1.0f, \
        __VA_ARGS__ }
#define TEXT(vocabulary_, max_positions_, end_token_, epsilon) \
    .vocabulary = vocabulary_, .max_positions = max_positions_, .end_token = end_token_, \
    .norm_epsilon = epsilon

#define HIDDEN_ACT .activation_key = "hidden_act", .activation = "silu"

// Experts as published, or stacked and fused as transformers 5 has them in memory, and saves
// them unless it restores the published form. The latter calls every block `mlp`, if it is not
// `feed_forward`.
#define FUSED_AS(parent, name) parent ".experts." name "|mlp.experts." name
#define EXPERTS_GATE_UP_DOWN(parent) \
    .gate = parent ".experts.{e}.gate_proj.weight", .up = parent ".experts.{e}.up_proj.weight", \
    .gate_up = FUSED_AS(parent, "gate_up_proj"), \
    .down = parent ".experts.{e}.down_proj.weight|" FUSED_AS(parent, "down_proj")
#define EXPERTS_W1_W3_W2(parent) \
    .gate = parent ".experts.{e}.w1.weight", .up = parent ".experts.{e}.w3.weight", \
    .gate_up = FUSED_AS(parent, "gate_up_proj"), \
    .down = parent ".experts.{e}.w2.weight|" FUSED_AS(parent, "down_proj")
#define SHARED_GATE_UP_DOWN(parent) \
    .shared_gate = parent ".gate_proj.weight", .shared_up = parent ".up_proj.weight", \
    .shared_down = parent ".down_proj.weight"

// Of two parents whichever is there.
#define EITHER(a, b, name) a name "|" b name
#define SHARED_OF_EITHER(a, b) \
    .shared_gate = EITHER(a, b, ".gate_proj.weight"), \
    .shared_up = EITHER(a, b, ".up_proj.weight"), .shared_down = EITHER(a, b, ".down_proj.weight")

// Stacked and fused as published: so and so called.
#define STACKED_GATE_UP_DOWN(parent) .gate_up = parent ".gate_up_proj", .down = parent ".down_proj"
#define STACKED_INPUT_OUTPUT(parent) \
    .gate_up = parent ".input_linear.weight", .down = parent ".output_linear.weight"
#define SHARED_INPUT_OUTPUT(parent) \
    .shared_gate_up = parent ".input_linear.weight", .shared_down = parent ".output_linear.weight"
#define GRANITE_NAMES \
    .router = "block_sparse_moe.router.layer.weight", STACKED_INPUT_OUTPUT("block_sparse_moe")

#define DENSE_GATE_UP_DOWN(parent, width) DENSE_GATE_UP_DOWN_OF(parent, "intermediate_size", width)
#define DENSE_GATE_UP_DOWN_OF(parent, width_key, width) \
    .dense_inner = { width_key, width }, \
    .dense = { \
        .gate = parent ".gate_proj.weight", \
        .up = parent ".up_proj.weight", \
        .down = parent ".down_proj.weight", \
    }

// The gate of DeepSeek-V3: sigmoid scores, a bias that only selects, groups ranked by their
// two best, weights that sum to the scale.
#define V3_ROUTER \
    .score = VKMOE_SCORE_SIGMOID, .weigh = VKMOE_WEIGH_SCORE, \
    .groups.score = VKMOE_GROUP_SCORE_SUM_TOP_2, .renormalize.mode = VKMOE_RENORMALIZE_SUM, \
    .renormalize.epsilon = 1e-20f
#define DEEPSEEK_SETTINGS \
    .renormalize_key = "norm_topk_prob", .scale_key = "routed_scaling_factor", \
    .groups_key = "n_group", .groups_kept_key = "topk_group"

// Where DeepSeek and who follows it keep experts: shared ones of the same width beside them, and
// in the first blocks a dense network instead.
#define DEEPSEEK_NAMES \
    .router = "mlp.gate.weight", EXPERTS_GATE_UP_DOWN("mlp"), \
    SHARED_GATE_UP_DOWN("mlp.shared_experts")
#define DEEPSEEK_BLOCKS(inner_, shared, dense, dense_blocks) \
    .shared_inner = { "moe_intermediate_size", inner_ }, \
    .shared_count = { "n_shared_experts", shared }, DENSE_GATE_UP_DOWN("mlp", dense), \
    .dense_first = { "first_k_dense_replace", dense_blocks }, .mark = vkmoe_mark_after_dense

// Of an alias whose class has another number of dense blocks.
#define DENSE_FIRST .needs = "first_k_dense_replace|mlp_layer_types"

// Selection by logits, then softmax over the chosen.
#define TOP_K_THEN_SOFTMAX .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX

// ---------------------------------------------------------- attention, embedding and head

#define BLOCK_NORMS \
    .attention_norm = "input_layernorm.weight", .experts_norm = "post_attention_layernorm.weight"
#define PROJECTIONS(parent) BLOCK_NORMS, MATRICES(parent)
#define MATRICES(parent) \
    .module = parent ".", .query = parent ".q_proj.weight", .output = parent ".o_proj.weight", \
    .key = parent ".k_proj.weight", .value = parent ".v_proj.weight"
// Of latent attention, as DeepSeek has it.
#define LATENT_PROJECTIONS(parent) \
    BLOCK_NORMS, \
        .module = parent ".", .query = parent ".q_proj.weight", \
        .query_down = parent ".q_a_proj.weight", \
        .query_down_norm = parent ".q_a_layernorm.weight", .query_up = parent ".q_b_proj.weight", \
        .key = parent ".kv_a_proj_with_mqa.weight", .key_norm = parent ".kv_a_layernorm.weight", \
        .latent_both = parent ".kv_b_proj.weight", .output = parent ".o_proj.weight"
// Its own norms have an epsilon that no setting changes.
#define LATENT_SIZES \
    .latent = { true, .rank = 512, .query_rank = 1536, .key_size = 128, .rope_size = 64, \
        .value_size = 128, .norm_epsilon = 1e-6 }
#define INPUT_BIASES(parent) \
    .query_bias = parent ".q_proj.bias", .key_bias = parent ".k_proj.bias", \
    .value_bias = parent ".v_proj.bias"
#define BIASES(parent) INPUT_BIASES(parent), .projection_bias = parent ".o_proj.bias"
#define NORMS(parent) .query_norm = parent ".q_norm.weight", .key_norm = parent ".k_norm.weight"

// Norms before and behind both attention and network, whose norm before is called after it.
#define SANDWICH_NORMS(network) \
    .attention_norm = "input_layernorm.weight", \
    .attention_post_norm = "post_attention_layernorm.weight", \
    .experts_norm = "pre_" network "_layernorm.weight", \
    .post_norm = "post_" network "_layernorm.weight"

// Where a decoder-only model's parts are: the same alternatives as those of its blocks. The
// head is beside the model, not in it.
#define PART(name) \
    "model." name "|language_model.model." name "|model.language_model." name "|" name
#define ENDS_OF_TEXT \
    .embedding = PART("embed_tokens.weight"), .final_norm = PART("norm.weight"), \
    .head = "lm_head.weight|language_model.lm_head.weight"
#define ENDS .ends = { ENDS_OF_TEXT }

// ------------------------------------------------------------------- of two families each

#define GRANITE_WHOLE \
    HEADS(32, 0, 0), TEXT(32000, 2048, 2, 1e-6), \
        .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f }, .bias = { "attention_bias", false }, \
        .scale_key = "attention_multiplier", .scale = 1.0, \
        .embedding_scale_key = "embedding_multiplier", \
        .residual_scale_key = "residual_multiplier", .logits_divisor_key = "logits_scaling", \
        .expect = { "position_embedding_type=rope" }, \
        .names = { { PROJECTIONS("self_attn"), BIASES("self_attn") } }, ENDS

#define BAILING_BLOCKS(dense_blocks) \
    .shared_inner = { "moe_shared_expert_intermediate_size|moe_intermediate_size", 0 }, \
    .shared_count = { "num_shared_experts", 0 }, DENSE_GATE_UP_DOWN("mlp", 5632), \
    .dense_first = { "first_k_dense_replace", dense_blocks }, .mark = vkmoe_mark_after_dense
#define BAILING_PROJECTIONS \
    BLOCK_NORMS, .module = "attention.", .fused = "attention.query_key_value.weight", \
                 .fused_bias = "attention.query_key_value.bias", \
                 .output = "attention.dense.weight"
#define BAILING_ENDS \
    .ends = { .embedding = PART("word_embeddings.weight"), \
        .final_norm = PART("norm.weight"), \
        .head = "lm_head.weight" }

#endif
