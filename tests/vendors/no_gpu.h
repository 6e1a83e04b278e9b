// no_gpu.h - see no_gpu.c.
#ifndef VKMOE_TESTS_NO_GPU_H
#define VKMOE_TESTS_NO_GPU_H

#include <stdbool.h>
#include <stdint.h>

#include "vulkan/vk.h"

// Whether pipelines made from now on keep the text that they were compiled to.
void no_gpu_keeps_code(bool keeps);

// Of pipelines made from now on, those for whose key this says so are never shown to the driver.
void no_gpu_leaves_out(bool (*is_known)(void *user, uint64_t key), void *user);

// A hash of all that decides what a pipeline is compiled to: its module and constants, what is
// enabled, the device, the build of its driver, and the library that stands in for the kernel's
// driver.
uint64_t no_gpu_key(VkPipeline pipeline);

// False of a pipeline that was left out.
bool no_gpu_is_compiled(VkPipeline pipeline);

#endif
