// pipelines.h - pipelines, made when they are first used.
#ifndef VKMOE_PIPELINES_H
#define VKMOE_PIPELINES_H

#include "device/variants.h"

enum vkmoe_status vkmoe_pipelines_init(vkmoe_device *device, const void *cache, size_t cache_size);
void vkmoe_pipelines_finish(vkmoe_device *device);

// The pipeline of a variant with these specialisation constants, made on first
// use and kept by the device. Any thread.
enum vkmoe_status vkmoe_pipeline_get(vkmoe_device *device, const struct variant *variant,
    const uint32_t spec[SPEC_MAX], VkPipeline *out);

// What making them has taken so far. Any thread.
uint64_t vkmoe_pipelines_ns(const vkmoe_device *device);

// One layout for all kernels: no descriptor sets, 128 bytes of push constants.
VkPipelineLayout vkmoe_pipeline_layout(const vkmoe_device *device);

// Calls `visit` for every pipeline made so far (tests/vendors).
void vkmoe_pipelines_visit(vkmoe_device *device,
    void (*visit)(
        void *user, const struct variant *variant, const uint32_t *spec, VkPipeline pipeline),
    void *user);

#endif
