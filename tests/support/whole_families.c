// whole_families.c - see whole_families.h.
#include "whole_families.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_dense_attention(struct file *file, const struct reference_attention *a)
{
    uint32_t width = a->heads * a->head_size, kv_width = a->kv_heads * a->head_size;
    whole_add(file, "self_attn.q_proj.weight", a->query, SHAPE(width, a->hidden));
    whole_add(file, "self_attn.k_proj.weight", a->key, SHAPE(kv_width, a->hidden));
    whole_add(file, "self_attn.v_proj.weight", a->value, SHAPE(kv_width, a->hidden));
    whole_add(file, "self_attn.o_proj.weight", a->output, SHAPE(a->hidden, width));
    whole_add(file, "self_attn.q_proj.bias", a->query_bias, SHAPE(width));
    whole_add(file, "self_attn.k_proj.bias", a->key_bias, SHAPE(kv_width));
    whole_add(file, "self_attn.v_proj.bias", a->value_bias, SHAPE(kv_width));
    whole_add(file, "self_attn.o_proj.bias", a->output_bias, SHAPE(a->hidden));
    whole_add(
        file, "self_attn.q_norm.weight", a->query_norm, SHAPE(a->norm_wide ? width : a->head_size));
    whole_add(file, "self_attn.k_norm.weight", a->key_norm,
        SHAPE(a->norm_wide ? kv_width : a->head_size));
    whole_add(file, "self_attn.sinks", a->sinks, SHAPE(a->heads));
}

// Keys and values of a head next to each other, the former transposed.
static void write_latent_attention(struct file *file, const struct reference_attention *a)
{
    const struct reference_latent *l = &a->latent;
    size_t rank = l->rank, rows = l->key_size + l->value_size, d = a->hidden;
    uint32_t queries = a->heads * (l->key_size + l->turned);
    double *both = allocate(a->heads * rows * rank, sizeof(double));
    for (size_t h = 0; h < a->heads; h++) {
        for (size_t i = 0; i < l->key_size * rank; i++)
            both[h * rows * rank + i] =
                l->keys[h * rank * l->key_size + i % rank * l->key_size + i / rank];
        memcpy(both + (h * rows + l->key_size) * rank, l->values + h * l->value_size * rank,
            l->value_size * rank * sizeof(double));
    }
    if (l->query_rank) {
        whole_add(file, "self_attn.q_a_proj.weight", l->query_matrix, SHAPE(l->query_rank, d));
        whole_add(file, "self_attn.q_a_layernorm.weight", l->query_norm, SHAPE(l->query_rank));
        whole_add(file, "self_attn.q_b_proj.weight", a->query, SHAPE(queries, l->query_rank));
    } else {
        whole_add(file, "self_attn.q_proj.weight", a->query, SHAPE(queries, d));
    }
    whole_add(file, "self_attn.kv_a_proj_with_mqa.weight", a->key, SHAPE(rank + l->turned, d));
    whole_add(file, "self_attn.kv_a_layernorm.weight", a->key_norm, SHAPE(rank));
    whole_add(file, "self_attn.kv_b_proj.weight", both, SHAPE(a->heads * rows, rank));
    whole_add(file, "self_attn.o_proj.weight", a->output, SHAPE(d, a->heads * l->value_size));
    free(both);
}

static void write_routed_attention(struct file *file, const struct reference_attention *a)
{
    uint32_t width = a->heads * a->head_size, kv_width = a->kv_heads * a->head_size;
    size_t half = (size_t)kv_width * a->hidden;
    double *both = allocate(2 * half, sizeof(double)); // keys first
    memcpy(both, a->key, half * sizeof(double));
    memcpy(both + half, a->value, half * sizeof(double));
    whole_add(file, "self_attention.kv_proj.weight", both, SHAPE(2 * kv_width, a->hidden));
    free(both);
    whole_add(file, "self_attention.experts.router.layer.weight", a->router.router,
        SHAPE(a->experts, a->hidden));
    whole_add(file, "self_attention.experts.input_linear.weight", a->query,
        SHAPE(a->experts, width, a->hidden));
    whole_add(file, "self_attention.experts.output_linear.weight", a->output,
        SHAPE(a->experts, a->hidden, width));
    whole_add(file, "self_attention.experts.bias", a->output_bias, SHAPE(a->hidden));
}

static void write_separate(struct file *file, const struct reference_layer *l, const char *gate,
    const char *up, const char *down)
{
    size_t size = (size_t)l->inner * l->hidden;
    for (uint32_t e = 0; e < l->experts; e++) {
        if (l->gate)
            whole_add_numbered(file, gate, e, l->gate + e * size, SHAPE(l->inner, l->hidden));
        whole_add_numbered(file, up, e, l->up + e * size, SHAPE(l->inner, l->hidden));
        whole_add_numbered(file, down, e, l->down + e * size, SHAPE(l->hidden, l->inner));
    }
}

static void write_mixtral(struct file *file, const struct reference_layer *l)
{
    whole_add(file, "block_sparse_moe.gate.weight", l->router, SHAPE(l->experts, l->hidden));
    write_separate(file, l, "block_sparse_moe.experts.%u.w1.weight",
        "block_sparse_moe.experts.%u.w3.weight", "block_sparse_moe.experts.%u.w2.weight");
}

static void write_qwen(struct file *file, const struct reference_layer *l)
{
    whole_add(file, "mlp.gate.weight", l->router, SHAPE(l->experts, l->hidden));
    write_separate(file, l, "mlp.experts.%u.gate_proj.weight", "mlp.experts.%u.up_proj.weight",
        "mlp.experts.%u.down_proj.weight");
}

// With a dense network in the first blocks.
static void write_deepseek(struct file *file, const struct reference_layer *l)
{
    if (!l->router) {
        write_separate(
            file, l, "mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight");
        return;
    }
    write_qwen(file, l);
    whole_add(file, "mlp.gate.e_score_correction_bias", l->correction_bias, SHAPE(l->experts));
    whole_add(file, "mlp.shared_experts.gate_proj.weight", l->shared_gate,
        SHAPE(l->shared_inner, l->hidden));
    whole_add(
        file, "mlp.shared_experts.up_proj.weight", l->shared_up, SHAPE(l->shared_inner, l->hidden));
    whole_add(file, "mlp.shared_experts.down_proj.weight", l->shared_down,
        SHAPE(l->hidden, l->shared_inner));
}

// Gate above up, all experts in one tensor.
static void write_stacked(struct file *file, const struct reference_layer *l, const char *parent)
{
    size_t size = (size_t)l->inner * l->hidden;
    double *both = allocate(2 * l->experts * size, sizeof(double));
    for (uint32_t e = 0; e < l->experts; e++) {
        memcpy(both + 2 * e * size, l->gate + e * size, size * sizeof(double));
        memcpy(both + (2 * e + 1) * size, l->up + e * size, size * sizeof(double));
    }
    char name[100];
    snprintf(name, sizeof name, "%s.router.layer.weight", parent);
    whole_add(file, name, l->router, SHAPE(l->experts, l->hidden));
    snprintf(name, sizeof name, "%s.input_linear.weight", parent);
    whole_add(file, name, both, SHAPE(l->experts, 2 * l->inner, l->hidden));
    snprintf(name, sizeof name, "%s.output_linear.weight", parent);
    whole_add(file, name, l->down, SHAPE(l->experts, l->hidden, l->inner));
    snprintf(name, sizeof name, "%s.bias", parent);
    whole_add(file, name, l->output_bias, SHAPE(l->hidden));
    free(both);
}

static void write_granite(struct file *file, const struct reference_layer *l)
{
    write_stacked(file, l, "block_sparse_moe");
}

static void write_jetmoe(struct file *file, const struct reference_layer *l)
{
    write_stacked(file, l, "mlp");
}

// [experts][in][out], gate and up taking turns.
static void write_gpt_oss(struct file *file, const struct reference_layer *l)
{
    size_t d = l->hidden, f = l->inner, experts = l->experts;
    double *both = allocate(2 * experts * d * f, sizeof(double));
    double *down = allocate(experts * d * f, sizeof(double));
    double *bias = allocate(2 * experts * f, sizeof(double));
    for (size_t e = 0; e < experts; e++) {
        for (size_t i = 0; i < f; i++) {
            bias[2 * (e * f + i)] = l->gate_bias[e * f + i];
            bias[2 * (e * f + i) + 1] = l->up_bias[e * f + i];
            for (size_t j = 0; j < d; j++) {
                both[((e * d + j) * f + i) * 2] = l->gate[(e * f + i) * d + j];
                both[((e * d + j) * f + i) * 2 + 1] = l->up[(e * f + i) * d + j];
                down[(e * f + i) * d + j] = l->down[(e * d + j) * f + i];
            }
        }
    }
    whole_add(file, "mlp.router.weight", l->router, SHAPE(experts, d));
    whole_add(file, "mlp.router.bias", l->router_bias, SHAPE(experts));
    whole_add(file, "mlp.experts.gate_up_proj", both, SHAPE(experts, d, 2 * f));
    whole_add(file, "mlp.experts.gate_up_proj_bias", bias, SHAPE(experts, 2 * f));
    whole_add(file, "mlp.experts.down_proj", down, SHAPE(experts, f, d));
    whole_add(file, "mlp.experts.down_proj_bias", l->down_bias, SHAPE(experts, d));
    free(both);
    free(down);
    free(bias);
}

// `layer` counts the sublayers of a block.
static void write_t5_attention(
    struct file *file, uint32_t layer, const char *name, const struct reference_attention *a)
{
    const struct {
        const char *name;
        const double *values;
        uint32_t rows, columns;
    } parts[] = {
        { "q", a->query, a->heads * a->head_size, a->hidden },
        { "k", a->key, a->heads * a->head_size, a->hidden },
        { "v", a->value, a->heads * a->head_size, a->hidden },
        { "o", a->output, a->hidden, a->heads * a->head_size },
    };
    for (size_t i = 0; i < COUNT(parts); i++) {
        char full[100];
        snprintf(full, sizeof full, "layer.%u.%s.%s.weight", layer, name, parts[i].name);
        whole_add(file, full, parts[i].values, SHAPE(parts[i].rows, parts[i].columns));
    }
}

static void write_switch_experts(
    struct file *file, uint32_t layer, const char *names, const struct reference_layer *l)
{
    char up[100], down[100];
    snprintf(up, sizeof up, "layer.%u.mlp.%swi.weight", layer, names);
    snprintf(down, sizeof down, "layer.%u.mlp.%swo.weight", layer, names);
    write_separate(file, l, up, up, down);
}

void whole_write_switch_block(struct file *file, const struct whole_checkpoint_block *block)
{
    const struct reference_layer *l = &block->experts;
    uint32_t layer = 0, d = l->hidden;
    write_t5_attention(file, layer, "SelfAttention", &block->attention);
    whole_add_numbered(
        file, "layer.%u.layer_norm.weight", layer++, block->attention_norm, SHAPE(d));
    if (block->cross_norm) {
        write_t5_attention(file, layer, "EncDecAttention", &block->cross);
        whole_add_numbered(
            file, "layer.%u.layer_norm.weight", layer++, block->cross_norm, SHAPE(d));
    }
    whole_add_numbered(file, "layer.%u.layer_norm.weight", layer, block->experts_norm, SHAPE(d));
    whole_add_numbered(
        file, "layer.%u.mlp.router.classifier.weight", layer, l->router, SHAPE(l->experts, d));
    write_switch_experts(file, layer, l->router ? "experts.expert_%u." : "", l);
}

static const uint32_t jetmoe_windows[] = { 4, 0, 1, 7, 0, 16 };

// Sizes, and what else there is to say.
#define FRAME(hidden_, epsilon, block_epsilon, ...) \
    .frame = { .hidden = hidden_, \
        .norm_epsilon = epsilon, \
        .block_norm_epsilon = block_epsilon, \
        __VA_ARGS__ }
#define ATTENTION(heads_, kv_heads_, head_size_, ...) \
    .attention = { .heads = heads_, .kv_heads = kv_heads_, .head_size = head_size_, __VA_ARGS__ }
#define DENSE(...) ATTENTION(__VA_ARGS__, .experts = 1, .experts_per_token = 1)
#define ROPE(base_) .rope = { .kind = VKMOE_ROPE_HALF, .base = base_ }
#define SCALED_ROPE(base_, ...) .rope = { .kind = VKMOE_ROPE_HALF, .base = base_, __VA_ARGS__ }
#define LATENT_ROPE(size_) \
    .rope = { .kind = VKMOE_ROPE_INTERLEAVED, \
        .scaling = VKMOE_ROPE_SCALING_YARN, \
        .size = size_, \
        .base = 1e4f, \
        .factor = 40.0f, \
        .original_positions = 64, \
        .beta_fast = 32.0f, \
        .beta_slow = 1.0f, \
        .attention_factor = 1.0f }
#define EXPERTS(inner_, experts_, k, ...) \
    .experts = { .inner = inner_, .experts = experts_, .experts_per_token = k, __VA_ARGS__ }
#define SILU_EXPERTS(...) EXPERTS(__VA_ARGS__, .activation = VKMOE_ACTIVATION_SILU)

// A row: its name, the family, the size of the vocabulary, and what else config.json says.
#define MODEL(name_, type, vocabulary_, config_, ...) \
    { \
        .name = name_, .vocabulary = vocabulary_, \
        .config = "{\"model_type\":\"" type "\"," config_ ",\"vocab_size\":" #vocabulary_ "}", \
        __VA_ARGS__ \
    }
#define STORED(dtype_, blocks_) .dtype = dtype_, .blocks = blocks_
#define WRITTEN_BY(attention_, experts_) .write_attention = attention_, .write_experts = experts_

#define SOFTMAX_GATE .score = VKMOE_SCORE_SOFTMAX
#define TOP_K_GATE .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX

#define MIXTRAL(name_, dtype_, hidden_, inner_, head_size_) \
    MODEL(name_, "mixtral", 37, \
        "\"hidden_size\":" #hidden_ ",\"intermediate_size\":" #inner_ \
        ",\"num_hidden_layers\":2,\"num_local_experts\":4,\"num_experts_per_tok\":2," \
        "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"sliding_window\":5", \
        STORED(dtype_, 2), .windows = { 5, 5 }, \
        FRAME(hidden_, 1e-5, 1e-5, .max_positions = 131072, .end_tokens = { 2 }, \
            .end_token_count = 1), \
        DENSE(4, 2, head_size_, ROPE(1e6f)), \
        SILU_EXPERTS(inner_, 4, 2, SOFTMAX_GATE, .renormalize = true), \
        WRITTEN_BY(write_dense_attention, write_mixtral))

static const struct whole_family families[] = {
    // kv_heads 2 of 4, no head_dim, a window, everything else left to the class
    MIXTRAL("mixtral", VKMOE_DTYPE_F16, 48, 40, 12),
    // Everything in blocks, the embedding and the norms as well
    MIXTRAL("mixtral-q8-0", VKMOE_DTYPE_Q8_0, 64, 96, 16),
    MODEL("jetmoe", "jetmoe", 41,
        "\"hidden_size\":32,\"intermediate_size\":24,\"num_hidden_layers\":2,"
        "\"num_local_experts\":6,\"num_experts_per_tok\":2,\"num_attention_heads\":6,"
        "\"num_key_value_heads\":3,\"kv_channels\":8,"
        "\"attention_expert_windows\":[4,0,1,7,0,16],\"rms_norm_eps\":1e-5,"
        "\"rope_theta\":500.0,\"eos_token_id\":[5,2],\"max_position_embeddings\":64",
        STORED(VKMOE_DTYPE_BF16, 2), .has = HAS_OUTPUT_BIAS | HAS_TIED_HEAD,
        .expert_windows = jetmoe_windows,
        FRAME(32, 1e-5, 1e-6, .max_positions = 64, .end_tokens = { 5, 2 }, .end_token_count = 2),
        ATTENTION(3, 3, 8, .tiled_kv = true, .experts = 6, .experts_per_token = 2,
            .router = { TOP_K_GATE }, ROPE(500.0f)),
        SILU_EXPERTS(24, 6, 2, TOP_K_GATE), WRITTEN_BY(write_routed_attention, write_jetmoe)),
    // A window that is switched off, heads wider than hidden, linear RoPE in the old form
    MODEL("qwen3_moe", "qwen3_moe", 32,
        "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":3,\"num_experts\":8,\"num_experts_per_tok\":3,"
        "\"norm_topk_prob\":true,\"mlp_only_layers\":[],\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"head_dim\":16,\"attention_bias\":true,"
        "\"use_sliding_window\":false,\"sliding_window\":4096,\"max_window_layers\":3,"
        "\"rope_theta\":1000000,\"rope_scaling\":{\"type\":\"linear\",\"factor\":4.0},"
        "\"tie_word_embeddings\":true,\"eos_token_id\":null",
        STORED(VKMOE_DTYPE_BF16, 3), .has = HAS_BIASES | HAS_NORMS | HAS_TIED_HEAD,
        FRAME(40, 1e-6, 1e-6, .max_positions = 32768),
        DENSE(4, 2, 16, .norm_epsilon = 1e-6,
            SCALED_ROPE(1e6f, .scaling = VKMOE_ROPE_SCALING_LINEAR, .factor = 4.0f)),
        SILU_EXPERTS(24, 8, 3, SOFTMAX_GATE, .renormalize = true),
        WRITTEN_BY(write_dense_attention, write_qwen)),
    // Norms over all heads, a clip that is felt, Llama 3's RoPE in the new form
    MODEL("olmoe", "olmoe", 32,
        "\"hidden_size\":32,\"intermediate_size\":24,\"num_hidden_layers\":2,"
        "\"num_experts\":8,\"num_experts_per_tok\":3,\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"clip_qkv\":0.75,"
        "\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":10000.0,"
        "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
        "\"original_max_position_embeddings\":32},\"max_position_embeddings\":256",
        STORED(VKMOE_DTYPE_F32, 2), .has = HAS_NORMS,
        FRAME(32, 1e-5, 1e-5, .max_positions = 256, .end_tokens = { 50279 }, .end_token_count = 1),
        DENSE(4, 2, 8, .norm_wide = true, .norm_epsilon = 1e-5, .value_clip = 0.75,
            SCALED_ROPE(1e4f, .scaling = VKMOE_ROPE_SCALING_LLAMA3, .factor = 8.0f,
                .original_positions = 32, .low_factor = 1.0f, .high_factor = 4.0f)),
        SILU_EXPERTS(24, 8, 3, SOFTMAX_GATE), WRITTEN_BY(write_dense_attention, write_qwen)),
    // Every other block with a window, YaRN without rounding
    MODEL("gpt_oss", "gpt_oss", 32,
        "\"hidden_size\":64,\"intermediate_size\":32,\"num_hidden_layers\":3,"
        "\"num_local_experts\":4,\"num_experts_per_tok\":2,\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"head_dim\":16,\"sliding_window\":6,"
        "\"rope_theta\":150000,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,"
        "\"beta_fast\":32.0,\"beta_slow\":1.0,\"original_max_position_embeddings\":64,"
        "\"truncate\":false},\"max_position_embeddings\":256,\"eos_token_id\":7",
        STORED(VKMOE_DTYPE_BF16, 3), .has = HAS_BIASES | HAS_SINKS | HAS_EXPERT_BIASES,
        .windows = { 6, 0, 6 },
        FRAME(64, 1e-5, 1e-5, .max_positions = 256, .end_tokens = { 7 }, .end_token_count = 1),
        DENSE(4, 2, 16,
            SCALED_ROPE(150000.0f, .scaling = VKMOE_ROPE_SCALING_YARN, .factor = 4.0f,
                .original_positions = 64, .beta_fast = 32.0f, .beta_slow = 1.0f,
                .attention_factor = 1.138629436f, .exact_range = true)),
        EXPERTS(32, 4, 2, TOP_K_GATE, .activation = VKMOE_ACTIVATION_SWIGLU_OAI,
            .activation_alpha = 1.702, .activation_limit = 7.0),
        WRITTEN_BY(write_dense_attention, write_gpt_oss)),
    MODEL("granitemoe", "granitemoe", 32,
        "\"hidden_size\":36,\"intermediate_size\":20,\"num_hidden_layers\":2,"
        "\"num_local_experts\":5,\"num_experts_per_tok\":2,\"num_attention_heads\":3,"
        "\"num_key_value_heads\":null,\"attention_multiplier\":0.25,"
        "\"embedding_multiplier\":12.0,\"residual_multiplier\":0.22,\"logits_scaling\":8.0,"
        "\"position_embedding_type\":\"rope\",\"eos_token_id\":0",
        STORED(VKMOE_DTYPE_F16, 2),
        FRAME(36, 1e-6, 1e-6, .embedding_scale = 12.0, .residual_scale = 0.22,
            .logits_scale = 0.125, .max_positions = 2048, .end_tokens = { 0 },
            .end_token_count = 1),
        DENSE(3, 3, 12, .scale = 0.25, ROPE(1e4f)), SILU_EXPERTS(20, 5, 2, TOP_K_GATE),
        WRITTEN_BY(write_dense_attention, write_granite)),
    // Latent attention, with and without a rank of queries; its norms do not have the model's
    // epsilon.
    MODEL("deepseek_v2", "deepseek_v2", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":2,\"n_shared_experts\":2,\"n_routed_experts\":6,"
        "\"num_experts_per_tok\":2,\"first_k_dense_replace\":1,\"moe_layer_freq\":1,"
        "\"topk_method\":\"greedy\",\"norm_topk_prob\":false,\"routed_scaling_factor\":1.5,"
        "\"num_attention_heads\":3,\"num_key_value_heads\":3,\"kv_lora_rank\":24,"
        "\"q_lora_rank\":null,\"qk_nope_head_dim\":12,\"qk_rope_head_dim\":6,"
        "\"v_head_dim\":10,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":40,"
        "\"beta_fast\":32,\"beta_slow\":1,\"mscale\":0.707,\"mscale_all_dim\":0.707,"
        "\"original_max_position_embeddings\":64},\"max_position_embeddings\":2560,"
        "\"rms_norm_eps\":1e-3,\"eos_token_id\":5",
        STORED(VKMOE_DTYPE_BF16, 2), .moe = { "-x" },
        FRAME(40, 1e-3, 1e-3, .max_positions = 2560, .end_tokens = { 5 }, .end_token_count = 1),
        DENSE(3, 3, 18, .norm_epsilon = 1e-6, .scale = 0.37467848030284545,
            .latent = { .rank = 24, .key_size = 12, .value_size = 10, .turned = 6 },
            LATENT_ROPE(6)),
        SILU_EXPERTS(24, 6, 2, SOFTMAX_GATE, .scale = 1.5, .shared_inner = 48),
        WRITTEN_BY(write_latent_attention, write_deepseek)),
    MODEL("deepseek_v3", "deepseek_v3", 32,
        "\"hidden_size\":40,\"intermediate_size\":24,\"moe_intermediate_size\":24,"
        "\"num_hidden_layers\":3,\"n_shared_experts\":1,\"n_routed_experts\":8,"
        "\"num_experts_per_tok\":3,\"n_group\":4,\"topk_group\":2,"
        "\"first_k_dense_replace\":1,\"scoring_func\":\"sigmoid\","
        "\"topk_method\":\"noaux_tc\",\"norm_topk_prob\":true,\"routed_scaling_factor\":2.5,"
        "\"num_attention_heads\":3,\"num_key_value_heads\":3,\"kv_lora_rank\":24,"
        "\"q_lora_rank\":20,\"qk_nope_head_dim\":12,\"qk_rope_head_dim\":8,"
        "\"v_head_dim\":28,\"rope_theta\":10000,\"rope_scaling\":{\"type\":\"yarn\","
        "\"factor\":40,\"beta_fast\":32,\"beta_slow\":1,\"mscale\":1.0,"
        "\"mscale_all_dim\":1.0,\"original_max_position_embeddings\":64},"
        "\"max_position_embeddings\":2560,\"rms_norm_eps\":1e-6,\"attention_bias\":false,"
        "\"num_nextn_predict_layers\":1",
        STORED(VKMOE_DTYPE_F32, 3), .moe = { "-xx" }, .has = HAS_CORRECTION_BIAS,
        FRAME(40, 1e-6, 1e-6, .max_positions = 2560, .end_tokens = { 1 }, .end_token_count = 1),
        DENSE(3, 3, 28, .norm_epsilon = 1e-6, .scale = 0.4190065386983081,
            .latent = { .rank = 24,
                .key_size = 12,
                .value_size = 28,
                .turned = 8,
                .query_rank = 20 },
            LATENT_ROPE(8)),
        SILU_EXPERTS(24, 8, 3, .score = VKMOE_SCORE_SIGMOID,
            .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2, .groups = 4, .groups_kept = 2,
            .renormalize = true, .renormalize_epsilon = 1e-20, .scale = 2.5, .shared_inner = 24),
        WRITTEN_BY(write_latent_attention, write_deepseek)),
    // Tied, with dense blocks between; attention is narrower than the model, and as wide
    // as the vocabulary is large.
    MODEL("switch_transformers", "switch_transformers", 36,
        "\"d_model\":40,\"d_kv\":12,\"num_layers\":4,\"num_decoder_layers\":3,\"d_ff\":56,"
        "\"encoder_sparse_step\":2,\"decoder_sparse_step\":2,\"num_experts\":4,"
        "\"num_heads\":3,\"relative_attention_num_buckets\":8,"
        "\"relative_attention_max_distance\":20,\"layer_norm_epsilon\":1e-5,"
        "\"n_positions\":96,\"decoder_start_token_id\":3,\"is_encoder_decoder\":true",
        STORED(VKMOE_DTYPE_F32, 3), .encoder_blocks = 4, .moe = { "-x-x", "-x-" },
        .has = HAS_TIED_HEAD | HAS_NO_GATE, .buckets = 8, .max_distance = 20,
        FRAME(40, 1e-5, 1e-5, .logits_scale = 0.15811388300841897, .max_positions = 96,
            .end_tokens = { 1 }, .end_token_count = 1, .start_token = 3),
        DENSE(3, 3, 12, .scale = 1.0),
        EXPERTS(56, 4, 1, SOFTMAX_GATE, .capacity = 64, .activation = VKMOE_ACTIVATION_RELU)),
    // With a head of its own, experts everywhere, and as many decoder blocks as the class
    // has them when there is no number; buckets that do not halve
    MODEL("switch_transformers-untied", "switch_transformers", 33,
        "\"d_model\":24,\"d_ff\":20,\"d_kv\":16,\"num_heads\":2,\"num_layers\":2,"
        "\"num_decoder_layers\":null,\"num_sparse_encoder_layers\":2,"
        "\"num_sparse_decoder_layers\":2,\"num_experts\":3,\"expert_capacity\":50,"
        "\"dense_act_fn\":\"gelu_new\",\"relative_attention_num_buckets\":13,"
        "\"relative_attention_max_distance\":9,\"tie_word_embeddings\":false,"
        "\"eos_token_id\":[4,1]",
        STORED(VKMOE_DTYPE_BF16, 2), .encoder_blocks = 2, .moe = { "xx", "xx" }, .has = HAS_NO_GATE,
        .buckets = 13, .max_distance = 9,
        FRAME(24, 1e-6, 1e-6, .max_positions = 512, .end_tokens = { 4, 1 }, .end_token_count = 2,
            .start_token = 0),
        DENSE(2, 2, 16, .scale = 1.0),
        EXPERTS(20, 3, 1, SOFTMAX_GATE, .capacity = 50, .activation = VKMOE_ACTIVATION_GELU_TANH)),
};

const struct whole_family *whole_family_at(uint32_t index)
{
    return index < COUNT(families) ? &families[index] : NULL;
}
