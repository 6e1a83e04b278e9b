// plan.c - see plan.h.
#include "moe/plan.h"

#include <string.h>

#include "base/common.h"

#include "shaders/decode.h"

#define SCRATCH_SLACK (1u << 20)

struct sorted_products vkmoe_moe_products(const vkmoe_moe *moe)
{
    return (struct sorted_products){
        .gate = gate_is_apart(moe) ? &moe->gate : NULL,
        .up = &moe->up,
        .down = &moe->down,
        .one_class = moe->one_class,
    };
}

// Room for the products of a gate that is apart.
static void lay_out_gate(
    const vkmoe_moe *moe, uint64_t h_size, uint64_t shared_h_size, struct moe_plan *s)
{
    if (!gate_is_apart(moe))
        return;
    s->gate = vkmoe_scratch_take(&s->size, h_size);
    s->shared_gate = vkmoe_scratch_take(&s->size, moe->gate.shared.rows > 0 ? shared_h_size : 0);
}

// Room for what is brought into the order of a product's columns, which is done with when the next
// one's is made.
static void lay_out_ordered(const vkmoe_moe *moe, uint32_t tokens, struct moe_plan *s)
{
    const struct vkmoe_moe_params *p = &moe->params;
    const uint64_t pairs = (uint64_t)tokens * p->experts_per_token;
    const uint32_t widest = MAX(experts_width(p), padded_columns(p->inner));
    const uint32_t shared = MAX(p->hidden, padded_columns(p->shared.inner));
    s->ordered = vkmoe_scratch_take(&s->size, has_order(moe) ? pairs * widest * 4 : 0);
    s->shared_ordered =
        vkmoe_scratch_take(&s->size, shared_has_order(moe) ? (uint64_t)tokens * shared * 4 : 0);
}

static bool passes_half(const vkmoe_moe *moe, const struct sorted_pairs *sorted)
{
    return !moe->is_parted && !gate_is_apart(moe) && !has_order(moe)
        && vkmoe_experts_pass_half(&moe->up, &moe->down, sorted);
}

// The scratch of a pass, but for what a latent takes.
static struct moe_plan lay_out_experts(const vkmoe_moe *moe, uint32_t tokens, bool few)
{
    const struct vkmoe_moe_params *p = &moe->params;
    const uint64_t pairs = (uint64_t)tokens * p->experts_per_token;
    const uint64_t logits_size = (uint64_t)tokens * vkmoe_router_logits(&moe->router) * 4;
    const uint64_t h_size = pairs * padded_columns(p->inner) * 4;
    const uint32_t shared_inner = shared_beside_routed(p);
    const uint64_t shared_h_size = (uint64_t)tokens * padded_columns(shared_inner) * 4;
    struct moe_plan s = { .few = few, .tokens = tokens };
    s.weights = vkmoe_scratch_take(&s.size, pairs * 4);
    s.shared_weights =
        vkmoe_scratch_take(&s.size, moe->router.weighs_shared ? (uint64_t)tokens * 4 : 0);
    if (few) {
        s.logits = vkmoe_scratch_take(&s.size, logits_size);
        s.ids = vkmoe_scratch_take(&s.size, pairs * 4);
        s.h = vkmoe_scratch_take(&s.size, h_size);
        s.shared_h = vkmoe_scratch_take(&s.size, shared_h_size);
        lay_out_gate(moe, h_size, shared_h_size, &s);
        lay_out_ordered(moe, tokens, &s);
        return s;
    }
    const struct sorted_products products = vkmoe_moe_products(moe);
    s.sorted = vkmoe_pairs_plan(&s.size, &products, tokens, p->experts_per_token);
    // What goes by orders asks for ids to the end.
    s.ids = vkmoe_scratch_take(&s.size, has_order(moe) ? pairs * 4 : 0);
    uint64_t early = s.size, late = s.size;
    s.logits = vkmoe_scratch_take(&early, logits_size);
    if (!has_order(moe))
        s.ids = vkmoe_scratch_take(&early, pairs * 4);
    s.half = passes_half(moe, &s.sorted);
    // Room for f32, so that no fewer tokens, of which h may not be f16, need more.
    s.h = vkmoe_scratch_take(&late, h_size);
    // The shared expert's h waits where the routed outputs will be.
    s.shared_h = s.outputs =
        vkmoe_scratch_take(&late, MAX(pairs * experts_width(p) * 4, shared_h_size));
    s.size = late;
    lay_out_gate(moe, h_size, shared_h_size, &s);
    lay_out_ordered(moe, tokens, &s);
    s.size = MAX(early, s.size);
    return s;
}

static struct moe_plan lay_out(const vkmoe_moe *moe, uint32_t tokens, bool few)
{
    struct moe_plan s = lay_out_experts(moe, tokens, few);
    vkmoe_latent_experts_plan(moe, tokens, &s.size, &s.latent);
    return s;
}

// What vkmoe.h promises that scratch stays below.
static uint64_t scratch_bound(const vkmoe_moe *moe, uint32_t tokens)
{
    const struct vkmoe_moe_params *p = &moe->params;
    const uint64_t per_pair = ((uint64_t)p->inner + experts_width(p)) * 4;
    const uint64_t outputs = (uint64_t)p->experts_per_token * p->hidden;
    const uint32_t shared = shared_beside_routed(p);
    const uint64_t excess = shared > outputs ? (shared - outputs) * 4 : 0;
    const uint64_t latent =
        has_latent(p) ? (2ull * p->latent.size + p->hidden + 2ull * p->shared.inner) * 4 : 0;
    const uint64_t logits = (uint64_t)vkmoe_router_logits(&moe->router) * 4;
    const uint64_t gate = ((uint64_t)p->experts_per_token * p->inner + shared) * 4;
    const uint64_t ordered = (has_order(moe) ? p->experts_per_token * (per_pair + 4) : 0)
        + (shared_has_order(moe) ? ((uint64_t)p->hidden + shared) * 4 : 0);
    return tokens
        * (p->experts_per_token * per_pair + logits + excess + latent
            + (gate_is_apart(moe) ? gate : 0) + ordered)
        + SCRATCH_SLACK;
}

// Of f32, a word has one column only, and two to four tokens gain nothing.
static bool has_columns(const struct experts *e)
{
    return !strcmp(vkmoe_experts_form(e, 0)->form, "columns") && e->dtype != VKMOE_DTYPE_F32;
}

uint32_t vkmoe_moe_few_tokens(const vkmoe_moe *moe)
{
    const bool columns = has_columns(&moe->up) && has_columns(&moe->down)
        && (!gate_is_apart(moe) || has_columns(&moe->gate));
    return columns ? moe->up.shapes.column_tokens : moe->up.shapes.decode_tokens;
}

static bool are_few(const vkmoe_moe *moe, uint32_t tokens)
{
    const struct vkmoe_moe_params *p = &moe->params;
    const bool may_drop = p->router.capacity > 0 && p->router.capacity < tokens;
    return !may_drop
        && (tokens == 1
            || (tokens <= vkmoe_moe_few_tokens(moe)
                && tokens * p->experts_per_token <= DECODE_MAX_PAIRS));
}

bool vkmoe_moe_folds(const vkmoe_moe *moe, uint32_t tokens)
{
    return are_few(moe, tokens) && vkmoe_router_folds(&moe->router)
        && vkmoe_experts_fold_norm(&moe->up)
        && (!gate_is_apart(moe) || vkmoe_experts_fold_norm(&moe->gate))
        && moe->params.router_hidden == moe->params.hidden && !has_latent(&moe->params);
}

// The most tokens that arrays and kernels can take at once.
static uint32_t most_tokens(const vkmoe_moe *moe)
{
    const struct vkmoe_moe_params *p = &moe->params;
    const uint64_t widest = MAX(padded_columns(p->inner), experts_width(p));
    const uint64_t per_token =
        MAX(MAX(widest * p->experts_per_token, vkmoe_router_logits(&moe->router)),
            MAX(MAX(padded_columns(p->shared.inner), p->router_hidden), p->hidden));
    return (uint32_t)MAX(
        MIN(PASS_MAX_PAIRS / p->experts_per_token, PASS_MAX_ELEMENTS / per_token), 1);
}

struct moe_plan vkmoe_moe_plan(const vkmoe_moe *moe, uint32_t tokens, uint32_t sequence_tokens)
{
    if (are_few(moe, tokens))
        return lay_out(moe, tokens, true);
    uint32_t most = MIN(most_tokens(moe), tokens);
    struct moe_plan plan = lay_out(moe, most, false);
    // A last, shorter pass needs less.
    while (most > 1 && plan.size > scratch_bound(moe, tokens))
        plan = lay_out(moe, most = (most + 1) / 2, false);
    if (moe->params.router.capacity == 0 || most == tokens)
        return plan;
    plan = vkmoe_moe_plan_cut(moe, &plan, most - most % sequence_tokens);
    return plan;
}

struct moe_plan vkmoe_moe_plan_cut(
    const vkmoe_moe *moe, const struct moe_plan *plan, uint32_t tokens)
{
    return plan->few || tokens >= plan->tokens ? *plan : lay_out(moe, tokens, false);
}

struct moe_plan vkmoe_moe_plan_sorted(const vkmoe_moe *moe, uint32_t tokens)
{
    struct moe_plan plan = lay_out(moe, tokens, false);
    plan.tight = true;
    return plan;
}

uint64_t vkmoe_moe_scratch_size(const vkmoe_moe *moe, uint32_t tokens)
{
    return moe && tokens > 0 ? vkmoe_moe_plan(moe, tokens, 1).size : 0;
}
