// latent.c - see latent.h.
#include "attention/record.h"

#include "base/check.h"
#include "base/common.h"
#include "base/try.h"
#include "device/fit.h"
#include "device/operands.h"
#include "device/shapes.h"
#include "moe/self_test.h"
#include "weights/format.h"
#include "weights/order.h"
#include "weights/view.h"

#include "shaders/norm.h"
#include "shaders/sum_rows.h"

#include <stdio.h>
#include <stdlib.h>

// ---------------------------------------------------------------------------- checks

// A transposed matrix of a format whose blocks lie along what are its columns then. It lies on the
// device as it is stored, and the kernel sum_rows multiplies by it.
static bool is_across_blocks(const struct vkmoe_view *view)
{
    const struct format *format = vkmoe_format(view->dtype);
    return format && format->elements > 1 && view->column_stride > 1;
}

// As it is stored: [key_size][rank].
static struct vkmoe_view turn_back(const struct vkmoe_view *view)
{
    struct vkmoe_view stored = *view;
    stored.row_stride = view->column_stride;
    stored.column_stride = view->row_stride;
    return stored;
}

static enum vkmoe_status check_key(
    const struct caller *caller, const struct vkmoe_latent *l, uint32_t head)
{
    const struct vkmoe_view *view = &l->keys[head], stored = turn_back(view);
    const bool turned = is_across_blocks(view);
    char name[64];
    snprintf(name, sizeof name, "latent.keys[%u]%s", head, turned ? ", transposed" : "");
    CHECK(!turned || view->row_stride == 1, "%s: row_stride is %lld, must be 1", name,
        (long long)view->row_stride);
    return vkmoe_view_check(caller,
        turned ? &(struct named_view){ name, &stored, l->rank }
               : &(struct named_view){ name, view, l->key_size });
}

static enum vkmoe_status check_matrices(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_latent *l = &p->latent;
    CHECK(l->keys && l->values, "latent.keys and latent.values are required");
    for (uint32_t h = 0; h < p->heads; h++) {
        CHECK(l->keys[h].data && l->values[h].data, "latent: a matrix of head %u is missing", h);
        CHECK(l->keys[h].dtype == l->keys[0].dtype && l->values[h].dtype == l->values[0].dtype,
            "latent: a matrix of head %u differs in dtype from those before", h);
        CHECK(is_across_blocks(&l->keys[h]) == is_across_blocks(&l->keys[0]),
            "latent.keys[%u] is transposed, others are not", h);
        TRY_RETURN(check_key(caller, l, h));
    }
    TRY_RETURN(vkmoe_orders_refuse(caller, "latent.keys", l->keys, p->heads));
    TRY_RETURN(vkmoe_orders_refuse(caller, "latent.values", l->values, p->heads));
    CHECK(l->query_rank == 0 || l->query_matrix.data, "latent.query_matrix is missing");
    TRY_RETURN(vkmoe_matrices_check(caller, "latent.values", l->values, p->heads, l->rank));
    const struct named_view views[] = {
        { "latent.query_matrix", &l->query_matrix, p->hidden },
        { "latent.query_norm", &l->query_norm, l->query_rank },
    };
    return vkmoe_views_check(caller, views, ARRAY_SIZE(views));
}

// What the formulas have no place for.
static enum vkmoe_status check_others(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    CHECK(p->kv_heads == 1 && p->expert_kv_heads <= 1 && !p->first_kv_head,
        "latent: kv_heads is %u, must be 1", p->kv_heads);
    CHECK(p->experts == 1, "latent: experts is %u, must be 1", p->experts);
    CHECK(!p->value.matrix.data && !p->value.bias.data && p->value.experts.experts == 0,
        "latent: value is a part of the keys");
    CHECK(!p->query.bias.data && !p->key.bias.data && !p->query.norm.data && !p->norm.wide
            && p->value_clip == 0 && p->output.experts.experts == 0,
        "latent: no biases of queries and keys, query.norm, norm.wide, value_clip or "
        "output.experts");
    CHECK(!p->patterns || p->patterns[0].top == 0, "latent: patterns[0].top is %u, must be 0",
        p->patterns[0].top);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_latent_check(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_latent *l = &p->latent;
    if (l->rank == 0)
        return VKMOE_OK;
    CHECK(l->rank <= MAX_RANK, "latent.rank is %u, must be 1 to %d", l->rank, MAX_RANK);
    CHECK(p->head_size >= l->rank && turned_size(p) <= MAX_TURNED,
        "head_size is %u, must be latent.rank (%u) and at most %d more", p->head_size, l->rank,
        MAX_TURNED);
    CHECK(l->key_size >= 1 && l->key_size <= MAX_WIDTH && l->value_size >= 1
            && l->query_rank <= MAX_WIDTH,
        "latent.key_size and value_size must be above 0, and query_rank at most %u", MAX_WIDTH);
    CHECK((uint64_t)p->heads * latent_query_size(p) <= MAX_WIDTH
            && (uint64_t)p->heads * l->value_size <= MAX_WIDTH,
        "latent: %u heads of queries of %u and of values of %u are wider than %u", p->heads,
        latent_query_size(p), l->value_size, MAX_WIDTH);
    TRY_RETURN(check_others(caller, p));
    return check_matrices(caller, p);
}

// ---------------------------------------------------------------------------- create

enum vkmoe_status vkmoe_latent_self_test(
    const struct loading *loading, const struct vkmoe_attention_params *p)
{
    if (p->latent.query_rank > 0)
        TRY_RETURN(vkmoe_self_test(loading, p->latent.query_matrix.dtype));
    TRY_RETURN(vkmoe_self_test(loading, p->latent.keys[0].dtype));
    return vkmoe_self_test(loading, p->latent.values[0].dtype);
}

static enum vkmoe_status create_heads(struct loading *loading, const char *name,
    const struct vkmoe_view *views, uint32_t heads, uint32_t rows, uint32_t columns,
    struct experts *out)
{
    const struct experts_source source = {
        .name = name, .weights = views, .count = heads, .rows = rows, .columns = columns
    };
    return vkmoe_loading_finish(loading, vkmoe_experts_create(loading, &source, out));
}

static enum vkmoe_status create_keys(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_latent *l = &p->latent;
    if (!is_across_blocks(&l->keys[0]))
        return create_heads(
            a->loading, "latent.keys", l->keys, p->heads, l->rank, l->key_size, &a->latent.keys);
    struct vkmoe_view *stored = malloc(p->heads * sizeof *stored);
    if (!stored)
        return vkmoe_fail(
            device_log(a->device), VKMOE_ERROR_OUT_OF_MEMORY, "attention: out of host memory");
    for (uint32_t h = 0; h < p->heads; h++)
        stored[h] = turn_back(&l->keys[h]);
    a->latent.keys_stand = true;
    const enum vkmoe_status status = create_heads(
        a->loading, "latent.keys", stored, p->heads, l->key_size, l->rank, &a->latent.keys);
    free(stored);
    return status;
}

static enum vkmoe_status create_query(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_latent *l = &p->latent;
    const struct vkmoe_view *query[] = { &p->query.matrices[0] }, *down[] = { &l->query_matrix };
    const uint32_t rows = p->heads * latent_query_size(p);
    vkmoe_fit_name(a->device, "queries");
    if (l->query_rank > 0) {
        TRY_RETURN(vkmoe_attention_linear(
            a, down, NULL, &l->query_rank, 1, p->hidden, &a->latent.query_down));
        TRY_RETURN(vkmoe_vector_upload(
            a->device, &l->query_norm, l->query_rank, 1, &a->latent.query_norm));
    }
    return vkmoe_attention_linear(
        a, query, NULL, &rows, 1, l->query_rank > 0 ? l->query_rank : p->hidden, &a->query);
}

enum vkmoe_status vkmoe_latent_create(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_latent *l = &p->latent;
    const struct vkmoe_view *key[] = { &p->key.matrix };
    a->query_stride = p->heads * p->head_size;
    a->kv_stride = p->head_size;
    TRY_RETURN(create_query(a, p));
    vkmoe_fit_name(a->device, "latent keys and values");
    TRY_RETURN(vkmoe_attention_linear(a, key, NULL, &p->head_size, 1, p->hidden, &a->kv));
    TRY_RETURN(create_keys(a, p));
    return create_heads(a->loading, "latent.values", l->values, p->heads, l->value_size, l->rank,
        &a->latent.values);
}

void vkmoe_latent_destroy(struct latent *latent)
{
    EXPERTS_DESTROY(&latent->query_down, &latent->keys, &latent->values);
    vkmoe_buffer_destroy(&latent->query_norm);
}

uint64_t vkmoe_latent_size(const struct latent *latent)
{
    return vkmoe_experts_size(&latent->query_down) + vkmoe_buffer_taken(latent->query_norm)
        + vkmoe_experts_size(&latent->keys) + vkmoe_experts_size(&latent->values);
}

uint64_t vkmoe_latent_load_size(const struct vkmoe_attention_params *p)
{
    const struct vkmoe_latent *l = &p->latent;
    const uint64_t heads = p->heads, queries = heads * latent_query_size(p);
    const bool down = l->query_rank > 0;
    return vkmoe_format_matrix_size(p->key.matrix.dtype, p->head_size, p->hidden)
        + (down ? vkmoe_format_matrix_size(l->query_matrix.dtype, l->query_rank, p->hidden) : 0)
        + vkmoe_format_matrix_size(
            p->query.matrices[0].dtype, queries, down ? l->query_rank : p->hidden)
        + (is_across_blocks(&l->keys[0])
                ? vkmoe_format_matrix_size(l->keys[0].dtype, heads * l->key_size, l->rank)
                : vkmoe_format_matrix_size(l->keys[0].dtype, heads * l->rank, l->key_size))
        + vkmoe_format_matrix_size(l->values[0].dtype, heads * l->value_size, l->rank);
}

// ------------------------------------------------------------------------------ plan

// What of a token heads have side by side: queries as projected, which are done with when results
// are made, then these.
static uint64_t heads_elements(const struct vkmoe_attention_params *p)
{
    return (uint64_t)p->heads * MAX(latent_query_size(p), p->latent.value_size);
}

uint64_t vkmoe_latent_elements(const vkmoe_attention *a)
{
    const struct vkmoe_attention_params *p = &a->params;
    return p->head_size + 2 * (uint64_t)p->latent.query_rank + heads_elements(p);
}

void vkmoe_latent_plan(const vkmoe_attention *a, struct attention_plan *plan)
{
    const struct vkmoe_attention_params *p = &a->params;
    const uint64_t down = (uint64_t)plan->tokens * p->latent.query_rank * 4;
    plan->key = vkmoe_scratch_take(&plan->size, (uint64_t)plan->tokens * p->head_size * 4);
    plan->latent = (struct latent_plan){
        .query_down = vkmoe_scratch_take(&plan->size, down),
        .query_normed = vkmoe_scratch_take(&plan->size, a->latent.query_norm ? down : 0),
        .heads = vkmoe_scratch_take(&plan->size, plan->tokens * heads_elements(p) * 4),
    };
    plan->value = plan->latent.heads; // where store_kv finds what it turns
}

// --------------------------------------------------------------------------- record

// What of a token makes its queries; normalised, where that is wanted.
static enum vkmoe_status record_query_norm(const struct attention_pass *pass, uint64_t *at)
{
    const vkmoe_attention *a = pass->attention;
    const struct norm_push push = {
        .factor = 1,
        .x = scratch_at(pass, pass->plan->latent.query_down),
        .delta = vkmoe_device_dummy_address(a->device),
        .weight = address_or_dummy(a->device, a->latent.query_norm),
        .result = scratch_at(pass, pass->plan->latent.query_normed),
        .tokens = pass->pairs.tokens,
        .columns = a->params.latent.query_rank,
    };
    *at = a->latent.query_norm ? push.result : push.x;
    if (!a->latent.query_norm)
        return VKMOE_OK;
    return stream_run(pass->stream, &(struct dispatch) {
        .kernel = KERNEL_norm,
        .spec = {
            [NORM_LANES] = vkmoe_tuned_lanes(a->device, TUNE_MODEL_LANES),
            [NORM_EPSILON] = float_bits(a->params.norm.epsilon),
        },
        .push = &push,
        .groups = push.tokens,
    });
}

// Each head's own product, from rows of `x_stride` a head to rows of `y_stride`.
static enum vkmoe_status record_heads(const struct attention_pass *pass,
    const struct experts *matrices, uint64_t x, uint32_t x_stride, uint64_t y, uint32_t y_stride)
{
    return vkmoe_linear_record_part(pass->stream, matrices,
        &(struct direct_operands){
            .x = x,
            .y = y,
            .tokens = pass->pairs.tokens,
            .x_stride = x_stride,
            .heads = pass->attention->params.heads,
            .y_stride = y_stride,
        });
}

// The heads' queries by their keys. Where rows of these stand for what are columns, each row is
// multiplied by an element and added.
static enum vkmoe_status record_keys(const struct attention_pass *pass, uint64_t queries)
{
    const vkmoe_attention *a = pass->attention;
    const struct experts *keys = &a->latent.keys;
    const uint32_t stride = latent_query_size(&a->params),
                   lanes = vkmoe_tuned_lanes(a->device, TUNE_MODEL_LANES);
    const uint32_t tile = pass->pairs.tokens > 1 ? SUM_MAX_TOKENS : 1;
    const struct sum_rows_push push = {
        .x = queries,
        .y = scratch_at(pass, pass->plan->query),
        .table = vkmoe_experts_table(keys),
        .tokens = pass->pairs.tokens,
        .heads = a->params.heads,
        .rows = keys->rows,
        .columns = keys->columns,
        .units = keys->matrices[0].units,
        .x_stride = stride,
        .y_stride = a->params.head_size,
    };
    if (!a->latent.keys_stand)
        return record_heads(pass, keys, queries, stride, push.y, push.y_stride);
    return stream_run(pass->stream, &(struct dispatch) {
        .kernel = KERNEL_sum_rows,
        .variant = vkmoe_form_choose(a->device, KERNEL_sum_rows, keys->dtype, 0, false),
        .spec = {
            [SUM_LANES] = lanes,
            [SUM_TYPE] = keys->dtype,
            [SUM_TOKENS] = tile,
        },
        .push = &push,
        .groups = push.heads * div_up(push.units, lanes) * div_up(push.tokens, tile),
    });
}

enum vkmoe_status vkmoe_latent_record_inputs(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct attention_plan *plan = pass->plan;
    const uint64_t heads = scratch_at(pass, plan->latent.heads);
    const bool down = a->latent.query_down.rows > 0;
    uint64_t query;
    if (pass->attends)
        TRY_RETURN(vkmoe_attention_project(pass, down ? &a->latent.query_down : &a->query,
            down ? scratch_at(pass, plan->latent.query_down) : heads, false));
    if (pass->stores)
        TRY_RETURN(
            vkmoe_attention_project(pass, &a->kv, scratch_at(pass, plan->key), pass->attends));
    if (!pass->attends)
        return VKMOE_OK;
    if (down) {
        TRY_RETURN(record_query_norm(pass, &query));
        TRY_RETURN(vkmoe_attention_record_linear(pass, &a->query,
            (struct direct_operands){ .x = query, .y = heads, .tokens = pass->pairs.tokens }));
    }
    return record_keys(pass, heads);
}

enum vkmoe_status vkmoe_latent_record_values(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    return record_heads(pass, &a->latent.values, scratch_at(pass, pass->plan->query),
        a->params.head_size, scratch_at(pass, pass->plan->latent.heads),
        a->params.latent.value_size);
}
