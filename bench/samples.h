// samples.h - repeated measurements of one thing, in nanoseconds, and what is said of them.
#ifndef VKMOE_BENCH_SAMPLES_H
#define VKMOE_BENCH_SAMPLES_H

#include <stdint.h>

#define MAX_SAMPLES 1000

struct samples {
    double ns[MAX_SAMPLES];
    uint32_t count;
};

struct summary {
    double median, p10, p90, min;
    double mad; // median distance from the median
};

void samples_add(struct samples *samples, double ns);          // ignored when full
struct summary samples_summary(const struct samples *samples); // zeros if there are none

#endif
