// no_gpu.c - stands between the library and the Vulkan loader, and pretends to record, to
// submit and to wait: drivers without their GPU do none of these well. RADV of Mesa 22.3 does
// not even have semaphores then, nor owns to any memory, though it gives some. Pipelines are
// made by the driver as ever.
//
// The linker puts __wrap_vkmoe_vk_loader() in the place of the library's vkmoe_vk_loader().
#include "no_gpu.h"

#include <string.h>

#include "base/common.h"
#include "vulkan/vk.h"

PFN_vkGetInstanceProcAddr __real_vkmoe_vk_loader(void);
PFN_vkGetInstanceProcAddr __wrap_vkmoe_vk_loader(void);

static PFN_vkGetInstanceProcAddr get_instance_function;
static PFN_vkGetDeviceProcAddr get_device_function;
static PFN_vkGetPhysicalDeviceMemoryProperties2 get_memory_function;
static PFN_vkGetBufferMemoryRequirements get_requirements_function;

// ------------------------------------------------------------------------- memory

static VKAPI_ATTR void VKAPI_CALL get_memory(
    VkPhysicalDevice device, VkPhysicalDeviceMemoryProperties2 *memory)
{
    VkPhysicalDeviceMemoryProperties *p = &memory->memoryProperties;
    get_memory_function(device, memory);
    if (p->memoryTypeCount)
        return;
    p->memoryTypeCount = p->memoryHeapCount = 1;
    p->memoryHeaps[0] = (VkMemoryHeap){ (VkDeviceSize)1 << 32, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT };
    p->memoryTypes[0] = (VkMemoryType){ VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
            | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
        0 };
}

static VKAPI_ATTR void VKAPI_CALL get_requirements(
    VkDevice device, VkBuffer buffer, VkMemoryRequirements *requirements)
{
    get_requirements_function(device, buffer, requirements);
    if (!requirements->memoryTypeBits)
        requirements->memoryTypeBits = 1;
}

// ------------------------------------------------------- functions that do nothing
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define NOTHING(name, ...) \
    static VKAPI_ATTR void VKAPI_CALL name(__VA_ARGS__) \
    { \
    }
#define SUCCESS(name, ...) \
    static VKAPI_ATTR VkResult VKAPI_CALL name(__VA_ARGS__) \
    { \
        return VK_SUCCESS; \
    }

NOTHING(destroy_semaphore, VkDevice d, VkSemaphore s, const VkAllocationCallbacks *a)
SUCCESS(wait_semaphores, VkDevice d, const VkSemaphoreWaitInfo *info, uint64_t timeout)
SUCCESS(submit, VkQueue queue, uint32_t count, const VkSubmitInfo2 *infos, VkFence fence)
SUCCESS(reset_pool, VkDevice d, VkCommandPool pool, VkCommandPoolResetFlags flags)
SUCCESS(reset, VkCommandBuffer c, VkCommandBufferResetFlags flags)
SUCCESS(wait_idle, VkQueue queue)
SUCCESS(begin, VkCommandBuffer c, const VkCommandBufferBeginInfo *info)
SUCCESS(end, VkCommandBuffer c)
NOTHING(barrier, VkCommandBuffer c, const VkDependencyInfo *info)
NOTHING(bind, VkCommandBuffer c, VkPipelineBindPoint point, VkPipeline pipeline)
NOTHING(push, VkCommandBuffer c, VkPipelineLayout layout, VkShaderStageFlags stages,
    uint32_t offset, uint32_t size, const void *values)
NOTHING(dispatch, VkCommandBuffer c, uint32_t x, uint32_t y, uint32_t z)
NOTHING(dispatch_indirect, VkCommandBuffer c, VkBuffer buffer, VkDeviceSize offset)
NOTHING(copy, VkCommandBuffer c, VkBuffer from, VkBuffer to, uint32_t count,
    const VkBufferCopy *regions)
NOTHING(
    fill, VkCommandBuffer c, VkBuffer buffer, VkDeviceSize offset, VkDeviceSize size, uint32_t data)

static VKAPI_ATTR VkResult VKAPI_CALL create_semaphore(VkDevice device,
    const VkSemaphoreCreateInfo *info, const VkAllocationCallbacks *allocator, VkSemaphore *out)
{
    const uint64_t handle = 1; // of nothing
    memcpy(out, &handle, sizeof *out);
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL get_semaphore_value(
    VkDevice device, VkSemaphore semaphore, uint64_t *value)
{
    *value = UINT64_MAX; // all is done
    return VK_SUCCESS;
}
#pragma GCC diagnostic pop

// ---------------------------------------------------------------------- pipelines

static bool keeps_code;
static PFN_vkCreateComputePipelines create_function;

void no_gpu_keeps_code(bool keeps)
{
    keeps_code = keeps;
}

// The library makes them one by one.
static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache,
    uint32_t count, const VkComputePipelineCreateInfo *infos,
    const VkAllocationCallbacks *allocator, VkPipeline *out)
{
    VkComputePipelineCreateInfo info = *infos;
    if (!keeps_code || count != 1)
        return create_function(device, cache, count, infos, allocator, out);
    info.flags |= VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
    return create_function(device, cache, count, &info, allocator, out);
}

// ------------------------------------------------------------------------- lookup

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name)
{
    const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } ours[] = {
        { "vkGetBufferMemoryRequirements", (PFN_vkVoidFunction)get_requirements },
        { "vkCreateComputePipelines", (PFN_vkVoidFunction)create_pipelines },
        { "vkCreateSemaphore", (PFN_vkVoidFunction)create_semaphore },
        { "vkDestroySemaphore", (PFN_vkVoidFunction)destroy_semaphore },
        { "vkWaitSemaphores", (PFN_vkVoidFunction)wait_semaphores },
        { "vkGetSemaphoreCounterValue", (PFN_vkVoidFunction)get_semaphore_value },
        { "vkQueueSubmit2", (PFN_vkVoidFunction)submit },
        { "vkResetCommandPool", (PFN_vkVoidFunction)reset_pool },
        { "vkResetCommandBuffer", (PFN_vkVoidFunction)reset },
        { "vkQueueWaitIdle", (PFN_vkVoidFunction)wait_idle },
        { "vkBeginCommandBuffer", (PFN_vkVoidFunction)begin },
        { "vkEndCommandBuffer", (PFN_vkVoidFunction)end },
        { "vkCmdPipelineBarrier2", (PFN_vkVoidFunction)barrier },
        { "vkCmdBindPipeline", (PFN_vkVoidFunction)bind },
        { "vkCmdPushConstants", (PFN_vkVoidFunction)push },
        { "vkCmdDispatch", (PFN_vkVoidFunction)dispatch },
        { "vkCmdDispatchIndirect", (PFN_vkVoidFunction)dispatch_indirect },
        { "vkCmdCopyBuffer", (PFN_vkVoidFunction)copy },
        { "vkCmdFillBuffer", (PFN_vkVoidFunction)fill },
    };
    get_requirements_function = (PFN_vkGetBufferMemoryRequirements)get_device_function(
        device, "vkGetBufferMemoryRequirements");
    create_function =
        (PFN_vkCreateComputePipelines)get_device_function(device, "vkCreateComputePipelines");
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
        if (!strcmp(name, ours[i].name))
            return ours[i].function;
    }
    return get_device_function(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(
    VkInstance instance, const char *name)
{
    PFN_vkVoidFunction function = get_instance_function(instance, name);
    if (!function)
        return NULL;
    if (!strcmp(name, "vkGetDeviceProcAddr")) {
        get_device_function = (PFN_vkGetDeviceProcAddr)function;
        return (PFN_vkVoidFunction)get_device_proc;
    }
    if (!strcmp(name, "vkGetPhysicalDeviceMemoryProperties2")) {
        get_memory_function = (PFN_vkGetPhysicalDeviceMemoryProperties2)function;
        return (PFN_vkVoidFunction)get_memory;
    }
    return function;
}

PFN_vkGetInstanceProcAddr __wrap_vkmoe_vk_loader(void)
{
    get_instance_function = __real_vkmoe_vk_loader();
    return get_instance_function ? get_instance_proc : NULL;
}
