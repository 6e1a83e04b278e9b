// host_time.c - see host_time.h.
#include "host_time.h"

#include <stdio.h>
#include <time.h>

#include "base/common.h"
#include "base/try.h"
#include "device/stream.h"
#include "samples.h"
#include "subject.h"

#define WARM_UP 10 // forwards
#define SAMPLING_NS 0.5e9

static double clock_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

struct host_times {
    struct samples recording, all;
    uint32_t dispatches;
};

static enum vkmoe_status run(
    struct subject *subject, const struct layer_case *c, struct host_times *times)
{
    const uint64_t before = vkmoe_stream_dispatch_count(subject->stream);
    const double start = clock_ns();
    TRY_RETURN(subject_record(subject, c));
    const double recorded = clock_ns();
    TRY_RETURN(vkmoe_stream_submit(subject->stream, NULL));
    TRY_RETURN(vkmoe_stream_wait(subject->stream, UINT64_MAX));
    samples_add(&times->recording, recorded - start);
    samples_add(&times->all, clock_ns() - start);
    times->dispatches = (uint32_t)(vkmoe_stream_dispatch_count(subject->stream) - before);
    return VKMOE_OK;
}

static enum vkmoe_status time_entry(
    vkmoe_device *device, const struct entry *entry, uint64_t seed, struct host_times *times)
{
    const struct surroundings *around = surroundings_of(entry->shape->name);
    struct weights weights = { .pool = NULL };
    struct subject subject = { 0 };
    struct host_times warm = { .dispatches = 0 };
    enum vkmoe_status status = VKMOE_ERROR_OUT_OF_MEMORY;
    if (!weights_init(&weights, &entry->c, seed))
        goto fail;
    weights.params.precision = VKMOE_PRECISION_FAST;
    TRY(subject_init(&subject, device, &entry->c, around, &weights));
    for (uint32_t i = 0; i < WARM_UP; i++)
        TRY(run(&subject, &entry->c, &warm));
    const double start = clock_ns();
    do
        TRY(run(&subject, &entry->c, times));
    while (clock_ns() - start < SAMPLING_NS);
fail:
    subject_finish(&subject);
    weights_finish(&weights);
    return status;
}

int host_time_all(const char *device, uint64_t seed, const struct entry *entries, uint32_t count)
{
    struct bench bench;
    enum vkmoe_status status = bench_init(&bench, device, seed, false);
    for (uint32_t i = 0; i < count && status == VKMOE_OK; i++) {
        static struct host_times times;
        times = (struct host_times){ .dispatches = 0 };
        status = time_entry(bench.device, &entries[i], seed, &times);
        if (status != VKMOE_OK)
            break;
        const double all = samples_summary(&times.all).median;
        printf("%s: %.1f us a forward, of which %.1f us recording; %u dispatches, %.2f us each\n",
            entries[i].id, all / 1e3, samples_summary(&times.recording).median / 1e3,
            times.dispatches, all / 1e3 / times.dispatches);
    }
    if (status != VKMOE_OK)
        fprintf(stderr, "vkmoe-bench: %s\n",
            bench.message[0] ? bench.message : vkmoe_status_name(status));
    bench_finish(&bench);
    return status != VKMOE_OK;
}
