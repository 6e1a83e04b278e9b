// queue.c - families of queues, all of which are the one queue of a CPU driver.
#include "discrete.h"

#include <stdlib.h>

static struct queue *ours(VkQueue handle)
{
    return (struct queue *)handle;
}

bool create_queues(struct device *device, const VkDeviceCreateInfo *info,
    PFN_vkSetDeviceLoaderData set_loader_data)
{
    device->next.GetDeviceQueue(device->handle, 0, 0, &device->real_queue);
    if (!device->real_queue || set_loader_data(device->handle, device->real_queue) != VK_SUCCESS)
        return false;
    for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
        const VkDeviceQueueCreateInfo *wanted = &info->pQueueCreateInfos[i];
        for (uint32_t j = 0; j < wanted->queueCount; j++) {
            struct queue *queue = calloc(1, sizeof *queue);
            if (!queue)
                return false;
            *queue = (struct queue){
                .next_queue = device->queues,
                .device = device,
                .family = wanted->queueFamilyIndex,
                .index = j,
                .flags = wanted->flags,
            };
            device->queues = queue;
            if (set_loader_data(device->handle, queue) != VK_SUCCESS)
                return false;
        }
    }
    return true;
}

void destroy_queues(struct device *device)
{
    while (device->queues) {
        struct queue *queue = device->queues;
        device->queues = queue->next_queue;
        free(queue);
    }
}

static VKAPI_ATTR void VKAPI_CALL get_queue2(
    VkDevice handle, const VkDeviceQueueInfo2 *info, VkQueue *out)
{
    struct queue *queue = find_device(handle)->queues;
    while (queue
        && (queue->family != info->queueFamilyIndex || queue->index != info->queueIndex
            || queue->flags != info->flags))
        queue = queue->next_queue;
    *out = (VkQueue)queue;
    if (!queue)
        complain("vkGetDeviceQueue: no queue %u of family %u was asked for", info->queueIndex,
            info->queueFamilyIndex);
}

static VKAPI_ATTR void VKAPI_CALL get_queue(
    VkDevice handle, uint32_t family, uint32_t index, VkQueue *out)
{
    get_queue2(handle,
        &(VkDeviceQueueInfo2){
            .queueFamilyIndex = family,
            .queueIndex = index,
        },
        out);
}

// Two queues may be used at the same time; the one that they are may not.
#define ON_QUEUE(function, name, parameters, ...) \
    static VKAPI_ATTR VkResult VKAPI_CALL function parameters \
    { \
        struct device *device = ours(handle)->device; \
        pthread_mutex_lock(&device->queue_mutex); \
        VkResult result = device->next.name(__VA_ARGS__); \
        pthread_mutex_unlock(&device->queue_mutex); \
        return result; \
    }

ON_QUEUE(submit, QueueSubmit,
    (VkQueue handle, uint32_t count, const VkSubmitInfo *submits, VkFence fence),
    device->real_queue, count, submits, fence)
ON_QUEUE(submit2, QueueSubmit2,
    (VkQueue handle, uint32_t count, const VkSubmitInfo2 *submits, VkFence fence),
    device->real_queue, count, submits, fence)
ON_QUEUE(bind_sparse, QueueBindSparse,
    (VkQueue handle, uint32_t count, const VkBindSparseInfo *infos, VkFence fence),
    device->real_queue, count, infos, fence)
ON_QUEUE(wait_idle, QueueWaitIdle, (VkQueue handle), device->real_queue)

static VKAPI_ATTR void VKAPI_CALL begin_label(VkQueue handle, const VkDebugUtilsLabelEXT *label)
{
    struct device *device = ours(handle)->device;
    device->next.QueueBeginDebugUtilsLabelEXT(device->real_queue, label);
}

static VKAPI_ATTR void VKAPI_CALL end_label(VkQueue handle)
{
    struct device *device = ours(handle)->device;
    device->next.QueueEndDebugUtilsLabelEXT(device->real_queue);
}

static VKAPI_ATTR void VKAPI_CALL insert_label(VkQueue handle, const VkDebugUtilsLabelEXT *label)
{
    struct device *device = ours(handle)->device;
    device->next.QueueInsertDebugUtilsLabelEXT(device->real_queue, label);
}

// A queue's name and tag are for the driver's.
#define SET_OF_OBJECT(function, set, info_type) \
    static VKAPI_ATTR VkResult VKAPI_CALL function(VkDevice handle, const info_type *info) \
    { \
        struct device *device = find_device(handle); \
        info_type real = *info; \
        if (info->objectType == VK_OBJECT_TYPE_QUEUE) \
            real.objectHandle = (uint64_t)(uintptr_t)device->real_queue; \
        return device->next.set(handle, &real); \
    }
SET_OF_OBJECT(set_name, SetDebugUtilsObjectNameEXT, VkDebugUtilsObjectNameInfoEXT)
SET_OF_OBJECT(set_tag, SetDebugUtilsObjectTagEXT, VkDebugUtilsObjectTagInfoEXT)

// Barriers name families too; CPU drivers do not look.
static VKAPI_ATTR VkResult VKAPI_CALL create_command_pool(VkDevice handle,
    const VkCommandPoolCreateInfo *info, const VkAllocationCallbacks *allocator, VkCommandPool *out)
{
    VkCommandPoolCreateInfo real = *info;
    if (info->queueFamilyIndex >= get_card()->family_count)
        complain("vkCreateCommandPool: there is no queue family %u", info->queueFamilyIndex);
    real.queueFamilyIndex = 0;
    return find_device(handle)->next.CreateCommandPool(handle, &real, allocator, out);
}

static VKAPI_ATTR void VKAPI_CALL dispatch(
    VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z)
{
    const VkDeviceSize most = get_card()->max_groups;
    if (most && (x > most || y > most || z > most))
        complain("vkCmdDispatch: %u x %u x %u groups, but maxComputeWorkGroupCount is %u", x, y, z,
            (uint32_t)most);
    find_device(commands)->next.CmdDispatch(commands, x, y, z);
}

FIND_OURS(find_queue_function, OURS("GetDeviceQueue", get_queue),
    OURS("GetDeviceQueue2", get_queue2), OURS("QueueSubmit", submit), OURS("QueueSubmit2", submit2),
    OURS("QueueSubmit2KHR", submit2), OURS("QueueBindSparse", bind_sparse),
    OURS("QueueWaitIdle", wait_idle), OURS("QueueBeginDebugUtilsLabelEXT", begin_label),
    OURS("QueueEndDebugUtilsLabelEXT", end_label),
    OURS("QueueInsertDebugUtilsLabelEXT", insert_label),
    OURS("SetDebugUtilsObjectNameEXT", set_name), OURS("SetDebugUtilsObjectTagEXT", set_tag),
    OURS("CreateCommandPool", create_command_pool), OURS("CmdDispatch", dispatch))
