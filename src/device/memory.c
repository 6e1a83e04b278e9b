// memory.c - blocks of device memory, and the buffers cut out of them.
//
// Small buffers share blocks, whose size grows with what is in use; a large one gets
// a block to itself. The free ranges of a block are kept sorted and merged.
#include "device/memory_store.h"

#include "base/common.h"
#include "device/fit.h"

#include <stdlib.h>
#include <string.h>

#define MIN_BLOCK ((uint64_t)4 << 20)
#define MAX_BLOCK ((uint64_t)64 << 20)
#define DEDICATED ((uint64_t)16 << 20) // from this size on a buffer has its own block

// ------------------------------------------------------------------- memory types

static bool has(VkMemoryPropertyFlags flags, VkMemoryPropertyFlags wanted)
{
    return (flags & wanted) == wanted;
}

bool vkmoe_device_is_unified(const vkmoe_device *device)
{
    return device->info.type == VKMOE_DEVICE_TYPE_INTEGRATED
        || device->info.type == VKMOE_DEVICE_TYPE_CPU
        || device->info.type == VKMOE_DEVICE_TYPE_OTHER;
}

// How well a memory type suits; negative: not at all.
static int score_type(const vkmoe_device *device, enum memory_kind kind, uint32_t index)
{
    const VkMemoryType *type = &device->memory.memoryTypes[index];
    const VkMemoryPropertyFlags flags = type->propertyFlags;
    const VkMemoryPropertyFlags host =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const bool local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    const bool cached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    const bool unified = vkmoe_device_is_unified(device);
    if (flags
        & (VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT
            | VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD
            | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD))
        return -1;
    if (kind != MEMORY_DEVICE) { // staging that takes device memory would be a waste of it
        const bool coherent = has(flags, host), download = kind == MEMORY_DOWNLOAD;
        return flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
            ? 1 + (download ? 4 : 2) * cached + (download ? 2 : 4) * coherent + (!local || unified)
            : -1;
    }
    if (unified) // another heap than the best one is still the same memory
        return 1 + 4 * local + 2 * has(flags, host) + cached;
    if (!local)
        return -1;
    // A host-visible type of a discrete device may be a window of 256 MiB, or slower.
    const VkMemoryHeap *heap = &device->memory.memoryHeaps[type->heapIndex];
    return 1 + 2 * (heap->size == device->info.memory_size)
        + !(flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
}

static bool is_out_of_memory(VkResult result)
{
    return result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY
        || result == VK_ERROR_TOO_MANY_OBJECTS; // maxMemoryAllocationCount
}

// Allocates from the best type that has room.
static VkResult allocate(vkmoe_device *device, enum memory_kind kind,
    const VkMemoryRequirements *requirements, VkDeviceMemory *out, VkMemoryPropertyFlags *flags,
    uint32_t *heap)
{
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    uint32_t untried = requirements->memoryTypeBits;
    for (;;) {
        int best = -1;
        uint32_t best_type = 0;
        for (uint32_t i = 0; i < device->memory.memoryTypeCount; i++) {
            int score = untried >> i & 1 ? score_type(device, kind, i) : -1;
            if (score > best) {
                best = score;
                best_type = i;
            }
        }
        if (best < 0)
            return result;
        untried &= ~(1u << best_type);
        const VkMemoryType *type = &device->memory.memoryTypes[best_type];
        *heap = type->heapIndex;
        if (device->fit) {
            if (vkmoe_fit_take(device, *heap, requirements->size))
                return VK_SUCCESS;
            continue;
        }
        if (requirements->size > device->memory.memoryHeaps[type->heapIndex].size)
            continue;
        const VkMemoryAllocateFlagsInfo address = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
            .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
        };
        result = device->vk.AllocateMemory(device->device,
            &(VkMemoryAllocateInfo){
                .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                .pNext = &address,
                .allocationSize = requirements->size,
                .memoryTypeIndex = best_type,
            },
            NULL, out);
        *flags = type->propertyFlags;
        if (!is_out_of_memory(result))
            return result;
    }
}

// ------------------------------------------------------------------------- blocks

static void destroy_block(vkmoe_device *device, struct memory_block *block)
{
    if (!block)
        return;
    if (block->handle)
        device->vk.DestroyBuffer(device->device, block->handle, NULL);
    if (block->memory) // unmaps it
        device->vk.FreeMemory(device->device, block->memory, NULL);
    if (block->planned)
        vkmoe_fit_give_back(device, block->heap, block->allocated_size);
    free(block->free);
    free(block);
}

// Buffers that share memory must not share its atoms, so what is not coherent is for staging.
static VkResult map_block(vkmoe_device *device, struct memory_block *block, enum memory_kind kind)
{
    if (!has(block->flags,
            VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
                | (kind == MEMORY_DEVICE ? VK_MEMORY_PROPERTY_HOST_COHERENT_BIT : 0)))
        return VK_SUCCESS;
    return device->vk.MapMemory(device->device, block->memory, 0, VK_WHOLE_SIZE, 0, &block->mapped);
}

// With what drivers add to it not counted.
static uint64_t memory_size(uint64_t size)
{
    return size + BUFFER_ALIGNMENT + TAIL_PADDING;
}

// One of a trial, which is nowhere.
static VkResult plan_block(vkmoe_device *device, enum memory_kind kind, struct memory_block *block)
{
    const VkMemoryRequirements requirements = {
        .size = memory_size(block->size),
        .memoryTypeBits = device->memory_store->type_bits,
    };
    block->allocated_size = requirements.size;
    block->address = BUFFER_ALIGNMENT;
    block->free[block->free_count++] = (struct range){ 0, block->size };
    const VkResult result =
        allocate(device, kind, &requirements, &block->memory, &block->flags, &block->heap);
    block->planned = result == VK_SUCCESS;
    return result;
}

// Goes to `fail` with `result` and *call set when a call fails. Nothing is logged: the caller
// may have a smaller block to try.
#define TRY(name, arguments) \
    do { \
        *call = "vk" #name; \
        result = device->vk.name arguments; \
        if (result != VK_SUCCESS) \
            goto fail; \
    } while (0)

static VkResult create_block(vkmoe_device *device, enum memory_kind kind, uint64_t size,
    struct memory_block **out, const char **call)
{
    VkResult result = VK_ERROR_OUT_OF_HOST_MEMORY;
    VkMemoryRequirements requirements;
    struct memory_block *block = calloc(1, sizeof *block);
    *call = "malloc";
    if (!block || !(block->free = malloc(2 * sizeof *block->free)))
        goto fail;
    block->capacity = 2;
    block->size = size;
    if (device->fit) {
        result = plan_block(device, kind, block);
        if (result != VK_SUCCESS)
            goto fail;
        *out = block;
        return VK_SUCCESS;
    }
    TRY(CreateBuffer,
        (device->device,
            &(VkBufferCreateInfo){
                .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                .size = memory_size(size),
                .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT
                    | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT
                    | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT,
                .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
            },
            NULL, &block->handle));
    device->vk.GetBufferMemoryRequirements(device->device, block->handle, &requirements);
    device->memory_store->type_bits = requirements.memoryTypeBits;
    block->allocated_size = requirements.size;
    *call = "vkAllocateMemory";
    result = allocate(device, kind, &requirements, &block->memory, &block->flags, &block->heap);
    if (result != VK_SUCCESS)
        goto fail;
    TRY(BindBufferMemory, (device->device, block->handle, block->memory, 0));
    *call = "vkMapMemory";
    result = map_block(device, block, kind);
    if (result != VK_SUCCESS && kind != MEMORY_DEVICE) // else staging serves as well
        goto fail;
    block->address = device->vk.GetBufferDeviceAddress(device->device,
        &(VkBufferDeviceAddressInfo){
            .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
            .buffer = block->handle,
        });
    // Drivers align far better than this, but nothing makes them.
    block->free[block->free_count++] =
        (struct range){ align_up(block->address, BUFFER_ALIGNMENT) - block->address, size };
    *out = block;
    return VK_SUCCESS;
fail:
    destroy_block(device, block);
    return result;
}
#undef TRY

// ------------------------------------------------------------------------- ranges

// Takes `size` bytes out of the block's smallest free range that has them.
static bool take_range(struct memory_block *block, uint64_t size, uint64_t *offset)
{
    struct range *best = NULL;
    for (uint32_t i = 0; i < block->free_count; i++) {
        struct range *range = &block->free[i];
        if (range->size >= size && (!best || range->size < best->size))
            best = range;
    }
    if (!best)
        return false;
    if (block->buffer_count + 3 > block->capacity) {
        uint32_t index = (uint32_t)(best - block->free);
        uint32_t capacity = 2 * block->capacity + 3;
        struct range *larger = realloc(block->free, capacity * sizeof *larger);
        if (!larger)
            return false;
        block->free = larger;
        block->capacity = capacity;
        best = &block->free[index];
    }
    *offset = best->offset;
    best->offset += size;
    best->size -= size;
    if (!best->size) {
        struct range *end = block->free + block->free_count--;
        memmove(best, best + 1, (size_t)(end - best - 1) * sizeof *best);
    }
    block->buffer_count++;
    return true;
}

static void give_range(struct memory_block *block, uint64_t offset, uint64_t size)
{
    uint32_t i = 0;
    while (i < block->free_count && block->free[i].offset < offset)
        i++;
    struct range *next = &block->free[i];
    const bool joins_next = i < block->free_count && offset + size == next->offset;
    const bool joins_previous = i > 0 && next[-1].offset + next[-1].size == offset;
    if (joins_previous && joins_next) {
        next[-1].size += size + next->size;
        block->free_count--;
        memmove(next, next + 1, (block->free_count - i) * sizeof *next);
    } else if (joins_previous) {
        next[-1].size += size;
    } else if (joins_next) {
        next->offset = offset;
        next->size += size;
    } else {
        memmove(next + 1, next, (block->free_count - i) * sizeof *next);
        *next = (struct range){ offset, size };
        block->free_count++;
    }
    block->buffer_count--;
}

// With the mutex held: a block with room for `size` bytes, an old or a new one.
static VkResult find_block(vkmoe_device *device, enum memory_kind kind, uint64_t size,
    struct memory_block **out, uint64_t *offset, const char **call)
{
    struct memory_store *store = device->memory_store;
    const bool shared = kind == MEMORY_DEVICE && size < DEDICATED;
    for (struct memory_block *block = store->blocks; shared && block; block = block->next) {
        if (block->shared && take_range(block, size, offset)) {
            *out = block;
            return VK_SUCCESS;
        }
    }
    uint64_t block_size = size;
    if (shared) // about as much again as there is, so that few blocks serve many buffers
        block_size = MAX(size, MIN(MAX(store->shared_size, MIN_BLOCK), MAX_BLOCK));
    block_size = MAX(size, MIN(block_size, vkmoe_memory_max_size(device)));
    struct memory_block *block = NULL;
    VkResult result = create_block(device, kind, block_size, &block, call);
    if (is_out_of_memory(result) && block_size > size) {
        vkmoe_log(&device->log, VKMOE_LOG_DEBUG,
            "%s: no memory for a block of %llu bytes, trying %llu", *call,
            (unsigned long long)block_size, (unsigned long long)size);
        result = create_block(device, kind, size, &block, call);
    }
    if (result != VK_SUCCESS)
        return result;
    if (!take_range(block, size, offset)) {
        destroy_block(device, block);
        *call = "malloc";
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    block->shared = shared;
    store->shared_size += shared ? block->size : 0;
    block->next = store->blocks;
    store->blocks = block;
    *out = block;
    return VK_SUCCESS;
}

static void release(
    vkmoe_device *device, struct memory_block *block, uint64_t offset, uint64_t size)
{
    struct memory_store *store = device->memory_store;
    pthread_mutex_lock(&store->mutex);
    give_range(block, offset, size);
    bool empty = !block->buffer_count;
    if (empty) {
        struct memory_block **link = &store->blocks;
        while (*link != block)
            link = &(*link)->next;
        *link = block->next;
        store->shared_size -= block->shared ? block->size : 0;
    }
    pthread_mutex_unlock(&store->mutex);
    if (empty)
        destroy_block(device, block);
}

// ------------------------------------------------------------------------ buffers

uint64_t vkmoe_memory_max_size(const vkmoe_device *device)
{
    uint64_t limit = device->max_buffer_size;
    return limit > 2 * TAIL_PADDING
        ? (limit - TAIL_PADDING) / BUFFER_ALIGNMENT * BUFFER_ALIGNMENT - BUFFER_ALIGNMENT
        : BUFFER_ALIGNMENT;
}

static enum vkmoe_status check_size(vkmoe_device *device, uint64_t size)
{
    uint64_t largest = 0;
    char label[FIT_LABEL];
    for (uint32_t i = 0; i < device->memory.memoryHeapCount; i++)
        largest = MAX(largest, device->memory.memoryHeaps[i].size);
    if (!size)
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID, "buffer size 0: expected at least 1");
    if (size > largest && !device->fit) // which finds out and says how much the rest needs
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY,
            "buffer of %llu bytes: %s has %llu bytes of memory", (unsigned long long)size,
            device->info.name, (unsigned long long)largest);
    if (size > vkmoe_memory_max_size(device))
        return vkmoe_fail(&device->log, VKMOE_ERROR_UNSUPPORTED,
            "%sbuffer of %llu bytes: %s allows at most %llu in one buffer",
            vkmoe_fit_label(device, label), (unsigned long long)size, device->info.name,
            (unsigned long long)vkmoe_memory_max_size(device));
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_buffer_try_kind(
    vkmoe_device *device, enum memory_kind kind, uint64_t size, vkmoe_buffer **out)
{
    struct memory_block *block = NULL;
    uint64_t offset = 0;
    const char *call = NULL;
    *out = NULL;
    vkmoe_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    pthread_mutex_lock(&device->memory_store->mutex);
    VkResult result =
        find_block(device, kind, align_up(size, BUFFER_ALIGNMENT), &block, &offset, &call);
    pthread_mutex_unlock(&device->memory_store->mutex);
    if (result != VK_SUCCESS) {
        free(buffer);
        return is_out_of_memory(result) ? VKMOE_ERROR_OUT_OF_MEMORY
                                        : vkmoe_vk_status(&device->log, result, call);
    }
    *buffer = (vkmoe_buffer){
        .device = device,
        .block = block,
        .handle = block->handle,
        .offset = offset,
        .size = size,
        .address = block->address + offset,
        .mapped = block->mapped ? (char *)block->mapped + offset : NULL,
        .host_cached = block->flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
    };
    *out = buffer;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_buffer_create_kind(
    vkmoe_device *device, enum memory_kind kind, uint64_t size, vkmoe_buffer **out)
{
    *out = NULL;
    enum vkmoe_status status = check_size(device, size);
    if (status != VKMOE_OK)
        return status;
    status = vkmoe_buffer_try_kind(device, kind, size, out);
    if (status == VKMOE_ERROR_OUT_OF_MEMORY && vkmoe_fit_exceed(device->fit, size))
        status = vkmoe_buffer_try_kind(device, kind, size, out); // to learn what all of it needs
    if (device->fit && status == VKMOE_OK)
        device->fit->parts[device->fit->part] += size;
    return status != VKMOE_ERROR_OUT_OF_MEMORY
        ? status
        : vkmoe_fail(&device->log, status, "buffer of %llu bytes: %s is out of memory",
            (unsigned long long)size, device->info.name);
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
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID,
            "vkmoe_buffer_wrap: address 0x%llx of %llu bytes: expected a multiple of 4, at least 1",
            (unsigned long long)address, (unsigned long long)size);
    vkmoe_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    *buffer = (vkmoe_buffer){ .device = device, .size = size, .address = address };
    *out = buffer;
    return VKMOE_OK;
}

void vkmoe_buffer_destroy(vkmoe_buffer **address)
{
    if (!address || !*address)
        return;
    vkmoe_buffer *buffer = *address;
    *address = NULL;
    if (buffer->block)
        release(buffer->device, buffer->block, buffer->offset,
            align_up(buffer->size, BUFFER_ALIGNMENT));
    free(buffer);
}

// Only memory that is not coherent needs it, and whole atoms of that.
static enum vkmoe_status synchronise(const vkmoe_buffer *buffer, uint64_t size, bool flush)
{
    vkmoe_device *device = buffer->device;
    const struct memory_block *block = buffer->block;
    const uint64_t atom = device->limits.nonCoherentAtomSize;
    if (block->flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
        return VKMOE_OK;
    const uint64_t begin = buffer->offset / atom * atom;
    const VkMappedMemoryRange range = {
        .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
        .memory = block->memory,
        .offset = begin,
        .size = MIN(align_up(buffer->offset + size, atom), block->allocated_size) - begin,
    };
    return flush ? vkmoe_vk_status(&device->log,
               device->vk.FlushMappedMemoryRanges(device->device, 1, &range),
               "vkFlushMappedMemoryRanges")
                 : vkmoe_vk_status(&device->log,
                     device->vk.InvalidateMappedMemoryRanges(device->device, 1, &range),
                     "vkInvalidateMappedMemoryRanges");
}

enum vkmoe_status vkmoe_buffer_flush(const vkmoe_buffer *buffer, uint64_t size)
{
    return synchronise(buffer, size, true);
}

enum vkmoe_status vkmoe_buffer_invalidate(const vkmoe_buffer *buffer, uint64_t size)
{
    return synchronise(buffer, size, false);
}

uint64_t vkmoe_buffer_size(const vkmoe_buffer *buffer)
{
    return buffer ? buffer->size : 0;
}

uint64_t vkmoe_buffer_address(const vkmoe_buffer *buffer)
{
    return buffer ? buffer->address : 0;
}

uint64_t vkmoe_buffer_taken(const vkmoe_buffer *buffer)
{
    if (!buffer || !buffer->block)
        return 0;
    return buffer->block->shared ? align_up(buffer->size, BUFFER_ALIGNMENT)
                                 : buffer->block->allocated_size;
}

struct memory_usage vkmoe_memory_usage(vkmoe_device *device)
{
    struct memory_store *store = device->memory_store;
    struct memory_usage usage = { 0 };
    pthread_mutex_lock(&store->mutex);
    for (const struct memory_block *block = store->blocks; block; block = block->next) {
        uint64_t free_size = 0;
        for (uint32_t i = 0; i < block->free_count; i++)
            free_size += block->free[i].size;
        usage.taken += block->shared ? block->size - free_size : block->allocated_size;
        usage.allocated += block->allocated_size;
    }
    pthread_mutex_unlock(&store->mutex);
    return usage;
}

uint64_t vkmoe_device_dummy_address(vkmoe_device *device)
{
    return device->memory_store->dummy->address;
}

struct transfer *vkmoe_memory_transfer(vkmoe_device *device)
{
    return device->memory_store->transfer;
}

uint32_t vkmoe_memory_heaps(const vkmoe_device *device)
{
    uint32_t heaps = 0;
    for (uint32_t i = 0; i < device->memory.memoryTypeCount; i++)
        if (device->memory_store->type_bits >> i & 1 && score_type(device, MEMORY_DEVICE, i) >= 0)
            heaps |= 1u << device->memory.memoryTypes[i].heapIndex;
    return heaps;
}

enum vkmoe_status vkmoe_memory_init(vkmoe_device *device)
{
    struct memory_store *store = device->memory_store = calloc(1, sizeof *store);
    if (!store)
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    pthread_mutex_init(&store->mutex, NULL);
    enum vkmoe_status status = vkmoe_transfer_create(device, &store->transfer);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create(device, BUFFER_ALIGNMENT, &store->dummy);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_clear(store->dummy, 0, BUFFER_ALIGNMENT);
    if (status != VKMOE_OK)
        vkmoe_memory_finish(device);
    return status;
}

void vkmoe_memory_finish(vkmoe_device *device)
{
    struct memory_store *store = device->memory_store;
    if (!store)
        return;
    vkmoe_transfer_destroy(device, &store->transfer);
    vkmoe_buffer_destroy(&store->dummy);
    while (store->blocks) { // buffers that the caller forgot
        struct memory_block *block = store->blocks;
        store->blocks = block->next;
        destroy_block(device, block);
    }
    pthread_mutex_destroy(&store->mutex);
    free(store);
    device->memory_store = NULL;
}
