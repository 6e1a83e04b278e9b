// whole_views.c - see whole_views.h.
#include "whole_views.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common.h"
#include "../dtype.h"
#include "lookup.h"

// Where a decoder-only model's parts are: the same alternatives as those of its blocks.
#define STEMS "model.|language_model.model.|model.language_model.|"

static struct vkmoe_lookup start(const struct vkmoe_whole_tensors *from)
{
    return (struct vkmoe_lookup){
        .tensors = from->tensors, .log = from->log, .directory = from->directory};
}

// ------------------------------------------------------------------------ attention

struct builder {
    struct vkmoe_lookup lookup;
    const struct vkmoe_attention_names *names;
    struct vkmoe_attention_views *out;
};

// The query or output matrix of each expert.
static void view_experts(struct builder *b, const char *name, uint32_t rows, uint32_t columns,
    struct vkmoe_view *views)
{
    uint32_t experts = b->out->params.experts;
    const uint64_t stacked[4] = {experts, rows, columns}, single[4] = {rows, columns};
    struct vkmoe_view all =
        vkmoe_lookup_view(&b->lookup, name, 0, b->names->router ? stacked : single);
    for (uint32_t e = 0; e < experts; e++)
        views[e] = vkmoe_view_offset(all, (int64_t)e * rows * columns);
}

static void view_projections(struct builder *b)
{
    struct vkmoe_attention_params *p = &b->out->params;
    struct vkmoe_view *query = b->out->views, *output = query + p->experts;
    uint32_t width = p->heads * p->head_size, kv_width = p->kv_heads * p->head_size;
    p->router.weight = vkmoe_lookup_matrix(&b->lookup, b->names->router, p->experts, p->hidden);
    view_experts(b, b->names->query, width, p->hidden, query);
    view_experts(b, b->names->output, p->hidden, width, output);
    p->query = query;
    p->output = output;
    if (b->names->key_value) {
        p->key = vkmoe_lookup_matrix(&b->lookup, b->names->key_value, 2 * kv_width, p->hidden);
        p->value = vkmoe_view_offset(p->key, (int64_t)kv_width * p->hidden);
    } else {
        p->key = vkmoe_lookup_matrix(&b->lookup, b->names->key, kv_width, p->hidden);
        p->value = vkmoe_lookup_matrix(&b->lookup, b->names->value, kv_width, p->hidden);
    }
    if (b->lookup.status == VKMOE_OK
        && (output[0].dtype != query[0].dtype || p->key.dtype != query[0].dtype
            || p->value.dtype != query[0].dtype))
        VKMOE_LOOKUP_FAIL(&b->lookup, UNSUPPORTED,
            "%s: the attention of %s has matrices of different dtypes", b->lookup.directory,
            b->lookup.prefix);
}

static void view_vectors(struct builder *b, bool bias, bool norm_wide)
{
    const struct vkmoe_attention_names *names = b->names;
    struct vkmoe_attention_params *p = &b->out->params;
    struct vkmoe_lookup *lookup = &b->lookup;
    uint32_t width = p->heads * p->head_size, kv_width = p->kv_heads * p->head_size;
    p->output_bias = vkmoe_lookup_vector(lookup, names->output_bias, p->hidden);
    if (bias) {
        p->query_bias = vkmoe_lookup_vector(lookup, names->query_bias, width);
        p->key_bias = vkmoe_lookup_vector(lookup, names->key_bias, kv_width);
        p->value_bias = vkmoe_lookup_vector(lookup, names->value_bias, kv_width);
        if (names->projection_bias)
            p->output_bias = vkmoe_lookup_vector(lookup, names->projection_bias, p->hidden);
    }
    p->query_norm = vkmoe_lookup_vector(lookup, names->query_norm,
        norm_wide ? width : p->head_size);
    p->key_norm = vkmoe_lookup_vector(lookup, names->key_norm,
        norm_wide ? kv_width : p->head_size);
    p->sinks = vkmoe_lookup_vector(lookup, names->sinks, p->heads);
}

static bool is_used(const struct builder *b, bool bias, const char *name)
{
    const struct vkmoe_attention_names *n = b->names;
    const char *const used[] = {n->router, n->query, n->output, n->key, n->value, n->key_value,
        n->output_bias, n->query_norm, n->key_norm, n->sinks, bias ? n->query_bias : NULL,
        bias ? n->key_bias : NULL, bias ? n->value_bias : NULL,
        bias ? n->projection_bias : NULL};
    for (size_t i = 0; i < ARRAY_SIZE(used); i++) {
        if (used[i] && strcmp(used[i], name) == 0)
            return true;
    }
    // Old checkpoints carry the frequencies, which follow from the config.
    const char *tail = strstr(name, "rotary_emb.inv_freq");
    return tail && strcmp(tail, "rotary_emb.inv_freq") == 0;
}

// A tensor of the attention that nobody read would change what it computes.
static void refuse_others(struct builder *b, bool bias)
{
    if (b->lookup.status != VKMOE_OK)
        return;
    const struct vkmoe_tensors *tensors = b->lookup.tensors;
    char parent[2 * VKMOE_NAME_SIZE];
    snprintf(parent, sizeof parent, "%s%.*s.", b->lookup.prefix,
        (int)strcspn(b->names->query, "."), b->names->query);
    size_t length = strlen(parent), skip = strlen(b->lookup.prefix);
    for (uint32_t i = vkmoe_tensors_lower_bound(tensors, parent); i < tensors->count; i++) {
        const struct vkmoe_tensor *tensor = &tensors->items[i];
        if (strncmp(tensor->name, parent, length) != 0)
            return;
        if (!is_used(b, bias, tensor->name + skip)) {
            VKMOE_LOOKUP_FAIL(&b->lookup, UNSUPPORTED,
                "%s: tensor %s is there, but the config does not say what it is for",
                tensor->path, tensor->name);
            return;
        }
    }
}

enum vkmoe_status vkmoe_attention_views_create(const struct vkmoe_whole_tensors *from,
    uint32_t block, struct vkmoe_attention_views **out)
{
    *out = NULL;
    const struct vkmoe_whole *whole = from->source.whole;
    struct vkmoe_attention_params params;
    bool bias;
    vkmoe_whole_read_attention(&from->source, &params, &bias);
    if (from->source.config->status != VKMOE_OK)
        return from->source.config->status;

    size_t views_size = 2 * (size_t)params.experts * sizeof(struct vkmoe_view);
    size_t patterns_size = (size_t)params.experts * sizeof(struct vkmoe_pattern);
    struct vkmoe_attention_views *views = calloc(1, sizeof(*views) + views_size + patterns_size);
    if (!views)
        return vkmoe_fail(from->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for views",
            from->directory);
    views->params = params;
    views->patterns = (struct vkmoe_pattern *)(void *)((char *)views->views + views_size);
    if (vkmoe_whole_read_patterns(&from->source, block, params.experts, views->patterns))
        views->params.patterns = views->patterns;

    struct builder b = {.lookup = start(from), .names = &whole->names, .out = views};
    b.lookup.status = from->source.config->status;
    vkmoe_lookup_choose(&b.lookup, from->source.family->prefix, block, whole->names.query);
    view_projections(&b);
    view_vectors(&b, bias, whole->norm_wide);
    refuse_others(&b, bias);
    if (b.lookup.status == VKMOE_OK)
        *out = views;
    else
        free(views);
    return b.lookup.status;
}

// -------------------------------------------------------------------- frame and norms

// A head's tensor beside a tied embedding is either a copy of it or a contradiction.
static void check_tied(struct vkmoe_lookup *lookup, const char *head,
    const struct vkmoe_frame_params *frame)
{
    char name[2 * VKMOE_NAME_SIZE];
    snprintf(name, sizeof name, "%s%s", lookup->prefix, head);
    const struct vkmoe_tensor *tensor = vkmoe_tensors_find(lookup->tensors, name);
    if (!tensor || lookup->status != VKMOE_OK)
        return;
    struct vkmoe_view view =
        vkmoe_lookup_matrix(lookup, head, frame->vocabulary, frame->hidden);
    if (lookup->status != VKMOE_OK)
        return;
    if (view.dtype != frame->embedding.dtype
        || memcmp(view.data, frame->embedding.data, (size_t)tensor->size) != 0)
        VKMOE_LOOKUP_FAIL(lookup, INVALID,
            "%s: tensor %s is not the embedding, though tie_word_embeddings says so",
            tensor->path, tensor->name);
}

enum vkmoe_status vkmoe_frame_view(const struct vkmoe_whole_tensors *from,
    struct vkmoe_frame_params *frame)
{
    bool tied;
    vkmoe_whole_read_frame(&from->source, frame, &tied);
    if (from->source.config->status != VKMOE_OK)
        return from->source.config->status;
    struct vkmoe_lookup lookup = start(from);
    vkmoe_lookup_choose(&lookup, STEMS, 0, "embed_tokens.weight");
    frame->embedding = vkmoe_lookup_matrix(&lookup, "embed_tokens.weight", frame->vocabulary,
        frame->hidden);
    frame->final_norm = vkmoe_lookup_vector(&lookup, "norm.weight", frame->hidden);
    // The head is beside the model, not in it.
    vkmoe_lookup_choose(&lookup, "|language_model.", 0, "lm_head.weight");
    if (tied) {
        check_tied(&lookup, "lm_head.weight", frame);
        frame->head = frame->embedding;
    } else {
        frame->head = vkmoe_lookup_matrix(&lookup, "lm_head.weight", frame->vocabulary,
            frame->hidden);
    }
    return lookup.status;
}

enum vkmoe_status vkmoe_norms_view(const struct vkmoe_whole_tensors *from, uint32_t block,
    struct vkmoe_view *attention_norm, struct vkmoe_view *experts_norm)
{
    struct vkmoe_config *config = from->source.config;
    uint32_t hidden =
        vkmoe_setting_read(&from->source.family->hidden, config, 1, VKMOE_MAX_WIDTH);
    struct vkmoe_lookup lookup = start(from);
    lookup.status = config->status;
    vkmoe_lookup_choose(&lookup, from->source.family->prefix, block, "input_layernorm.weight");
    *attention_norm = vkmoe_lookup_vector(&lookup, "input_layernorm.weight", hidden);
    *experts_norm = vkmoe_lookup_vector(&lookup, "post_attention_layernorm.weight", hidden);
    return lookup.status;
}
