// sweep_pool.h - keeps a driver's instances, devices and pipelines for the next who asks for the
// same. A sweep opens hundreds of devices, each of which compiles the same pipelines, and that is
// most of its time. What is created and destroyed is counted before it comes here.
#ifndef VKMOE_TESTS_SWEEP_POOL_H
#define VKMOE_TESTS_SWEEP_POOL_H

#include "vulkan/vk.h"

// What to call instead of the driver's `function` of this name. With the validation layer it is
// `function` itself: the layer sees each device's end.
PFN_vkVoidFunction sweep_pool(const char *name, PFN_vkVoidFunction function);

// The same for pipelines of a device that somebody else makes, and, before its end, the end of
// that.
void sweep_pool_adopt(VkDevice device);
void sweep_pool_release(VkDevice device);

#endif
