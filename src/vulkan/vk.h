// vk.h - Vulkan's entry points, loaded per instance and per device.
//
// Nothing here is global: a device's functions live in its own tables, so two
// devices of different loaders or drivers never meet. volk (see vk.c) only finds
// the system's loader.
#ifndef VKMOE_VK_H
#define VKMOE_VK_H

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include "vkmoe/vulkan.h"

#include "base/log.h"

// clang-format off
#define VKMOE_INSTANCE_FUNCTIONS(F) \
    F(DestroyInstance) F(EnumeratePhysicalDevices) F(EnumerateDeviceExtensionProperties) \
    F(GetPhysicalDeviceProperties2) F(GetPhysicalDeviceFeatures2) \
    F(GetPhysicalDeviceMemoryProperties2) F(GetPhysicalDeviceQueueFamilyProperties2) \
    F(CreateDevice) F(GetDeviceProcAddr)

#define VKMOE_DEVICE_FUNCTIONS(F) \
    F(DestroyDevice) F(GetDeviceQueue) F(QueueSubmit2) F(QueueWaitIdle) \
    F(AllocateMemory) F(FreeMemory) F(MapMemory) F(UnmapMemory) \
    F(FlushMappedMemoryRanges) F(InvalidateMappedMemoryRanges) \
    F(CreateBuffer) F(DestroyBuffer) F(GetBufferMemoryRequirements) F(BindBufferMemory) \
    F(GetBufferDeviceAddress) \
    F(CreateShaderModule) F(DestroyShaderModule) F(CreatePipelineLayout) F(DestroyPipelineLayout) \
    F(CreateComputePipelines) F(DestroyPipeline) \
    F(CreatePipelineCache) F(DestroyPipelineCache) F(GetPipelineCacheData) \
    F(CreateCommandPool) F(DestroyCommandPool) F(ResetCommandPool) F(AllocateCommandBuffers) \
    F(ResetCommandBuffer) F(BeginCommandBuffer) F(EndCommandBuffer) \
    F(CmdBindPipeline) F(CmdPushConstants) F(CmdDispatch) F(CmdDispatchIndirect) \
    F(CmdPipelineBarrier2) F(CmdCopyBuffer) F(CmdFillBuffer) F(CmdUpdateBuffer) \
    F(CreateSemaphore) F(DestroySemaphore) F(WaitSemaphores) F(GetSemaphoreCounterValue) \
    F(CreateQueryPool) F(DestroyQueryPool) F(GetQueryPoolResults) F(CmdResetQueryPool) \
    F(CmdWriteTimestamp2)
// clang-format on

struct vk_instance_table {
#define F(name) PFN_vk##name name;
    VKMOE_INSTANCE_FUNCTIONS(F)
#undef F
};

struct vk_device_table {
#define F(name) PFN_vk##name name;
    VKMOE_DEVICE_FUNCTIONS(F)
#undef F
};

// The system loader's vkGetInstanceProcAddr, NULL if there is none. Any thread.
PFN_vkGetInstanceProcAddr vkmoe_vk_loader(void);

// Both return false if a function is missing.
bool vkmoe_vk_load_instance(
    PFN_vkGetInstanceProcAddr get, VkInstance instance, struct vk_instance_table *table);
bool vkmoe_vk_load_device(
    PFN_vkGetDeviceProcAddr get, VkDevice device, struct vk_device_table *table);

// All elements of an enumeration, in an array to free(). `call` is vkEnumerateXxx() for `user`.
// Asks again when there are more than a moment ago. *list is NULL when it fails or has none.
VkResult vkmoe_vk_enumerate(VkResult (*call)(const void *user, uint32_t *count, void *list),
    const void *user, size_t element_size, void **list, uint32_t *count);

const char *vkmoe_vk_result_name(VkResult result);

// The vkmoe_status for a VkResult; logs call and result unless it is success.
enum vkmoe_status vkmoe_vk_status(const struct vkmoe_log *log, VkResult result, const char *call);

// Runs a Vulkan call and goes to `fail` with `status` set when it fails. `device`
// is a vkmoe_device, `status` a variable of the caller.
#define VK_TRY(device, call) \
    do { \
        status = vkmoe_vk_status(&(device)->log, (device)->vk.call, "vk" #call); \
        if (status != VKMOE_OK) \
            goto fail; \
    } while (0)

#endif
