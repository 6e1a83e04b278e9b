// measure.h - times a layer, as a whole and by its dispatches.
#ifndef VKMOE_BENCH_MEASURE_H
#define VKMOE_BENCH_MEASURE_H

#include "samples.h"
#include "shapes.h"
#include "weights.h"
#include <vkmoe/moe.h>

#define MAX_LAYERS 16
#define MAX_KERNELS 8

// What can be said of one dispatch of a layer, or of those alike in several passes.
struct kernel_times {
    char name[32]; // the kernel; of experts_gemm, with the projection
    struct summary gpu;
    double flops; // useful ones, 0: not counted
};

struct entry {
    char id[96];
    const struct shape *shape;
    struct layer_case c;
    enum routing routing;
    bool ok;
    char reason[200]; // why it was skipped or failed
    uint32_t samples;
    uint32_t forwards;   // in one sample
    struct summary gpu;  // by the device's timestamps; wall time if it has none
    struct summary wall; // from submit to the end of waiting
    struct summary host; // recording and submitting, one CPU
    struct summary cpu;  // CPU time of the process: what a CPU driver takes of the machine
    bool has_timestamps;
    uint32_t experts; // that got rows
    double touched;   // bytes of weights of these
    double flops;     // useful ones
    uint32_t dispatches;
    uint64_t scratch_size, layer_size;
    bool bit_equal; // two runs
    struct kernel_times kernels[MAX_KERNELS];
    uint32_t kernel_count;
};

struct bench {
    vkmoe_device *device;
    vkmoe_stream *stream;
    uint64_t seed;
    bool exact; // VKMOE_PRECISION_EXACT
    bool cold;  // forwards take turns among layers, which together outgrow the caches
    vkmoe_moe *layers[MAX_LAYERS];
    uint32_t layer_count, turn;
    const struct shape *shape; // of `layers`
    enum vkmoe_dtype dtype;
    vkmoe_buffer *x, *y, *ids, *weights;
    char message[160]; // the library's last
};

enum vkmoe_status bench_init(struct bench *bench, const char *device, uint64_t seed, bool cold);
void bench_finish(struct bench *bench);

// Measures entry->c of entry->shape with entry->routing and fills the rest. The layer stays
// for the next entry of the same shape and dtype.
void bench_measure(struct bench *bench, struct entry *entry);

#endif
