// plan.c - see plan.h.
#include "attention/plan.h"

#include "base/common.h"
#include "device/tuning.h"

#define MAX_SPLITS 64

// The most tokens of one pass.
static uint32_t most_tokens(const vkmoe_attention *a, uint32_t tokens)
{
    const struct vkmoe_attention_params *p = &a->params;
    const uint64_t choices = (uint64_t)p->experts_per_token * p->heads * a->patterns.top;
    const uint64_t widest =
        MAX(MAX(a->kv.rows, choices), a->routed ? 0 : MAX(a->query_stride, p->hidden));
    uint32_t most = (uint32_t)MIN(tokens, PASS_MAX_ELEMENTS / widest);
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
    plan->tile_rows = plan->moe.few ? 0 : plan->moe.sorted.tile_rows;
    plan->query = plan->moe.h;
    plan->size = align_up(plan->moe.size, BUFFER_ALIGNMENT);
}

// Fresh keys, and fresh values next to them or by a mix; stacked, after the queries of their row.
// The two mixes take turns in scratch.
static void plan_keys(const vkmoe_attention *a, struct attention_plan *plan)
{
    const uint64_t row = (uint64_t)a->params.kv_heads * a->params.head_size * 4;
    const uint64_t size = plan->tokens * row;
    if (a->stacked) {
        plan->key = plan->query + (uint64_t)a->params.heads * a->params.head_size * 4;
        plan->value = plan->key + row;
    } else if (is_mix(&a->value_mix)) {
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

// How `tokens` of a pass are attended to.
static struct attend_shape choose_shape(
    const vkmoe_attention *a, const struct attention_plan *plan, uint32_t tokens, uint32_t longest)
{
    const struct vkmoe_attention_params *p = &a->params;
    const uint32_t rows = tokens * plan->rows_a_token;
    struct attend_shape s = { .lanes = vkmoe_tuning(a->device, TUNE_ATTEND_LANES), .splits = 1 };
    const uint32_t queries = p->head_size > 128 ? 2 : p->head_size > 64 ? 4 : 8; // registers
    s.heads = MIN(p->heads / p->expert_kv_heads, queries);
    // Pairs of a pass of few tokens may be of different experts, so each stands alone.
    s.rows = plan->mode == ROWS_PAIRS ? 1 : MIN(queries / s.heads, MAX(rows, 1));
    const uint32_t groups =
        div_up(rows, s.rows) * p->expert_kv_heads * div_up(p->heads / p->expert_kv_heads, s.heads);
    const uint32_t wanted = vkmoe_tuning(a->device, TUNE_ATTEND_GROUPS);
    const uint64_t partial = (uint64_t)rows * p->heads * (2 + p->head_size) * 4;
    if (plan->mode != ROWS_SORTED && groups < wanted) {
        const uint32_t worth = div_up(longest, vkmoe_tuning(a->device, TUNE_SPLIT_KEYS));
        const uint64_t room = vkmoe_tuning(a->device, TUNE_PARTIALS_SIZE) / MAX(partial, 1);
        s.splits = MIN(MIN(worth, div_up(wanted, groups)), MIN(MAX_SPLITS, (uint32_t)room));
    }
    s.splits = MAX(s.splits, 1);
    return s;
}

struct attention_plan vkmoe_attention_plan(
    const vkmoe_attention *a, uint32_t tokens, uint32_t longest)
{
    const struct vkmoe_attention_params *p = &a->params;
    struct attention_plan plan = { 0 };
    plan_queries(a, tokens, &plan);
    plan_keys(a, &plan);
    plan.partials = vkmoe_scratch_take(&plan.size, vkmoe_tuning(a->device, TUNE_PARTIALS_SIZE));
    plan.rotations =
        vkmoe_scratch_take(&plan.size, rope_is_dynamic(&p->rope) ? p->rope.size * 4 : 0);
    const uint64_t rows = (uint64_t)plan.tokens * plan.rows_a_token;
    plan.choices = vkmoe_scratch_take(&plan.size, rows * p->heads * a->patterns.top * 4);
    plan.shape = choose_shape(a, &plan, plan.tokens, longest);
    plan.last = choose_shape(a, &plan, (tokens - 1) % plan.tokens + 1, longest);
    return plan;
}

uint64_t vkmoe_attention_scratch_size(const vkmoe_attention *a, uint32_t tokens)
{
    return a && tokens > 0 ? vkmoe_attention_plan(a, tokens, 0).size : 0;
}
