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

// vkQueueSubmit2 under the queue's locks. DEVICE_LOST is remembered.
enum vkmoe_status vkmoe_queue_submit(struct queue *queue, const VkSubmitInfo2 *submit);

// Waits for a timeline semaphore; UINT64_MAX waits as long as it takes. TIMEOUT is
// not logged, DEVICE_LOST is remembered.
enum vkmoe_status vkmoe_queue_wait(
    struct queue *queue, VkSemaphore timeline, uint64_t value, uint64_t timeout_ns);

// The same for those who are about to free what the work uses and cannot report a failure:
// tries again, by other means too, until the work is done or the device is lost. Logs nothing.
void vkmoe_queue_settle(struct queue *queue, VkSemaphore timeline, uint64_t value);

// A timeline semaphore that stands at 0.
enum vkmoe_status vkmoe_queue_create_timeline(struct queue *queue, VkSemaphore *out);

#endif
