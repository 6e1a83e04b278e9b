// no_gpu.c - stands between the library and the Vulkan loader, and pretends to record, to
// submit and to wait: drivers without their GPU do none of these well. RADV of Mesa 22.3 does
// not even have semaphores then, nor owns to any memory, though it gives some. Pipelines are
// made by the driver as ever, but for those that are known from before (known.h).
//
// The linker puts __wrap_vkmoe_vk_loader() in the place of the library's vkmoe_vk_loader().
#include "no_gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/hash.h"
#include "vulkan/feature_set.h"
#include "vulkan/vk.h"

#include "../support/named_function.h"

PFN_vkGetInstanceProcAddr __real_vkmoe_vk_loader(void);
PFN_vkGetInstanceProcAddr __wrap_vkmoe_vk_loader(void);

static PFN_vkGetInstanceProcAddr get_instance_function;
static PFN_vkGetDeviceProcAddr get_device_function;
static PFN_vkGetPhysicalDeviceMemoryProperties2 get_memory_function;
static PFN_vkGetBufferMemoryRequirements get_requirements_function;

// ------------------------------------------------------------------------- memory

static VKAPI_ATTR void VKAPI_CALL get_memory(
    VkPhysicalDevice device, VkPhysicalDeviceMemoryProperties2 *memory)
{
    VkPhysicalDeviceMemoryProperties *p = &memory->memoryProperties;
    get_memory_function(device, memory);
    if (p->memoryTypeCount)
        return;
    p->memoryTypeCount = p->memoryHeapCount = 1;
    p->memoryHeaps[0] = (VkMemoryHeap){ (VkDeviceSize)1 << 32, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT };
    p->memoryTypes[0] = (VkMemoryType){ VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
            | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
        0 };
}

static VKAPI_ATTR void VKAPI_CALL get_requirements(
    VkDevice device, VkBuffer buffer, VkMemoryRequirements *requirements)
{
    get_requirements_function(device, buffer, requirements);
    if (!requirements->memoryTypeBits)
        requirements->memoryTypeBits = 1;
}

// ------------------------------------------------------- functions that do nothing
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define NOTHING(name, ...) \
    static VKAPI_ATTR void VKAPI_CALL name(__VA_ARGS__) \
    { \
    }
#define SUCCESS(name, ...) \
    static VKAPI_ATTR VkResult VKAPI_CALL name(__VA_ARGS__) \
    { \
        return VK_SUCCESS; \
    }

NOTHING(destroy_semaphore, VkDevice d, VkSemaphore s, const VkAllocationCallbacks *a)
SUCCESS(wait_semaphores, VkDevice d, const VkSemaphoreWaitInfo *info, uint64_t timeout)
SUCCESS(submit, VkQueue queue, uint32_t count, const VkSubmitInfo2 *infos, VkFence fence)
SUCCESS(reset_pool, VkDevice d, VkCommandPool pool, VkCommandPoolResetFlags flags)
SUCCESS(reset, VkCommandBuffer c, VkCommandBufferResetFlags flags)
SUCCESS(wait_idle, VkQueue queue)
SUCCESS(begin, VkCommandBuffer c, const VkCommandBufferBeginInfo *info)
SUCCESS(end, VkCommandBuffer c)
NOTHING(barrier, VkCommandBuffer c, const VkDependencyInfo *info)
NOTHING(bind, VkCommandBuffer c, VkPipelineBindPoint point, VkPipeline pipeline)
NOTHING(push, VkCommandBuffer c, VkPipelineLayout layout, VkShaderStageFlags stages,
    uint32_t offset, uint32_t size, const void *values)
NOTHING(dispatch, VkCommandBuffer c, uint32_t x, uint32_t y, uint32_t z)
NOTHING(dispatch_indirect, VkCommandBuffer c, VkBuffer buffer, VkDeviceSize offset)
NOTHING(copy, VkCommandBuffer c, VkBuffer from, VkBuffer to, uint32_t count,
    const VkBufferCopy *regions)
NOTHING(
    fill, VkCommandBuffer c, VkBuffer buffer, VkDeviceSize offset, VkDeviceSize size, uint32_t data)

static VKAPI_ATTR VkResult VKAPI_CALL create_semaphore(VkDevice device,
    const VkSemaphoreCreateInfo *info, const VkAllocationCallbacks *allocator, VkSemaphore *out)
{
    const uint64_t handle = 1; // of nothing
    memcpy(out, &handle, sizeof *out);
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL get_semaphore_value(
    VkDevice device, VkSemaphore semaphore, uint64_t *value)
{
    *value = UINT64_MAX; // all is done
    return VK_SUCCESS;
}
#pragma GCC diagnostic pop

// --------------------------------------------------------------------------- keys

static PFN_vkGetPhysicalDeviceProperties get_properties_function;
static PFN_vkCreateDevice create_device_function;
static PFN_vkCreatePipelineLayout create_layout_function;
static PFN_vkCreateShaderModule create_module_function;
static uint64_t device_key, layout_key, module_key;
static VkShaderModule module; // that of `module_key`

// What stands in for the kernel's driver decides which device the driver sees.
static uint64_t hash_preloaded(uint64_t hash)
{
    const char *path = getenv("LD_PRELOAD");
    FILE *file = path ? fopen(path, "rb") : NULL;
    char block[4096];
    for (size_t size = 1; file && size;) {
        size = fread(block, 1, sizeof block, file);
        hash = hash_bytes(hash, block, size);
    }
    if (file)
        fclose(file);
    return hash;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
    const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *out)
{
    VkPhysicalDeviceProperties p;
    struct feature_set features;
    get_properties_function(physical, &p);
    vkmoe_features_read(info->pNext, &features);
    const uint32_t ids[] = { p.apiVersion, p.driverVersion, p.vendorID, p.deviceID };
    uint64_t hash = hash_preloaded(HASH_START);
    hash = hash_bytes(hash, &features, sizeof features);
    hash = hash_bytes(hash, p.deviceName, strlen(p.deviceName));
    hash = hash_bytes(hash, ids, sizeof ids);
    hash = hash_bytes(hash, p.pipelineCacheUUID, sizeof p.pipelineCacheUUID);
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++)
        hash = hash_bytes(
            hash, info->ppEnabledExtensionNames[i], strlen(info->ppEnabledExtensionNames[i]) + 1);
    device_key = hash;
    return create_device_function(physical, info, allocator, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_layout(VkDevice device,
    const VkPipelineLayoutCreateInfo *info, const VkAllocationCallbacks *allocator,
    VkPipelineLayout *out)
{
    layout_key = hash_bytes(device_key, info->pPushConstantRanges,
        info->pushConstantRangeCount * sizeof *info->pPushConstantRanges);
    return create_layout_function(device, info, allocator, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_module(VkDevice device,
    const VkShaderModuleCreateInfo *info, const VkAllocationCallbacks *allocator,
    VkShaderModule *out)
{
    const VkResult result = create_module_function(device, info, allocator, out);
    module_key = hash_bytes(layout_key, info->pCode, info->codeSize);
    module = *out;
    return result;
}

// 0 of what the library does not do.
static uint64_t make_key(const VkComputePipelineCreateInfo *info)
{
    const VkPipelineShaderStageCreateInfo *stage = &info->stage;
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo *required = stage->pNext;
    const VkSpecializationInfo *constants = stage->pSpecializationInfo;
    const VkStructureType type =
        VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO;
    if (stage->module != module || info->pNext || !constants
        || (required && (required->sType != type || required->pNext)))
        return 0;
    const uint32_t more[] = { info->flags, stage->flags,
        required ? required->requiredSubgroupSize : 0 };
    uint64_t hash = hash_bytes(module_key, more, sizeof more);
    for (uint32_t i = 0; i < constants->mapEntryCount; i++) {
        const VkSpecializationMapEntry *entry = &constants->pMapEntries[i];
        hash = hash_bytes(hash, &entry->constantID, sizeof entry->constantID);
        hash = hash_bytes(hash, (const char *)constants->pData + entry->offset, entry->size);
    }
    return hash ? hash : 1;
}

// ---------------------------------------------------------------------- pipelines

struct made {
    VkPipeline handle;
    uint64_t key;
    bool is_compiled;
};

static bool keeps_code;
static bool (*is_known)(void *user, uint64_t key);
static void *is_known_user;
static struct made *all_made; // until the program ends
static uint32_t made_count;
static PFN_vkCreateComputePipelines create_function;
static PFN_vkDestroyPipeline destroy_function;

void no_gpu_keeps_code(bool keeps)
{
    keeps_code = keeps;
}

void no_gpu_leaves_out(bool (*is_known_)(void *user, uint64_t key), void *user)
{
    is_known = is_known_;
    is_known_user = user;
}

static const struct made *find_made(VkPipeline pipeline)
{
    static const struct made unknown = { .is_compiled = true };
    for (uint32_t i = made_count; i--;) { // handles are used again
        if (all_made[i].handle == pipeline)
            return &all_made[i];
    }
    return &unknown;
}

uint64_t no_gpu_key(VkPipeline pipeline)
{
    return find_made(pipeline)->key;
}

bool no_gpu_is_compiled(VkPipeline pipeline)
{
    return find_made(pipeline)->is_compiled;
}

// The library makes them one by one.
static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache,
    uint32_t count, const VkComputePipelineCreateInfo *infos,
    const VkAllocationCallbacks *allocator, VkPipeline *out)
{
    VkComputePipelineCreateInfo info = *infos;
    VkResult result = VK_SUCCESS;
    if (count != 1)
        return create_function(device, cache, count, infos, allocator, out);
    struct made *more = realloc(all_made, (made_count + 1) * sizeof *all_made);
    if (!more)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    all_made = more;
    if (keeps_code)
        info.flags |= VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
    const uint64_t key = make_key(&info), handle = UINT64_MAX - made_count; // no address
    const bool is_compiled = !key || !is_known || !is_known(is_known_user, key);
    if (is_compiled)
        result = create_function(device, cache, 1, &info, allocator, out);
    else
        memcpy(out, &handle, sizeof *out);
    if (result >= 0)
        all_made[made_count++] = (struct made){ *out, key, is_compiled };
    return result;
}

static VKAPI_ATTR void VKAPI_CALL destroy_pipeline(
    VkDevice device, VkPipeline pipeline, const VkAllocationCallbacks *allocator)
{
    if (no_gpu_is_compiled(pipeline))
        destroy_function(device, pipeline, allocator);
}

// ------------------------------------------------------------------------- lookup

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name)
{
    static const struct named_function ours[] = {
        OURS("GetBufferMemoryRequirements", get_requirements),
        OURS("CreateComputePipelines", create_pipelines),
        OURS("DestroyPipeline", destroy_pipeline),
        OURS("CreatePipelineLayout", create_layout),
        OURS("CreateShaderModule", create_module),
        OURS("CreateSemaphore", create_semaphore),
        OURS("DestroySemaphore", destroy_semaphore),
        OURS("WaitSemaphores", wait_semaphores),
        OURS("GetSemaphoreCounterValue", get_semaphore_value),
        OURS("QueueSubmit2", submit),
        OURS("ResetCommandPool", reset_pool),
        OURS("ResetCommandBuffer", reset),
        OURS("QueueWaitIdle", wait_idle),
        OURS("BeginCommandBuffer", begin),
        OURS("EndCommandBuffer", end),
        OURS("CmdPipelineBarrier2", barrier),
        OURS("CmdBindPipeline", bind),
        OURS("CmdPushConstants", push),
        OURS("CmdDispatch", dispatch),
        OURS("CmdDispatchIndirect", dispatch_indirect),
        OURS("CmdCopyBuffer", copy),
        OURS("CmdFillBuffer", fill),
    };
#define LOAD(name) (PFN_##name)(void (*)(void)) get_device_function(device, #name)
    get_requirements_function = LOAD(vkGetBufferMemoryRequirements);
    create_function = LOAD(vkCreateComputePipelines);
    destroy_function = LOAD(vkDestroyPipeline);
    create_layout_function = LOAD(vkCreatePipelineLayout);
    create_module_function = LOAD(vkCreateShaderModule);
#undef LOAD
    const PFN_vkVoidFunction function = FIND_NAMED(ours, name);
    return function ? function : get_device_function(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(
    VkInstance instance, const char *name)
{
    PFN_vkVoidFunction function = get_instance_function(instance, name);
    if (!function)
        return NULL;
    if (!strcmp(name, "vkGetDeviceProcAddr")) {
        get_device_function = (PFN_vkGetDeviceProcAddr)function;
        return (PFN_vkVoidFunction)get_device_proc;
    }
    if (!strcmp(name, "vkCreateDevice")) {
        create_device_function = (PFN_vkCreateDevice)function;
        get_properties_function = (PFN_vkGetPhysicalDeviceProperties)get_instance_function(
            instance, "vkGetPhysicalDeviceProperties");
        return (PFN_vkVoidFunction)create_device;
    }
    if (!strcmp(name, "vkGetPhysicalDeviceMemoryProperties2")) {
        get_memory_function = (PFN_vkGetPhysicalDeviceMemoryProperties2)function;
        return (PFN_vkVoidFunction)get_memory;
    }
    return function;
}

PFN_vkGetInstanceProcAddr __wrap_vkmoe_vk_loader(void)
{
    get_instance_function = __real_vkmoe_vk_loader();
    return get_instance_function ? get_instance_proc : NULL;
}
