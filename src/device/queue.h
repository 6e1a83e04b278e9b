// queue.h - the device's one queue, shared by all its streams and perhaps with the caller.
#ifndef VKMOE_QUEUE_H
#define VKMOE_QUEUE_H

#include <pthread.h>

#include "device/gpu.h"

struct queue {
    struct gpu *gpu;
    VkQueue handle;
    uint32_t family;
    uint32_t timestamp_bits;  // 0: the queue has no timestamps
    void (*lock)(void *user); // NULL: the caller does not share the queue
    void (*unlock)(void *user);
    void *user;
    pthread_mutex_t mutex; // serialises our own streams' submits
};

void vkmoe_queue_init(struct queue *queue, struct gpu *gpu);
void vkmoe_queue_finish(struct queue *queue);

// What vkmoe_queue_submit() hands over.
struct submission {
    VkCommandBuffer commands; // VK_NULL_HANDLE: only the semaphores
    uint32_t wait_count, signal_count;
    const VkSemaphoreSubmitInfo *waits, *signals;
};

// vkQueueSubmit2 under the queue's locks. DEVICE_LOST is remembered.
enum vkmoe_status vkmoe_queue_submit(struct queue *queue, const struct submission *submission);

// What is over when a timeline semaphore stands at `value`.
static inline VkSemaphoreSubmitInfo semaphore_at(VkSemaphore semaphore, uint64_t value)
{
    return (VkSemaphoreSubmitInfo){
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
        .semaphore = semaphore,
        .value = value,
        .stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
    };
}

// Waits for a timeline semaphore; UINT64_MAX waits as long as it takes. TIMEOUT is
// not logged, DEVICE_LOST is remembered.
enum vkmoe_status vkmoe_queue_wait(
    struct queue *queue, VkSemaphore timeline, uint64_t value, uint64_t timeout_ns);

// The same for those who are about to free what the work uses and cannot report a failure:
// tries again, by other means too, until the work is done or the device is lost. Logs nothing.
void vkmoe_queue_settle(struct queue *queue, VkSemaphore timeline, uint64_t value);

// A pool for the queue's family, and `count` command buffers of it. Neither after a failure.
enum vkmoe_status vkmoe_queue_create_commands(struct queue *queue, VkCommandPoolCreateFlags flags,
    uint32_t count, VkCommandPool *pool, VkCommandBuffer *commands);

// A timeline semaphore that stands at 0.
enum vkmoe_status vkmoe_queue_create_timeline(struct queue *queue, VkSemaphore *out);

#endif
