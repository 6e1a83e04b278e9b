// queue.c - see queue.h.
#include "device/queue.h"

#include "base/common.h"
#include "base/try.h"

// Drivers have been seen to overflow when they add a huge timeout to the clock, and a device that
// another thread lost is noticed.
#define SLICE_NS 1000000000u

void vkmoe_queue_init(struct queue *queue, struct gpu *gpu)
{
    queue->gpu = gpu;
    pthread_mutex_init(&queue->mutex, NULL);
}

void vkmoe_queue_finish(struct queue *queue)
{
    pthread_mutex_destroy(&queue->mutex);
}

static enum vkmoe_status check_lost(struct gpu *gpu, VkResult result, const char *call)
{
    if (result == VK_ERROR_DEVICE_LOST)
        atomic_store(&gpu->lost, true);
    return vkmoe_vk_status(&gpu->log, result, call);
}

static void lock(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    if (queue->lock)
        queue->lock(queue->user);
}

static void unlock(struct queue *queue)
{
    if (queue->unlock)
        queue->unlock(queue->user);
    pthread_mutex_unlock(&queue->mutex);
}

enum vkmoe_status vkmoe_queue_submit(struct queue *queue, const struct submission *submission)
{
    const VkCommandBufferSubmitInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
        .commandBuffer = submission->commands,
    };
    const VkSubmitInfo2 submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
        .waitSemaphoreInfoCount = submission->wait_count,
        .pWaitSemaphoreInfos = submission->waits,
        .commandBufferInfoCount = submission->commands != VK_NULL_HANDLE,
        .pCommandBufferInfos = &commands,
        .signalSemaphoreInfoCount = submission->signal_count,
        .pSignalSemaphoreInfos = submission->signals,
    };
    TRY_RETURN(gpu_check(queue->gpu, "submit"));
    lock(queue);
    const VkResult result = queue->gpu->vk.QueueSubmit2(queue->handle, 1, &submit, VK_NULL_HANDLE);
    unlock(queue);
    return check_lost(queue->gpu, result, "vkQueueSubmit2");
}

static VkResult wait_slice(
    const struct gpu *gpu, VkSemaphore timeline, uint64_t value, uint64_t timeout_ns)
{
    return gpu->vk.WaitSemaphores(gpu->handle,
        &(VkSemaphoreWaitInfo){
            .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
            .semaphoreCount = 1,
            .pSemaphores = &timeline,
            .pValues = &value,
        },
        timeout_ns);
}

static VkResult wait(
    const struct gpu *gpu, VkSemaphore timeline, uint64_t value, uint64_t timeout_ns)
{
    for (;;) {
        if (atomic_load(&gpu->lost))
            return VK_ERROR_DEVICE_LOST;
        const uint64_t now_ns = MIN(timeout_ns, SLICE_NS);
        const VkResult result = wait_slice(gpu, timeline, value, now_ns);
        if (result != VK_TIMEOUT || now_ns == timeout_ns)
            return result;
        if (timeout_ns != UINT64_MAX)
            timeout_ns -= now_ns;
    }
}

enum vkmoe_status vkmoe_queue_wait(
    struct queue *queue, VkSemaphore timeline, uint64_t value, uint64_t timeout_ns)
{
    return check_lost(
        queue->gpu, wait(queue->gpu, timeline, value, timeout_ns), "vkWaitSemaphores");
}

void vkmoe_queue_settle(struct queue *queue, VkSemaphore timeline, uint64_t value)
{
    struct gpu *gpu = queue->gpu;
    for (int failures = 0; failures < 3 && !atomic_load(&gpu->lost);) {
        const VkResult result = wait_slice(gpu, timeline, value, SLICE_NS);
        if (result == VK_SUCCESS)
            return;
        if (result == VK_ERROR_DEVICE_LOST)
            atomic_store(&gpu->lost, true);
        failures += result < 0;
    }
    // Of a lost device as well: whatever of it still runs.
    lock(queue);
    gpu->vk.QueueWaitIdle(queue->handle);
    unlock(queue);
}

enum vkmoe_status vkmoe_queue_create_commands(struct queue *queue, VkCommandPoolCreateFlags flags,
    uint32_t count, VkCommandPool *pool, VkCommandBuffer *commands)
{
    const struct gpu *gpu = queue->gpu;
    enum vkmoe_status status;
    *pool = VK_NULL_HANDLE;
    VK_TRY(gpu,
        CreateCommandPool(gpu->handle,
            &(VkCommandPoolCreateInfo){
                .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                .flags = flags,
                .queueFamilyIndex = queue->family,
            },
            NULL, pool));
    VK_TRY(gpu,
        AllocateCommandBuffers(gpu->handle,
            &(VkCommandBufferAllocateInfo){
                .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                .commandPool = *pool,
                .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                .commandBufferCount = count,
            },
            commands));
    return VKMOE_OK;
fail:
    if (*pool)
        gpu->vk.DestroyCommandPool(gpu->handle, *pool, NULL);
    *pool = VK_NULL_HANDLE;
    return status;
}

enum vkmoe_status vkmoe_queue_create_timeline(struct queue *queue, VkSemaphore *out)
{
    const struct gpu *gpu = queue->gpu;
    const VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    const VkSemaphoreCreateInfo info = { VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, &type, 0 };
    return vkmoe_vk_status(
        &gpu->log, gpu->vk.CreateSemaphore(gpu->handle, &info, NULL, out), "vkCreateSemaphore");
}
