// attention.c - creates and destroys attention. Running it: attention_forward.c.
#include "attention.h"

#include "common.h"
#include "dtype.h"

#include "shaders/pattern.h"
#include "shaders/store_kv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition, ...)                                                      \
    do {                                                                           \
        if (!(condition))                                                          \
            return vkmoe_fail(log, VKMOE_ERROR_INVALID, "attention: " __VA_ARGS__); \
    } while (0)

static enum vkmoe_status check_shapes(const struct vkmoe_log *log,
    const struct vkmoe_attention_params *p)
{
    CHECK(p->hidden >= 1 && p->hidden <= MAX_WIDTH, "hidden is %u, must be 1 to %u", p->hidden,
        MAX_WIDTH);
    CHECK(p->head_size >= 1 && p->head_size <= 256, "head_size is %u, must be 1 to 256",
        p->head_size);
    CHECK(p->heads >= 1 && (uint64_t) p->heads * p->head_size <= MAX_WIDTH,
        "heads is %u, must be 1 to %u", p->heads, MAX_WIDTH / p->head_size);
    CHECK(p->kv_heads >= 1 && p->kv_heads <= p->heads && p->heads % p->kv_heads == 0,
        "kv_heads is %u, must divide heads (%u)", p->kv_heads, p->heads);
    CHECK(p->experts >= 1 && p->experts <= MAX_EXPERTS, "experts is %u, must be 1 to %u",
        p->experts, MAX_EXPERTS);
    CHECK(p->experts_per_token >= 1 && p->experts_per_token <= p->experts,
        "experts_per_token is %u, must be 1 to experts (%u)", p->experts_per_token, p->experts);
    CHECK(p->query && p->output && p->key.data && p->value.data,
        "query, output, key and value are required");
    for (uint32_t e = 0; e < p->experts; e++)
        CHECK(p->query[e].data && p->output[e].data, "a matrix of expert %u is missing", e);
    CHECK(isfinite(p->scale) && isfinite(p->soft_cap) && p->soft_cap >= 0
        && isfinite(p->value_clip) && p->value_clip >= 0 && isfinite(p->norm_epsilon)
        && p->norm_epsilon >= 0, "scale, soft_cap, value_clip and norm_epsilon must be finite");
    return VKMOE_OK;
}

static enum vkmoe_status check_dtypes(const struct vkmoe_log *log,
    const struct vkmoe_attention_params *p)
{
    const struct {
        const char *name;
        const struct vkmoe_view *view;
    } views[] = {
        { "query[0]", &p->query[0] }, { "output[0]", &p->output[0] },
        { "key", &p->key }, { "value", &p->value },
        { "query_bias", &p->query_bias }, { "key_bias", &p->key_bias },
        { "value_bias", &p->value_bias }, { "output_bias", &p->output_bias },
        { "query_norm", &p->query_norm }, { "key_norm", &p->key_norm }, { "sinks", &p->sinks },
    };
    for (size_t i = 0; i < ARRAY_SIZE(views); i++)
        CHECK(!views[i].view->data || (unsigned) views[i].view->dtype <= VKMOE_BF16,
            "%s.dtype %d is unknown", views[i].name, (int) views[i].view->dtype);
    return VKMOE_OK;
}

static enum vkmoe_status check_rope(const struct vkmoe_log *log, const struct vkmoe_rope *r,
    uint32_t head_size)
{
    CHECK((unsigned) r->kind <= VKMOE_ROPE_INTERLEAVED, "rope.kind %d is unknown", (int) r->kind);
    if (r->kind == VKMOE_ROPE_NONE)
        return VKMOE_OK;
    CHECK((unsigned) r->scaling <= VKMOE_ROPE_YARN, "rope.scaling %d is unknown", (int) r->scaling);
    CHECK(r->size <= head_size && r->size % 2 == 0 && (r->size > 0 || head_size % 2 == 0),
        "rope.size is %u, must be even and at most head_size (%u)", r->size, head_size);
    CHECK(isfinite(r->base) && r->base >= 0 && r->base != 1, "rope.base must be above 0 and not 1");
    CHECK(r->scaling == VKMOE_ROPE_PLAIN || (isfinite(r->factor) && r->factor > 0),
        "rope.factor must be above 0");
    CHECK(r->scaling != VKMOE_ROPE_LLAMA3 || (r->original_positions > 0
        && r->high_factor > r->low_factor && r->low_factor > 0),
        "rope: LLAMA3 needs original_positions and low_factor below high_factor");
    CHECK(r->scaling != VKMOE_ROPE_YARN || (r->original_positions > 0
        && isfinite(r->attention_factor) && isfinite(r->beta_fast) && isfinite(r->beta_slow)),
        "rope: YARN needs original_positions");
    return VKMOE_OK;
}

static enum vkmoe_status check_patterns(const struct vkmoe_log *log,
    const struct vkmoe_attention_params *p)
{
    for (uint32_t e = 0; p->patterns && e < p->experts; e++) {
        const struct vkmoe_pattern *q = &p->patterns[e];
        CHECK((unsigned) q->kind <= VKMOE_PATTERN_DILATED, "patterns[%u].kind %d is unknown", e,
            (int) q->kind);
        CHECK(q->kind == VKMOE_PATTERN_WINDOW || (q->step > 0 && q->phase < q->step),
            "patterns[%u].phase is %u, must be below step (%u)", e, q->phase, q->step);
        CHECK(q->both_sides || q->right == 0, "patterns[%u].right needs both_sides", e);
        CHECK(q->left < 1u << 30 && q->right < 1u << 30 && q->step < 1u << 30
            && q->sinks < 1u << 30 && q->local < 1u << 30,
            "patterns[%u]: a length is 2^30 or more", e);
    }
    return VKMOE_OK;
}

static enum vkmoe_status create_experts(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_layer_params layer = {
        .hidden = p->hidden,
        .inner = p->heads * p->head_size,
        .experts = p->experts,
        .experts_per_token = p->experts_per_token,
        .router = p->router,
        .activation = VKMOE_IDENTITY,
        .up = p->query,
        .up_bias = p->query_bias,
        .down = p->output,
        .output_bias = p->output_bias,
    };
    if (p->router.capacity > 0)
        return vkmoe_fail(&a->device->log, VKMOE_ERROR_INVALID,
            "attention: router.capacity has no meaning here");
    return vkmoe_layer_create(a->device, &layer, &a->experts);
}

static enum vkmoe_status create_matrices(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const uint32_t kv_rows[] = { p->kv_heads * p->head_size, p->kv_heads * p->head_size };
    const struct vkmoe_view *kv[] = { &p->key, &p->value };
    const struct vkmoe_view *kv_bias[] = { &p->key_bias, &p->value_bias };
    enum vkmoe_status status = vkmoe_linear_create(a->device, kv, kv_bias, kv_rows, 2, p->hidden,
        &a->kv);
    if (status != VKMOE_OK)
        return status;
    a->query_columns = p->heads * p->head_size;
    if (a->routed) {
        a->query_columns = (uint32_t) align_up(a->query_columns, 8);
        return create_experts(a, p);
    }
    const uint32_t columns = a->query_columns;
    const struct vkmoe_view *query[] = { &p->query[0] }, *query_bias[] = { &p->query_bias };
    const struct vkmoe_view *output[] = { &p->output[0] }, *output_bias[] = { &p->output_bias };
    status = vkmoe_linear_create(a->device, query, query_bias, &columns, 1, p->hidden, &a->query);
    if (status == VKMOE_OK)
        status = vkmoe_linear_create(a->device, output, output_bias, &p->hidden, 1, columns,
            &a->output);
    return status;
}

static enum vkmoe_status upload(vkmoe_device *device, const void *data, uint64_t size,
    vkmoe_buffer **out)
{
    enum vkmoe_status status = vkmoe_buffer_create(device, size, out);
    return status == VKMOE_OK ? vkmoe_buffer_upload(*out, 0, data, size) : status;
}

static enum vkmoe_status upload_vector(vkmoe_device *device, const struct vkmoe_view *view,
    uint32_t count, vkmoe_buffer **out)
{
    if (!view->data)
        return VKMOE_OK;
    const struct vkmoe_view resolved = vkmoe_view_resolve(view, count);
    float *values = malloc(count * sizeof *values);
    if (!values)
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "attention: out of host memory");
    for (uint32_t i = 0; i < count; i++)
        values[i] = vkmoe_view_get(&resolved, 0, i);
    const enum vkmoe_status status = upload(device, values, count * sizeof *values, out);
    free(values);
    return status;
}

static enum vkmoe_status upload_patterns(vkmoe_attention *a, const struct vkmoe_pattern *patterns)
{
    uint32_t words[MAX_EXPERTS * PATTERN_WORDS] = { 0 };
    for (uint32_t e = 0; patterns && e < a->params.experts; e++) {
        const struct vkmoe_pattern *p = &patterns[e];
        uint32_t *w = words + e * PATTERN_WORDS;
        w[PATTERN_KIND] = p->kind;
        w[PATTERN_LEFT] = p->left;
        w[PATTERN_RIGHT] = p->right;
        w[PATTERN_STEP] = p->step;
        w[PATTERN_PHASE] = p->phase;
        w[PATTERN_SINKS] = p->sinks;
        w[PATTERN_LOCAL] = p->local;
        w[PATTERN_BOTH_SIDES] = p->both_sides;
        a->both_sides |= p->both_sides;
    }
    return upload(a->device, words, a->params.experts * PATTERN_WORDS * sizeof words[0],
        &a->patterns);
}

static enum vkmoe_status upload_rotations(vkmoe_attention *a)
{
    const struct vkmoe_rope *rope = &a->params.rope;
    if (rope->kind == VKMOE_ROPE_NONE)
        return VKMOE_OK;
    const uint64_t size = (uint64_t) ROPE_DIGITS * ROPE_DIGIT * rope->size * sizeof(float);
    float *table = malloc(size);
    if (!table)
        return vkmoe_fail(&a->device->log, VKMOE_ERROR_OUT_OF_MEMORY,
            "attention: out of host memory");
    vkmoe_rope_table(rope, rope->size, table);
    const enum vkmoe_status status = upload(a->device, table, size, &a->rotations);
    free(table);
    return status;
}

static void set_defaults(struct vkmoe_attention_params *p)
{
    if (p->scale == 0)
        p->scale = 1 / sqrtf((float) p->head_size);
    if (p->rope.base == 0)
        p->rope.base = 10000;
    if (p->rope.size == 0)
        p->rope.size = p->head_size;
    p->query = p->output = NULL; // views and patterns belong to the caller
    p->patterns = NULL;
}

static enum vkmoe_status fill(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    enum vkmoe_status status = create_matrices(a, p);
    if (status == VKMOE_OK)
        status = upload_patterns(a, p->patterns);
    if (status == VKMOE_OK)
        status = upload_rotations(a);
    if (status == VKMOE_OK)
        status = upload_vector(a->device, &p->sinks, p->heads, &a->sinks);
    if (status == VKMOE_OK)
        status = upload_vector(a->device, &p->query_norm,
            p->head_size * (p->norm_wide ? p->heads : 1), &a->query_norm);
    if (status == VKMOE_OK)
        status = upload_vector(a->device, &p->key_norm,
            p->head_size * (p->norm_wide ? p->kv_heads : 1), &a->key_norm);
    return status;
}

enum vkmoe_status vkmoe_attention_create(vkmoe_device *device,
    const struct vkmoe_attention_params *params, vkmoe_attention **out)
{
    *out = NULL;
    enum vkmoe_status status = check_shapes(&device->log, params);
    if (status == VKMOE_OK)
        status = check_dtypes(&device->log, params);
    if (status == VKMOE_OK)
        status = check_rope(&device->log, &params->rope, params->head_size);
    if (status == VKMOE_OK)
        status = check_patterns(&device->log, params);
    if (status != VKMOE_OK)
        return status;
    vkmoe_attention *a = calloc(1, sizeof *a);
    if (!a)
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "attention: out of host memory");
    a->device = device;
    a->params = *params;
    a->routed = params->experts > 1;
    set_defaults(&a->params);
    status = fill(a, params);
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
    vkmoe_layer_destroy(&a->experts);
    vkmoe_linear_destroy(&a->query);
    vkmoe_linear_destroy(&a->output);
    vkmoe_linear_destroy(&a->kv);
    vkmoe_buffer_destroy(&a->patterns);
    vkmoe_buffer_destroy(&a->rotations);
    vkmoe_buffer_destroy(&a->sinks);
    vkmoe_buffer_destroy(&a->query_norm);
    vkmoe_buffer_destroy(&a->key_norm);
    free(a);
}

uint64_t vkmoe_attention_size(const vkmoe_attention *a)
{
    vkmoe_buffer *const buffers[] = { a->patterns, a->rotations, a->sinks, a->query_norm,
        a->key_norm };
    uint64_t size = vkmoe_linear_size(&a->kv);
    if (a->routed)
        size += vkmoe_layer_size(a->experts);
    else
        size += vkmoe_linear_size(&a->query) + vkmoe_linear_size(&a->output);
    for (size_t i = 0; i < ARRAY_SIZE(buffers); i++)
        size += buffers[i] ? vkmoe_buffer_size(buffers[i]) : 0;
    return size;
}
