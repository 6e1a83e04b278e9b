// commands.c - see commands.h. Commands lie one behind another, each as its kind and the size
// of the whole, then its fields, then the bytes it carries.
#include "device/commands.h"

#include "base/common.h"
#include "device/pipelines.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4096

enum kind { BARRIER, DISPATCH, FILL, UPDATE, TIMESTAMP };

struct transfer_range {
    VkBuffer buffer;
    VkDeviceSize offset, size;
};

struct command {
    enum kind kind;
    uint32_t size; // with what it carries, a multiple of 8
    union {
        struct stage_barrier barrier;
        struct stage_dispatch dispatch; // carries the push constants
        struct {
            struct transfer_range range;
            uint32_t value;
        } fill;
        struct transfer_range update; // carries the data
        uint32_t timestamp;
    };
};

bool vkmoe_commands_reserve(struct commands *commands, size_t size)
{
    if (size <= commands->capacity - commands->size)
        return true;
    const size_t capacity = MAX(MAX(2 * commands->capacity, FIRST_CAPACITY), commands->size + size);
    unsigned char *larger = realloc(commands->data, capacity);
    if (!larger)
        return false;
    commands->data = larger;
    commands->capacity = capacity;
    return true;
}

static bool append(
    struct commands *commands, struct command command, const void *carried, size_t carried_size)
{
    command.size = (uint32_t)align_up(sizeof command + carried_size, 8);
    if (!vkmoe_commands_reserve(commands, command.size))
        return false;
    memcpy(commands->data + commands->size, &command, sizeof command);
    if (carried_size)
        memcpy(commands->data + commands->size + sizeof command, carried, carried_size);
    commands->size += command.size;
    return true;
}

bool vkmoe_commands_barrier(struct commands *commands, const struct stage_barrier *barrier)
{
    return append(commands, (struct command){ .kind = BARRIER, .barrier = *barrier }, NULL, 0);
}

bool vkmoe_commands_dispatch(
    struct commands *commands, const struct stage_dispatch *dispatch, const void *push)
{
    return append(commands, (struct command){ .kind = DISPATCH, .dispatch = *dispatch }, push,
        dispatch->push_size);
}

bool vkmoe_commands_fill(struct commands *commands, VkBuffer buffer, VkDeviceSize offset,
    VkDeviceSize size, uint32_t value)
{
    return append(commands,
        (struct command){ .kind = FILL, .fill = { { buffer, offset, size }, value } }, NULL, 0);
}

bool vkmoe_commands_update(struct commands *commands, VkBuffer buffer, VkDeviceSize offset,
    const void *data, VkDeviceSize size)
{
    return append(commands, (struct command){ .kind = UPDATE, .update = { buffer, offset, size } },
        data, (size_t)size);
}

bool vkmoe_commands_timestamp(struct commands *commands, uint32_t index)
{
    return append(commands, (struct command){ .kind = TIMESTAMP, .timestamp = index }, NULL, 0);
}

void vkmoe_commands_finish(struct commands *commands)
{
    free(commands->data);
    *commands = (struct commands){ 0 };
}

// --------------------------------------------------------------------------- emission

void vkmoe_barrier_emit(
    const struct stage_barrier *barrier, const vkmoe_device *device, VkCommandBuffer to)
{
    device->gpu.vk.CmdPipelineBarrier2(to,
        &(VkDependencyInfo){
            .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
            .memoryBarrierCount = 1,
            .pMemoryBarriers =
                &(VkMemoryBarrier2){
                    .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
                    .srcStageMask = barrier->from,
                    .srcAccessMask = barrier->written,
                    .dstStageMask = barrier->to,
                    .dstAccessMask = barrier->used,
                },
        });
}

static void emit_dispatch(const struct stage_dispatch *d, const void *push,
    const vkmoe_device *device, VkCommandBuffer to)
{
    device->gpu.vk.CmdBindPipeline(to, VK_PIPELINE_BIND_POINT_COMPUTE, d->pipeline);
    device->gpu.vk.CmdPushConstants(
        to, vkmoe_pipeline_layout(device), VK_SHADER_STAGE_COMPUTE_BIT, 0, d->push_size, push);
    if (d->indirect)
        device->gpu.vk.CmdDispatchIndirect(to, d->indirect, d->indirect_offset);
    else
        device->gpu.vk.CmdDispatch(to, d->x, d->y, 1);
}

void vkmoe_commands_emit(const struct commands *commands, const vkmoe_device *device,
    VkCommandBuffer to, VkQueryPool queries)
{
    for (size_t at = 0; at < commands->size;) {
        const void *carried = commands->data + at + sizeof(struct command);
        struct command c;
        memcpy(&c, commands->data + at, sizeof c);
        switch (c.kind) {
        case BARRIER: vkmoe_barrier_emit(&c.barrier, device, to); break;
        case DISPATCH: emit_dispatch(&c.dispatch, carried, device, to); break;
        case FILL:
            device->gpu.vk.CmdFillBuffer(
                to, c.fill.range.buffer, c.fill.range.offset, c.fill.range.size, c.fill.value);
            break;
        case UPDATE:
            device->gpu.vk.CmdUpdateBuffer(
                to, c.update.buffer, c.update.offset, c.update.size, carried);
            break;
        case TIMESTAMP:
            device->gpu.vk.CmdWriteTimestamp2(
                to, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, queries, c.timestamp);
            break;
        }
        at += c.size;
    }
}
