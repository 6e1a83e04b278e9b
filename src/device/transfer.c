// transfer.c - upload and download: directly where the host sees the memory, else
// through two staging buffers, of which one is copied while the other is filled.
#include "device/transfer.h"

#include "base/common.h"
#include "base/try.h"
#include "device/commands.h"
#include "device/fit_account.h"
#include "device/tuning.h"

#include <stdlib.h>
#include <string.h>

#define MIN_PIECE ((uint64_t)64 << 10)
#define SLOTS 2

struct slot {
    VkCommandBuffer commands;
    uint64_t value; // of the timeline when its last copy is done
};

struct transfer {
    pthread_mutex_t mutex; // held for a whole upload or download
    VkCommandPool pool;
    VkSemaphore timeline;
    uint64_t value; // last submitted
    struct slot slots[SLOTS];
    vkmoe_buffer *staging[2][SLOTS];         // [is download], made on first use
    uint64_t piece[2];                       // the size of each, 0: not yet made
    vkmoe_buffer *bounce[SLOTS];             // copies of uploads' staging for kernels, likewise
    uint32_t next;                           // slot of vkmoe_transfer_piece()
    bool lent[2][SLOTS], bounce_lent[SLOTS]; // a trial's: these are the real one's
};

enum vkmoe_status vkmoe_transfer_create(vkmoe_device *device, struct transfer **out)
{
    enum vkmoe_status status;
    struct transfer *t = *out = calloc(1, sizeof *t);
    VkCommandBuffer commands[SLOTS];
    if (!t)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    pthread_mutex_init(&t->mutex, NULL);
    TRY(vkmoe_queue_create_commands(&device->queue, VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        SLOTS, &t->pool, commands));
    for (int i = 0; i < SLOTS; i++)
        t->slots[i].commands = commands[i];
    TRY(vkmoe_queue_create_timeline(&device->queue, &t->timeline));
    return VKMOE_OK;
fail:
    vkmoe_transfer_destroy(device, out);
    return status;
}

void vkmoe_transfer_destroy(vkmoe_device *device, struct transfer **transfer)
{
    struct transfer *t = *transfer;
    if (!t)
        return;
    for (int i = 0; i < 2 * SLOTS; i++)
        if (!t->lent[i / SLOTS][i % SLOTS])
            vkmoe_buffer_destroy(&t->staging[i / SLOTS][i % SLOTS]);
    for (int i = 0; i < SLOTS; i++)
        if (!t->bounce_lent[i])
            vkmoe_buffer_destroy(&t->bounce[i]);
    if (t->timeline)
        device->gpu.vk.DestroySemaphore(device->gpu.handle, t->timeline, NULL);
    if (t->pool)
        device->gpu.vk.DestroyCommandPool(device->gpu.handle, t->pool, NULL);
    pthread_mutex_destroy(&t->mutex);
    free(t);
    *transfer = NULL;
}

// ------------------------------------------------------------- one slot, mutex held

static enum vkmoe_status wait_slot(vkmoe_device *device, struct transfer *t, struct slot *slot)
{
    return slot->value ? vkmoe_queue_wait(&device->queue, t->timeline, slot->value, UINT64_MAX)
                       : VKMOE_OK;
}

// Starts a slot once its last copy is done: a piece of another thread's loading may be at it.
static enum vkmoe_status begin(vkmoe_device *device, struct transfer *t, struct slot *slot)
{
    static const struct stage_barrier leading = {
        VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
        VK_ACCESS_2_MEMORY_WRITE_BIT,
        VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT | VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
        VK_ACCESS_2_TRANSFER_READ_BIT | VK_ACCESS_2_TRANSFER_WRITE_BIT | VK_ACCESS_2_SHADER_READ_BIT
            | VK_ACCESS_2_SHADER_WRITE_BIT,
    };
    TRY_RETURN(wait_slot(device, t, slot));
    enum vkmoe_status status;
    VK_TRY(&device->gpu, ResetCommandBuffer(slot->commands, 0)); // a failed one was not ended
    VK_TRY(&device->gpu,
        BeginCommandBuffer(slot->commands,
            &(VkCommandBufferBeginInfo){
                .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
            }));
    vkmoe_barrier_emit(&leading, device, slot->commands);
    return VKMOE_OK;
fail:
    return status;
}

static enum vkmoe_status submit(vkmoe_device *device, struct transfer *t, struct slot *slot)
{
    static const struct stage_barrier trailing = {
        VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT | VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
        VK_ACCESS_2_TRANSFER_WRITE_BIT | VK_ACCESS_2_SHADER_WRITE_BIT,
        VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_2_HOST_BIT,
        VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT | VK_ACCESS_2_HOST_READ_BIT,
    };
    const VkSemaphoreSubmitInfo done = semaphore_at(t->timeline, t->value + 1);
    enum vkmoe_status status;
    vkmoe_barrier_emit(&trailing, device, slot->commands);
    VK_TRY(&device->gpu, EndCommandBuffer(slot->commands));
    TRY(vkmoe_queue_submit(
        &device->queue, &(struct submission){ slot->commands, 0, 1, NULL, &done }));
    slot->value = ++t->value;
    return VKMOE_OK;
fail:
    return status;
}

static enum vkmoe_status copy(vkmoe_device *device, struct transfer *t, struct slot *slot,
    const vkmoe_buffer *from, uint64_t from_offset, const vkmoe_buffer *to, uint64_t to_offset,
    uint64_t size)
{
    TRY_RETURN(begin(device, t, slot));
    device->gpu.vk.CmdCopyBuffer(slot->commands, from->range.handle, to->range.handle, 1,
        &(VkBufferCopy){
            .srcOffset = from->range.offset + from_offset,
            .dstOffset = to->range.offset + to_offset,
            .size = size,
        });
    return submit(device, t, slot);
}

static uint64_t piece_size(const vkmoe_device *device)
{
    return vkmoe_tuning(device, TUNE_PIECE_SIZE);
}

// As large as there is memory for. OUT_OF_MEMORY is for the caller to report.
static enum vkmoe_status prepare_staging(vkmoe_device *device, struct transfer *t, bool download)
{
    const enum memory_kind kind = download ? MEMORY_DOWNLOAD : MEMORY_UPLOAD;
    enum vkmoe_status status = t->piece[download] ? VKMOE_OK : VKMOE_ERROR_OUT_OF_MEMORY;
    for (uint64_t size = piece_size(device); size >= MIN_PIECE && !t->piece[download]; size /= 2) {
        if (size > vkmoe_memory_max_size(&device->gpu))
            continue;
        status = VKMOE_OK;
        for (int i = 0; i < SLOTS && status == VKMOE_OK; i++)
            status = vkmoe_buffer_try_kind(device, kind, size, &t->staging[download][i]);
        if (status == VKMOE_OK)
            t->piece[download] = size;
        for (int i = 0; i < SLOTS && status != VKMOE_OK; i++)
            vkmoe_buffer_destroy(&t->staging[download][i]);
        if (status != VKMOE_OK && status != VKMOE_ERROR_OUT_OF_MEMORY)
            break;
    }
    return status;
}

// Where a kernel reads what is in an upload's staging: over the bus each byte is worth fetching
// once, and whole, so that a card with memory of its own has a copy there, unless that would be
// much of it.
static enum vkmoe_status prepare_bounce(vkmoe_device *device, struct transfer *t)
{
    const bool wanted = !gpu_is_unified(&device->gpu)
        && 16 * SLOTS * t->piece[false] <= device->gpu.info.memory_size;
    enum vkmoe_status status = VKMOE_OK;
    for (int i = 0; i < SLOTS && wanted && status == VKMOE_OK; i++)
        if (!t->bounce[i])
            status = vkmoe_buffer_try_kind(device, MEMORY_DEVICE, t->piece[false], &t->bounce[i]);
    return status == VKMOE_ERROR_OUT_OF_MEMORY ? VKMOE_OK : status;
}

static void record_bounce(vkmoe_device *device, struct transfer *t, uint32_t index, uint64_t size)
{
    static const struct stage_barrier between = {
        VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT,
        VK_ACCESS_2_TRANSFER_WRITE_BIT,
        VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
        VK_ACCESS_2_SHADER_READ_BIT,
    };
    const vkmoe_buffer *from = t->staging[false][index], *to = t->bounce[index];
    VkCommandBuffer commands = t->slots[index].commands;
    device->gpu.vk.CmdCopyBuffer(commands, from->range.handle, to->range.handle, 1,
        &(VkBufferCopy){
            .srcOffset = from->range.offset,
            .dstOffset = to->range.offset,
            .size = align_up(size, 16),
        });
    vkmoe_barrier_emit(&between, device, commands);
}

static enum vkmoe_status no_staging(vkmoe_device *device)
{
    return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY,
        "%s has no memory left to copy through", device->gpu.info.name);
}

// The end of a transfer that came to `status`. After a failure half way copies may still run,
// of which the caller must not know: the buffer may be destroyed next.
static enum vkmoe_status finish(vkmoe_device *device, struct transfer *t, enum vkmoe_status status)
{
    if (status == VKMOE_OK && t->value)
        status = vkmoe_queue_wait(&device->queue, t->timeline, t->value, UINT64_MAX);
    if (status != VKMOE_OK && t->value)
        vkmoe_queue_settle(&device->queue, t->timeline, t->value);
    return status;
}

// ------------------------------------------------------------------ whole transfers

static enum vkmoe_status check_range(
    const vkmoe_buffer *buffer, const char *function, uint64_t offset, uint64_t size)
{
    const struct vkmoe_log *log = &buffer->device->gpu.log;
    if (!buffer->range.block)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID,
            "%s: the buffer wraps the caller's memory: expected one from vkmoe_buffer_create()",
            function);
    if (size > buffer->range.size || offset > buffer->range.size - size)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: %llu bytes at %llu: the buffer has %llu",
            function, (unsigned long long)size, (unsigned long long)offset,
            (unsigned long long)buffer->range.size);
    return gpu_check(&buffer->device->gpu, function);
}

enum vkmoe_status vkmoe_buffer_upload_with(vkmoe_buffer *buffer, uint64_t offset, uint64_t size,
    void (*fill)(void *user, uint64_t offset, void *to, uint64_t size), void *user)
{
    vkmoe_device *device = buffer->device;
    enum vkmoe_status status = check_range(buffer, "vkmoe_buffer_upload", offset, size);
    if (status != VKMOE_OK || !size || device->fit)
        return status;
    if (buffer->range.mapped) {
        const uint64_t most = piece_size(device);
        for (uint64_t at = 0; at < size; at += most)
            fill(user, at, (char *)buffer->range.mapped + offset + at, MIN(most, size - at));
        return VKMOE_OK;
    }
    struct transfer *t = device->transfer;
    pthread_mutex_lock(&t->mutex);
    status = prepare_staging(device, t, false);
    TRY(status == VKMOE_ERROR_OUT_OF_MEMORY ? no_staging(device) : status);
    const uint64_t most = t->piece[false];
    uint32_t index = 0;
    for (uint64_t at = 0; at < size; at += most, index ^= 1) {
        const uint64_t piece = MIN(most, size - at);
        vkmoe_buffer *staging = t->staging[false][index];
        TRY(wait_slot(device, t, &t->slots[index]));
        fill(user, at, staging->range.mapped, piece);
        TRY(vkmoe_buffer_flush(staging, piece));
        TRY(copy(device, t, &t->slots[index], staging, 0, buffer, offset + at, piece));
    }
fail:
    status = finish(device, t, status);
    pthread_mutex_unlock(&t->mutex);
    return status;
}

enum vkmoe_status vkmoe_transfer_piece(vkmoe_device *device, const struct transfer_piece *piece)
{
    struct transfer *t = device->transfer;
    pthread_mutex_lock(&t->mutex);
    const uint32_t index = t->next;
    struct slot *slot = &t->slots[index];
    enum vkmoe_status status;
    TRY(wait_slot(device, t, slot));
    const vkmoe_buffer *staging = t->staging[false][index];
    TRY(piece->fill(piece->user, staging->range.mapped));
    TRY(vkmoe_buffer_flush(staging, align_up(piece->size, 16)));
    TRY(begin(device, t, slot));
    if (t->bounce[index])
        record_bounce(device, t, index, piece->size);
    piece->record(piece->user, slot->commands,
        vkmoe_buffer_address(t->bounce[index] ? t->bounce[index] : staging));
    status = submit(device, t, slot);
fail:
    t->next ^= 1;
    pthread_mutex_unlock(&t->mutex);
    return status;
}

enum vkmoe_status vkmoe_transfer_room(vkmoe_device *device, uint64_t *size)
{
    struct transfer *t = device->transfer;
    pthread_mutex_lock(&t->mutex);
    enum vkmoe_status status = prepare_staging(device, t, false);
    *size = t->piece[false];
    if (status == VKMOE_ERROR_OUT_OF_MEMORY)
        status = vkmoe_fit_exceed(device->fit, MIN_PIECE) ? VKMOE_OK : no_staging(device);
    else if (status == VKMOE_OK)
        status = prepare_bounce(device, t);
    pthread_mutex_unlock(&t->mutex);
    return status;
}

struct transfer *vkmoe_transfer_fork(struct transfer *from)
{
    struct transfer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    pthread_mutex_init(&t->mutex, NULL);
    if (!from)
        return t;
    pthread_mutex_lock(&from->mutex);
    memcpy(t->staging, from->staging, sizeof t->staging);
    memcpy(t->piece, from->piece, sizeof t->piece);
    memcpy(t->bounce, from->bounce, sizeof t->bounce);
    pthread_mutex_unlock(&from->mutex);
    for (int i = 0; i < SLOTS; i++) {
        t->lent[false][i] = t->staging[false][i];
        t->lent[true][i] = t->staging[true][i];
        t->bounce_lent[i] = t->bounce[i];
    }
    return t;
}

enum vkmoe_status vkmoe_transfer_finish(vkmoe_device *device, enum vkmoe_status status)
{
    struct transfer *t = device->transfer;
    pthread_mutex_lock(&t->mutex);
    status = finish(device, t, status);
    pthread_mutex_unlock(&t->mutex);
    return status;
}

static void fill_from_memory(void *user, uint64_t offset, void *to, uint64_t size)
{
    memcpy(to, (const char *)user + offset, size);
}

enum vkmoe_status vkmoe_buffer_upload(
    vkmoe_buffer *buffer, uint64_t offset, const void *data, uint64_t size)
{
    VKMOE_NEED(NULL, buffer, "buffer");
    if (size)
        VKMOE_NEED(&buffer->device->gpu.log, data, "data");
    return vkmoe_buffer_upload_with(buffer, offset, size, fill_from_memory, (void *)data);
}

enum vkmoe_status vkmoe_buffer_create_from(
    vkmoe_device *device, const void *data, uint64_t size, vkmoe_buffer **out)
{
    enum vkmoe_status status = VKMOE_OK;
    TRY(vkmoe_buffer_create(device, size, out));
    TRY(vkmoe_buffer_upload(*out, 0, data, size));
    return VKMOE_OK;
fail:
    vkmoe_buffer_destroy(out);
    return status;
}

enum vkmoe_status vkmoe_buffer_download(
    const vkmoe_buffer *buffer, uint64_t offset, void *data, uint64_t size)
{
    VKMOE_NEED(NULL, buffer, "buffer");
    vkmoe_device *device = buffer->device;
    enum vkmoe_status status = check_range(buffer, __func__, offset, size);
    if (status != VKMOE_OK || !size)
        return status;
    VKMOE_NEED(&device->gpu.log, data, "data");
    // Reading uncached memory is slower than having the device copy it first.
    if (buffer->range.mapped && (buffer->range.host_cached || size <= 4096)) {
        memcpy(data, (const char *)buffer->range.mapped + offset, size);
        return VKMOE_OK;
    }
    struct transfer *t = device->transfer;
    pthread_mutex_lock(&t->mutex);
    status = prepare_staging(device, t, true);
    if (status == VKMOE_ERROR_OUT_OF_MEMORY && buffer->range.mapped) { // slow it is, then
        pthread_mutex_unlock(&t->mutex);
        memcpy(data, (const char *)buffer->range.mapped + offset, size);
        return VKMOE_OK;
    }
    TRY(status == VKMOE_ERROR_OUT_OF_MEMORY ? no_staging(device) : status);
    // Piece i is copied while piece i - 1 is read.
    const uint64_t most = t->piece[true];
    const uint64_t pieces = (size - 1) / most + 1;
    for (uint64_t i = 0; i <= pieces; i++) {
        if (i < pieces)
            TRY(copy(device, t, &t->slots[i % SLOTS], buffer, offset + i * most,
                t->staging[true][i % SLOTS], 0, MIN(most, size - i * most)));
        if (i == 0)
            continue;
        const uint64_t last = i - 1, piece = MIN(most, size - last * most);
        const vkmoe_buffer *staging = t->staging[true][last % SLOTS];
        TRY(wait_slot(device, t, &t->slots[last % SLOTS]));
        TRY(vkmoe_buffer_invalidate(staging, piece));
        memcpy((char *)data + last * most, staging->range.mapped, piece);
    }
fail:
    status = finish(device, t, status);
    pthread_mutex_unlock(&t->mutex);
    return status;
}

enum vkmoe_status vkmoe_buffer_clear(vkmoe_buffer *buffer, uint64_t offset, uint64_t size)
{
    vkmoe_device *device = buffer->device;
    enum vkmoe_status status = check_range(buffer, "vkmoe_buffer_clear", offset, size);
    if (status != VKMOE_OK || !size || device->fit)
        return status;
    if (buffer->range.mapped) {
        memset((char *)buffer->range.mapped + offset, 0, size);
        return VKMOE_OK;
    }
    struct transfer *t = device->transfer;
    struct slot *slot = &t->slots[0];
    pthread_mutex_lock(&t->mutex);
    TRY(begin(device, t, slot));
    device->gpu.vk.CmdFillBuffer(
        slot->commands, buffer->range.handle, buffer->range.offset + offset, size, 0);
    status = submit(device, t, slot);
fail:
    status = finish(device, t, status);
    pthread_mutex_unlock(&t->mutex);
    return status;
}
