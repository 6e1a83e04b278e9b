// whole_views.c - see whole_views.h.
#include "checkpoint/whole_views.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "weights/view.h"
#include "checkpoint/buckets.h"
#include "checkpoint/lookup.h"
#include "checkpoint/rope.h"

// More than any model has, and few enough to be made from a file that is up to no good.
enum { MAX_POSITION_BIASES = 1 << 24 };

static struct lookup start(const struct whole_tensors *from)
{
    return (
        struct lookup){ .tensors = from->tensors, .log = from->log, .directory = from->directory };
}

// Finds the tensors of a block, of which `name` is one.
static void choose_block(struct lookup *lookup, const struct whole_source *source,
    struct vkmoe_block block, const char *name)
{
    const char *prefix = source->whole->names[vkmoe_whole_place(block)].prefix;
    vkmoe_lookup_choose(lookup, prefix ? prefix : source->family->prefix, block.index, name);
}

// The tensor of one of several full names, of one dimension if `columns` is 0.
static struct vkmoe_view view_end(
    struct lookup *lookup, const char *names, uint32_t rows, uint32_t columns)
{
    if (!names)
        return (struct vkmoe_view){ 0 };
    vkmoe_lookup_choose(lookup, names, 0, "");
    return vkmoe_lookup_view(lookup, "", 0, (const uint64_t[4]){ rows, columns });
}

// ------------------------------------------------------------------------ attention

struct builder {
    struct lookup lookup;
    const struct whole_source *source;
    const struct attention_names *names;
    struct vkmoe_block block;
    struct traits traits;
    struct buckets buckets;
    struct attention_views *out;
};

// The query or output matrix of each expert.
static void view_experts(
    struct builder *b, const char *name, uint32_t rows, uint32_t columns, struct vkmoe_view *views)
{
    uint32_t experts = b->out->params.experts;
    const uint64_t stacked[4] = { experts, rows, columns }, single[4] = { rows, columns };
    struct vkmoe_view all =
        vkmoe_lookup_view(&b->lookup, name, 0, b->names->router ? stacked : single);
    for (uint32_t e = 0; e < experts; e++)
        views[e] = vkmoe_view_offset(all, (int64_t)e * rows * all.row_stride);
}

// Of the values of a position.
static uint32_t value_width(const struct vkmoe_attention_params *p)
{
    return p->kv_heads * (p->value_size ? p->value_size : p->head_size);
}

// Queries, keys and values of one matrix, one below the other.
static void view_fused(struct builder *b, uint32_t width, uint32_t kv_width)
{
    struct vkmoe_attention_params *p = &b->out->params;
    b->out->views[0] = vkmoe_lookup_matrix(
        &b->lookup, b->names->fused, width + kv_width + value_width(p), p->hidden);
    p->key.matrix = vkmoe_view_offset(b->out->views[0], width * b->out->views[0].row_stride);
    p->value.matrix = vkmoe_view_offset(p->key.matrix, kv_width * p->key.matrix.row_stride);
}

static void view_projections(struct builder *b)
{
    struct vkmoe_attention_params *p = &b->out->params;
    struct vkmoe_view *query = b->out->views, *output = query + p->experts;
    uint32_t width = p->heads * p->head_size, kv_width = p->kv_heads * p->head_size;
    p->router.weight = vkmoe_lookup_matrix(&b->lookup, b->names->router, p->experts, p->hidden);
    if (b->names->fused)
        view_fused(b, width, kv_width);
    else
        view_experts(b, b->names->query, width, p->hidden, query);
    view_experts(b, b->names->output, p->hidden,
        p->heads * (p->value_size ? p->value_size : p->head_size), output);
    p->query.matrices = query;
    p->output.matrices = output;
    p->gate.wide = b->names->gate && !b->traits.gate_of_heads;
    p->gate.matrix =
        vkmoe_lookup_matrix(&b->lookup, b->names->gate, p->gate.wide ? width : p->heads, p->hidden);
    if (b->names->key_value) {
        p->key.matrix =
            vkmoe_lookup_matrix(&b->lookup, b->names->key_value, 2 * kv_width, p->hidden);
        p->value.matrix = vkmoe_view_offset(p->key.matrix, kv_width * p->key.matrix.row_stride);
    } else if (!b->names->fused) {
        p->key.matrix = vkmoe_lookup_matrix(&b->lookup, b->names->key, kv_width, p->hidden);
        p->value.matrix = b->traits.keys_are_values
            ? p->key.matrix
            : vkmoe_lookup_matrix(&b->lookup, b->names->value, value_width(p), p->hidden);
    }
}

// The products with the parts of one tensor, which has both of each head, or with those of two.
static void view_latent_heads(struct builder *b, struct vkmoe_view *keys, struct vkmoe_view *values)
{
    const struct vkmoe_attention_params *p = &b->out->params;
    const struct vkmoe_latent *l = &p->latent;
    const uint32_t rows = l->key_size + l->value_size;
    const uint64_t of_keys[4] = { p->heads, l->rank, l->key_size };
    const uint64_t of_values[4] = { p->heads, l->value_size, l->rank };
    const struct vkmoe_view both =
        vkmoe_lookup_matrix(&b->lookup, b->names->latent_both, p->heads * rows, l->rank);
    const char *apart = b->names->latent_both ? NULL : b->names->latent_keys;
    const struct vkmoe_view all_keys = vkmoe_lookup_view(&b->lookup, apart, 0, of_keys);
    const struct vkmoe_view all_values =
        vkmoe_lookup_view(&b->lookup, apart ? b->names->latent_values : NULL, 0, of_values);
    for (uint32_t h = 0; h < p->heads; h++) {
        const int64_t first = (int64_t)h * rows;
        if (apart) {
            keys[h] = vkmoe_view_offset(all_keys, (int64_t)h * l->rank * all_keys.row_stride);
            values[h] =
                vkmoe_view_offset(all_values, (int64_t)h * l->value_size * all_values.row_stride);
            continue;
        }
        keys[h] = vkmoe_view_offset(both, first * both.row_stride);
        values[h] = vkmoe_view_offset(both, (first + l->key_size) * both.row_stride);
        keys[h].row_stride = 1;
        keys[h].column_stride = both.row_stride;
    }
}

static void view_latent(struct builder *b)
{
    struct vkmoe_attention_params *p = &b->out->params;
    struct vkmoe_latent *l = &p->latent;
    struct vkmoe_view *query = b->out->views, *output = query + 1, *keys = output + 1;
    const uint32_t query_rows = p->heads * (l->key_size + p->head_size - l->rank);
    const bool down = l->query_rank > 0;
    if (down) {
        l->query_matrix =
            vkmoe_lookup_matrix(&b->lookup, b->names->query_down, l->query_rank, p->hidden);
        l->query_norm = vkmoe_lookup_vector(&b->lookup, b->names->query_down_norm, l->query_rank);
    }
    *query = vkmoe_lookup_matrix(&b->lookup, down ? b->names->query_up : b->names->query,
        query_rows, down ? l->query_rank : p->hidden);
    *output =
        vkmoe_lookup_matrix(&b->lookup, b->names->output, p->hidden, p->heads * l->value_size);
    p->query.matrices = query;
    p->output.matrices = output;
    p->key.matrix = vkmoe_lookup_matrix(&b->lookup, b->names->key, p->head_size, p->hidden);
    p->key.norm = vkmoe_lookup_vector(&b->lookup, b->names->key_norm, l->rank);
    view_latent_heads(b, keys, keys + p->heads);
    l->keys = keys;
    l->values = keys + p->heads;
}

static bool has_sinks(const struct builder *b)
{
    return b->names->sinks && !b->traits.no_sinks
        && (!b->traits.sinks_may_lack || vkmoe_lookup_find(&b->lookup, b->names->sinks, 0, NULL));
}

static void view_vectors(struct builder *b, bool norm_wide)
{
    const struct attention_names *names = b->names;
    struct vkmoe_attention_params *p = &b->out->params;
    struct lookup *lookup = &b->lookup;
    uint32_t width = p->heads * p->head_size, kv_width = p->kv_heads * p->head_size;
    p->output.bias = vkmoe_lookup_vector(lookup, names->output_bias, p->hidden);
    if (b->traits.bias && names->fused_bias) {
        p->query.bias =
            vkmoe_lookup_vector(lookup, names->fused_bias, width + kv_width + value_width(p));
        p->key.bias = vkmoe_view_offset(p->query.bias, width);
        p->value.bias = vkmoe_view_offset(p->key.bias, kv_width);
    } else if (b->traits.bias) {
        p->query.bias = vkmoe_lookup_vector(lookup, names->query_bias, width);
        p->key.bias = vkmoe_lookup_vector(lookup, names->key_bias, kv_width);
        p->value.bias = vkmoe_lookup_vector(lookup, names->value_bias, value_width(p));
    }
    if (b->traits.bias && names->projection_bias)
        p->output.bias = vkmoe_lookup_vector(lookup, names->projection_bias, p->hidden);
    if (b->traits.head_norms) {
        p->query.norm =
            vkmoe_lookup_vector(lookup, names->query_norm, norm_wide ? width : p->head_size);
        p->key.norm =
            vkmoe_lookup_vector(lookup, names->key_norm, norm_wide ? kv_width : p->head_size);
    }
    if (has_sinks(b))
        p->sinks = vkmoe_lookup_vector(lookup, names->sinks, p->heads);
    if (!b->traits.unit_norms)
        return;
    for (uint32_t i = 0; i < p->head_size; i++)
        b->out->ones[i] = 1.0f;
    p->query.norm = p->key.norm = (struct vkmoe_view){ .data = b->out->ones,
        .dtype = VKMOE_DTYPE_F32,
        .row_stride = p->head_size,
        .column_stride = 1 };
}

// The first block has it for all of its stack.
static void view_position_bias(struct builder *b)
{
    struct vkmoe_attention_params *p = &b->out->params;
    struct lookup lookup = b->lookup;
    struct vkmoe_block first = b->block;
    first.index = 0;
    if (!b->names->position_bias)
        return;
    choose_block(&lookup, b->source, first, b->names->position_bias);
    struct vkmoe_view weight =
        vkmoe_lookup_matrix(&lookup, b->names->position_bias, b->buckets.count, p->heads);
    float *values = NULL;
    if (lookup.status == VKMOE_OK)
        lookup.status = vkmoe_view_floats(&weight, lookup.log, b->buckets.count, p->heads, &values);
    b->lookup.status = lookup.status;
    if (lookup.status != VKMOE_OK)
        return;
    vkmoe_buckets_expand(&b->buckets, values, p->heads, b->out->position_bias);
    free(values);
    p->position.bias = (struct vkmoe_view){ .data = b->out->position_bias,
        .dtype = VKMOE_DTYPE_F32,
        .row_stride = 2 * (int64_t)p->position.reach + 1,
        .column_stride = 1 };
}

// Pairs of a head that RoPE turns.
static uint32_t count_pairs(const struct vkmoe_attention_params *p)
{
    return (p->rope.size ? p->rope.size : p->head_size - p->latent.rank) / 2;
}

static bool has_listed_divisors(
    const struct whole_source *source, const struct vkmoe_attention_params *p)
{
    return p->rope.scaling == VKMOE_ROPE_SCALING_LONGROPE
        && !source->whole->ends.long_rope_divisors;
}

static void view_divisors(struct builder *b)
{
    struct vkmoe_attention_params *p = &b->out->params;
    const struct end_names *ends = &b->source->whole->ends;
    struct settings *settings = b->source->settings;
    struct lookup lookup = b->lookup;
    const uint32_t pairs = count_pairs(p);
    const struct vkmoe_view first = {
        .data = b->out->divisors, .dtype = VKMOE_DTYPE_F32, .row_stride = pairs, .column_stride = 1
    };
    if (b->traits.turned_pairs) {
        for (uint32_t i = 0; i < pairs; i++)
            b->out->divisors[i] = i < b->traits.turned_pairs ? 1.0f : INFINITY;
        p->rope_divisors = first;
    }
    if (b->traits.turned_pairs || b->traits.plain_rope)
        return;
    if (b->lookup.status == VKMOE_OK && has_listed_divisors(b->source, p)) {
        vkmoe_rope_read_divisors(settings, pairs, b->out->divisors, b->out->divisors + pairs);
        p->rope_divisors = first;
        p->long_rope.divisors = vkmoe_view_offset(first, pairs);
        b->lookup.status = settings->status;
        return;
    }
    const struct tensor *tensor = ends->rope_divisors && b->traits.more_divisors
        ? vkmoe_tensors_find(lookup.tensors, ends->rope_divisors)
        : NULL;
    const bool more = tensor && tensor->elements > pairs && tensor->elements <= MAX_WIDTH;
    p->rope_divisors =
        view_end(&lookup, ends->rope_divisors, more ? (uint32_t)tensor->elements : pairs, 0);
    if (p->rope.scaling == VKMOE_ROPE_SCALING_LONGROPE)
        p->long_rope.divisors = view_end(&lookup, ends->long_rope_divisors, pairs, 0);
    b->lookup.status = lookup.status;
}

static bool is_used(const struct builder *b, const char *name)
{
    const struct attention_names *n = b->names;
    // Latent attention reads no biases, sinks and norms of heads, and no fused matrix.
    const bool plain = b->out->params.latent.rank == 0;
    const bool bias = b->traits.bias && plain, biases_apart = bias && !n->fused_bias;
    const bool norms = b->traits.head_norms && plain;
    const bool apart = !n->fused || !plain, down = b->out->params.latent.query_rank > 0;
    const char *const used[] = { n->router,
        down        ? NULL
            : apart ? n->query
                    : n->fused,
        n->output, apart ? n->key : NULL, apart ? n->value : NULL, n->key_value,
        plain ? n->output_bias : NULL, norms ? n->query_norm : NULL,
        norms || !plain ? n->key_norm : NULL, plain && has_sinks(b) ? n->sinks : NULL,
        plain ? n->gate : NULL, n->ignored, n->attention_norm, n->attention_norm_bias,
        n->experts_norm, n->attention_post_norm, b->block.index == 0 ? n->position_bias : NULL,
        biases_apart ? n->query_bias : NULL, biases_apart ? n->key_bias : NULL,
        biases_apart ? n->value_bias : NULL, bias ? n->fused_bias : NULL,
        bias ? n->projection_bias : NULL, down ? n->query_down : NULL,
        down ? n->query_down_norm : NULL, down ? n->query_up : NULL,
        n->latent_both ? n->latent_both : n->latent_keys,
        n->latent_both ? NULL : n->latent_values };
    for (size_t i = 0; i < ARRAY_SIZE(used); i++) {
        if (used[i] && strcmp(used[i], name) == 0)
            return true;
    }
    // What old checkpoints carry, and follows from the config.
    static const char *const leftovers[] = { "rotary_emb.inv_freq", "rotary_emb.cos_cached",
        "rotary_emb.sin_cached" };
    for (size_t i = 0; i < ARRAY_SIZE(leftovers); i++) {
        const char *tail = strstr(name, leftovers[i]);
        if (tail && strcmp(tail, leftovers[i]) == 0)
            return true;
    }
    return false;
}

// A tensor of the attention that nobody read would change what it computes. So would one in a
// file that is missing, but not one that the index names in vain.
static void refuse_others(struct builder *b)
{
    if (b->lookup.status != VKMOE_OK)
        return;
    const struct tensors *tensors = b->lookup.tensors;
    char parent[2 * NAME_SIZE];
    snprintf(parent, sizeof parent, "%s%s", b->lookup.prefix, b->names->module);
    size_t length = strlen(parent), skip = strlen(b->lookup.prefix);
    for (uint32_t i = vkmoe_tensors_lower_bound(tensors, parent); i < tensors->count; i++) {
        const struct tensor *tensor = &tensors->items[i];
        if (strncmp(tensor->name, parent, length) != 0)
            return;
        if (tensor->absence != TENSOR_NOT_IN_FILE && !is_used(b, tensor->name + skip)) {
            LOOKUP_FAIL(&b->lookup, UNSUPPORTED,
                "%s: tensor %s is there, but the config does not say what it is for", tensor->path,
                tensor->name);
            return;
        }
    }
}

// Everything but the views, and room for those.
static enum vkmoe_status read_params(const struct whole_tensors *from, struct builder *b)
{
    const struct whole *whole = from->source.whole;
    struct settings *settings = from->source.settings;
    struct vkmoe_attention_params params = { VKMOE_INIT(vkmoe_attention_params) };
    vkmoe_whole_read_attention(&from->source, b->block, &params, &b->traits);
    size_t biases = 0;
    if (b->names->position_bias) {
        vkmoe_buckets_read(settings, &whole->buckets, &whole->max_distance,
            whole->both_sides[vkmoe_whole_place(b->block)], &b->buckets);
        params.position.reach = b->buckets.reach;
        biases = params.heads * (2 * (size_t)params.position.reach + 1);
    }
    if (biases > MAX_POSITION_BIASES)
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "%u heads and %u distances need more than %d position biases", params.heads,
            params.position.reach, MAX_POSITION_BIASES);
    if (settings->status != VKMOE_OK)
        return settings->status;

    const size_t heads = params.latent.rank ? params.heads : 0; // with matrices of their own
    size_t views_size = 2 * (params.experts + heads) * sizeof(struct vkmoe_view);
    size_t patterns_size = (size_t)params.experts * sizeof(struct vkmoe_pattern);
    const bool listed = has_listed_divisors(&from->source, &params);
    const size_t divisors = listed || b->traits.turned_pairs ? 2 * count_pairs(&params) : 0;
    const size_t floats = biases + divisors + (b->traits.unit_norms ? params.head_size : 0);
    struct attention_views *views =
        calloc(1, sizeof(*views) + views_size + patterns_size + floats * sizeof(float));
    if (!views)
        return vkmoe_fail(
            from->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for views", from->directory);
    views->params = params;
    char *rest = (char *)views->views + views_size;
    views->patterns = (struct vkmoe_pattern *)(void *)rest;
    views->position_bias = (float *)(void *)(rest + patterns_size);
    views->divisors = views->position_bias + biases;
    views->ones = views->divisors + divisors;
    b->out = views;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_attention_views_create(
    const struct whole_tensors *from, struct vkmoe_block block, struct attention_views **out)
{
    *out = NULL;
    const struct whole_source *source = &from->source;
    struct builder b = {
        .lookup = start(from),
        .source = source,
        .names = &source->whole->names[vkmoe_whole_place(block)],
        .block = block,
    };
    enum vkmoe_status status = read_params(from, &b);
    if (status != VKMOE_OK)
        return status;
    struct attention_views *views = b.out;
    if (vkmoe_whole_read_patterns(source, block, &views->params, views->patterns))
        views->params.patterns = views->patterns;
    b.lookup.status = source->settings->status;
    choose_block(&b.lookup, source, block, b.names->output);
    if (views->params.latent.rank) {
        view_latent(&b);
    } else {
        view_projections(&b);
        view_vectors(&b, source->whole->norm_wide);
    }
    view_position_bias(&b);
    view_divisors(&b);
    refuse_others(&b);
    if (b.lookup.status == VKMOE_OK)
        *out = views;
    else
        free(views);
    return b.lookup.status;
}

// -------------------------------------------------------------------- frame and norms

static enum vkmoe_status fetch(const struct vkmoe_view *view, const struct vkmoe_log *log,
    uint64_t at, void *to, uint64_t size)
{
    const char *from = (const char *)view->data + at;
    if (view->file)
        return vkmoe_file_read(view->file, log, from, to, size);
    memcpy(to, from, (size_t)size);
    return VKMOE_OK;
}

// Whether two tensors are the same, byte by byte.
static bool is_same(
    struct lookup *lookup, const struct vkmoe_view *a, const struct vkmoe_view *b, uint64_t size)
{
    enum { PIECE = 1 << 20 };
    bool same = true;
    char *bytes = malloc(2 * PIECE);
    if (!bytes)
        LOOKUP_FAIL(lookup, OUT_OF_MEMORY, "%s: no memory to compare tensors", lookup->directory);
    for (uint64_t at = 0; bytes && same && at < size && lookup->status == VKMOE_OK; at += PIECE) {
        const uint64_t piece = MIN(PIECE, size - at);
        lookup->status = fetch(a, lookup->log, at, bytes, piece);
        if (lookup->status == VKMOE_OK)
            lookup->status = fetch(b, lookup->log, at, bytes + PIECE, piece);
        same = lookup->status != VKMOE_OK || memcmp(bytes, bytes + PIECE, (size_t)piece) == 0;
    }
    free(bytes);
    return same;
}

// A tensor beside the embedding that has to be the same is either a copy of it or a
// contradiction.
static void check_copy(
    struct lookup *lookup, const char *names, const char *reason, const struct vkmoe_frame *frame)
{
    if (!names)
        return;
    vkmoe_lookup_choose(lookup, names, 0, "");
    const struct tensor *tensor = vkmoe_tensors_find(lookup->tensors, lookup->prefix);
    if (!tensor || tensor->absence || lookup->status != VKMOE_OK)
        return;
    struct vkmoe_view view = view_end(lookup, names, frame->vocabulary, frame->hidden);
    if (lookup->status != VKMOE_OK)
        return;
    if (view.dtype != frame->embedding.dtype
        || !is_same(lookup, &view, &frame->embedding, tensor->size))
        LOOKUP_FAIL(lookup, INVALID, "%s: tensor %s is not the embedding, though %s", tensor->path,
            tensor->name, reason);
}

enum vkmoe_status vkmoe_frame_view(const struct whole_tensors *from, struct vkmoe_frame *frame)
{
    bool tied;
    vkmoe_whole_read_frame(&from->source, frame, &tied);
    const bool head_bias = vkmoe_whole_has(&from->source, &from->source.whole->head_bias);
    if (from->source.settings->status != VKMOE_OK)
        return from->source.settings->status;
    const struct end_names *names = &from->source.whole->ends;
    struct lookup lookup = start(from);
    frame->embedding = view_end(&lookup, names->embedding, frame->vocabulary, frame->hidden);
    frame->final_norm = view_end(&lookup, names->final_norm, frame->hidden, 0);
    frame->final_norm_bias = view_end(&lookup, names->final_norm_bias, frame->hidden, 0);
    frame->encoder_norm = view_end(&lookup, names->encoder_norm, frame->hidden, 0);
    for (size_t i = 0; i < ARRAY_SIZE(names->copies); i++)
        check_copy(&lookup, names->copies[i], "models of this family share it", frame);
    if (tied) {
        check_copy(&lookup, names->head, "tie_word_embeddings says so", frame);
        frame->head = frame->embedding;
    } else {
        frame->head = view_end(&lookup, names->head, frame->vocabulary, frame->hidden);
    }
    if (head_bias)
        frame->head_bias = view_end(&lookup, names->head_bias, frame->vocabulary, 0);
    return lookup.status;
}

enum vkmoe_status vkmoe_norms_view(const struct whole_tensors *from, struct vkmoe_block block,
    bool biases, struct vkmoe_view *attention_norm, struct vkmoe_view *experts_norm)
{
    const struct attention_names *names = &from->source.whole->names[vkmoe_whole_place(block)];
    struct settings *settings = from->source.settings;
    uint32_t hidden = vkmoe_setting_read(&from->source.family->hidden, settings, 1, MAX_WIDTH);
    struct lookup lookup = start(from);
    lookup.status = settings->status;
    choose_block(&lookup, &from->source, block, names->output);
    *attention_norm = vkmoe_lookup_vector(
        &lookup, biases ? names->attention_norm_bias : names->attention_norm, hidden);
    *experts_norm = vkmoe_lookup_vector(
        &lookup, biases ? names->experts_norm_bias : names->experts_norm, hidden);
    return lookup.status;
}

// The factor, which is a tensor of one element.
static void read_block_scale(struct lookup *lookup, const char *name, float *out)
{
    float *value;
    const struct vkmoe_view view = name && vkmoe_lookup_find(lookup, name, 0, NULL)
        ? vkmoe_lookup_vector(lookup, name, 1)
        : (struct vkmoe_view){ 0 };
    if (!view.data || lookup->status != VKMOE_OK)
        return;
    lookup->status = vkmoe_view_floats(&view, lookup->log, 1, 1, &value);
    if (lookup->status != VKMOE_OK)
        return;
    *out = *value;
    free(value);
    if (!isfinite(*out) || *out == 0.0f)
        LOOKUP_FAIL(lookup, INVALID, "%s: tensor %s%s is %g, expected another number",
            lookup->directory, lookup->prefix, name, (double)*out);
}

enum vkmoe_status vkmoe_extras_view(const struct whole_tensors *from, struct vkmoe_block block,
    bool moe, struct vkmoe_block_extras *extras)
{
    const struct attention_names *names = &from->source.whole->names[vkmoe_whole_place(block)];
    struct settings *settings = from->source.settings;
    struct lookup lookup = start(from);
    *extras = (struct vkmoe_block_extras){ VKMOE_INIT(vkmoe_block_extras), .scale = 1.0f,
        .parallel = from->source.whole->parallel, .early = moe && from->source.whole->early };
    if (!names->post_norm && !names->experts_pre_norm)
        return VKMOE_OK;
    const uint32_t d = vkmoe_setting_read(&from->source.family->hidden, settings, 1, MAX_WIDTH);
    // Of x divided by the root of 2 a norm is what it is of x with twice the epsilon.
    if (vkmoe_whole_has(&from->source, &from->source.whole->root_of_sum))
        extras->post_epsilon = 2.0f * vkmoe_whole_read_epsilon(&from->source);
    lookup.status = settings->status;
    choose_block(&lookup, &from->source, block, names->output);
    extras->attention_post_norm = vkmoe_lookup_vector(&lookup, names->attention_post_norm, d);
    extras->post_norm = vkmoe_lookup_vector(&lookup, names->post_norm, d);
    if (moe) {
        extras->dense_post_norm = vkmoe_lookup_vector(&lookup, names->dense_post_norm, d);
        extras->experts_pre_norm = vkmoe_lookup_vector(&lookup, names->experts_pre_norm, d);
        extras->experts_post_norm = vkmoe_lookup_vector(&lookup, names->experts_post_norm, d);
    }
    read_block_scale(&lookup, names->block_scale, &extras->scale);
    return lookup.status;
}
