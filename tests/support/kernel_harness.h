// kernel_harness.h - runs one case of a kernel on the device under test, and checks all
// that it wrote and all that it must not touch.
//
// Every operand lies in a buffer of its own that is host memory of ours, imported, with
// an inaccessible page before it and one right behind its last byte: a CPU driver that
// loads or stores there dies, and the harness says over which operand. Where a driver
// cannot import, and on GPUs, guard zones around the operand catch stores alone.
#ifndef VKMOE_TESTS_KERNEL_HARNESS_H
#define VKMOE_TESTS_KERNEL_HARNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "cases.h"

struct harness;

// NULL without a device. The device is made by the harness and adopted by the library,
// and is told that it satisfies every need that is a preference.
struct harness *harness_create(void);
void harness_destroy(struct harness *harness);

vkmoe_device *harness_device(struct harness *harness);
uint32_t harness_pipelines(struct harness *harness); // made so far
bool harness_has_guard_pages(const struct harness *harness);

// True if the device can execute the variant, whether or not it is its best.
bool harness_can_run(const struct harness *harness, const struct variant *variant);

// True if the library itself could choose the variant on the device.
bool harness_is_at_home(const struct harness *harness, const struct variant *variant);

// Runs the case twice, the second time with its workgroups in two dimensions and, where
// they do not come out even, some more than it needs. Both must give the same bits, which
// must be right. Notes what is not.
bool harness_run(struct harness *harness, const struct kernel_suite *suite,
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape,
    const char *name, uint64_t seed);

struct samples;

// Runs the case `runs` times, on the same inputs each time and without a look at what comes out,
// and adds what each takes by the device's timestamps, or by the clock if it has none.
bool harness_time(struct harness *harness, const struct kernel_suite *suite,
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape,
    uint32_t runs, struct samples *samples);

#endif
