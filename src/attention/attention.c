// attention.c - creates and destroys attention. What it may be: check.c; running
// it: forward.c.
#include "attention/attention.h"

#include "base/common.h"
#include "base/params.h"
#include "base/try.h"
#include "attention/heads_test.h"
#include "device/fit.h"
#include "moe/self_test.h"
#include "weights/format.h"
#include "weights/order.h"

#include <math.h>
#include <stdlib.h>

// Of tokens that heads choose there is no other gate.
static struct vkmoe_router_params router_of(const struct vkmoe_attention_params *p)
{
    return p->mosa.sparsity == 0
        ? p->router
        : (struct vkmoe_router_params){ .select = VKMOE_SELECT_SUPPLIED_WEIGHTED };
}

// The projections of routed attention.
static struct vkmoe_moe_params layer_of(const struct vkmoe_attention_params *p)
{
    return (struct vkmoe_moe_params){
        VKMOE_INIT(vkmoe_moe_params),
        .hidden = p->hidden,
        .inner = p->heads * p->head_size,
        .experts = p->experts,
        .experts_per_token = p->experts_per_token,
        .router = router_of(p),
        .activation = VKMOE_ACTIVATION_IDENTITY,
        .up = p->query.matrices,
        .up_bias = p->query.bias,
        .down = p->output.matrices,
        .output_bias = p->output.bias,
    };
}

static enum vkmoe_status create_experts(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_moe_params moe = layer_of(p);
    if (p->router.capacity > 0)
        return vkmoe_refuse(
            &a->loading->caller, VKMOE_ERROR_INVALID, "router.capacity has no meaning here");
    TRY_RETURN(vkmoe_moe_load(a->loading, &moe, &a->experts));
    a->experts->one_class = true; // attend takes its queries by the same tiles
    a->experts->is_parted = true;
    return VKMOE_OK;
}

// Whether queries, keys and values can be one matrix: one dispatch, in which the few rows of keys
// and values do not leave a card idle.
static bool can_stack(const vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const enum vkmoe_dtype dtype = p->query.matrices[0].dtype;
    const uint32_t rows = (p->heads + p->kv_heads) * p->head_size + p->kv_heads * value_size(p);
    return !a->routed && p->value.experts.experts == 0 && p->output.experts.experts == 0
        && p->key.matrix.dtype == dtype && p->value.matrix.dtype == dtype
        && vkmoe_orders_equal(&p->key.matrix, &p->query.matrices[0])
        && vkmoe_orders_equal(&p->value.matrix, &p->query.matrices[0])
        && vkmoe_matrix_size(div_up(rows, BLOCK_ROWS), p->hidden, dtype)
        <= MIN(UINT32_MAX, a->device->gpu.max_buffer_size);
}

enum vkmoe_status vkmoe_attention_linear(const vkmoe_attention *a,
    const struct vkmoe_view *const views[], const struct vkmoe_view *const biases[],
    const uint32_t rows[], uint32_t count, uint32_t columns, struct experts *out)
{
    a->loading->reorders = true;
    const enum vkmoe_status status =
        vkmoe_linear_create(a->loading, views, biases, rows, count, columns, out);
    a->loading->reorders = false;
    return status;
}

// The matrices that make queries, keys and values, unless a mix makes these.
static enum vkmoe_status create_inputs(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const uint32_t width = p->heads * p->head_size, kv_width = p->kv_heads * p->head_size;
    const uint32_t rows[] = { width, kv_width, p->kv_heads * value_size(p) };
    const struct vkmoe_view *views[] = { &p->query.matrices[0], &p->key.matrix, &p->value.matrix };
    const struct vkmoe_view *biases[] = { &p->query.bias, &p->key.bias, &p->value.bias };
    const bool mixed = p->value.experts.experts > 0;
    const bool apart = !mixed
        && (p->value.matrix.dtype != p->key.matrix.dtype
            || !vkmoe_orders_equal(&p->value.matrix, &p->key.matrix));
    const uint32_t kv_count = mixed || apart ? 1 : 2;
    a->query_stride = width;
    a->kv_stride = kv_width + (kv_count > 1 ? rows[2] : 0);
    a->stacked = can_stack(a, p);
    if (a->stacked) {
        vkmoe_fit_name(a->device, "queries, keys and values");
        TRY_RETURN(vkmoe_attention_linear(a, views, biases, rows, 3, p->hidden, &a->query));
        a->query_stride = a->kv_stride = a->query.rows;
        return VKMOE_OK;
    }
    vkmoe_fit_name(a->device, "keys and values");
    TRY_RETURN(
        vkmoe_attention_linear(a, views + 1, biases + 1, rows + 1, kv_count, p->hidden, &a->kv));
    if (apart)
        TRY_RETURN(
            vkmoe_attention_linear(a, views + 2, biases + 2, rows + 2, 1, p->hidden, &a->value));
    if (a->routed)
        return VKMOE_OK;
    vkmoe_fit_name(a->device, "queries");
    return vkmoe_attention_linear(a, views, biases, rows, 1, p->hidden, &a->query);
}

static enum vkmoe_status create_matrices(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const uint32_t columns = p->heads * (is_latent(a) ? p->latent.value_size : value_size(p));
    TRY_RETURN(is_latent(a) ? vkmoe_latent_create(a, p)
            : is_mosa(a)    ? vkmoe_mosa_create(a, p)
                            : create_inputs(a, p));
    if (p->value.experts.experts > 0)
        TRY_RETURN(vkmoe_mix_create(a->loading, MIX_VALUES, &p->value.experts, p->kv_heads,
            p->hidden, p->head_size, p->hidden, &(struct vkmoe_view){ 0 }, &a->value_mix));
    if (a->routed) {
        a->query_stride = (uint32_t)align_up(columns, 8);
        return create_experts(a, p);
    }
    vkmoe_fit_name(a->device, "output projection");
    if (p->output.experts.experts > 0)
        return vkmoe_mix_create(a->loading, MIX_OUTPUTS, &p->output.experts, p->heads, p->hidden,
            p->hidden, p->head_size, &p->output.bias, &a->output_mix);
    const struct vkmoe_view *output[] = { &p->output.matrices[0] },
                            *output_bias[] = { &p->output.bias };
    return vkmoe_attention_linear(a, output, output_bias, &p->hidden, 1, columns, &a->output);
}

static void set_defaults(struct vkmoe_attention_params *p)
{
    const bool latent = p->latent.rank > 0;
    if (p->scale == 0)
        p->scale = 1 / sqrtf((float)(latent ? latent_query_size(p) : p->head_size));
    if (p->rope.base == 0)
        p->rope.base = 10000;
    if (p->rope.size == 0)
        p->rope.size = latent ? turned_size(p) : p->head_size;
    if (p->value_scale != 0 && p->value_size == 0)
        p->value_size = p->head_size;
    if (p->value_scale == 0)
        p->value_scale = 1;
    if (p->mosa.sparsity > 0)
        p->kv_heads = 1; // that a head sees
    if (p->expert_kv_heads == 0)
        p->expert_kv_heads = p->kv_heads;
    if (!p->position.bias.data)
        p->position.reach = 0;
    if (p->nsa.compressed > 0)
        p->nsa = vkmoe_nsa_resolve(&p->nsa);
}

// Views and patterns belong to the caller.
static void forget_views(struct vkmoe_attention_params *p)
{
    p->query.matrices = p->output.matrices = NULL;
    p->patterns = NULL;
    p->first_kv_head = NULL;
    p->value.experts.matrices = p->output.experts.matrices = NULL;
    p->latent.keys = p->latent.values = NULL;
}

// `p` has its views, and its defaults filled in.
static enum vkmoe_status fill(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    TRY_RETURN(create_matrices(a, p));
    if (is_nsa(a))
        TRY_RETURN(vkmoe_nsa_create(a, p));
    TRY_RETURN(vkmoe_gate_create(a, p));
    return vkmoe_constants_create(
        a->device, p, &a->patterns, a->query_stride, a->kv_stride, &a->constants);
}

enum vkmoe_status vkmoe_attention_create(
    vkmoe_device *device, const struct vkmoe_attention_params *params, vkmoe_attention **out)
{
    NEED_TO_CREATE(device, vkmoe_attention_params, params, out);
    struct loading loading = {
        .caller = { device_log(device), __func__ },
        .fast = params->precision == VKMOE_PRECISION_FAST,
    };
    TRY_FIT(device, loading.device, vkmoe_attention_load(&loading, params, out),
        vkmoe_attention_destroy(out));
    return vkmoe_attention_load(&loading, params, out);
}

static uint64_t mix_load_size(const struct vkmoe_head_experts *e, uint32_t heads, uint32_t hidden,
    uint32_t rows, uint32_t columns)
{
    const uint64_t experts = (uint64_t)heads * e->experts;
    return vkmoe_format_matrix_size(e->matrices[0].dtype, experts * rows, columns)
        + (experts + (e->router.levels.data ? 2 : 0)) * hidden * sizeof(float);
}

uint64_t vkmoe_attention_load_size(const struct vkmoe_attention_params *p)
{
    if (p->latent.rank > 0)
        return vkmoe_latent_load_size(p)
            + vkmoe_format_matrix_size(
                p->output.matrices[0].dtype, p->hidden, (uint64_t)p->heads * p->latent.value_size);
    const uint64_t width = (uint64_t)p->heads * p->head_size;
    const uint64_t kv_width = (uint64_t)p->kv_heads * p->head_size;
    uint64_t size = vkmoe_format_matrix_size(p->key.matrix.dtype, kv_width, p->hidden)
        + vkmoe_nsa_load_size(p) + vkmoe_mosa_load_size(p) + vkmoe_gate_load_size(p);
    if (p->value.experts.experts > 0)
        size += mix_load_size(&p->value.experts, p->kv_heads, p->hidden, p->head_size, p->hidden);
    else
        size += vkmoe_format_matrix_size(
            p->value.matrix.dtype, (uint64_t)p->kv_heads * value_size(p), p->hidden);
    if (p->experts > 1) {
        const struct vkmoe_moe_params moe = layer_of(p);
        return size + vkmoe_moe_load_size(&moe);
    }
    size += vkmoe_format_matrix_size(p->query.matrices[0].dtype, width, p->hidden);
    if (p->output.experts.experts > 0)
        return size
            + mix_load_size(&p->output.experts, p->heads, p->hidden, p->hidden, p->head_size);
    return size
        + vkmoe_format_matrix_size(
            p->output.matrices[0].dtype, p->hidden, (uint64_t)p->heads * value_size(p));
}

static enum vkmoe_status self_test(
    const struct loading *loading, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_view *value =
        p->value.experts.experts > 0 ? p->value.experts.matrices : &p->value.matrix;
    const struct vkmoe_view *output =
        p->output.experts.experts > 0 ? p->output.experts.matrices : p->output.matrices;
    TRY_RETURN(vkmoe_self_test(loading, p->query.matrices[0].dtype));
    TRY_RETURN(vkmoe_self_test(loading, p->key.matrix.dtype));
    if (heads_may_finish(p)) {
        TRY_RETURN(vkmoe_heads_self_test(loading, p->query.matrices[0].dtype));
        TRY_RETURN(vkmoe_heads_self_test(loading, p->key.matrix.dtype));
        TRY_RETURN(vkmoe_heads_self_test(loading, p->value.matrix.dtype));
    }
    if (p->nsa.compressed > 0)
        TRY_RETURN(vkmoe_self_test(loading, p->nsa.gate.dtype));
    if (p->mosa.sparsity > 0)
        TRY_RETURN(vkmoe_self_test(loading, p->mosa.router.dtype));
    if (p->gate.matrix.data)
        TRY_RETURN(vkmoe_self_test(loading, p->gate.matrix.dtype));
    if (p->latent.rank > 0)
        TRY_RETURN(vkmoe_latent_self_test(loading, p));
    else
        TRY_RETURN(vkmoe_self_test(loading, value[0].dtype));
    return vkmoe_self_test(loading, output[0].dtype);
}

enum vkmoe_status vkmoe_attention_load(
    struct loading *loading, const struct vkmoe_attention_params *params, vkmoe_attention **out)
{
    TRY_RETURN(vkmoe_attention_check(&loading->caller, params));
    TRY_RETURN(self_test(loading, params));
    NEW_OR_RETURN(vkmoe_attention, a, device_log(loading->device), "attention: ");
    a->device = loading->device;
    a->loading = loading;
    a->params = *params;
    a->routed = params->experts > 1;
    a->has_sinks = params->sinks.data != NULL;
    a->has_query_norm = params->query.norm.data != NULL;
    a->has_key_norm = params->key.norm.data != NULL;
    set_defaults(&a->params);
    const struct vkmoe_pattern selected = vkmoe_nsa_selected(&a->params.nsa);
    if (is_nsa(a))
        a->params.patterns = &selected;
    a->patterns = vkmoe_patterns_describe(&a->params);
    TRY_UNDO(fill(a, &a->params), vkmoe_attention_destroy(&a));
    forget_views(&a->params);
    a->loading = NULL;
    *out = a;
    return VKMOE_OK;
}

void vkmoe_attention_destroy(vkmoe_attention **attention)
{
    TAKE_OR_RETURN(vkmoe_attention, a, attention);
    vkmoe_moe_destroy(&a->experts);
    EXPERTS_DESTROY(&a->query, &a->output, &a->kv, &a->value, &a->gate);
    vkmoe_latent_destroy(&a->latent);
    vkmoe_nsa_destroy(&a->nsa);
    vkmoe_mosa_destroy(&a->mosa);
    vkmoe_mix_destroy(&a->value_mix);
    vkmoe_mix_destroy(&a->output_mix);
    vkmoe_buffer_destroy(&a->constants.buffer);
    free(a);
}

uint64_t vkmoe_attention_device_size(const vkmoe_attention *a)
{
    if (!a)
        return 0;
    return vkmoe_experts_size(&a->kv) + vkmoe_mix_size(&a->value_mix)
        + vkmoe_mix_size(&a->output_mix) + vkmoe_moe_device_size(a->experts)
        + vkmoe_experts_size(&a->query) + vkmoe_experts_size(&a->output)
        + vkmoe_experts_size(&a->value) + vkmoe_latent_size(&a->latent) + vkmoe_nsa_size(&a->nsa)
        + vkmoe_mosa_size(&a->mosa) + vkmoe_experts_size(&a->gate)
        + vkmoe_buffer_taken(a->constants.buffer);
}
