// physical.c - what the card says of itself.
#include "discrete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Extensions that get by the layer without touching memory or queues. Others are hidden: external
// memory for one would be a way around the heaps, and vkMapMemory2() is none of ours.
static const char *const let_through[] = {
    VK_KHR_16BIT_STORAGE_EXTENSION_NAME,
    VK_KHR_8BIT_STORAGE_EXTENSION_NAME,
    VK_KHR_BUFFER_DEVICE_ADDRESS_EXTENSION_NAME,
    VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME,
    VK_KHR_MAINTENANCE_4_EXTENSION_NAME,
    VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME,
    VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME,
    VK_KHR_SHADER_FLOAT_CONTROLS_EXTENSION_NAME,
    VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME,
    VK_KHR_SHADER_SUBGROUP_EXTENDED_TYPES_EXTENSION_NAME,
    VK_KHR_STORAGE_BUFFER_STORAGE_CLASS_EXTENSION_NAME,
    VK_KHR_SYNCHRONIZATION_2_EXTENSION_NAME,
    VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME,
    VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME,
    VK_EXT_SCALAR_BLOCK_LAYOUT_EXTENSION_NAME,
    VK_EXT_SHADER_ATOMIC_FLOAT_EXTENSION_NAME,
    VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME,
    "VK_KHR_cooperative_matrix",
    "VK_KHR_shader_bfloat16",
    "VK_NV_cooperative_matrix2",
};

// The struct of a type in a chain.
static void *find(void *chain, VkStructureType type)
{
    for (VkBaseOutStructure *s = chain; s; s = s->pNext)
        if (s->sType == type)
            return s;
    return NULL;
}

static void lower(VkDeviceSize *limit, VkDeviceSize setting)
{
    if (setting)
        *limit = setting;
}

// ---------------------------------------------------------------------- extensions

static VKAPI_ATTR VkResult VKAPI_CALL enumerate_extensions(
    VkPhysicalDevice handle, const char *layer, uint32_t *count, VkExtensionProperties *out)
{
    struct physical *physical = find_physical(handle);
    uint32_t found = 0, kept = 0;
    if (layer)
        return physical->instance->next.EnumerateDeviceExtensionProperties(
            handle, layer, count, out);
    VkResult result =
        physical->instance->next.EnumerateDeviceExtensionProperties(handle, NULL, &found, NULL);
    VkExtensionProperties *list = calloc(found + 1, sizeof *list);
    if (!list)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    if (result >= 0)
        result =
            physical->instance->next.EnumerateDeviceExtensionProperties(handle, NULL, &found, list);
    for (uint32_t i = 0; i < found; i++)
        for (size_t j = 0; j < COUNT(let_through); j++)
            if (!strcmp(list[i].extensionName, let_through[j]))
                list[kept++] = list[i];
    list[kept] = (VkExtensionProperties){ .specVersion = VK_EXT_MEMORY_BUDGET_SPEC_VERSION };
    strcpy(list[kept++].extensionName, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    if (result >= 0 && out) {
        const uint32_t room = *count;
        *count = room < kept ? room : kept;
        memcpy(out, list, *count * sizeof *list);
        result = *count < kept ? VK_INCOMPLETE : VK_SUCCESS;
    } else {
        *count = kept;
    }
    free(list);
    return result;
}

// ---------------------------------------------------------------------- properties

static void change_properties(VkPhysicalDeviceProperties *p)
{
    const struct card *card = get_card();
    char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
    p->deviceType = card->type;
    snprintf(name, sizeof name, "%s %.200s", card->name, p->deviceName);
    memcpy(p->deviceName, name, sizeof name);
    if (p->apiVersion >= VK_MAKE_API_VERSION(0, 1, 4, 0)) // vkMapMemory2()
        p->apiVersion = VK_MAKE_API_VERSION(0, 1, 3, 255);
    p->limits.nonCoherentAtomSize = card->atom;
    if (card->max_range)
        p->limits.maxStorageBufferRange = (uint32_t)card->max_range;
    if (card->max_allocations)
        p->limits.maxMemoryAllocationCount = (uint32_t)card->max_allocations;
    for (int i = 0; i < 3 && card->max_groups; i++)
        p->limits.maxComputeWorkGroupCount[i] = (uint32_t)card->max_groups;
}

static VKAPI_ATTR void VKAPI_CALL get_properties(
    VkPhysicalDevice handle, VkPhysicalDeviceProperties *out)
{
    find_physical(handle)->instance->next.GetPhysicalDeviceProperties(handle, out);
    change_properties(out);
}

static VKAPI_ATTR void VKAPI_CALL get_properties2(
    VkPhysicalDevice handle, VkPhysicalDeviceProperties2 *out)
{
    const struct card *card = get_card();
    find_physical(handle)->instance->next.GetPhysicalDeviceProperties2(handle, out);
    change_properties(&out->properties);
    VkPhysicalDeviceMaintenance3Properties *maintenance3 =
        find(out->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES);
    VkPhysicalDeviceVulkan11Properties *v11 =
        find(out->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES);
    VkPhysicalDeviceMaintenance4Properties *maintenance4 =
        find(out->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES);
    VkPhysicalDeviceVulkan13Properties *v13 =
        find(out->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES);
    if (maintenance3)
        lower(&maintenance3->maxMemoryAllocationSize, card->max_allocation);
    if (v11)
        lower(&v11->maxMemoryAllocationSize, card->max_allocation);
    if (maintenance4)
        lower(&maintenance4->maxBufferSize, card->max_buffer);
    if (v13) {
        lower(&v13->maxBufferSize, card->max_buffer);
        v13->integerDotProduct4x8BitPackedSignedAccelerated = VK_TRUE;
        v13->integerDotProduct4x8BitPackedMixedSignednessAccelerated = VK_TRUE;
    }
}

// -------------------------------------------------------------------------- memory

static VKAPI_ATTR void VKAPI_CALL get_memory(
    VkPhysicalDevice handle, VkPhysicalDeviceMemoryProperties *out)
{
    const struct card *card = get_card();
    (void)handle;
    memset(out, 0, sizeof *out);
    out->memoryHeapCount = card->heap_count;
    memcpy(out->memoryHeaps, card->heaps, card->heap_count * sizeof *card->heaps);
    out->memoryTypeCount = card->type_count;
    memcpy(out->memoryTypes, card->types, card->type_count * sizeof *card->types);
}

// A budget is what this program may have in all, what it has already included.
static VKAPI_ATTR void VKAPI_CALL get_memory2(
    VkPhysicalDevice handle, VkPhysicalDeviceMemoryProperties2 *out)
{
    const struct card *card = get_card();
    struct physical *physical = find_physical(handle);
    physical->instance->next.GetPhysicalDeviceMemoryProperties2(handle, out);
    get_memory(handle, &out->memoryProperties);
    VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget =
        find(out->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
    if (!budget)
        return;
    memset(budget->heapBudget, 0, sizeof budget->heapBudget);
    memset(budget->heapUsage, 0, sizeof budget->heapUsage);
    pthread_mutex_lock(&layer_mutex);
    for (uint32_t i = 0; i < card->heap_count; i++) {
        const VkDeviceSize size = card->heaps[i].size;
        budget->heapBudget[i] = size > card->others ? size - card->others : 0;
        budget->heapUsage[i] = physical->used[i];
    }
    pthread_mutex_unlock(&layer_mutex);
}

// -------------------------------------------------------------------------- queues

static void describe_family(
    const VkQueueFamilyProperties *real, uint32_t index, VkQueueFamilyProperties *out)
{
    *out = *real;
    out->queueFlags = get_card()->families[index];
    out->queueCount = 2;
}

static VKAPI_ATTR void VKAPI_CALL get_families(
    VkPhysicalDevice handle, uint32_t *count, VkQueueFamilyProperties *out)
{
    const uint32_t families = get_card()->family_count;
    VkQueueFamilyProperties real = { 0 };
    uint32_t one = 1;
    find_physical(handle)->instance->next.GetPhysicalDeviceQueueFamilyProperties(
        handle, &one, &real);
    *count = !out || *count > families ? families : *count;
    for (uint32_t i = 0; out && i < *count; i++)
        describe_family(&real, i, &out[i]);
}

static VKAPI_ATTR void VKAPI_CALL get_families2(
    VkPhysicalDevice handle, uint32_t *count, VkQueueFamilyProperties2 *out)
{
    const uint32_t families = get_card()->family_count;
    VkQueueFamilyProperties2 real = { .sType = VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2 };
    uint32_t one = 1;
    find_physical(handle)->instance->next.GetPhysicalDeviceQueueFamilyProperties2(
        handle, &one, &real);
    *count = !out || *count > families ? families : *count;
    for (uint32_t i = 0; out && i < *count; i++)
        describe_family(&real.queueFamilyProperties, i, &out[i].queueFamilyProperties);
}

FIND_OURS(find_physical_function, OURS("EnumerateDeviceExtensionProperties", enumerate_extensions),
    OURS("GetPhysicalDeviceProperties", get_properties),
    OURS("GetPhysicalDeviceProperties2", get_properties2),
    OURS("GetPhysicalDeviceProperties2KHR", get_properties2),
    OURS("GetPhysicalDeviceMemoryProperties", get_memory),
    OURS("GetPhysicalDeviceMemoryProperties2", get_memory2),
    OURS("GetPhysicalDeviceMemoryProperties2KHR", get_memory2),
    OURS("GetPhysicalDeviceQueueFamilyProperties", get_families),
    OURS("GetPhysicalDeviceQueueFamilyProperties2", get_families2),
    OURS("GetPhysicalDeviceQueueFamilyProperties2KHR", get_families2))
