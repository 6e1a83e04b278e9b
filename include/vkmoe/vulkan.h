// vulkan.h - vkmoe for programs that have a Vulkan device of their own, such as games and
// applications that draw: the library uses the program's device and queue, reads and writes its
// memory, waits for its semaphores, and records into its command buffers.
//
//     vkmoe_device_adopt()          once, after vkCreateDevice()
//     vkmoe_stream_reserve()        once, for the largest forward
//
//     vkmoe_stream_record_begin()   each frame, between vkBeginCommandBuffer() and
//     vkmoe_moe_forward() ...       vkEndCommandBuffer(): no submit, no wait, no allocation of
//     vkmoe_stream_record_end()     device memory
//
// The library calls no Vulkan function but through the pointers that it gets from
// vkGetInstanceProcAddr(), so programs with a loader of their own, such as volk, can use it. The
// rules of vkmoe.h hold.
#ifndef VKMOE_VULKAN_H
#define VKMOE_VULKAN_H

#include <vulkan/vulkan.h>

#include <vkmoe/vkmoe.h>

#ifdef __cplusplus
extern "C" {
#endif

// ------------------------------------------------------------------------- device

// A device that the program made and keeps, in an instance whose apiVersion is at least Vulkan
// 1.3. The handles must outlive the vkmoe_device.
struct vkmoe_adopt_params {
    uint32_t struct_size;                             // VKMOE_INIT()
    struct vkmoe_log log;                             // as in vkmoe_device_params
    PFN_vkGetInstanceProcAddr get_instance_proc_addr; // NULL: that of the system's loader
    VkInstance instance;
    VkPhysicalDevice physical_device;
    VkDevice device;
    VkQueue queue; // of a family that has compute
    uint32_t queue_family;
    // What is enabled: the feature chain and the extensions as vkCreateDevice() got them. A
    // program that used pEnabledFeatures puts these at the head of the chain. A feature may be in
    // a struct of its own or in that of its Vulkan version; unknown structs are ignored. Read
    // during the call only.
    const VkPhysicalDeviceFeatures2 *features;
    const char *const *extensions;
    uint32_t extension_count;
    // Called before and after every use of `queue`, for programs that use it from another thread.
    // Both or neither.
    void (*lock_queue)(void *user);
    void (*unlock_queue)(void *user);
    void *queue_user;
    const void *cache; // as in vkmoe_device_params
    size_t cache_size;
    bool no_self_test; // as in vkmoe_device_params
};

// Required are the features bufferDeviceAddress, timelineSemaphore and synchronization2:
// UNSUPPORTED names the one that is not enabled. Optional ones are used if they are enabled:
// shaderInt64, subgroupSizeControl, computeFullSubgroups, maintenance4, shaderIntegerDotProduct;
// and, all of these together and with the first three, cooperativeMatrix, shaderFloat16,
// storageBuffer16BitAccess, vulkanMemoryModel and vulkanMemoryModelDeviceScope; and with these and
// maintenance4, of VK_NV_cooperative_matrix2, cooperativeMatrixFlexibleDimensions,
// cooperativeMatrixPerElementOperations and, where the device has it,
// cooperativeMatrixWorkgroupScope. INVALID if a feature is said to be enabled that the physical
// device lacks, or vulkanMemoryModel without the one after it.
VKMOE_API enum vkmoe_status vkmoe_device_adopt(
    const struct vkmoe_adopt_params *params, vkmoe_device **out);

// ------------------------------------------------------------------------- buffer

// A range of the program's device memory as a buffer: `address` is from
// vkGetBufferDeviceAddress() or beyond it, and a multiple of 4. The memory must outlive the
// buffer. vkmoe_buffer_upload() and _download() refuse it.
VKMOE_API enum vkmoe_status vkmoe_buffer_wrap(
    vkmoe_device *device, VkDeviceAddress address, uint64_t size, vkmoe_buffer **out);

// Where a buffer begins, for shaders of the program.
VKMOE_API VkDeviceAddress vkmoe_buffer_address(const vkmoe_buffer *buffer);

// ------------------------------------------------------------------------- stream

// An entry of vkmoe_submit_params.waits or .signals: a timeline semaphore of the adopted device,
// and the value to wait for or to set.
struct vkmoe_semaphore {
    VkSemaphore semaphore;
    uint64_t value;
};

// From now on the stream records into `commands`, until vkmoe_stream_record_end(). It must be in
// the recording state, outside a render pass, and of the adopted device. INVALID if the stream
// has work that was not submitted, or records into a command buffer already.
//
// The stream neither submits, waits nor allocates device memory meanwhile; a forward that needs
// more scratch than vkmoe_stream_reserve() made fails with OUT_OF_MEMORY. A forward that is the
// first of its kind compiles pipelines and takes host memory.
//
// Each function that records appends its commands just before it returns success. The first
// begins with a barrier that makes all earlier writes visible to it. All command buffers that
// one stream recorded share its scratch: the device must execute them one after the other.
VKMOE_API enum vkmoe_status vkmoe_stream_record_begin(
    vkmoe_stream *stream, VkCommandBuffer commands);

// Appends a barrier that makes all writes of the recorded work visible to later commands, and
// has the stream record for vkmoe_stream_submit() again. INVALID without a
// vkmoe_stream_record_begin().
VKMOE_API enum vkmoe_status vkmoe_stream_record_end(vkmoe_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
