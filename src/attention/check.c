// check.c - the rules of struct vkmoe_attention_params.
#include "attention/attention.h"

#include "base/check.h"
#include "base/common.h"
#include "base/try.h"
#include "weights/order.h"
#include "weights/view.h"

#include <math.h>

static enum vkmoe_status check_shapes(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    CHECK_PRECISION(p);
    CHECK(p->hidden >= 1 && p->hidden <= MAX_WIDTH, "hidden is %u, must be 1 to %u", p->hidden,
        MAX_WIDTH);
    const bool latent = p->latent.rank > 0;
    const uint32_t widest = latent ? MAX_RANK + MAX_TURNED : MAX_HEAD_SIZE;
    CHECK(p->head_size >= 1 && p->head_size <= widest, "head_size is %u, must be 1 to %u",
        p->head_size, widest);
    const uint32_t most = latent ? MAX_EXPERTS : MIN(MAX_WIDTH / p->head_size, 0xffff);
    CHECK(p->heads >= 1 && p->heads <= most, "heads is %u, must be 1 to %u", p->heads, most);
    CHECK(p->kv_heads >= 1 && p->kv_heads <= most, "kv_heads is %u, must be 1 to %u", p->kv_heads,
        most);
    CHECK(p->experts >= 1 && p->experts <= MAX_EXPERTS, "experts is %u, must be 1 to %u",
        p->experts, MAX_EXPERTS);
    CHECK(p->experts_per_token >= 1 && p->experts_per_token <= p->experts,
        "experts_per_token is %u, must be 1 to experts (%u)", p->experts_per_token, p->experts);
    const bool has_output = p->output.experts.experts == 0,
               has_value = p->value.experts.experts == 0 && !latent;
    CHECK(p->query.matrices && (p->output.matrices || !has_output) && p->key.matrix.data
            && (p->value.matrix.data || !has_value),
        "query, output, key and value are required");
    for (uint32_t e = 0; e < p->experts; e++)
        CHECK(p->query.matrices[e].data && (!has_output || p->output.matrices[e].data),
            "a matrix of expert %u is missing", e);
    CHECK(isfinite(p->scale) && isfinite(p->soft_cap) && p->soft_cap >= 0 && isfinite(p->value_clip)
            && p->value_clip >= 0 && isfinite(p->norm.epsilon) && p->norm.epsilon >= 0,
        "scale, soft_cap, value_clip and norm.epsilon must be finite");
    CHECK(!p->norm_after_rope || (!p->norm.wide && p->value_clip == 0 && !latent),
        "norm_after_rope goes with neither norm.wide nor value_clip nor latent");
    CHECK(isfinite(p->temperature.scale), "temperature.scale is not finite");
    CHECK(p->temperature.scale == 0 || p->temperature.floor > 0,
        "temperature.floor is 0, must be above 0");
    CHECK(!p->value_norm || has_value, "value_norm is not for latent or value.experts");
    return VKMOE_OK;
}

static enum vkmoe_status check_value_size(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    CHECK(isfinite(p->value_scale), "value_scale is not finite");
    CHECK(p->value_size <= p->head_size, "value_size is %u, must be at most head_size (%u)",
        p->value_size, p->head_size);
    CHECK((p->value_size == 0 && p->value_scale == 0)
            || (p->experts == 1 && p->value.experts.experts == 0 && p->output.experts.experts == 0
                && !p->value_norm && !p->gate.matrix.data && p->latent.rank == 0
                && p->nsa.compressed == 0 && p->mosa.sparsity == 0),
        "value_size and value_scale go with neither several experts nor value.experts, "
        "output.experts, value_norm, gate, latent, nsa or mosa");
    return VKMOE_OK;
}

static enum vkmoe_status check_kv_heads(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    if (p->mosa.sparsity > 0) // each head has one
        return VKMOE_OK;
    const uint32_t used = p->expert_kv_heads ? p->expert_kv_heads : p->kv_heads;
    CHECK(used <= p->kv_heads, "expert_kv_heads is %u of %u kv_heads", used, p->kv_heads);
    CHECK(p->heads % used == 0, "%s is %u, must divide heads (%u)",
        p->expert_kv_heads ? "expert_kv_heads" : "kv_heads", used, p->heads);
    for (uint32_t e = 0; p->first_kv_head && e < p->experts; e++)
        CHECK(p->first_kv_head[e] <= p->kv_heads - used,
            "first_kv_head[%u] is %u; the expert uses %u of %u kv heads", e, p->first_kv_head[e],
            used, p->kv_heads);
    return VKMOE_OK;
}

static enum vkmoe_status check_head_experts(const struct caller *caller, const char *name,
    const struct vkmoe_head_experts *h, uint32_t heads)
{
    if (h->experts == 0)
        return VKMOE_OK;
    CHECK((uint64_t)heads * h->experts <= MAX_EXPERTS,
        "%s: %u heads of %u experts, %u in all are "
        "supported",
        name, heads, h->experts, MAX_EXPERTS);
    CHECK(h->experts_per_token >= 1 && h->experts_per_token <= h->experts,
        "%s.experts_per_token is %u, must be 1 to experts (%u)", name, h->experts_per_token,
        h->experts);
    CHECK(h->matrices, "%s.matrices is missing", name);
    CHECK(h->router.groups.count <= 1 && h->router.levels.data == NULL,
        "%s.router has groups or levels; its groups are the heads", name);
    CHECK(h->router.score != VKMOE_SCORE_SOFTMAX,
        "%s.router.score is SOFTMAX, which would be over all heads; SwitchHead has SIGMOID", name);
    return vkmoe_orders_refuse(caller, name, h->matrices, heads * h->experts);
}

// Heads' own experts, of values and of outputs.
static enum vkmoe_status check_mixes(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    const bool mixes = p->value.experts.experts > 0 || p->output.experts.experts > 0;
    CHECK(!mixes || p->experts == 1, "value.experts and output.experts need experts to be 1");
    CHECK(p->value.experts.experts == 0 || (!p->value.matrix.data && !p->value.bias.data),
        "value.experts stand instead of value and value.bias");
    CHECK(p->output.experts.experts == 0 || !p->output.matrices,
        "output.experts stand instead of output");
    const enum vkmoe_status status =
        check_head_experts(caller, "value.experts", &p->value.experts, p->kv_heads);
    return status == VKMOE_OK
        ? check_head_experts(caller, "output.experts", &p->output.experts, p->heads)
        : status;
}

static enum vkmoe_status check_views(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_latent *latent = p->latent.rank > 0 ? &p->latent : NULL;
    const uint32_t output_columns = p->heads * (latent ? latent->value_size : value_size(p));
    const uint32_t query_columns = latent && latent->query_rank ? latent->query_rank : p->hidden;
    const uint32_t width = p->heads * p->head_size, kv_width = p->kv_heads * p->head_size;
    const struct named_view views[] = {
        { "key", &p->key.matrix, p->hidden },
        { "value", &p->value.matrix, p->hidden },
        { "query.bias", &p->query.bias, width },
        { "key.bias", &p->key.bias, kv_width },
        { "value.bias", &p->value.bias, p->kv_heads * value_size(p) },
        { "output.bias", &p->output.bias, p->hidden },
        { "query.norm", &p->query.norm, p->norm.wide ? width : p->head_size },
        { "key.norm", &p->key.norm, p->norm.wide ? kv_width : normed_size(p) },
        { "sinks", &p->sinks, p->heads },
        { "position.bias", &p->position.bias, 2 * p->position.reach + 1 },
    };
    CHECK(!p->position.bias.data || (p->position.reach >= 1 && p->position.reach <= 65535),
        "position.reach is %u, must be 1 to 65535", p->position.reach);
    TRY_RETURN(vkmoe_matrices_check(caller, "query", p->query.matrices, p->experts, query_columns));
    if (p->output.matrices)
        TRY_RETURN(
            vkmoe_matrices_check(caller, "output", p->output.matrices, p->experts, output_columns));
    return vkmoe_views_check(caller, views, ARRAY_SIZE(views));
}

static enum vkmoe_status check_divisors(
    const struct caller *caller, const char *name, const struct vkmoe_view *view, uint32_t pairs)
{
    float *divisors;
    uint32_t wrong = 0;
    if (!view->data)
        return VKMOE_OK;
    TRY_RETURN(vkmoe_view_check(caller, &(struct named_view){ name, view, pairs }));
    TRY_RETURN(vkmoe_view_floats(view, caller->log, 1, pairs, &divisors));
    while (wrong < pairs && divisors[wrong] > 0)
        wrong++;
    free(divisors);
    CHECK(wrong == pairs, "%s[%u] is not above 0", name, wrong);
    return VKMOE_OK;
}

static enum vkmoe_status check_long_rope(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_rope *r = &p->rope;
    const bool is_long = r->scaling == VKMOE_ROPE_SCALING_LONGROPE;
    const bool has_both = p->rope_divisors.data && p->long_rope.divisors.data;
    CHECK(!is_long || (has_both && r->original_positions > 0),
        "rope: LONGROPE needs original_positions, rope_divisors and long_rope.divisors");
    CHECK(is_long || !p->long_rope.divisors.data, "long_rope.divisors are there without LONGROPE");
    CHECK(!is_long
            || (isfinite(r->attention_factor) && isfinite(p->long_rope.attention_factor)
                && r->attention_factor >= 0 && p->long_rope.attention_factor >= 0),
        "rope: attention factors of LONGROPE must be finite and not below 0");
    return VKMOE_OK;
}

static enum vkmoe_status check_rope(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_rope *r = &p->rope;
    const uint32_t head_size = p->latent.rank > 0 ? turned_size(p) : p->head_size;
    CHECK((unsigned)r->kind <= VKMOE_ROPE_INTERLEAVED, "rope.kind %d is unknown", (int)r->kind);
    if (r->kind == VKMOE_ROPE_NONE)
        return VKMOE_OK;
    CHECK((unsigned)r->scaling <= VKMOE_ROPE_SCALING_LONGROPE, "rope.scaling %d is unknown",
        (int)r->scaling);
    CHECK(r->size <= head_size && r->size % 2 == 0 && (r->size > 0 || head_size % 2 == 0),
        "rope.size is %u, must be even and at most head_size (%u)", r->size, head_size);
    CHECK(head_size > 0, "rope: there is nothing to turn behind latent.rank");
    CHECK(isfinite(r->base) && r->base >= 0 && r->base != 1, "rope.base must be above 0 and not 1");
    CHECK(r->scaling == VKMOE_ROPE_SCALING_PLAIN || r->scaling == VKMOE_ROPE_SCALING_LONGROPE
            || (isfinite(r->factor) && r->factor > 0),
        "rope.factor must be above 0");
    CHECK(r->scaling != VKMOE_ROPE_SCALING_LLAMA3
            || (r->original_positions > 0 && r->high_factor >= r->low_factor && r->low_factor > 0),
        "rope: LLAMA3 needs original_positions and low_factor up to high_factor");
    CHECK(r->scaling != VKMOE_ROPE_SCALING_YARN
            || (r->original_positions > 0 && isfinite(r->attention_factor) && isfinite(r->beta_fast)
                && isfinite(r->beta_slow)),
        "rope: YARN needs original_positions");
    CHECK(r->scaling != VKMOE_ROPE_SCALING_DYNAMIC
            || (r->original_positions > 0 && r->factor >= 1 && (r->size ? r->size : head_size) > 2),
        "rope: DYNAMIC needs original_positions, a factor of 1 or more and a size above 2");
    CHECK(r->scaling != VKMOE_ROPE_SCALING_DYNAMIC || !p->rope_divisors.data,
        "rope: DYNAMIC has no rope_divisors");
    const uint32_t pairs = (r->size ? r->size : head_size) / 2;
    TRY_RETURN(check_long_rope(caller, p));
    TRY_RETURN(check_divisors(caller, "rope_divisors", &p->rope_divisors, pairs));
    return check_divisors(caller, "long_rope.divisors", &p->long_rope.divisors, pairs);
}

enum vkmoe_status vkmoe_attention_check(
    const struct caller *caller, const struct vkmoe_attention_params *params)
{
    enum vkmoe_status (*const checks[])(
        const struct caller *, const struct vkmoe_attention_params *) = { check_shapes,
        check_value_size, vkmoe_latent_check, vkmoe_nsa_check, vkmoe_mosa_check, vkmoe_gate_check,
        check_kv_heads, check_mixes, check_views, check_rope, vkmoe_patterns_check };
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
        TRY_RETURN(checks[i](caller, params));
    return VKMOE_OK;
}
