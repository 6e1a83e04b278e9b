// sample.c - see sample.h.
#include "sample.h"

#include "cli.h"

#include <math.h>
#include <stdlib.h>

struct cli_candidate {
    uint32_t id;
    float logit;
    double p; // not normalised
};

uint64_t cli_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

// Largest first, of equal ones the lower id.
static int compare(const void *a, const void *b)
{
    const struct cli_candidate *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit < y->logit ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

static int64_t find_largest(const float *logits, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(logits[i]))
            return -1;
        if (logits[i] > logits[best])
            best = i;
    }
    return best;
}

// The fewest whose sum reaches top_p of the whole; at least one.
static uint32_t keep_top_p(const struct cli_candidate *candidates, uint32_t count, double top_p)
{
    double sum = 0, reached = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += candidates[i].p;
    while (kept < count && (kept == 0 || reached < top_p * sum))
        reached += candidates[kept++].p;
    return kept;
}

static uint32_t draw(const struct cli_candidate *candidates, uint32_t count, uint64_t *state)
{
    double sum = 0, reached = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += candidates[i].p;
    const double at = (double)(cli_random(state) >> 11) * 0x1p-53 * sum; // below sum
    for (uint32_t i = 0; i < count; i++) {
        reached += candidates[i].p;
        if (at < reached)
            return candidates[i].id;
    }
    return candidates[0].id; // rounding
}

int64_t cli_sample(struct cli_sampler *s, const float *logits, uint32_t count)
{
    const int64_t largest = find_largest(logits, count);
    if (largest < 0)
        return -1;
    if (s->temperature == 0)
        return largest;
    if (!s->candidates)
        s->candidates = cli_alloc(count * sizeof *s->candidates);
    struct cli_candidate *candidates = s->candidates;
    for (uint32_t i = 0; i < count; i++)
        candidates[i] = (struct cli_candidate){ i, logits[i],
            exp(((double)logits[i] - (double)logits[largest]) / s->temperature) };
    const bool some = s->top_p < 1;
    if (s->top_k || some)
        qsort(candidates, count, sizeof *candidates, compare);
    if (s->top_k && s->top_k < count)
        count = s->top_k;
    if (some)
        count = keep_top_p(candidates, count, s->top_p);
    return draw(candidates, count, &s->state);
}
