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

#include <vkmoe/vkmoe.h>

struct host {
    VkInstance instance;
    VkPhysicalDevice physical_device;
    VkDevice device;
    VkQueue queue;
    uint32_t queue_family;
    VkCommandPool pool;
    VkSemaphore timeline;
    bool int64, subgroup_size_control; // enabled
    int locked;           // the queue is, by the library
    uint32_t lock_count;
    VkDeviceMemory mapped[4]; // of its buffers
    uint32_t mapped_count;
};

// `all` enables what vkmoe_adopt_params has a flag for, otherwise the bare minimum.
bool host_init(struct host *host, bool all);
void host_finish(struct host *host);

struct vkmoe_adopt_params host_adopt_params(struct host *host);

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
