// slots.c - see slots.h.
#include "device/slots.h"

#include "base/try.h"

static enum vkmoe_status read_timestamps(
    vkmoe_device *device, const struct slot *slot, struct times *times)
{
    enum vkmoe_status status;
    times->valid = 0;
    for (uint32_t i = 0; i < MAX_TIMESTAMPS; i++) {
        if (!(slot->timestamps >> i & 1))
            continue;
        VK_TRY(&device->gpu,
            GetQueryPoolResults(device->gpu.handle, slot->queries, i, 1, sizeof times->ticks[i],
                &times->ticks[i], sizeof times->ticks[i],
                VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
        times->valid |= (uint64_t)1 << i;
    }
    times->value = slot->value;
    return VKMOE_OK;
fail:
    times->valid = 0;
    if (status == VKMOE_ERROR_DEVICE_LOST)
        atomic_store(&device->gpu.lost, true);
    return status;
}

enum vkmoe_status vkmoe_slots_collect(
    vkmoe_device *device, struct slots *slots, uint64_t done, struct times *times)
{
    for (uint32_t i = 0; i < slots->count; i++) {
        struct slot *slot = &slots->list[i];
        if (!slot->value || slot->value > done)
            continue;
        if (slot->timestamps && slot->value > times->value)
            TRY_RETURN(read_timestamps(device, slot, times));
        slot->value = 0;
    }
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_slots_find(
    vkmoe_device *device, struct slots *slots, struct slot **out, uint64_t *oldest)
{
    *out = NULL;
    *oldest = UINT64_MAX;
    for (uint32_t i = 0; i < slots->count; i++) {
        struct slot *slot = &slots->list[i];
        if (slot->value < *oldest)
            *oldest = slot->value;
        if (!slot->value) {
            *out = slot;
            return VKMOE_OK;
        }
    }
    if (slots->count == MAX_SLOTS)
        return VKMOE_OK;
    struct slot *added = &slots->list[slots->count];
    TRY_RETURN(vkmoe_queue_create_commands(
        &device->queue, VK_COMMAND_POOL_CREATE_TRANSIENT_BIT, 1, &added->pool, &added->commands));
    slots->count++;
    *out = added;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_slot_create_queries(vkmoe_device *device, struct slot *slot)
{
    enum vkmoe_status status = VKMOE_OK;
    if (slot->queries)
        return VKMOE_OK;
    VK_TRY(&device->gpu,
        CreateQueryPool(device->gpu.handle,
            &(VkQueryPoolCreateInfo){
                .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                .queryType = VK_QUERY_TYPE_TIMESTAMP,
                .queryCount = MAX_TIMESTAMPS,
            },
            NULL, &slot->queries));
    return VKMOE_OK;
fail:
    return status;
}

enum vkmoe_status vkmoe_slot_encode(vkmoe_device *device, struct slot *slot,
    const struct stage_barrier *first, const struct commands *list,
    const struct stage_barrier *last, uint64_t timestamps)
{
    enum vkmoe_status status;
    VK_TRY(&device->gpu, ResetCommandPool(device->gpu.handle, slot->pool, 0));
    VK_TRY(&device->gpu,
        BeginCommandBuffer(slot->commands,
            &(VkCommandBufferBeginInfo){
                .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, // vkmoe_stream_repeat()
            }));
    if (timestamps)
        device->gpu.vk.CmdResetQueryPool(slot->commands, slot->queries, 0, MAX_TIMESTAMPS);
    vkmoe_barrier_emit(first, device, slot->commands);
    vkmoe_commands_emit(list, device, slot->commands, slot->queries);
    vkmoe_barrier_emit(last, device, slot->commands);
    VK_TRY(&device->gpu, EndCommandBuffer(slot->commands));
    slot->timestamps = timestamps;
    return VKMOE_OK;
fail:
    return status;
}

void vkmoe_slots_finish(vkmoe_device *device, struct slots *slots)
{
    for (uint32_t i = 0; i < slots->count; i++) {
        if (slots->list[i].queries)
            device->gpu.vk.DestroyQueryPool(device->gpu.handle, slots->list[i].queries, NULL);
        if (slots->list[i].pool)
            device->gpu.vk.DestroyCommandPool(device->gpu.handle, slots->list[i].pool, NULL);
    }
    slots->count = 0;
}
