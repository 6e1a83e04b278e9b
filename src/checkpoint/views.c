// views.c - see views.h.
#include "checkpoint/views.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "weights/view.h"
#include "checkpoint/lookup.h"

struct builder {
    struct lookup lookup;
    const struct view_source *source;
    struct block_views *out;
    bool transposed; // as LAYOUT_TRANSPOSED, of this block
};

static struct vkmoe_view view_vector(struct builder *b, const char *name, uint32_t columns)
{
    return vkmoe_lookup_vector(&b->lookup, name, columns);
}

static struct vkmoe_view view_matrix(
    struct builder *b, const char *name, uint32_t rows, uint32_t columns)
{
    return vkmoe_lookup_matrix(&b->lookup, name, rows, columns);
}

// What routed experts work on.
static uint32_t experts_width(const struct vkmoe_moe_params *p)
{
    return p->latent.size ? p->latent.size : p->hidden;
}

// Of numbers that no file has.
static struct vkmoe_view view_own(const float *values, uint32_t count)
{
    return (struct vkmoe_view){
        .data = values, .dtype = VKMOE_DTYPE_F32, .row_stride = count, .column_stride = 1
    };
}

static bool is_dense(const struct builder *b)
{
    return b->source->names == &b->source->family->dense;
}

// True if the experts' gate and up are one tensor. A family that has them separate may have
// been saved anew with everything stacked.
static bool is_fused(struct builder *b)
{
    const struct names *names = b->source->names;
    if (!names->gate_up || !names->up)
        return names->gate_up;
    const struct tensor *fused = vkmoe_lookup_find(&b->lookup, names->gate_up, 0, NULL);
    const struct tensor *up = vkmoe_lookup_find(&b->lookup, names->up, 0, NULL);
    if (fused && up && !fused->absence && !up->absence)
        LOOKUP_FAIL(&b->lookup, UNSUPPORTED,
            "%s: tensors %s and %s are both there, which is one expert twice", b->source->directory,
            fused->name, up->name);
    return fused && (!up || !fused->absence);
}

// True if it is [experts][rows][columns] in a format with blocks, which lie along rows.
static bool has_block_rows(const struct tensor *tensor, uint64_t rows, uint64_t columns)
{
    enum vkmoe_dtype dtype;
    return tensor && vkmoe_format_named(tensor->dtype, &dtype) && vkmoe_format(dtype)->elements > 1
        && tensor->rank == 3 && tensor->shape[1] == rows && tensor->shape[2] == columns;
}

// True if the stacked tensors are [experts][in][out]. Where the family does not say, the shapes
// do: no hidden width is both once and twice the inner one, so one of the two tells. gpt-oss is
// [experts][out][in] where it is quantised.
static bool is_transposed(struct builder *b)
{
    const struct names *names = b->source->names;
    const struct vkmoe_moe_params *p = &b->out->params;
    const uint64_t hidden = experts_width(p), inner = p->inner;
    const struct tensor *fused =
        names->gate_up ? vkmoe_lookup_find(&b->lookup, names->gate_up, 0, NULL) : NULL;
    if (has_block_rows(fused, 2 * inner, hidden))
        return false;
    if (is_dense(b) || !names->up || b->source->family->layout & LAYOUT_TRANSPOSED)
        return b->source->family->layout & LAYOUT_TRANSPOSED;
    const struct tensor *down = vkmoe_lookup_find(&b->lookup, names->down, 0, NULL);
    if (down && down->rank == 3 && hidden != inner)
        return down->shape[1] == inner && down->shape[2] == hidden;
    return fused && fused->rank == 3 && hidden != 2 * inner && fused->shape[1] == hidden
        && fused->shape[2] == 2 * inner;
}

// Refuses a view whose rows would cut the blocks that its tensor is stored in.
static void check_blocks(
    struct builder *b, const char *patterns, const struct vkmoe_view *view, uint32_t columns)
{
    const struct caller nobody = { NULL, "" };
    const struct named_view named = { patterns, view, columns };
    if (b->lookup.status != VKMOE_OK || vkmoe_view_check(&nobody, &named) == VKMOE_OK)
        return;
    const struct tensor *tensor = vkmoe_lookup_find(&b->lookup, patterns, 0, NULL);
    LOOKUP_FAIL(&b->lookup, UNSUPPORTED,
        "%s: tensor %s is %s, in blocks that the rows of its parts would cut", tensor->path,
        tensor->name, tensor->dtype);
}

// The view of one expert whose inner rows lie below those of the one before; a row of down is a
// column there.
static struct vkmoe_view view_rows(
    struct builder *b, const char *pattern, uint32_t expert, bool down)
{
    const struct vkmoe_moe_params *p = &b->out->params;
    const uint64_t shape[4] = { (uint64_t)p->experts * p->inner, experts_width(p) };
    struct vkmoe_view view = vkmoe_lookup_view(&b->lookup, pattern, expert, shape);
    view = vkmoe_view_offset(view, (int64_t)expert * p->inner * view.row_stride);
    if (down) {
        view.column_stride = view.row_stride;
        view.row_stride = 1;
    }
    return view;
}

// A [rows][columns] view of one expert, from its own tensor or its part of a stacked one.
static struct vkmoe_view view_expert(
    struct builder *b, const char *patterns, uint32_t expert, uint32_t rows, uint32_t columns)
{
    char pattern[NAME_SIZE];
    vkmoe_lookup_find(&b->lookup, patterns, expert, pattern);
    if (strchr(pattern, '{') || is_dense(b))
        return vkmoe_lookup_view(&b->lookup, pattern, expert, (const uint64_t[4]){ rows, columns });
    if (b->source->family->layout & LAYOUT_ROWS)
        return view_rows(b, pattern, expert, patterns == b->source->names->down);
    const uint64_t shape[4] = { b->out->params.experts, b->transposed ? columns : rows,
        b->transposed ? rows : columns };
    struct vkmoe_view view = vkmoe_lookup_view(&b->lookup, pattern, expert, shape);
    if (b->transposed) {
        view.row_stride = 1;
        view.column_stride = rows;
    }
    return vkmoe_view_offset(
        view, (int64_t)expert * (b->transposed ? (int64_t)rows * columns : rows * view.row_stride));
}

// Parts a view of twice `rows` into gate and up.
static void split_fused(const struct builder *b, struct vkmoe_view fused, uint32_t rows,
    struct vkmoe_view *gate, struct vkmoe_view *up)
{
    if (b->source->family->layout & LAYOUT_INTERLEAVED) {
        *up = vkmoe_view_offset(fused, fused.row_stride);
        fused.row_stride *= 2;
        up->row_stride *= 2;
    } else {
        *up = vkmoe_view_offset(fused, fused.row_stride * rows);
    }
    *gate = fused;
}

// That the tensor of this expert is of the same dtype as the first one's.
static void check_dtype(struct builder *b, const char *patterns, uint32_t expert,
    const struct vkmoe_view *view, const struct vkmoe_view *first)
{
    if (b->lookup.status != VKMOE_OK || view->dtype == first->dtype)
        return;
    const struct tensor *tensor = vkmoe_lookup_find(&b->lookup, patterns, expert, NULL);
    const struct tensor *other = vkmoe_lookup_find(&b->lookup, patterns, 0, NULL);
    LOOKUP_FAIL(&b->lookup, UNSUPPORTED,
        "%s: the experts of %s have tensors of different dtypes: %s is %s, %s %s",
        b->source->directory, b->lookup.prefix, tensor->name, tensor->dtype, other->name,
        other->dtype);
}

static void view_experts(struct builder *b)
{
    const struct names *names = b->source->names;
    struct vkmoe_moe_params *p = &b->out->params;
    struct vkmoe_view *gate = b->out->views, *up = gate + p->experts, *down = up + p->experts;
    const bool together = is_fused(b);
    const uint32_t width = experts_width(p);
    b->transposed = is_transposed(b);
    for (uint32_t e = 0; e < p->experts && b->lookup.status == VKMOE_OK; e++) {
        if (together) {
            struct vkmoe_view fused = view_expert(b, names->gate_up, e, 2 * p->inner, width);
            split_fused(b, fused, p->inner, &gate[e], &up[e]);
        } else {
            if (names->gate)
                gate[e] = view_expert(b, names->gate, e, p->inner, width);
            up[e] = view_expert(b, names->up, e, p->inner, width);
        }
        down[e] = view_expert(b, names->down, e, width, p->inner);
        check_blocks(b, together ? names->gate_up : names->up, &up[e], width);
        check_blocks(b, names->down, &down[e], p->inner);
        check_dtype(b, together ? names->gate_up : names->up, e, &up[e], &up[0]);
        check_dtype(b, names->down, e, &down[e], &down[0]);
        if (names->gate && !together) {
            check_blocks(b, names->gate, &gate[e], width);
            check_dtype(b, names->gate, e, &gate[e], &gate[0]);
        }
    }
    p->gate = names->gate || names->gate_up ? gate : NULL;
    p->up = up;
    p->down = down;
}

static void view_biases(struct builder *b)
{
    const struct names *names = b->source->names;
    struct vkmoe_moe_params *p = &b->out->params;
    p->gate_bias = view_matrix(b, names->gate_bias, p->experts, p->inner);
    p->up_bias = view_matrix(b, names->up_bias, p->experts, p->inner);
    if (names->gate_up_bias) {
        struct vkmoe_view fused = view_matrix(b, names->gate_up_bias, p->experts, 2 * p->inner);
        p->gate_bias = p->up_bias = fused;
        if (b->source->family->layout & LAYOUT_INTERLEAVED) {
            p->up_bias = vkmoe_view_offset(fused, 1);
            p->gate_bias.column_stride = p->up_bias.column_stride = 2;
        } else {
            p->up_bias = vkmoe_view_offset(fused, p->inner);
        }
        check_blocks(b, names->gate_up_bias, &p->up_bias, p->inner);
    }
    p->down_bias = view_matrix(b, names->down_bias, p->experts, experts_width(p));
    p->output_bias = view_vector(b, names->output_bias, p->hidden);
}

static void view_shared(struct builder *b)
{
    const struct names *names = b->source->names;
    struct vkmoe_moe_params *p = &b->out->params;
    if (p->shared.inner == 0)
        return;
    if (names->shared_gate_up) {
        struct vkmoe_view fused =
            view_matrix(b, names->shared_gate_up, 2 * p->shared.inner, p->hidden);
        p->shared.gate = fused;
        p->shared.up = vkmoe_view_offset(fused, fused.row_stride * p->shared.inner);
    } else {
        p->shared.gate = view_matrix(b, names->shared_gate, p->shared.inner, p->hidden);
        p->shared.up = view_matrix(b, names->shared_up, p->shared.inner, p->hidden);
    }
    p->shared.down = view_matrix(b, names->shared_down, p->hidden, p->shared.inner);
    p->shared.token_gate = view_matrix(b, names->shared_token_gate, 1, p->hidden);
    if (b->source->averages) // the sigmoid of 0 is a half
        p->shared.token_gate = view_own(b->out->zeros, p->hidden);
}

static void view_latent(struct builder *b)
{
    const struct names *names = b->source->names;
    struct vkmoe_moe_params *p = &b->out->params;
    if (p->latent.size == 0)
        return;
    p->latent.down = view_matrix(b, names->latent_down, p->latent.size, p->hidden);
    p->latent.up = view_matrix(b, names->latent_up, p->hidden, p->latent.size);
}

static void view_router(struct builder *b)
{
    const struct names *names = b->source->names;
    struct vkmoe_moe_params *p = &b->out->params;
    struct vkmoe_router_params *router = &p->router;
    router->weight = view_matrix(b, names->router, p->experts, p->hidden);
    if (b->source->router_bias)
        router->bias = view_vector(b, names->router_bias, p->experts);
    if (b->source->correction_bias)
        router->correction_bias = view_vector(b, names->correction_bias, p->experts);
    router->expert_scale = view_vector(b, names->expert_scale, p->experts);

    struct vkmoe_view scale = view_vector(b, names->router_scale, p->hidden);
    if (!scale.data || b->lookup.status != VKMOE_OK)
        return;
    float *values;
    b->lookup.status = vkmoe_view_floats(&scale, b->lookup.log, 1, p->hidden, &values);
    if (b->lookup.status != VKMOE_OK)
        return;
    for (uint32_t i = 0; i < p->hidden; i++)
        b->out->input_scale[i] = (float)(values[i] / sqrt((double)p->hidden));
    free(values);
    router->input_scale = view_own(b->out->input_scale, p->hidden);
}

enum vkmoe_status vkmoe_block_views_create(const struct view_source *source,
    const struct vkmoe_moe_params *params, struct block_views **out)
{
    *out = NULL;
    size_t views_size = 3 * (size_t)params->experts * sizeof(struct vkmoe_view);
    const size_t scales = source->names->router_scale ? params->hidden : 0;
    const size_t zeros = source->averages ? params->hidden : 0;
    struct block_views *views =
        calloc(1, sizeof(*views) + views_size + (scales + zeros) * sizeof(float));
    if (!views)
        return vkmoe_fail(
            source->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for views", source->directory);
    views->params = *params;
    views->input_scale = (float *)(void *)((char *)views->views + views_size);
    views->zeros = views->input_scale + scales;
    struct builder b = {
        .lookup = { .tensors = source->tensors,
            .log = source->log,
            .directory = source->directory },
        .source = source,
        .out = views,
    };
    const struct family *family = source->family;
    vkmoe_lookup_choose(&b.lookup,
        source->block.part != VKMOE_PART_BLOCKS ? family->decoder_prefix : family->prefix,
        source->block.index, is_dense(&b) ? source->names->down : source->names->router);
    view_router(&b);
    view_experts(&b);
    view_biases(&b);
    view_shared(&b);
    view_latent(&b);
    if (b.lookup.status != VKMOE_OK) {
        free(views);
        return b.lookup.status;
    }
    *out = views;
    return VKMOE_OK;
}
