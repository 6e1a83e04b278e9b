// commands.h - what a stream has recorded: a list in host memory whose pipelines and addresses
// are resolved, so that putting it into a command buffer cannot fail, and can be done again.
#ifndef VKMOE_COMMANDS_H
#define VKMOE_COMMANDS_H

#include "device/device.h"

// Begins as {0}. Its memory grows to the longest list there was and is kept.
struct commands {
    unsigned char *data;
    size_t size, capacity;
};

struct stage_barrier {
    VkPipelineStageFlags2 from;
    VkAccessFlags2 written;
    VkPipelineStageFlags2 to;
    VkAccessFlags2 used;
};

struct stage_dispatch {
    VkPipeline pipeline;
    uint32_t x, y;     // workgroups
    VkBuffer indirect; // not VK_NULL_HANDLE: VkDispatchIndirectCommand lies here
    VkDeviceSize indirect_offset;
    uint32_t push_size; // of what vkmoe_commands_dispatch() gets
};

// Append one command; false, and nothing changes, when there is no host memory.
bool vkmoe_commands_barrier(struct commands *commands, const struct stage_barrier *barrier);
bool vkmoe_commands_dispatch(
    struct commands *commands, const struct stage_dispatch *dispatch, const void *push);
bool vkmoe_commands_fill(struct commands *commands, VkBuffer buffer, VkDeviceSize offset,
    VkDeviceSize size, uint32_t value);
bool vkmoe_commands_update(struct commands *commands, VkBuffer buffer, VkDeviceSize offset,
    const void *data, VkDeviceSize size);
bool vkmoe_commands_timestamp(struct commands *commands, uint32_t index);

// Makes room for `size` more bytes of commands.
bool vkmoe_commands_reserve(struct commands *commands, size_t size);

// Puts all of them into `to`, timestamps by way of `queries`.
void vkmoe_commands_emit(const struct commands *commands, const vkmoe_device *device,
    VkCommandBuffer to, VkQueryPool queries);

// One barrier at once, which no list holds.
void vkmoe_barrier_emit(
    const struct stage_barrier *barrier, const vkmoe_device *device, VkCommandBuffer to);

void vkmoe_commands_finish(struct commands *commands);

#endif
