// attention_reference_params.c - the reference's attention out of the library's params.
#include "attention_reference.h"

#include <stdlib.h>
#include <string.h>

#include "formats.h"

double *reference_read_view(const struct vkmoe_view *view, uint32_t rows, uint32_t columns)
{
    if (!view->data)
        return NULL;
    const struct test_format *format = test_format(view->dtype);
    double *values = allocate((size_t)rows * columns, sizeof(double));
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t i = 0; i < columns; i += format->elements)
            format->decode(format_at(view, columns, r, i), &values[(size_t)r * columns + i]);
    }
    return values;
}

double *reference_read_views(
    const struct vkmoe_view *views, uint32_t experts, uint32_t rows, uint32_t columns)
{
    if (!views)
        return NULL;
    size_t count = (size_t)rows * columns;
    double *all = allocate(experts * count, sizeof(double));
    for (uint32_t e = 0; e < experts; e++) {
        double *one = reference_read_view(&views[e], rows, columns);
        if (one)
            memcpy(all + e * count, one, count * sizeof(double));
        free(one);
    }
    return all;
}

void reference_router_from(const struct vkmoe_router_params *p, uint32_t hidden, uint32_t experts,
    uint32_t experts_per_token, struct reference_layer *out)
{
    *out = reference_numbers(&(struct vkmoe_moe_params){
        .hidden = hidden,
        .experts = experts,
        .experts_per_token = experts_per_token,
        .router = *p,
    });
    reference_read_gate(p, out);
}

void reference_read_gate(const struct vkmoe_router_params *p, struct reference_layer *out)
{
    const uint32_t experts = out->experts;
    const uint32_t hidden = out->router_hidden ? out->router_hidden : out->hidden;
    out->router = reference_read_view(&p->weight, experts, hidden);
    out->input_scale = reference_read_view(&p->input_scale, 1, hidden);
    out->router_bias = reference_read_view(&p->bias, 1, experts);
    out->correction_bias = reference_read_view(&p->correction_bias, 1, experts);
    out->expert_scale = reference_read_view(&p->expert_scale, 1, experts);
    out->levels = reference_read_view(&p->levels, 2, hidden);
}

static void read_head_experts(const struct vkmoe_head_experts *h, uint32_t heads, uint32_t hidden,
    uint32_t rows, uint32_t columns, struct reference_head_experts *out)
{
    if (h->experts == 0)
        return;
    out->experts = h->experts;
    out->experts_per_token = h->experts_per_token;
    out->matrices = reference_read_views(h->matrices, heads * h->experts, rows, columns);
    struct vkmoe_router_params router = h->router;
    router.groups.count = heads;
    router.groups.mode = VKMOE_GROUP_MODE_EACH;
    reference_router_from(
        &router, hidden, heads * h->experts, heads * h->experts_per_token, &out->router);
}

uint32_t attention_rope_size(const struct vkmoe_attention_params *p)
{
    return p->rope.size ? p->rope.size : p->head_size - p->latent.rank;
}

// Rows, or columns, of heads of `size` elements, as those of heads of head_size: zeros follow, with
// which nothing else has to know. Takes `values`, [heads * size][columns], in groups of `inner`.
static double *pad_heads(
    double *values, size_t heads, uint32_t size, uint32_t head_size, size_t inner, double factor)
{
    if (!values || (size == head_size && factor == 1.0))
        return values;
    double *padded = allocate(heads * head_size * inner, sizeof(double));
    for (size_t i = 0; i < heads * size * inner; i++)
        padded[i / (size * inner) * head_size * inner + i % (size * inner)] = factor * values[i];
    free(values);
    return padded;
}

// Values that are shorter than keys, and multiplied.
static void pad_values(const struct vkmoe_attention_params *p, struct reference_attention *out)
{
    const uint32_t size = p->value_size ? p->value_size : p->head_size;
    const double scale = p->value_scale != 0.0f ? p->value_scale : 1.0;
    out->value = pad_heads(out->value, p->kv_heads, size, p->head_size, p->hidden, 1.0);
    out->value_bias = pad_heads(out->value_bias, p->kv_heads, size, p->head_size, 1, 1.0);
    out->output =
        pad_heads(out->output, (size_t)p->hidden * p->heads, size, p->head_size, 1, scale);
}

void reference_attention_from(
    const struct vkmoe_attention_params *p, struct reference_attention *out)
{
    const uint32_t size = p->value_size ? p->value_size : p->head_size;
    uint32_t width = p->heads * p->head_size, kv_width = p->kv_heads * p->head_size;
    uint32_t experts = p->experts ? p->experts : 1;
    bool latent = p->latent.rank > 0;
    *out = (struct reference_attention){
        .hidden = p->hidden,
        .head_size = p->head_size,
        .heads = p->heads,
        .kv_heads = p->kv_heads,
        .expert_kv_heads = p->expert_kv_heads,
        .tiled_kv = p->tiled_kv,
        .experts = experts,
        .experts_per_token = p->experts_per_token ? p->experts_per_token : 1,
        .query = latent ? NULL : reference_read_views(p->query.matrices, experts, width, p->hidden),
        .output = p->output.matrices && !latent
            ? reference_read_views(p->output.matrices, experts, p->hidden, p->heads * size)
            : NULL,
        .query_bias = reference_read_view(&p->query.bias, experts, width),
        .key = latent ? NULL : reference_read_view(&p->key.matrix, kv_width, p->hidden),
        .value = reference_read_view(&p->value.matrix, p->kv_heads * size, p->hidden),
        .key_bias = reference_read_view(&p->key.bias, 1, kv_width),
        .value_bias = reference_read_view(&p->value.bias, 1, p->kv_heads * size),
        .output_bias = reference_read_view(&p->output.bias, 1, p->hidden),
        .norm_wide = p->norm.wide,
        .query_norm = reference_read_view(&p->query.norm, 1, p->norm.wide ? width : p->head_size),
        .key_norm = latent
            ? NULL
            : reference_read_view(&p->key.norm, 1, p->norm.wide ? kv_width : p->head_size),
        .norm_epsilon = p->norm.epsilon,
        .sinks = reference_read_view(&p->sinks, 1, p->heads),
        .scale = p->scale,
        .soft_cap = p->soft_cap,
        .position_bias =
            reference_read_view(&p->position.bias, p->heads, 2 * p->position.reach + 1),
        .position_reach = p->position.reach,
        .value_clip = p->value_clip,
        .rope = p->rope,
        .temperature = p->temperature.scale,
        .temperature_floor = p->temperature.floor,
        .temperature_before = p->temperature_before,
        .value_norm = p->value_norm,
        .gate = reference_read_view(
            &p->gate.matrix, p->heads * (p->gate.wide ? p->head_size : 1), p->hidden),
        .gate_wide = p->gate.wide,
        .gate_softplus = p->gate_softplus,
        .rope_divisors = reference_read_view(&p->rope_divisors, 1, attention_rope_size(p) / 2),
        .norm_after_rope = p->norm_after_rope,
        .long_divisors = reference_read_view(&p->long_rope.divisors, 1, attention_rope_size(p) / 2),
        .long_attention_factor = p->long_rope.attention_factor,
    };
    if (!latent && experts == 1)
        pad_values(p, out);
    if (latent)
        reference_latent_from(p, out);
    if (p->mosa.sparsity > 0)
        reference_mosa_from(p, out);
    if (p->nsa.compressed > 0)
        reference_nsa_from(p, out);
    reference_router_from(&p->router, p->hidden, experts, out->experts_per_token, &out->router);
    read_head_experts(
        &p->value.experts, p->kv_heads, p->hidden, p->head_size, p->hidden, &out->value_experts);
    read_head_experts(
        &p->output.experts, p->heads, p->hidden, p->hidden, p->head_size, &out->output_experts);
    if (p->first_kv_head) {
        out->first_kv_head = allocate(experts, sizeof(uint32_t));
        memcpy(out->first_kv_head, p->first_kv_head, experts * sizeof(uint32_t));
    }
    if (p->patterns) {
        out->patterns = allocate(experts, sizeof(*out->patterns));
        memcpy(out->patterns, p->patterns, experts * sizeof(*out->patterns));
    }
}
