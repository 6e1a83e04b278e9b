// memory.c - blocks of device memory, and the ranges cut out of them.
//
// Small ranges share blocks, whose size grows with what is in use; a large one gets
// a block to itself. The free ranges of a block are kept sorted and merged.
#include "device/memory_store.h"

#include "base/common.h"
#include "device/fit_account.h"

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

// How well a memory type suits; negative: not at all.
static int score_type(const struct gpu *gpu, enum memory_kind kind, uint32_t index)
{
    const VkMemoryType *type = &gpu->memory.memoryTypes[index];
    const VkMemoryPropertyFlags flags = type->propertyFlags;
    const VkMemoryPropertyFlags host =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const bool local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    const bool cached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    const bool unified = gpu_is_unified(gpu);
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
    const VkMemoryHeap *heap = &gpu->memory.memoryHeaps[type->heapIndex];
    return 1 + 2 * (heap->size == gpu->info.memory_size)
        + !(flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
}

static bool is_out_of_memory(VkResult result)
{
    return result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY
        || result == VK_ERROR_TOO_MANY_OBJECTS; // maxMemoryAllocationCount
}

// Allocates from the best type that has room.
static VkResult allocate(struct memory *memory, enum memory_kind kind,
    const VkMemoryRequirements *requirements, VkDeviceMemory *out, VkMemoryPropertyFlags *flags,
    uint32_t *heap)
{
    const struct gpu *gpu = memory->gpu;
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    uint32_t untried = requirements->memoryTypeBits;
    for (;;) {
        int best = -1;
        uint32_t best_type = 0;
        for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++) {
            int score = untried >> i & 1 ? score_type(gpu, kind, i) : -1;
            if (score > best) {
                best = score;
                best_type = i;
            }
        }
        if (best < 0)
            return result;
        untried &= ~(1u << best_type);
        const VkMemoryType *type = &gpu->memory.memoryTypes[best_type];
        const uint64_t heap_size = gpu->memory.memoryHeaps[type->heapIndex].size;
        *heap = type->heapIndex;
        if (memory->fit) {
            if (vkmoe_fit_take(memory->fit, *heap, heap_size, requirements->size))
                return VK_SUCCESS;
            continue;
        }
        if (requirements->size > heap_size)
            continue;
        const VkMemoryAllocateFlagsInfo address = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
            .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
        };
        result = gpu->vk.AllocateMemory(gpu->handle,
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

static void destroy_block(struct memory *memory, struct memory_block *block)
{
    const struct gpu *gpu = memory->gpu;
    if (!block)
        return;
    if (block->handle)
        gpu->vk.DestroyBuffer(gpu->handle, block->handle, NULL);
    if (block->memory) // unmaps it
        gpu->vk.FreeMemory(gpu->handle, block->memory, NULL);
    if (block->planned)
        vkmoe_fit_give_back(memory->fit, block->heap, block->allocated_size);
    free(block->free);
    free(block);
}

// Buffers that share memory must not share its atoms, so what is not coherent is for staging.
static VkResult map_block(const struct gpu *gpu, struct memory_block *block, enum memory_kind kind)
{
    if (!has(block->flags,
            VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
                | (kind == MEMORY_DEVICE ? VK_MEMORY_PROPERTY_HOST_COHERENT_BIT : 0)))
        return VK_SUCCESS;
    return gpu->vk.MapMemory(gpu->handle, block->memory, 0, VK_WHOLE_SIZE, 0, &block->mapped);
}

// With what drivers add to it not counted.
static uint64_t memory_size(uint64_t size)
{
    return size + BUFFER_ALIGNMENT + TAIL_PADDING;
}

// One of a trial, which is nowhere.
static VkResult plan_block(struct memory *memory, enum memory_kind kind, struct memory_block *block)
{
    const VkMemoryRequirements requirements = {
        .size = memory_size(block->size),
        .memoryTypeBits = memory->type_bits,
    };
    block->allocated_size = requirements.size;
    block->address = align_up(memory->planned_end, BUFFER_ALIGNMENT) + BUFFER_ALIGNMENT;
    memory->planned_end = block->address + requirements.size;
    block->free[block->free_count++] = (struct range){ 0, block->size };
    const VkResult result =
        allocate(memory, kind, &requirements, &block->memory, &block->flags, &block->heap);
    block->planned = result == VK_SUCCESS;
    return result;
}

// Goes to `fail` with `result` and *call set when a call fails. Nothing is logged: the caller
// may have a smaller block to try.
#define CALL(name, arguments) \
    do { \
        *call = "vk" #name; \
        result = gpu->vk.name arguments; \
        if (result != VK_SUCCESS) \
            goto fail; \
    } while (0)

static VkResult create_block(struct memory *memory, enum memory_kind kind, uint64_t size,
    struct memory_block **out, const char **call)
{
    const struct gpu *gpu = memory->gpu;
    VkResult result = VK_ERROR_OUT_OF_HOST_MEMORY;
    VkMemoryRequirements requirements;
    struct memory_block *block = calloc(1, sizeof *block);
    *call = "malloc";
    if (!block || !(block->free = malloc(2 * sizeof *block->free)))
        goto fail;
    block->capacity = 2;
    block->size = size;
    if (memory->fit) {
        result = plan_block(memory, kind, block);
        if (result != VK_SUCCESS)
            goto fail;
        *out = block;
        return VK_SUCCESS;
    }
    CALL(CreateBuffer,
        (gpu->handle,
            &(VkBufferCreateInfo){
                .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                .size = memory_size(size),
                .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT
                    | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT
                    | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT,
                .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
            },
            NULL, &block->handle));
    gpu->vk.GetBufferMemoryRequirements(gpu->handle, block->handle, &requirements);
    memory->type_bits = requirements.memoryTypeBits;
    block->allocated_size = requirements.size;
    *call = "vkAllocateMemory";
    result = allocate(memory, kind, &requirements, &block->memory, &block->flags, &block->heap);
    if (result != VK_SUCCESS)
        goto fail;
    CALL(BindBufferMemory, (gpu->handle, block->handle, block->memory, 0));
    *call = "vkMapMemory";
    result = map_block(gpu, block, kind);
    if (result != VK_SUCCESS && kind != MEMORY_DEVICE) // else staging serves as well
        goto fail;
    block->address = gpu->vk.GetBufferDeviceAddress(gpu->handle,
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
    destroy_block(memory, block);
    return result;
}
#undef CALL

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
    if (block->range_count + 3 > block->capacity) {
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
    block->range_count++;
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
    block->range_count--;
}

// With the mutex held: a block with room for `size` bytes, an old or a new one.
static VkResult find_block(struct memory *memory, enum memory_kind kind, uint64_t size,
    struct memory_block **out, uint64_t *offset, const char **call)
{
    const bool shared = kind == MEMORY_DEVICE && size < DEDICATED;
    for (struct memory_block *block = memory->blocks; shared && block; block = block->next) {
        if (block->shared && take_range(block, size, offset)) {
            *out = block;
            return VK_SUCCESS;
        }
    }
    uint64_t block_size = size;
    if (shared) // about as much again as there is, so that few blocks serve many buffers
        block_size = MAX(size, MIN(MAX(memory->shared_size, MIN_BLOCK), MAX_BLOCK));
    block_size = MAX(size, MIN(block_size, vkmoe_memory_max_size(memory->gpu)));
    struct memory_block *block = NULL;
    VkResult result = create_block(memory, kind, block_size, &block, call);
    if (is_out_of_memory(result) && block_size > size) {
        vkmoe_log(&memory->gpu->log, VKMOE_LOG_DEBUG,
            "%s: no memory for a block of %llu bytes, trying %llu", *call,
            (unsigned long long)block_size, (unsigned long long)size);
        result = create_block(memory, kind, size, &block, call);
    }
    if (result != VK_SUCCESS)
        return result;
    if (!take_range(block, size, offset)) {
        destroy_block(memory, block);
        *call = "malloc";
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    block->shared = shared;
    memory->shared_size += shared ? block->size : 0;
    block->next = memory->blocks;
    memory->blocks = block;
    *out = block;
    return VK_SUCCESS;
}

void vkmoe_memory_give_back(struct memory *memory, const struct memory_range *range)
{
    struct memory_block *block = range->block;
    pthread_mutex_lock(&memory->mutex);
    give_range(block, range->offset, align_up(range->size, BUFFER_ALIGNMENT));
    const bool empty = !block->range_count;
    if (empty) {
        struct memory_block **link = &memory->blocks;
        while (*link != block)
            link = &(*link)->next;
        *link = block->next;
        memory->shared_size -= block->shared ? block->size : 0;
    }
    pthread_mutex_unlock(&memory->mutex);
    if (empty)
        destroy_block(memory, block);
}

uint64_t vkmoe_memory_max_size(const struct gpu *gpu)
{
    uint64_t limit = gpu->max_buffer_size;
    return limit > 2 * TAIL_PADDING
        ? (limit - TAIL_PADDING) / BUFFER_ALIGNMENT * BUFFER_ALIGNMENT - BUFFER_ALIGNMENT
        : BUFFER_ALIGNMENT;
}

enum vkmoe_status vkmoe_memory_take(
    struct memory *memory, enum memory_kind kind, uint64_t size, struct memory_range *out)
{
    struct memory_block *block = NULL;
    uint64_t offset = 0;
    const char *call = NULL;
    pthread_mutex_lock(&memory->mutex);
    const VkResult result =
        find_block(memory, kind, align_up(size, BUFFER_ALIGNMENT), &block, &offset, &call);
    pthread_mutex_unlock(&memory->mutex);
    if (result != VK_SUCCESS)
        return is_out_of_memory(result) ? VKMOE_ERROR_OUT_OF_MEMORY
                                        : vkmoe_vk_status(&memory->gpu->log, result, call);
    *out = (struct memory_range){
        .block = block,
        .handle = block->handle,
        .offset = offset,
        .size = size,
        .address = block->address + offset,
        .mapped = block->mapped ? (char *)block->mapped + offset : NULL,
        .host_cached = block->flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
    };
    return VKMOE_OK;
}

// Only memory that is not coherent needs it, and whole atoms of that.
static enum vkmoe_status synchronise(
    const struct gpu *gpu, const struct memory_range *range, uint64_t size, bool flush)
{
    const struct memory_block *block = range->block;
    const uint64_t atom = gpu->limits.nonCoherentAtomSize;
    if (block->flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
        return VKMOE_OK;
    const uint64_t begin = range->offset / atom * atom;
    const VkMappedMemoryRange atoms = {
        .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
        .memory = block->memory,
        .offset = begin,
        .size = MIN(align_up(range->offset + size, atom), block->allocated_size) - begin,
    };
    return flush
        ? vkmoe_vk_status(&gpu->log, gpu->vk.FlushMappedMemoryRanges(gpu->handle, 1, &atoms),
            "vkFlushMappedMemoryRanges")
        : vkmoe_vk_status(&gpu->log, gpu->vk.InvalidateMappedMemoryRanges(gpu->handle, 1, &atoms),
            "vkInvalidateMappedMemoryRanges");
}

enum vkmoe_status vkmoe_memory_flush(
    const struct memory *memory, const struct memory_range *range, uint64_t size)
{
    return synchronise(memory->gpu, range, size, true);
}

enum vkmoe_status vkmoe_memory_invalidate(
    const struct memory *memory, const struct memory_range *range, uint64_t size)
{
    return synchronise(memory->gpu, range, size, false);
}

uint64_t vkmoe_memory_taken_by(const struct memory_range *range)
{
    if (!range->block)
        return 0;
    return range->block->shared ? align_up(range->size, BUFFER_ALIGNMENT)
                                : range->block->allocated_size;
}

struct memory_usage vkmoe_memory_usage(struct memory *memory)
{
    struct memory_usage usage = { 0 };
    pthread_mutex_lock(&memory->mutex);
    for (const struct memory_block *block = memory->blocks; block; block = block->next) {
        uint64_t free_size = 0;
        for (uint32_t i = 0; i < block->free_count; i++)
            free_size += block->free[i].size;
        usage.taken += block->shared ? block->size - free_size : block->allocated_size;
        usage.allocated += block->allocated_size;
    }
    pthread_mutex_unlock(&memory->mutex);
    return usage;
}

void vkmoe_memory_taken(struct memory *memory, uint64_t taken[VK_MAX_MEMORY_HEAPS])
{
    memset(taken, 0, VK_MAX_MEMORY_HEAPS * sizeof *taken);
    pthread_mutex_lock(&memory->mutex);
    for (const struct memory_block *block = memory->blocks; block; block = block->next)
        taken[block->heap] += block->allocated_size;
    pthread_mutex_unlock(&memory->mutex);
}

uint32_t vkmoe_memory_heaps(const struct memory *memory)
{
    const VkPhysicalDeviceMemoryProperties *properties = &memory->gpu->memory;
    uint32_t heaps = 0;
    for (uint32_t i = 0; i < properties->memoryTypeCount; i++)
        if (memory->type_bits >> i & 1 && score_type(memory->gpu, MEMORY_DEVICE, i) >= 0)
            heaps |= 1u << properties->memoryTypes[i].heapIndex;
    return heaps;
}

enum vkmoe_status vkmoe_memory_create(const struct gpu *gpu, struct memory **out)
{
    struct memory *memory = *out = calloc(1, sizeof *memory);
    if (!memory)
        return vkmoe_fail(&gpu->log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    memory->gpu = gpu;
    pthread_mutex_init(&memory->mutex, NULL);
    return VKMOE_OK;
}

void vkmoe_memory_destroy(struct memory **address)
{
    struct memory *memory = *address;
    if (!memory)
        return;
    *address = NULL;
    while (memory->blocks) { // of buffers that the caller forgot
        struct memory_block *block = memory->blocks;
        memory->blocks = block->next;
        destroy_block(memory, block);
    }
    pthread_mutex_destroy(&memory->mutex);
    free(memory);
}
