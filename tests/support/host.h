// host.h - a program with a Vulkan device of its own, as a game has one. It calls Vulkan
// by Vulkan's names, from volk or from libvulkan: the library must not be in the way.
#ifndef VKMOE_TESTS_HOST_H
#define VKMOE_TESTS_HOST_H

#ifdef HOST_VOLK
#include <volk.h>
#else
#include <vulkan/vulkan.h>
#endif

#include <stdbool.h>
#include <stdint.h>

#include <vkmoe/vulkan.h>

// In a function that is true if all went well.
#define TRY_VK(call) \
    do { \
        if ((call) != VK_SUCCESS) \
            return false; \
    } while (0)

// Features that the library can do without.
enum {
    HOST_INT64 = 1 << 0,
    HOST_SUBGROUP_SIZE = 1 << 1,
    HOST_FULL_SUBGROUPS = 1 << 2,
    HOST_MAINTENANCE4 = 1 << 3,
    HOST_F16_STORAGE = 1 << 4,
    HOST_F16_ARITHMETIC = 1 << 5,
    HOST_EXECUTABLE = 1 << 6, // pipelineExecutableInfo, of an extension
    HOST_MATRIX = 1 << 7,     // cooperativeMatrix, of an extension, and vulkanMemoryModel*
    HOST_INTEGER_DOT = 1 << 8,
    // Of another extension, which HOST_MATRIX comes with: what the library takes of its features,
    // and matrices of workgroups.
    HOST_FLEXIBLE = 1 << 9,
    HOST_MATRIX_GROUPS = 1 << 10,
    HOST_OPTIONAL = 11, // so many there are
};

// A chain for vkCreateDevice, as far as it is linked from `base`.
struct host_features {
    VkPhysicalDeviceFeatures2 base;
    VkPhysicalDeviceVulkan11Features v11;
    VkPhysicalDeviceVulkan12Features v12;
    VkPhysicalDeviceVulkan13Features v13;
    VkPhysicalDeviceBufferDeviceAddressFeatures address;
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline;
    VkPhysicalDeviceSynchronization2Features synchronization2;
    VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_size;
    VkPhysicalDeviceMaintenance4Features maintenance4;
    VkPhysicalDeviceShaderIntegerDotProductFeatures integer_dot;
    VkPhysicalDevice16BitStorageFeatures storage16;
    VkPhysicalDeviceShaderFloat16Int8Features float16;
    VkPhysicalDeviceVulkanMemoryModelFeatures memory_model;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executable;
    struct { // VkPhysicalDeviceCooperativeMatrixFeaturesKHR, which old headers do not have
        VkStructureType sType;
        void *pNext;
        VkBool32 cooperativeMatrix, cooperativeMatrixRobustBufferAccess;
    } matrix;
    struct { // VkPhysicalDeviceCooperativeMatrix2FeaturesNV, likewise
        VkStructureType sType;
        void *pNext;
        VkBool32 workgroup_scope, flexible_dimensions, reductions, conversions,
            per_element_operations, tensor_addressing, block_loads;
    } matrix_2;
};

// All that is required and the `optional` ones, in the structs of Vulkan's versions or, if
// `single`, each in its own. The struct must not move.
void host_features_init(struct host_features *features, bool single, uint32_t optional);

struct host {
    VkInstance instance;
    VkPhysicalDevice physical_device;
    VkDevice device;
    VkQueue queue;
    uint32_t queue_family;
    VkCommandPool pool;
    VkSemaphore timeline;
    struct host_features features; // enabled
    uint32_t optional;             // of these
    const char *extensions[4];     // enabled
    uint32_t extension_count;
    int locked; // the queue is, by the library
    uint32_t lock_count;
    VkDeviceMemory mapped[4]; // of its buffers
    uint32_t mapped_count;
};

// `all` enables all of the optional features that there are, otherwise the bare minimum.
bool host_init(struct host *host, bool all);
// Of the optional ones those in the mask, in the one or the other form.
bool host_init_with(struct host *host, bool single, uint32_t optional);
// The same in two steps: all but the device, and the device, with an `extension` that may be NULL.
bool host_find(struct host *host);
bool host_start(struct host *host, bool single, uint32_t optional, const char *extension);
void host_finish(struct host *host);

struct vkmoe_adopt_params host_adopt_params(struct host *host);

// The first type of those `allowed` that the host can see.
bool host_find_memory(const struct host *host, uint32_t allowed, uint32_t *index);

// Memory of the host's, visible to it, with a device address. There is room for four.
struct host_buffer {
    VkBuffer handle;
    VkDeviceMemory memory;
    uint64_t address;
    void *mapped;
};
bool host_buffer_init(struct host *host, struct host_buffer *buffer, uint64_t size);
void host_buffer_finish(struct host *host, struct host_buffer *buffer);

// After writing to the buffers, and before reading from them, whose memory need not be coherent.
// host_run() does both.
bool host_flush(struct host *host);
bool host_invalidate(struct host *host);

VkCommandBuffer host_begin(struct host *host);
// Ends, submits and waits.
bool host_run(struct host *host, VkCommandBuffer commands);

#endif
