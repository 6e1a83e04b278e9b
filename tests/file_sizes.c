// file_sizes.c - what published models in Q4_K_M take of a card's memory: what their tensors take
// in the file, and 3 % at most. One of few experts shows what latent attention takes. The files
// have every tensor, but no bytes of them; the card is not there.
#include <stdio.h>

#include <vkmoe/model.h>

#include "device/rehearsal.h"

#include "check.h"
#include "folder.h"
#include "formats.h"
#include "gguf_writer.h"

#define MOST 1.03

struct type {
    uint32_t number; // in GGUF
    enum vkmoe_dtype dtype;
};

static const struct type F32 = { 0, VKMOE_DTYPE_F32 }, Q8_0 = { 8, VKMOE_DTYPE_Q8_0 },
                         Q4_K = { 12, VKMOE_DTYPE_Q4_K }, Q5_K = { 13, VKMOE_DTYPE_Q5_K },
                         Q6_K = { 14, VKMOE_DTYPE_Q6_K };

struct published {
    const char *architecture;
    uint32_t blocks, hidden, inner, experts, k, heads, kv_heads, head_size, vocabulary;
    bool eight;      // experts: llama.cpp gives attention better types then
    bool tied;       // the head is the embedding
    bool head_norms; // queries and keys are normalised
    uint32_t rank;   // of latent attention, as older files have it: all of a head in one tensor
};

enum { TURNED = 64, VALUES = 128 }; // elements of a head of latent attention

static const struct published mixtral = { "llama", 32, 4096, 14336, 8, 2, 32, 8, 128, 32000,
    .eight = true };
static const struct published qwen3 = { "qwen3moe", 48, 2048, 768, 128, 8, 32, 4, 128, 151936,
    .head_norms = true };
static const struct published granite = { "granitemoe", 24, 1024, 512, 32, 8, 16, 8, 64, 49155,
    .tied = true };
static const struct published deepseek = { "deepseek2", 27, 2048, 1408, 2, 1, 16, 16, 192, 1024,
    .rank = 512 };

// Adds what a tensor takes to `sum`.
static void add(struct gguf_writer *file, uint64_t *sum, const char *name, struct type type,
    uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t size = format_bytes(type.dtype, a * (b ? b : 1) * (c ? c : 1));
    gguf_hole(file, name, type.number, size, (const uint64_t[4]){ a, b, c });
    *sum += size;
}

#define IN_BLOCK(what) (snprintf(name, sizeof name, "blk.%u." what ".weight", block), name)

// Which blocks get the better type for values and down.
static bool is_better(const struct published *m, uint32_t block)
{
    const uint32_t eighth = m->blocks / 8;
    return block < eighth || block >= 7 * m->blocks / 8 || (block - eighth) % 3 == 2;
}

static void add_latent(
    struct gguf_writer *file, uint64_t *sum, const struct published *m, uint32_t block)
{
    char name[64];
    const uint64_t heads = m->heads, key = m->head_size - TURNED;
    add(file, sum, IN_BLOCK("attn_q"), Q4_K, heads * m->head_size, m->hidden, 0);
    add(file, sum, IN_BLOCK("attn_kv_a_mqa"), Q4_K, m->rank + TURNED, m->hidden, 0);
    add(file, sum, IN_BLOCK("attn_kv_a_norm"), F32, m->rank, 0, 0);
    add(file, sum, IN_BLOCK("attn_kv_b"), Q4_K, heads * (key + VALUES), m->rank, 0);
    add(file, sum, IN_BLOCK("attn_output"), Q4_K, m->hidden, heads * VALUES, 0);
}

static void add_heads(
    struct gguf_writer *file, uint64_t *sum, const struct published *m, uint32_t block)
{
    char name[64];
    const uint64_t d = m->hidden, q = m->heads * m->head_size, kv = m->kv_heads * m->head_size;
    const struct type better = is_better(m, block) ? Q6_K : Q4_K;
    add(file, sum, IN_BLOCK("attn_q"), Q4_K, q, d, 0);
    add(file, sum, IN_BLOCK("attn_k"), m->eight ? Q8_0 : Q4_K, kv, d, 0);
    add(file, sum, IN_BLOCK("attn_v"), m->eight ? Q8_0 : better, kv, d, 0);
    add(file, sum, IN_BLOCK("attn_output"), m->eight ? Q5_K : Q4_K, d, q, 0);
    if (m->head_norms) {
        add(file, sum, IN_BLOCK("attn_q_norm"), F32, m->head_size, 0, 0);
        add(file, sum, IN_BLOCK("attn_k_norm"), F32, m->head_size, 0, 0);
    }
}

static void add_block(
    struct gguf_writer *file, uint64_t *sum, const struct published *m, uint32_t block)
{
    char name[64];
    const uint64_t d = m->hidden;
    const struct type better = is_better(m, block) ? Q6_K : Q4_K;
    add(file, sum, IN_BLOCK("attn_norm"), F32, d, 0, 0);
    (m->rank ? add_latent : add_heads)(file, sum, m, block);
    add(file, sum, IN_BLOCK("ffn_norm"), F32, d, 0, 0);
    add(file, sum, IN_BLOCK("ffn_gate_inp"), F32, m->experts, d, 0);
    add(file, sum, IN_BLOCK("ffn_gate_exps"), Q4_K, m->experts, m->inner, d);
    add(file, sum, IN_BLOCK("ffn_up_exps"), Q4_K, m->experts, m->inner, d);
    add(file, sum, IN_BLOCK("ffn_down_exps"), m->inner % 256 ? Q8_0 : better, m->experts, d,
        m->inner);
}

static void add_keys(struct gguf_writer *file, const struct published *m)
{
    const struct {
        const char *name;
        uint32_t value;
    } numbers[] = { { "block_count", m->blocks }, { "context_length", 4096 },
        { "embedding_length", m->hidden }, { "feed_forward_length", m->inner },
        { "expert_feed_forward_length", m->inner }, { "expert_count", m->experts },
        { "expert_used_count", m->k }, { "attention.head_count", m->heads },
        { "attention.head_count_kv", m->kv_heads }, { "attention.key_length", m->head_size },
        { "attention.value_length", m->rank ? VALUES : m->head_size },
        { "vocab_size", m->vocabulary },
        { "rope.dimension_count", m->rank ? TURNED : m->head_size },
        { "attention.kv_lora_rank", m->rank } };
    char key[80];
    gguf_key_text(file, "general.architecture", m->architecture);
    for (size_t i = 0; i < COUNT_OF(numbers) - (m->rank == 0); i++) {
        snprintf(key, sizeof key, "%s.%s", m->architecture, numbers[i].name);
        gguf_key_u32(file, key, numbers[i].value);
    }
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", m->architecture);
    gguf_key_f32(file, key, 1e-6);
    snprintf(key, sizeof key, "%s.rope.freq_base", m->architecture);
    gguf_key_f32(file, key, 1e6);
    for (const char *const *scale = (const char *const[]){ "attention.scale", "embedding_scale",
             "residual_scale", "logit_scale", NULL };
         m->tied && *scale; scale++) {
        snprintf(key, sizeof key, "%s.%s", m->architecture, *scale);
        gguf_key_f32(file, key, 1.5);
    }
}

// The bytes of its tensors; 0: it cannot be written.
static uint64_t write_model(const struct published *m, const char *path)
{
    struct gguf_writer file = { 0 };
    uint64_t sum = 0;
    add_keys(&file, m);
    add(&file, &sum, "token_embd.weight", m->tied ? Q6_K : Q4_K, m->vocabulary, m->hidden, 0);
    if (!m->tied)
        add(&file, &sum, "output.weight", Q6_K, m->vocabulary, m->hidden, 0);
    add(&file, &sum, "output_norm.weight", F32, m->hidden, 0, 0);
    for (uint32_t b = 0; b < m->blocks; b++)
        add_block(&file, &sum, m, b);
    return gguf_write(&file, path) ? sum : 0;
}

static bool check_model(const struct published *m)
{
    bool ok = false;
    vkmoe_checkpoint *checkpoint = NULL;
    vkmoe_device *device = NULL;
    vkmoe_model *model = NULL;
    const struct observer observer = { 0 };
    CHECK(folder_begin("file-sizes"));
    const char *path = folder_path("model.gguf");
    const uint64_t tensors = write_model(m, path);
    CHECK(tensors > 0);
    CHECK_OK(vkmoe_checkpoint_open(path, &printing_log, &checkpoint));
    CHECK_OK(vkmoe_rehearsal_begin(&(struct rehearsal_params){ .name = "a card",
                                       .type = VKMOE_DEVICE_TYPE_DISCRETE,
                                       .min_subgroup_size = 32,
                                       .max_subgroup_size = 32,
                                       .log = printing_log,
                                       .observer = &observer },
        &device));
    CHECK_OK(vkmoe_model_create(device, checkpoint,
        &(struct vkmoe_model_params){ VKMOE_INIT(vkmoe_model_params), .capacity = 16, .chunk = 1 },
        &model));
    const uint64_t size = vkmoe_model_device_size(model);
    tap_note("%.3f GB of tensors take %.4f of that", (double)tensors / 1e9,
        (double)size / (double)tensors);
    CHECK(size >= tensors && (double)size <= MOST * (double)tensors);
    ok = true;
fail:
    vkmoe_model_destroy(&model);
    vkmoe_rehearsal_end(&device);
    vkmoe_checkpoint_destroy(&checkpoint);
    folder_finish();
    return ok;
}

static bool test_mixtral(void)
{
    return check_model(&mixtral);
}

static bool test_qwen3(void)
{
    return check_model(&qwen3);
}

static bool test_granite(void)
{
    return check_model(&granite);
}

static bool test_latent(void)
{
    return check_model(&deepseek);
}

TESTS_MAIN(ON_HOST, { "mixtral-8x7b", test_mixtral }, { "qwen3-30b-a3b", test_qwen3 },
    { "granite-3.0-1b-a400m", test_granite }, { "latent-attention", test_latent })
