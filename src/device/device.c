// device.c - making and adopting devices.
#include "base/params.h"
#include "device/device.h"

#include "base/common.h"
#include "base/try.h"
#include "device/pipelines.h"
#include "device/transfer.h"
#include "device/tuning.h"
#include "device/verdicts.h"
#include "vulkan/physical.h"

#include <stdlib.h>
#include <string.h>

static vkmoe_device *new_device(const struct vkmoe_log *log)
{
    vkmoe_device *device = calloc(1, sizeof *device);
    if (!device) {
        vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
        return NULL;
    }
    device->gpu.log = *log;
    atomic_init(&device->gpu.lost, false);
    atomic_init(&device->scratch_size, 0);
    vkmoe_queue_init(&device->queue, &device->gpu);
    return device;
}

static uint32_t matrix_needs(const struct matrix_units *units)
{
    if (units->m == 0)
        return 0;
    const bool k_8 = units->k == 8;
    return units->m == 16 ? NEED_matrix_16x16
        : units->n == 16  ? NEED_matrix_8x16
                          : NEED_matrix_8x8 | (k_8 ? NEED_matrix_8x8x8 : 0);
}

void vkmoe_device_describe(vkmoe_device *device, const struct physical *p)
{
    const uint32_t *groups = p->limits.maxComputeWorkGroupCount;
    device->gpu.info = p->info;
    device->physical_device = p->handle;
    device->gpu.limits = p->limits;
    device->gpu.memory = p->memory;
    memcpy(device->cache_uuid, p->cache_uuid, sizeof device->cache_uuid);
    device->gpu.max_buffer_size = p->max_buffer_size;
    device->memory_budget = p->memory_budget;
    device->max_groups = MIN(65535, MIN(groups[0], groups[1]));
    device->queue.family = p->queue_family;
    device->queue.timestamp_bits = p->timestamp_bits;
    device->is_cpu = p->info.type == VKMOE_DEVICE_TYPE_CPU;
    device->packs_on_host = vkmoe_tuning(device, TUNE_HOST_PACKS) != 0;
    device->quirks = p->quirks;
    device->full_subgroups = p->full_subgroups;
    device->capture_statistics = p->executable_properties;
    device->subgroup_size = vkmoe_physical_subgroup_size(p);
    device->least_subgroup_size = !device->is_cpu && p->subgroup_size_control
        ? MIN(MAX(8, p->min_subgroup_size), p->max_subgroup_size)
        : device->subgroup_size;
    device->fixed_subgroup_size = p->min_subgroup_size != p->max_subgroup_size;
    device->mixed_dot = p->mixed_dot;
    device->matrix_units = p->matrix_units;
    device->flexible = p->flexible;
    device->gpu.info.subgroup_size = device->subgroup_size;
    device->gpu.info.subgroup_arithmetic = p->subgroup_arithmetic;
    device->needs = (p->info.int64 ? NEED_int64 : 0) | (device->is_cpu ? 0 : NEED_gpu)
        | (device->is_cpu && p->quirks & QUIRK_UNIFORM_LOADS_SCALAR ? NEED_uniform_loads : 0)
        | (p->subgroup_arithmetic ? NEED_subgroup : 0) | (p->subgroup_ballot ? NEED_ballot : 0)
        | (p->subgroup_arithmetic && device->subgroup_size == 8 ? NEED_lanes_8 : 0)
        | (p->subgroup_shuffle && p->full_subgroups && device->least_subgroup_size >= 8
                ? NEED_shuffle
                : 0)
        | (p->integer_dot ? NEED_integer_dot : 0) | matrix_needs(&p->matrix_units)
        | (p->flexible.lanes ? NEED_flexible_matrix : 0);
}

static enum vkmoe_status start(vkmoe_device *device, const void *cache, size_t cache_size)
{
    if (!vkmoe_vk_load_device(
            device->instance_vk.GetDeviceProcAddr, device->gpu.handle, &device->gpu.vk))
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_UNSUPPORTED,
            "%s: the device lacks functions of Vulkan 1.3 (was VkApplicationInfo.apiVersion 1.3?)",
            device->gpu.info.name);
    // Before anything that may submit: what the host cannot see is cleared by the device.
    if (device->owned)
        device->gpu.vk.GetDeviceQueue(
            device->gpu.handle, device->queue.family, 0, &device->queue.handle);
    if (!device->queue.handle)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_DRIVER,
            "%s: vkGetDeviceQueue gave no queue", device->gpu.info.name);
    if (!device->trusted && !(device->verdicts = vkmoe_verdicts_create()))
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    TRY_RETURN(vkmoe_pipelines_init(device, cache, cache_size));
    TRY_RETURN(vkmoe_memory_create(&device->gpu, &device->memory));
    TRY_RETURN(vkmoe_transfer_create(device, &device->transfer));
    TRY_RETURN(vkmoe_buffer_create(device, BUFFER_ALIGNMENT, &device->dummy));
    TRY_RETURN(vkmoe_buffer_clear(device->dummy, 0, BUFFER_ALIGNMENT));
    vkmoe_log(&device->gpu.log, VKMOE_LOG_INFO, "%s, %s: subgroups of %u%s%s, %s memory %llu MiB",
        device->gpu.info.name, device->gpu.info.driver, device->subgroup_size,
        device->needs & NEED_subgroup ? ", subgroup arithmetic" : "",
        device->needs & NEED_int64 ? ", int64" : "", device->owned ? "own device," : "adopted,",
        (unsigned long long)(device->gpu.info.memory_size >> 20));
    return VKMOE_OK;
}

static enum vkmoe_status make_device(vkmoe_device *device, const struct physical *p)
{
    const float priority = 1;
    const bool has_matrices = p->matrix_units.m != 0, has_flexible = p->flexible.lanes != 0;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executable = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .pipelineExecutableInfo = VK_TRUE,
    };
    VkPhysicalDeviceCooperativeMatrix2FeaturesNV flexible = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV,
        .pNext = p->executable_properties ? &executable : NULL,
        .cooperativeMatrixWorkgroupScope = p->flexible.parts == 1,
        .cooperativeMatrixFlexibleDimensions = VK_TRUE,
        .cooperativeMatrixPerElementOperations = VK_TRUE,
    };
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .pNext = has_flexible ? &flexible : flexible.pNext,
        .cooperativeMatrix = VK_TRUE,
    };
    VkPhysicalDeviceVulkan13Features v13 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
        .pNext = has_matrices ? &matrices : matrices.pNext,
        .synchronization2 = VK_TRUE,
        .subgroupSizeControl = p->subgroup_size_control,
        .computeFullSubgroups = p->full_subgroups,
        .shaderIntegerDotProduct = p->integer_dot,
        .maintenance4 = p->maintenance4,
    };
    VkPhysicalDeviceVulkan12Features v12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = &v13,
        .bufferDeviceAddress = VK_TRUE,
        .timelineSemaphore = VK_TRUE,
        .shaderFloat16 = has_matrices,
        .vulkanMemoryModel = has_matrices,
        .vulkanMemoryModelDeviceScope = has_matrices, // other kernels use it
    };
    VkPhysicalDeviceVulkan11Features v11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
        .pNext = &v12,
        .storageBuffer16BitAccess = has_matrices,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &v11,
        .features.shaderInt64 = p->info.int64,
    };
    const char *extensions[4];
    uint32_t extension_count = 0;
    if (p->portability_subset) // who has it, insists on its being enabled
        extensions[extension_count++] = "VK_KHR_portability_subset";
    if (p->executable_properties)
        extensions[extension_count++] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    if (has_matrices)
        extensions[extension_count++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
    if (has_flexible)
        extensions[extension_count++] = VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = p->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkResult result = device->instance_vk.CreateDevice(p->handle,
        &(VkDeviceCreateInfo){
            .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
            .pNext = &features,
            .queueCreateInfoCount = 1,
            .pQueueCreateInfos = &queue,
            .ppEnabledExtensionNames = extensions,
            .enabledExtensionCount = extension_count,
        },
        NULL, &device->gpu.handle);
    return vkmoe_vk_status(&device->gpu.log, result, "vkCreateDevice");
}

enum vkmoe_status vkmoe_device_create_for(
    const struct vkmoe_device_params *params, bool capture_statistics, vkmoe_device **out)
{
    *out = NULL;
    struct instance instance = { 0 };
    struct physical *list = NULL;
    const struct physical *chosen = NULL;
    uint32_t count = 0;
    enum vkmoe_status status = VKMOE_ERROR_OUT_OF_MEMORY;
    vkmoe_device *device = new_device(&params->log);
    if (!device)
        goto fail;
    device->owned = true;
    device->trusted = params->no_self_test;
    TRY(vkmoe_instance_init(&instance, &device->gpu.log,
        (PFN_vkGetInstanceProcAddr)params->get_instance_proc_addr, params->application,
        params->validate));
    device->get_instance_proc_addr = instance.get;
    device->instance = instance.handle;
    device->instance_vk = instance.vk;
    device->debug_messenger = instance.messenger;
    TRY(vkmoe_physical_enumerate(&instance, &device->gpu.log, &list, &count));
    TRY(vkmoe_physical_choose(&device->gpu.log, list, count, params->select, &chosen));

    struct physical physical = *chosen;
    physical.executable_properties = physical.executable_properties && capture_statistics;
    vkmoe_device_describe(device, &physical);
    TRY(make_device(device, &physical));
    TRY(start(device, params->cache, params->cache_size));
    free(list);
    *out = device;
    return VKMOE_OK;
fail:
    free(list);
    vkmoe_device_destroy(&device);
    return status;
}

enum vkmoe_status vkmoe_device_create(const struct vkmoe_device_params *params, vkmoe_device **out)
{
    VKMOE_NEED(params ? &params->log : NULL, out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, params, "params");
    PARAMS_WHOLE(&params->log, vkmoe_device_params, params);
    return vkmoe_device_create_for(params, false, out);
}

// ------------------------------------------------------------------------- adopt

static enum vkmoe_status check_queue_family(
    vkmoe_device *device, struct physical *p, uint32_t index)
{
    VkQueueFamilyProperties2 families[32];
    uint32_t count = ARRAY_SIZE(families);
    for (uint32_t i = 0; i < count; i++)
        families[i] = (VkQueueFamilyProperties2){ VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2 };
    device->instance_vk.GetPhysicalDeviceQueueFamilyProperties2(p->handle, &count, families);
    if (index >= count
        || !(families[index].queueFamilyProperties.queueFlags & VK_QUEUE_COMPUTE_BIT))
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_INVALID,
            "vkmoe_device_adopt: queue_family is %u: expected a family of %s that has compute",
            index, p->info.name);
    p->queue_family = index;
    p->timestamp_bits = families[index].queueFamilyProperties.timestampValidBits;
    return VKMOE_OK;
}

// As in base/params.h, which knows nothing of Vulkan.
enum { PARAMS_FIRST(vkmoe_adopt_params, cache_size) };

static enum vkmoe_status check_adopt(const struct vkmoe_adopt_params *params)
{
    const char *missing = !params->instance              ? "instance"
        : !params->physical_device                       ? "physical_device"
        : !params->device                                ? "device"
        : !params->queue                                 ? "queue"
        : !params->features                              ? "features"
        : params->extension_count && !params->extensions ? "extensions"
                                                         : NULL;
    if (missing)
        return vkmoe_fail(
            &params->log, VKMOE_ERROR_INVALID, "vkmoe_device_adopt: %s is NULL", missing);
    if (!params->lock_queue != !params->unlock_queue)
        return vkmoe_fail(&params->log, VKMOE_ERROR_INVALID,
            "vkmoe_device_adopt: lock_queue and unlock_queue go together");
    const VkPhysicalDeviceFeatures2 *head = params->features;
    if (head->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2)
        return vkmoe_fail(&params->log, VKMOE_ERROR_INVALID,
            "vkmoe_device_adopt: features begins with sType %d: expected a "
            "VkPhysicalDeviceFeatures2 (%d)",
            (int)head->sType, (int)VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
    for (uint32_t i = 0; i < params->extension_count; i++)
        if (!params->extensions[i])
            return vkmoe_fail(
                &params->log, VKMOE_ERROR_INVALID, "vkmoe_device_adopt: extensions[%u] is NULL", i);
    return VKMOE_OK;
}

static bool has_physical(const struct instance *instance, VkPhysicalDevice wanted)
{
    VkPhysicalDevice handles[64];
    uint32_t count = ARRAY_SIZE(handles);
    VkResult result = instance->vk.EnumeratePhysicalDevices(instance->handle, &count, handles);
    for (uint32_t i = 0; result >= 0 && i < count; i++)
        if (handles[i] == wanted)
            return true;
    return result != VK_SUCCESS; // who can tell
}

// That the features said to be enabled can be and suffice; all others are switched off in `p`.
static enum vkmoe_status check_enabled(const struct vkmoe_adopt_params *params, struct physical *p)
{
    const struct vkmoe_log *log = &params->log;
    struct feature_set enabled;
    if (!vkmoe_features_read(params->features, &enabled))
        return vkmoe_fail(
            log, VKMOE_ERROR_INVALID, "vkmoe_device_adopt: features is a chain without an end");
    const char *feature = vkmoe_features_missing(&enabled);
    if (feature)
        return vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED,
            "vkmoe_device_adopt: the feature %s is not enabled", feature);
    feature = vkmoe_features_beyond(&enabled, &p->features);
    if (feature)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID,
            "vkmoe_device_adopt: the feature %s cannot be enabled: %s lacks it", feature,
            p->info.name);
    if (enabled.vulkanMemoryModel && !enabled.vulkanMemoryModelDeviceScope)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID,
            "vkmoe_device_adopt: the feature vulkanMemoryModel is enabled without "
            "vulkanMemoryModelDeviceScope, which kernels need then");
    vkmoe_physical_restrict(p, &enabled, params->extensions, params->extension_count);
    return VKMOE_OK;
}

static enum vkmoe_status load_instance(
    vkmoe_device *device, PFN_vkGetInstanceProcAddr get_instance_proc_addr)
{
    PFN_vkGetInstanceProcAddr get =
        get_instance_proc_addr ? get_instance_proc_addr : vkmoe_vk_loader();
    if (!get)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_NOT_FOUND,
            "no Vulkan loader: expected get_instance_proc_addr or libvulkan.so.1");
    device->get_instance_proc_addr = get;
    if (!vkmoe_vk_load_instance(get, device->instance, &device->instance_vk))
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_UNSUPPORTED,
            "the instance lacks functions of Vulkan 1.1");
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_device_adopt(const struct vkmoe_adopt_params *params, vkmoe_device **out)
{
    VKMOE_NEED(params ? &params->log : NULL, out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, params, "params");
    PARAMS_WHOLE(&params->log, vkmoe_adopt_params, params);
    TRY_RETURN(check_adopt(params));
    enum vkmoe_status status = VKMOE_OK;
    vkmoe_device *device = new_device(&params->log);
    if (!device)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    device->instance = params->instance;
    device->gpu.handle = params->device;
    device->queue.handle = params->queue;
    device->queue.lock = params->lock_queue;
    device->queue.unlock = params->unlock_queue;
    device->queue.user = params->queue_user;
    device->trusted = params->no_self_test;
    TRY(load_instance(device, params->get_instance_proc_addr));

    struct instance instance = { device->get_instance_proc_addr, device->instance,
        device->instance_vk, VK_NULL_HANDLE };
    struct physical physical;
    if (!has_physical(&instance, params->physical_device)) {
        status = vkmoe_fail(&device->gpu.log, VKMOE_ERROR_INVALID,
            "vkmoe_device_adopt: physical_device is not one of the instance's");
        goto fail;
    }
    vkmoe_physical_probe(&instance, params->physical_device, &physical);
    if (!physical.info.usable) {
        status = vkmoe_fail(&device->gpu.log, physical.refusal, "%s cannot be used: %s",
            physical.info.name, physical.info.reason);
        goto fail;
    }
    TRY(check_queue_family(device, &physical, params->queue_family));
    TRY(check_enabled(params, &physical));
    physical.executable_properties = false; // for tests, and drivers may cache no such pipeline
    vkmoe_device_describe(device, &physical);
    TRY(start(device, params->cache, params->cache_size));
    *out = device;
    return VKMOE_OK;
fail:
    vkmoe_device_destroy(&device);
    return status;
}

void vkmoe_device_free_memory(vkmoe_device *device)
{
    vkmoe_transfer_destroy(device, &device->transfer);
    vkmoe_buffer_destroy(&device->dummy);
    vkmoe_memory_destroy(&device->memory);
}

void vkmoe_device_destroy(vkmoe_device **address)
{
    TAKE_OR_RETURN(vkmoe_device, device, address);
    vkmoe_device_free_memory(device);
    vkmoe_pipelines_finish(device);
    if (device->owned) {
        struct instance instance = { device->get_instance_proc_addr, device->instance,
            device->instance_vk, device->debug_messenger };
        if (device->gpu.handle && device->gpu.vk.DestroyDevice)
            device->gpu.vk.DestroyDevice(device->gpu.handle, NULL);
        vkmoe_instance_finish(&instance);
    }
    vkmoe_queue_finish(&device->queue);
    free(device->overrides);
    vkmoe_verdicts_destroy(&device->verdicts);
    free(device);
}

void vkmoe_device_get_info(const vkmoe_device *device, struct vkmoe_device_info *info)
{
    const struct caller caller = { device_log(device), __func__ };
    struct vkmoe_device_info now = { 0 };
    if (device) {
        now = device->gpu.info;
        now.pipelines_ns = vkmoe_pipelines_ns(device);
    }
    vkmoe_info_get(&caller, PARAMS_TYPE(vkmoe_device_info), device ? &now : NULL, info);
}

uint64_t vkmoe_device_dummy_address(const vkmoe_device *device)
{
    return vkmoe_buffer_address(device->dummy);
}
