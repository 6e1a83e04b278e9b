// whole_checkpoints.c - see whole_checkpoints.h.
#include "whole_checkpoints.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "random.h"
#include "tap.h"

#define SHAPE(...) \
    (const uint64_t[4]) \
    { \
        __VA_ARGS__ \
    }
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void *allocate(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        abort(); // a test without memory has nothing to say
    return memory;
}

// --------------------------------------------------------------------------- files

struct bytes {
    char *data;
    size_t size, room;
};

struct file {
    struct bytes header, data;
    enum vkmoe_dtype dtype;
    char prefix[64]; // of the names
};

static void append(struct bytes *bytes, const void *more, size_t size)
{
    if (bytes->size + size > bytes->room) {
        bytes->room = 2 * (bytes->size + size);
        bytes->data = realloc(bytes->data, bytes->room);
        if (!bytes->data)
            abort();
    }
    memcpy(bytes->data + bytes->size, more, size);
    bytes->size += size;
}

// Adds the tensor prefix + name, `number` in it; a shape ends with 0. NULL values: nothing.
static void add_numbered(struct file *file, const char *name, uint32_t number, const double *values,
    const uint64_t shape[4])
{
    static const char *const dtypes[] = { "F32", "F16", "BF16" };
    if (!values)
        return;
    size_t begin = file->data.size, count = 1;
    char line[400], full[200];
    snprintf(full, sizeof full, name, number);
    int used = snprintf(line, sizeof line, "%c\"%s%s\":{\"dtype\":\"%s\",\"shape\":[",
        file->header.size ? ',' : '{', file->prefix, full, dtypes[file->dtype]);
    for (uint32_t i = 0; i < 4 && shape[i]; i++) {
        count *= shape[i];
        used += snprintf(line + used, sizeof line - (size_t)used, "%s%llu", i ? "," : "",
            (unsigned long long)shape[i]);
    }
    for (size_t i = 0; i < count; i++) {
        float f = (float)values[i];
        uint16_t bits = file->dtype == VKMOE_DTYPE_F16 ? f16_bits(values[i]) : bf16_bits(values[i]);
        append(&file->data, file->dtype == VKMOE_DTYPE_F32 ? (void *)&f : (void *)&bits,
            file->dtype == VKMOE_DTYPE_F32 ? 4 : 2);
    }
    snprintf(line + used, sizeof line - (size_t)used, "],\"data_offsets\":[%zu,%zu]}", begin,
        file->data.size);
    append(&file->header, line, strlen(line));
}

static void add(struct file *file, const char *name, const double *values, const uint64_t shape[4])
{
    add_numbered(file, name, 0, values, shape);
}

static bool write_file(
    const char *directory, const char *name, const struct bytes *parts, uint32_t count)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    bool ok = file != NULL;
    for (uint32_t i = 0; ok && i < count; i++)
        ok = fwrite(parts[i].data, 1, parts[i].size, file) == parts[i].size;
    if (file)
        ok = fclose(file) == 0 && ok;
    if (!ok)
        tap_note("%s: cannot write: %s", path, strerror(errno));
    return ok;
}

static bool write_tensors(const char *directory, struct file *file)
{
    append(&file->header, "}", 1);
    char size[8];
    for (int i = 0; i < 8; i++)
        size[i] = (char)(file->header.size >> 8 * i & 255);
    struct bytes parts[] = { { .data = size, .size = 8 }, file->header, file->data };
    bool ok = write_file(directory, "model.safetensors", parts, 3);
    free(file->header.data);
    free(file->data.data);
    return ok;
}

// ------------------------------------------------------------------------- families

enum {
    HAS_BIASES = 1 << 0,      // of q, k, v and o
    HAS_OUTPUT_BIAS = 1 << 1, // of attention and experts, once
    HAS_NORMS = 1 << 2,
    HAS_SINKS = 1 << 3,
    HAS_EXPERT_BIASES = 1 << 4, // and one of the router
    HAS_TIED_HEAD = 1 << 5,
    HAS_NO_GATE = 1 << 6, // in the experts
};

struct family {
    const char *name, *config;
    enum vkmoe_dtype dtype;
    uint32_t blocks, vocabulary;
    unsigned has;
    uint32_t windows[WHOLE_CHECKPOINT_MAX_BLOCKS]; // of a block
    const uint32_t *expert_windows;                // or of an expert
    struct whole_checkpoint frame;                 // the numbers that are not above
    struct reference_attention attention;          // without arrays, and hidden as in `frame`
    struct reference_layer experts;
    void (*write_attention)(struct file *file, const struct reference_attention *a);
    void (*write_experts)(struct file *file, const struct reference_layer *l);

    // Of encoder-decoders only.
    uint32_t encoder_blocks;
    const char *moe[2]; // [0] the encoder's blocks, [1] the decoder's: 'x' with experts, '-' dense
    uint32_t buckets, max_distance;
};

static void write_dense_attention(struct file *file, const struct reference_attention *a)
{
    uint32_t width = a->heads * a->head_size, kv_width = a->kv_heads * a->head_size;
    add(file, "self_attn.q_proj.weight", a->query, SHAPE(width, a->hidden));
    add(file, "self_attn.k_proj.weight", a->key, SHAPE(kv_width, a->hidden));
    add(file, "self_attn.v_proj.weight", a->value, SHAPE(kv_width, a->hidden));
    add(file, "self_attn.o_proj.weight", a->output, SHAPE(a->hidden, width));
    add(file, "self_attn.q_proj.bias", a->query_bias, SHAPE(width));
    add(file, "self_attn.k_proj.bias", a->key_bias, SHAPE(kv_width));
    add(file, "self_attn.v_proj.bias", a->value_bias, SHAPE(kv_width));
    add(file, "self_attn.o_proj.bias", a->output_bias, SHAPE(a->hidden));
    add(file, "self_attn.q_norm.weight", a->query_norm, SHAPE(a->norm_wide ? width : a->head_size));
    add(file, "self_attn.k_norm.weight", a->key_norm,
        SHAPE(a->norm_wide ? kv_width : a->head_size));
    add(file, "self_attn.sinks", a->sinks, SHAPE(a->heads));
}

static void write_routed_attention(struct file *file, const struct reference_attention *a)
{
    uint32_t width = a->heads * a->head_size, kv_width = a->kv_heads * a->head_size;
    size_t half = (size_t)kv_width * a->hidden;
    double *both = allocate(2 * half * sizeof(double)); // keys first
    memcpy(both, a->key, half * sizeof(double));
    memcpy(both + half, a->value, half * sizeof(double));
    add(file, "self_attention.kv_proj.weight", both, SHAPE(2 * kv_width, a->hidden));
    free(both);
    add(file, "self_attention.experts.router.layer.weight", a->router.router,
        SHAPE(a->experts, a->hidden));
    add(file, "self_attention.experts.input_linear.weight", a->query,
        SHAPE(a->experts, width, a->hidden));
    add(file, "self_attention.experts.output_linear.weight", a->output,
        SHAPE(a->experts, a->hidden, width));
    add(file, "self_attention.experts.bias", a->output_bias, SHAPE(a->hidden));
}

static void write_separate(struct file *file, const struct reference_layer *l, const char *gate,
    const char *up, const char *down)
{
    size_t size = (size_t)l->inner * l->hidden;
    for (uint32_t e = 0; e < l->experts; e++) {
        if (l->gate)
            add_numbered(file, gate, e, l->gate + e * size, SHAPE(l->inner, l->hidden));
        add_numbered(file, up, e, l->up + e * size, SHAPE(l->inner, l->hidden));
        add_numbered(file, down, e, l->down + e * size, SHAPE(l->hidden, l->inner));
    }
}

static void write_mixtral(struct file *file, const struct reference_layer *l)
{
    add(file, "block_sparse_moe.gate.weight", l->router, SHAPE(l->experts, l->hidden));
    write_separate(file, l, "block_sparse_moe.experts.%u.w1.weight",
        "block_sparse_moe.experts.%u.w3.weight", "block_sparse_moe.experts.%u.w2.weight");
}

static void write_qwen(struct file *file, const struct reference_layer *l)
{
    add(file, "mlp.gate.weight", l->router, SHAPE(l->experts, l->hidden));
    write_separate(file, l, "mlp.experts.%u.gate_proj.weight", "mlp.experts.%u.up_proj.weight",
        "mlp.experts.%u.down_proj.weight");
}

// Gate above up, all experts in one tensor.
static void write_stacked(struct file *file, const struct reference_layer *l, const char *parent)
{
    size_t size = (size_t)l->inner * l->hidden;
    double *both = allocate(2 * l->experts * size * sizeof(double));
    for (uint32_t e = 0; e < l->experts; e++) {
        memcpy(both + 2 * e * size, l->gate + e * size, size * sizeof(double));
        memcpy(both + (2 * e + 1) * size, l->up + e * size, size * sizeof(double));
    }
    char name[100];
    snprintf(name, sizeof name, "%s.router.layer.weight", parent);
    add(file, name, l->router, SHAPE(l->experts, l->hidden));
    snprintf(name, sizeof name, "%s.input_linear.weight", parent);
    add(file, name, both, SHAPE(l->experts, 2 * l->inner, l->hidden));
    snprintf(name, sizeof name, "%s.output_linear.weight", parent);
    add(file, name, l->down, SHAPE(l->experts, l->hidden, l->inner));
    snprintf(name, sizeof name, "%s.bias", parent);
    add(file, name, l->output_bias, SHAPE(l->hidden));
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
    double *both = allocate(2 * experts * d * f * sizeof(double));
    double *down = allocate(experts * d * f * sizeof(double));
    double *bias = allocate(2 * experts * f * sizeof(double));
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
    add(file, "mlp.router.weight", l->router, SHAPE(experts, d));
    add(file, "mlp.router.bias", l->router_bias, SHAPE(experts));
    add(file, "mlp.experts.gate_up_proj", both, SHAPE(experts, d, 2 * f));
    add(file, "mlp.experts.gate_up_proj_bias", bias, SHAPE(experts, 2 * f));
    add(file, "mlp.experts.down_proj", down, SHAPE(experts, f, d));
    add(file, "mlp.experts.down_proj_bias", l->down_bias, SHAPE(experts, d));
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
        add(file, full, parts[i].values, SHAPE(parts[i].rows, parts[i].columns));
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

static void write_switch_block(struct file *file, const struct whole_checkpoint_block *block)
{
    const struct reference_layer *l = &block->experts;
    uint32_t layer = 0, d = l->hidden;
    write_t5_attention(file, layer, "SelfAttention", &block->attention);
    add_numbered(file, "layer.%u.layer_norm.weight", layer++, block->attention_norm, SHAPE(d));
    if (block->cross_norm) {
        write_t5_attention(file, layer, "EncDecAttention", &block->cross);
        add_numbered(file, "layer.%u.layer_norm.weight", layer++, block->cross_norm, SHAPE(d));
    }
    add_numbered(file, "layer.%u.layer_norm.weight", layer, block->experts_norm, SHAPE(d));
    add_numbered(
        file, "layer.%u.mlp.router.classifier.weight", layer, l->router, SHAPE(l->experts, d));
    write_switch_experts(file, layer, l->router ? "experts.expert_%u." : "", l);
}

static const uint32_t jetmoe_windows[] = { 4, 0, 1, 7, 0, 16 };

#define SOFTMAX_GATE .score = VKMOE_SCORE_SOFTMAX
#define TOP_K_GATE .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX

static const struct family families[] = {
    {
        // kv_heads 2 of 4, no head_dim, a window, everything else left to the class
        .name = "mixtral",
        .config = "{\"model_type\":\"mixtral\",\"hidden_size\":48,\"intermediate_size\":40,"
                  "\"num_hidden_layers\":2,\"num_local_experts\":4,\"num_experts_per_tok\":2,"
                  "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"sliding_window\":5,"
                  "\"vocab_size\":37}",
        .dtype = VKMOE_DTYPE_F16,
        .blocks = 2,
        .vocabulary = 37,
        .windows = { 5, 5 },
        .frame = { .hidden = 48,
            .norm_epsilon = 1e-5,
            .block_norm_epsilon = 1e-5,
            .max_positions = 131072,
            .end_tokens = { 2 },
            .end_token_count = 1 },
        .attention = { .heads = 4,
            .kv_heads = 2,
            .head_size = 12,
            .experts = 1,
            .experts_per_token = 1,
            .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e6f } },
        .experts = { .inner = 40,
            .experts = 4,
            .experts_per_token = 2,
            SOFTMAX_GATE,
            .renormalize = true,
            .activation = VKMOE_ACTIVATION_SILU },
        .write_attention = write_dense_attention,
        .write_experts = write_mixtral,
    },
    {
        .name = "jetmoe",
        .config = "{\"model_type\":\"jetmoe\",\"hidden_size\":32,\"intermediate_size\":24,"
                  "\"num_hidden_layers\":2,\"num_local_experts\":6,\"num_experts_per_tok\":2,"
                  "\"num_attention_heads\":6,\"num_key_value_heads\":3,\"kv_channels\":8,"
                  "\"attention_expert_windows\":[4,0,1,7,0,16],\"rms_norm_eps\":1e-5,"
                  "\"rope_theta\":500.0,\"eos_token_id\":[5,2],\"vocab_size\":41,"
                  "\"max_position_embeddings\":64}",
        .dtype = VKMOE_DTYPE_BF16,
        .blocks = 2,
        .vocabulary = 41,
        .has = HAS_OUTPUT_BIAS | HAS_TIED_HEAD,
        .expert_windows = jetmoe_windows,
        .frame = { .hidden = 32,
            .norm_epsilon = 1e-5,
            .block_norm_epsilon = 1e-6,
            .max_positions = 64,
            .end_tokens = { 5, 2 },
            .end_token_count = 2 },
        .attention = { .heads = 3,
            .kv_heads = 3,
            .head_size = 8,
            .tiled_kv = true,
            .experts = 6,
            .experts_per_token = 2,
            .router = { TOP_K_GATE },
            .rope = { .kind = VKMOE_ROPE_HALF, .base = 500.0f } },
        .experts = { .inner = 24,
            .experts = 6,
            .experts_per_token = 2,
            TOP_K_GATE,
            .activation = VKMOE_ACTIVATION_SILU },
        .write_attention = write_routed_attention,
        .write_experts = write_jetmoe,
    },
    {
        // A window that is switched off, heads wider than hidden, linear RoPE in the old form
        .name = "qwen3_moe",
        .config = "{\"model_type\":\"qwen3_moe\",\"hidden_size\":40,\"intermediate_size\":99,"
                  "\"moe_intermediate_size\":24,\"num_hidden_layers\":3,\"num_experts\":8,"
                  "\"num_experts_per_tok\":3,\"norm_topk_prob\":true,\"mlp_only_layers\":[],"
                  "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":16,"
                  "\"attention_bias\":true,\"use_sliding_window\":false,\"sliding_window\":4096,"
                  "\"max_window_layers\":3,\"rope_theta\":1000000,"
                  "\"rope_scaling\":{\"type\":\"linear\",\"factor\":4.0},"
                  "\"tie_word_embeddings\":true,\"eos_token_id\":null,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .blocks = 3,
        .vocabulary = 32,
        .has = HAS_BIASES | HAS_NORMS | HAS_TIED_HEAD,
        .frame = { .hidden = 40,
            .norm_epsilon = 1e-6,
            .block_norm_epsilon = 1e-6,
            .max_positions = 32768 },
        .attention = { .heads = 4,
            .kv_heads = 2,
            .head_size = 16,
            .experts = 1,
            .experts_per_token = 1,
            .norm_epsilon = 1e-6,
            .rope = { .kind = VKMOE_ROPE_HALF,
                .base = 1e6f,
                .scaling = VKMOE_ROPE_SCALING_LINEAR,
                .factor = 4.0f } },
        .experts = { .inner = 24,
            .experts = 8,
            .experts_per_token = 3,
            SOFTMAX_GATE,
            .renormalize = true,
            .activation = VKMOE_ACTIVATION_SILU },
        .write_attention = write_dense_attention,
        .write_experts = write_qwen,
    },
    {
        // Norms over all heads, a clip that is felt, Llama 3's RoPE in the new form
        .name = "olmoe",
        .config = "{\"model_type\":\"olmoe\",\"hidden_size\":32,\"intermediate_size\":24,"
                  "\"num_hidden_layers\":2,\"num_experts\":8,\"num_experts_per_tok\":3,"
                  "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"clip_qkv\":0.75,"
                  "\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":10000.0,"
                  "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
                  "\"original_max_position_embeddings\":32},\"max_position_embeddings\":256,"
                  "\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F32,
        .blocks = 2,
        .vocabulary = 32,
        .has = HAS_NORMS,
        .frame = { .hidden = 32,
            .norm_epsilon = 1e-5,
            .block_norm_epsilon = 1e-5,
            .max_positions = 256,
            .end_tokens = { 50279 },
            .end_token_count = 1 },
        .attention = { .heads = 4,
            .kv_heads = 2,
            .head_size = 8,
            .experts = 1,
            .experts_per_token = 1,
            .norm_wide = true,
            .norm_epsilon = 1e-5,
            .value_clip = 0.75,
            .rope = { .kind = VKMOE_ROPE_HALF,
                .base = 1e4f,
                .scaling = VKMOE_ROPE_SCALING_LLAMA3,
                .factor = 8.0f,
                .original_positions = 32,
                .low_factor = 1.0f,
                .high_factor = 4.0f } },
        .experts = { .inner = 24,
            .experts = 8,
            .experts_per_token = 3,
            SOFTMAX_GATE,
            .activation = VKMOE_ACTIVATION_SILU },
        .write_attention = write_dense_attention,
        .write_experts = write_qwen,
    },
    {
        // Every other block with a window, YaRN without rounding
        .name = "gpt_oss",
        .config = "{\"model_type\":\"gpt_oss\",\"hidden_size\":48,\"intermediate_size\":32,"
                  "\"num_hidden_layers\":3,\"num_local_experts\":4,\"num_experts_per_tok\":2,"
                  "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":16,"
                  "\"sliding_window\":6,\"rope_theta\":150000,"
                  "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,\"beta_fast\":32.0,"
                  "\"beta_slow\":1.0,\"original_max_position_embeddings\":64,\"truncate\":false},"
                  "\"max_position_embeddings\":256,\"eos_token_id\":7,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_BF16,
        .blocks = 3,
        .vocabulary = 32,
        .has = HAS_BIASES | HAS_SINKS | HAS_EXPERT_BIASES,
        .windows = { 6, 0, 6 },
        .frame = { .hidden = 48,
            .norm_epsilon = 1e-5,
            .block_norm_epsilon = 1e-5,
            .max_positions = 256,
            .end_tokens = { 7 },
            .end_token_count = 1 },
        .attention = { .heads = 4,
            .kv_heads = 2,
            .head_size = 16,
            .experts = 1,
            .experts_per_token = 1,
            .rope = { .kind = VKMOE_ROPE_HALF,
                .base = 150000.0f,
                .scaling = VKMOE_ROPE_SCALING_YARN,
                .factor = 4.0f,
                .original_positions = 64,
                .beta_fast = 32.0f,
                .beta_slow = 1.0f,
                .attention_factor = 1.138629436f,
                .exact_range = true } },
        .experts = { .inner = 32,
            .experts = 4,
            .experts_per_token = 2,
            TOP_K_GATE,
            .activation = VKMOE_ACTIVATION_SWIGLU_OAI,
            .activation_alpha = 1.702,
            .activation_limit = 7.0 },
        .write_attention = write_dense_attention,
        .write_experts = write_gpt_oss,
    },
    {
        .name = "granitemoe",
        .config = "{\"model_type\":\"granitemoe\",\"hidden_size\":36,\"intermediate_size\":20,"
                  "\"num_hidden_layers\":2,\"num_local_experts\":5,\"num_experts_per_tok\":2,"
                  "\"num_attention_heads\":3,\"num_key_value_heads\":null,"
                  "\"attention_multiplier\":0.25,\"embedding_multiplier\":12.0,"
                  "\"residual_multiplier\":0.22,\"logits_scaling\":8.0,"
                  "\"position_embedding_type\":\"rope\",\"eos_token_id\":0,\"vocab_size\":32}",
        .dtype = VKMOE_DTYPE_F16,
        .blocks = 2,
        .vocabulary = 32,
        .frame = { .hidden = 36,
            .norm_epsilon = 1e-6,
            .block_norm_epsilon = 1e-6,
            .embedding_scale = 12.0,
            .residual_scale = 0.22,
            .logits_scale = 0.125,
            .max_positions = 2048,
            .end_tokens = { 0 },
            .end_token_count = 1 },
        .attention = { .heads = 3,
            .kv_heads = 3,
            .head_size = 12,
            .experts = 1,
            .experts_per_token = 1,
            .scale = 0.25,
            .rope = { .kind = VKMOE_ROPE_HALF, .base = 1e4f } },
        .experts = { .inner = 20,
            .experts = 5,
            .experts_per_token = 2,
            TOP_K_GATE,
            .activation = VKMOE_ACTIVATION_SILU },
        .write_attention = write_dense_attention,
        .write_experts = write_granite,
    },
    {
        // Tied, with dense blocks between; attention is narrower than the model, and as wide
        // as the vocabulary is large.
        .name = "switch_transformers",
        .config = "{\"model_type\":\"switch_transformers\",\"d_model\":40,\"d_kv\":12,"
                  "\"num_layers\":4,\"num_decoder_layers\":3,\"d_ff\":56,"
                  "\"encoder_sparse_step\":2,\"decoder_sparse_step\":2,\"num_experts\":4,"
                  "\"num_heads\":3,\"relative_attention_num_buckets\":8,"
                  "\"relative_attention_max_distance\":20,"
                  "\"layer_norm_epsilon\":1e-5,\"n_positions\":96,\"decoder_start_token_id\":3,"
                  "\"is_encoder_decoder\":true,\"vocab_size\":36}",
        .dtype = VKMOE_DTYPE_F32,
        .blocks = 3,
        .encoder_blocks = 4,
        .moe = { "-x-x", "-x-" },
        .vocabulary = 36,
        .has = HAS_TIED_HEAD | HAS_NO_GATE,
        .buckets = 8,
        .max_distance = 20,
        .frame = { .hidden = 40,
            .norm_epsilon = 1e-5,
            .block_norm_epsilon = 1e-5,
            .logits_scale = 0.15811388300841897,
            .max_positions = 96,
            .end_tokens = { 1 },
            .end_token_count = 1,
            .start_token = 3 },
        .attention = { .heads = 3,
            .kv_heads = 3,
            .head_size = 12,
            .experts = 1,
            .experts_per_token = 1,
            .scale = 1.0 },
        .experts = { .inner = 56,
            .experts = 4,
            .experts_per_token = 1,
            SOFTMAX_GATE,
            .capacity = 64,
            .activation = VKMOE_ACTIVATION_RELU },
    },
    {
        // With a head of its own, experts everywhere, and as many decoder blocks as the class
        // has them when there is no number; buckets that do not halve
        .name = "switch_transformers-untied",
        .config = "{\"model_type\":\"switch_transformers\",\"d_model\":24,\"d_ff\":20,"
                  "\"d_kv\":16,\"num_heads\":2,\"num_layers\":2,\"num_decoder_layers\":null,"
                  "\"num_sparse_encoder_layers\":2,\"num_sparse_decoder_layers\":2,"
                  "\"num_experts\":3,\"expert_capacity\":50,\"dense_act_fn\":\"gelu_new\","
                  "\"relative_attention_num_buckets\":13,\"relative_attention_max_distance\":9,"
                  "\"tie_word_embeddings\":false,\"eos_token_id\":[4,1],\"vocab_size\":33}",
        .dtype = VKMOE_DTYPE_BF16,
        .blocks = 2,
        .encoder_blocks = 2,
        .moe = { "xx", "xx" },
        .vocabulary = 33,
        .has = HAS_NO_GATE,
        .buckets = 13,
        .max_distance = 9,
        .frame = { .hidden = 24,
            .norm_epsilon = 1e-6,
            .block_norm_epsilon = 1e-6,
            .max_positions = 512,
            .end_tokens = { 4, 1 },
            .end_token_count = 2,
            .start_token = 0 },
        .attention = { .heads = 2,
            .kv_heads = 2,
            .head_size = 16,
            .experts = 1,
            .experts_per_token = 1,
            .scale = 1.0 },
        .experts = { .inner = 20,
            .experts = 3,
            .experts_per_token = 1,
            SOFTMAX_GATE,
            .capacity = 50,
            .activation = VKMOE_ACTIVATION_GELU_TANH },
    },
};

// -------------------------------------------------------------------------- weights

struct source {
    uint64_t seed;
    enum vkmoe_dtype dtype;
};

static double *random_array(
    const struct source *source, const char *name, size_t count, double deviation, double mean)
{
    struct rng rng = rng_for(source->seed, name);
    double *values = allocate(count * sizeof(double));
    for (size_t i = 0; i < count; i++)
        values[i] = round_to_dtype(mean + deviation * rng_normal(&rng), source->dtype);
    return values;
}

static void fill_attention(const struct source *s, const struct family *family, uint32_t block,
    struct reference_attention *a)
{
    *a = family->attention;
    size_t d = a->hidden = family->frame.hidden, e = a->experts;
    size_t width = (size_t)a->heads * a->head_size, kv = (size_t)a->kv_heads * a->head_size;
    double in = 1.5 / sqrt((double)d), out = 1.0 / sqrt((double)width);
    a->query = random_array(s, "query", e * width * d, in, 0.0);
    a->output = random_array(s, "output", e * d * width, out, 0.0);
    a->key = random_array(s, "key", kv * d, in, 0.0);
    a->value = random_array(s, "value", kv * d, in, 0.0);
    if (e > 1) {
        a->router.hidden = a->hidden;
        a->router.experts = a->experts;
        a->router.experts_per_token = a->experts_per_token;
        a->router.router = random_array(s, "attention router", e * d, in, 0.0);
    }
    if (family->has & HAS_BIASES) {
        a->query_bias = random_array(s, "query bias", width, 0.5, 0.0);
        a->key_bias = random_array(s, "key bias", kv, 0.5, 0.0);
        a->value_bias = random_array(s, "value bias", kv, 0.5, 0.0);
    }
    if (family->has & (HAS_BIASES | HAS_OUTPUT_BIAS))
        a->output_bias = random_array(s, "output bias", d, 0.5, 0.0);
    if (family->has & HAS_NORMS) {
        a->query_norm =
            random_array(s, "query norm", a->norm_wide ? width : a->head_size, 0.3, 1.0);
        a->key_norm = random_array(s, "key norm", a->norm_wide ? kv : a->head_size, 0.3, 1.0);
    }
    if (family->has & HAS_SINKS)
        a->sinks = random_array(s, "sinks", a->heads, 1.0, 1.0);
    a->patterns = allocate(e * sizeof(*a->patterns));
    for (size_t i = 0; i < e; i++)
        a->patterns[i] =
            (struct vkmoe_pattern){ .left = family->expert_windows ? family->expert_windows[i]
                                                                   : family->windows[block] };
}

static void fill_experts(
    const struct source *s, const struct family *family, bool dense, struct reference_layer *l)
{
    *l = family->experts;
    if (dense)
        *l = (struct reference_layer){ .inner = l->inner,
            .experts = 1,
            .experts_per_token = 1,
            .select = VKMOE_SELECT_SUPPLIED_WEIGHTED,
            .activation = l->activation };
    size_t d = l->hidden = family->frame.hidden, f = l->inner, e = l->experts;
    double in = 1.0 / sqrt((double)d), out = 1.0 / sqrt((double)f);
    if (!dense)
        l->router = random_array(s, "router", e * d, 2.0 * in, 0.0);
    if (!(family->has & HAS_NO_GATE))
        l->gate = random_array(s, "gate", e * f * d, in, 0.0);
    l->up = random_array(s, "up", e * f * d, in, 0.0);
    l->down = random_array(s, "down", e * d * f, out, 0.0);
    if (family->has & HAS_EXPERT_BIASES) {
        l->router_bias = random_array(s, "router bias", e, 0.5, 0.0);
        l->gate_bias = random_array(s, "gate bias", e * f, 0.5, 0.0);
        l->up_bias = random_array(s, "up bias", e * f, 0.5, 0.0);
        l->down_bias = random_array(s, "down bias", e * d, 0.5, 0.0);
    }
    if (family->has & HAS_OUTPUT_BIAS)
        l->output_bias = random_array(s, "experts output bias", d, 0.5, 0.0);
}

// Of the stack's blocks, [1] are the decoder's that follows an encoder.
static void fill_block(const struct source *s, const struct family *family, uint32_t stack,
    uint32_t index, struct whole_checkpoint_block *block)
{
    size_t d = family->frame.hidden;
    bool dense = family->moe[stack] && family->moe[stack][index] == '-';
    block->attention_norm = random_array(s, "attention norm", d, 0.3, 1.0);
    block->experts_norm = random_array(s, "experts norm", d, 0.3, 1.0);
    fill_attention(s, family, index, &block->attention);
    fill_experts(s, family, dense, &block->experts);
    if (!family->encoder_blocks)
        return;
    block->attention.patterns->both_sides = stack == 0;
    if (stack == 0)
        return;
    const struct source cross = { .seed = s->seed + 500, .dtype = s->dtype };
    block->cross_norm = random_array(s, "cross norm", d, 0.3, 1.0);
    fill_attention(&cross, family, index, &block->cross);
    block->cross.patterns->both_sides = true;
}

// What T5's formula gives, from its inverse: the n-th of the logarithmic buckets begins at
// exact * (max_distance / exact)^(n / how many there are).
uint32_t whole_checkpoint_bucket(
    uint32_t buckets, uint32_t max_distance, bool both_sides, int32_t distance)
{
    uint32_t side = both_sides ? buckets / 2 : buckets, exact = side / 2, n = 0;
    double away = distance < 0 ? -(double)distance : both_sides ? distance : 0.0;
    double grow = (double)max_distance / exact;
    while (n + 1 < side - exact
        && away > exact * pow(grow, (n + 1.0) / (side - exact)) * (1.0 - 1e-12))
        n++;
    return (distance > 0 && both_sides ? side : 0) + (away < exact ? (uint32_t)away : exact + n);
}

static void fill_position_bias(const struct source *s, const struct family *family, uint32_t stack,
    struct whole_checkpoint *out)
{
    uint32_t buckets = family->buckets, far = family->max_distance, heads = family->attention.heads;
    bool both_sides = stack == 0;
    int32_t reach = (int32_t)far;
    uint32_t last = whole_checkpoint_bucket(buckets, far, both_sides, -reach);
    while (whole_checkpoint_bucket(buckets, far, both_sides, 1 - reach) == last)
        reach--;
    size_t width = 2 * (size_t)reach + 1;
    double *stored =
        random_array(s, stack ? "decoder bias" : "encoder bias", (size_t)buckets * heads, 1.0, 0.0);
    double *table = allocate(width * heads * sizeof(double));
    for (size_t i = 0; i < width * heads; i++) {
        int32_t distance = (int32_t)(i % width) - reach;
        uint32_t bucket = whole_checkpoint_bucket(buckets, far, both_sides, distance);
        table[i] = stored[bucket * heads + i / width];
    }
    out->bucket_bias[stack] = stored;
    out->position_bias[stack] = table;
    out->position_reach[stack] = (uint32_t)reach;
}

static void fill(const struct family *family, uint64_t seed, struct whole_checkpoint *out)
{
    char path[sizeof out->path];
    memcpy(path, out->path, sizeof path);
    *out = family->frame;
    memcpy(out->path, path, sizeof path);
    out->family = family->name;
    out->dtype = family->dtype;
    out->vocabulary = family->vocabulary;
    out->block_count = family->blocks;
    out->encoder_count = family->encoder_blocks;
    if (!family->encoder_blocks)
        out->start_token = -1;
    out->tied = family->has & HAS_TIED_HEAD;
    double *const scales[] = { &out->embedding_scale, &out->residual_scale, &out->logits_scale };
    for (size_t i = 0; i < COUNT(scales); i++)
        *scales[i] = *scales[i] == 0.0 ? 1.0 : *scales[i];
    const struct source around = { .seed = seed, .dtype = family->dtype };
    size_t d = out->hidden, size = (size_t)out->vocabulary * d;
    out->embedding = random_array(&around, "embedding", size, 1.0, 0.0);
    out->head = random_array(&around, out->tied ? "embedding" : "head", size, 1.0, 0.0);
    out->final_norm = random_array(&around, "final norm", d, 0.3, 1.0);
    for (uint32_t b = 0; b < out->block_count; b++) {
        const struct source source = { .seed = seed + 1000 + b, .dtype = family->dtype };
        fill_block(&source, family, out->encoder_count ? 1 : 0, b, &out->blocks[b]);
    }
    for (uint32_t b = 0; b < out->encoder_count; b++) {
        const struct source source = { .seed = seed + 2000 + b, .dtype = family->dtype };
        fill_block(&source, family, 0, b, &out->encoder[b]);
    }
    for (uint32_t stack = 0; out->encoder_count && stack < 2; stack++)
        fill_position_bias(&around, family, stack, out);
    if (out->encoder_count)
        out->encoder_norm = random_array(&around, "encoder norm", d, 0.3, 1.0);
}

// ------------------------------------------------------------------------- interface

static const struct family *find(const char *name)
{
    for (size_t i = 0; i < COUNT(families); i++) {
        if (strcmp(families[i].name, name) == 0)
            return &families[i];
    }
    return NULL;
}

const char *whole_checkpoint_family(uint32_t index)
{
    return index < COUNT(families) ? families[index].name : NULL;
}

bool whole_checkpoint_has_encoder(const char *family)
{
    return find(family)->encoder_blocks > 0;
}

const char *whole_checkpoint_config(const char *family)
{
    return find(family)->config;
}

bool whole_checkpoint_rewrite_config(const struct whole_checkpoint *checkpoint, const char *config)
{
    const struct bytes part = { .data = (char *)config, .size = strlen(config) };
    return write_file(checkpoint->path, "config.json", &part, 1);
}

static void add_decoder_only(
    struct file *file, const struct family *family, const struct whole_checkpoint *c)
{
    const uint64_t *table = SHAPE(c->vocabulary, c->hidden);
    add(file, "model.embed_tokens.weight", c->embedding, table);
    add(file, "model.norm.weight", c->final_norm, SHAPE(c->hidden));
    if (!c->tied)
        add(file, "lm_head.weight", c->head, table);
    for (uint32_t b = 0; b < c->block_count; b++) {
        const struct whole_checkpoint_block *block = &c->blocks[b];
        snprintf(file->prefix, sizeof file->prefix, "model.layers.%u.", b);
        add(file, "input_layernorm.weight", block->attention_norm, SHAPE(c->hidden));
        add(file, "post_attention_layernorm.weight", block->experts_norm, SHAPE(c->hidden));
        family->write_attention(file, &block->attention);
        family->write_experts(file, &block->experts);
    }
}

// With two things that older files have: a copy of the embedding, which is to be the same,
// and a bias of the attention to the encoder, which means nothing.
static void add_encoder_decoder(
    struct file *file, const struct family *family, const struct whole_checkpoint *c)
{
    static const char *const stacks[] = { "encoder", "decoder" };
    const uint64_t *table = SHAPE(c->vocabulary, c->hidden);
    add(file, "shared.weight", c->embedding, table);
    add(file, "encoder.embed_tokens.weight", c->embedding, table);
    add(file, "encoder.final_layer_norm.weight", c->encoder_norm, SHAPE(c->hidden));
    add(file, "decoder.final_layer_norm.weight", c->final_norm, SHAPE(c->hidden));
    if (!c->tied)
        add(file, "lm_head.weight", c->head, table);
    for (uint32_t stack = 0; stack < 2; stack++) {
        const char *bias = "layer.0.SelfAttention.relative_attention_bias.weight";
        const uint64_t *shape = SHAPE(family->buckets, family->attention.heads);
        snprintf(file->prefix, sizeof file->prefix, "%s.block.0.", stacks[stack]);
        add(file, bias, c->bucket_bias[stack], shape);
        if (stack == 1)
            add(file, "layer.1.EncDecAttention.relative_attention_bias.weight", c->bucket_bias[0],
                shape);
        for (uint32_t b = 0; b < (stack ? c->block_count : c->encoder_count); b++) {
            snprintf(file->prefix, sizeof file->prefix, "%s.block.%u.", stacks[stack], b);
            write_switch_block(file, stack ? &c->blocks[b] : &c->encoder[b]);
        }
    }
}

bool whole_checkpoint_write(const char *name, uint64_t seed, struct whole_checkpoint *out)
{
    *out = (struct whole_checkpoint){ 0 };
    const struct family *family = find(name);
    char path[] = "/tmp/vkmoe-whole-XXXXXX";
    if (!family || !mkdtemp(path)) {
        tap_note(
            "%s: cannot make a checkpoint: %s", name, family ? strerror(errno) : "no such family");
        return false;
    }
    snprintf(out->path, sizeof out->path, "%s", path);
    fill(family, seed, out);

    struct file file = { .dtype = family->dtype };
    (out->encoder_count ? add_encoder_decoder : add_decoder_only)(&file, family, out);
    bool ok = write_tensors(out->path, &file);
    return whole_checkpoint_rewrite_config(out, family->config) && ok;
}

void whole_checkpoint_finish(struct whole_checkpoint *checkpoint)
{
    static const char *const names[] = { "config.json", "model.safetensors" };
    for (size_t i = 0; checkpoint->path[0] && i < COUNT(names); i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", checkpoint->path, names[i]);
        remove(path);
    }
    if (checkpoint->path[0])
        rmdir(checkpoint->path);
    free(checkpoint->embedding);
    free(checkpoint->head);
    free(checkpoint->final_norm);
    free(checkpoint->encoder_norm);
    for (int stack = 0; stack < 2; stack++) {
        free(checkpoint->position_bias[stack]);
        free(checkpoint->bucket_bias[stack]);
    }
    for (uint32_t b = 0; b < 2 * WHOLE_CHECKPOINT_MAX_BLOCKS; b++) {
        struct whole_checkpoint_block *block = b < WHOLE_CHECKPOINT_MAX_BLOCKS
            ? &checkpoint->blocks[b]
            : &checkpoint->encoder[b - WHOLE_CHECKPOINT_MAX_BLOCKS];
        free(block->attention_norm);
        free(block->cross_norm);
        reference_attention_finish(&block->cross);
        free(block->experts_norm);
        reference_attention_finish(&block->attention);
        reference_layer_finish(&block->experts);
    }
    *checkpoint = (struct whole_checkpoint){ 0 };
}
