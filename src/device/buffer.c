// buffer.c - see buffer.h; what goes in and out is in transfer.c.
#include "device/buffer.h"

#include <stdlib.h>

#include "base/common.h"
#include "base/try.h"
#include "device/fit_account.h"

static enum vkmoe_status check_size(vkmoe_device *device, uint64_t size)
{
    uint64_t largest = 0;
    char label[FIT_LABEL];
    for (uint32_t i = 0; i < device->gpu.memory.memoryHeapCount; i++)
        largest = MAX(largest, device->gpu.memory.memoryHeaps[i].size);
    if (!size)
        return vkmoe_fail(
            &device->gpu.log, VKMOE_ERROR_INVALID, "buffer size 0: expected at least 1");
    if (size > largest && !device->fit) // which finds out and says how much the rest needs
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY,
            "buffer of %llu bytes: %s has %llu bytes of memory", (unsigned long long)size,
            device->gpu.info.name, (unsigned long long)largest);
    if (size > vkmoe_memory_max_size(&device->gpu))
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_UNSUPPORTED,
            "%sbuffer of %llu bytes: %s allows at most %llu in one buffer",
            vkmoe_fit_label(device, label), (unsigned long long)size, device->gpu.info.name,
            (unsigned long long)vkmoe_memory_max_size(&device->gpu));
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_buffer_try_kind(
    vkmoe_device *device, enum memory_kind kind, uint64_t size, vkmoe_buffer **out)
{
    *out = NULL;
    vkmoe_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    buffer->device = device;
    const enum vkmoe_status status = vkmoe_memory_take(device->memory, kind, size, &buffer->range);
    if (status != VKMOE_OK) {
        free(buffer);
        return status;
    }
    *out = buffer;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_buffer_create_kind(
    vkmoe_device *device, enum memory_kind kind, uint64_t size, vkmoe_buffer **out)
{
    *out = NULL;
    TRY_RETURN(check_size(device, size));
    enum vkmoe_status status = vkmoe_buffer_try_kind(device, kind, size, out);
    if (status == VKMOE_ERROR_OUT_OF_MEMORY && vkmoe_fit_exceed(device->fit, size))
        status = vkmoe_buffer_try_kind(device, kind, size, out); // to learn what all of it needs
    if (device->fit && status == VKMOE_OK)
        device->fit->parts[device->fit->part] += size;
    return status != VKMOE_ERROR_OUT_OF_MEMORY
        ? status
        : vkmoe_fail(&device->gpu.log, status, "buffer of %llu bytes: %s is out of memory",
            (unsigned long long)size, device->gpu.info.name);
}

enum vkmoe_status vkmoe_buffer_create(vkmoe_device *device, uint64_t size, vkmoe_buffer **out)
{
    VKMOE_NEED(device_log(device), out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, device, "device");
    return vkmoe_buffer_create_kind(device, MEMORY_DEVICE, size, out);
}

enum vkmoe_status vkmoe_buffer_wrap(
    vkmoe_device *device, uint64_t address, uint64_t size, vkmoe_buffer **out)
{
    VKMOE_NEED(device_log(device), out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, device, "device");
    if (!address || address % 4 || !size || size > UINT64_MAX - address)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_INVALID,
            "vkmoe_buffer_wrap: address 0x%llx of %llu bytes: expected a multiple of 4, at least 1",
            (unsigned long long)address, (unsigned long long)size);
    NEW_OR_RETURN(vkmoe_buffer, buffer, device_log(device), "");
    *buffer = (vkmoe_buffer){ device, { .size = size, .address = address } };
    *out = buffer;
    return VKMOE_OK;
}

void vkmoe_buffer_destroy(vkmoe_buffer **address)
{
    TAKE_OR_RETURN(vkmoe_buffer, buffer, address);
    if (buffer->range.block)
        vkmoe_memory_give_back(buffer->device->memory, &buffer->range);
    free(buffer);
}

void vkmoe_buffers_destroy(vkmoe_buffer **const *buffers)
{
    for (; *buffers; buffers++)
        vkmoe_buffer_destroy(*buffers);
}

enum vkmoe_status vkmoe_buffer_flush(const vkmoe_buffer *buffer, uint64_t size)
{
    return vkmoe_memory_flush(buffer->device->memory, &buffer->range, size);
}

enum vkmoe_status vkmoe_buffer_invalidate(const vkmoe_buffer *buffer, uint64_t size)
{
    return vkmoe_memory_invalidate(buffer->device->memory, &buffer->range, size);
}

uint64_t vkmoe_buffer_size(const vkmoe_buffer *buffer)
{
    return buffer ? buffer->range.size : 0;
}

uint64_t vkmoe_buffer_address(const vkmoe_buffer *buffer)
{
    return buffer ? buffer->range.address : 0;
}

uint64_t vkmoe_buffer_taken(const vkmoe_buffer *buffer)
{
    return buffer ? vkmoe_memory_taken_by(&buffer->range) : 0;
}
