// discrete.h - what the files of the layer share; layer.c says what the layer is.
#ifndef VKMOE_TESTS_DISCRETE_H
#define VKMOE_TESTS_DISCRETE_H

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan.h>
#include <vulkan/vk_layer.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "../support/named_function.h"

#define MAX_HEAPS 3
#define MAX_TYPES 4
#define MAX_FAMILIES 3

// ------------------------------------------------------------------------ settings

// The card that is played.
struct card {
    const char *name;
    VkPhysicalDeviceType type;
    VkMemoryHeap heaps[MAX_HEAPS];
    uint32_t heap_count;
    VkMemoryType types[MAX_TYPES];
    uint32_t type_count;
    VkQueueFlags families[MAX_FAMILIES];
    uint32_t family_count;
    VkDeviceSize atom; // nonCoherentAtomSize
    // 0 leaves what the driver says:
    VkDeviceSize max_allocation;  // maxMemoryAllocationSize
    VkDeviceSize max_allocations; // maxMemoryAllocationCount
    VkDeviceSize max_buffer;      // maxBufferSize
    VkDeviceSize max_range;       // maxStorageBufferRange
    VkDeviceSize max_groups;      // maxComputeWorkGroupCount, in each dimension
    VkDeviceSize others;          // of every heap, in use by other programs
};

// As the environment asks for it, read on first use.
const struct card *get_card(void);

// Tells on stderr what an application must not do, in words that tests/drivers.sh looks for.
void complain(const char *format, ...);

// ------------------------------------------------------------------- functions below

// clang-format off
#define INSTANCE_FUNCTIONS(F) \
    F(DestroyInstance) F(EnumerateDeviceExtensionProperties) \
    F(GetPhysicalDeviceProperties) F(GetPhysicalDeviceProperties2) \
    F(GetPhysicalDeviceMemoryProperties) F(GetPhysicalDeviceMemoryProperties2) \
    F(GetPhysicalDeviceQueueFamilyProperties) F(GetPhysicalDeviceQueueFamilyProperties2)

#define DEVICE_FUNCTIONS(F) \
    F(DestroyDevice) F(GetDeviceQueue) F(QueueSubmit) F(QueueSubmit2) F(QueueWaitIdle) \
    F(QueueBindSparse) F(CreateCommandPool) F(CreateBuffer) F(CmdDispatch) \
    F(GetBufferMemoryRequirements) F(GetBufferMemoryRequirements2) \
    F(GetDeviceBufferMemoryRequirements) F(GetImageMemoryRequirements) \
    F(GetImageMemoryRequirements2) F(GetDeviceImageMemoryRequirements) \
    F(AllocateMemory) F(FreeMemory) F(MapMemory) \
    F(QueueBeginDebugUtilsLabelEXT) F(QueueEndDebugUtilsLabelEXT) \
    F(QueueInsertDebugUtilsLabelEXT) F(SetDebugUtilsObjectNameEXT) F(SetDebugUtilsObjectTagEXT)
// clang-format on

struct instance_table {
#define F(name) PFN_vk##name name;
    INSTANCE_FUNCTIONS(F)
#undef F
};

struct device_table {
#define F(name) PFN_vk##name name;
    DEVICE_FUNCTIONS(F)
#undef F
};

// ------------------------------------------------------------------------- objects

// An element of a list, that is found by what the loader keeps in the first word of its handle
// and of the handles that are made of it: physical devices, or queues and command buffers.
struct linked {
    struct linked *next;
    void *key;
};

struct instance {
    struct linked linked; // first
    VkInstance handle;
    PFN_vkGetInstanceProcAddr get;
    struct instance_table next;
};

// What has been allocated counts for a physical device, over all devices made of it.
struct physical {
    struct physical *next_physical;
    VkPhysicalDevice handle;
    struct instance *instance;
    VkDeviceSize used[MAX_HEAPS];
    uint32_t allocations;
};

struct allocation {
    struct allocation *next_allocation;
    VkDeviceMemory handle;
    uint32_t type;
    VkDeviceSize size;
    char *real;   // where the driver has it
    char *shadow; // what the host sees of memory that is not coherent, else NULL
    bool mapped;
    VkDeviceSize map_offset, map_size;
};

// A dispatchable handle of ours, since the families share one queue of the driver's.
struct queue {
    void *loader_data; // first
    struct queue *next_queue;
    struct device *device;
    uint32_t family, index;
    VkDeviceQueueCreateFlags flags;
};

struct device {
    struct linked linked; // first
    VkDevice handle;
    PFN_vkGetDeviceProcAddr get;
    struct device_table next;
    struct physical *physical;
    uint32_t real_type; // of the driver's memory, for all of ours
    VkQueue real_queue;
    pthread_mutex_t queue_mutex;
    struct queue *queues;
    struct allocation *allocations;
};

extern pthread_mutex_t layer_mutex; // lists, and what has been allocated

struct physical *find_physical(VkPhysicalDevice handle);
struct device *find_device(const void *dispatchable); // VkDevice or VkCommandBuffer

// The function of ours for a name, NULL if it has none.
PFN_vkVoidFunction find_physical_function(const char *name);
PFN_vkVoidFunction find_memory_function(const char *name);
PFN_vkVoidFunction find_queue_function(const char *name);

// queue.c: the queues that a device was asked for, over one of the driver's.
bool create_queues(struct device *device, const VkDeviceCreateInfo *info,
    PFN_vkSetDeviceLoaderData set_loader_data);
void destroy_queues(struct device *device);

// memory.c: forgets what the application did not free.
void destroy_allocations(struct device *device);

#define COUNT(array) (sizeof(array) / sizeof *(array))

// What the layer has instead of Vulkan's functions of these names, and a function that finds it.
#define FIND_OURS(find, ...) \
    PFN_vkVoidFunction find(const char *name) \
    { \
        static const struct named_function list[] = { __VA_ARGS__ }; \
        return FIND_NAMED(list, name); \
    }

#endif
