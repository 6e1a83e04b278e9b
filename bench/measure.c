// measure.c - see measure.h.
#include "measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/common.h"
#include "host.h"
#include "device/transfer.h"
#include "device/stream.h"
#include "moe/plan.h"

#define WARM_UP_NS 0.2e9
#define SAMPLING_NS 0.3e9
#define LONGEST_NS 20e9 // then fewer samples will do
#define MIN_SAMPLES 10
#define SAMPLE_NS 2e6 // forwards shorter than this are recorded several at a time
#define MAX_FORWARDS 32
#define COLD_SIZE 512e6 // more than any cache holds

static double clock_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void keep_message(void *user, enum vkmoe_log_level level, const char *line)
{
    struct bench *bench = user;
    (void)level;
    snprintf(bench->message, sizeof bench->message, "%s", line);
}

enum vkmoe_status bench_init(struct bench *bench, const char *device, uint64_t seed, bool cold)
{
    *bench = (struct bench){ .seed = seed, .cold = cold };
    const struct vkmoe_device_params params = {
        VKMOE_INIT(vkmoe_device_params),
        .log = { .write = keep_message, .user = bench },
        .select = device,
        // Drivers without a GPU compute nothing.
        .no_self_test = true,
    };
    enum vkmoe_status status = vkmoe_device_create(&params, &bench->device);
    if (status == VKMOE_OK)
        status = vkmoe_stream_create(bench->device, &bench->stream);
    if (status != VKMOE_OK)
        bench_finish(bench);
    return status;
}

static void unload_layers(struct bench *bench)
{
    while (bench->layer_count)
        vkmoe_moe_destroy(&bench->layers[--bench->layer_count]);
    bench->shape = NULL;
}

static void unload_arrays(struct bench *bench)
{
    vkmoe_buffer_destroy(&bench->x);
    vkmoe_buffer_destroy(&bench->y);
    vkmoe_buffer_destroy(&bench->ids);
    vkmoe_buffer_destroy(&bench->weights);
}

void bench_finish(struct bench *bench)
{
    unload_layers(bench);
    unload_arrays(bench);
    vkmoe_stream_destroy(&bench->stream);
    vkmoe_device_destroy(&bench->device);
}

// ----------------------------------------------------------------------------- loading

static bool fail(
    struct entry *entry, const struct bench *bench, const char *what, enum vkmoe_status status)
{
    snprintf(entry->reason, sizeof entry->reason, "%s: %s", what,
        bench->message[0] ? bench->message : vkmoe_status_name(status));
    return false;
}

// Says no before hours of swapping do.
static bool fits(const struct bench *bench, struct entry *entry)
{
    const double GiB = 1024.0 * 1024.0 * 1024.0;
    const struct vkmoe_device_info *info = &bench->device->gpu.info;
    const struct layer_case *c = &entry->c;
    const double arrays = (double)c->tokens
        * (2.0 * c->layer.hidden
            + c->layer.experts_per_token * (c->layer.inner + c->layer.hidden + 2.0))
        * 4;
    const double needed = weights_size(c) + arrays;
    const bool shares =
        info->type == VKMOE_DEVICE_TYPE_CPU || info->type == VKMOE_DEVICE_TYPE_INTEGRATED;
    double room = (double)info->memory_size;
    if (shares && host_available_memory() > 0)
        room = MIN(room, host_available_memory());
    if (needed < 0.9 * room)
        return true;
    snprintf(entry->reason, sizeof entry->reason, "needs %.1f GiB of device memory, there are %.1f",
        needed / GiB, room / GiB);
    return false;
}

static bool load_layers(struct bench *bench, struct entry *entry)
{
    struct weights weights;
    if (bench->shape == entry->shape && bench->dtype == entry->c.dtype)
        return true;
    unload_layers(bench);
    if (!fits(bench, entry))
        return false;
    if (!weights_init(&weights, &entry->c, bench->seed))
        return fail(entry, bench, "weights", VKMOE_ERROR_OUT_OF_MEMORY);
    weights.params.precision = bench->exact ? VKMOE_PRECISION_EXACT : VKMOE_PRECISION_FAST;
    const double copies = bench->cold ? ceil(COLD_SIZE / weights_size(&entry->c)) : 1;
    enum vkmoe_status status = VKMOE_OK;
    do
        status =
            vkmoe_moe_create(bench->device, &weights.params, &bench->layers[bench->layer_count]);
    while (status == VKMOE_OK && ++bench->layer_count < MIN(copies, MAX_LAYERS));
    weights_finish(&weights);
    if (status != VKMOE_OK) {
        unload_layers(bench);
        return fail(entry, bench, "layer", status);
    }
    bench->shape = entry->shape;
    bench->dtype = entry->c.dtype;
    return true;
}

static bool load_arrays(struct bench *bench, struct entry *entry)
{
    const struct layer_case *c = &entry->c;
    const uint64_t x_size = (uint64_t)c->tokens * c->layer.hidden * 4;
    const uint64_t pairs_size = (uint64_t)c->tokens * c->layer.experts_per_token * 4;
    const struct {
        vkmoe_buffer **buffer;
        uint64_t size;
    } arrays[] = { { &bench->x, x_size }, { &bench->y, x_size }, { &bench->ids, pairs_size },
        { &bench->weights, pairs_size } };
    enum vkmoe_status status = VKMOE_OK;
    unload_arrays(bench);
    for (size_t i = 0; i < ARRAY_SIZE(arrays) && status == VKMOE_OK; i++)
        status = vkmoe_buffer_create(bench->device, arrays[i].size, arrays[i].buffer);
    float *x = malloc(x_size);
    int32_t *ids = malloc(pairs_size);
    if (status == VKMOE_OK && !(x && ids))
        status = VKMOE_ERROR_OUT_OF_MEMORY;
    if (status == VKMOE_OK) {
        inputs_make(c, entry->routing, bench->seed, x, ids);
        status = vkmoe_buffer_upload(bench->x, 0, x, x_size);
    }
    if (status == VKMOE_OK)
        status = vkmoe_buffer_upload(bench->ids, 0, ids, pairs_size);
    free(x);
    free(ids);
    return status == VKMOE_OK || fail(entry, bench, "inputs", status);
}

// ----------------------------------------------------------------------------- running

struct times {
    double gpu, wall, host, cpu; // of one forward
};

static enum vkmoe_status record(struct bench *bench, const struct layer_case *c)
{
    return vkmoe_moe_forward(bench->stream, bench->layers[bench->turn++ % bench->layer_count],
        &(struct vkmoe_moe_forward_params){
            VKMOE_INIT(vkmoe_moe_forward_params),
            .tokens = c->tokens,
            .x = { bench->x, 0 },
            .y = { bench->y, 0 },
            .ids = { bench->ids, 0 },
            .weights = { bench->weights, 0 },
        });
}

static enum vkmoe_status submit_and_wait(struct bench *bench)
{
    enum vkmoe_status status = vkmoe_stream_submit(bench->stream, NULL);
    return status == VKMOE_OK ? vkmoe_stream_wait(bench->stream, UINT64_MAX) : status;
}

static enum vkmoe_status run(
    struct bench *bench, const struct layer_case *c, uint32_t forwards, struct times *times)
{
    const double cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), start = clock_ns(CLOCK_MONOTONIC);
    enum vkmoe_status status = vkmoe_stream_timestamp(bench->stream, 0);
    for (uint32_t i = 0; i < forwards && status == VKMOE_OK; i++)
        status = record(bench, c);
    if (status == VKMOE_OK)
        status = vkmoe_stream_timestamp(bench->stream, 1);
    const double recorded = clock_ns(CLOCK_MONOTONIC);
    if (status == VKMOE_OK)
        status = vkmoe_stream_submit(bench->stream, NULL);
    const double submitted = clock_ns(CLOCK_MONOTONIC);
    if (status == VKMOE_OK)
        status = vkmoe_stream_wait(bench->stream, UINT64_MAX);
    const double done = clock_ns(CLOCK_MONOTONIC);
    const double gpu = vkmoe_stream_elapsed_ns(bench->stream, 0, 1);
    *times = (struct times){
        .gpu = (gpu < 0 ? done - recorded : gpu) / forwards,
        .wall = (done - recorded) / forwards,
        .host = (submitted - start) / forwards,
        .cpu = (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / forwards,
    };
    return status;
}

static uint32_t count_experts(const int32_t *ids, size_t count)
{
    bool seen[1024] = { false };
    uint32_t experts = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t e = (uint32_t)ids[i] % ARRAY_SIZE(seen);
        experts += !seen[e];
        seen[e] = true;
    }
    return experts;
}

// Runs twice from different memory: the same bits? And who was chosen?
static enum vkmoe_status look(struct bench *bench, struct entry *entry)
{
    const uint64_t y_size = vkmoe_buffer_size(bench->y), ids_size = vkmoe_buffer_size(bench->ids);
    const uint64_t dispatches = vkmoe_stream_dispatch_count(bench->stream);
    char *first = malloc(y_size), *second = malloc(y_size);
    int32_t *ids = malloc(ids_size);
    enum vkmoe_status status = first && second && ids ? VKMOE_OK : VKMOE_ERROR_OUT_OF_MEMORY;
    struct times times;
    for (int i = 0; i < 2 && status == VKMOE_OK; i++) {
        memset(second, 0xff, y_size);
        status = vkmoe_buffer_upload(bench->y, 0, second, y_size);
        if (status == VKMOE_OK)
            status = run(bench, &entry->c, 1, &times);
        if (status == VKMOE_OK)
            status = vkmoe_buffer_download(bench->y, 0, i ? second : first, y_size);
    }
    if (status == VKMOE_OK)
        status = vkmoe_buffer_download(bench->ids, 0, ids, ids_size);
    if (status == VKMOE_OK) {
        entry->bit_equal = !memcmp(first, second, y_size);
        entry->experts = count_experts(ids, ids_size / 4);
        entry->dispatches = (uint32_t)(vkmoe_stream_dispatch_count(bench->stream) - dispatches) / 2;
    }
    free(first);
    free(second);
    free(ids);
    return status;
}

static enum vkmoe_status time_layer(struct bench *bench, struct entry *entry)
{
    struct samples gpu = { .count = 0 }, wall = { .count = 0 }, host = { .count = 0 },
                   cpu = { .count = 0 };
    struct times times = { 0 };
    enum vkmoe_status status = VKMOE_OK;
    const double warm = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; status == VKMOE_OK && (i < 2 || clock_ns(CLOCK_MONOTONIC) - warm < WARM_UP_NS);
         i++)
        status = run(bench, &entry->c, 1, &times);
    const double forwards = ceil(SAMPLE_NS / MAX(times.wall, 1));
    entry->forwards = (uint32_t)MIN(forwards, MAX_FORWARDS);
    const double start = clock_ns(CLOCK_MONOTONIC);
    double spent = 0;
    while (status == VKMOE_OK && (gpu.count < MIN_SAMPLES || spent < SAMPLING_NS)
        && gpu.count < MAX_SAMPLES && (gpu.count < 3 || spent < LONGEST_NS)) {
        status = run(bench, &entry->c, entry->forwards, &times);
        samples_add(&gpu, times.gpu);
        samples_add(&wall, times.wall);
        samples_add(&host, times.host);
        samples_add(&cpu, times.cpu);
        spent = clock_ns(CLOCK_MONOTONIC) - start;
    }
    entry->samples = gpu.count;
    entry->gpu = samples_summary(&gpu);
    entry->wall = samples_summary(&wall);
    entry->host = samples_summary(&host);
    entry->cpu = samples_summary(&cpu);
    return status;
}

// ----------------------------------------------------------------------------- kernels

static const char *const kernel_names[] = {
#define KERNEL(name) #name,
#include "shaders/kernels.def"
};

// Useful operations of the up projections, the down projection, the shared expert's down.
static void count_flops(const struct layer_case *c, double *up, double *down, double *shared_down)
{
    const double per_column = 2.0 * c->tokens * c->layer.hidden;
    const double routed = per_column * c->layer.experts_per_token * c->layer.inner;
    const double shared = per_column * c->layer.shared.inner;
    *down = routed;
    *shared_down = shared;
    *up =
        routed * (c->has & CASE_UNGATED ? 1 : 2) + shared * (c->has & CASE_SHARED_UNGATED ? 1 : 2);
}

// Names dispatch `index`. experts_gemm comes as up, [the shared expert's down,] down, of which up
// and down are one for each class of experts.
static void name_kernel(
    const struct bench *bench, const struct layer_case *c, uint32_t index, struct kernel_times *out)
{
    const enum kernel kernel = vkmoe_stream_profiled(bench->stream, index);
    const struct moe_plan plan = vkmoe_moe_plan(bench->layers[0], c->tokens, c->tokens);
    const uint32_t classes = MAX(plan.sorted.class_count, 1);
    const uint32_t shared = c->layer.shared.inner ? 1 : 0;
    double up, down, shared_down;
    const char *part = "";
    count_flops(c, &up, &down, &shared_down);
    *out = (struct kernel_times){ .flops = 0 };
    if (kernel == KERNEL_route)
        out->flops = 2.0 * c->tokens * c->layer.hidden * c->layer.experts;
    if (kernel == KERNEL_decode_up)
        out->flops = up;
    if (kernel == KERNEL_decode_down)
        out->flops = down + shared_down;
    if (kernel == KERNEL_experts_gemm) {
        uint32_t before = 0;
        for (uint32_t i = 0; i < index; i++)
            before += vkmoe_stream_profiled(bench->stream, i) == KERNEL_experts_gemm;
        before %= 2 * classes + shared;
        const bool is_up = before < classes, is_down = before >= classes + shared;
        part = is_up ? " up" : is_down ? " down" : " shared down";
        out->flops = is_up ? up : is_down ? down : shared_down;
    }
    snprintf(out->name, sizeof out->name, "%s%s", kernel_names[kernel], part);
}

// Adds one profiled run; dispatches of the same name count together.
static void add_profile(struct bench *bench, struct entry *entry, struct samples *samples)
{
    double sums[MAX_KERNELS] = { 0 };
    for (uint32_t i = 0; vkmoe_stream_profiled(bench->stream, i) != KERNEL_COUNT; i++) {
        struct kernel_times kernel;
        uint32_t k = 0;
        name_kernel(bench, &entry->c, i, &kernel);
        while (k < entry->kernel_count && strcmp(entry->kernels[k].name, kernel.name))
            k++;
        if (k == MAX_KERNELS)
            continue;
        if (k == entry->kernel_count)
            entry->kernels[entry->kernel_count++] = kernel;
        sums[k] += vkmoe_stream_elapsed_ns(bench->stream, i, i + 1);
    }
    for (uint32_t k = 0; k < entry->kernel_count; k++)
        samples_add(&samples[k], sums[k]);
}

static enum vkmoe_status time_kernels(struct bench *bench, struct entry *entry)
{
    struct samples *samples = calloc(MAX_KERNELS, sizeof *samples);
    enum vkmoe_status status = samples ? VKMOE_OK : VKMOE_ERROR_OUT_OF_MEMORY;
    const double start = clock_ns(CLOCK_MONOTONIC);
    double spent = 0;
    vkmoe_stream_profile(bench->stream, true);
    for (uint32_t i = 0; status == VKMOE_OK && i < MAX_SAMPLES
         && (i < MIN_SAMPLES || spent < SAMPLING_NS / 3) && (i < 3 || spent < LONGEST_NS / 3);
         i++) {
        status = record(bench, &entry->c);
        if (status == VKMOE_OK)
            status = submit_and_wait(bench);
        if (status == VKMOE_OK)
            add_profile(bench, entry, samples);
        spent = clock_ns(CLOCK_MONOTONIC) - start;
    }
    vkmoe_stream_profile(bench->stream, false);
    for (uint32_t k = 0; k < entry->kernel_count; k++)
        entry->kernels[k].gpu = samples_summary(&samples[k]);
    free(samples);
    return status;
}

void bench_measure(struct bench *bench, struct entry *entry)
{
    bench->message[0] = '\0';
    entry->has_timestamps = bench->device->queue.timestamp_bits != 0;
    entry->flops = layer_case_flops(&entry->c);
    if (!load_layers(bench, entry) || !load_arrays(bench, entry))
        return;
    entry->scratch_size = vkmoe_moe_scratch_size(bench->layers[0], entry->c.tokens);
    entry->layer_size = vkmoe_moe_device_size(bench->layers[0]);
    enum vkmoe_status status = look(bench, entry);
    entry->touched = weights_touched(&entry->c, entry->experts);
    if (status == VKMOE_OK)
        status = time_layer(bench, entry);
    if (vkmoe_stream_elapsed_ns(bench->stream, 0, 1) < 0) // a GPU that is not there writes none
        entry->has_timestamps = false;
    if (status == VKMOE_OK && entry->has_timestamps)
        status = time_kernels(bench, entry);
    entry->ok = status == VKMOE_OK;
    if (!entry->ok)
        fail(entry, bench, "forward", status);
}
