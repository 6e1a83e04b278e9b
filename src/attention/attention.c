// attention.c - creates and destroys attention. What it may be: attention_check.c; running
// it: attention_forward.c.
#include "attention/attention.h"

#include "base/common.h"
#include "device/fit.h"
#include "weights/view.h"

#include "shaders/pattern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The projections of routed attention.
static struct vkmoe_moe_params layer_of(const struct vkmoe_attention_params *p)
{
    return (struct vkmoe_moe_params){
        .hidden = p->hidden,
        .inner = p->heads * p->head_size,
        .experts = p->experts,
        .experts_per_token = p->experts_per_token,
        .router = p->router,
        .activation = VKMOE_ACTIVATION_IDENTITY,
        .up = p->query,
        .up_bias = p->query_bias,
        .down = p->output,
        .output_bias = p->output_bias,
    };
}

static enum vkmoe_status create_experts(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_moe_params moe = layer_of(p);
    if (p->router.capacity > 0)
        return vkmoe_refuse(
            &a->loading->caller, VKMOE_ERROR_INVALID, "router.capacity has no meaning here");
    return vkmoe_moe_load(a->loading, &moe, &a->experts);
}

static enum vkmoe_status create_matrices(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const uint32_t kv_rows[] = { p->kv_heads * p->head_size, p->kv_heads * p->head_size };
    const struct vkmoe_view *kv[] = { &p->key, &p->value };
    const struct vkmoe_view *kv_bias[] = { &p->key_bias, &p->value_bias };
    const bool mixes_values = p->value_experts.experts > 0;
    vkmoe_fit_name(a->device, "keys and values");
    enum vkmoe_status status = vkmoe_linear_create(
        a->loading, kv, kv_bias, kv_rows, mixes_values ? 1 : 2, p->hidden, &a->kv);
    if (status == VKMOE_OK && mixes_values)
        status = vkmoe_mix_create(a->loading, MIX_VALUES, &p->value_experts, p->kv_heads, p->hidden,
            p->head_size, p->hidden, &(struct vkmoe_view){ 0 }, &a->value_mix);
    if (status != VKMOE_OK)
        return status;
    a->query_columns = p->heads * p->head_size;
    if (a->routed) {
        a->query_columns = (uint32_t)align_up(a->query_columns, 8);
        return create_experts(a, p);
    }
    const uint32_t columns = a->query_columns;
    vkmoe_fit_name(a->device, "queries");
    const struct vkmoe_view *query[] = { &p->query[0] }, *query_bias[] = { &p->query_bias };
    status = vkmoe_linear_create(a->loading, query, query_bias, &columns, 1, p->hidden, &a->query);
    if (status != VKMOE_OK)
        return status;
    vkmoe_fit_name(a->device, "output projection");
    if (p->output_experts.experts > 0)
        return vkmoe_mix_create(a->loading, MIX_OUTPUTS, &p->output_experts, p->heads, p->hidden,
            p->hidden, p->head_size, &p->output_bias, &a->output_mix);
    const struct vkmoe_view *output[] = { &p->output[0] }, *output_bias[] = { &p->output_bias };
    return vkmoe_linear_create(a->loading, output, output_bias, &p->hidden, 1, columns, &a->output);
}

// The most keys that a workgroup walks over for a pattern, in a context without end.
static uint64_t reach_of(const struct vkmoe_pattern *p)
{
    const uint64_t rows = 8; // of a workgroup, at most; each may pick blocks of its own
    uint64_t reach = p->left == 0 || (p->both_sides && p->right == 0)
        ? UINT32_MAX
        : (uint64_t)p->left + p->right;
    if (p->kind == VKMOE_PATTERN_STRIDED || p->kind == VKMOE_PATTERN_DILATED)
        reach /= p->step;
    if (p->kind == VKMOE_PATTERN_BLOCKS)
        reach = MIN(reach, (uint64_t)p->block * (p->top > 0 ? p->top * rows : p->block_count));
    return reach + p->sinks + p->local;
}

static void write_pattern(
    vkmoe_attention *a, const struct vkmoe_pattern *p, uint32_t first_kv_head, uint32_t *w)
{
    const bool by_blocks = p->kind == VKMOE_PATTERN_BLOCKS;
    w[PATTERN_KIND] = p->kind;
    w[PATTERN_LEFT] = p->left;
    w[PATTERN_RIGHT] = p->right;
    w[PATTERN_STEP] = p->kind == VKMOE_PATTERN_WINDOW || by_blocks ? 1 : p->step;
    w[PATTERN_PHASE] = p->phase;
    w[PATTERN_SINKS] = p->sinks;
    w[PATTERN_LOCAL] = p->local;
    w[PATTERN_BOTH_SIDES] = p->both_sides;
    w[PATTERN_KV_HEAD] = first_kv_head;
    w[PATTERN_BLOCK] = p->block;
    w[PATTERN_TOP] = by_blocks ? p->top : 0;
    a->reach = MAX(a->reach, reach_of(p));
    a->both_sides |= p->both_sides;
    a->by_blocks |= by_blocks;
    if (by_blocks && p->top > 0) {
        a->top = MAX(a->top, p->top);
        a->block = p->block;
    }
}

// The mask of a pattern's list of blocks; returns its words, as many as the list needs.
static uint32_t write_list(vkmoe_attention *a, const struct vkmoe_pattern *p, uint32_t *mask)
{
    uint32_t words = 0;
    for (uint32_t i = 0; p->kind == VKMOE_PATTERN_BLOCKS && i < p->block_count; i++) {
        mask[p->blocks[i] / 32] |= 1u << p->blocks[i] % 32;
        words = MAX(words, p->blocks[i] / 32 + 1);
    }
    a->list_words = MAX(a->list_words, words);
    return words;
}

// Experts' patterns, and behind them the lists of those that have one.
static enum vkmoe_status upload_patterns(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    static const struct vkmoe_pattern everything = { 0 };
    uint32_t lists = 0;
    for (uint32_t e = 0; p->patterns && e < p->experts; e++)
        lists += p->patterns[e].kind == VKMOE_PATTERN_BLOCKS && p->patterns[e].block_count > 0;
    const size_t room = (size_t)p->experts * PATTERN_WORDS + (size_t)lists * MAX_LISTED_BLOCK / 32;
    uint32_t *words = calloc(room, sizeof *words);
    if (!words)
        return vkmoe_fail(
            &a->device->log, VKMOE_ERROR_OUT_OF_MEMORY, "attention: out of host memory");
    uint32_t used = p->experts * PATTERN_WORDS;
    for (uint32_t e = 0; e < p->experts; e++) {
        const struct vkmoe_pattern *pattern = p->patterns ? &p->patterns[e] : &everything;
        uint32_t *w = words + e * PATTERN_WORDS;
        write_pattern(a, pattern, p->first_kv_head ? p->first_kv_head[e] : 0, w);
        w[PATTERN_LIST] = used;
        w[PATTERN_LIST_WORDS] = write_list(a, pattern, words + used);
        used += w[PATTERN_LIST_WORDS];
    }
    const enum vkmoe_status status =
        vkmoe_buffer_create_from(a->device, words, used * sizeof *words, &a->patterns);
    free(words);
    return status;
}

// The sink logits of all heads, and behind them the position bias.
static enum vkmoe_status upload_head_vectors(
    vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const uint32_t reach = p->position_bias.data ? p->position_reach : 0;
    const uint32_t columns = 2 * reach + 1;
    a->has_sinks = p->sinks.data != NULL;
    a->params.position_reach = reach;
    if (!a->has_sinks && reach == 0)
        return VKMOE_OK;
    const size_t count = (size_t)p->heads * (1 + (reach ? columns : 0));
    float *values = calloc(count, sizeof *values);
    if (!values)
        return vkmoe_fail(
            &a->device->log, VKMOE_ERROR_OUT_OF_MEMORY, "attention: out of host memory");
    float *sinks = NULL, *bias = NULL;
    enum vkmoe_status status = VKMOE_OK;
    if (a->has_sinks)
        status = vkmoe_view_floats(&p->sinks, &a->device->log, 1, p->heads, &sinks);
    if (status == VKMOE_OK && reach)
        status = vkmoe_view_floats(&p->position_bias, &a->device->log, p->heads, columns, &bias);
    if (sinks)
        memcpy(values, sinks, p->heads * sizeof *sinks);
    if (bias)
        memcpy(values + p->heads, bias, (size_t)p->heads * columns * sizeof *bias);
    if (status == VKMOE_OK)
        status =
            vkmoe_buffer_create_from(a->device, values, count * sizeof *values, &a->head_vectors);
    free(sinks);
    free(bias);
    free(values);
    return status;
}

static enum vkmoe_status upload_rotations(vkmoe_attention *a)
{
    const struct vkmoe_rope *rope = &a->params.rope;
    if (rope->kind == VKMOE_ROPE_NONE || rope->scaling == VKMOE_ROPE_SCALING_DYNAMIC)
        return VKMOE_OK;
    uint32_t table[256]; // the largest head_size
    vkmoe_rope_table(rope, rope->size, 0, table);
    return vkmoe_buffer_create_from(a->device, table, rope->size * sizeof table[0], &a->rotations);
}

static void set_defaults(struct vkmoe_attention_params *p)
{
    if (p->scale == 0)
        p->scale = 1 / sqrtf((float)p->head_size);
    if (p->rope.base == 0)
        p->rope.base = 10000;
    if (p->rope.size == 0)
        p->rope.size = p->head_size;
    p->query = p->output = NULL; // views and patterns belong to the caller
    p->patterns = NULL;
    p->first_kv_head = NULL;
    p->value_experts.matrices = p->output_experts.matrices = NULL;
    if (p->expert_kv_heads == 0)
        p->expert_kv_heads = p->kv_heads;
}

static enum vkmoe_status fill(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    enum vkmoe_status status = create_matrices(a, p);
    if (status == VKMOE_OK)
        status = upload_patterns(a, p);
    if (status == VKMOE_OK)
        status = upload_rotations(a);
    if (status == VKMOE_OK)
        status = upload_head_vectors(a, p);
    if (status == VKMOE_OK)
        status = vkmoe_vector_upload(a->device, &p->query_norm,
            p->head_size * (p->norm_wide ? p->heads : 1), 1, &a->query_norm);
    if (status == VKMOE_OK)
        status = vkmoe_vector_upload(a->device, &p->key_norm,
            p->head_size * (p->norm_wide ? p->kv_heads : 1), 1, &a->key_norm);
    return status;
}

enum vkmoe_status vkmoe_attention_create(
    vkmoe_device *device, const struct vkmoe_attention_params *params, vkmoe_attention **out)
{
    VKMOE_NEED(device_log(device), out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, device, "device");
    VKMOE_NEED(&device->log, params, "params");
    struct loading loading = { .caller = { &device->log, __func__ } };
    vkmoe_attention *attention = NULL;
    enum vkmoe_status status = vkmoe_fit_begin(device, &loading.device);
    if (status == VKMOE_OK)
        status = vkmoe_attention_load(&loading, params, &attention);
    vkmoe_attention_destroy(&attention);
    status = vkmoe_fit_end(&loading.device, __func__, status);
    loading.device = device;
    return status == VKMOE_OK ? vkmoe_attention_load(&loading, params, out) : status;
}

static uint64_t mix_load_size(const struct vkmoe_head_experts *e, uint32_t heads, uint64_t size,
    uint32_t hidden, uint32_t rows, uint32_t columns)
{
    const uint64_t experts = (uint64_t)heads * e->experts;
    return experts * rows * columns * size
        + (experts + (e->router.levels.data ? 2 : 0)) * hidden * sizeof(float);
}

uint64_t vkmoe_attention_load_size(const struct vkmoe_attention_params *p)
{
    const uint64_t width = (uint64_t)p->heads * p->head_size;
    const uint64_t kv_width = (uint64_t)p->kv_heads * p->head_size;
    uint64_t size = kv_width * p->hidden * dtype_size(p->key.dtype);
    if (p->value_experts.experts > 0)
        size += mix_load_size(&p->value_experts, p->kv_heads,
            dtype_size(p->value_experts.matrices[0].dtype), p->hidden, p->head_size, p->hidden);
    else
        size += kv_width * p->hidden * dtype_size(p->value.dtype);
    if (p->experts > 1) {
        const struct vkmoe_moe_params moe = layer_of(p);
        return size + vkmoe_moe_load_size(&moe);
    }
    size += width * p->hidden * dtype_size(p->query[0].dtype);
    if (p->output_experts.experts > 0)
        return size
            + mix_load_size(&p->output_experts, p->heads,
                dtype_size(p->output_experts.matrices[0].dtype), p->hidden, p->hidden,
                p->head_size);
    return size + width * p->hidden * dtype_size(p->output[0].dtype);
}

enum vkmoe_status vkmoe_attention_load(
    struct loading *loading, const struct vkmoe_attention_params *params, vkmoe_attention **out)
{
    vkmoe_device *device = loading->device;
    *out = NULL;
    enum vkmoe_status status = vkmoe_attention_check(&loading->caller, params);
    if (status != VKMOE_OK)
        return status;
    vkmoe_attention *a = calloc(1, sizeof *a);
    if (!a)
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "attention: out of host memory");
    a->device = device;
    a->loading = loading;
    a->params = *params;
    a->routed = params->experts > 1;
    set_defaults(&a->params);
    status = fill(a, params);
    a->loading = NULL;
    if (status != VKMOE_OK)
        vkmoe_attention_destroy(&a);
    *out = a;
    return status;
}

void vkmoe_attention_destroy(vkmoe_attention **attention)
{
    if (!attention || !*attention)
        return;
    vkmoe_attention *a = *attention;
    *attention = NULL;
    vkmoe_moe_destroy(&a->experts);
    vkmoe_experts_destroy(&a->query);
    vkmoe_experts_destroy(&a->output);
    vkmoe_experts_destroy(&a->kv);
    vkmoe_mix_destroy(&a->value_mix);
    vkmoe_mix_destroy(&a->output_mix);
    vkmoe_buffer_destroy(&a->patterns);
    vkmoe_buffer_destroy(&a->rotations);
    vkmoe_buffer_destroy(&a->head_vectors);
    vkmoe_buffer_destroy(&a->query_norm);
    vkmoe_buffer_destroy(&a->key_norm);
    free(a);
}

uint64_t vkmoe_attention_device_size(const vkmoe_attention *a)
{
    if (!a)
        return 0;
    vkmoe_buffer *const buffers[] = { a->patterns, a->rotations, a->head_vectors, a->query_norm,
        a->key_norm };
    uint64_t size = vkmoe_experts_size(&a->kv) + vkmoe_mix_size(&a->value_mix)
        + vkmoe_mix_size(&a->output_mix) + vkmoe_moe_device_size(a->experts)
        + vkmoe_experts_size(&a->query) + vkmoe_experts_size(&a->output);
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++)
        size += vkmoe_buffer_taken(buffers[i]);
    return size;
}
