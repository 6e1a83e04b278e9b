// whole_checkpoints.c - see whole_checkpoints.h.
#include "whole_checkpoints.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats.h"
#include "random.h"
#include "tap.h"
#include "whole_families.h"

// --------------------------------------------------------------------------- files

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

void whole_add_numbered(struct file *file, const char *name, uint32_t number, const double *values,
    const uint64_t shape[4])
{
    if (!values)
        return;
    size_t begin = file->data.size, count = 1;
    char line[400], full[200];
    snprintf(full, sizeof full, name, number);
    int used = snprintf(line, sizeof line, "%c\"%s%s\":{\"dtype\":\"%s\",\"shape\":[",
        file->header.size ? ',' : '{', file->prefix, full, format_in_checkpoints(file->dtype));
    for (uint32_t i = 0; i < 4 && shape[i]; i++) {
        count *= shape[i];
        used += snprintf(line + used, sizeof line - (size_t)used, "%s%llu", i ? "," : "",
            (unsigned long long)shape[i]);
    }
    void *data = allocate(format_bytes(file->dtype, count), 1);
    format_encode(file->dtype, values, count, data);
    append(&file->data, data, format_bytes(file->dtype, count));
    free(data);
    snprintf(line + used, sizeof line - (size_t)used, "],\"data_offsets\":[%zu,%zu]}", begin,
        file->data.size);
    append(&file->header, line, strlen(line));
}

void whole_add(struct file *file, const char *name, const double *values, const uint64_t shape[4])
{
    whole_add_numbered(file, name, 0, values, shape);
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

// -------------------------------------------------------------------------- weights

struct source {
    uint64_t seed;
    enum vkmoe_dtype dtype;
};

static double *random_array(
    const struct source *source, const char *name, size_t count, double deviation, double mean)
{
    struct rng rng = rng_for(source->seed, name);
    double *values = allocate(count, sizeof(double));
    for (size_t i = 0; i < count; i++)
        values[i] = mean + deviation * rng_normal(&rng);
    format_round(source->dtype, values, count);
    return values;
}

static void fill_latent(const struct source *s, struct reference_attention *a)
{
    struct reference_latent *l = &a->latent;
    size_t d = a->hidden, heads = a->heads, rank = l->rank;
    size_t queries = heads * (l->key_size + l->turned), from = l->query_rank ? l->query_rank : d;
    double in = 1.5 / sqrt((double)d), out = 1.0 / sqrt((double)(heads * l->value_size));
    a->query = random_array(s, "query", queries * from, 1.5 / sqrt((double)from), 0.0);
    a->output = random_array(s, "output", d * heads * l->value_size, out, 0.0);
    a->key = random_array(s, "key", (rank + l->turned) * d, in, 0.0);
    a->key_norm = random_array(s, "key norm", rank, 0.3, 1.0);
    l->keys =
        random_array(s, "latent keys", heads * rank * l->key_size, 1.0 / sqrt((double)rank), 0.0);
    l->values = random_array(
        s, "latent values", heads * rank * l->value_size, 1.0 / sqrt((double)rank), 0.0);
    if (!l->query_rank)
        return;
    l->query_matrix = random_array(s, "latent query", l->query_rank * d, in, 0.0);
    l->query_norm = random_array(s, "latent query norm", l->query_rank, 0.3, 1.0);
}

// The last block has no RoPE, and queries that grow; the others have norms without weights.
static void fill_llama4(uint32_t chunk, bool last, struct reference_attention *a)
{
    if (last) {
        a->rope = (struct vkmoe_rope){ .kind = VKMOE_ROPE_NONE };
        a->norm_epsilon = 0.0;
        return;
    }
    a->temperature = 0.0;
    a->temperature_floor = 0;
    a->patterns[0] = (struct vkmoe_pattern){ .kind = VKMOE_PATTERN_CHUNKED, .block = chunk };
    a->query_norm = allocate(a->head_size, sizeof(double));
    a->key_norm = allocate(a->head_size, sizeof(double));
    for (uint32_t i = 0; i < a->head_size; i++)
        a->query_norm[i] = a->key_norm[i] = 1.0;
}

static void fill_attention(const struct source *s, const struct whole_family *family,
    uint32_t block, struct reference_attention *a)
{
    *a = family->attention;
    size_t d = a->hidden = family->frame.hidden, e = a->experts;
    size_t width = (size_t)a->heads * a->head_size, kv = (size_t)a->kv_heads * a->head_size;
    double in = 1.5 / sqrt((double)d), out = 1.0 / sqrt((double)width);
    if (a->latent.rank) {
        fill_latent(s, a);
    } else {
        a->query = random_array(s, "query", e * width * d, in, 0.0);
        a->output = random_array(s, "output", e * d * width, out, 0.0);
        a->key = random_array(s, "key", kv * d, in, 0.0);
        a->value = random_array(s, "value", kv * d, in, 0.0);
    }
    if (e > 1) {
        a->router.hidden = a->hidden;
        a->router.experts = a->experts;
        a->router.experts_per_token = a->experts_per_token;
        a->router.router = random_array(s, "attention router", e * d, in, 0.0);
    }
    if (family->has & (HAS_BIASES | HAS_INPUT_BIASES)) {
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
    if (family->has & HAS_LONG_ROPE) {
        a->rope_divisors = allocate(COUNT(whole_short_factor), sizeof(double));
        a->long_divisors = allocate(COUNT(whole_long_factor), sizeof(double));
        memcpy(a->rope_divisors, whole_short_factor, sizeof whole_short_factor);
        memcpy(a->long_divisors, whole_long_factor, sizeof whole_long_factor);
    }
    if (family->has & HAS_SINKS)
        a->sinks = random_array(s, "sinks", a->heads, 1.0, 1.0);
    a->patterns = allocate(e, sizeof(*a->patterns));
    for (size_t i = 0; i < e; i++)
        a->patterns[i] =
            (struct vkmoe_pattern){ .left = family->expert_windows ? family->expert_windows[i]
                                                                   : family->windows[block] };
    if (family->has & HAS_HEAD_GATE)
        a->gate = random_array(s, "gate", width * d, in, 0.0);
    a->gate_wide = a->gate;
    if (family->has & HAS_WINDOW_ROPE && !family->windows[block])
        a->rope = (struct vkmoe_rope){ .kind = VKMOE_ROPE_NONE };
    if (family->chunk)
        fill_llama4(family->chunk, block + 1 == family->blocks, a);
}

static void fill_experts(const struct source *s, const struct whole_family *family, bool dense,
    struct reference_layer *l)
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
    if (!dense && family->has & HAS_CORRECTION_BIAS)
        l->correction_bias = random_array(s, "correction bias", e, 0.2, 0.0);
    if (l->shared_inner) {
        size_t shared = l->shared_inner;
        l->shared_gate = random_array(s, "shared gate", shared * d, in, 0.0);
        l->shared_up = random_array(s, "shared up", shared * d, in, 0.0);
        l->shared_down = random_array(s, "shared down", shared * d, out, 0.0);
    }
    if (family->has & HAS_TOKEN_GATE)
        l->shared_token_gate = random_array(s, "shared token gate", d, in, 0.0);
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
static void fill_block(const struct source *s, const struct whole_family *family, uint32_t stack,
    uint32_t index, struct whole_checkpoint_block *block)
{
    size_t d = family->frame.hidden;
    bool dense = family->moe[stack] && family->moe[stack][index] == '-';
    block->attention_norm = random_array(s, "attention norm", d, 0.3, 1.0);
    block->experts_norm = random_array(s, "experts norm", d, 0.3, 1.0);
    if (family->has & HAS_NORM_BIASES) {
        block->attention_norm_bias = random_array(s, "attention norm bias", d, 0.3, 0.0);
        block->experts_norm_bias = random_array(s, "experts norm bias", d, 0.3, 0.0);
    }
    if (family->has & HAS_POST_NORMS) {
        block->attention_post_norm = random_array(s, "attention post norm", d, 0.3, 1.0);
        block->post_norm = random_array(s, "post norm", d, 0.3, 1.0);
    }
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

static void fill_position_bias(const struct source *s, const struct whole_family *family,
    uint32_t stack, struct whole_checkpoint *out)
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
    double *table = allocate(width * heads, sizeof(double));
    for (size_t i = 0; i < width * heads; i++) {
        int32_t distance = (int32_t)(i % width) - reach;
        uint32_t bucket = whole_checkpoint_bucket(buckets, far, both_sides, distance);
        table[i] = stored[bucket * heads + i / width];
    }
    out->bucket_bias[stack] = stored;
    out->position_bias[stack] = table;
    out->position_reach[stack] = (uint32_t)reach;
}

static void fill(const struct whole_family *family, uint64_t seed, struct whole_checkpoint *out)
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
    out->layer_norm = family->has & (HAS_NORM_BIASES | HAS_LAYER_NORMS);
    if (family->has & HAS_NORM_BIASES)
        out->final_norm_bias = random_array(&around, "final norm bias", d, 0.3, 0.0);
    if (family->has & HAS_HEAD_BIAS)
        out->head_bias = random_array(&around, "head bias", out->vocabulary, 0.5, 0.0);
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

static const struct whole_family *find(const char *name)
{
    const struct whole_family *family;
    for (uint32_t i = 0; (family = whole_family_at(i)); i++) {
        if (strcmp(family->name, name) == 0)
            return family;
    }
    return NULL;
}

const char *whole_checkpoint_family(uint32_t index)
{
    const struct whole_family *family = whole_family_at(index);
    return family ? family->name : NULL;
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
    struct file *file, const struct whole_family *family, const struct whole_checkpoint *c)
{
    static const struct whole_names usual = { "model.embed_tokens.weight", "model.norm.weight",
        "model.layers.%u.", "input_layernorm.weight", "post_attention_layernorm.weight",
        "pre_mlp_layernorm.weight", "post_mlp_layernorm.weight" };
    const struct whole_names *names = family->names ? family->names : &usual;
    const uint64_t *table = SHAPE(c->vocabulary, c->hidden);
    const char *embedding = family->embedding ? family->embedding : names->embedding;
    whole_add(file, embedding, c->embedding, table);
    whole_add(file, names->final_norm, c->final_norm, SHAPE(c->hidden));
    whole_add(file, "model.norm.bias", c->final_norm_bias, SHAPE(c->hidden));
    whole_add(file, "lm_head.bias", c->head_bias, SHAPE(c->vocabulary));
    if (!c->tied)
        whole_add(file, "lm_head.weight", c->head, table);
    for (uint32_t b = 0; b < c->block_count; b++) {
        const struct whole_checkpoint_block *block = &c->blocks[b];
        snprintf(file->prefix, sizeof file->prefix, names->block, b);
        whole_add(file, names->attention_norm, block->attention_norm, SHAPE(c->hidden));
        const char *behind = names->experts_norm;
        whole_add(
            file, block->post_norm ? names->before : behind, block->experts_norm, SHAPE(c->hidden));
        whole_add(file, behind, block->attention_post_norm, SHAPE(c->hidden));
        whole_add(file, names->behind, block->post_norm, SHAPE(c->hidden));
        whole_add(file, "input_layernorm.bias", block->attention_norm_bias, SHAPE(c->hidden));
        whole_add(
            file, "post_attention_layernorm.bias", block->experts_norm_bias, SHAPE(c->hidden));
        family->write_attention(file, &block->attention);
        family->write_experts(file, &block->experts);
    }
}

// With two things that older files have: a copy of the embedding, which is to be the same,
// and a bias of the attention to the encoder, which means nothing.
static void add_encoder_decoder(
    struct file *file, const struct whole_family *family, const struct whole_checkpoint *c)
{
    static const char *const stacks[] = { "encoder", "decoder" };
    const uint64_t *table = SHAPE(c->vocabulary, c->hidden);
    whole_add(file, "shared.weight", c->embedding, table);
    whole_add(file, "encoder.embed_tokens.weight", c->embedding, table);
    whole_add(file, "encoder.final_layer_norm.weight", c->encoder_norm, SHAPE(c->hidden));
    whole_add(file, "decoder.final_layer_norm.weight", c->final_norm, SHAPE(c->hidden));
    if (!c->tied)
        whole_add(file, "lm_head.weight", c->head, table);
    for (uint32_t stack = 0; stack < 2; stack++) {
        const char *bias = "layer.0.SelfAttention.relative_attention_bias.weight";
        const uint64_t *shape = SHAPE(family->buckets, family->attention.heads);
        snprintf(file->prefix, sizeof file->prefix, "%s.block.0.", stacks[stack]);
        whole_add(file, bias, c->bucket_bias[stack], shape);
        if (stack == 1)
            whole_add(file, "layer.1.EncDecAttention.relative_attention_bias.weight",
                c->bucket_bias[0], shape);
        for (uint32_t b = 0; b < (stack ? c->block_count : c->encoder_count); b++) {
            snprintf(file->prefix, sizeof file->prefix, "%s.block.%u.", stacks[stack], b);
            whole_write_switch_block(file, stack ? &c->blocks[b] : &c->encoder[b]);
        }
    }
}

bool whole_checkpoint_write(const char *name, uint64_t seed, struct whole_checkpoint *out)
{
    *out = (struct whole_checkpoint){ 0 };
    const struct whole_family *family = find(name);
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
    double *const arrays[] = { checkpoint->embedding, checkpoint->head, checkpoint->final_norm,
        checkpoint->encoder_norm, checkpoint->final_norm_bias, checkpoint->head_bias };
    for (size_t i = 0; i < COUNT(arrays); i++)
        free(arrays[i]);
    for (int stack = 0; stack < 2; stack++) {
        free(checkpoint->position_bias[stack]);
        free(checkpoint->bucket_bias[stack]);
    }
    for (uint32_t b = 0; b < 2 * WHOLE_CHECKPOINT_MAX_BLOCKS; b++) {
        struct whole_checkpoint_block *block = b < WHOLE_CHECKPOINT_MAX_BLOCKS
            ? &checkpoint->blocks[b]
            : &checkpoint->encoder[b - WHOLE_CHECKPOINT_MAX_BLOCKS];
        double *const norms[] = { block->attention_norm, block->cross_norm, block->experts_norm,
            block->attention_post_norm, block->post_norm, block->attention_norm_bias,
            block->experts_norm_bias };
        for (size_t i = 0; i < COUNT(norms); i++)
            free(norms[i]);
        reference_attention_finish(&block->cross);
        reference_attention_finish(&block->attention);
        reference_layer_finish(&block->experts);
    }
    *checkpoint = (struct whole_checkpoint){ 0 };
}
