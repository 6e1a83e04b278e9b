// device.h - a Vulkan device with what the library knows of it.
#ifndef VKMOE_DEVICE_H
#define VKMOE_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "vulkan/vk.h"

// What a kernel variant may need of a device; kernels.def names them.
enum need {
    NEED_none = 0,
    NEED_int64 = 1 << 0, // shaderInt64
    NEED_gpu = 1 << 1,   // not a software driver: shared memory is worth its barriers
    // A CPU driver that makes one load of a load at a subgroup-uniform address (lavapipe
    // of Mesa 26; 22.3 and SwiftShader do not), with shaderInt64.
    NEED_broadcast = 1 << 2 | NEED_int64,
    // The same, and weights of f32: unpacking 16-bit ones is vector work only where lanes
    // own weights.
    NEED_columns = 1 << 4 | NEED_broadcast,
    // Subgroup arithmetic in compute; subgroups have subgroup_size lanes, no more, no less.
    NEED_subgroup = 1 << 3,
    NEED_eight = 1 << 5 | NEED_broadcast | NEED_subgroup, // subgroups of 8 lanes that have ballots
    NEED_gpu_int64 = NEED_gpu | NEED_int64,
};

struct pipeline_store; // kernel.c
struct memory_store;   // memory.c
struct fit;            // fit.h

struct vkmoe_device {
    struct vkmoe_log log;
    struct vkmoe_device_info info;
    struct vk_instance_table instance_vk;
    struct vk_device_table vk;
    VkInstance instance;
    VkPhysicalDevice physical_device;
    VkDevice device;
    VkQueue queue;
    uint32_t queue_family;
    uint32_t timestamp_bits; // 0: the queue has no timestamps
    float timestamp_period_ns;
    bool owned;              // instance and device are ours to destroy
    bool capture_statistics; // pipelines keep what VK_KHR_pipeline_executable_properties tells
    PFN_vkGetInstanceProcAddr get_instance_proc_addr;
    VkDebugUtilsMessengerEXT debug_messenger; // when validating
    atomic_bool lost; // VK_ERROR_DEVICE_LOST was seen: nothing is submitted any more

    uint32_t needs;           // mask of enum need that it satisfies
    bool is_cpu;              // a software driver: kernels take CPU shapes
    bool packs_on_host;       // weights are packed by the host, which is faster at it (pack.c)
    bool ends_loops;          // all of an invocation, after 65535 iterations, without a word
    uint32_t subgroup_size;   // the size kernels run with
    bool fixed_subgroup_size; // it must be required explicitly (sizes vary)
    bool full_subgroups;      // computeFullSubgroups is enabled
    uint32_t max_groups;      // per dimension, at most 65535
    uint64_t max_buffer_size; // of one VkBuffer and its memory
    uint8_t cache_uuid[VK_UUID_SIZE]; // pipelineCacheUUID
    VkPhysicalDeviceLimits limits;
    VkPhysicalDeviceMemoryProperties memory;

    void (*lock_queue)(void *user); // NULL: the caller does not share the queue
    void (*unlock_queue)(void *user);
    void *queue_user;
    pthread_mutex_t queue_mutex; // serialises our own streams' submits

    struct memory_store *memory_store;
    struct pipeline_store *pipelines;
    bool memory_budget;                 // the driver has VK_EXT_memory_budget
    atomic_uint_least64_t scratch_size; // a stream has so much, for networks that come as well
    struct fit *fit; // not NULL: nothing but a trial of what to create, see fit.h
};

// Where what concerns the device is said; NULL for NULL.
static inline const struct vkmoe_log *device_log(const vkmoe_device *device)
{
    return device ? &device->log : NULL;
}

// vkmoe_device_create() with what only tests ask for: `capture_statistics` lets
// vkGetPipelineExecutableStatisticsKHR work on every pipeline, where the driver can.
enum vkmoe_status vkmoe_device_create_for(
    const struct vkmoe_device_params *params, bool capture_statistics, vkmoe_device **out);

// vkQueueSubmit2 under the queue's locks. DEVICE_LOST is remembered.
enum vkmoe_status vkmoe_device_submit(vkmoe_device *device, const VkSubmitInfo2 *submit);

// Waits for a timeline semaphore; UINT64_MAX waits as long as it takes. TIMEOUT is
// not logged, DEVICE_LOST is remembered.
enum vkmoe_status vkmoe_device_wait(
    vkmoe_device *device, VkSemaphore timeline, uint64_t value, uint64_t timeout_ns);

// The same for those who are about to free what the work uses and cannot report a failure:
// tries again, by other means too, until the work is done or the device is lost. Logs nothing.
void vkmoe_device_settle(vkmoe_device *device, VkSemaphore timeline, uint64_t value);

// DEVICE_LOST, with a line in the name of `function`, once the device is.
enum vkmoe_status vkmoe_device_check(const vkmoe_device *device, const char *function);

#endif
