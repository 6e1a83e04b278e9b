// views.c - see views.h. Nothing is copied: strides say how a tensor lies in its file.
#include "views.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dtype.h"
#include "../log.h"

enum { NAME_SIZE = 256 };

// The first failure stays in `status`, and later steps do nothing.
struct builder {
    const struct vkmoe_view_source *source;
    struct vkmoe_block_views *out;
    char prefix[NAME_SIZE];
    enum vkmoe_status status;
};

#define FAIL(builder, code, ...) \
    ((builder)->status = vkmoe_fail((builder)->source->log, VKMOE_ERROR_##code, __VA_ARGS__))

// Copies `length` bytes of a pattern, with {b} or {e} replaced by `number`.
static void expand(char *out, const char *pattern, size_t length, uint32_t number)
{
    const char *brace = memchr(pattern, '{', length);
    if (!brace) {
        snprintf(out, NAME_SIZE, "%.*s", (int)length, pattern);
        return;
    }
    size_t head = (size_t)(brace - pattern), tail = length - head - 3;
    snprintf(out, NAME_SIZE, "%.*s%u%.*s", (int)head, pattern, number, (int)tail, brace + 3);
}

static const struct vkmoe_tensor *find(struct builder *b, const char *pattern, uint32_t expert)
{
    char tail[NAME_SIZE], name[2 * NAME_SIZE];
    expand(tail, pattern, strlen(pattern), expert);
    snprintf(name, sizeof name, "%s%s", b->prefix, tail);
    const struct vkmoe_tensor *tensor = vkmoe_tensors_find(b->source->tensors, name);
    if (!tensor && b->status == VKMOE_OK)
        FAIL(b, INVALID, "%s: tensor %s is missing", b->source->directory, name);
    return tensor;
}

// Of the family's alternatives, the first under which this block has a router; if none has,
// the first, for the message to come.
static void choose_prefix(struct builder *b)
{
    const struct vkmoe_family *family = b->source->family;
    struct vkmoe_block block = b->source->block;
    const char *alternatives = block.decoder ? family->decoder_prefix : family->prefix;
    for (const char *p = alternatives;;) {
        char tail[NAME_SIZE], name[2 * NAME_SIZE];
        size_t length = strcspn(p, "|");
        expand(b->prefix, p, length, block.index);
        expand(tail, family->names.router, strlen(family->names.router), 0);
        snprintf(name, sizeof name, "%s%s", b->prefix, tail);
        if (vkmoe_tensors_find(b->source->tensors, name))
            return;
        if (p[length] == '\0')
            break;
        p += length + 1;
    }
    expand(b->prefix, alternatives, strcspn(alternatives, "|"), block.index);
}

static void print_shape(const uint64_t *shape, uint32_t rank, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%llu", i ? ", " : "",
            (unsigned long long)shape[i]);
}

// Fills `view` with a dense view of a tensor of exactly this shape; `expected` 0 ends it.
static void view_tensor(struct builder *b, const struct vkmoe_tensor *tensor,
    const uint64_t expected[4], struct vkmoe_view *view)
{
    if (!tensor || b->status != VKMOE_OK)
        return;
    uint32_t rank = 0;
    while (rank < 4 && expected[rank])
        rank++;
    bool same = tensor->rank == rank;
    for (uint32_t i = 0; same && i < rank; i++)
        same = tensor->shape[i] == expected[i];
    if (!same) {
        char is[200], should[200];
        print_shape(tensor->shape, tensor->rank, is, sizeof is);
        print_shape(expected, rank, should, sizeof should);
        FAIL(b, INVALID, "%s: tensor %s has the shape [%s], expected [%s]", tensor->path,
            tensor->name, is, should);
        return;
    }
    if (strcmp(tensor->dtype, "F32") == 0) {
        view->dtype = VKMOE_F32;
    } else if (strcmp(tensor->dtype, "F16") == 0) {
        view->dtype = VKMOE_F16;
    } else if (strcmp(tensor->dtype, "BF16") == 0) {
        view->dtype = VKMOE_BF16;
    } else {
        FAIL(b, UNSUPPORTED, "%s: tensor %s has the dtype %s, only F32, F16 and BF16 are supported",
            tensor->path, tensor->name, tensor->dtype);
        return;
    }
    view->data = tensor->data;
    view->row_stride = (int64_t)expected[rank - 1];
    view->column_stride = 1;
}

static struct vkmoe_view offset_view(struct vkmoe_view view, int64_t elements)
{
    if (view.data)
        view.data = (const char *)view.data + elements * (int64_t)dtype_size(view.dtype);
    return view;
}

// A [rows][columns] view of one expert, from its own tensor or its part of a stacked one.
static struct vkmoe_view view_expert(struct builder *b, const char *pattern, uint32_t expert,
    uint32_t rows, uint32_t columns)
{
    struct vkmoe_view view = {0};
    const struct vkmoe_tensor *tensor = find(b, pattern, expert);
    if (strchr(pattern, '{')) {
        view_tensor(b, tensor, (const uint64_t[4]){rows, columns}, &view);
        return view;
    }
    bool transposed = b->source->family->layout & VKMOE_TRANSPOSED;
    const uint64_t shape[4] = {b->out->params.experts, transposed ? columns : rows,
        transposed ? rows : columns};
    view_tensor(b, tensor, shape, &view);
    if (transposed) {
        view.row_stride = 1;
        view.column_stride = rows;
    }
    return offset_view(view, (int64_t)expert * rows * columns);
}

// Parts a view of twice `rows` into gate and up.
static void split_fused(const struct builder *b, struct vkmoe_view fused, uint32_t rows,
    struct vkmoe_view *gate, struct vkmoe_view *up)
{
    if (b->source->family->layout & VKMOE_INTERLEAVED) {
        *up = offset_view(fused, fused.row_stride);
        fused.row_stride *= 2;
        up->row_stride *= 2;
    } else {
        *up = offset_view(fused, fused.row_stride * rows);
    }
    *gate = fused;
}

static void view_experts(struct builder *b)
{
    const struct vkmoe_names *names = &b->source->family->names;
    struct vkmoe_layer_params *p = &b->out->params;
    struct vkmoe_view *gate = b->out->views, *up = gate + p->experts, *down = up + p->experts;
    for (uint32_t e = 0; e < p->experts && b->status == VKMOE_OK; e++) {
        if (names->gate_up) {
            struct vkmoe_view fused = view_expert(b, names->gate_up, e, 2 * p->inner, p->hidden);
            split_fused(b, fused, p->inner, &gate[e], &up[e]);
        } else {
            if (names->gate)
                gate[e] = view_expert(b, names->gate, e, p->inner, p->hidden);
            up[e] = view_expert(b, names->up, e, p->inner, p->hidden);
        }
        down[e] = view_expert(b, names->down, e, p->hidden, p->inner);
        if (b->status == VKMOE_OK
            && (up[e].dtype != up[0].dtype || down[e].dtype != up[0].dtype
                || (names->gate && gate[e].dtype != up[0].dtype)))
            FAIL(b, UNSUPPORTED, "%s: the experts of %s have tensors of different dtypes",
                b->source->directory, b->prefix);
    }
    p->gate = names->gate || names->gate_up ? gate : NULL;
    p->up = up;
    p->down = down;
}

// A tensor of one or two dimensions, or nothing if the family has none.
static struct vkmoe_view view_named(struct builder *b, const char *name, uint32_t rows,
    uint32_t columns)
{
    struct vkmoe_view view = {0};
    if (!name || b->status != VKMOE_OK)
        return view;
    if (rows)
        view_tensor(b, find(b, name, 0), (const uint64_t[4]){rows, columns}, &view);
    else
        view_tensor(b, find(b, name, 0), (const uint64_t[4]){columns}, &view);
    return view;
}

static void view_biases(struct builder *b)
{
    const struct vkmoe_names *names = &b->source->family->names;
    struct vkmoe_layer_params *p = &b->out->params;
    if (names->gate_up_bias) {
        struct vkmoe_view fused = view_named(b, names->gate_up_bias, p->experts, 2 * p->inner);
        p->gate_bias = p->up_bias = fused;
        if (b->source->family->layout & VKMOE_INTERLEAVED) {
            p->up_bias = offset_view(fused, 1);
            p->gate_bias.column_stride = p->up_bias.column_stride = 2;
        } else {
            p->up_bias = offset_view(fused, p->inner);
        }
    }
    p->down_bias = view_named(b, names->down_bias, p->experts, p->hidden);
    p->output_bias = view_named(b, names->output_bias, 0, p->hidden);
}

static void view_shared(struct builder *b)
{
    const struct vkmoe_names *names = &b->source->family->names;
    struct vkmoe_layer_params *p = &b->out->params;
    if (p->shared_inner == 0)
        return;
    if (names->shared_gate_up) {
        struct vkmoe_view fused =
            view_named(b, names->shared_gate_up, 2 * p->shared_inner, p->hidden);
        p->shared_gate = fused;
        p->shared_up = offset_view(fused, fused.row_stride * p->shared_inner);
    } else {
        p->shared_gate = view_named(b, names->shared_gate, p->shared_inner, p->hidden);
        p->shared_up = view_named(b, names->shared_up, p->shared_inner, p->hidden);
    }
    p->shared_down = view_named(b, names->shared_down, p->hidden, p->shared_inner);
    p->shared_token_gate = view_named(b, names->shared_token_gate, 1, p->hidden);
    if (b->status == VKMOE_OK
        && ((p->shared_gate.data && p->shared_gate.dtype != p->up[0].dtype)
            || p->shared_up.dtype != p->up[0].dtype || p->shared_down.dtype != p->up[0].dtype))
        FAIL(b, UNSUPPORTED, "%s: the shared expert of %s has another dtype than the others",
            b->source->directory, b->prefix);
}

static void view_router(struct builder *b)
{
    const struct vkmoe_names *names = &b->source->family->names;
    struct vkmoe_layer_params *p = &b->out->params;
    struct vkmoe_router_params *router = &p->router;
    router->weight = view_named(b, names->router, p->experts, p->hidden);
    if (b->source->router_bias)
        router->bias = view_named(b, names->router_bias, 0, p->experts);
    if (b->source->correction_bias)
        router->correction_bias = view_named(b, names->correction_bias, 0, p->experts);
    router->expert_scale = view_named(b, names->expert_scale, 0, p->experts);

    struct vkmoe_view scale = view_named(b, names->router_scale, 0, p->hidden);
    if (!scale.data || b->status != VKMOE_OK)
        return;
    for (uint32_t i = 0; i < p->hidden; i++)
        b->out->input_scale[i] = (float)(vkmoe_view_get(&scale, 0, i) / sqrt((double)p->hidden));
    router->input_scale = (struct vkmoe_view){.data = b->out->input_scale, .dtype = VKMOE_F32,
        .row_stride = p->hidden, .column_stride = 1};
}

enum vkmoe_status vkmoe_block_views_create(const struct vkmoe_view_source *source,
    const struct vkmoe_layer_params *params, struct vkmoe_block_views **out)
{
    *out = NULL;
    size_t views_size = 3 * (size_t)params->experts * sizeof(struct vkmoe_view);
    size_t scale_size = source->family->names.router_scale ? params->hidden * sizeof(float) : 0;
    struct vkmoe_block_views *views = calloc(1, sizeof(*views) + views_size + scale_size);
    if (!views)
        return vkmoe_fail(source->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for views",
            source->directory);
    views->params = *params;
    views->input_scale = (float *)(void *)((char *)views->views + views_size);
    struct builder b = {.source = source, .out = views};
    choose_prefix(&b);
    view_router(&b);
    view_experts(&b);
    view_biases(&b);
    view_shared(&b);
    if (b.status != VKMOE_OK) {
        free(views);
        return b.status;
    }
    *out = views;
    return VKMOE_OK;
}
