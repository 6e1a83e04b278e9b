// checkpoint_families.c - what is in a checkpoint of each family: config.json, the layer it
// means (semantics.md A.1), and the tensors' names and layouts (A.2).
#include "checkpoint_families.h"

#include <stdio.h>
#include <stdlib.h>

typedef const struct checkpoint_family family_t;
typedef const struct reference_layer layer_t;

#define SHAPE(...) \
    (const uint64_t[]) \
    { \
        __VA_ARGS__ \
    }

static void add(struct writer *w, family_t *family, const char *prefix, const char *name,
    const double *values, uint32_t rank, const uint64_t *shape)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    writer_add(w, full, family->dtype, values, rank, shape);
}

// One tensor per expert; `name` has one %u. NULL values: nothing.
static void add_separate(struct writer *w, family_t *family, const char *prefix, const char *name,
    const double *values, uint32_t experts, uint32_t rows, uint32_t columns)
{
    for (uint32_t e = 0; values && e < experts; e++) {
        char full[128];
        snprintf(full, sizeof full, name, e);
        add(w, family, prefix, full, values + (size_t)e * rows * columns, 2, SHAPE(rows, columns));
    }
}

static void add_experts(struct writer *w, family_t *family, const char *prefix, layer_t *l,
    const char *gate, const char *up, const char *down)
{
    add_separate(w, family, prefix, gate, l->gate, l->experts, l->inner, l->hidden);
    add_separate(w, family, prefix, up, l->up, l->experts, l->inner, l->hidden);
    add_separate(w, family, prefix, down, l->down, l->experts, l->hidden, l->inner);
}

enum fused { CONCATENATED, TRANSPOSED, TRANSPOSED_INTERLEAVED };

// All experts' gate and up in one tensor, down in another.
static void add_fused(struct writer *w, family_t *family, const char *prefix, layer_t *l,
    const char *gate_up, const char *down, enum fused layout)
{
    size_t d = l->hidden, f = l->inner, e_count = l->experts;
    double *both = malloc(e_count * 2 * f * d * sizeof(double));
    double *turned = malloc(e_count * f * d * sizeof(double));
    if (!both || !turned)
        abort();
    for (size_t e = 0; e < e_count; e++) {
        for (size_t i = 0; i < f; i++) {
            for (size_t j = 0; j < d; j++) {
                double g = l->gate[(e * f + i) * d + j], u = l->up[(e * f + i) * d + j];
                double *expert = both + e * 2 * f * d;
                if (layout == CONCATENATED) {
                    expert[i * d + j] = g;
                    expert[(f + i) * d + j] = u;
                } else if (layout == TRANSPOSED) {
                    expert[j * 2 * f + i] = g;
                    expert[j * 2 * f + f + i] = u;
                } else {
                    expert[j * 2 * f + 2 * i] = g;
                    expert[j * 2 * f + 2 * i + 1] = u;
                }
                turned[(e * f + i) * d + j] = l->down[(e * d + j) * f + i];
            }
        }
    }
    if (layout == CONCATENATED) {
        add(w, family, prefix, gate_up, both, 3, SHAPE(e_count, 2 * f, d));
        add(w, family, prefix, down, l->down, 3, SHAPE(e_count, d, f));
    } else {
        add(w, family, prefix, gate_up, both, 3, SHAPE(e_count, d, 2 * f));
        add(w, family, prefix, down, turned, 3, SHAPE(e_count, f, d));
    }
    free(both);
    free(turned);
}

static void add_shared(struct writer *w, family_t *family, const char *prefix, layer_t *l,
    const char *gate, const char *up, const char *down)
{
    if (l->shared_gate)
        add(w, family, prefix, gate, l->shared_gate, 2, SHAPE(l->shared_inner, l->hidden));
    add(w, family, prefix, up, l->shared_up, 2, SHAPE(l->shared_inner, l->hidden));
    add(w, family, prefix, down, l->shared_down, 2, SHAPE(l->hidden, l->shared_inner));
}

static void add_router(
    struct writer *w, family_t *family, const char *prefix, layer_t *l, const char *name)
{
    add(w, family, prefix, name, l->router, 2, SHAPE(l->experts, l->hidden));
}

static void add_correction(
    struct writer *w, family_t *family, const char *prefix, layer_t *l, const char *name)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    writer_add(w, full, family->correction_dtype, l->correction_bias, 1, SHAPE(l->experts));
}

// ------------------------------------------------------------------------ families

static void write_switch(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "mlp.router.classifier.weight");
    if (l->router_bias)
        add(w, f, prefix, "mlp.router.classifier.bias", l->router_bias, 1, SHAPE(l->experts));
    add_experts(
        w, f, prefix, l, "", "mlp.experts.expert_%u.wi.weight", "mlp.experts.expert_%u.wo.weight");
}

static void write_switch_dense(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_experts(w, f, prefix, l, "", "mlp.wi.weight", "mlp.wo.weight");
}

// Qwen, DeepSeek and GLM.
static void write_gated_dense(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_experts(
        w, f, prefix, l, "mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight");
}

static void write_mixtral(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "block_sparse_moe.gate.weight");
    add_experts(w, f, prefix, l, "block_sparse_moe.experts.%u.w1.weight",
        "block_sparse_moe.experts.%u.w3.weight", "block_sparse_moe.experts.%u.w2.weight");
}

static void write_qwen(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "mlp.gate.weight");
    add_experts(w, f, prefix, l, "mlp.experts.%u.gate_proj.weight", "mlp.experts.%u.up_proj.weight",
        "mlp.experts.%u.down_proj.weight");
    if (!l->shared_inner)
        return;
    add_shared(w, f, prefix, l, "mlp.shared_expert.gate_proj.weight",
        "mlp.shared_expert.up_proj.weight", "mlp.shared_expert.down_proj.weight");
    add(w, f, prefix, "mlp.shared_expert_gate.weight", l->shared_token_gate, 2,
        SHAPE(1, l->hidden));
}

// DeepSeek and GLM.
static void write_deepseek(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "mlp.gate.weight");
    if (l->correction_bias)
        add_correction(w, f, prefix, l, "mlp.gate.e_score_correction_bias");
    add_experts(w, f, prefix, l, "mlp.experts.%u.gate_proj.weight", "mlp.experts.%u.up_proj.weight",
        "mlp.experts.%u.down_proj.weight");
    add_shared(w, f, prefix, l, "mlp.shared_experts.gate_proj.weight",
        "mlp.shared_experts.up_proj.weight", "mlp.shared_experts.down_proj.weight");
}

static void write_gpt_oss(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "mlp.router.weight");
    add(w, f, prefix, "mlp.router.bias", l->router_bias, 1, SHAPE(l->experts));
    add_fused(w, f, prefix, l, "mlp.experts.gate_up_proj", "mlp.experts.down_proj",
        TRANSPOSED_INTERLEAVED);
    size_t count = (size_t)l->experts * l->inner;
    double *bias = malloc(2 * count * sizeof(double));
    if (!bias)
        abort();
    for (size_t i = 0; i < count; i++) { // rows of 2 inner: gate even, up odd
        bias[2 * i] = l->gate_bias[i];
        bias[2 * i + 1] = l->up_bias[i];
    }
    add(w, f, prefix, "mlp.experts.gate_up_proj_bias", bias, 2, SHAPE(l->experts, 2 * l->inner));
    add(w, f, prefix, "mlp.experts.down_proj_bias", l->down_bias, 2, SHAPE(l->experts, l->hidden));
    free(bias);
}

static void write_llama4(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "feed_forward.router.weight");
    add_fused(w, f, prefix, l, "feed_forward.experts.gate_up_proj",
        "feed_forward.experts.down_proj", TRANSPOSED);
    add_shared(w, f, prefix, l, "feed_forward.shared_expert.gate_proj.weight",
        "feed_forward.shared_expert.up_proj.weight", "feed_forward.shared_expert.down_proj.weight");
}

static void write_granite(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "block_sparse_moe.router.layer.weight");
    add_fused(w, f, prefix, l, "block_sparse_moe.input_linear.weight",
        "block_sparse_moe.output_linear.weight", CONCATENATED);
    if (!l->shared_inner)
        return;
    size_t count = (size_t)l->shared_inner * l->hidden;
    double *both = malloc(2 * count * sizeof(double));
    if (!both)
        abort();
    for (size_t i = 0; i < count; i++) {
        both[i] = l->shared_gate[i];
        both[count + i] = l->shared_up[i];
    }
    add(w, f, prefix, "shared_mlp.input_linear.weight", both, 2,
        SHAPE(2 * l->shared_inner, l->hidden));
    add(w, f, prefix, "shared_mlp.output_linear.weight", l->shared_down, 2,
        SHAPE(l->hidden, l->shared_inner));
    free(both);
}

static void write_jetmoe(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "mlp.router.layer.weight");
    add_fused(w, f, prefix, l, "mlp.input_linear.weight", "mlp.output_linear.weight", CONCATENATED);
    add(w, f, prefix, "mlp.bias", l->output_bias, 1, SHAPE(l->hidden));
}

static void write_jamba(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "feed_forward.router.weight");
    add_experts(w, f, prefix, l, "feed_forward.experts.%u.gate_proj.weight",
        "feed_forward.experts.%u.up_proj.weight", "feed_forward.experts.%u.down_proj.weight");
}

static void write_nemotron(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "mixer.gate.weight");
    add_correction(w, f, prefix, l, "mixer.gate.e_score_correction_bias");
    add_experts(w, f, prefix, l, "", "mixer.experts.%u.up_proj.weight",
        "mixer.experts.%u.down_proj.weight");
    add_shared(w, f, prefix, l, "", "mixer.shared_experts.up_proj.weight",
        "mixer.shared_experts.down_proj.weight");
}

static void write_gemma4(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "router.proj.weight");
    add(w, f, prefix, "router.scale", l->input_scale, 1, SHAPE(l->hidden));
    add(w, f, prefix, "router.per_expert_scale", l->expert_scale, 1, SHAPE(l->experts));
    add_fused(w, f, prefix, l, "experts.gate_up_proj", "experts.down_proj", CONCATENATED);
}

static void write_lfm2(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    add_router(w, f, prefix, l, "feed_forward.gate.weight");
    if (l->correction_bias)
        add_correction(w, f, prefix, l, "feed_forward.expert_bias");
    add_experts(w, f, prefix, l, "feed_forward.experts.%u.w1.weight",
        "feed_forward.experts.%u.w3.weight", "feed_forward.experts.%u.w2.weight");
}

// --------------------------------------------------------------------------- table

#define MODEL_PREFIX \
    { \
        "model.layers.%u.", NULL \
    }

const struct checkpoint_family checkpoint_families[] = {
    {
        .name = "switch_transformers-encoder",
        .config = "{\"model_type\":\"switch_transformers\",\"d_model\":40,\"d_ff\":56,"
                  "\"num_layers\":4,\"num_decoder_layers\":2,\"num_sparse_encoder_layers\":2,"
                  "\"num_sparse_decoder_layers\":1,\"num_experts\":6,\"expert_capacity\":3,"
                  "\"dense_act_fn\":\"relu\",\"is_gated_act\":false,\"vocab_size\":19}",
        .dtype = VKMOE_DTYPE_F32,
        .files = 1,
        .moe = { "-x-x", "-x" },
        .block = { .index = 3 },
        .vocabulary = 19,
        .layer = { .hidden = 40,
            .inner = 56,
            .experts = 6,
            .experts_per_token = 1,
            .score = VKMOE_SCORE_SOFTMAX,
            .capacity = 3,
            .activation = VKMOE_ACTIVATION_RELU },
        .write = write_switch,
        .prefix = { "encoder.block.%u.layer.1.", "decoder.block.%u.layer.2." },
        .dense_inner = 56,
        .write_dense = write_switch_dense,
    },
    {
        .name = "switch_transformers-decoder",
        .config = "{\"model_type\":\"switch_transformers\",\"d_model\":32,\"d_ff\":48,"
                  "\"num_layers\":2,\"num_decoder_layers\":3,\"encoder_sparse_step\":2,"
                  "\"decoder_sparse_step\":1,\"num_sparse_encoder_layers\":1,"
                  "\"num_sparse_decoder_layers\":1,\"num_experts\":4,\"router_bias\":true,"
                  "\"dense_act_fn\":\"gelu_new\",\"vocab_size\":19}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .moe = { "-x", "xxx" },
        .block = { .index = 2, .part = VKMOE_PART_DECODER },
        .vocabulary = 19,
        .arrays = HAS_ROUTER_BIAS,
        .layer = { .hidden = 32,
            .inner = 48,
            .experts = 4,
            .experts_per_token = 1,
            .score = VKMOE_SCORE_SOFTMAX,
            .capacity = 64,
            .activation = VKMOE_ACTIVATION_GELU_TANH },
        .write = write_switch,
        .prefix = { "encoder.block.%u.layer.1.", "decoder.block.%u.layer.2." },
        .dense_inner = 48,
        .write_dense = write_switch_dense,
    },
    {
        .name = "mixtral",
        .config = "{\"model_type\":\"mixtral\",\"hidden_size\":48,\"intermediate_size\":64,"
                  "\"num_hidden_layers\":2,\"num_local_experts\":8,\"num_experts_per_tok\":2,"
                  "\"hidden_act\":\"silu\",\"router_jitter_noise\":0.01,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .moe = { "xx" },
        .block = { .index = 1 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 48,
            .inner = 64,
            .experts = 8,
            .experts_per_token = 2,
            .score = VKMOE_SCORE_SOFTMAX,
            .renormalize = true,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_mixtral,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "mixtral-sharded",
        .config = "{\"model_type\":\"mixtral\",\"hidden_size\":33,\"intermediate_size\":17,"
                  "\"num_hidden_layers\":3,\"num_local_experts\":5,\"num_experts_per_tok\":3,"
                  "\"hidden_act\":\"gelu\",\"sliding_window\":null,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F16,
        .files = 2,
        .misaligned = 3,
        .moe = { "xxx" },
        .block = { .index = 2 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 33,
            .inner = 17,
            .experts = 5,
            .experts_per_token = 3,
            .score = VKMOE_SCORE_SOFTMAX,
            .renormalize = true,
            .activation = VKMOE_ACTIVATION_GELU_ERF },
        .write = write_mixtral,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "qwen2_moe",
        .config = "{\"model_type\":\"qwen2_moe\",\"hidden_size\":40,\"intermediate_size\":99,"
                  "\"moe_intermediate_size\":24,\"shared_expert_intermediate_size\":56,"
                  "\"num_hidden_layers\":4,\"decoder_sparse_step\":2,\"mlp_only_layers\":[3],"
                  "\"num_experts\":12,\"num_experts_per_tok\":4,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .misaligned = 1,
        .moe = { "-x--" },
        .block = { .index = 1 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_SHARED_GATE | HAS_TOKEN_GATE,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 12,
            .experts_per_token = 4,
            .score = VKMOE_SCORE_SOFTMAX,
            .shared_inner = 56,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_qwen,
        .prefix = MODEL_PREFIX,
        .dense_inner = 99,
        .write_dense = write_gated_dense,
    },
    {
        .name = "qwen3_moe",
        .config = "{\"model_type\":\"qwen3_moe\",\"hidden_size\":64,\"intermediate_size\":99,"
                  "\"moe_intermediate_size\":24,\"num_hidden_layers\":3,\"mlp_only_layers\":[2],"
                  "\"num_experts\":16,\"num_experts_per_tok\":8,\"norm_topk_prob\":true,"
                  "\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 2,
        .moe = { "xx-" },
        .block = { .index = 0 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 64,
            .inner = 24,
            .experts = 16,
            .experts_per_token = 8,
            .score = VKMOE_SCORE_SOFTMAX,
            .renormalize = true,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_qwen,
        .prefix = MODEL_PREFIX,
        .dense_inner = 99,
        .write_dense = write_gated_dense,
    },
    {
        .name = "olmoe",
        .config = "{\"model_type\":\"olmoe\",\"hidden_size\":48,\"intermediate_size\":32,"
                  "\"num_hidden_layers\":1,\"num_experts\":16,\"num_experts_per_tok\":8,"
                  "\"norm_topk_prob\":false,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F32,
        .files = 1,
        .misaligned = 5,
        .moe = { "x" },
        .block = { .index = 0 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 48,
            .inner = 32,
            .experts = 16,
            .experts_per_token = 8,
            .score = VKMOE_SCORE_SOFTMAX,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_qwen,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "deepseek_v2",
        .config = "{\"model_type\":\"deepseek_v2\",\"hidden_size\":40,\"intermediate_size\":99,"
                  "\"moe_intermediate_size\":24,\"n_shared_experts\":2,\"n_routed_experts\":12,"
                  "\"num_experts_per_tok\":6,\"num_hidden_layers\":3,\"first_k_dense_replace\":1,"
                  "\"moe_layer_freq\":1,\"n_group\":1,\"topk_group\":1,\"topk_method\":\"greedy\","
                  "\"scoring_func\":\"softmax\",\"norm_topk_prob\":false,"
                  "\"routed_scaling_factor\":2.0,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .moe = { "-xx" },
        .block = { .index = 2 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_SHARED_GATE,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 12,
            .experts_per_token = 6,
            .score = VKMOE_SCORE_SOFTMAX,
            .scale = 2.0,
            .shared_inner = 48,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_deepseek,
        .prefix = MODEL_PREFIX,
        .dense_inner = 99,
        .write_dense = write_gated_dense,
    },
    {
        .name = "deepseek_v2-grouped",
        .config = "{\"model_type\":\"deepseek_v2\",\"hidden_size\":40,"
                  "\"moe_intermediate_size\":24,\"n_shared_experts\":1,\"n_routed_experts\":16,"
                  "\"num_experts_per_tok\":3,\"num_hidden_layers\":2,\"first_k_dense_replace\":0,"
                  "\"moe_layer_freq\":1,\"n_group\":4,\"topk_group\":2,"
                  "\"topk_method\":\"group_limited_greedy\",\"norm_topk_prob\":false,"
                  "\"routed_scaling_factor\":16.0,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F32,
        .files = 1,
        .moe = { "xx" },
        .block = { .index = 1 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_SHARED_GATE,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 16,
            .experts_per_token = 3,
            .score = VKMOE_SCORE_SOFTMAX,
            .group_score = VKMOE_GROUP_SCORE_MAX,
            .groups = 4,
            .groups_kept = 2,
            .group_mask_zero = true,
            .scale = 16.0,
            .shared_inner = 24,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_deepseek,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "deepseek_v2-renormalized", // and then the scale does not apply
        .config = "{\"model_type\":\"deepseek_v2\",\"hidden_size\":24,"
                  "\"intermediate_size\":44,"
                  "\"moe_intermediate_size\":16,\"n_shared_experts\":1,\"n_routed_experts\":8,"
                  "\"num_experts_per_tok\":3,\"num_hidden_layers\":3,\"first_k_dense_replace\":1,"
                  "\"moe_layer_freq\":2,\"topk_method\":\"greedy\",\"norm_topk_prob\":true,"
                  "\"routed_scaling_factor\":16.0,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F32,
        .files = 1,
        .moe = { "--x" },
        .block = { .index = 2 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_SHARED_GATE,
        .layer = { .hidden = 24,
            .inner = 16,
            .experts = 8,
            .experts_per_token = 3,
            .score = VKMOE_SCORE_SOFTMAX,
            .renormalize = true,
            .renormalize_epsilon = 1e-20,
            .scale = 1.0,
            .shared_inner = 16,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_deepseek,
        .prefix = MODEL_PREFIX,
        .dense_inner = 44,
        .write_dense = write_gated_dense,
    },
    {
        .name = "deepseek_v3",
        .config =
            "{\"model_type\":\"deepseek_v3\",\"hidden_size\":56,\"intermediate_size\":99,"
            "\"moe_intermediate_size\":24,\"n_shared_experts\":1,\"n_routed_experts\":32,"
            "\"num_experts_per_tok\":8,\"num_hidden_layers\":5,\"first_k_dense_replace\":3,"
            "\"moe_layer_freq\":1,\"n_group\":8,\"topk_group\":4,\"topk_method\":\"noaux_tc\","
            "\"scoring_func\":\"sigmoid\",\"norm_topk_prob\":true,"
            "\"routed_scaling_factor\":2.5,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .correction_dtype = VKMOE_DTYPE_F32,
        .files = 2,
        .misaligned = 1,
        .moe = { "---xx" },
        .block = { .index = 4 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_SHARED_GATE | HAS_CORRECTION_BIAS,
        .layer = { .hidden = 56,
            .inner = 24,
            .experts = 32,
            .experts_per_token = 8,
            .score = VKMOE_SCORE_SIGMOID,
            .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2,
            .groups = 8,
            .groups_kept = 4,
            .renormalize = true,
            .renormalize_epsilon = 1e-20,
            .scale = 2.5,
            .shared_inner = 24,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_deepseek,
        .prefix = MODEL_PREFIX,
        .dense_inner = 99,
        .write_dense = write_gated_dense,
    },
    {
        .name = "glm4_moe",
        .config = "{\"model_type\":\"glm4_moe\",\"hidden_size\":40,\"intermediate_size\":99,"
                  "\"moe_intermediate_size\":24,\"n_shared_experts\":1,\"n_routed_experts\":12,"
                  "\"num_experts_per_tok\":3,\"num_hidden_layers\":3,\"first_k_dense_replace\":1,"
                  "\"n_group\":1,\"topk_group\":1,\"norm_topk_prob\":true,"
                  "\"routed_scaling_factor\":1.5,\"num_nextn_predict_layers\":1,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .correction_dtype = VKMOE_DTYPE_F32,
        .files = 1,
        .moe = { "-xx" },
        .block = { .index = 1 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_SHARED_GATE | HAS_CORRECTION_BIAS,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 12,
            .experts_per_token = 3,
            .score = VKMOE_SCORE_SIGMOID,
            .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2,
            .renormalize = true,
            .renormalize_epsilon = 1e-20,
            .scale = 1.5,
            .shared_inner = 24,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_deepseek,
        .prefix = MODEL_PREFIX,
        .dense_inner = 99,
        .write_dense = write_gated_dense,
    },
    {
        .name = "gpt_oss",
        .config = "{\"model_type\":\"gpt_oss\",\"hidden_size\":40,\"intermediate_size\":40,"
                  "\"num_hidden_layers\":2,\"num_local_experts\":8,\"num_experts_per_tok\":4,"
                  "\"experts_per_token\":4,\"hidden_act\":\"silu\",\"swiglu_limit\":3.0,"
                  "\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .misaligned = 7,
        .moe = { "xx" },
        .block = { .index = 1 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_ROUTER_BIAS | HAS_GATE_UP_BIAS | HAS_DOWN_BIAS,
        .layer = { .hidden = 40,
            .inner = 40,
            .experts = 8,
            .experts_per_token = 4,
            .score = VKMOE_SCORE_IDENTITY,
            .weigh = VKMOE_WEIGH_SOFTMAX,
            .activation = VKMOE_ACTIVATION_SWIGLU_OAI,
            .activation_alpha = 1.702,
            .activation_limit = 3.0 },
        .write = write_gpt_oss,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "llama4",
        .config = "{\"model_type\":\"llama4\",\"text_config\":{\"model_type\":\"llama4_text\","
                  "\"hidden_size\":40,\"intermediate_size\":24,\"intermediate_size_mlp\":99,"
                  "\"num_hidden_layers\":4,\"interleave_moe_layer_step\":2,\"num_local_experts\":8,"
                  "\"num_experts_per_tok\":1,\"hidden_act\":\"silu\",\"vocab_size\":32},"
                  "\"vision_config\":{\"hidden_size\":7}}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .moe = { "-x-x" },
        .block = { .index = 1 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_SHARED_GATE,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 8,
            .experts_per_token = 1,
            .score = VKMOE_SCORE_IDENTITY,
            .weigh = VKMOE_WEIGH_SIGMOID,
            .shared_inner = 24,
            .weight_on_input = true,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_llama4,
        .prefix = { "language_model.model.layers.%u.", NULL },
    },
    {
        .name = "llama4_text",
        .config = "{\"model_type\":\"llama4_text\",\"hidden_size\":24,\"intermediate_size\":40,"
                  "\"num_hidden_layers\":3,\"moe_layers\":[0,2],\"num_local_experts\":4,"
                  "\"num_experts_per_tok\":2,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F16,
        .files = 1,
        .moe = { "x-x" },
        .block = { .index = 2 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_SHARED_GATE,
        .layer = { .hidden = 24,
            .inner = 40,
            .experts = 4,
            .experts_per_token = 2,
            .score = VKMOE_SCORE_IDENTITY,
            .weigh = VKMOE_WEIGH_SIGMOID,
            .shared_inner = 40,
            .weight_on_input = true,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_llama4,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "phimoe",
        .config = "{\"model_type\":\"phimoe\",\"hidden_size\":40,\"intermediate_size\":48,"
                  "\"num_hidden_layers\":1,\"num_local_experts\":16,\"num_experts_per_tok\":2,"
                  "\"router_jitter_noise\":0.2,\"input_jitter_noise\":0.01,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .moe = { "x" },
        .block = { .index = 0 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 40,
            .inner = 48,
            .experts = 16,
            .experts_per_token = 2,
            .score = VKMOE_SCORE_IDENTITY,
            .select = VKMOE_SELECT_SPARSEMIXER,
            .sparsemixer_threshold = 0.4,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_mixtral,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "granitemoe",
        .config = "{\"model_type\":\"granitemoe\",\"hidden_size\":40,\"intermediate_size\":24,"
                  "\"num_hidden_layers\":2,\"num_local_experts\":8,\"num_experts_per_tok\":3,"
                  "\"residual_multiplier\":0.22,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F32,
        .files = 1,
        .moe = { "xx" },
        .block = { .index = 0 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 8,
            .experts_per_token = 3,
            .score = VKMOE_SCORE_IDENTITY,
            .weigh = VKMOE_WEIGH_SOFTMAX,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_granite,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "granitemoehybrid",
        .config =
            "{\"model_type\":\"granitemoehybrid\",\"hidden_size\":40,"
            "\"intermediate_size\":24,\"shared_intermediate_size\":56,\"num_hidden_layers\":2,"
            "\"num_local_experts\":8,\"num_experts_per_tok\":3,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .moe = { "xx" },
        .block = { .index = 1 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_SHARED_GATE,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 8,
            .experts_per_token = 3,
            .score = VKMOE_SCORE_IDENTITY,
            .weigh = VKMOE_WEIGH_SOFTMAX,
            .shared_inner = 56,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_granite,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "jetmoe",
        .config = "{\"model_type\":\"jetmoe\",\"hidden_size\":40,\"intermediate_size\":24,"
                  "\"num_hidden_layers\":2,\"num_local_experts\":8,\"num_experts_per_tok\":2,"
                  "\"activation_function\":\"silu\",\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F16,
        .files = 1,
        .misaligned = 1,
        .moe = { "xx" },
        .block = { .index = 1 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_OUTPUT_BIAS,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 8,
            .experts_per_token = 2,
            .score = VKMOE_SCORE_IDENTITY,
            .weigh = VKMOE_WEIGH_SOFTMAX,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_jetmoe,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "jamba",
        .config = "{\"model_type\":\"jamba\",\"hidden_size\":40,\"intermediate_size\":48,"
                  "\"num_hidden_layers\":5,\"num_experts\":8,\"num_experts_per_tok\":2,"
                  "\"expert_layer_period\":3,\"expert_layer_offset\":1,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .moe = { "-x--x" },
        .block = { .index = 4 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 40,
            .inner = 48,
            .experts = 8,
            .experts_per_token = 2,
            .score = VKMOE_SCORE_SOFTMAX,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_jamba,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "nemotron_h",
        .config = "{\"model_type\":\"nemotron_h\",\"hidden_size\":40,\"intermediate_size\":24,"
                  "\"moe_intermediate_size\":24,\"moe_shared_expert_intermediate_size\":56,"
                  "\"n_shared_experts\":1,\"n_routed_experts\":12,\"num_experts_per_tok\":4,"
                  "\"num_hidden_layers\":6,\"hybrid_override_pattern\":\"MEM*-E\",\"n_group\":1,"
                  "\"topk_group\":1,\"norm_topk_prob\":true,\"routed_scaling_factor\":2.5,"
                  "\"mlp_hidden_act\":\"relu2\",\"mlp_bias\":false,\"moe_latent_size\":null,"
                  "\"time_step_limit\":[0.0,Infinity],\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .correction_dtype = VKMOE_DTYPE_F32,
        .files = 1,
        .moe = { "-x---x" },
        .block = { .index = 5 },
        .vocabulary = 32,
        .arrays = HAS_CORRECTION_BIAS,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 12,
            .experts_per_token = 4,
            .score = VKMOE_SCORE_SIGMOID,
            .group_score = VKMOE_GROUP_SCORE_SUM_TOP_2,
            .renormalize = true,
            .renormalize_epsilon = 1e-20,
            .scale = 2.5,
            .shared_inner = 56,
            .activation = VKMOE_ACTIVATION_RELU2 },
        .write = write_nemotron,
        .prefix = { "backbone.layers.%u.", NULL },
    },
    {
        .name = "gemma4",
        .config = "{\"model_type\":\"gemma4\",\"text_config\":{\"model_type\":\"gemma4_text\","
                  "\"hidden_size\":40,\"intermediate_size\":99,\"moe_intermediate_size\":24,"
                  "\"num_hidden_layers\":2,\"num_experts\":8,\"top_k_experts\":3,"
                  "\"enable_moe_block\":true,\"rms_norm_eps\":1e-5,"
                  "\"hidden_activation\":\"gelu_pytorch_tanh\",\"vocab_size\":32},"
                  "\"vision_config\":null}",
        .dtype = VKMOE_DTYPE_BF16,
        .files = 1,
        .misaligned = 3,
        .moe = { "xx" },
        .block = { .index = 1 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_INPUT_SCALE | HAS_EXPERT_SCALE,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 8,
            .experts_per_token = 3,
            .score = VKMOE_SCORE_SOFTMAX,
            .renormalize = true,
            .rms_norm = true,
            .rms_epsilon = 1e-5,
            .activation = VKMOE_ACTIVATION_GELU_TANH },
        .write = write_gemma4,
        .prefix = { "model.language_model.layers.%u.", NULL },
    },
    {
        .name = "lfm2_moe",
        .config = "{\"model_type\":\"lfm2_moe\",\"hidden_size\":40,\"intermediate_size\":99,"
                  "\"moe_intermediate_size\":24,\"num_hidden_layers\":4,\"num_dense_layers\":2,"
                  "\"num_experts\":8,\"num_experts_per_tok\":4,\"use_expert_bias\":true,"
                  "\"norm_topk_prob\":true,\"routed_scaling_factor\":1.25,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .correction_dtype = VKMOE_DTYPE_F32,
        .files = 1,
        .moe = { "--xx" },
        .block = { .index = 3 },
        .vocabulary = 32,
        .arrays = HAS_GATE | HAS_CORRECTION_BIAS,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 8,
            .experts_per_token = 4,
            .score = VKMOE_SCORE_SIGMOID,
            .renormalize = true,
            .renormalize_epsilon = 1e-6,
            .scale = 1.25,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_lfm2,
        .prefix = MODEL_PREFIX,
    },
    {
        .name = "lfm2_moe-unbiased",
        .config = "{\"model_type\":\"lfm2_moe\",\"hidden_size\":40,"
                  "\"moe_intermediate_size\":24,\"num_hidden_layers\":1,\"num_dense_layers\":0,"
                  "\"num_experts\":8,\"num_experts_per_tok\":1,\"use_expert_bias\":false,"
                  "\"norm_topk_prob\":false,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F16,
        .files = 1,
        .moe = { "x" },
        .block = { .index = 0 },
        .vocabulary = 32,
        .arrays = HAS_GATE,
        .layer = { .hidden = 40,
            .inner = 24,
            .experts = 8,
            .experts_per_token = 1,
            .score = VKMOE_SCORE_SIGMOID,
            .renormalize_epsilon = 1e-6,
            .scale = 1.0,
            .activation = VKMOE_ACTIVATION_SILU },
        .write = write_lfm2,
        .prefix = MODEL_PREFIX,
    },
};

const uint32_t checkpoint_family_count =
    sizeof(checkpoint_families) / sizeof(checkpoint_families[0]);
