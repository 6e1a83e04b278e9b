// gguf_gemma4.c - see gguf_writer.h: what llama.cpp's converter makes of a Gemma 4, whose blocks
// differ in more than those of the others do.
#include <math.h>
#include <stdlib.h>

#include "allocate.h"
#include "attention_reference.h"
#include "gguf_writer.h"
#include "network_reference.h"
#include "tap.h"

#define SHAPE(...) \
    (const uint64_t[4]) \
    { \
        __VA_ARGS__ \
    }
#define ARCHITECTURE "gemma4."

enum { MAX_BLOCKS_HERE = 8 };

static void write_keys(
    struct gguf_writer *w, const struct vkmoe_frame *frame, const struct reference_network *n)
{
    uint32_t kv_heads[MAX_BLOCKS_HERE], sliding[MAX_BLOCKS_HERE], with = 0, without = 0;
    for (uint32_t b = 0; b < n->block_count; b++) {
        const struct reference_attention *a = &n->blocks[b].attention;
        kv_heads[b] = a->kv_heads;
        sliding[b] = a->patterns != NULL;
        *(sliding[b] ? &with : &without) = b;
    }
    const struct reference_block *local = &n->blocks[with], *global = &n->blocks[without];
    const struct {
        const char *key;
        uint32_t value;
    } numbers[] = {
        { ARCHITECTURE "block_count", n->block_count },
        { ARCHITECTURE "context_length", frame->max_positions },
        { ARCHITECTURE "embedding_length", n->hidden },
        { ARCHITECTURE "feed_forward_length", global->beside.inner },
        { ARCHITECTURE "expert_feed_forward_length", global->experts.inner },
        { ARCHITECTURE "expert_count", global->experts.experts },
        { ARCHITECTURE "expert_used_count", global->experts.experts_per_token },
        { ARCHITECTURE "vocab_size", n->vocabulary },
        { ARCHITECTURE "attention.head_count", global->attention.heads },
        { ARCHITECTURE "attention.key_length", global->attention.head_size },
        { ARCHITECTURE "attention.value_length", global->attention.head_size },
        { ARCHITECTURE "attention.key_length_swa", local->attention.head_size },
        { ARCHITECTURE "attention.value_length_swa", local->attention.head_size },
        { ARCHITECTURE "attention.sliding_window", local->attention.patterns[0].left },
        { ARCHITECTURE "attention.shared_kv_layers", 0 },
        { ARCHITECTURE "embedding_length_per_layer_input", 0 },
        { ARCHITECTURE "rope.dimension_count", global->attention.head_size },
        { ARCHITECTURE "rope.dimension_count_swa", local->attention.head_size },
        { "tokenizer.ggml.eos_token_id", frame->end_tokens[0] },
    };
    gguf_key_text(w, "general.architecture", "gemma4");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        gguf_key_u32(w, numbers[i].key, numbers[i].value);
    gguf_key_u32s(w, ARCHITECTURE "attention.head_count_kv", kv_heads, n->block_count);
    gguf_key_u32s(w, ARCHITECTURE "attention.sliding_window_pattern", sliding, n->block_count);
    gguf_key_f32(w, ARCHITECTURE "attention.layer_norm_rms_epsilon", n->norm_epsilon);
    gguf_key_f32(w, ARCHITECTURE "rope.freq_base", (double)global->attention.rope.base);
    gguf_key_f32(w, ARCHITECTURE "rope.freq_base_swa", (double)local->attention.rope.base);
    gguf_key_f32(w, ARCHITECTURE "final_logit_softcapping", n->logits_cap);
}

static void write_block(struct gguf_writer *w, const struct reference_block *block, uint32_t index)
{
    const struct reference_attention *a = &block->attention;
    const struct reference_layer *e = &block->experts, *d = &block->beside;
    const uint64_t hidden = a->hidden, all = a->heads * a->head_size,
                   kv = a->kv_heads * a->head_size;
    const uint64_t *vector = SHAPE(hidden);
    const size_t one = (size_t)e->inner * hidden;
    double *scale = allocate(hidden, sizeof *scale);
    double *both = allocate(2 * e->experts * one, sizeof *both);
    for (uint32_t i = 0; i < hidden; i++) // applied with hidden^-1/2 there
        scale[i] = e->input_scale[i] * sqrt((double)hidden);
    for (size_t i = 0; i < 2 * e->experts * one; i++) {
        const size_t expert = i / (2 * one), from = expert * one + i % one;
        both[i] = i / one % 2 == 0 ? e->gate[from] : e->up[from];
    }
    const struct {
        const char *name;
        const double *values;
        const uint64_t *shape;
    } tensors[] = {
        { "attn_norm.weight", block->attention_norm, vector },
        { "post_attention_norm.weight", block->attention_post_norm, vector },
        { "ffn_norm.weight", block->experts_norm, vector },
        { "post_ffw_norm.weight", block->post_norm, vector },
        { "post_ffw_norm_1.weight", block->dense_post_norm, vector },
        { "pre_ffw_norm_2.weight", block->experts_pre_norm, vector },
        { "post_ffw_norm_2.weight", block->experts_post_norm, vector },
        { "layer_output_scale.weight", &block->scale, SHAPE(1) },
        { "attn_q.weight", a->query, SHAPE(all, hidden) },
        { "attn_k.weight", a->key, SHAPE(kv, hidden) },
        { "attn_v.weight", a->patterns ? a->value : NULL, SHAPE(kv, hidden) },
        { "attn_output.weight", a->output, SHAPE(hidden, all) },
        { "attn_q_norm.weight", a->query_norm, SHAPE(a->head_size) },
        { "attn_k_norm.weight", a->key_norm, SHAPE(a->head_size) },
        { "ffn_gate.weight", d->gate, SHAPE(d->inner, hidden) },
        { "ffn_up.weight", d->up, SHAPE(d->inner, hidden) },
        { "ffn_down.weight", d->down, SHAPE(hidden, d->inner) },
        { "ffn_gate_inp.weight", e->router, SHAPE(e->experts, hidden) },
        { "ffn_gate_inp.scale", scale, vector },
        { "ffn_gate_up_exps.weight", both, SHAPE(e->experts, 2 * e->inner, hidden) },
        { "ffn_down_exps.weight", e->down, SHAPE(e->experts, hidden, e->inner) },
        { "ffn_down_exps.scale", e->expert_scale, SHAPE(e->experts) },
    };
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "blk.%u.%s", index, tensors[i].name);
        if (tensors[i].values)
            gguf_tensor(w, name, tensors[i].values, tensors[i].shape);
    }
    free(scale);
    free(both);
}

// Of the blocks without windows; what does not turn is divided by a large number.
static void write_divisors(struct gguf_writer *w, const struct reference_network *n)
{
    for (uint32_t b = 0; b < n->block_count; b++) {
        const struct reference_attention *a = &n->blocks[b].attention;
        double divisors[256];
        if (!a->rope_divisors)
            continue;
        for (uint32_t i = 0; i < a->head_size / 2; i++)
            divisors[i] = isinf(a->rope_divisors[i]) ? 1e30 : a->rope_divisors[i];
        gguf_tensor(w, "rope_freqs.weight", divisors, SHAPE(a->head_size / 2));
        return;
    }
}

bool gguf_convert_gemma4(vkmoe_checkpoint *checkpoint, const char *path)
{
    struct gguf_writer writer = { 0 };
    struct reference_network n;
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    bool ok = reference_network_from(checkpoint, &n) && n.block_count <= MAX_BLOCKS_HERE
        && vkmoe_checkpoint_get_frame(checkpoint, &frame) == VKMOE_OK;
    if (ok) {
        write_keys(&writer, &frame, &n);
        for (uint32_t b = 0; b < n.block_count; b++)
            write_block(&writer, &n.blocks[b], b);
        write_divisors(&writer, &n);
        gguf_tensor(&writer, "token_embd.weight", n.embedding, SHAPE(n.vocabulary, n.hidden));
        gguf_tensor(&writer, "output_norm.weight", n.final_norm, SHAPE(n.hidden));
        ok = gguf_write(&writer, path);
    }
    reference_network_finish(&n);
    return ok;
}
