// kernel_bench.c - see kernel_bench.h.
#include "kernel_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/samples.h"
#include "kernel_harness.h"

static const char usage[] =
    "usage: test_kernels --bench [--filter TEXT] [--runs NUMBER]\n"
    "\n"
    "Times kernels by themselves on the rows of tests/cases that are marked `timed`, on the\n"
    "device under test (VKMOE_TEST_DEVICE). For each row and shape there is a line for each form\n"
    "of the kernel, the best first:\n"
    "\n"
    "  experts_gemm/mixtral-up/8x8x4\n"
    "    * tokens       41230 ns +- 350     3.10 GB/s    12.42 GFLOP/s   2.51 x plain\n"
    "      plain       103480 ns +- 512     1.24 GB/s     4.95 GFLOP/s   1.00 x plain\n"
    "\n"
    "*: what the library takes on this device. The time is the median of the runs, with the\n"
    "median distance from it. GB/s and GFLOP/s count what any form has to move and compute.\n"
    "\n"
    "  --filter TEXT   only kernels, rows and shapes whose name (the first line) contains TEXT\n"
    "  --runs NUMBER   runs of each form, 1 to 1000; 30 without it\n";

struct options {
    const char *filter;
    uint32_t runs;
};

// A form with what it takes for one row and shape.
struct timing {
    const struct variant *variant;
    struct summary ns;
};

#define MAX_FORMS 16

static bool parse(struct options *options, int argc, char **argv, int *code)
{
    *options = (struct options){ .filter = "", .runs = 30 };
    *code = 2;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        char *end = NULL;
        if (!strcmp(argv[i], "--help")) {
            fputs(usage, stdout);
            *code = 0;
            return false;
        }
        if (!strcmp(argv[i], "--filter") && value) {
            options->filter = argv[++i];
            continue;
        }
        const unsigned long runs = value ? strtoul(value, &end, 10) : 0;
        if (strcmp(argv[i], "--runs") || !value || *end || runs < 1 || runs > MAX_SAMPLES) {
            fputs(usage, stderr);
            return false;
        }
        options->runs = (uint32_t)runs;
        i++;
    }
    return true;
}

static void print_form(const struct timing *form, const struct timing *plain, bool is_chosen,
    const struct kernel_suite *suite, const struct kernel_case *test)
{
    const double ns = form->ns.median > 0 ? form->ns.median : 1;
    printf("  %c %-24s %10.0f ns +- %-8.0f %8.2f GB/s %10.2f GFLOP/s", is_chosen ? '*' : ' ',
        form->variant->form, form->ns.median, form->ns.mad, (double)suite->bytes(test) / ns,
        (double)suite->flops(test) / ns);
    if (plain)
        printf(" %7.2f x %s", plain->ns.median / ns, plain->variant->form);
    printf("\n");
}

// Forms that can run the row in this shape, the best first. The last one in kernels.def is the
// best, and the first one runs everywhere.
static uint32_t list_forms(struct harness *harness, const struct kernel_suite *suite,
    const struct kernel_case *test, uint32_t shape, struct timing *forms)
{
    uint32_t count = 0;
    for (uint32_t i = vkmoe_variant_count; i-- > 0 && count < MAX_FORMS;) {
        const struct variant *variant = &vkmoe_variants[i];
        if (variant->kernel == suite->kernel && harness_can_run(harness, variant)
            && suite_shapes(suite, test, variant, false) >> shape & 1)
            forms[count++] = (struct timing){ .variant = variant };
    }
    return count;
}

// False if a form could not be run.
static bool time_row(struct harness *harness, const struct options *options,
    const struct kernel_suite *suite, const struct kernel_case *test, uint32_t shape)
{
    struct timing forms[MAX_FORMS];
    const uint32_t count = list_forms(harness, suite, test, shape, forms);
    bool is_chosen = true, ok = true;
    for (uint32_t i = 0; i < count; i++) {
        static struct samples samples;
        samples.count = 0;
        if (!harness_time(harness, suite, test, forms[i].variant, &suite->shapes[shape],
                options->runs, &samples)) {
            printf("  ! %s could not be run\n", forms[i].variant->form);
            ok = false;
        }
        forms[i].ns = samples_summary(&samples);
    }
    for (uint32_t i = 0; i < count; i++) {
        const bool is_home = harness_is_at_home(harness, forms[i].variant);
        print_form(&forms[i], &forms[count - 1], is_chosen && is_home, suite, test);
        is_chosen &= !is_home;
    }
    return ok;
}

// Row and shape, as tests/kernels names them after the form.
static void name_row(char *to, size_t size, const struct kernel_suite *suite,
    const struct kernel_case *test, uint32_t shape)
{
    char dimensions[64];
    kernel_shape_name(dimensions, sizeof dimensions, &suite->shapes[shape]);
    snprintf(to, size, "%s/%s%s", kernel_names[suite->kernel], test->name, dimensions);
}

int kernel_bench(int argc, char **argv)
{
    struct options options;
    int code;
    if (!parse(&options, argc, argv, &code))
        return code;
    struct harness *harness = harness_create();
    if (!harness) {
        fprintf(stderr, "no Vulkan device\n");
        return 77; // skipped, to Meson
    }
    printf("%s, %s\n", harness_device(harness)->gpu.info.name,
        harness_device(harness)->gpu.info.driver);
    bool ok = true;
    uint32_t rows = 0;
    for (uint32_t k = 0; k < KERNEL_COUNT; k++) {
        const struct kernel_suite *suite = kernel_suites[k];
        for (uint32_t i = 0; i < suite->case_count * suite->shape_count; i++) {
            const struct kernel_case *test = suite_case(suite, i / suite->shape_count);
            const uint32_t shape = i % suite->shape_count;
            struct timing forms[MAX_FORMS];
            char name[160];
            name_row(name, sizeof name, suite, test, shape);
            if (!test->timed || !strstr(name, options.filter)
                || !list_forms(harness, suite, test, shape, forms))
                continue;
            printf("%s\n", name);
            ok &= time_row(harness, &options, suite, test, shape);
            rows++;
        }
    }
    harness_destroy(harness);
    if (!rows)
        fprintf(stderr, "no timed row has '%s' in its name\n", options.filter);
    return ok && rows ? 0 : 1;
}
