// constants.c - see constants.h.
#include "attention/constants.h"

#include "attention/attention.h"
#include "base/common.h"
#include "base/try.h"
#include "device/operands.h"
#include "weights/view.h"

#include "shaders/attention.h"

#include <stdlib.h>
#include <string.h>

// Where things lie in the buffer: byte offsets, 0 for what there is not.
struct layout {
    uint64_t patterns, sinks, position_bias, query_norm, key_norm, rotations, long_rotations, size;
};

// A matrix of floats that may be absent. A view of a vector is one row.
struct vector {
    const struct vkmoe_view *view;
    uint32_t rows, columns;
    uint64_t *at;
};

enum { VECTORS = 4 };

static void list_vectors(
    const struct vkmoe_attention_params *p, struct layout *at, struct vector list[VECTORS])
{
    list[0] = (struct vector){ &p->sinks, 1, p->heads, &at->sinks };
    list[1] = (struct vector){ &p->position.bias, p->heads, 2 * p->position.reach + 1,
        &at->position_bias };
    list[2] = (struct vector){ &p->query.norm, 1, p->head_size * (p->norm.wide ? p->heads : 1),
        &at->query_norm };
    list[3] = (struct vector){ &p->key.norm, 1,
        p->norm.wide ? p->head_size * p->kv_heads : normed_size(p), &at->key_norm };
}

static uint64_t take(struct layout *at, uint64_t elements)
{
    return elements > 0 ? vkmoe_scratch_take(&at->size, elements * 4) : 0;
}

static struct layout lay_out(
    const struct vkmoe_attention_params *p, const struct pattern_set *patterns)
{
    struct layout at = { .size = sizeof(struct attention_constants) };
    struct vector vectors[VECTORS];
    list_vectors(p, &at, vectors);
    at.patterns = take(&at, patterns->words);
    for (size_t i = 0; i < VECTORS; i++) {
        const struct vector *v = &vectors[i];
        *v->at = take(&at, v->view->data ? (uint64_t)v->rows * v->columns : 0);
    }
    // Their magnitude is the first word of one pair more.
    at.rotations = take(&at, rope_is_fixed(&p->rope) ? p->rope.size + 2 : 0);
    at.long_rotations =
        take(&at, p->long_rope.divisors.data && at.rotations ? p->rope.size + 2 : 0);
    return at;
}

static enum vkmoe_status write_vector(
    const struct vector *v, const struct vkmoe_log *log, unsigned char *data)
{
    float *values;
    if (!v->view->data)
        return VKMOE_OK;
    TRY_RETURN(vkmoe_view_floats(v->view, log, v->rows, v->columns, &values));
    memcpy(data + *v->at, values, (size_t)v->rows * v->columns * sizeof *values);
    free(values);
    return VKMOE_OK;
}

static enum vkmoe_status write_rotations(const struct vkmoe_log *log,
    const struct vkmoe_attention_params *p, bool is_long, uint32_t *rotations)
{
    const struct vkmoe_view *view = is_long ? &p->long_rope.divisors : &p->rope_divisors;
    float *divisors = NULL;
    if (view->data)
        TRY_RETURN(vkmoe_view_floats(view, log, 1, p->rope.size / 2, &divisors));
    vkmoe_rope_table(&p->rope, divisors, p->rope.size, 0, rotations);
    rotations[p->rope.size] = float_bits(vkmoe_rope_magnitude(p, is_long));
    free(divisors);
    return VKMOE_OK;
}

// All that the constants point to.
static enum vkmoe_status write_arrays(const struct vkmoe_log *log,
    const struct vkmoe_attention_params *p, struct layout *at, unsigned char *data)
{
    struct vector vectors[VECTORS];
    list_vectors(p, at, vectors);
    for (size_t i = 0; i < VECTORS; i++)
        TRY_RETURN(write_vector(&vectors[i], log, data));
    vkmoe_patterns_encode(p, (void *)(data + at->patterns));
    if (at->long_rotations)
        TRY_RETURN(write_rotations(log, p, true, (void *)(data + at->long_rotations)));
    return at->rotations ? write_rotations(log, p, false, (void *)(data + at->rotations))
                         : VKMOE_OK;
}

enum vkmoe_status vkmoe_constants_create(vkmoe_device *device,
    const struct vkmoe_attention_params *p, const struct pattern_set *patterns,
    uint32_t query_stride, uint32_t kv_stride, struct constants *out)
{
    struct layout at = lay_out(p, patterns);
    const uint64_t dummy = vkmoe_device_dummy_address(device);
    enum vkmoe_status status;
    unsigned char *data = calloc(1, (size_t)at.size);
    if (!data)
        return vkmoe_fail(
            device_log(device), VKMOE_ERROR_OUT_OF_MEMORY, "attention: out of host memory");
    TRY(write_arrays(device_log(device), p, &at, data));
    TRY(vkmoe_buffer_create(device, at.size, &out->buffer));
    const uint64_t base = vkmoe_buffer_address(out->buffer);
    *(struct attention_constants *)(void *)data = (struct attention_constants){
        .patterns = base + at.patterns,
        .sinks = at.sinks ? base + at.sinks : dummy,
        .position_bias = at.position_bias ? base + at.position_bias : dummy,
        .query_norm = at.query_norm ? base + at.query_norm : dummy,
        .key_norm = at.key_norm ? base + at.key_norm : dummy,
        .heads = p->heads,
        .kv_heads = p->kv_heads,
        .experts = p->experts,
        .experts_per_token = p->experts_per_token,
        .query_stride = query_stride,
        .kv_stride = kv_stride,
    };
    out->rotations = at.rotations ? base + at.rotations : dummy;
    out->long_rotations = at.long_rotations ? base + at.long_rotations : dummy;
    TRY(vkmoe_buffer_upload(out->buffer, 0, data, at.size));
fail:
    free(data);
    return status;
}
