// gpu.h - what all of src/device stands on: a VkDevice with its functions and its limits.
#ifndef VKMOE_GPU_H
#define VKMOE_GPU_H

#include <stdatomic.h>

#include "vulkan/vk.h"

struct gpu {
    struct vkmoe_log log;
    struct vkmoe_device_info info;
    struct vk_device_table vk;
    VkDevice handle;
    VkPhysicalDeviceLimits limits;
    VkPhysicalDeviceMemoryProperties memory;
    uint64_t max_buffer_size; // of one VkBuffer and its memory
    atomic_bool lost;         // VK_ERROR_DEVICE_LOST was seen: nothing is submitted any more
};

// DEVICE_LOST, with a line in the name of `function`, once the device is.
static inline enum vkmoe_status gpu_check(const struct gpu *gpu, const char *function)
{
    return !atomic_load(&gpu->lost) ? VKMOE_OK
                                    : vkmoe_fail(&gpu->log, VKMOE_ERROR_DEVICE_LOST,
                                        "%s: the device was lost before", function);
}

// Whether the device's memory is the host's, or may as well be.
static inline bool gpu_is_unified(const struct gpu *gpu)
{
    return gpu->info.type == VKMOE_DEVICE_TYPE_INTEGRATED || gpu->info.type == VKMOE_DEVICE_TYPE_CPU
        || gpu->info.type == VKMOE_DEVICE_TYPE_OTHER;
}

#endif
