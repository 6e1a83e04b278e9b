// plan.c - see plan.h.
#include "attention/plan.h"

#include "base/common.h"
#include "device/shapes.h"

#include "shaders/attend.h"

#define MAX_SPLITS 64

// Shared memory, rounded up, where lanes own columns, but for what patterns that pick blocks take.
#define COLUMNS_SIZE (26 << 10)
#define COLUMNS_LEAST_SIZE (13 << 10) // by few lanes

// The most tokens of one pass.
static uint32_t most_tokens(const vkmoe_attention *a, uint32_t tokens)
{
    const struct vkmoe_attention_params *p = &a->params;
    const uint64_t choices = (uint64_t)p->experts_per_token * p->heads * a->patterns.top;
    const uint64_t widest =
        MAX(MAX(a->kv.rows, choices), a->routed ? 0 : MAX(a->query_stride, p->hidden));
    // All that a token of latent attention takes, as its parts are so wide that together they would
    // be more than a buffer of many drivers can hold.
    const uint64_t latent = is_latent(a) ? vkmoe_latent_elements(a) + a->query_stride : 0;
    uint32_t most = (uint32_t)MIN(
        tokens, PASS_MAX_ELEMENTS / MAX(MAX(widest, latent), MAX(a->nsa.gate.rows, a->gate.rows)));
    if (is_mix(&a->value_mix))
        most = MIN(most, vkmoe_mix_max_tokens(&a->value_mix));
    if (is_mix(&a->output_mix))
        most = MIN(most, vkmoe_mix_max_tokens(&a->output_mix));
    return most;
}

// The queries: of the experts, or of a matrix. Decides how many tokens a pass has, and what
// their rows are.
static void plan_queries(const vkmoe_attention *a, uint32_t tokens, struct attention_plan *plan)
{
    plan->tokens = most_tokens(a, tokens);
    plan->rows_a_token = a->params.experts_per_token; // 1 where there is one expert
    if (!a->routed) {
        plan->mode = ROWS_TOKENS;
        plan->query = vkmoe_scratch_take(&plan->size, (uint64_t)plan->tokens * a->query_stride * 4);
        return;
    }
    const struct moe_plan whole = vkmoe_moe_plan(a->experts, tokens, tokens);
    plan->moe = vkmoe_moe_plan_cut(a->experts, &whole, plan->tokens);
    plan->mode = plan->moe.few ? ROWS_PAIRS : ROWS_SORTED;
    plan->tokens = plan->moe.tokens;
    plan->tile_rows = plan->moe.few ? 0 : plan->moe.sorted.classes[0].tile_rows;
    plan->query = plan->moe.h;
    plan->size = align_up(plan->moe.size, BUFFER_ALIGNMENT);
}

// Fresh keys, and fresh values next to them or apart; stacked, after the queries of their row.
// The two mixes take turns in scratch.
static void plan_keys(const vkmoe_attention *a, struct attention_plan *plan)
{
    if (is_latent(a)) {
        vkmoe_latent_plan(a, plan);
        return;
    }
    const uint64_t row = (uint64_t)a->params.kv_heads * a->params.head_size * 4;
    const uint64_t size = plan->tokens * row;
    if (a->stacked) {
        plan->key = plan->query + (uint64_t)a->params.heads * a->params.head_size * 4;
        plan->value = plan->key + row;
    } else if (values_are_apart(a)) {
        plan->key = vkmoe_scratch_take(&plan->size, size);
        plan->value = vkmoe_scratch_take(&plan->size, size);
    } else {
        plan->key = vkmoe_scratch_take(&plan->size, 2 * size);
        plan->value = plan->key + row;
    }
    const uint64_t begin = plan->size;
    if (is_mix(&a->value_mix)) {
        plan->value_mix = vkmoe_mix_plan(&a->value_mix, plan->tokens, begin);
        plan->size = plan->value_mix.size;
    }
    if (is_mix(&a->output_mix)) {
        plan->output_mix = vkmoe_mix_plan(&a->output_mix, plan->tokens, begin);
        plan->size = MAX(plan->size, plan->output_mix.size);
    }
}

// Queries of a workgroup: registers, and shared memory, are bounds. Heads that share a kv head are
// cut evenly, rows only as far as there are workgroups enough without.
static void choose_queries(const vkmoe_attention *a, const struct pattern_set *patterns,
    enum row_mode mode, uint32_t rows, struct attend_shape *s)
{
    const struct vkmoe_attention_params *p = &a->params;
    const uint32_t heads = p->heads / p->expert_kv_heads; // that share one
    if (s->variant->tile.rows) {
        const uint32_t parts = div_up(heads, s->variant->tile.rows);
        s->heads = div_up(heads, parts);
        s->rows = MIN(s->variant->tile.rows / s->heads, MAX(rows, 1));
    } else if (s->merges) {
        const uint32_t few = patterns->by_blocks ? 2 : 4;
        // Lists of blocks with large numbers leave a small shared memory no room for more.
        const bool crowded = patterns->list_words > 0
            && a->device->gpu.info.shared_memory_size
                < COLUMNS_LEAST_SIZE + patterns->list_words * 4;
        const uint32_t queries = s->loads > 1 && !crowded ? ATTEND_MOST_QUERIES : few;
        const uint32_t most = p->head_size > 256 ? MAX(queries / 8, 1)
            : p->head_size > 128                 ? queries / 2
                                                 : queries;
        const uint32_t parts = div_up(heads, most);
        const uint64_t groups = (uint64_t)rows * p->expert_kv_heads * parts;
        const uint64_t spare = groups / vkmoe_tuning(a->device, TUNE_COLUMN_GROUPS);
        s->heads = div_up(heads, parts);
        s->rows = (uint32_t)MIN(MIN(most / s->heads, MAX(rows, 1)), MAX(spare, 1));
    } else {
        const uint32_t most = p->head_size > 256 ? 1
            : p->head_size > 128                 ? 2
            : p->head_size > 64                  ? 4
                                                 : 8;
        s->heads = MIN(heads, most);
        s->rows = MIN(most / s->heads, MAX(rows, 1));
    }
    // Pairs of a pass of few tokens may be of different experts, so each stands alone.
    if (mode == ROWS_PAIRS)
        s->rows = 1;
}

// Bytes of what a split leaves of all rows.
static uint64_t partial_size(const struct vkmoe_attention_params *p, const struct attend_shape *s,
    uint32_t rows, uint32_t groups)
{
    const uint64_t size = attended_size(p);
    return s->merges ? groups * s->rows * s->heads * (4 + align_up(size, 4)) * 4
                     : rows * p->heads * (2 + size) * 4;
}

// Of so many rows that see the same keys, more or less.
static const struct variant *choose_form(
    const vkmoe_attention *a, const struct pattern_set *patterns, enum row_mode mode, uint32_t rows)
{
    const struct vkmoe_attention_params *p = &a->params;
    const bool suits = p->head_size % 16 == 0 && p->head_size <= 128
        && attended_size(p) == p->head_size && !patterns->by_blocks && !patterns->by_row
        && mode != ROWS_PAIRS;
    const uint32_t alike = rows * (p->heads / p->expert_kv_heads);
    const struct variant *form = vkmoe_form_choose(a->device, KERNEL_attend, VKMOE_DTYPE_F32, alike,
        suits && p->precision == VKMOE_PRECISION_FAST);
    if (form->needs & NEED_uniform_loads && p->head_size > ATTEND_SUBGROUP_MAX_HEAD)
        return vkmoe_form_plainest(KERNEL_attend, VKMOE_DTYPE_F32);
    // On matrix units a lane owns keys of one row, eight at least: with so many lanes in a subgroup
    // there would be fewer.
    const uint32_t lanes = form->tile.lanes * a->device->matrix_units.subgroup_size;
    return form->needs & NEED_ANY_MATRIX && form->tile.rows * ATTEND_MATRIX_KEYS < lanes * 8
        ? vkmoe_form_choose(a->device, KERNEL_attend, VKMOE_DTYPE_F32, alike, false)
        : form;
}

struct attend_shape vkmoe_attend_shape(
    const vkmoe_attention *a, enum row_mode mode, const struct attended *to, uint32_t rows)
{
    const struct vkmoe_attention_params *p = &a->params;
    const uint32_t alike = rows / (mode == ROWS_SORTED ? p->experts : 1) / to->sequences;
    const struct variant *variant = choose_form(a, to->patterns, mode, alike);
    const bool merges = variant->needs & NEED_gpu;
    struct attend_shape s = {
        .variant = variant,
        .merges = merges,
        .splits = 1,
        .loads = a->device->quirks & QUIRK_FEW_REGISTERS ? 1 : 4,
    };
    choose_queries(a, to->patterns, mode, rows, &s);
    const uint32_t groups =
        div_up(rows, s.rows) * p->expert_kv_heads * div_up(p->heads / p->expert_kv_heads, s.heads);
    const uint32_t wanted =
        vkmoe_tuning(a->device, merges ? TUNE_COLUMN_GROUPS : TUNE_ATTEND_GROUPS);
    const uint32_t keys = vkmoe_tuning(a->device, merges ? TUNE_COLUMN_KEYS : TUNE_SPLIT_KEYS);
    if (mode != ROWS_SORTED && groups < wanted) {
        const uint32_t seen =
            merges ? (uint32_t)MIN(to->longest, to->patterns->reach) : to->longest;
        const uint32_t worth = div_up(seen, keys);
        const uint64_t room =
            vkmoe_tuning(a->device, TUNE_PARTIALS_SIZE) / MAX(partial_size(p, &s, rows, groups), 1);
        s.splits = MIN(MIN(worth, div_up(wanted, groups)), MIN(MAX_SPLITS, (uint32_t)room));
    }
    s.splits = MAX(s.splits, 1);
    return s;
}

uint32_t vkmoe_attend_lanes(
    const vkmoe_device *device, const struct attend_shape *shape, uint32_t picked_words)
{
    if (!shape->merges)
        return vkmoe_tuning(device, TUNE_ATTEND_LANES);
    if (shape->variant->needs & NEED_ANY_MATRIX)
        return shape->variant->tile.lanes * device->matrix_units.subgroup_size;
    const uint32_t lanes = vkmoe_tuned_lanes(device, TUNE_COLUMN_LANES);
    const uint64_t size = COLUMNS_SIZE + (uint64_t)picked_words * 4;
    return device->gpu.info.shared_memory_size < size ? MIN(lanes, 64) : lanes;
}

// Whether what projects few tokens can do what store_kv would.
static bool can_finish(const vkmoe_attention *a, uint32_t tokens)
{
    const struct vkmoe_attention_params *p = &a->params;
    const bool wide = p->norm.wide && (a->has_query_norm || a->has_key_norm);
    return heads_may_finish(p) && !wide && tokens <= a->query.shapes.direct_tokens
        && (uint64_t)div_up(tokens, DECODE_TILE_TOKENS) * (p->heads + 2 * p->kv_heads)
        <= STREAM_COUNTERS
        && vkmoe_experts_finish_heads(&a->query)
        && (a->stacked || vkmoe_experts_finish_heads(&a->kv))
        && (a->value.rows == 0 || vkmoe_experts_finish_heads(&a->value));
}

// What all projections take, one after the other.
struct projections {
    uint32_t ordered; // elements of a token, of what is brought into an order
    uint64_t parts;   // bytes
};

static struct projections plan_projections(const vkmoe_attention *a, uint32_t tokens)
{
    const struct experts *const products[] = { &a->query, &a->kv, &a->value, &a->gate, &a->nsa.gate,
        &a->latent.query_down, &a->output };
    struct projections most = { 0 };
    for (size_t i = 0; i < ARRAY_SIZE(products); i++) {
        if (products[i]->order)
            most.ordered = MAX(most.ordered, products[i]->columns);
        if (!a->routed || products[i] == &a->kv)
            most.parts = MAX(most.parts, vkmoe_experts_parts_size(products[i], tokens));
    }
    return most;
}

struct attention_plan vkmoe_attention_plan(
    const vkmoe_attention *a, uint32_t tokens, uint32_t sequences, uint32_t longest)
{
    const struct vkmoe_attention_params *p = &a->params;
    struct attention_plan plan = { 0 };
    if (is_mosa(a))
        return vkmoe_mosa_plan(a, tokens);
    plan_queries(a, tokens, &plan);
    plan_keys(a, &plan);
    plan.finishes = can_finish(a, tokens);
    const struct projections projections = plan_projections(a, plan.tokens);
    plan.partials = vkmoe_scratch_take(
        &plan.size, MAX(vkmoe_tuning(a->device, TUNE_PARTIALS_SIZE), projections.parts));
    plan.has_parts = projections.parts > 0;
    plan.rotations =
        vkmoe_scratch_take(&plan.size, rope_is_dynamic(&p->rope) ? p->rope.size * 4 : 0);
    const uint64_t rows = (uint64_t)plan.tokens * plan.rows_a_token;
    plan.choices = vkmoe_scratch_take(&plan.size, rows * p->heads * a->patterns.top * 4);
    plan.gates = vkmoe_scratch_take(&plan.size, (uint64_t)plan.tokens * a->gate.rows * 4);
    plan.ordered = vkmoe_scratch_take(&plan.size, (uint64_t)plan.tokens * projections.ordered * 4);
    if (is_nsa(a))
        vkmoe_nsa_plan(a, &plan);
    const uint32_t last_rows = ((tokens - 1) % plan.tokens + 1) * plan.rows_a_token;
    const struct attended all = { &a->patterns, sequences, longest };
    plan.shape = vkmoe_attend_shape(a, plan.mode, &all, (uint32_t)rows);
    plan.last = vkmoe_attend_shape(a, plan.mode, &all, last_rows);
    const struct attended window = { &a->nsa.window, sequences, longest };
    if (is_nsa(a)) {
        plan.window_shape = vkmoe_attend_shape(a, plan.mode, &window, (uint32_t)rows);
        plan.window_last = vkmoe_attend_shape(a, plan.mode, &window, last_rows);
    }
    return plan;
}

uint64_t vkmoe_attention_scratch_size(const vkmoe_attention *a, uint32_t tokens)
{
    return a && tokens > 0 ? vkmoe_attention_plan(a, tokens, 1, 0).size : 0;
}
