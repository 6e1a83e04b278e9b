// kernels.c - every case of every kernel, in every variant that the device can execute, against
// plain double loops; with uniform loads only where the device takes them. Test names:
// <kernel>_<form>/<case>[/<shape>].
//
// That is what --all asks for, with every shape a case can take (on a CPU driver, which
// compiles for minutes). Without it cases say what is worth its pipeline.
// VKMOE_TEST_KERNEL_SHARE=N runs every Nth of what is asked for, see tap_take_share().
// With --bench nothing is tested, but kernels are timed: test_kernels --bench --help.
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "kernel_bench.h"
#include "kernel_harness.h"

static void name_run(char *to, size_t size, const struct variant *variant,
    const struct kernel_case *test, const struct kernel_shape *s)
{
    char dimensions[64];
    kernel_shape_name(dimensions, sizeof dimensions, s);
    snprintf(to, size, "%s/%s%s", variant->name, test->name, dimensions);
}

// True if another form of the same kernel differs only in how addresses are computed.
static bool has_twin(const struct variant *variant)
{
    for (uint32_t i = 0; i < vkmoe_variant_count; i++) {
        const struct variant *other = &vkmoe_variants[i];
        if (other != variant && other->kernel == variant->kernel
            && other->formats == variant->formats
            && !memcmp(&other->tile, &variant->tile, sizeof other->tile)
            && !((other->needs ^ variant->needs) & ~(uint32_t)NEED_int64))
            return true;
    }
    return false;
}

// True if a form that suits the device better has the same code but for addresses.
static bool is_outdone(struct harness *harness, const struct variant *variant)
{
    if (!harness)
        return false;
    // Of those for matrix units that need few registers what is not as in the others.
    if (variant->needs & NEED_matrix_8x8)
        return harness_device(harness)->needs & NEED_matrix_8x8x8;
    return harness_device(harness)->gpu.info.int64 && !(variant->needs & NEED_int64)
        && has_twin(variant);
}

static void run_case(struct tap *tap, struct harness *harness, const struct variant *variant,
    const struct kernel_case *test, bool all)
{
    const struct kernel_suite *suite = kernel_suites[variant->kernel];
    const uint32_t shapes = suite_shapes(suite, test, variant, all);
    if (test->thorough && !all)
        return;
    // Counted for a share even where it is left out, which another driver may see otherwise.
    const bool left_out = !all && !test->everywhere && is_outdone(harness, variant);
    for (uint32_t i = 0; i < suite->shape_count; i++) {
        char name[160];
        if (!(shapes >> i & 1))
            continue;
        name_run(name, sizeof name, variant, test, &suite->shapes[i]);
        if (!tap_wants(tap, name) || left_out)
            continue;
        tap_result(tap,
            harness_run(harness, suite, test, variant, &suite->shapes[i], name, tap->seed), name);
    }
}

static void run_variant(
    struct tap *tap, struct harness *harness, const struct variant *variant, bool all)
{
    const struct kernel_suite *suite = kernel_suites[variant->kernel];
    if (harness && !harness_can_run(harness, variant)) {
        if (tap_wants(tap, variant->name))
            tap_skip(
                tap, variant->name, *variant->spirv_size ? "not for this device" : "not compiled");
        return;
    }
    // Shares of two drivers are parts of one whole although one has more forms than the other, as
    // they count from the form on. Only the newest has uniform loads: it runs all of those.
    const uint32_t share = tap->share;
    tap->share = variant->needs & NEED_uniform_loads ? 0 : share;
    tap->wanted = (uint32_t)(variant - vkmoe_variants);
    for (uint32_t i = 0; i < suite->case_count; i++)
        run_case(tap, harness, variant, suite_case(suite, i), all);
    tap->share = share;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--bench"))
        return kernel_bench(argc - 1, argv + 1);
    struct tap tap;
    const bool all = argc > 1 && !strcmp(argv[1], "--all");
    argv[all] = argv[0];
    if (!tap_begin(&tap, argc - all, argv + all))
        return 2;
    tap_take_share(&tap, "VKMOE_TEST_KERNEL_SHARE");
    struct harness *harness = tap.list ? NULL : harness_create();
    if (!tap.list && !harness)
        return tap_without_device(&tap);
    if (!tap.list)
        tap_note("%s, %s: %s", harness_device(harness)->gpu.info.name,
            harness_device(harness)->gpu.info.driver,
            harness_has_guard_pages(harness) ? "guard pages" : "guard zones only");
    for (uint32_t i = 0; i < vkmoe_variant_count; i++)
        run_variant(&tap, harness, &vkmoe_variants[i], all);
    if (harness)
        tap_note("%u pipelines", harness_pipelines(harness));
    harness_destroy(harness);
    return tap_end(&tap);
}
