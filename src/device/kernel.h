// kernel.h - the registry of kernels, choice of variant, and pipelines.
#ifndef VKMOE_KERNEL_H
#define VKMOE_KERNEL_H

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

enum vkmoe_status vkmoe_pipelines_init(vkmoe_device *device, const void *cache, size_t cache_size);
void vkmoe_pipelines_finish(vkmoe_device *device);

// The pipeline of a variant with these specialisation constants, made on first
// use and kept by the device. Any thread.
enum vkmoe_status vkmoe_pipeline_get(vkmoe_device *device, const struct variant *variant,
    const uint32_t spec[SPEC_MAX], VkPipeline *out);

// One layout for all kernels: no descriptor sets, 128 bytes of push constants.
VkPipelineLayout vkmoe_pipeline_layout(const vkmoe_device *device);

// Calls `visit` for every pipeline made so far (tests/vendors).
void vkmoe_pipelines_visit(vkmoe_device *device,
    void (*visit)(
        void *user, const struct variant *variant, const uint32_t *spec, VkPipeline pipeline),
    void *user);

#endif
