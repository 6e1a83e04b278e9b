// memory.c - allocations, which heaps bound, and what the host gets to see of them.
#include "discrete.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096

static bool has(const struct allocation *a, VkMemoryPropertyFlags flags)
{
    return (get_card()->types[a->type].propertyFlags & flags) == flags;
}

// ------------------------------------------------------------------------- buffers

static VKAPI_ATTR VkResult VKAPI_CALL create_buffer(VkDevice handle, const VkBufferCreateInfo *info,
    const VkAllocationCallbacks *allocator, VkBuffer *out)
{
    const struct card *card = get_card();
    if (card->max_buffer && info->size > card->max_buffer) {
        complain("vkCreateBuffer: %llu bytes, but maxBufferSize is %llu",
            (unsigned long long)info->size, (unsigned long long)card->max_buffer);
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    return find_device(handle)->next.CreateBuffer(handle, info, allocator, out);
}

// Every type of ours is the same type of the driver's.
static void change_requirements(const struct device *device, VkMemoryRequirements *r)
{
    const bool usable = r->memoryTypeBits >> device->real_type & 1;
    r->memoryTypeBits = usable ? (1u << get_card()->type_count) - 1 : 0;
}

static VKAPI_ATTR void VKAPI_CALL get_buffer_requirements(
    VkDevice handle, VkBuffer buffer, VkMemoryRequirements *out)
{
    struct device *device = find_device(handle);
    device->next.GetBufferMemoryRequirements(handle, buffer, out);
    change_requirements(device, out);
}

static VKAPI_ATTR void VKAPI_CALL get_image_requirements(
    VkDevice handle, VkImage image, VkMemoryRequirements *out)
{
    struct device *device = find_device(handle);
    device->next.GetImageMemoryRequirements(handle, image, out);
    change_requirements(device, out);
}

#define REQUIREMENTS2(function, name, info_type) \
    static VKAPI_ATTR void VKAPI_CALL function( \
        VkDevice handle, const info_type *info, VkMemoryRequirements2 *out) \
    { \
        struct device *device = find_device(handle); \
        device->next.name(handle, info, out); \
        change_requirements(device, &out->memoryRequirements); \
    }

REQUIREMENTS2(
    get_buffer_requirements2, GetBufferMemoryRequirements2, VkBufferMemoryRequirementsInfo2)
REQUIREMENTS2(get_image_requirements2, GetImageMemoryRequirements2, VkImageMemoryRequirementsInfo2)
REQUIREMENTS2(get_device_buffer_requirements, GetDeviceBufferMemoryRequirements,
    VkDeviceBufferMemoryRequirements)
REQUIREMENTS2(get_device_image_requirements, GetDeviceImageMemoryRequirements,
    VkDeviceImageMemoryRequirements)

// --------------------------------------------------------------------- allocations

// With the mutex held. A card with room for it takes note of it.
static VkResult take(struct physical *physical, uint32_t heap, VkDeviceSize size)
{
    const struct card *card = get_card();
    const VkDeviceSize taken = physical->used[heap] + card->others;
    if (card->max_allocations && physical->allocations >= card->max_allocations)
        return VK_ERROR_TOO_MANY_OBJECTS;
    if (card->max_allocation && size > card->max_allocation)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (taken > card->heaps[heap].size || size > card->heaps[heap].size - taken)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    physical->used[heap] += size;
    physical->allocations++;
    return VK_SUCCESS;
}

static void give(struct physical *physical, uint32_t heap, VkDeviceSize size)
{
    physical->used[heap] -= size;
    physical->allocations--;
}

// Fresh memory of a card is not zero: NaN, or -1, to whoever thinks so.
static VkResult prepare(struct device *device, struct allocation *a)
{
    void *real;
    VkResult result = device->next.MapMemory(device->handle, a->handle, 0, VK_WHOLE_SIZE, 0, &real);
    if (result != VK_SUCCESS)
        return result;
    a->real = real;
    memset(a->real, 0xff, a->size);
    if (has(a, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)
        && !has(a, VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)) {
        const size_t size = (a->size + PAGE - 1) / PAGE * PAGE;
        a->shadow = aligned_alloc(PAGE, size);
        if (!a->shadow)
            return VK_ERROR_OUT_OF_HOST_MEMORY;
        memset(a->shadow, 0xfe, size);
    }
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate_memory(VkDevice handle,
    const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *allocator, VkDeviceMemory *out)
{
    const struct card *card = get_card();
    struct device *device = find_device(handle);
    VkMemoryAllocateInfo real = *info;
    if (info->memoryTypeIndex >= card->type_count) {
        complain("vkAllocateMemory: there is no memory type %u", info->memoryTypeIndex);
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    const uint32_t heap = card->types[info->memoryTypeIndex].heapIndex;
    struct allocation *a = calloc(1, sizeof *a);
    if (!a)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    a->type = info->memoryTypeIndex;
    a->size = info->allocationSize;
    pthread_mutex_lock(&layer_mutex);
    VkResult result = take(device->physical, heap, a->size);
    pthread_mutex_unlock(&layer_mutex);
    if (result != VK_SUCCESS) {
        free(a);
        return result;
    }
    real.memoryTypeIndex = device->real_type;
    result = device->next.AllocateMemory(handle, &real, allocator, &a->handle);
    if (result != VK_SUCCESS)
        a->handle = VK_NULL_HANDLE;
    else
        result = prepare(device, a);
    pthread_mutex_lock(&layer_mutex);
    if (result == VK_SUCCESS) {
        a->next_allocation = device->allocations;
        device->allocations = a;
        *out = a->handle;
    } else {
        give(device->physical, heap, a->size);
    }
    pthread_mutex_unlock(&layer_mutex);
    if (result != VK_SUCCESS) {
        if (a->handle)
            device->next.FreeMemory(handle, a->handle, allocator);
        free(a);
    }
    return result;
}

static struct allocation **find_link(struct device *device, VkDeviceMemory memory)
{
    struct allocation **link = &device->allocations;
    while (*link && (*link)->handle != memory)
        link = &(*link)->next_allocation;
    return link;
}

static struct allocation *find_allocation(struct device *device, VkDeviceMemory memory)
{
    pthread_mutex_lock(&layer_mutex);
    struct allocation *found = *find_link(device, memory);
    pthread_mutex_unlock(&layer_mutex);
    return found;
}

static VKAPI_ATTR void VKAPI_CALL free_memory(
    VkDevice handle, VkDeviceMemory memory, const VkAllocationCallbacks *allocator)
{
    struct device *device = find_device(handle);
    pthread_mutex_lock(&layer_mutex);
    struct allocation **link = find_link(device, memory), *a = *link;
    if (a) {
        *link = a->next_allocation;
        give(device->physical, get_card()->types[a->type].heapIndex, a->size);
        free(a->shadow);
        free(a);
    }
    pthread_mutex_unlock(&layer_mutex);
    device->next.FreeMemory(handle, memory, allocator);
}

void destroy_allocations(struct device *device)
{
    while (device->allocations) {
        struct allocation *a = device->allocations;
        device->allocations = a->next_allocation;
        give(device->physical, get_card()->types[a->type].heapIndex, a->size);
        free(a->shadow);
        free(a);
    }
}

// ------------------------------------------------------------------------- mapping

static VKAPI_ATTR VkResult VKAPI_CALL map_memory(VkDevice handle, VkDeviceMemory memory,
    VkDeviceSize offset, VkDeviceSize size, VkMemoryMapFlags flags, void **out)
{
    struct allocation *a = find_allocation(find_device(handle), memory);
    (void)flags;
    const char *problem = !a                           ? "this is no memory"
        : !has(a, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) ? "the host cannot see this memory"
        : a->mapped                                    ? "the memory is mapped already"
        : offset >= a->size || (size != VK_WHOLE_SIZE && size > a->size - offset)
        ? "the range is not in the memory"
        : NULL;
    if (problem) {
        complain("vkMapMemory: %s", problem);
        return VK_ERROR_MEMORY_MAP_FAILED;
    }
    a->mapped = true;
    a->map_offset = offset;
    a->map_size = size == VK_WHOLE_SIZE ? a->size - offset : size;
    *out = (a->shadow ? a->shadow : a->real) + offset;
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL unmap_memory(VkDevice handle, VkDeviceMemory memory)
{
    struct allocation *a = find_allocation(find_device(handle), memory);
    if (!a || !a->mapped)
        complain("vkUnmapMemory: the memory is not mapped");
    else
        a->mapped = false;
}

// The bytes of a range that may be asked for, false if it may not.
static bool check_range(const struct allocation *a, const VkMappedMemoryRange *range,
    const char *call, VkDeviceSize *size)
{
    const VkDeviceSize atom = get_card()->atom;
    const char *problem = NULL;
    if (!a || !a->mapped) {
        complain("%s: the memory is not mapped", call);
        return false;
    }
    const VkDeviceSize end = a->map_offset + a->map_size;
    *size = range->size;
    if (range->offset < a->map_offset || range->offset > end)
        problem = "the range is not in what is mapped";
    else if (range->size == VK_WHOLE_SIZE)
        *size = end - range->offset;
    else if (range->size > end - range->offset)
        problem = "the range is not in what is mapped";
    if (!problem && (range->offset % atom || (*size % atom && range->offset + *size != a->size)))
        problem = "the range is not of whole atoms";
    if (problem)
        complain("%s: %llu bytes at %llu: %s", call, (unsigned long long)range->size,
            (unsigned long long)range->offset, problem);
    return !problem;
}

static VkResult synchronise(VkDevice handle, uint32_t count, const VkMappedMemoryRange *ranges,
    const char *call, bool flush)
{
    struct device *device = find_device(handle);
    for (uint32_t i = 0; i < count; i++) {
        struct allocation *a = find_allocation(device, ranges[i].memory);
        VkDeviceSize size;
        if (!check_range(a, &ranges[i], call, &size))
            return VK_ERROR_OUT_OF_HOST_MEMORY;
        const VkDeviceSize offset = ranges[i].offset;
        if (a->shadow)
            memcpy((flush ? a->real : a->shadow) + offset, (flush ? a->shadow : a->real) + offset,
                size);
    }
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL flush_ranges(
    VkDevice handle, uint32_t count, const VkMappedMemoryRange *ranges)
{
    return synchronise(handle, count, ranges, "vkFlushMappedMemoryRanges", true);
}

static VKAPI_ATTR VkResult VKAPI_CALL invalidate_ranges(
    VkDevice handle, uint32_t count, const VkMappedMemoryRange *ranges)
{
    return synchronise(handle, count, ranges, "vkInvalidateMappedMemoryRanges", false);
}

FIND_OURS(find_memory_function, OURS("CreateBuffer", create_buffer),
    OURS("GetBufferMemoryRequirements", get_buffer_requirements),
    OURS("GetBufferMemoryRequirements2", get_buffer_requirements2),
    OURS("GetBufferMemoryRequirements2KHR", get_buffer_requirements2),
    OURS("GetDeviceBufferMemoryRequirements", get_device_buffer_requirements),
    OURS("GetDeviceBufferMemoryRequirementsKHR", get_device_buffer_requirements),
    OURS("GetImageMemoryRequirements", get_image_requirements),
    OURS("GetImageMemoryRequirements2", get_image_requirements2),
    OURS("GetImageMemoryRequirements2KHR", get_image_requirements2),
    OURS("GetDeviceImageMemoryRequirements", get_device_image_requirements),
    OURS("GetDeviceImageMemoryRequirementsKHR", get_device_image_requirements),
    OURS("AllocateMemory", allocate_memory), OURS("FreeMemory", free_memory),
    OURS("MapMemory", map_memory), OURS("UnmapMemory", unmap_memory),
    OURS("FlushMappedMemoryRanges", flush_ranges),
    OURS("InvalidateMappedMemoryRanges", invalidate_ranges))
