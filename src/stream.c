// stream.c - command buffers, barriers, scratch memory, submits and timestamps.
#include "stream.h"

#include "common.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SLOTS 32
#define MAX_TIMESTAMPS 64
#define MAX_UPDATE 65536u // vkCmdUpdateBuffer's limit

// One of the stream's own command buffers.
struct slot {
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkQueryPool queries;  // made with the first timestamp
    uint64_t timestamps;  // mask of those recorded
    uint64_t value;       // of the timeline when it is done; 0: idle
};

struct retired { // scratch that was replaced while work still used it
    struct retired *next;
    vkmoe_buffer *buffer;
    uint64_t value;
};

struct vkmoe_stream {
    vkmoe_device *device;
    VkSemaphore timeline;
    uint64_t value;            // last submitted
    struct slot slots[MAX_SLOTS];
    uint32_t slot_count;
    struct slot *own;          // being recorded, NULL: none
    bool ended;                // `own` is complete, but the submit failed
    struct slot *last;         // of the last submit, until something is recorded; NULL: none
    uint64_t last_value;       // of the timeline when that was done for the first time
    VkCommandBuffer external;  // the caller's, NULL: own mode
    bool external_started;     // its leading barrier is recorded
    vkmoe_buffer *scratch;
    struct retired *retired;
    vkmoe_buffer *counters;
    uint64_t dispatches;
    VkSemaphoreSubmitInfo *semaphores; // room for a submit's
    uint32_t semaphore_capacity;
    uint64_t times[MAX_TIMESTAMPS], times_valid, times_value;
    bool profile;
    uint32_t profiled_count;
    enum kernel profiled[MAX_TIMESTAMPS - 1];
};

vkmoe_device *vkmoe_stream_device(const vkmoe_stream *stream)
{
    return stream->device;
}

uint64_t vkmoe_stream_counters(const vkmoe_stream *stream)
{
    return stream->counters->address;
}

uint64_t vkmoe_stream_dispatch_count(const vkmoe_stream *stream)
{
    return stream->dispatches;
}

enum vkmoe_status vkmoe_stream_create(vkmoe_device *device, vkmoe_stream **out)
{
    if (!out)
        return VKMOE_ERROR_INVALID;
    *out = NULL;
    if (!device)
        return VKMOE_ERROR_INVALID;
    vkmoe_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    stream->device = device;
    enum vkmoe_status status = vkmoe_buffer_create(device, STREAM_COUNTERS * sizeof(uint32_t),
        &stream->counters);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_clear(stream->counters, 0, STREAM_COUNTERS * sizeof(uint32_t));
    if (status != VKMOE_OK)
        goto fail;
    VK_TRY(device, CreateSemaphore(device->device, &(VkSemaphoreCreateInfo){
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext = &(VkSemaphoreTypeCreateInfo){
            .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
            .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
        },
    }, NULL, &stream->timeline));
    *out = stream;
    return VKMOE_OK;
fail:
    vkmoe_stream_destroy(&stream);
    return status;
}

void vkmoe_stream_destroy(vkmoe_stream **address)
{
    if (!address || !*address)
        return;
    vkmoe_stream *stream = *address;
    vkmoe_device *device = stream->device;
    *address = NULL;
    if (stream->value)
        vkmoe_device_wait(device, stream->timeline, stream->value, UINT64_MAX);
    for (uint32_t i = 0; i < stream->slot_count; i++) {
        if (stream->slots[i].queries)
            device->vk.DestroyQueryPool(device->device, stream->slots[i].queries, NULL);
        if (stream->slots[i].pool)
            device->vk.DestroyCommandPool(device->device, stream->slots[i].pool, NULL);
    }
    if (stream->timeline)
        device->vk.DestroySemaphore(device->device, stream->timeline, NULL);
    while (stream->retired) {
        struct retired *retired = stream->retired;
        stream->retired = retired->next;
        vkmoe_buffer_destroy(&retired->buffer);
        free(retired);
    }
    vkmoe_buffer_destroy(&stream->scratch);
    vkmoe_buffer_destroy(&stream->counters);
    free(stream->semaphores);
    free(stream);
}

// --------------------------------------------------------------------- completion

static void read_timestamps(vkmoe_stream *stream, const struct slot *slot)
{
    vkmoe_device *device = stream->device;
    stream->times_value = slot->value;
    stream->times_valid = 0;
    for (uint32_t i = 0; i < MAX_TIMESTAMPS; i++) {
        if (!(slot->timestamps >> i & 1))
            continue;
        VkResult result = device->vk.GetQueryPoolResults(device->device, slot->queries, i, 1,
            sizeof stream->times[i], &stream->times[i], sizeof stream->times[i],
            VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
        if (result == VK_SUCCESS)
            stream->times_valid |= (uint64_t)1 << i;
    }
}

// Takes note of what has finished: slots become idle, and scratch is freed that was retired,
// unless it was in use since what can be repeated was submitted.
static enum vkmoe_status collect(vkmoe_stream *stream)
{
    vkmoe_device *device = stream->device;
    enum vkmoe_status status;
    uint64_t done = 0;
    if (!stream->value)
        return VKMOE_OK;
    VK_TRY(device, GetSemaphoreCounterValue(device->device, stream->timeline, &done));
    for (uint32_t i = 0; i < stream->slot_count; i++) {
        struct slot *slot = &stream->slots[i];
        if (!slot->value || slot->value > done)
            continue;
        if (slot->timestamps && slot->value > stream->times_value)
            read_timestamps(stream, slot);
        slot->value = 0;
    }
    for (struct retired **link = &stream->retired; *link;) {
        struct retired *retired = *link;
        if (retired->value > done || (stream->last && retired->value >= stream->last_value)) {
            link = &retired->next;
            continue;
        }
        *link = retired->next;
        vkmoe_buffer_destroy(&retired->buffer);
        free(retired);
    }
    return VKMOE_OK;
fail:
    if (status == VKMOE_ERROR_DEVICE_LOST)
        atomic_store(&device->lost, true);
    return status;
}

enum vkmoe_status vkmoe_stream_wait(vkmoe_stream *stream, uint64_t timeout_ns)
{
    if (!stream)
        return VKMOE_ERROR_INVALID;
    if (!stream->value)
        return atomic_load(&stream->device->lost) ? VKMOE_ERROR_DEVICE_LOST : VKMOE_OK;
    enum vkmoe_status status = vkmoe_device_wait(stream->device, stream->timeline, stream->value,
        timeout_ns);
    return status == VKMOE_OK ? collect(stream) : status;
}

// ---------------------------------------------------------------------- recording

static void barrier(vkmoe_device *device, VkCommandBuffer commands, VkPipelineStageFlags2 from,
    VkAccessFlags2 written, VkPipelineStageFlags2 to, VkAccessFlags2 used)
{
    device->vk.CmdPipelineBarrier2(commands, &(VkDependencyInfo){
        .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
        .memoryBarrierCount = 1,
        .pMemoryBarriers = &(VkMemoryBarrier2){
            .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
            .srcStageMask = from,
            .srcAccessMask = written,
            .dstStageMask = to,
            .dstAccessMask = used,
        },
    });
}

#define KERNEL_STAGES                                                   \
    (VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_2_DRAW_INDIRECT_BIT)
#define KERNEL_ACCESS                                                   \
    (VK_ACCESS_2_SHADER_READ_BIT | VK_ACCESS_2_SHADER_WRITE_BIT         \
        | VK_ACCESS_2_INDIRECT_COMMAND_READ_BIT)

// Whatever ran before, in this command buffer or an earlier one, is done and visible.
static void leading_barrier(vkmoe_device *device, VkCommandBuffer commands)
{
    barrier(device, commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, VK_ACCESS_2_MEMORY_WRITE_BIT,
        KERNEL_STAGES, KERNEL_ACCESS);
}

// What the kernels wrote is visible to all that follows, and to the host.
static void trailing_barrier(vkmoe_device *device, VkCommandBuffer commands)
{
    barrier(device, commands, VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT, VK_ACCESS_2_SHADER_WRITE_BIT,
        VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_2_HOST_BIT,
        VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT | VK_ACCESS_2_HOST_READ_BIT);
}

static enum vkmoe_status create_slot(vkmoe_device *device, struct slot *slot)
{
    enum vkmoe_status status;
    VK_TRY(device, CreateCommandPool(device->device, &(VkCommandPoolCreateInfo){
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = device->queue_family,
    }, NULL, &slot->pool));
    VK_TRY(device, AllocateCommandBuffers(device->device, &(VkCommandBufferAllocateInfo){
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = slot->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    }, &slot->commands));
    return VKMOE_OK;
fail:
    if (slot->pool)
        device->vk.DestroyCommandPool(device->device, slot->pool, NULL);
    *slot = (struct slot){0};
    return status;
}

// An idle slot: an old one, a new one, or the oldest once it is done.
static enum vkmoe_status find_slot(vkmoe_stream *stream, struct slot **out)
{
    enum vkmoe_status status = collect(stream);
    if (status != VKMOE_OK)
        return status;
    struct slot *oldest = NULL;
    for (uint32_t i = 0; i < stream->slot_count; i++)
        if (!oldest || stream->slots[i].value < oldest->value)
            oldest = &stream->slots[i];
    if (oldest && !oldest->value) {
        *out = oldest;
        return VKMOE_OK;
    }
    if (stream->slot_count < MAX_SLOTS) {
        *out = &stream->slots[stream->slot_count];
        status = create_slot(stream->device, *out);
        stream->slot_count += status == VKMOE_OK;
        return status;
    }
    status = vkmoe_device_wait(stream->device, stream->timeline, oldest->value, UINT64_MAX);
    *out = oldest;
    return status == VKMOE_OK ? collect(stream) : status;
}

// The command buffer to record into, ready for the first or the next command.
static enum vkmoe_status begin(vkmoe_stream *stream, VkCommandBuffer *out)
{
    vkmoe_device *device = stream->device;
    enum vkmoe_status status;
    struct slot *slot = stream->own;
    if (stream->external) {
        if (!stream->external_started)
            leading_barrier(device, stream->external);
        stream->external_started = true;
        *out = stream->external;
        return VKMOE_OK;
    }
    if (atomic_load(&device->lost))
        return VKMOE_ERROR_DEVICE_LOST;
    if (stream->ended)
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID,
            "the stream's last submit failed: expected vkmoe_stream_submit() again");
    if (!slot) {
        stream->last = NULL; // its command buffer may be taken, and its scratch go
        status = find_slot(stream, &slot);
        if (status != VKMOE_OK)
            goto fail;
        VK_TRY(device, ResetCommandPool(device->device, slot->pool, 0));
        VK_TRY(device, BeginCommandBuffer(slot->commands, &(VkCommandBufferBeginInfo){
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, // vkmoe_stream_repeat()
        }));
        slot->timestamps = 0;
        stream->profiled_count = 0;
        leading_barrier(device, slot->commands);
        stream->own = slot;
    }
    *out = slot->commands;
    return VKMOE_OK;
fail:
    return status;
}

static void record_groups(vkmoe_stream *stream, VkCommandBuffer commands, const struct dispatch *d)
{
    vkmoe_device *device = stream->device;
    if (d->indirect) {
        device->vk.CmdDispatchIndirect(commands, d->indirect->handle,
            d->indirect->offset + d->indirect_offset);
        return;
    }
    // As square as need be: few groups are left over for lib/grid.glsl to turn away.
    uint32_t y = div_up(d->groups, device->max_groups);
    device->vk.CmdDispatch(commands, div_up(d->groups, y), y, 1);
}

static enum vkmoe_status check_dispatch(vkmoe_stream *stream, const struct dispatch *d)
{
    vkmoe_device *device = stream->device;
    if (d->indirect && (!d->indirect->handle || d->indirect_offset % 4
            || d->indirect->size < sizeof(VkDispatchIndirectCommand)
            || d->indirect_offset > d->indirect->size - sizeof(VkDispatchIndirectCommand)))
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID,
            "indirect dispatch outside its buffer");
    if (!d->indirect && div_up(d->groups, device->max_groups) > device->max_groups)
        return vkmoe_fail(&device->log, VKMOE_ERROR_UNSUPPORTED,
            "%u workgroups in one dispatch: %s allows %u x %u", d->groups, device->info.name,
            device->max_groups, device->max_groups);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_stream_dispatch(vkmoe_stream *stream, const struct dispatch *d)
{
    vkmoe_device *device = stream->device;
    VkCommandBuffer commands;
    VkPipeline pipeline;
    if (!d->groups && !d->indirect)
        return VKMOE_OK;
    const struct variant *variant = d->variant ? d->variant
        : vkmoe_kernel_choose(device, d->kernel, 0);
    enum vkmoe_status status = check_dispatch(stream, d);
    if (status == VKMOE_OK)
        status = vkmoe_pipeline_get(device, variant, d->spec, &pipeline);
    if (status == VKMOE_OK)
        status = begin(stream, &commands);
    if (status != VKMOE_OK)
        return status;
    if (stream->profile && !stream->profiled_count)
        status = vkmoe_stream_timestamp(stream, 0);
    device->vk.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    device->vk.CmdPushConstants(commands, vkmoe_pipeline_layout(device),
        VK_SHADER_STAGE_COMPUTE_BIT, 0, variant->push_size, d->push);
    stream->dispatches++;
    record_groups(stream, commands, d);
    if (status == VKMOE_OK && stream->profile && stream->profiled_count < MAX_TIMESTAMPS - 1) {
        stream->profiled[stream->profiled_count++] = variant->kernel;
        status = vkmoe_stream_timestamp(stream, stream->profiled_count);
    }
    return status;
}

enum vkmoe_status vkmoe_stream_barrier(vkmoe_stream *stream)
{
    VkCommandBuffer commands;
    enum vkmoe_status status = begin(stream, &commands);
    if (status == VKMOE_OK)
        barrier(stream->device, commands, VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
            VK_ACCESS_2_SHADER_READ_BIT | VK_ACCESS_2_SHADER_WRITE_BIT, KERNEL_STAGES,
            KERNEL_ACCESS);
    return status;
}

// Ready for a command that writes to the range, behind all dispatches before.
static enum vkmoe_status begin_transfer(vkmoe_stream *stream, const vkmoe_buffer *buffer,
    uint64_t offset, uint64_t size, VkCommandBuffer *out)
{
    if (!buffer->handle || offset % 4 || size % 4 || !size || size > buffer->size
        || offset > buffer->size - size)
        return vkmoe_fail(&stream->device->log, VKMOE_ERROR_INVALID,
            "transfer of %llu bytes to %llu: expected multiples of 4, at least 4 bytes, inside a "
            "buffer of the library's", (unsigned long long)size, (unsigned long long)offset);
    const enum vkmoe_status status = begin(stream, out);
    if (status == VKMOE_OK)
        barrier(stream->device, *out, KERNEL_STAGES, KERNEL_ACCESS,
            VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT, VK_ACCESS_2_TRANSFER_WRITE_BIT);
    return status;
}

// What it wrote is visible to all dispatches after.
static void end_transfer(vkmoe_stream *stream, VkCommandBuffer commands)
{
    barrier(stream->device, commands, VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT,
        VK_ACCESS_2_TRANSFER_WRITE_BIT, KERNEL_STAGES, KERNEL_ACCESS);
}

enum vkmoe_status vkmoe_stream_update(vkmoe_stream *stream, const vkmoe_buffer *buffer,
    uint64_t offset, const void *data, uint64_t size)
{
    VkCommandBuffer commands;
    if (size > MAX_UPDATE)
        return vkmoe_fail(&stream->device->log, VKMOE_ERROR_INVALID,
            "update of %llu bytes: expected at most %u", (unsigned long long)size, MAX_UPDATE);
    const enum vkmoe_status status = begin_transfer(stream, buffer, offset, size, &commands);
    if (status != VKMOE_OK)
        return status;
    stream->device->vk.CmdUpdateBuffer(commands, buffer->handle, buffer->offset + offset, size,
        data);
    end_transfer(stream, commands);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_stream_fill(vkmoe_stream *stream, const vkmoe_buffer *buffer,
    uint64_t offset, uint64_t size, uint32_t value)
{
    VkCommandBuffer commands;
    const enum vkmoe_status status = begin_transfer(stream, buffer, offset, size, &commands);
    if (status != VKMOE_OK)
        return status;
    stream->device->vk.CmdFillBuffer(commands, buffer->handle, buffer->offset + offset, size,
        value);
    end_transfer(stream, commands);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_stream_record_into(vkmoe_stream *stream, VkCommandBuffer commands)
{
    if (!stream)
        return VKMOE_ERROR_INVALID;
    vkmoe_device *device = stream->device;
    if (commands && device->owned)
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID,
            "vkmoe_stream_record_into: expected a stream of an adopted device");
    if (stream->own)
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID,
            "vkmoe_stream_record_into: unsubmitted work is pending");
    if (stream->external && stream->external_started)
        trailing_barrier(device, stream->external);
    stream->external = commands;
    stream->external_started = false;
    return VKMOE_OK;
}

// ------------------------------------------------------------------------ scratch

static enum vkmoe_status grow_scratch(vkmoe_stream *stream, uint64_t size)
{
    vkmoe_device *device = stream->device;
    struct retired *retired = NULL;
    vkmoe_buffer *larger = NULL;
    if (stream->scratch && !(retired = calloc(1, sizeof *retired)))
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    enum vkmoe_status status = vkmoe_buffer_create(device, size, &larger);
    if (status != VKMOE_OK) {
        free(retired);
        return status;
    }
    if (retired) {
        *retired = (struct retired){
            .next = stream->retired,
            .buffer = stream->scratch,
            .value = stream->value + (stream->own != NULL),
        };
        stream->retired = retired;
    }
    stream->scratch = larger;
    return collect(stream);
}

enum vkmoe_status vkmoe_stream_scratch(vkmoe_stream *stream, uint64_t size,
    const vkmoe_buffer **out)
{
    enum vkmoe_status status = VKMOE_OK;
    *out = NULL;
    if (!stream->scratch || stream->scratch->size < size) {
        if (stream->external)
            return vkmoe_fail(&stream->device->log, VKMOE_ERROR_OUT_OF_MEMORY,
                "scratch of %llu bytes is needed, the stream has %llu: expected "
                "vkmoe_stream_reserve() before vkmoe_stream_record_into()",
                (unsigned long long)size,
                (unsigned long long)(stream->scratch ? stream->scratch->size : 0));
        status = grow_scratch(stream, size);
    }
    *out = stream->scratch;
    return status;
}

enum vkmoe_status vkmoe_stream_reserve(vkmoe_stream *stream, uint64_t scratch_size)
{
    const vkmoe_buffer *scratch;
    if (!stream)
        return VKMOE_ERROR_INVALID;
    if (stream->external)
        return vkmoe_fail(&stream->device->log, VKMOE_ERROR_INVALID,
            "vkmoe_stream_reserve: a command buffer of the caller is set");
    enum vkmoe_status status = vkmoe_stream_wait(stream, UINT64_MAX);
    return status == VKMOE_OK ? vkmoe_stream_scratch(stream, MAX(scratch_size, 1), &scratch)
        : status;
}

// ------------------------------------------------------------------------- submit

// Lays out the waits, then the signals, the last of which is the stream's own.
static enum vkmoe_status list_semaphores(vkmoe_stream *stream, const char *function,
    const struct vkmoe_submit_params *params)
{
    const struct vkmoe_log *log = &stream->device->log;
    const uint32_t count = params->wait_count + params->signal_count + 1;
    if ((params->wait_count && !params->waits) || (params->signal_count && !params->signals))
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: %s is NULL", function,
            params->wait_count && !params->waits ? "waits" : "signals");
    if (count > stream->semaphore_capacity) {
        VkSemaphoreSubmitInfo *larger = realloc(stream->semaphores, count * sizeof *larger);
        if (!larger)
            return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
        stream->semaphores = larger;
        stream->semaphore_capacity = count;
    }
    for (uint32_t i = 0; i < count - 1; i++) {
        const struct vkmoe_semaphore *given = i < params->wait_count ? &params->waits[i]
            : &params->signals[i - params->wait_count];
        VkSemaphore semaphore; // a pointer or a uint64_t, both of 8 bytes where it matters
        static_assert(sizeof semaphore == sizeof given->semaphore, "VkSemaphore is not 64 bits");
        memcpy(&semaphore, &given->semaphore, sizeof semaphore);
        if (!semaphore)
            return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: semaphore is 0", function);
        stream->semaphores[i] = (VkSemaphoreSubmitInfo){
            .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
            .semaphore = semaphore,
            .value = given->value,
            .stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
        };
    }
    stream->semaphores[count - 1] = (VkSemaphoreSubmitInfo){
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
        .semaphore = stream->timeline,
        .value = stream->value + 1,
        .stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
    };
    return VKMOE_OK;
}

// Between the semaphores listed; `slot` NULL: they are all there is.
static enum vkmoe_status submit_slot(vkmoe_stream *stream, struct slot *slot,
    const struct vkmoe_submit_params *params)
{
    enum vkmoe_status status = vkmoe_device_submit(stream->device, &(VkSubmitInfo2){
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
        .waitSemaphoreInfoCount = params->wait_count,
        .pWaitSemaphoreInfos = stream->semaphores,
        .commandBufferInfoCount = slot != NULL,
        .pCommandBufferInfos = &(VkCommandBufferSubmitInfo){
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
            .commandBuffer = slot ? slot->commands : NULL,
        },
        .signalSemaphoreInfoCount = params->signal_count + 1,
        .pSignalSemaphoreInfos = stream->semaphores + params->wait_count,
    });
    if (status != VKMOE_OK)
        return status;
    stream->value++;
    if (slot)
        slot->value = stream->value;
    return VKMOE_OK;
}

static const struct vkmoe_submit_params no_semaphores;

enum vkmoe_status vkmoe_stream_submit(vkmoe_stream *stream,
    const struct vkmoe_submit_params *params)
{
    if (!stream)
        return VKMOE_ERROR_INVALID;
    vkmoe_device *device = stream->device;
    struct slot *slot = stream->own;
    params = params ? params : &no_semaphores;
    if (stream->external)
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID,
            "vkmoe_stream_submit: a command buffer of the caller is set");
    enum vkmoe_status status = list_semaphores(stream, "vkmoe_stream_submit", params);
    if (status != VKMOE_OK)
        goto fail;
    if (slot && !stream->ended) {
        trailing_barrier(device, slot->commands);
        stream->own = NULL; // a command buffer that cannot be ended cannot be continued
        VK_TRY(device, EndCommandBuffer(slot->commands));
        stream->own = slot;
        stream->ended = true;
    }
    status = submit_slot(stream, slot, params);
    if (status != VKMOE_OK)
        goto fail;
    stream->own = NULL;
    stream->ended = false;
    stream->last = slot;
    stream->last_value = stream->value;
    return VKMOE_OK;
fail:
    return status;
}

enum vkmoe_status vkmoe_stream_repeat(vkmoe_stream *stream,
    const struct vkmoe_submit_params *params)
{
    if (!stream)
        return VKMOE_ERROR_INVALID;
    vkmoe_device *device = stream->device;
    params = params ? params : &no_semaphores;
    if (stream->external)
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID,
            "vkmoe_stream_repeat: a command buffer of the caller is set");
    if (!stream->last)
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID, "vkmoe_stream_repeat: %s",
            stream->own ? "unsubmitted work is pending"
                : "the last vkmoe_stream_submit() handed over nothing");
    // Nothing was submitted behind it; and its timestamps are read before they are reset.
    enum vkmoe_status status = vkmoe_stream_wait(stream, UINT64_MAX);
    if (status == VKMOE_OK)
        status = list_semaphores(stream, "vkmoe_stream_repeat", params);
    return status == VKMOE_OK ? submit_slot(stream, stream->last, params) : status;
}

// --------------------------------------------------------------------- timestamps

enum vkmoe_status vkmoe_stream_timestamp(vkmoe_stream *stream, uint32_t index)
{
    vkmoe_device *device = stream->device;
    VkCommandBuffer commands;
    enum vkmoe_status status;
    if (stream->external || index >= MAX_TIMESTAMPS)
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID,
            "timestamp %u: expected the stream's own mode and less than %d", index,
            MAX_TIMESTAMPS);
    if (!device->timestamp_bits)
        return VKMOE_OK;
    status = begin(stream, &commands);
    if (status != VKMOE_OK)
        goto fail;
    struct slot *slot = stream->own;
    if (slot->timestamps >> index & 1)
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID,
            "timestamp %u was already recorded since the last submit", index);
    if (!slot->queries)
        VK_TRY(device, CreateQueryPool(device->device, &(VkQueryPoolCreateInfo){
            .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
            .queryType = VK_QUERY_TYPE_TIMESTAMP,
            .queryCount = MAX_TIMESTAMPS,
        }, NULL, &slot->queries));
    if (!slot->timestamps)
        device->vk.CmdResetQueryPool(commands, slot->queries, 0, MAX_TIMESTAMPS);
    device->vk.CmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, slot->queries,
        index);
    slot->timestamps |= (uint64_t)1 << index;
    return VKMOE_OK;
fail:
    return status;
}

double vkmoe_stream_elapsed_ns(vkmoe_stream *stream, uint32_t from, uint32_t to)
{
    const vkmoe_device *device = stream->device;
    if (from >= MAX_TIMESTAMPS || to >= MAX_TIMESTAMPS || collect(stream) != VKMOE_OK)
        return -1;
    if (!(stream->times_valid >> from & 1) || !(stream->times_valid >> to & 1))
        return -1;
    uint64_t mask = device->timestamp_bits >= 64 ? UINT64_MAX
        : ((uint64_t)1 << device->timestamp_bits) - 1;
    uint64_t ticks = (stream->times[to] - stream->times[from]) & mask;
    return (double)ticks * (double)device->timestamp_period_ns;
}

void vkmoe_stream_profile(vkmoe_stream *stream, bool on)
{
    stream->profile = on;
}

enum kernel vkmoe_stream_profiled(const vkmoe_stream *stream, uint32_t index)
{
    return index < stream->profiled_count ? stream->profiled[index] : KERNEL_COUNT;
}
