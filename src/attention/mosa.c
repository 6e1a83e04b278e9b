// mosa.c - see mosa.h.
#include "attention/record.h"

#include "base/check.h"
#include "base/common.h"
#include "base/try.h"
#include "device/fit.h"
#include "device/span.h"
#include "device/tuning.h"
#include "moe/record.h"
#include "weights/format.h"
#include "weights/order.h"
#include "weights/view.h"

#include "shaders/choose_tokens.h"

#include <stdlib.h>

// On every device: lavapipe 22.3 stops an invocation's loops after 65535 iterations, and a token
// is looked at 34 times.
#define CHOOSE_LANES_MOSA 64

// ---------------------------------------------------------------------------- checks

// What the formulas have no place for.
static enum vkmoe_status check_others(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    CHECK(p->expert_kv_heads == 0 && !p->first_kv_head && !p->tiled_kv && !p->patterns,
        "mosa: no expert_kv_heads, first_kv_head, tiled_kv or patterns");
    CHECK(p->latent.rank == 0 && p->nsa.compressed == 0 && p->value.experts.experts == 0
            && p->output.experts.experts == 0,
        "mosa: no latent, nsa, value.experts or output.experts");
    CHECK(!p->sinks.data && !p->position.bias.data && !p->norm.wide,
        "mosa: no sinks, position.bias or norm.wide");
    CHECK(!rope_is_dynamic(&p->rope) && p->rope.scaling != VKMOE_ROPE_SCALING_LONGROPE,
        "mosa: no DYNAMIC or LONGROPE scaling of rope");
    CHECK(!p->norm_after_rope, "mosa: not with norm_after_rope");
    return vkmoe_view_check(
        caller, &(struct named_view){ "mosa.router", &p->mosa.router, p->hidden });
}

enum vkmoe_status vkmoe_mosa_check(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_mosa *m = &p->mosa;
    if (m->sparsity == 0)
        return VKMOE_OK;
    CHECK(p->heads == 1, "mosa: heads is %u, must be 1: an expert is a head", p->heads);
    CHECK(p->experts >= 2 && p->experts_per_token == p->experts && p->kv_heads == p->experts,
        "mosa: experts is %u, must be 2 or more; experts_per_token (%u) and kv_heads (%u) as many",
        p->experts, p->experts_per_token, p->kv_heads);
    CHECK(m->router.data, "mosa.router is missing");
    CHECK(p->key.matrix.dtype == p->query.matrices[0].dtype
            && p->value.matrix.dtype == p->key.matrix.dtype,
        "mosa: query, key and value differ in dtype");
    TRY_RETURN(vkmoe_orders_refuse(caller, "mosa: key", &p->key.matrix, 1));
    TRY_RETURN(vkmoe_orders_refuse(caller, "mosa: value", &p->value.matrix, 1));
    TRY_RETURN(vkmoe_orders_refuse(caller, "mosa.router", &m->router, 1));
    return check_others(caller, p);
}

// Nothing that a cache could give or take.
static enum vkmoe_status check_alone(const struct caller *caller, const vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *f)
{
    CHECK(!cache,
        "the cache must be NULL: which tokens a head takes depends on all tokens of a sequence, so "
        "that none can be kept for later ones");
    CHECK(!f->positions.buffer && !f->sequences.buffer && !f->lengths.buffer && !f->stored,
        "mosa: no positions, sequences, lengths or stored; sequences are whole, and "
        "sequence_tokens long");
    const uint32_t sequence = f->sequence_tokens > 0 ? f->sequence_tokens : f->tokens;
    CHECK(f->tokens % sequence == 0, "sequence_tokens is %u, must divide tokens (%u)", sequence,
        f->tokens);
    return VKMOE_OK;
}

static enum vkmoe_status check_forward(const struct caller *caller, const vkmoe_stream *stream,
    const vkmoe_attention *a, const vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *f)
{
    const struct vkmoe_attention_params *p = &a->params;
    TRY_RETURN(vkmoe_stream_check_device(caller, stream, a->device, "weights"));
    TRY_RETURN(vkmoe_tokens_check(caller, f->tokens));
    TRY_RETURN(check_alone(caller, cache, f));
    const uint64_t pairs = (uint64_t)f->tokens * p->experts, rows = (uint64_t)f->tokens * p->hidden;
    const uint64_t widest = MAX(p->hidden, align_up(p->head_size, 8));
    if (pairs > PASS_MAX_PAIRS || pairs * widest > PASS_MAX_ELEMENTS)
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "%u tokens for %u heads need more than one pass, and heads choose among all of them",
            f->tokens, p->experts);
    const struct span_rule rules[] = {
        { "x", &f->x, rows, true, false },
        { "ids", &f->ids, pairs, false, true },
        { "weights", &f->weights, pairs, false, true },
        { "y", &f->y, rows, true, true },
    };
    return vkmoe_spans_check(caller, a->device, rules, ARRAY_SIZE(rules));
}

// ---------------------------------------------------------------------------- create

// A matrix for each head out of that of all of them.
static enum vkmoe_status create_heads(struct loading *loading, const char *name,
    const struct vkmoe_attention_params *p, const struct vkmoe_view *matrix,
    const struct vkmoe_view *bias, struct experts *out)
{
    const struct vkmoe_view all = vkmoe_view_resolve(matrix, p->hidden);
    struct vkmoe_view *views = calloc(p->experts, sizeof *views);
    if (!views)
        return vkmoe_refuse(&loading->caller, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    for (uint32_t h = 0; h < p->experts; h++) {
        views[h] = all;
        views[h].data = vkmoe_view_at(&all, (int64_t)h * p->head_size, 0);
    }
    const struct experts_source source = {
        .name = name,
        .weights = views,
        .count = p->experts,
        .rows = p->head_size,
        .columns = p->hidden,
        .bias = *bias,
    };
    const enum vkmoe_status status =
        vkmoe_loading_finish(loading, vkmoe_experts_create(loading, &source, out));
    free(views);
    return status;
}

enum vkmoe_status vkmoe_mosa_create(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    struct mosa *m = &a->mosa;
    const bool fast = a->loading->fast;
    a->kv_stride = (uint32_t)align_up(p->head_size, 8);
    vkmoe_fit_name(a->device, "keys and values");
    TRY_RETURN(create_heads(a->loading, "key", p, &p->key.matrix, &p->key.bias, &m->keys));
    TRY_RETURN(create_heads(a->loading, "value", p, &p->value.matrix, &p->value.bias, &m->values));
    vkmoe_fit_name(a->device, "router");
    a->loading->fast = false; // a logit that is rounded chooses other tokens
    const enum vkmoe_status status =
        vkmoe_linear_create(a->loading, (const struct vkmoe_view *[]){ &p->mosa.router }, NULL,
            &p->experts, 1, p->hidden, &m->router);
    a->loading->fast = fast;
    return status;
}

void vkmoe_mosa_destroy(struct mosa *mosa)
{
    EXPERTS_DESTROY(&mosa->router, &mosa->keys, &mosa->values);
}

uint64_t vkmoe_mosa_size(const struct mosa *mosa)
{
    return vkmoe_experts_size(&mosa->router) + vkmoe_experts_size(&mosa->keys)
        + vkmoe_experts_size(&mosa->values);
}

uint64_t vkmoe_mosa_load_size(const struct vkmoe_attention_params *p)
{
    return p->mosa.sparsity == 0
        ? 0
        : vkmoe_format_matrix_size(p->mosa.router.dtype, p->experts, p->hidden);
}

// ---------------------------------------------------------------------------- record

struct attention_plan vkmoe_mosa_plan(const vkmoe_attention *a, uint32_t tokens)
{
    const uint64_t pairs = (uint64_t)tokens * a->params.experts;
    const uint64_t row = (uint64_t)a->kv_stride * 4;
    struct attention_plan plan = {
        .tokens = tokens,
        .mode = ROWS_SORTED,
        .moe = vkmoe_moe_plan_sorted(a->experts, tokens),
    };
    plan.query = plan.moe.h;
    plan.tile_rows = plan.moe.sorted.classes[0].tile_rows;
    plan.size = align_up(plan.moe.size, BUFFER_ALIGNMENT);
    plan.key = vkmoe_scratch_take(&plan.size, pairs * row);
    plan.value = vkmoe_scratch_take(&plan.size, pairs * row);
    plan.mosa.keys = vkmoe_scratch_take(&plan.size, pairs * row);
    plan.mosa.values = vkmoe_scratch_take(&plan.size, pairs * row);
    plan.mosa.logits = vkmoe_scratch_take(&plan.size, pairs * 4);
    plan.mosa.places = vkmoe_scratch_take(&plan.size, pairs * 4);
    plan.mosa.lines = vkmoe_scratch_take(&plan.size, pairs * 4);
    plan.partials = vkmoe_scratch_take(&plan.size, vkmoe_tuning(a->device, TUNE_PARTIALS_SIZE));
    return plan;
}

// How the tokens are cut.
struct cut {
    uint32_t sequences, sequence_tokens;
    uint32_t chosen; // that a head takes of a sequence
    uint32_t rows;   // that all take of all
};

static struct cut cut_tokens(
    const vkmoe_attention *a, const struct vkmoe_attention_forward_params *f)
{
    struct cut c = { .sequence_tokens = f->sequence_tokens > 0 ? f->sequence_tokens : f->tokens };
    c.sequences = f->tokens / c.sequence_tokens;
    c.chosen = MIN(MAX(c.sequence_tokens / a->params.mosa.sparsity, 2), c.sequence_tokens);
    c.rows = a->params.experts * c.sequences * c.chosen;
    return c;
}

static enum vkmoe_status record_choice(const struct attention_pass *pass, const struct cut *c)
{
    const vkmoe_attention *a = pass->attention;
    const struct mosa_plan *plan = &pass->plan->mosa;
    TRY_RETURN(
        vkmoe_attention_project(pass, &a->mosa.router, scratch_at(pass, plan->logits), false));
    const struct choose_tokens_push push = {
        .logits = scratch_at(pass, plan->logits),
        .ids = pass->pairs.ids,
        .weights = pass->pairs.weights,
        .places = scratch_at(pass, plan->places),
        .lines = scratch_at(pass, plan->lines),
        .sequences = c->sequences,
        .sequence_tokens = c->sequence_tokens,
        .heads = a->params.experts,
        .chosen = c->chosen,
    };
    return stream_run(pass->stream,
        &(struct dispatch){
            .kernel = KERNEL_choose_tokens,
            .spec = { [TOKENS_LANES] = CHOOSE_LANES_MOSA, [TOKENS_FIRST] = a->params.mosa.first },
            .push = &push,
            .groups = c->sequences * push.heads,
        });
}

// Keys or values of the sorted rows.
static enum vkmoe_status record_heads(
    const struct attention_pass *pass, const struct experts *heads, uint64_t at)
{
    return vkmoe_experts_gemm_up(pass->stream, heads,
        &(struct up_operands){
            .pairs = pass->pairs,
            .x = pass->x,
            .h = scratch_at(pass, at),
            .activation.kind = VKMOE_ACTIVATION_IDENTITY,
        },
        &pass->plan->moe.sorted, pass->scratch);
}

// The chosen rows of each line are a sequence, in a cache of as many.
static enum vkmoe_status record_attend(const struct attention_pass *pass, const struct cut *c)
{
    const vkmoe_attention *a = pass->attention;
    struct attention_plan plan = *pass->plan;
    struct vkmoe_cache lines = *pass->cache;
    struct attention_pass compact = *pass;
    lines.params.sequences = a->params.experts * c->sequences;
    lines.params.capacity = c->chosen;
    plan.mode = ROWS_TOKENS;
    compact.plan = &plan;
    compact.cache = &lines;
    compact.compact = false;
    compact.positions = scratch_at(pass, pass->plan->mosa.places);
    compact.sequences = scratch_at(pass, pass->plan->mosa.lines);
    return vkmoe_attention_record_attend(&compact);
}

static enum vkmoe_status record(const struct attention_pass *pass, const struct cut *c)
{
    const vkmoe_attention *a = pass->attention;
    const struct moe_pass experts = vkmoe_attention_experts(pass);
    TRY_RETURN(record_choice(pass, c));
    TRY_RETURN(vkmoe_moe_record_up(&experts));
    TRY_RETURN(record_heads(pass, &a->mosa.keys, pass->plan->key));
    TRY_RETURN(record_heads(pass, &a->mosa.values, pass->plan->value));
    TRY_RETURN(vkmoe_attention_record_store_kv(pass));
    TRY_RETURN(record_attend(pass, c));
    return vkmoe_moe_record_down(&experts);
}

enum vkmoe_status vkmoe_mosa_forward(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *a, const vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *f)
{
    enum vkmoe_status status = check_forward(caller, stream, a, cache, f);
    if (status != VKMOE_OK)
        return status;
    const struct cut c = cut_tokens(a, f);
    const struct attention_plan plan = vkmoe_mosa_plan(a, f->tokens);
    const struct attended lines = { &a->patterns, a->params.experts * c.sequences, c.chosen };
    // In a line positions are places; those that RoPE turns by are of a whole sequence.
    const struct vkmoe_cache sequence = { .device = a->device,
        .params = {
            .kv_heads = 1,
            .head_size = a->params.head_size,
            .sequences = 1,
            .capacity = c.sequence_tokens,
        } };
    struct attention_pass pass = {
        .stream = stream,
        .attention = a,
        .cache = &sequence,
        .plan = &plan,
        .stores = true,
        .attends = true,
        .compact = true,
        .rows = c.rows,
        .shape = vkmoe_attend_shape(a, ROWS_TOKENS, &lines, c.rows),
        .patterns = &a->patterns,
        .constants = constants_address(&a->constants),
        .x = vkmoe_span_address(&f->x),
        .y = vkmoe_span_address(&f->y),
    };
    TRY_RETURN(vkmoe_attention_check_walk(caller, a, &a->patterns, &pass.shape, lines.longest));
    vkmoe_stream_begin(stream);
    TRY(vkmoe_stream_scratch(stream, plan.size, &pass.scratch));
    pass.query = scratch_at(&pass, plan.query);
    pass.keys = scratch_at(&pass, plan.mosa.keys);
    pass.values = scratch_at(&pass, plan.mosa.values);
    pass.pairs = (struct pairs){
        .ids = f->ids.buffer ? vkmoe_span_address(&f->ids) : scratch_at(&pass, plan.moe.ids),
        .weights = f->weights.buffer ? vkmoe_span_address(&f->weights)
                                     : scratch_at(&pass, plan.moe.weights),
        .tokens = f->tokens,
        .k = a->params.experts,
    };
    TRY(record(&pass, &c));
fail:
    return vkmoe_stream_end(stream, status);
}
