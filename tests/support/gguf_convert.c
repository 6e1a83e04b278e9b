// gguf_convert.c - see gguf_writer.h: what llama.cpp's converters do, from a checkpoint's views.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "gguf_writer.h"
#include "attention_reference.h"
#include "tap.h"

#define SHAPE(...) \
    (const uint64_t[4]) \
    { \
        __VA_ARGS__ \
    }

enum { MAX_PARTS = 3 };

static const struct architecture {
    const char *family, *name;
    bool pairs; // rows of queries and keys are reordered, so that what RoPE pairs are neighbours
    bool granite, own_inner;
    bool unit_norms; // of queries and keys, without tensors
    bool gate_keys;  // which say how the gate computes
    bool cohere;     // a norm for each block, windows with a period, shared experts averaged
    bool centered;   // LayerNorms have a key of their own, and queries, keys and values are fused
    bool grok;       // scales and caps, the norm behind attention and the shared expert
    bool deepseek;   // and if experts are fused, keys and values of heads as in old files
    const char *experts_norm;
    bool name_only; // files of it are not made here
} architectures[] = {
    { "mixtral", "llama", .pairs = true },
    { "olmoe", "olmoe" },
    { "qwen3_moe", "qwen3moe", .own_inner = true },
    { "gpt_oss", "gpt-oss", .own_inner = true, .experts_norm = "post_attention_norm.weight" },
    { "granitemoe", "granitemoe", .pairs = true, .granite = true },
    { "phimoe", "phimoe" },
    { "dbrx", "dbrx", .centered = true, .experts_norm = "attn_output_norm.weight" },
    { "grok", "grok", .own_inner = true, .grok = true },
    { "hunyuan_v1_moe", "hunyuan-moe", .own_inner = true },
    { "llama4", "llama4", .own_inner = true, .unit_norms = true },
    { "deepseek_v3", "deepseek2", .own_inner = true, .deepseek = true },
    { "deepseek_v2", "deepseek2", .name_only = true },
    { "mistral4", "mistral4", .name_only = true },
    { "laguna", "laguna", .name_only = true },
    { "smallthinker", "smallthinker", .name_only = true },
    { "granitemoeshared", "granitemoe", .name_only = true },
    { "mellum", "mellum", .name_only = true },
    { "mimo_v2_flash", "mimo2", .name_only = true },
    { "step3p5", "step35", .name_only = true },
    { "arctic", "arctic", .name_only = true },
    { "gemma4", "gemma4", .name_only = true }, // gguf_gemma4.c
    { "exaone_moe", "exaone-moe", .name_only = true },
    { "hy_v3", "hy_v3", .name_only = true },
    { "solar_open", "glm4moe", .name_only = true },
    { "afmoe", "afmoe", .own_inner = true, .gate_keys = true },
    { "cohere2_moe", "cohere2moe", .own_inner = true, .gate_keys = true, .cohere = true },
    { "qwen2_moe", "qwen2moe", .name_only = true },
    { "glm4_moe", "glm4moe", .name_only = true },
    { "dots1", "dots1", .name_only = true },
    { "deepseek", "deepseek", .name_only = true },
    { "ernie4_5_moe", "ernie4_5-moe", .name_only = true },
    { "minimax_m2", "minimax-m2", .name_only = true },
    { "bailing_moe", "bailingmoe", .name_only = true },
    { "bailing_moe_v2", "bailingmoe2", .name_only = true },
};

static const struct architecture *find(const char *family)
{
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++) {
        if (strcmp(architectures[i].family, family) == 0)
            return &architectures[i];
    }
    return NULL;
}

const char *gguf_architecture(const char *family)
{
    const struct architecture *found = find(family);
    return found ? found->name : NULL;
}

bool gguf_converts(const char *family)
{
    const struct architecture *found = find(family);
    return found && !found->name_only;
}

struct converter {
    const struct architecture *architecture;
    struct gguf_writer parts[MAX_PARTS];
    uint32_t count, tensors; // parts, and tensors so far
    uint32_t block;
    bool fused, inputs_fused; // gate and up; queries, keys and values
};

// ------------------------------------------------------------------------------ keys

static void write_u32(struct converter *c, const char *key, uint32_t value)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", c->architecture->name, key);
    gguf_key_u32(&c->parts[0], name, value);
}

static void write_f32(struct converter *c, const char *key, double value)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", c->architecture->name, key);
    gguf_key_f32(&c->parts[0], name, value);
}

static void write_rope(struct converter *c, const struct vkmoe_rope *rope, uint32_t head_size)
{
    char key[64];
    write_f32(c, "rope.freq_base", (double)rope->base);
    write_u32(c, "rope.dimension_count", rope->size ? rope->size : head_size);
    if (rope->scaling == VKMOE_ROPE_SCALING_LONGROPE) { // tensors say that it is
        write_u32(c, "rope.scaling.original_context_length", rope->original_positions);
        write_f32(c, "rope.scaling.attn_factor", (double)rope->attention_factor);
    }
    if (rope->scaling != VKMOE_ROPE_SCALING_LINEAR && rope->scaling != VKMOE_ROPE_SCALING_YARN)
        return;
    const bool yarn = rope->scaling == VKMOE_ROPE_SCALING_YARN;
    snprintf(key, sizeof key, "%s.rope.scaling.type", c->architecture->name);
    gguf_key_text(&c->parts[0], key, yarn ? "yarn" : "linear");
    write_f32(c, "rope.scaling.factor", (double)rope->factor);
    if (!yarn)
        return;
    write_u32(c, "rope.scaling.original_context_length", rope->original_positions);
    write_f32(c, "rope.scaling.yarn_beta_fast", (double)rope->beta_fast);
    write_f32(c, "rope.scaling.yarn_beta_slow", (double)rope->beta_slow);
    snprintf(key, sizeof key, "%s.rope.scaling.yarn_truncate", c->architecture->name);
    gguf_key_bool(&c->parts[0], key, !rope->exact_range);
}

static void write_gate_keys(struct converter *c, const struct vkmoe_router_params *router)
{
    char key[64];
    write_u32(c, "expert_gating_func", 2);
    write_u32(c, "expert_group_count", router->groups.count);
    write_u32(c, "expert_group_used_count", router->groups.kept);
    if (!c->architecture->cohere) // of which the half of an average is not said
        write_f32(c, "expert_weights_scale", (double)router->scale);
    snprintf(key, sizeof key, "%s.expert_weights_norm", c->architecture->name);
    gguf_key_bool(&c->parts[0], key, true);
}

static void write_latent_keys(struct converter *c, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_latent *l = &p->latent;
    const uint32_t query_size = l->key_size + p->head_size - l->rank;
    // What the scale has beside the root: m^2, with m = 1 + yarn_log_multiplier ln factor.
    const double m = sqrt((double)p->scale * sqrt(query_size));
    const bool old = c->fused;
    write_u32(c, "attention.head_count_kv", old ? p->heads : 1);
    write_u32(c, "attention.key_length", old ? query_size : p->head_size);
    write_u32(c, "attention.value_length", old ? l->value_size : l->rank);
    write_u32(c, "attention.kv_lora_rank", l->rank);
    write_u32(c, "attention.q_lora_rank", l->query_rank);
    if (!old) {
        write_u32(c, "attention.key_length_mla", query_size);
        write_u32(c, "attention.value_length_mla", l->value_size);
    }
    write_f32(c, "rope.scaling.yarn_log_multiplier", (m - 1.0) / log((double)p->rope.factor));
}

static void write_keys(struct converter *c, const struct vkmoe_frame *frame,
    const struct vkmoe_attention_params *attention, const struct vkmoe_moe_params *moe,
    uint32_t dense_inner)
{
    gguf_key_text(&c->parts[0], "general.architecture", c->architecture->name);
    const struct {
        const char *key;
        uint32_t value;
    } numbers[] = { { "block_count", frame->blocks }, { "context_length", frame->max_positions },
        { "embedding_length", frame->hidden }, { "feed_forward_length", dense_inner },
        { "expert_count", moe->experts }, { "expert_used_count", moe->experts_per_token },
        { "vocab_size", frame->vocabulary }, { "attention.head_count", attention->heads },
        { "attention.head_count_kv", attention->kv_heads },
        { "attention.key_length", attention->head_size },
        { "attention.value_length", attention->head_size } };
    const size_t count = sizeof numbers / sizeof numbers[0];
    for (size_t i = 0; i < (c->architecture->deepseek ? count - 3 : count); i++)
        write_u32(c, numbers[i].key, numbers[i].value);
    if (c->architecture->deepseek)
        write_latent_keys(c, attention);
    if (c->architecture->deepseek || c->architecture->gate_keys)
        write_gate_keys(c, &moe->router);
    if (c->architecture->own_inner)
        write_u32(c, "expert_feed_forward_length", moe->inner);
    const bool centered =
        c->architecture->centered || (c->architecture->cohere && frame->layer_norm);
    write_f32(c, centered ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
        (double)frame->norm_epsilon);
    if (c->architecture->cohere) {
        write_f32(c, "logit_scale", (double)frame->logits_scale);
        write_u32(c, "leading_dense_block_count", dense_inner != moe->inner);
        write_u32(c, "expert_shared_count", moe->shared.inner / moe->inner);
    }
    if (attention->value_clip != 0.0f)
        write_f32(c, "attention.clamp_kqv", (double)attention->value_clip);
    if (attention->patterns && attention->patterns[0].kind == VKMOE_PATTERN_WINDOW)
        write_u32(c, "attention.sliding_window", (uint32_t)attention->patterns[0].left);
    write_rope(c, &attention->rope, attention->head_size - attention->latent.rank);
    if (c->architecture->granite) {
        write_f32(c, "attention.scale", (double)attention->scale);
        write_f32(c, "embedding_scale", (double)frame->embedding_scale);
        write_f32(c, "residual_scale", (double)frame->residual_scale);
        write_f32(c, "logit_scale", 1.0 / (double)frame->logits_scale);
    }
    if (c->architecture->grok) {
        write_f32(c, "attention.output_scale", (double)attention->scale);
        write_f32(c, "attn_logit_softcapping", (double)attention->soft_cap);
        write_f32(c, "router_logit_softcapping", (double)moe->router.soft_cap);
        write_f32(c, "embedding_scale", (double)frame->embedding_scale);
        write_f32(c, "logit_scale", (double)frame->logits_scale);
    }
    static const char *const ends[] = { "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id" };
    for (uint32_t i = 0; i < frame->end_token_count && i < 3; i++)
        gguf_key_u32(&c->parts[0], ends[i], frame->end_tokens[i]);
}

// Windows of all blocks but the first of each period.
static void write_period(struct converter *c, vkmoe_checkpoint *checkpoint, uint32_t blocks)
{
    uint32_t period = 0;
    for (uint32_t b = 1; b < blocks && period == 0; b++) {
        struct vkmoe_attention_params p = { VKMOE_INIT(vkmoe_attention_params) };
        if (vkmoe_checkpoint_get_attention(checkpoint, (struct vkmoe_block){ .index = b }, &p)
            != VKMOE_OK)
            return;
        if (b == 1 && p.patterns)
            write_u32(c, "attention.sliding_window", (uint32_t)p.patterns[0].left);
        period = p.patterns ? 0 : b;
    }
    write_u32(c, "attention.sliding_window_pattern", period);
}

// --------------------------------------------------------------------------- tensors

static void write_tensor(
    struct converter *c, const char *name, const double *values, const uint64_t shape[4])
{
    struct gguf_writer *part = &c->parts[c->tensors++ % c->count];
    gguf_tensor(part, name, values, shape);
}

static void write_view(struct converter *c, const char *name, const struct vkmoe_view *view,
    uint64_t rows, uint64_t columns)
{
    char full[128];
    if (!view->data)
        return;
    double *values = reference_read_view(view, (uint32_t)rows, (uint32_t)columns);
    snprintf(full, sizeof full, "blk.%u.%s", c->block, name);
    write_tensor(c, full, values, rows > 1 ? SHAPE(rows, columns) : SHAPE(columns));
    free(values);
}

// Writes and frees.
static void write_array(
    struct converter *c, const char *name, double *values, uint64_t rows, uint64_t columns)
{
    char full[128];
    snprintf(full, sizeof full, "blk.%u.%s", c->block, name);
    write_tensor(c, full, values, columns > 1 ? SHAPE(rows, columns) : SHAPE(rows));
    free(values);
}

// What is there for queries, keys or values: a matrix, or its biases, of `columns` 1.
struct rows {
    const char *name;
    const struct vkmoe_view *view;
    uint32_t heads;
    bool turned; // by RoPE
};

// Adds the rows to `out`, and says how many they are.
static uint32_t copy_rows(const struct converter *c, const struct rows *rows, uint32_t size,
    uint32_t columns, double *out)
{
    const uint32_t count = rows->heads * size;
    double *values = columns > 1 ? reference_read_view(rows->view, count, columns)
                                 : reference_read_view(rows->view, 1, count);
    for (uint32_t row = 0; row < count; row++) {
        const uint32_t within = row % size, first = row - within;
        const uint32_t from = c->architecture->pairs && rows->turned
            ? first + within / 2 + within % 2 * (size / 2)
            : row;
        memcpy(out + (size_t)row * columns, values + (size_t)from * columns, columns * sizeof *out);
    }
    free(values);
    return count;
}

static void write_inputs(struct converter *c, const struct rows rows[3], const char *fused,
    uint32_t size, uint32_t columns)
{
    uint32_t count = 0;
    if (!rows[0].view->data)
        return;
    const uint32_t all = (rows[0].heads + rows[1].heads + rows[2].heads) * size;
    double *together = allocate((size_t)all * columns, sizeof *together);
    for (int i = 0; i < 3; i++) {
        double *out = together + (size_t)count * columns;
        const uint32_t own = copy_rows(c, &rows[i], size, columns, out);
        if (!c->inputs_fused) {
            double *alone = allocate((size_t)own * columns, sizeof *alone);
            memcpy(alone, out, (size_t)own * columns * sizeof *alone);
            write_array(c, rows[i].name, alone, own, columns);
        }
        count += own;
    }
    if (c->inputs_fused)
        write_array(c, fused, together, all, columns);
    else
        free(together);
}

static void write_attention(struct converter *c, const struct vkmoe_attention_params *p)
{
    const uint32_t kv = p->kv_heads * p->head_size, all = p->heads * p->head_size;
    const struct rows weights[] = {
        { "attn_q.weight", &p->query.matrices[0], p->heads, true },
        { "attn_k.weight", &p->key.matrix, p->kv_heads, true },
        { "attn_v.weight", &p->value.matrix, p->kv_heads, false },
    };
    const struct rows biases[] = {
        { "attn_q.bias", &p->query.bias, p->heads, true },
        { "attn_k.bias", &p->key.bias, p->kv_heads, true },
        { "attn_v.bias", &p->value.bias, p->kv_heads, false },
    };
    write_inputs(c, weights, "attn_qkv.weight", p->head_size, p->hidden);
    write_inputs(c, biases, "attn_qkv.bias", p->head_size, 1);
    write_view(c, "attn_output.weight", &p->output.matrices[0], p->hidden, all);
    write_view(c, "attn_output.bias", &p->output.bias, 1, p->hidden);
    write_view(c, "attn_sinks.weight", &p->sinks, 1, p->heads);
    write_view(c, "attn_gate.weight", &p->gate.matrix, all, p->hidden);
    if (c->architecture->unit_norms)
        return;
    write_view(c, "attn_q_norm.weight", &p->query.norm, 1, p->norm.wide ? all : p->head_size);
    write_view(c, "attn_k_norm.weight", &p->key.norm, 1, p->norm.wide ? kv : p->head_size);
}

static void write_heads(struct converter *c, const char *name, const double *values, uint32_t heads,
    uint32_t rows, uint32_t columns)
{
    char full[128];
    snprintf(full, sizeof full, "blk.%u.%s", c->block, name);
    write_tensor(c, full, values, SHAPE(heads, rows, columns));
}

// Of each head the key's rows, transposed, and then the value's.
static void write_old_heads(struct converter *c, const struct reference_attention *a)
{
    const struct reference_latent *l = &a->latent;
    const size_t rank = l->rank, rows = l->key_size + l->value_size;
    double *both = allocate(a->heads * rows * rank, sizeof *both);
    for (size_t i = 0; i < a->heads * rows * rank; i++) {
        const size_t h = i / rank / rows, row = i / rank % rows, r = i % rank;
        both[i] = row < l->key_size ? l->keys[(h * rank + r) * l->key_size + row]
                                    : l->values[(h * l->value_size + row - l->key_size) * rank + r];
    }
    write_array(c, "attn_kv_b.weight", both, a->heads * rows, rank);
}

static void write_latent(struct converter *c, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_latent *l = &p->latent;
    const uint32_t queries = p->heads * (l->key_size + p->head_size - l->rank);
    struct reference_attention a;
    reference_attention_from(p, &a);
    write_view(c, "attn_q_a.weight", &l->query_matrix, l->query_rank, p->hidden);
    write_view(c, "attn_q_a_norm.weight", &l->query_norm, 1, l->query_rank);
    write_view(c, l->query_rank ? "attn_q_b.weight" : "attn_q.weight", &p->query.matrices[0],
        queries, l->query_rank ? l->query_rank : p->hidden);
    write_view(c, "attn_kv_a_mqa.weight", &p->key.matrix, p->head_size, p->hidden);
    write_view(c, "attn_kv_a_norm.weight", &p->key.norm, 1, l->rank);
    write_view(c, "attn_output.weight", &p->output.matrices[0], p->hidden,
        (uint64_t)p->heads * l->value_size);
    if (c->fused) {
        write_old_heads(c, &a);
    } else {
        write_heads(c, "attn_k_b.weight", a.latent.keys, p->heads, l->rank, l->key_size);
        write_heads(c, "attn_v_b.weight", a.latent.values, p->heads, l->value_size, l->rank);
    }
    reference_attention_finish(&a);
}

// Of each expert `views`, and then `others` if there are any.
static void write_experts(struct converter *c, const char *name, const struct vkmoe_view *views,
    const struct vkmoe_view *others, const struct vkmoe_moe_params *p, bool down)
{
    char full[128];
    const uint32_t rows = down ? p->hidden : p->inner, columns = down ? p->inner : p->hidden;
    const size_t one = (size_t)rows * columns, parts = others ? 2 : 1;
    double *all = allocate(p->experts * parts * one, sizeof *all);
    for (size_t i = 0; i < p->experts * parts; i++) {
        const struct vkmoe_view *view = i % parts ? &others[i / parts] : &views[i / parts];
        double *values = reference_read_view(view, rows, columns);
        memcpy(all + i * one, values, one * sizeof *values);
        free(values);
    }
    snprintf(full, sizeof full, "blk.%u.%s", c->block, name);
    write_tensor(c, full, all, SHAPE(p->experts, parts * rows, columns));
    free(all);
}

static void write_fused_bias(struct converter *c, const struct vkmoe_moe_params *p)
{
    double *gate = reference_read_view(&p->gate_bias, p->experts, p->inner);
    double *up = reference_read_view(&p->up_bias, p->experts, p->inner);
    double *all = allocate((size_t)p->experts * p->inner * 2, sizeof *all);
    for (uint32_t e = 0; e < p->experts; e++) {
        memcpy(all + 2 * e * p->inner, gate + e * p->inner, p->inner * sizeof *all);
        memcpy(all + (2 * e + 1) * p->inner, up + e * p->inner, p->inner * sizeof *all);
    }
    write_array(c, "ffn_gate_up_exps.bias", all, p->experts, 2 * p->inner);
    free(gate);
    free(up);
}

static void write_moe(struct converter *c, const struct vkmoe_moe_params *p)
{
    write_view(c, "ffn_gate_inp.weight", &p->router.weight, p->experts, p->hidden);
    write_view(c, "ffn_gate_inp.bias", &p->router.bias, 1, p->experts);
    if (c->fused) {
        write_experts(c, "ffn_gate_up_exps.weight", p->gate, p->up, p, false);
    } else {
        write_experts(c, "ffn_gate_exps.weight", p->gate, NULL, p, false);
        write_experts(c, "ffn_up_exps.weight", p->up, NULL, p, false);
    }
    write_experts(c, "ffn_down_exps.weight", p->down, NULL, p, true);
    if (c->fused && p->gate_bias.data) {
        write_fused_bias(c, p);
    } else {
        write_view(c, "ffn_gate_exps.bias", &p->gate_bias, p->experts, p->inner);
        write_view(c, "ffn_up_exps.bias", &p->up_bias, p->experts, p->inner);
    }
    write_view(c, "ffn_down_exps.bias", &p->down_bias, p->experts, p->hidden);
    write_view(c, "exp_probs_b.bias", &p->router.correction_bias, 1, p->experts);
    const uint32_t rows = p->shared.inner, columns = p->hidden;
    const bool grok = c->architecture->grok;
    write_view(
        c, grok ? "ffn_gate.weight" : "ffn_gate_shexp.weight", &p->shared.gate, rows, columns);
    write_view(c, grok ? "ffn_up.weight" : "ffn_up_shexp.weight", &p->shared.up, rows, columns);
    write_view(
        c, grok ? "ffn_down.weight" : "ffn_down_shexp.weight", &p->shared.down, columns, rows);
}

static void write_dense(struct converter *c, const struct vkmoe_moe_params *p)
{
    write_view(c, "ffn_gate.weight", &p->gate[0], p->inner, p->hidden);
    write_view(c, "ffn_up.weight", &p->up[0], p->inner, p->hidden);
    write_view(c, "ffn_down.weight", &p->down[0], p->hidden, p->inner);
}

static void write_end(struct converter *c, const char *name, const struct vkmoe_view *view,
    uint32_t rows, uint32_t columns)
{
    if (!view->data)
        return;
    double *values = reference_read_view(view, rows, columns);
    write_tensor(c, name, values, rows > 1 ? SHAPE(rows, columns) : SHAPE(columns));
    free(values);
}

// ------------------------------------------------------------------------------- all

// Llama 3's scaling, which has no keys.
static void write_divisors(struct converter *c, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_rope *rope = &p->rope;
    const uint32_t pairs = attention_rope_size(p) / 2;
    double divisors[256];
    write_end(c, "rope_factors_short.weight", &p->rope_divisors, 1, pairs);
    write_end(c, "rope_factors_long.weight", &p->long_rope.divisors, 1, pairs);
    if (rope->scaling != VKMOE_ROPE_SCALING_LLAMA3)
        return;
    for (uint32_t i = 0; i < pairs && i < 256; i++) {
        const double length =
            2 * 3.14159265358979323846 * pow((double)rope->base, (double)i / pairs);
        const double turns = rope->original_positions / length;
        const double smooth = (turns - (double)rope->low_factor)
            / ((double)rope->high_factor - (double)rope->low_factor);
        const double kept = fmin(fmax(smooth, 0.0), 1.0);
        divisors[i] = 1.0 / (kept + (1.0 - kept) / (double)rope->factor);
    }
    write_tensor(c, "rope_freqs.weight", divisors, SHAPE(pairs));
}

static bool write_block(
    struct converter *c, vkmoe_checkpoint *checkpoint, const struct vkmoe_frame *frame)
{
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    struct vkmoe_moe_params moe = { VKMOE_INIT(vkmoe_moe_params) }, dense = moe;
    struct vkmoe_view norms[2], biases[2];
    struct vkmoe_block_extras extras = { VKMOE_INIT(vkmoe_block_extras) };
    const struct vkmoe_block block = { .index = c->block };
    struct vkmoe_block sparse = block; // the next one with experts
    const char *experts_norm = c->architecture->experts_norm;
    while (!vkmoe_checkpoint_is_moe(checkpoint, sparse) && sparse.index + 1 < frame->blocks)
        sparse.index++;
    const bool is_dense = sparse.index != block.index;
    if (vkmoe_checkpoint_get_attention(checkpoint, block, &attention) != VKMOE_OK
        || vkmoe_checkpoint_get_moe(checkpoint, sparse, &moe) != VKMOE_OK
        || (is_dense && vkmoe_checkpoint_get_mlp(checkpoint, block, &dense) != VKMOE_OK)
        || vkmoe_checkpoint_get_norms(checkpoint, block, &norms[0], &norms[1]) != VKMOE_OK
        || vkmoe_checkpoint_get_norm_biases(checkpoint, block, &biases[0], &biases[1]) != VKMOE_OK
        || vkmoe_checkpoint_get_extras(checkpoint, block, &extras) != VKMOE_OK)
        return false;
    if (c->block == 0) {
        write_keys(c, frame, &attention, &moe, is_dense ? dense.inner : moe.inner);
        write_divisors(c, &attention);
        if (c->architecture->cohere)
            write_period(c, checkpoint, frame->blocks);
    }
    write_view(c, c->architecture->grok ? "attn_output_norm.weight" : "post_attention_norm.weight",
        &extras.attention_post_norm, 1, frame->hidden);
    write_view(c, "post_ffw_norm.weight", &extras.post_norm, 1, frame->hidden);
    write_view(c, "attn_norm.weight", &norms[0], 1, frame->hidden);
    write_view(c, "attn_norm.bias", &biases[0], 1, frame->hidden);
    write_view(c, "ffn_norm.bias", &biases[1], 1, frame->hidden);
    write_view(c, experts_norm ? experts_norm : "ffn_norm.weight", &norms[1], 1, frame->hidden);
    if (attention.latent.rank)
        write_latent(c, &attention);
    else
        write_attention(c, &attention);
    if (is_dense)
        write_dense(c, &dense);
    else
        write_moe(c, &moe);
    return true;
}

static bool write_parts(struct converter *c, const char *path)
{
    for (uint32_t i = 0; i < c->count; i++) {
        char part[1024];
        const char *tail = strstr(path, "-00001-of-");
        if (c->count > 1) {
            gguf_key_u16(&c->parts[i], "split.no", (uint16_t)i);
            gguf_key_u16(&c->parts[i], "split.count", (uint16_t)c->count);
            gguf_key_u32(&c->parts[i], "split.tensors.count", c->tensors);
        }
        snprintf(part, sizeof part, "%.*s-%05u-of-%05u.gguf", tail ? (int)(tail - path) : 0, path,
            i + 1, c->count);
        if (!gguf_write(&c->parts[i], c->count > 1 ? part : path))
            return false;
    }
    return true;
}

static bool convert(vkmoe_checkpoint *checkpoint, const char *path, uint32_t parts, bool fused,
    const struct gguf_edit *edit)
{
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    vkmoe_checkpoint_get_info(checkpoint, &info);
    struct converter c = { .architecture = find(info.treated_as), .count = parts, .fused = fused };
    c.inputs_fused = fused || (c.architecture && c.architecture->centered);
    struct architecture other;
    if (c.architecture && edit->architecture) {
        other = *c.architecture;
        other.name = edit->architecture;
        c.architecture = &other;
    }
    c.parts[0].without = edit->without;
    c.parts[0].stored = edit->stored;
    bool ok = c.architecture && vkmoe_checkpoint_get_frame(checkpoint, &frame) == VKMOE_OK;
    for (c.block = 0; ok && c.block < frame.blocks; c.block++)
        ok = write_block(&c, checkpoint, &frame);
    if (ok) {
        write_end(&c, "token_embd.weight", &frame.embedding, frame.vocabulary, frame.hidden);
        write_end(&c, "output_norm.weight", &frame.final_norm, 1, frame.hidden);
        write_end(&c, "output_norm.bias", &frame.final_norm_bias, 1, frame.hidden);
        write_end(&c, "output.bias", &frame.head_bias, 1, frame.vocabulary);
        if (frame.head.data != frame.embedding.data)
            write_end(&c, "output.weight", &frame.head, frame.vocabulary, frame.hidden);
    }
    if (!ok)
        tap_note("%s cannot be made of a %s", path, info.treated_as);
    gguf_edit(&c.parts[0], edit);
    return ok && write_parts(&c, path);
}

bool gguf_convert(vkmoe_checkpoint *checkpoint, const char *path, uint32_t parts, bool fused)
{
    return convert(checkpoint, path, parts, fused, &(struct gguf_edit){ 0 });
}

bool gguf_convert_edited(
    vkmoe_checkpoint *checkpoint, const char *path, const struct gguf_edit *edit)
{
    return convert(checkpoint, path, 1, false, edit);
}
