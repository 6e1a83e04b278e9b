// whole_writers.c - see whole_families.h: the tensors of each family's attention and experts, under
// their published names.
#include "whole_families.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor_names.h"

void whole_write_dense_attention(struct file *file, const struct reference_attention *a)
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
    // Hunyuan's norms, which come later than others', have longer names, too.
    const bool after = a->norm_after_rope;
    whole_add(file, after ? "self_attn.query_layernorm.weight" : "self_attn.q_norm.weight",
        a->query_norm, SHAPE(a->norm_wide ? width : a->head_size));
    whole_add(file, after ? "self_attn.key_layernorm.weight" : "self_attn.k_norm.weight",
        a->key_norm, SHAPE(a->norm_wide ? kv_width : a->head_size));
    whole_add(file, "self_attn.sinks", a->sinks, SHAPE(a->heads));
    whole_add(file, "self_attn.gate_proj.weight", a->gate, SHAPE(width, a->hidden));
}

// Queries, keys and values in one matrix.
static void write_fused(
    struct file *file, const struct reference_attention *a, const char *inputs, const char *output)
{
    const size_t width = a->heads * a->head_size, kv = a->kv_heads * a->head_size, d = a->hidden;
    double *all = allocate((width + 2 * kv) * d, sizeof(double));
    memcpy(all, a->query, width * d * sizeof(double));
    memcpy(all + width * d, a->key, kv * d * sizeof(double));
    memcpy(all + (width + kv) * d, a->value, kv * d * sizeof(double));
    whole_add(file, inputs, all, SHAPE(width + 2 * kv, d));
    whole_add(file, output, a->output, SHAPE(d, width));
    free(all);
}

// As Ling has them.
void whole_write_fused_attention(struct file *file, const struct reference_attention *a)
{
    write_fused(file, a, "attention.query_key_value.weight", "attention.dense.weight");
    whole_add(file, "attention.query_layernorm.weight", a->query_norm, SHAPE(a->head_size));
    whole_add(file, "attention.key_layernorm.weight", a->key_norm, SHAPE(a->head_size));
}

void whole_write_dbrx_attention(struct file *file, const struct reference_attention *a)
{
    write_fused(file, a, "norm_attn_norm.attn.Wqkv.weight", "norm_attn_norm.attn.out_proj.weight");
}

// Keys and values of a head next to each other, the former transposed.
void whole_write_latent_attention(struct file *file, const struct reference_attention *a)
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

void whole_write_routed_attention(struct file *file, const struct reference_attention *a)
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

static void write_shared(struct file *file, const struct reference_layer *l, const char *gate,
    const char *up, const char *down)
{
    whole_add(file, gate, l->shared_gate, SHAPE(l->shared_inner, l->hidden));
    whole_add(file, up, l->shared_up, SHAPE(l->shared_inner, l->hidden));
    whole_add(file, down, l->shared_down, SHAPE(l->hidden, l->shared_inner));
}

void whole_write_mixtral(struct file *file, const struct reference_layer *l)
{
    whole_add(file, "block_sparse_moe.gate.weight", l->router, SHAPE(l->experts, l->hidden));
    write_separate(file, l, W1_W3_W2("block_sparse_moe.experts.%u"));
}

void whole_write_grok(struct file *file, const struct reference_layer *l)
{
    whole_write_mixtral(file, l);
    write_shared(file, l, GATE_UP_DOWN("mlp"));
}

void whole_write_minimax(struct file *file, const struct reference_layer *l)
{
    whole_write_mixtral(file, l);
    whole_add(
        file, "block_sparse_moe.e_score_correction_bias", l->correction_bias, SHAPE(l->experts));
}

void whole_write_qwen(struct file *file, const struct reference_layer *l)
{
    whole_add(file, "mlp.gate.weight", l->router, SHAPE(l->experts, l->hidden));
    write_separate(file, l, GATE_UP_DOWN("mlp.experts.%u"));
    if (!l->shared_token_gate)
        return;
    write_shared(file, l, GATE_UP_DOWN("mlp.shared_expert"));
    whole_add(file, "mlp.shared_expert_gate.weight", l->shared_token_gate, SHAPE(1, l->hidden));
}

// Instead of experts, if these are none: true.
static bool write_dense(struct file *file, const struct reference_layer *l)
{
    if (!l->router)
        write_separate(file, l, GATE_UP_DOWN("mlp"));
    return !l->router;
}

void whole_write_hunyuan(struct file *file, const struct reference_layer *l)
{
    if (write_dense(file, l))
        return;
    whole_add(file, "mlp.gate.wg.weight", l->router, SHAPE(l->experts, l->hidden));
    write_separate(file, l, GATE_UP_DOWN("mlp.experts.%u"));
    write_shared(file, l, GATE_UP_DOWN("mlp.shared_mlp"));
}

void whole_write_afmoe(struct file *file, const struct reference_layer *l)
{
    if (write_dense(file, l))
        return;
    whole_add(file, "mlp.router.gate.weight", l->router, SHAPE(l->experts, l->hidden));
    whole_add(file, "mlp.expert_bias", l->correction_bias, SHAPE(l->experts));
    write_separate(file, l, GATE_UP_DOWN("mlp.experts.%u"));
    write_shared(file, l, GATE_UP_DOWN("mlp.shared_experts"));
}

// With a dense network in some blocks.
static void write_corrected(
    struct file *file, const struct reference_layer *l, const char *correction, uint32_t rows)
{
    if (write_dense(file, l))
        return;
    whole_write_qwen(file, l);
    whole_add(
        file, correction, l->correction_bias, rows ? SHAPE(rows, l->experts) : SHAPE(l->experts));
    if (l->shared_inner)
        write_shared(file, l, GATE_UP_DOWN("mlp.shared_experts"));
}

void whole_write_deepseek(struct file *file, const struct reference_layer *l)
{
    write_corrected(file, l, "mlp.gate.e_score_correction_bias", 0);
}

void whole_write_ernie(struct file *file, const struct reference_layer *l)
{
    write_corrected(file, l, "mlp.moe_statics.e_score_correction_bias", 1);
}

void whole_write_bailing(struct file *file, const struct reference_layer *l)
{
    write_corrected(file, l, "mlp.gate.expert_bias", 0);
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

void whole_write_granite(struct file *file, const struct reference_layer *l)
{
    write_stacked(file, l, "block_sparse_moe");
    if (!l->shared_inner)
        return;
    const size_t size = (size_t)l->shared_inner * l->hidden;
    double *both = allocate(2 * size, sizeof(double));
    memcpy(both, l->shared_gate, size * sizeof(double));
    memcpy(both + size, l->shared_up, size * sizeof(double));
    whole_add(file, "shared_mlp.input_linear.weight", both, SHAPE(2 * l->shared_inner, l->hidden));
    whole_add(
        file, "shared_mlp.output_linear.weight", l->shared_down, SHAPE(l->hidden, l->shared_inner));
    free(both);
}

void whole_write_jetmoe(struct file *file, const struct reference_layer *l)
{
    write_stacked(file, l, "mlp");
}

// [experts][in][out], gate and up taking turns.
void whole_write_gpt_oss(struct file *file, const struct reference_layer *l)
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

// All experts one below the other, down transposed.
void whole_write_dbrx(struct file *file, const struct reference_layer *l)
{
    const size_t d = l->hidden, f = l->inner, experts = l->experts;
    double *down = allocate(experts * f * d, sizeof(double));
    for (size_t i = 0; i < experts * f * d; i++)
        down[i] = l->down[(i / d / f * d + i % d) * f + i / d % f];
    whole_add(file, "ffn.router.layer.weight", l->router, SHAPE(experts, d));
    whole_add(file, "ffn.experts.mlp.w1", l->gate, SHAPE(experts * f, d));
    whole_add(file, "ffn.experts.mlp.v1", l->up, SHAPE(experts * f, d));
    whole_add(file, "ffn.experts.mlp.w2", down, SHAPE(experts * f, d));
    free(down);
}

// The norms of queries and keys have no weights.
void whole_write_llama4_attention(struct file *file, const struct reference_attention *a)
{
    struct reference_attention without = *a;
    without.query_norm = without.key_norm = NULL;
    whole_write_dense_attention(file, &without);
}

// [experts][in][out], gate before up; in dense blocks as ever.
void whole_write_llama4(struct file *file, const struct reference_layer *l)
{
    const size_t d = l->hidden, f = l->inner, experts = l->experts;
    if (!l->router) {
        write_separate(file, l, GATE_UP_DOWN("feed_forward"));
        return;
    }
    double *both = allocate(2 * experts * d * f, sizeof(double));
    double *down = allocate(experts * d * f, sizeof(double));
    for (size_t i = 0; i < experts * d * f; i++) {
        const size_t e = i / (d * f), in = i / f % d, out = i % f;
        both[(e * d + in) * 2 * f + out] = l->gate[(e * f + out) * d + in];
        both[(e * d + in) * 2 * f + f + out] = l->up[(e * f + out) * d + in];
        down[(e * f + out) * d + in] = l->down[(e * d + in) * f + out];
    }
    whole_add(file, "feed_forward.router.weight", l->router, SHAPE(experts, d));
    whole_add(file, "feed_forward.experts.gate_up_proj", both, SHAPE(experts, d, 2 * f));
    whole_add(file, "feed_forward.experts.down_proj", down, SHAPE(experts, f, d));
    write_shared(file, l, GATE_UP_DOWN("feed_forward.shared_expert"));
    free(both);
    free(down);
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
