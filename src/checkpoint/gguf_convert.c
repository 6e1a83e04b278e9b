// gguf_convert.c - a model as llama.cpp's converters would have it, from the views of its parts:
// the tensors. gguf_convert_keys.c has what is said of them.
#include "checkpoint/gguf_convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"
#include "weights/view.h"
#include "checkpoint/lookup.h"

// ---------------------------------------------------------------------------- tensors

// Matrices [rows][columns], as a tensor of `rank` dimensions. Nothing if they are not there.
struct part {
    const char *name;
    const struct vkmoe_view *views;
    uint32_t rank, count, rows, columns;
    uint32_t turned;
};

static void add_part(struct gguf_converter *c, const struct part *part)
{
    if (!part->views || !part->views[0].data)
        return;
    struct gguf_tensor tensor = { .rank = part->rank,
        .shape = { part->columns, part->rows, part->count },
        .views = part->views,
        .count = part->count,
        .rows = part->rows,
        .turned = part->turned };
    snprintf(tensor.name, sizeof tensor.name, "%s", part->name);
    vkmoe_gguf_add(c->out, &tensor, true);
}

struct label {
    char text[64];
};

static struct label label_of(const struct gguf_converter *c, enum gguf_name name)
{
    struct label label;
    snprintf(label.text, sizeof label.text, "blk.%u.%s", c->block, vkmoe_gguf_text(name));
    return label;
}

static void add_vector(
    struct gguf_converter *c, enum gguf_name name, const struct vkmoe_view *view, uint32_t size)
{
    add_part(c, &(struct part){ label_of(c, name).text, view, 1, 1, 1, size, 0 });
}

static void add_matrix(struct gguf_converter *c, enum gguf_name name, const struct vkmoe_view *view,
    uint32_t rows, uint32_t columns)
{
    add_part(c, &(struct part){ label_of(c, name).text, view, 2, 1, rows, columns, 0 });
}

static void add_stack(struct gguf_converter *c, enum gguf_name name, const struct vkmoe_view *views,
    uint32_t count, uint32_t rows, uint32_t columns)
{
    add_part(c, &(struct part){ label_of(c, name).text, views, 3, count, rows, columns, 0 });
}

static void refuse_memory(struct gguf_converter *c)
{
    GGUF_OUTPUT_FAIL(c->out, OUT_OF_MEMORY, "%s: no memory to convert it", c->out->path);
}

// Floats of our own.
static float *take_floats(struct gguf_converter *c, uint32_t count)
{
    float *values = vkmoe_arena_take(&c->out->arena, count * sizeof *values);
    if (!values)
        refuse_memory(c);
    return values;
}

// What is added to queries or keys, in the order of their rows.
static void add_turned_bias(struct gguf_converter *c, enum gguf_name name,
    const struct vkmoe_view *view, uint32_t size, uint32_t head)
{
    float *values = NULL, *turned = view->data ? take_floats(c, size) : NULL;
    if (!turned)
        return;
    if (c->out->status == VKMOE_OK)
        c->out->status = vkmoe_view_floats(view, c->out->log, 1, size, &values);
    for (uint32_t i = 0; i < size && c->out->status == VKMOE_OK; i++) {
        const uint32_t within = i % head;
        turned[i] = values[i - within + within / 2 + within % 2 * (head / 2)];
    }
    free(values);
    add_vector(c, name, &(struct vkmoe_view){ .data = turned, .dtype = VKMOE_DTYPE_F32 }, size);
}

// -------------------------------------------------------------------------- attention

// Heads of queries, then of keys, then of values.
static void add_fused_inputs(struct gguf_converter *c, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_view *const parts[] = { p->query.matrices, &p->key.matrix,
        &p->value.matrix };
    const uint32_t counts[] = { p->heads, p->kv_heads, p->kv_heads };
    struct gguf_tensor tensor = {
        .rank = 2, .count = p->heads + 2 * p->kv_heads, .rows = p->head_size
    };
    struct vkmoe_view *views = vkmoe_arena_take(&c->out->arena, tensor.count * sizeof *views);
    if (!views) {
        refuse_memory(c);
        return;
    }
    tensor.views = views;
    tensor.shape[0] = p->hidden;
    tensor.shape[1] = (uint64_t)tensor.count * tensor.rows;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        for (uint32_t h = 0; h < counts[i]; h++)
            *views++ =
                vkmoe_view_offset(*parts[i], (int64_t)h * p->head_size * parts[i]->row_stride);
    }
    snprintf(tensor.name, sizeof tensor.name, "%s", label_of(c, GGUF_FUSED).text);
    vkmoe_gguf_add(c->out, &tensor, false);
}

static void add_inputs(
    struct gguf_converter *c, const struct vkmoe_attention_params *p, uint32_t turned)
{
    const uint32_t all = p->heads * p->head_size, kv = p->kv_heads * p->head_size;
    add_part(c,
        &(struct part){
            label_of(c, GGUF_QUERY).text, p->query.matrices, 2, 1, all, p->hidden, turned });
    add_part(c,
        &(struct part){ label_of(c, GGUF_KEY).text, &p->key.matrix, 2, 1, kv, p->hidden, turned });
    if (p->value.matrix.data != p->key.matrix.data)
        add_matrix(c, GGUF_VALUE, &p->value.matrix, p->kv_heads * gguf_value_size(p), p->hidden);
}

static void add_attention(struct gguf_converter *c, const struct vkmoe_attention_params *p)
{
    const uint32_t all = p->heads * p->head_size, kv = p->kv_heads * p->head_size;
    const uint32_t turned = c->turned ? p->head_size : 0;
    if (c->target.fused)
        add_fused_inputs(c, p);
    else
        add_inputs(c, p, turned);
    add_matrix(c, GGUF_OUTPUT, p->output.matrices, p->hidden, p->heads * gguf_value_size(p));
    if (turned) {
        add_turned_bias(c, GGUF_QUERY_BIAS, &p->query.bias, all, turned);
        add_turned_bias(c, GGUF_KEY_BIAS, &p->key.bias, kv, turned);
    } else {
        add_vector(c, GGUF_QUERY_BIAS, &p->query.bias, all);
        add_vector(c, GGUF_KEY_BIAS, &p->key.bias, kv);
    }
    add_vector(c, GGUF_VALUE_BIAS, &p->value.bias, p->kv_heads * gguf_value_size(p));
    add_vector(c, GGUF_OUTPUT_BIAS, &p->output.bias, p->hidden);
    add_vector(c, GGUF_SINKS, &p->sinks, p->heads);
    add_matrix(c, GGUF_HEAD_GATE, &p->gate.matrix, p->gate.wide ? all : p->heads, p->hidden);
    if (c->target.fixed_chunks) // and norms without weights
        return;
    add_vector(c, GGUF_QUERY_NORM, &p->query.norm, p->norm.wide ? all : p->head_size);
    add_vector(c, GGUF_KEY_NORM, &p->key.norm, p->norm.wide ? kv : p->head_size);
}

// Of keys and values that all heads have in common each head has its own products.
static void add_latent(struct gguf_converter *c, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_latent *l = &p->latent;
    const uint32_t queries = p->heads * (l->key_size + p->head_size - l->rank);
    add_matrix(c, GGUF_QUERY_DOWN, &l->query_matrix, l->query_rank, p->hidden);
    add_vector(c, GGUF_QUERY_DOWN_NORM, &l->query_norm, l->query_rank);
    add_matrix(c, l->query_rank ? GGUF_QUERY_UP : GGUF_QUERY, p->query.matrices, queries,
        l->query_rank ? l->query_rank : p->hidden);
    add_matrix(c, GGUF_LATENT, &p->key.matrix, p->head_size, p->hidden);
    add_vector(c, GGUF_LATENT_NORM, &p->key.norm, l->rank);
    add_stack(c, GGUF_LATENT_KEYS, l->keys, p->heads, l->rank, l->key_size);
    add_stack(c, GGUF_LATENT_VALUES, l->values, p->heads, l->value_size, l->rank);
    add_matrix(c, GGUF_OUTPUT, p->output.matrices, p->hidden, p->heads * l->value_size);
}

// ---------------------------------------------------------------------------- experts

// Of each expert the rows of gate, then those of up.
static void add_fused_experts(struct gguf_converter *c, const struct vkmoe_moe_params *p)
{
    struct gguf_tensor tensor = { .rank = 3,
        .shape = { p->hidden, 2 * (uint64_t)p->inner, p->experts },
        .count = 2 * p->experts,
        .rows = p->inner };
    struct vkmoe_view *views = vkmoe_arena_take(&c->out->arena, tensor.count * sizeof *views);
    if (!views) {
        refuse_memory(c);
        return;
    }
    for (uint32_t i = 0; i < tensor.count; i++)
        views[i] = i % 2 == 0 ? p->gate[i / 2] : p->up[i / 2];
    tensor.views = views;
    snprintf(tensor.name, sizeof tensor.name, "%s", label_of(c, GGUF_GATE_UP).text);
    vkmoe_gguf_add(c->out, &tensor, false);
}

static void add_experts(struct gguf_converter *c, const struct vkmoe_moe_params *p)
{
    const uint32_t e = p->experts;
    add_matrix(c, GGUF_ROUTER, &p->router.weight, e, p->hidden);
    add_vector(c, GGUF_ROUTER_BIAS, &p->router.bias, e);
    add_vector(c, c->target.bare_bias ? GGUF_OLD_CORRECTION_BIAS : GGUF_CORRECTION_BIAS,
        &p->router.correction_bias, e);
    if (c->target.extras) {
        add_fused_experts(c, p);
    } else {
        add_stack(c, GGUF_GATE, p->gate, e, p->inner, p->hidden);
        add_stack(c, GGUF_UP, p->up, e, p->inner, p->hidden);
    }
    add_stack(c, GGUF_DOWN, p->down, e, p->hidden, p->inner);
    add_matrix(c, GGUF_GATE_BIAS, &p->gate_bias, e, p->inner);
    add_matrix(c, GGUF_UP_BIAS, &p->up_bias, e, p->inner);
    add_matrix(c, GGUF_DOWN_BIAS, &p->down_bias, e, p->hidden);
    const bool grok = c->target.grok; // which calls it dense
    add_matrix(
        c, grok ? GGUF_DENSE_GATE : GGUF_SHARED_GATE, &p->shared.gate, p->shared.inner, p->hidden);
    add_matrix(c, grok ? GGUF_DENSE_UP : GGUF_SHARED_UP, &p->shared.up, p->shared.inner, p->hidden);
    add_matrix(
        c, grok ? GGUF_DENSE_DOWN : GGUF_SHARED_DOWN, &p->shared.down, p->hidden, p->shared.inner);
    if (!c->checkpoint->averages) // else it is made of zeros
        add_vector(c, GGUF_SHARED_TOKEN_GATE, &p->shared.token_gate, p->hidden);
}

static void add_dense(struct gguf_converter *c, const struct vkmoe_moe_params *p)
{
    add_matrix(c, GGUF_DENSE_GATE, p->gate, p->inner, p->hidden);
    add_matrix(c, GGUF_DENSE_UP, p->up, p->inner, p->hidden);
    add_matrix(c, GGUF_DENSE_DOWN, p->down, p->hidden, p->inner);
}

// Norms around both networks, the dense one beside the experts, and factors.
static enum vkmoe_status add_extras(
    struct gguf_converter *c, struct vkmoe_block block, const struct vkmoe_router_params *router)
{
    const uint32_t hidden = c->frame.hidden;
    struct vkmoe_block_extras extras = { VKMOE_INIT(vkmoe_block_extras) };
    struct vkmoe_moe_params dense = { VKMOE_INIT(vkmoe_moe_params) };
    float *scale = take_floats(c, 1), *inputs = NULL, *values = take_floats(c, hidden);
    TRY_RETURN(c->out->status);
    TRY_RETURN(vkmoe_checkpoint_get_extras(c->checkpoint, block, &extras));
    TRY_RETURN(vkmoe_checkpoint_get_mlp(c->checkpoint, block, &dense));
    TRY_RETURN(vkmoe_view_floats(&router->input_scale, c->out->log, 1, hidden, &inputs));
    for (uint32_t i = 0; i < hidden; i++) // applied with hidden^-1/2 there
        values[i] = (float)(inputs[i] * sqrt((double)hidden));
    free(inputs);
    *scale = extras.scale != 0.0f ? extras.scale : 1.0f;
    add_vector(c, GGUF_POST_ATTENTION_NORM, &extras.attention_post_norm, hidden);
    add_vector(c, GGUF_POST_NORM, &extras.post_norm, hidden);
    add_vector(c, GGUF_DENSE_POST_NORM, &extras.dense_post_norm, hidden);
    add_vector(c, GGUF_EXPERTS_PRE_NORM, &extras.experts_pre_norm, hidden);
    add_vector(c, GGUF_EXPERTS_POST_NORM, &extras.experts_post_norm, hidden);
    add_vector(
        c, GGUF_BLOCK_SCALE, &(struct vkmoe_view){ .data = scale, .dtype = VKMOE_DTYPE_F32 }, 1);
    add_vector(c, GGUF_ROUTER_SCALE,
        &(struct vkmoe_view){ .data = values, .dtype = VKMOE_DTYPE_F32 }, hidden);
    add_vector(c, GGUF_EXPERT_SCALE, &router->expert_scale, c->moe.experts);
    add_dense(c, &dense);
    return c->out->status;
}

// The norm of experts beside a dense network, and that network.
static enum vkmoe_status add_beside(struct gguf_converter *c, struct vkmoe_block block)
{
    struct vkmoe_block_extras extras = { VKMOE_INIT(vkmoe_block_extras) };
    struct vkmoe_moe_params dense = { VKMOE_INIT(vkmoe_moe_params) };
    TRY_RETURN(vkmoe_checkpoint_get_extras(c->checkpoint, block, &extras));
    TRY_RETURN(vkmoe_checkpoint_get_mlp(c->checkpoint, block, &dense));
    add_vector(c, GGUF_OWN_NORM, &extras.experts_pre_norm, c->frame.hidden);
    add_dense(c, &dense);
    return c->out->status;
}

static enum vkmoe_status add_post_norms(struct gguf_converter *c, struct vkmoe_block block)
{
    struct vkmoe_block_extras extras = { VKMOE_INIT(vkmoe_block_extras) };
    TRY_RETURN(vkmoe_checkpoint_get_extras(c->checkpoint, block, &extras));
    add_vector(c, c->target.grok ? GGUF_OUTPUT_NORM : GGUF_POST_ATTENTION_NORM,
        &extras.attention_post_norm, c->frame.hidden);
    add_vector(c, GGUF_POST_NORM, &extras.post_norm, c->frame.hidden);
    return c->out->status;
}

static enum vkmoe_status add_block(struct gguf_converter *c)
{
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    struct vkmoe_moe_params moe = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_view norms[2], biases[2];
    const struct vkmoe_block block = { .index = c->block };
    const bool experts = vkmoe_checkpoint_is_moe(c->checkpoint, block);
    TRY_RETURN(vkmoe_checkpoint_get_attention(c->checkpoint, block, &attention));
    TRY_RETURN(vkmoe_checkpoint_get_norms(c->checkpoint, block, &norms[0], &norms[1]));
    TRY_RETURN(vkmoe_checkpoint_get_norm_biases(c->checkpoint, block, &biases[0], &biases[1]));
    TRY_RETURN(experts ? vkmoe_checkpoint_get_moe(c->checkpoint, block, &moe)
                       : vkmoe_checkpoint_get_mlp(c->checkpoint, block, &moe));
    add_vector(c, GGUF_ATTENTION_NORM, &norms[0], c->frame.hidden);
    add_vector(c, GGUF_ATTENTION_NORM_BIAS, &biases[0], c->frame.hidden);
    add_vector(c, GGUF_EXPERTS_NORM_BIAS, &biases[1], c->frame.hidden);
    if (attention.latent.rank)
        add_latent(c, &attention);
    else
        add_attention(c, &attention);
    add_vector(c,
        c->target.post_norm         ? GGUF_POST_ATTENTION_NORM
            : c->target.output_norm ? GGUF_OUTPUT_NORM
                                    : GGUF_EXPERTS_NORM,
        &norms[1], c->frame.hidden);
    if (experts)
        add_experts(c, &moe);
    else
        add_dense(c, &moe);
    if (c->target.extras)
        return add_extras(c, block, &moe.router);
    if (c->target.own_norm)
        return add_beside(c, block);
    return c->target.sandwich || c->target.grok ? add_post_norms(c, block) : c->out->status;
}

// -------------------------------------------------------------------------------- ends

// Llama 3's scaling, which has no keys: by wavelength, see moe.h. Of so many divisors those of the
// pairs that are turned.
static float *make_llama3_divisors(struct gguf_converter *c, uint32_t pairs, uint32_t count)
{
    const struct vkmoe_rope *rope = &c->attention.rope;
    const double low = (double)rope->low_factor, high = (double)rope->high_factor;
    float *divisors = take_floats(c, count);
    for (uint32_t i = pairs; divisors && i < count; i++)
        divisors[i] = 1.0f;
    for (uint32_t i = 0; divisors && i < pairs; i++) {
        const double length =
            2 * 3.14159265358979323846 * pow((double)rope->base, (double)i / pairs);
        const double kept = (rope->original_positions / length - low) / (high - low);
        const double smooth = fmin(fmax(kept, 0.0), 1.0);
        divisors[i] = (float)(1.0 / (smooth + (1.0 - smooth) / (double)rope->factor));
    }
    return divisors;
}

// Of blocks without a window. Pairs that are not turned have a very large one, as no infinity is
// written.
static float *make_global_divisors(struct gguf_converter *c, uint32_t pairs)
{
    const struct vkmoe_view *own = &c->attention.rope_divisors;
    float *values = NULL, *divisors = take_floats(c, pairs);
    if (divisors && own->data && c->out->status == VKMOE_OK)
        c->out->status = vkmoe_view_floats(own, c->out->log, 1, pairs, &values);
    for (uint32_t i = 0; divisors && i < pairs; i++)
        divisors[i] = values ? fminf(values[i], 1e30f) : 1.0f;
    free(values);
    return divisors;
}

// LongRoPE's, or what is made here.
static void add_divisors(struct gguf_converter *c)
{
    const struct vkmoe_rope *rope = &c->attention.rope;
    const uint32_t pairs = vkmoe_gguf_turned_size(c) / 2;
    const uint32_t count = c->target.halves ? 2 * pairs : pairs; // as rope.dimension_count says
    const struct part further = { GGUF_LONG_DIVISORS, &c->attention.long_rope.divisors, 1, 1, 1,
        pairs, 0 };
    struct part part = { further.views->data ? GGUF_SHORT_DIVISORS : GGUF_ROPE_DIVISORS,
        &c->attention.rope_divisors, 1, 1, 1, count, 0 };
    struct vkmoe_view own = { .dtype = VKMOE_DTYPE_F32 };
    if (c->target.extras)
        own.data = make_global_divisors(c, pairs);
    else if (rope->scaling == VKMOE_ROPE_SCALING_LLAMA3)
        own.data = make_llama3_divisors(c, pairs, count);
    if (own.data)
        part.views = &own;
    add_part(c, &part);
    add_part(c, &further);
}

static void add_ends(struct gguf_converter *c)
{
    const struct vkmoe_frame *frame = &c->frame;
    const uint32_t tokens = frame->vocabulary, hidden = frame->hidden;
    add_part(c, &(struct part){ GGUF_EMBEDDING, &frame->embedding, 2, 1, tokens, hidden, 0 });
    add_part(c, &(struct part){ GGUF_FINAL_NORM, &frame->final_norm, 1, 1, 1, hidden, 0 });
    add_part(
        c, &(struct part){ GGUF_FINAL_NORM_BIAS, &frame->final_norm_bias, 1, 1, 1, hidden, 0 });
    add_part(c, &(struct part){ GGUF_HEAD_BIAS, &frame->head_bias, 1, 1, 1, tokens, 0 });
    if (frame->head.data != frame->embedding.data || c->target.own_head)
        add_part(c, &(struct part){ GGUF_HEAD, &frame->head, 2, 1, tokens, hidden, 0 });
    add_divisors(c);
}

static enum vkmoe_status convert(struct gguf_converter *c)
{
    const struct vkmoe_checkpoint_info *info = &c->checkpoint->info;
    if (!vkmoe_gguf_target(info->treated_as, &c->target))
        return vkmoe_fail(c->out->log, VKMOE_ERROR_UNSUPPORTED,
            "%s: GGUF has no architecture that this version could write for %s", c->out->path,
            info->family);
    TRY_RETURN(vkmoe_checkpoint_get_frame(c->checkpoint, &c->frame));
    TRY_RETURN(vkmoe_gguf_put_keys(c));
    add_ends(c);
    for (c->block = 0; c->block < c->frame.blocks && c->out->status == VKMOE_OK; c->block++)
        TRY_RETURN(add_block(c));
    for (uint32_t i = 0; i < c->unknown_count && c->out->status == VKMOE_OK; i++)
        vkmoe_log(c->out->log, VKMOE_LOG_WARNING,
            "%s: %s, which llama.cpp does not know of %s: there it is another model, or none",
            c->out->path, c->unknown[i], c->target.name);
    return c->out->status;
}

void vkmoe_gguf_convert(struct vkmoe_checkpoint *checkpoint, struct gguf_output *out)
{
    struct gguf_converter converter = { .checkpoint = checkpoint,
        .out = out,
        .frame = { VKMOE_INIT(vkmoe_frame) },
        .attention = { VKMOE_INIT(vkmoe_attention_params) },
        .moe = { VKMOE_INIT(vkmoe_moe_params) } };
    if (out->status == VKMOE_OK)
        out->status = convert(&converter);
}
