// mosa_reference.c - mixture of sparse attention in the reference, as struct vkmoe_mosa says it: a
// head after the other, each over the tokens that it chose.
#include "attention_reference.h"

#include <math.h>
#include <stdlib.h>

void reference_mosa_from(const struct vkmoe_attention_params *p, struct reference_attention *out)
{
    out->mosa.sparsity = p->mosa.sparsity;
    out->mosa.first = p->mosa.first;
    out->mosa.router = reference_read_view(&p->mosa.router, p->experts, p->hidden);
}

// out = clip(norm(x Wt + bias)), rotated by the token's place if `turns`, of one head.
static void project(const struct reference_attention *a, const float *x, const double *matrix,
    const double *bias, const double *norm, bool turns, uint32_t place, double *out)
{
    for (uint32_t i = 0; i < a->head_size; i++) {
        out[i] = bias ? bias[i] : 0.0;
        for (uint32_t d = 0; d < a->hidden; d++)
            out[i] += x[d] * matrix[(size_t)i * a->hidden + d];
    }
    if (norm)
        reference_normalize(norm, a->norm_epsilon, a->head_size, out);
    for (uint32_t i = 0; a->value_clip != 0.0 && i < a->head_size; i++)
        out[i] = isnan(out[i]) ? NAN : fmin(fmax(out[i], -a->value_clip), a->value_clip);
    if (turns)
        reference_rotate(a, a->head_size, 0, place, out);
}

// Marks the tokens that a head takes of `count`, with these logits.
static void choose(
    const struct reference_attention *a, uint32_t count, const double *logits, bool *chosen)
{
    uint32_t wanted = count / a->mosa.sparsity;
    wanted = wanted < 2 ? 2 : wanted;
    for (uint32_t n = 0; n < wanted && n < count; n++) {
        uint32_t best = count;
        for (uint32_t t = 0; t < count; t++) {
            if (!chosen[t] && (best == count || logits[t] > logits[best]))
                best = t;
        }
        if (n == 0 && a->mosa.first)
            best = 0;
        chosen[best] = true;
    }
}

// head = what the query at `t` sees of the chosen tokens up to itself.
static void attend(const struct reference_attention *a, const double *q, const double *k,
    const double *v, const bool *chosen, uint32_t t, double *head)
{
    uint32_t size = a->head_size;
    double scale = a->scale != 0.0 ? a->scale : 1.0 / sqrt(size), sum = 0.0, largest = -INFINITY;
    double *scores = allocate(t + 1, sizeof(double));
    for (uint32_t s = 0; s <= t; s++) {
        scores[s] = scale * reference_dot(q + (size_t)t * size, k + (size_t)s * size, size);
        if (a->soft_cap != 0.0)
            scores[s] = a->soft_cap * tanh(scores[s] / a->soft_cap);
        largest = chosen[s] ? fmax(largest, scores[s]) : largest;
    }
    for (uint32_t i = 0; i < size; i++)
        head[i] = 0.0;
    for (uint32_t s = 0; s <= t; s++) {
        double p = chosen[s] ? exp(scores[s] - largest) : 0.0;
        sum += p;
        for (uint32_t i = 0; i < size; i++)
            head[i] += p * v[(size_t)s * size + i];
    }
    for (uint32_t i = 0; i < size; i++)
        head[i] /= sum;
    free(scores);
}

// One head of a sequence of `count` tokens.
static void add_head(const struct reference_attention *a, uint32_t h, uint32_t count,
    const float *x, double *y, double *weights)
{
    size_t size = a->head_size, matrix = h * size * a->hidden, elements = count * size;
    bool *chosen = allocate(count, sizeof(bool));
    double *logits = allocate(count, sizeof(double)), *q = allocate(elements, sizeof(double));
    double *k = allocate(elements, sizeof(double)), *v = allocate(elements, sizeof(double));
    double *head = allocate(size, sizeof(double));
    for (uint32_t t = 0; t < count; t++) {
        const float *of = x + (size_t)t * a->hidden;
        for (uint32_t d = 0; d < a->hidden; d++)
            logits[t] += of[d] * a->mosa.router[(size_t)h * a->hidden + d];
        project(a, of, a->query + matrix, a->query_bias ? a->query_bias + h * size : NULL,
            a->query_norm, true, t, q + t * size);
        project(a, of, a->key + matrix, a->key_bias ? a->key_bias + h * size : NULL, a->key_norm,
            true, t, k + t * size);
        project(a, of, a->value + matrix, a->value_bias ? a->value_bias + h * size : NULL, NULL,
            false, t, v + t * size);
    }
    choose(a, count, logits, chosen);
    for (uint32_t t = 0; t < count; t++) {
        double weight = chosen[t] ? 1.0 / (1.0 + exp(-logits[t])) : -0.0;
        weights[(size_t)t * a->experts + h] = weight;
        if (!chosen[t])
            continue;
        attend(a, q, k, v, chosen, t, head);
        for (uint32_t d = 0; d < a->hidden; d++)
            y[(size_t)t * a->hidden + d] += weight
                * reference_dot(head, a->output + (h * (size_t)a->hidden + d) * size, a->head_size);
    }
    double *arrays[] = { logits, q, k, v, head };
    for (int i = 0; i < 5; i++)
        free(arrays[i]);
    free(chosen);
}

void reference_mosa(const struct reference_attention *a, uint32_t tokens, uint32_t sequence_tokens,
    const float *x, double *y, double *weights)
{
    for (size_t i = 0; i < (size_t)tokens * a->hidden; i++)
        y[i] = a->output_bias ? a->output_bias[i % a->hidden] : 0.0;
    for (size_t first = 0; first < tokens; first += sequence_tokens) {
        for (uint32_t h = 0; h < a->experts; h++)
            add_head(a, h, sequence_tokens, x + first * a->hidden, y + first * a->hidden,
                weights + first * a->experts);
    }
}
