// kernel_harness.c - see kernel_harness.h. The device and its memory are in kernel_device.c.
#include "kernel_harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/samples.h"
#include "check.h"
#include "compare.h"
#include "kernel_device.h"

struct harness {
    struct kernel_device device;
    vkmoe_device *vkmoe;
    vkmoe_stream *stream;
    uint32_t own_needs; // the device's, before it is told to take every form
    struct kernel_arena arenas[IO_OPERANDS];
};

struct harness *harness_create(void)
{
    struct harness *h = calloc(1, sizeof *h);
    if (!h || !kernel_device_init(&h->device))
        goto fail;
    struct vkmoe_adopt_params params = host_adopt_params(&h->device.host);
    params.log = printing_log;
    params.log.level = VKMOE_LOG_WARNING;
    if (vkmoe_device_adopt(&params, &h->vkmoe) != VKMOE_OK
        || vkmoe_stream_create(h->vkmoe, &h->stream) != VKMOE_OK)
        goto fail;
    h->own_needs = h->vkmoe->needs;
    // Not those with uniform loads, which only new versions of lavapipe get: an old one compiles
    // one of experts_gemm's pipelines for 15 seconds, and one of attend's for minutes.
    h->vkmoe->needs |= NEED_gpu | NEED_fast;
    if (h->device.host.optional & HOST_INTEGER_DOT)
        h->vkmoe->needs |= NEED_integer_dot;
    return h;
fail:
    harness_destroy(h);
    return NULL;
}

void harness_destroy(struct harness *h)
{
    if (!h)
        return;
    vkmoe_stream_destroy(&h->stream);
    for (uint32_t i = 0; i < IO_OPERANDS; i++)
        kernel_arena_finish(&h->device, &h->arenas[i]);
    vkmoe_device_destroy(&h->vkmoe);
    kernel_device_finish(&h->device);
    free(h);
}

vkmoe_device *harness_device(struct harness *h)
{
    return h->vkmoe;
}

bool harness_is_at_home(const struct harness *h, const struct variant *variant)
{
    return !(variant->needs & ~h->own_needs);
}

static void count_pipeline(
    void *user, const struct variant *variant, const uint32_t *spec, VkPipeline pipeline)
{
    (void)variant;
    (void)spec;
    (void)pipeline;
    ++*(uint32_t *)user;
}

uint32_t harness_pipelines(struct harness *h)
{
    uint32_t count = 0;
    vkmoe_pipelines_visit(h->vkmoe, count_pipeline, &count);
    return count;
}

bool harness_has_guard_pages(const struct harness *h)
{
    return h->device.has_guard_pages;
}

bool harness_can_run(const struct harness *h, const struct variant *variant)
{
    return *variant->spirv_size && !(variant->needs & ~h->vkmoe->needs);
}

// ----------------------------------------------------------------------- operands

// Gives every operand its address.
static bool place(struct harness *h, struct kernel_io *io)
{
    for (uint32_t i = 0; i < io->operand_count; i++) {
        struct kernel_operand *operand = &io->operands[i];
        struct kernel_arena *arena = &h->arenas[i];
        if (!kernel_arena_place(&h->device, arena, operand->name, operand->size, operand->skew)) {
            tap_note("no memory for %s, %zu bytes", operand->name, operand->size);
            return false;
        }
        operand->address = arena->address + arena->offset;
    }
    return true;
}

static unsigned char *contents(struct harness *h, uint32_t i)
{
    return h->arenas[i].bytes + h->arenas[i].offset;
}

static void upload(struct harness *h, const struct kernel_io *io)
{
    for (uint32_t i = 0; i < io->operand_count; i++) {
        const struct kernel_operand *operand = &io->operands[i];
        struct kernel_arena *arena = &h->arenas[i];
        guard_fill(arena->bytes + arena->guarded, arena->size - arena->guarded);
        memcpy(contents(h, i), operand->before, operand->size);
    }
}

// The tolerance as a share of the rms. Few results may all be small by cancellation, of
// sums whose terms are not: they are held against what such sums usually are.
static double tolerance_for(double tolerance, const double *reference, uint64_t count)
{
    const double usual = 0.1;
    double squares = 0.0;
    for (uint64_t i = 0; i < count; i++)
        squares += reference[i] * reference[i];
    const double rms = sqrt(squares / (double)(count ? count : 1));
    return (tolerance > 0.0 ? tolerance : COMPARE_F32_TOLERANCE)
        * (rms > 0.0 && rms < usual ? usual / rms : 1.0);
}

// Floats within the tolerance where they are expected, all else as it was.
static bool check_floats(const struct kernel_operand *operand, const float *actual)
{
    const uint64_t count = operand->size / 4;
    double *reference = malloc((count + 1) * sizeof *reference);
    float *written = malloc((count + 1) * sizeof *written);
    bool ok = reference && written;
    for (uint64_t i = 0; ok && i < count; i++) {
        reference[i] = operand->floats[i];
        written[i] = actual[i];
        if (isfinite(reference[i]))
            continue;
        const bool anything = isinf(reference[i]);
        reference[i] = written[i] = 0.0;
        if (anything && operand->nan && !isnan(actual[i])) {
            tap_note("%s: [%llu] is %.9g, expected a NaN", operand->name, (unsigned long long)i,
                (double)actual[i]);
            ok = false;
        }
        if (!anything && memcmp(&actual[i], (const char *)operand->before + i * 4, 4)) {
            tap_note("%s: [%llu][%llu] is %.9g, expected not to be written", operand->name,
                (unsigned long long)(i / operand->columns),
                (unsigned long long)(i % operand->columns), (double)actual[i]);
            ok = false;
        }
    }
    if (ok && operand->weights)
        ok = compare_weights(
            operand->name, reference, written, count, operand->columns, COMPARE_F32_TOLERANCE);
    else if (ok)
        ok = compare_floats(operand->name, reference, written, count, operand->columns,
                 tolerance_for(operand->tolerance, reference, count))
                 .ok
            && (operand->rms_tolerance == 0.0
                || compare_rms(operand->name, reference, written, count, operand->rms_tolerance));
    free(reference);
    free(written);
    return ok;
}

// As if it were floats.
static bool check_decoded(const struct kernel_operand *operand, const void *actual)
{
    struct kernel_operand floats = *operand;
    floats.size = operand->decoded * 4;
    floats.before = malloc(floats.size + 1);
    float *values = malloc(floats.size + 1);
    bool ok = floats.before && values;
    if (ok) {
        memset(floats.before, 0xff, floats.size);
        operand->decode(operand, actual, values);
        ok = check_floats(&floats, values);
    }
    free(values);
    free(floats.before);
    return ok;
}

static bool is_nan(uint32_t bits)
{
    return (bits & 0x7fffffff) > 0x7f800000;
}

// Where a device may have other bits than those that are expected, they are expected if they are
// there: of another NaN, or of a zero, as devices may flush subnormals.
static void expect_values(const struct kernel_operand *operand, const uint32_t *actual)
{
    for (size_t i = 0; i < operand->size / 4; i++) {
        const uint32_t expected = operand->words[i];
        if ((!(expected & 0x7f800000) && !(actual[i] & 0x7fffffff))
            || (is_nan(expected) && is_nan(actual[i])))
            operand->words[i] = actual[i];
    }
}

static bool check_operand(const struct kernel_operand *operand, const struct kernel_arena *arena)
{
    const unsigned char *actual = arena->bytes + arena->offset;
    bool ok = guard_check(operand->name, arena->bytes + arena->guarded,
        arena->size - arena->guarded, arena->offset - arena->guarded, operand->size);
    if (operand->role == ROLE_IN)
        ok &= compare_bits(operand->name, operand->before, actual, operand->size);
    else if (operand->floats && operand->decode)
        ok &= check_decoded(operand, actual);
    else if (operand->floats)
        ok &= check_floats(operand, (const float *)actual);
    if (operand->words && operand->as_values)
        expect_values(operand, (const uint32_t *)actual);
    if (operand->words)
        ok &= compare_ids(operand->name, (const int32_t *)operand->words, (const int32_t *)actual,
            operand->size / 4, operand->columns);
    return ok;
}

// --------------------------------------------------------------------------- runs

static bool execute(struct harness *h, struct kernel_io *io, const struct dispatch *d)
{
    upload(h, io);
    if (!kernel_device_flush(&h->device, h->arenas, io->operand_count))
        return false;
    return vkmoe_stream_dispatch(h->stream, d) == VKMOE_OK
        && vkmoe_stream_submit(h->stream, NULL) == VKMOE_OK
        && vkmoe_stream_wait(h->stream, UINT64_MAX) == VKMOE_OK
        && kernel_device_invalidate(&h->device, h->arenas, io->operand_count);
}

static bool run_both_ways(struct harness *h, struct kernel_io *io, const struct dispatch *d)
{
    if (!execute(h, io, d)) {
        tap_note("could not be run");
        return false;
    }
    bool ok = true;
    unsigned char *first[IO_OPERANDS];
    for (uint32_t i = 0; i < io->operand_count; i++) {
        const struct kernel_operand *operand = &io->operands[i];
        ok &= check_operand(operand, &h->arenas[i]);
        first[i] = io_alloc(io, operand->size, 1);
        memcpy(first[i], contents(h, i), operand->size);
    }
    if (!ok || d->groups < 2)
        return ok;

    const uint32_t max_groups = h->vkmoe->max_groups;
    h->vkmoe->max_groups = MIN(max_groups, d->groups / (d->groups > 8 ? 3 : 2) + 1);
    ok = execute(h, io, d);
    h->vkmoe->max_groups = max_groups;
    for (uint32_t i = 0; ok && i < io->operand_count; i++) {
        const struct kernel_operand *operand = &io->operands[i];
        ok = check_operand(operand, &h->arenas[i])
            && (operand->role == ROLE_SCRATCH
                || compare_bits(operand->name, first[i], contents(h, i), operand->size));
    }
    if (!ok)
        tap_note("that was with workgroups in two dimensions");
    return ok;
}

// All of a case but its results: operands in place, and the dispatch.
static bool prepare(struct harness *h, struct kernel_io *io, struct dispatch *d)
{
    io->suite->fill(io);
    io->suite->reference(io);
    if (!place(h, io))
        return false;
    *d = (struct dispatch){ 0 };
    io->suite->dispatch(io, d);
    d->kernel = io->suite->kernel;
    d->variant = io->variant;
    d->push = io->push;
    return true;
}

bool harness_run(struct harness *h, const struct kernel_suite *suite,
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape,
    const char *name, uint64_t seed)
{
    struct kernel_io io = {
        .suite = suite,
        .test = test,
        .variant = variant,
        .shape = *shape,
        .device = h->vkmoe,
        .seed = seed,
    };
    struct dispatch d;
    bool ok = prepare(h, &io, &d);
    if (ok) {
        kernel_device_watch(name, h->arenas, io.operand_count);
        ok = run_both_ways(h, &io, &d);
        kernel_device_watch(NULL, NULL, 0);
    }
    io_finish(&io);
    return ok;
}

// A run that takes less than this is repeated in one submission.
#define SHORTEST_RUN_NS 200000.0
#define MOST_REPEATS 64

static double clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

// What one of `repeats` dispatches takes; negative if that failed.
static double time_dispatches(
    struct harness *h, struct kernel_io *io, const struct dispatch *d, uint32_t repeats)
{
    upload(h, io);
    if (!kernel_device_flush(&h->device, h->arenas, io->operand_count))
        return -1;
    bool ok = vkmoe_stream_timestamp(h->stream, 0) == VKMOE_OK;
    for (uint32_t i = 0; i < repeats; i++)
        ok = ok && vkmoe_stream_barrier(h->stream) == VKMOE_OK
            && vkmoe_stream_dispatch(h->stream, d) == VKMOE_OK;
    ok = ok && vkmoe_stream_timestamp(h->stream, 1) == VKMOE_OK;
    const double start = clock_ns();
    ok = ok && vkmoe_stream_submit(h->stream, NULL) == VKMOE_OK
        && vkmoe_stream_wait(h->stream, UINT64_MAX) == VKMOE_OK;
    const double wall = clock_ns() - start, gpu = vkmoe_stream_elapsed_ns(h->stream, 0, 1);
    return ok ? (gpu < 0 ? wall : gpu) / repeats : -1;
}

bool harness_time(struct harness *h, const struct kernel_suite *suite,
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape,
    uint32_t runs, struct samples *samples)
{
    struct kernel_io io = { .suite = suite,
        .test = test,
        .variant = variant,
        .shape = *shape,
        .device = h->vkmoe,
        .seed = 1 };
    struct dispatch d;
    double ns = -1;
    if (prepare(h, &io, &d)) {
        time_dispatches(h, &io, &d, 1); // makes the pipeline
        ns = time_dispatches(h, &io, &d, 1);
    }
    const double repeats = ns > 0 ? SHORTEST_RUN_NS / ns : MOST_REPEATS;
    for (uint32_t i = 0; i < runs && ns >= 0; i++) {
        ns = time_dispatches(h, &io, &d,
            repeats < 1                  ? 1
                : repeats > MOST_REPEATS ? MOST_REPEATS
                                         : (uint32_t)repeats);
        if (ns >= 0)
            samples_add(samples, ns);
    }
    io_finish(&io);
    return ns >= 0;
}
