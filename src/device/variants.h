// variants.h - the registry of kernels and of their SPIR-V, and the choice among it.
#ifndef VKMOE_VARIANTS_H
#define VKMOE_VARIANTS_H

#include "device/device.h"

#define SPEC_MAX 28

enum kernel {
#define KERNEL(name) KERNEL_##name,
#include "shaders/kernels.def"
    KERNEL_COUNT
};

// One SPIR-V module.
struct variant {
    const char *name; // "route_plain"
    enum kernel kernel;
    const char *form; // "plain", "subgroup", ...
    uint32_t needs;   // mask of enum need
    const uint32_t *spirv;
    const size_t *spirv_size; // 0: the compiler was too old for it
    uint32_t push_size;
};

// All variants, in the order of kernels.def: of those that a device can run, the
// last is the best.
extern const struct variant vkmoe_variants[];
extern const uint32_t vkmoe_variant_count;

// The best variant of a kernel; never NULL, since a kernel's first row needs nothing.
// `unwanted`: a mask of enum need; forms that need these are passed over.
const struct variant *vkmoe_kernel_choose(
    const vkmoe_device *device, enum kernel kernel, uint32_t unwanted);

#endif
