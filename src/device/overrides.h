// overrides.h - what was measured on a device, and counts instead of tuning.c's table and of the
// rows of kernels.def; and how programs keep it, as text:
//
//     vkmoe tuning 1
//     # llvmpipe, ...
//     key 0123456789abcdef
//     decode_unroll 4
//     form experts_gemm f16 exact 12 shared_tile
//     end
//
// `key` stands for the device, its driver and the library's kernels. A `form` is what a kernel
// takes for weights of that format and that precision from so many rows an expert on, up to the
// next such line. What follows # is for people. Text that is not like this in every line counts for
// nothing.
#ifndef VKMOE_OVERRIDES_H
#define VKMOE_OVERRIDES_H

#include "device/tuning.h"
#include "device/variants.h"

#define OVERRIDES_MAX_FORMS 64

struct form_override {
    const struct variant *variant; // that the device can run
    enum vkmoe_dtype dtype;
    bool fast;     // VKMOE_PRECISION_FAST
    uint32_t from; // rows an expert
};

struct overrides {
    uint32_t values[TUNE_COUNT]; // 0: as the table has it
    struct form_override forms[OVERRIDES_MAX_FORMS];
    uint32_t form_count;
};

// A figure that may be overridden, by powers of two.
struct tunable {
    enum tune what;
    const char *name;
    uint32_t least, most;
    bool cards_only; // forms for CPU drivers stand on the table's value
    uint32_t tokens; // with how many it is measured
};
extern const struct tunable vkmoe_tunables[];
extern const uint32_t vkmoe_tunable_count;

// Those of the device, made on first use; NULL: no host memory, without a line.
struct overrides *vkmoe_overrides(vkmoe_device *device);

// A form by its name, with the best way to compute addresses that the device has; NULL: the kernel
// has none such, or it does not run for such weights.
const struct variant *vkmoe_form_named(const vkmoe_device *device, const char *kernel,
    const char *form, enum vkmoe_dtype dtype, bool fast);

#endif
