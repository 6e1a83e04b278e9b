// nsa_reference.c - native sparse attention in the reference: three attentions of each head, as
// struct vkmoe_nsa says it. The compressed one is attention over a history of means.
#include "attention_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

enum { BRANCHES = 3, MOST_BLOCKS = 64 };

void reference_nsa_from(const struct vkmoe_attention_params *p, struct reference_attention *out)
{
    struct vkmoe_nsa *n = &out->nsa.numbers;
    *n = p->nsa;
    n->stride = n->stride ? n->stride : n->compressed;
    n->block = n->block ? n->block : n->compressed;
    n->local_blocks = n->local_blocks ? n->local_blocks : 1;
    out->nsa.gate = reference_read_view(&p->nsa.gate, p->heads * BRANCHES, p->hidden);
}

// The means that end at the query or before, as a history of their own with as many positions.
static struct reference_history make_means(
    const struct reference_attention *a, const struct view_of_keys *keys)
{
    const struct vkmoe_nsa *n = &a->nsa.numbers;
    const struct reference_history *h = keys->history;
    struct reference_history means = { .width = h->width, .sequences = 1 };
    while (means.capacity * n->stride + n->compressed <= keys->position + 1)
        means.capacity++;
    size_t count = (size_t)means.capacity * h->width;
    means.keys = allocate(count, sizeof(double));
    means.values = allocate(count, sizeof(double));
    for (size_t i = 0; i < count; i++) {
        size_t mean = i / h->width, column = i % h->width;
        for (uint32_t j = 0; j < n->compressed; j++) {
            uint32_t position = (uint32_t)mean * n->stride + j;
            size_t at = reference_place(h, keys->sequence, position) + column;
            means.keys[i] += h->keys[at] / n->compressed;
            means.values[i] += h->values[at] / n->compressed;
        }
    }
    return means;
}

// How many strides mean `i` and block `b` have in common.
static uint32_t count_shared(const struct vkmoe_nsa *n, uint32_t i, uint32_t b)
{
    uint32_t shared = 0;
    for (uint32_t p = i * n->stride; p < i * n->stride + n->compressed; p += n->stride)
        shared += p / n->block == b;
    return shared;
}

// scores[b] += what one head finds in each block.
static void score_blocks(const struct reference_attention *a, const struct reference_history *means,
    uint32_t kv_head, const double *query, uint32_t blocks, double *scores)
{
    double scale = a->scale != 0.0 ? a->scale : 1.0 / sqrt(a->head_size);
    double *p = allocate(means->capacity, sizeof(double)), sum = 0.0, largest = -INFINITY;
    for (uint32_t i = 0; i < means->capacity; i++) {
        const double *key = means->keys + (size_t)i * means->width + (size_t)kv_head * a->head_size;
        p[i] = scale * reference_dot(query, key, a->head_size);
        largest = fmax(largest, p[i]);
    }
    for (uint32_t i = 0; i < means->capacity; i++)
        sum += p[i] = exp(p[i] - largest);
    for (uint32_t b = 0; b < blocks; b++) {
        for (uint32_t i = 0; i < means->capacity; i++)
            scores[b] += count_shared(&a->nsa.numbers, i, b) * p[i] / sum;
    }
    free(p);
}

// Those forced, then the best of the others, of equals the lowest.
static uint32_t choose(const struct vkmoe_nsa *n, uint32_t blocks, double *scores, uint32_t *list)
{
    uint32_t count = 0;
    for (uint32_t b = 0; b < blocks; b++) {
        if (b < n->first_blocks || b + n->local_blocks >= blocks)
            scores[b] = INFINITY;
    }
    while (count < n->top && count < blocks) {
        uint32_t best = 0;
        for (uint32_t b = 1; b < blocks; b++)
            best = scores[b] > scores[best] ? b : best;
        scores[best] = -INFINITY;
        list[count++] = best;
    }
    return count;
}

// head = the gated sum of one head's branches, of which the selected one has `blocks`.
static void add_branches(const struct reference_attention *a, const struct view_of_keys *keys,
    const struct reference_history *means, const struct vkmoe_pattern *blocks, uint32_t h,
    const double *query, double *head)
{
    const struct vkmoe_pattern everything = { 0 }, window = { .left = a->nsa.numbers.window };
    const struct vkmoe_pattern *patterns[BRANCHES] = { &everything, blocks, &window };
    double *scores = allocate(keys->history->capacity, sizeof(double));
    double *out = allocate(a->head_size, sizeof(double));
    memset(head, 0, a->head_size * sizeof(double));
    for (uint32_t c = 0; c < BRANCHES; c++) {
        struct view_of_keys branch = *keys;
        double logit = 0.0;
        branch.pattern = patterns[c];
        if (c == 0) {
            branch.history = means;
            branch.sequence = 0;
            branch.position = means->capacity - 1; // all of them
        }
        if (c == 0 && means->capacity == 0)
            continue;
        reference_attend_head(a, &branch, query, NULL, scores, out);
        for (uint32_t i = 0; i < a->hidden; i++)
            logit += keys->x[i] * a->nsa.gate[((size_t)h * BRANCHES + c) * a->hidden + i];
        for (uint32_t i = 0; i < a->head_size; i++)
            head[i] += out[i] / (1.0 + exp(-logit));
    }
    free(scores);
    free(out);
}

void reference_nsa_heads(const struct reference_attention *a, const struct view_of_keys *keys,
    const uint32_t *kv_heads, const double *queries, double *heads)
{
    const struct vkmoe_nsa *n = &a->nsa.numbers;
    struct reference_history means = make_means(a, keys);
    uint32_t blocks = keys->position / n->block + 1, list[MOST_BLOCKS];
    double *scores = allocate(blocks, sizeof(double));
    for (uint32_t kv_head = 0; kv_head < a->kv_heads; kv_head++) {
        memset(scores, 0, blocks * sizeof(double));
        for (uint32_t h = 0; h < a->heads; h++) {
            if (kv_heads[h] == kv_head)
                score_blocks(
                    a, &means, kv_head, queries + (size_t)h * a->head_size, blocks, scores);
        }
        const struct vkmoe_pattern chosen = { VKMOE_PATTERN_BLOCKS, .block = n->block,
            .block_count = choose(n, blocks, scores, list), .blocks = list };
        struct view_of_keys of_head = *keys;
        of_head.kv_head = kv_head;
        for (uint32_t h = 0; h < a->heads; h++) {
            size_t at = (size_t)h * a->head_size;
            if (kv_heads[h] == kv_head)
                add_branches(a, &of_head, &means, &chosen, h, queries + at, heads + at);
        }
    }
    reference_history_finish(&means);
    free(scores);
}
