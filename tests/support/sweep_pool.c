// sweep_pool.c - see sweep_pool.h. For tests of one thread.
#include "sweep_pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/hash.h"
#include "vulkan/feature_set.h"

#define MOST 512

enum kind { INSTANCE, DEVICE, PIPELINE };

// Objects of the driver, which are destroyed with the process. A pipeline is not taken by one: its
// maker may ask for it again.
static struct kept {
    enum kind kind;
    uint64_t key, handle;
    bool is_taken;
    VkDevice device; // of a pipeline
} all_kept[MOST];
static uint32_t kept_count;

static PFN_vkCreateInstance create_instance;
static PFN_vkDestroyInstance destroy_instance;
static PFN_vkCreateDevice create_device;
static PFN_vkDestroyDevice destroy_device;
static PFN_vkCreateShaderModule create_module;
static PFN_vkCreateComputePipelines create_pipelines;
static PFN_vkDestroyPipeline destroy_pipeline;
static bool is_instance_kept; // the last one, which the next device belongs to
static VkShaderModule module; // the last one, and the hash of its code
static uint64_t module_key;

static uint64_t handle_bits(const void *handle)
{
    uint64_t bits = 0;
    memcpy(&bits, handle, sizeof bits);
    return bits;
}

static struct kept *find_handle(enum kind kind, uint64_t handle)
{
    for (uint32_t i = 0; i < kept_count; i++)
        if (all_kept[i].kind == kind && all_kept[i].handle == handle)
            return &all_kept[i];
    return NULL;
}

// Sets *out to one that nobody has.
static bool take(enum kind kind, uint64_t key, void *out)
{
    for (uint32_t i = 0; i < kept_count; i++) {
        struct kept *kept = &all_kept[i];
        if (kept->kind == kind && kept->key == key && !kept->is_taken) {
            kept->is_taken = kind != PIPELINE;
            memcpy(out, &kept->handle, sizeof kept->handle);
            return true;
        }
    }
    return false;
}

static bool keep(enum kind kind, uint64_t key, const void *handle, VkDevice device)
{
    if (kept_count == MOST)
        return false;
    all_kept[kept_count++] =
        (struct kept){ kind, key, handle_bits(handle), kind != PIPELINE, device };
    return true;
}

// False if it is not one of ours, and to be destroyed.
static bool give_back(enum kind kind, const void *handle)
{
    struct kept *kept = find_handle(kind, handle_bits(handle));
    if (kept)
        kept->is_taken = false;
    return kept != NULL;
}

static uint64_t hash_names(uint64_t hash, const char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        hash = hash_bytes(hash, names[i], strlen(names[i]) + 1);
    return hash_bytes(hash, &count, sizeof count);
}

static VKAPI_ATTR VkResult VKAPI_CALL pooled_create_instance(
    const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator, VkInstance *out)
{
    const uint32_t version = info->pApplicationInfo ? info->pApplicationInfo->apiVersion : 0;
    uint64_t key = hash_names(HASH_START, info->ppEnabledLayerNames, info->enabledLayerCount);
    key = hash_names(key, info->ppEnabledExtensionNames, info->enabledExtensionCount);
    key = hash_bytes(key, &version, sizeof version);
    is_instance_kept = !info->pNext && take(INSTANCE, key, out);
    if (is_instance_kept)
        return VK_SUCCESS;
    const VkResult result = create_instance(info, allocator, out);
    is_instance_kept = result >= 0 && !info->pNext && keep(INSTANCE, key, out, NULL);
    return result;
}

static VKAPI_ATTR void VKAPI_CALL pooled_destroy_instance(
    VkInstance instance, const VkAllocationCallbacks *allocator)
{
    if (!give_back(INSTANCE, &instance))
        destroy_instance(instance, allocator);
}

static VKAPI_ATTR VkResult VKAPI_CALL pooled_create_device(VkPhysicalDevice physical,
    const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *out)
{
    struct feature_set features;
    vkmoe_features_read(info->pNext, &features);
    uint64_t key = hash_bytes(HASH_START, &physical, sizeof physical);
    key = hash_bytes(key, &features, sizeof features);
    key = hash_names(key, info->ppEnabledExtensionNames, info->enabledExtensionCount);
    for (uint32_t i = 0; i < info->queueCreateInfoCount; i++)
        key = hash_bytes(key, &info->pQueueCreateInfos[i].queueFamilyIndex, sizeof(uint32_t));
    if (is_instance_kept && take(DEVICE, key, out))
        return VK_SUCCESS;
    const VkResult result = create_device(physical, info, allocator, out);
    if (result >= 0 && is_instance_kept)
        keep(DEVICE, key, out, NULL);
    return result;
}

static VKAPI_ATTR void VKAPI_CALL pooled_destroy_device(
    VkDevice device, const VkAllocationCallbacks *allocator)
{
    if (!device || !give_back(DEVICE, &device))
        destroy_device(device, allocator);
}

static VKAPI_ATTR VkResult VKAPI_CALL pooled_create_module(VkDevice device,
    const VkShaderModuleCreateInfo *info, const VkAllocationCallbacks *allocator,
    VkShaderModule *out)
{
    const VkResult result = create_module(device, info, allocator, out);
    module = *out;
    module_key = hash_bytes(HASH_START, info->pCode, info->codeSize);
    return result;
}

// The library makes them one by one, each of the module that it has just made.
static VKAPI_ATTR VkResult VKAPI_CALL pooled_create_pipelines(VkDevice device,
    VkPipelineCache cache, uint32_t count, const VkComputePipelineCreateInfo *infos,
    const VkAllocationCallbacks *allocator, VkPipeline *out)
{
    const VkPipelineShaderStageCreateInfo *stage = &infos->stage;
    const VkSpecializationInfo *constants = stage->pSpecializationInfo;
    const bool is_ours = count == 1 && stage->module == module && constants
        && find_handle(DEVICE, handle_bits(&device));
    uint64_t key = hash_bytes(module_key, &device, sizeof device);
    if (is_ours)
        key = hash_bytes(key, constants->pData, constants->dataSize);
    if (is_ours && take(PIPELINE, key, out))
        return VK_SUCCESS;
    const VkResult result = create_pipelines(device, cache, count, infos, allocator, out);
    if (result >= 0 && is_ours)
        keep(PIPELINE, key, out, device);
    return result;
}

static VKAPI_ATTR void VKAPI_CALL pooled_destroy_pipeline(
    VkDevice device, VkPipeline pipeline, const VkAllocationCallbacks *allocator)
{
    if (!give_back(PIPELINE, &pipeline))
        destroy_pipeline(device, pipeline, allocator);
}

void sweep_pool_adopt(VkDevice device)
{
    keep(DEVICE, 0, &device, NULL);
}

void sweep_pool_release(VkDevice device)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < kept_count; i++) {
        const struct kept kept = all_kept[i];
        VkPipeline pipeline;
        memcpy(&pipeline, &kept.handle, sizeof pipeline);
        if (kept.kind == PIPELINE && kept.device == device)
            destroy_pipeline(device, pipeline, NULL);
        else if (kept.kind != DEVICE || kept.handle != handle_bits(&device))
            all_kept[left++] = kept;
    }
    kept_count = left;
}

PFN_vkVoidFunction sweep_pool(const char *name, PFN_vkVoidFunction function)
{
    if (!function || getenv("VK_INSTANCE_LAYERS"))
        return function;
#define POOLED(vk_name, pooled, real) \
    if (!strcmp(name, #vk_name)) { \
        real = (PFN_##vk_name)(void (*)(void))function; \
        return (PFN_vkVoidFunction)pooled; \
    }
    POOLED(vkCreateInstance, pooled_create_instance, create_instance)
    POOLED(vkDestroyInstance, pooled_destroy_instance, destroy_instance)
    POOLED(vkCreateDevice, pooled_create_device, create_device)
    POOLED(vkDestroyDevice, pooled_destroy_device, destroy_device)
    POOLED(vkCreateShaderModule, pooled_create_module, create_module)
    POOLED(vkCreateComputePipelines, pooled_create_pipelines, create_pipelines)
    POOLED(vkDestroyPipeline, pooled_destroy_pipeline, destroy_pipeline)
#undef POOLED
    return function;
}
