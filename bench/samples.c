// samples.c - see samples.h.
#include "samples.h"

#include <math.h>
#include <stdlib.h>

void samples_add(struct samples *samples, double ns)
{
    if (samples->count < MAX_SAMPLES)
        samples->ns[samples->count++] = ns;
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// Of sorted values; between two of them in proportion.
static double quantile(const struct samples *sorted, double q)
{
    const double at = q * (sorted->count - 1);
    const uint32_t below = (uint32_t)at;
    const uint32_t above = below + 1 < sorted->count ? below + 1 : below;
    return sorted->ns[below] + (at - below) * (sorted->ns[above] - sorted->ns[below]);
}

struct summary samples_summary(const struct samples *samples)
{
    struct summary summary = { 0 };
    struct samples sorted = *samples;
    if (!sorted.count)
        return summary;
    qsort(sorted.ns, sorted.count, sizeof sorted.ns[0], compare);
    summary.min = sorted.ns[0];
    summary.p10 = quantile(&sorted, 0.1);
    summary.median = quantile(&sorted, 0.5);
    summary.p90 = quantile(&sorted, 0.9);
    for (uint32_t i = 0; i < sorted.count; i++)
        sorted.ns[i] = fabs(sorted.ns[i] - summary.median);
    qsort(sorted.ns, sorted.count, sizeof sorted.ns[0], compare);
    summary.mad = quantile(&sorted, 0.5);
    return summary;
}
