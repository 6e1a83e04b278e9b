// latent_reference.c - multi-head latent attention in the reference, as it is defined: keys and
// values of all heads are made of each position's vector, as those of an attention whose heads
// share none. Zeros fill up what is shorter, key or value.
#include "attention_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

// [heads][rank][key_size]. Transposed views are read as they lie, by whole blocks.
static double *read_keys(const struct vkmoe_latent *l, uint32_t heads)
{
    size_t count = (size_t)l->rank * l->key_size;
    double *all = allocate(heads * count, sizeof(double));
    for (uint32_t h = 0; h < heads; h++) {
        struct vkmoe_view view = l->keys[h];
        bool transposed = view.column_stride > 1;
        if (transposed) {
            view.row_stride = view.column_stride;
            view.column_stride = 1;
        }
        double *one = transposed ? reference_read_view(&view, l->key_size, l->rank)
                                 : reference_read_view(&view, l->rank, l->key_size);
        for (size_t i = 0; i < count; i++)
            all[h * count + i] =
                transposed ? one[i % l->key_size * l->rank + i / l->key_size] : one[i];
        free(one);
    }
    return all;
}

void reference_latent_from(const struct vkmoe_attention_params *p, struct reference_attention *out)
{
    const struct vkmoe_latent *l = &p->latent;
    uint32_t turned = p->head_size - l->rank, query_size = l->key_size + turned;
    uint32_t size = query_size > l->value_size ? query_size : l->value_size;
    out->latent = (struct reference_latent){
        .rank = l->rank,
        .key_size = l->key_size,
        .value_size = l->value_size,
        .turned = turned,
        .query_rank = l->query_rank,
        .query_matrix = reference_read_view(&l->query_matrix, l->query_rank, p->hidden),
        .query_norm = reference_read_view(&l->query_norm, 1, l->query_rank),
        .keys = read_keys(l, p->heads),
        .values = reference_read_views(l->values, p->heads, l->value_size, l->rank),
    };
    out->head_size = size;
    out->kv_heads = p->heads;
    out->query = reference_read_view(
        &p->query.matrices[0], p->heads * query_size, l->query_rank ? l->query_rank : p->hidden);
    out->key = reference_read_view(&p->key.matrix, p->head_size, p->hidden);
    out->key_norm = reference_read_view(&p->key.norm, 1, l->rank);
    out->output = reference_read_view(&p->output.matrices[0], p->hidden, p->heads * l->value_size);
    out->scale = p->scale != 0.0f ? p->scale : 1.0 / sqrt(query_size);
    if (out->rope.size == 0)
        out->rope.size = turned;
}

void reference_latent_finish(struct reference_latent *latent)
{
    free(latent->query_matrix);
    free(latent->query_norm);
    free(latent->keys);
    free(latent->values);
}

void reference_latent_query(const struct reference_attention *a, uint32_t length, uint32_t position,
    const double *x, double *out)
{
    const struct reference_latent *l = &a->latent;
    uint32_t size = l->key_size + l->turned, columns = l->query_rank ? l->query_rank : a->hidden;
    double *down = allocate(columns, sizeof(double));
    memcpy(down, x, (l->query_rank ? 0 : columns) * sizeof(double));
    for (uint32_t i = 0; i < l->query_rank; i++)
        down[i] = reference_dot(x, l->query_matrix + (size_t)i * a->hidden, a->hidden);
    if (l->query_norm)
        reference_normalize(l->query_norm, a->norm_epsilon, columns, down);
    memset(out, 0, a->heads * a->head_size * sizeof(double));
    for (uint32_t i = 0; i < a->heads * size; i++)
        out[i / size * a->head_size + i % size] =
            reference_dot(down, a->query + (size_t)i * columns, columns);
    for (uint32_t h = 0; h < a->heads; h++)
        reference_rotate(
            a, l->turned, length, position, out + (size_t)h * a->head_size + l->key_size);
    free(down);
}

void reference_latent_remember(const struct reference_attention *a, uint32_t length,
    uint32_t position, enum vkmoe_dtype cache, const double *x, double *key, double *value)
{
    const struct reference_latent *l = &a->latent;
    uint32_t count = l->rank + l->turned;
    double *c = allocate(count, sizeof(double));
    for (uint32_t i = 0; i < count; i++)
        c[i] = reference_dot(x, a->key + (size_t)i * a->hidden, a->hidden);
    if (a->key_norm)
        reference_normalize(a->key_norm, a->norm_epsilon, l->rank, c);
    reference_rotate(a, l->turned, length, position, c + l->rank);
    reference_round_cached(cache, 1, count, c);
    memset(key, 0, a->heads * a->head_size * sizeof(double));
    memset(value, 0, a->heads * a->head_size * sizeof(double));
    for (uint32_t h = 0; h < a->heads; h++) {
        double *k = key + (size_t)h * a->head_size, *v = value + (size_t)h * a->head_size;
        const double *keys = l->keys + (size_t)h * l->rank * l->key_size;
        const double *values = l->values + (size_t)h * l->value_size * l->rank;
        for (uint32_t i = 0; i < l->key_size; i++)
            for (uint32_t r = 0; r < l->rank; r++)
                k[i] += keys[(size_t)r * l->key_size + i] * c[r];
        memcpy(k + l->key_size, c + l->rank, l->turned * sizeof(double));
        for (uint32_t i = 0; i < l->value_size; i++)
            v[i] = reference_dot(c, values + (size_t)i * l->rank, l->rank);
    }
    free(c);
}

void reference_latent_output(const struct reference_attention *a, const double *heads, double *y)
{
    const struct reference_latent *l = &a->latent;
    for (uint32_t d = 0; d < a->hidden; d++) {
        const double *output = a->output + (size_t)d * a->heads * l->value_size;
        for (uint32_t h = 0; h < a->heads; h++)
            y[d] += reference_dot(heads + (size_t)h * a->head_size,
                output + (size_t)h * l->value_size, l->value_size);
    }
}
