// stream.c - what is recorded, and handed over: transactions, barriers, scratch memory, submits.
//
// Commands are kept as a list until nothing can fail any more: the end of a public call if they
// go into the caller's command buffer, the submit if they go into one of the stream's own.
#include "base/params.h"
#include "device/stream.h"

#include "base/common.h"
#include "base/try.h"
#include "device/commands.h"
#include "device/scratch_memory.h"
#include "device/slots.h"
#include "device/transfer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAX_UPDATE 65536u // vkCmdUpdateBuffer's limit

// What recording changes beside the list, and a transaction that fails puts back.
struct recorded {
    struct slot *own;    // what will take the list; NULL: nothing is recorded
    uint64_t timestamps; // mask of those in the list
    uint64_t dispatches; // since the stream was created
    uint32_t profiled_count;
    enum kernel profiled[MAX_TIMESTAMPS - 1];
};

struct vkmoe_stream {
    vkmoe_device *device;
    VkSemaphore timeline;
    uint64_t value; // last submitted
    struct slots slots;
    struct commands commands;    // not handed over yet
    struct recorded now, before; // `before` the transaction
    size_t size_before;          // of the list
    uint32_t depth;              // of transactions inside each other
    struct slot *last;           // of the last submit, until something is recorded; NULL: none
    uint64_t last_value;         // of the timeline when that was done for the first time
    VkCommandBuffer external;    // the caller's, NULL: own mode
    bool external_started;       // its leading barrier is recorded
    struct scratch_memory scratch;
    vkmoe_buffer *counters;
    VkSemaphoreSubmitInfo *semaphores; // room for a submit's
    uint32_t semaphore_capacity;
    struct times times;
    bool profile;
};

vkmoe_device *vkmoe_stream_device(const vkmoe_stream *stream)
{
    return stream ? stream->device : NULL;
}

enum vkmoe_status vkmoe_stream_check_device(const struct caller *caller, const vkmoe_stream *stream,
    const vkmoe_device *device, const char *what)
{
    return stream->device == device
        ? VKMOE_OK
        : vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "stream and %s are of two devices", what);
}

uint64_t vkmoe_stream_counters(const vkmoe_stream *stream)
{
    return stream->counters->range.address;
}

uint64_t vkmoe_stream_dispatch_count(const vkmoe_stream *stream)
{
    return stream->now.dispatches;
}

static enum vkmoe_status start(vkmoe_stream *stream)
{
    const uint64_t counters_size = STREAM_COUNTERS * sizeof(uint32_t);
    TRY_RETURN(vkmoe_buffer_create(stream->device, counters_size, &stream->counters));
    TRY_RETURN(vkmoe_buffer_clear(stream->counters, 0, counters_size));
    return stream->device->observer
        ? VKMOE_OK // and there is no queue
        : vkmoe_queue_create_timeline(&stream->device->queue, &stream->timeline);
}

enum vkmoe_status vkmoe_stream_create(vkmoe_device *device, vkmoe_stream **out)
{
    VKMOE_NEED(device_log(device), out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, device, "device");
    NEW_OR_RETURN(vkmoe_stream, stream, device_log(device), "");
    stream->device = device;
    TRY_UNDO(start(stream), vkmoe_stream_destroy(&stream));
    *out = stream;
    return VKMOE_OK;
}

void vkmoe_stream_destroy(vkmoe_stream **address)
{
    TAKE_OR_RETURN(vkmoe_stream, stream, address);
    vkmoe_device *device = stream->device;
    if (stream->value)
        vkmoe_queue_settle(&device->queue, stream->timeline, stream->value);
    vkmoe_slots_finish(device, &stream->slots);
    vkmoe_commands_finish(&stream->commands);
    if (stream->timeline)
        device->gpu.vk.DestroySemaphore(device->gpu.handle, stream->timeline, NULL);
    vkmoe_scratch_finish(&stream->scratch);
    vkmoe_buffer_destroy(&stream->counters);
    free(stream->semaphores);
    free(stream);
}

// --------------------------------------------------------------------- completion

// Takes note of what has finished, up to `waited` for certain: drivers without their GPU say that
// a wait is over and the counter is still 0. Slots become idle, and scratch is freed that was
// retired, unless it was in use since what can be repeated was submitted.
static enum vkmoe_status collect(vkmoe_stream *stream, uint64_t waited)
{
    vkmoe_device *device = stream->device;
    enum vkmoe_status status;
    uint64_t done = 0;
    if (!stream->value)
        return VKMOE_OK;
    VK_TRY(&device->gpu, GetSemaphoreCounterValue(device->gpu.handle, stream->timeline, &done));
    done = MAX(done, waited);
    TRY_RETURN(vkmoe_slots_collect(device, &stream->slots, done, &stream->times));
    vkmoe_scratch_collect(&stream->scratch, done, stream->last ? stream->last_value : UINT64_MAX);
    return VKMOE_OK;
fail:
    if (status == VKMOE_ERROR_DEVICE_LOST)
        atomic_store(&device->gpu.lost, true);
    return status;
}

enum vkmoe_status vkmoe_stream_wait(vkmoe_stream *stream, uint64_t timeout_ns)
{
    VKMOE_NEED(NULL, stream, "stream");
    if (!stream->value)
        return gpu_check(&stream->device->gpu, __func__);
    TRY_RETURN(
        vkmoe_queue_wait(&stream->device->queue, stream->timeline, stream->value, timeout_ns));
    return collect(stream, stream->value);
}

// ------------------------------------------------------------------- transactions

#define KERNEL_STAGES \
    (VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_2_DRAW_INDIRECT_BIT)
#define KERNEL_ACCESS \
    (VK_ACCESS_2_SHADER_READ_BIT | VK_ACCESS_2_SHADER_WRITE_BIT \
        | VK_ACCESS_2_INDIRECT_COMMAND_READ_BIT)

// Whatever ran before, in this command buffer or an earlier one, is done and visible.
static const struct stage_barrier leading = {
    VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
    VK_ACCESS_2_MEMORY_WRITE_BIT,
    KERNEL_STAGES,
    KERNEL_ACCESS,
};

// What the kernels wrote is visible to all that follows, and to the host.
static const struct stage_barrier trailing = {
    VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
    VK_ACCESS_2_SHADER_WRITE_BIT,
    VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_2_HOST_BIT,
    VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT | VK_ACCESS_2_HOST_READ_BIT,
};

void vkmoe_stream_begin(vkmoe_stream *stream)
{
    if (stream->depth++)
        return;
    stream->before = stream->now;
    stream->size_before = stream->commands.size;
}

enum vkmoe_status vkmoe_stream_end(vkmoe_stream *stream, enum vkmoe_status status)
{
    assert(stream->depth);
    if (--stream->depth)
        return status;
    if (status != VKMOE_OK) {
        stream->now = stream->before;
        stream->commands.size = stream->size_before;
        return status;
    }
    if (stream->external && stream->commands.size) {
        if (!stream->external_started)
            vkmoe_barrier_emit(&leading, stream->device, stream->external);
        stream->external_started = true;
        vkmoe_commands_emit(&stream->commands, stream->device, stream->external, VK_NULL_HANDLE);
        stream->commands.size = 0;
    }
    if (stream->now.own)
        stream->last = NULL; // its command buffer may be taken, and its scratch go
    return VKMOE_OK;
}

// An idle slot, if need be the oldest once it is done.
static enum vkmoe_status find_slot(vkmoe_stream *stream, struct slot **out)
{
    uint64_t oldest = 0;
    *out = NULL;
    TRY_RETURN(collect(stream, 0));
    TRY_RETURN(vkmoe_slots_find(stream->device, &stream->slots, out, &oldest));
    if (*out)
        return VKMOE_OK;
    TRY_RETURN(vkmoe_queue_wait(&stream->device->queue, stream->timeline, oldest, UINT64_MAX));
    TRY_RETURN(collect(stream, oldest));
    return vkmoe_slots_find(stream->device, &stream->slots, out, &oldest);
}

// Inside a transaction, before its commands: there is something to put them into.
static enum vkmoe_status prepare(vkmoe_stream *stream)
{
    enum vkmoe_status status = gpu_check(&stream->device->gpu, "recording");
    if (status != VKMOE_OK || stream->external || stream->now.own || stream->device->observer)
        return status;
    status = find_slot(stream, &stream->now.own);
    stream->now.timestamps = 0;
    stream->now.profiled_count = 0;
    return status;
}

static enum vkmoe_status appended(const vkmoe_stream *stream, bool has_memory)
{
    return has_memory ? VKMOE_OK
                      : vkmoe_fail(&stream->device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY,
                          "out of host memory for what is recorded");
}

// ---------------------------------------------------------------------- recording

static enum vkmoe_status check_dispatch(vkmoe_stream *stream, const struct dispatch *d)
{
    vkmoe_device *device = stream->device;
    if (d->indirect
        && (!d->indirect->range.handle || d->indirect_offset % 4
            || d->indirect->range.size < sizeof(VkDispatchIndirectCommand)
            || d->indirect_offset > d->indirect->range.size - sizeof(VkDispatchIndirectCommand)))
        return vkmoe_fail(
            &device->gpu.log, VKMOE_ERROR_INVALID, "indirect dispatch outside its buffer");
    if (!d->indirect && div_up(d->groups, device->max_groups) > device->max_groups)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_UNSUPPORTED,
            "%u workgroups in one dispatch: %s allows %u x %u", d->groups, device->gpu.info.name,
            device->max_groups, device->max_groups);
    return VKMOE_OK;
}

static enum vkmoe_status record_timestamp(vkmoe_stream *stream, uint32_t index)
{
    vkmoe_device *device = stream->device;
    if (stream->external || index >= MAX_TIMESTAMPS)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_INVALID,
            "timestamp %u: expected the stream's own mode and less than %d", index, MAX_TIMESTAMPS);
    if (!device->queue.timestamp_bits)
        return VKMOE_OK;
    TRY_RETURN(prepare(stream));
    if (stream->now.timestamps >> index & 1)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_INVALID,
            "timestamp %u was already recorded since the last submit", index);
    TRY_RETURN(vkmoe_slot_create_queries(device, stream->now.own));
    stream->now.timestamps |= (uint64_t)1 << index;
    return appended(stream, vkmoe_commands_timestamp(&stream->commands, index));
}

static enum vkmoe_status append_dispatch(vkmoe_stream *stream, const struct dispatch *d,
    const struct variant *variant, VkPipeline pipeline)
{
    // As square as need be: few groups are left over for lib/grid.glsl to turn away.
    const uint32_t y = div_up(d->groups, stream->device->max_groups);
    struct stage_dispatch dispatch = { .pipeline = pipeline, .push_size = variant->push_size };
    if (d->indirect) {
        dispatch.indirect = d->indirect->range.handle;
        dispatch.indirect_offset = d->indirect->range.offset + d->indirect_offset;
    } else {
        dispatch.x = div_up(d->groups, y);
        dispatch.y = y;
    }
    stream->now.dispatches++;
    return appended(stream, vkmoe_commands_dispatch(&stream->commands, &dispatch, d->push));
}

static enum vkmoe_status record_dispatch(vkmoe_stream *stream, const struct dispatch *d)
{
    vkmoe_device *device = stream->device;
    struct recorded *now = &stream->now;
    VkPipeline pipeline;
    const struct variant *variant =
        d->variant ? d->variant : vkmoe_kernel_choose(device, d->kernel);
    if (device->observer) {
        device->observer->dispatch(device->observer->user, variant, d);
        now->dispatches++;
        return VKMOE_OK;
    }
    TRY_RETURN(check_dispatch(stream, d));
    TRY_RETURN(vkmoe_pipeline_get(device, variant, d->spec, &pipeline));
    TRY_RETURN(prepare(stream));
    if (stream->profile && !now->profiled_count)
        TRY_RETURN(record_timestamp(stream, 0));
    TRY_RETURN(append_dispatch(stream, d, variant, pipeline));
    if (!stream->profile || now->profiled_count == MAX_TIMESTAMPS - 1)
        return VKMOE_OK;
    now->profiled[now->profiled_count++] = variant->kernel;
    return record_timestamp(stream, now->profiled_count);
}

enum vkmoe_status vkmoe_stream_dispatch(vkmoe_stream *stream, const struct dispatch *d)
{
    if (!d->groups && !d->indirect)
        return VKMOE_OK;
    vkmoe_stream_begin(stream);
    return vkmoe_stream_end(stream, record_dispatch(stream, d));
}

static enum vkmoe_status record_barrier(vkmoe_stream *stream, const struct stage_barrier *barrier)
{
    const struct observer *observer = stream->device->observer;
    if (observer) {
        observer->barrier(observer->user);
        return VKMOE_OK;
    }
    TRY_RETURN(prepare(stream));
    return appended(stream, vkmoe_commands_barrier(&stream->commands, barrier));
}

enum vkmoe_status vkmoe_stream_barrier(vkmoe_stream *stream)
{
    static const struct stage_barrier between = {
        VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
        VK_ACCESS_2_SHADER_READ_BIT | VK_ACCESS_2_SHADER_WRITE_BIT,
        KERNEL_STAGES,
        KERNEL_ACCESS,
    };
    vkmoe_stream_begin(stream);
    return vkmoe_stream_end(stream, record_barrier(stream, &between));
}

// Ready for a command that writes to the range, after all dispatches before.
static enum vkmoe_status begin_transfer(
    vkmoe_stream *stream, const vkmoe_buffer *buffer, uint64_t offset, uint64_t size)
{
    static const struct stage_barrier before = {
        KERNEL_STAGES,
        KERNEL_ACCESS,
        VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT,
        VK_ACCESS_2_TRANSFER_WRITE_BIT,
    };
    if ((!buffer->range.handle && !stream->device->observer) || offset % 4 || size % 4 || !size
        || size > buffer->range.size || offset > buffer->range.size - size)
        return vkmoe_fail(&stream->device->gpu.log, VKMOE_ERROR_INVALID,
            "transfer of %llu bytes to %llu: expected multiples of 4, at least 4 bytes, inside a "
            "buffer of the library's",
            (unsigned long long)size, (unsigned long long)offset);
    return record_barrier(stream, &before);
}

// What it wrote is visible to all dispatches after.
static enum vkmoe_status end_transfer(vkmoe_stream *stream)
{
    static const struct stage_barrier after = {
        VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT,
        VK_ACCESS_2_TRANSFER_WRITE_BIT,
        KERNEL_STAGES,
        KERNEL_ACCESS,
    };
    return record_barrier(stream, &after);
}

// Copies of `value` go to the range, or the bytes of `data` if that is not NULL.
static enum vkmoe_status record_transfer(vkmoe_stream *stream, const vkmoe_buffer *buffer,
    uint64_t offset, uint64_t size, const void *data, uint32_t value)
{
    struct commands *commands = &stream->commands;
    VkBuffer to = buffer->range.handle;
    const VkDeviceSize at = buffer->range.offset + offset;
    TRY_RETURN(begin_transfer(stream, buffer, offset, size));
    if (stream->device->observer)
        return end_transfer(stream);
    TRY_RETURN(appended(stream,
        data ? vkmoe_commands_update(commands, to, at, data, size)
             : vkmoe_commands_fill(commands, to, at, size, value)));
    return end_transfer(stream);
}

enum vkmoe_status vkmoe_stream_update(vkmoe_stream *stream, const vkmoe_buffer *buffer,
    uint64_t offset, const void *data, uint64_t size)
{
    if (size > MAX_UPDATE)
        return vkmoe_fail(&stream->device->gpu.log, VKMOE_ERROR_INVALID,
            "update of %llu bytes: expected at most %u", (unsigned long long)size, MAX_UPDATE);
    vkmoe_stream_begin(stream);
    return vkmoe_stream_end(stream, record_transfer(stream, buffer, offset, size, data, 0));
}

enum vkmoe_status vkmoe_stream_fill(vkmoe_stream *stream, const vkmoe_buffer *buffer,
    uint64_t offset, uint64_t size, uint32_t value)
{
    vkmoe_stream_begin(stream);
    return vkmoe_stream_end(stream, record_transfer(stream, buffer, offset, size, NULL, value));
}

enum vkmoe_status vkmoe_stream_record_begin(vkmoe_stream *stream, VkCommandBuffer commands)
{
    VKMOE_NEED(NULL, stream, "stream");
    const struct caller caller = { device_log(stream->device), __func__ };
    VKMOE_NEED(caller.log, commands, "commands");
    if (stream->device->owned)
        return vkmoe_refuse(&caller, VKMOE_ERROR_INVALID, "expected a stream of an adopted device");
    if (stream->external)
        return vkmoe_refuse(
            &caller, VKMOE_ERROR_INVALID, "the stream records into a command buffer already");
    if (stream->now.own)
        return vkmoe_refuse(&caller, VKMOE_ERROR_INVALID, "unsubmitted work is pending");
    stream->external = commands;
    stream->external_started = false;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_stream_record_end(vkmoe_stream *stream)
{
    VKMOE_NEED(NULL, stream, "stream");
    const vkmoe_device *device = stream->device;
    if (!stream->external)
        return vkmoe_fail(device_log(device), VKMOE_ERROR_INVALID,
            "vkmoe_stream_record_end: the stream records into no command buffer of the caller's");
    if (stream->external_started)
        vkmoe_barrier_emit(&trailing, device, stream->external);
    stream->external = VK_NULL_HANDLE;
    return VKMOE_OK;
}

// ------------------------------------------------------------------------ scratch

enum vkmoe_status vkmoe_stream_scratch(
    vkmoe_stream *stream, uint64_t size, const vkmoe_buffer **out)
{
    const uint64_t there = stream->scratch.buffer ? stream->scratch.buffer->range.size : 0;
    *out = NULL;
    if (there < size) {
        if (stream->external)
            return vkmoe_fail(&stream->device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY,
                "scratch of %llu bytes is needed, the stream has %llu: expected "
                "vkmoe_stream_reserve() before vkmoe_stream_record_begin()",
                (unsigned long long)size, (unsigned long long)there);
        TRY_RETURN(collect(stream, 0));
        TRY_RETURN(vkmoe_scratch_grow(
            &stream->scratch, stream->device, size, stream->value + (stream->now.own != NULL)));
    }
    *out = stream->scratch.buffer;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_stream_reserve(vkmoe_stream *stream, uint64_t scratch_size)
{
    const vkmoe_buffer *scratch;
    VKMOE_NEED(NULL, stream, "stream");
    if (stream->external)
        return vkmoe_fail(&stream->device->gpu.log, VKMOE_ERROR_INVALID,
            "vkmoe_stream_reserve: a command buffer of the caller is set");
    TRY_RETURN(vkmoe_stream_wait(stream, UINT64_MAX));
    return vkmoe_stream_scratch(stream, MAX(scratch_size, 1), &scratch);
}

// ------------------------------------------------------------------------- submit

// Lays out the waits, then the signals, the last of which is the stream's own.
static enum vkmoe_status list_semaphores(
    vkmoe_stream *stream, const char *function, const struct vkmoe_submit_params *params)
{
    const struct vkmoe_log *log = &stream->device->gpu.log;
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
        const struct vkmoe_semaphore *given =
            i < params->wait_count ? &params->waits[i] : &params->signals[i - params->wait_count];
        if (!given->semaphore)
            return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: semaphore is 0", function);
        stream->semaphores[i] = semaphore_at(given->semaphore, given->value);
    }
    stream->semaphores[count - 1] = semaphore_at(stream->timeline, stream->value + 1);
    return VKMOE_OK;
}

// Between the semaphores listed; `slot` NULL: they are all there is.
static enum vkmoe_status submit_slot(
    vkmoe_stream *stream, struct slot *slot, const struct vkmoe_submit_params *params)
{
    TRY_RETURN(vkmoe_queue_submit(&stream->device->queue,
        &(struct submission){
            .commands = slot ? slot->commands : VK_NULL_HANDLE,
            .waits = stream->semaphores,
            .wait_count = params->wait_count,
            .signals = stream->semaphores + params->wait_count,
            .signal_count = params->signal_count + 1,
        }));
    stream->value++;
    if (slot)
        slot->value = stream->value;
    return VKMOE_OK;
}

static const struct vkmoe_submit_params no_semaphores = { VKMOE_INIT(vkmoe_submit_params) };

enum vkmoe_status vkmoe_stream_submit(
    vkmoe_stream *stream, const struct vkmoe_submit_params *params)
{
    VKMOE_NEED(NULL, stream, "stream");
    vkmoe_device *device = stream->device;
    struct slot *slot = stream->now.own;
    params = params ? params : &no_semaphores;
    PARAMS_WHOLE(device_log(device), vkmoe_submit_params, params);
    if (stream->external)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_INVALID,
            "vkmoe_stream_submit: a command buffer of the caller is set");
    // After a failure the list is still there, for the next try.
    TRY_RETURN(list_semaphores(stream, "vkmoe_stream_submit", params));
    if (slot)
        TRY_RETURN(vkmoe_slot_encode(
            device, slot, &leading, &stream->commands, &trailing, stream->now.timestamps));
    TRY_RETURN(submit_slot(stream, slot, params));
    stream->commands.size = 0;
    stream->now.own = NULL;
    stream->last = slot;
    stream->last_value = stream->value;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_stream_repeat(
    vkmoe_stream *stream, const struct vkmoe_submit_params *params)
{
    VKMOE_NEED(NULL, stream, "stream");
    vkmoe_device *device = stream->device;
    params = params ? params : &no_semaphores;
    PARAMS_WHOLE(device_log(device), vkmoe_submit_params, params);
    if (stream->external)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_INVALID,
            "vkmoe_stream_repeat: a command buffer of the caller is set");
    if (!stream->last)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_INVALID, "vkmoe_stream_repeat: %s",
            stream->now.own ? "unsubmitted work is pending"
                            : "the last vkmoe_stream_submit() handed over nothing");
    // Nothing was submitted behind it; and its timestamps are read before they are reset.
    TRY_RETURN(vkmoe_stream_wait(stream, UINT64_MAX));
    TRY_RETURN(list_semaphores(stream, "vkmoe_stream_repeat", params));
    return submit_slot(stream, stream->last, params);
}

// --------------------------------------------------------------------- timestamps

enum vkmoe_status vkmoe_stream_timestamp(vkmoe_stream *stream, uint32_t index)
{
    vkmoe_stream_begin(stream);
    return vkmoe_stream_end(stream, record_timestamp(stream, index));
}

double vkmoe_stream_elapsed_ns(vkmoe_stream *stream, uint32_t from, uint32_t to)
{
    const vkmoe_device *device = stream->device;
    if (from >= MAX_TIMESTAMPS || to >= MAX_TIMESTAMPS || collect(stream, 0) != VKMOE_OK)
        return -1;
    if (!(stream->times.valid >> from & 1) || !(stream->times.valid >> to & 1))
        return -1;
    uint64_t mask = device->queue.timestamp_bits >= 64
        ? UINT64_MAX
        : ((uint64_t)1 << device->queue.timestamp_bits) - 1;
    uint64_t ticks = (stream->times.ticks[to] - stream->times.ticks[from]) & mask;
    return (double)ticks * (double)device->gpu.limits.timestampPeriod;
}

void vkmoe_stream_profile(vkmoe_stream *stream, bool on)
{
    stream->profile = on;
}

enum kernel vkmoe_stream_profiled(const vkmoe_stream *stream, uint32_t index)
{
    return index < stream->now.profiled_count ? stream->now.profiled[index] : KERNEL_COUNT;
}
