// device.c - making and adopting devices; the queue they share.
#include "base/params.h"
#include "device/device.h"

#include "base/common.h"
#include "device/kernel.h"
#include "device/memory.h"
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
    device->log = *log;
    atomic_init(&device->lost, false);
    atomic_init(&device->scratch_size, 0);
    pthread_mutex_init(&device->queue_mutex, NULL);
    return device;
}

// Everything that follows from the physical device, whose flags by now say what is
// enabled, not what is possible.
static void describe(vkmoe_device *device, const struct physical *p)
{
    const uint32_t *groups = p->limits.maxComputeWorkGroupCount;
    device->info = p->info;
    device->physical_device = p->handle;
    device->limits = p->limits;
    device->memory = p->memory;
    memcpy(device->cache_uuid, p->cache_uuid, sizeof device->cache_uuid);
    device->max_buffer_size = p->max_buffer_size;
    device->memory_budget = p->memory_budget;
    device->max_groups = MIN(65535, MIN(groups[0], groups[1]));
    device->queue_family = p->queue_family;
    device->timestamp_bits = p->timestamp_bits;
    device->timestamp_period_ns = p->limits.timestampPeriod;
    device->is_cpu = p->info.type == VKMOE_DEVICE_TYPE_CPU;
    device->packs_on_host = device->is_cpu;
    device->ends_loops = p->ends_loops;
    device->full_subgroups = p->full_subgroups;
    device->capture_statistics = p->executable_properties;
    device->subgroup_size = vkmoe_physical_subgroup_size(p);
    device->fixed_subgroup_size = p->min_subgroup_size != p->max_subgroup_size;
    device->info.subgroup_size = device->subgroup_size;
    device->info.subgroup_arithmetic = p->subgroup_arithmetic;
    device->needs = (p->info.int64 ? NEED_int64 : 0) | (device->is_cpu ? 0 : NEED_gpu)
        | (p->subgroup_arithmetic ? NEED_subgroup : 0)
        | (p->broadcast && p->info.int64 ? NEED_broadcast | NEED_columns : 0);
    if ((device->needs & NEED_broadcast) == NEED_broadcast && p->subgroup_arithmetic
        && p->subgroup_ballot && device->subgroup_size == 8)
        device->needs |= NEED_eight;
}

static enum vkmoe_status start(vkmoe_device *device, const void *cache, size_t cache_size)
{
    if (!vkmoe_vk_load_device(device->instance_vk.GetDeviceProcAddr, device->device, &device->vk))
        return vkmoe_fail(&device->log, VKMOE_ERROR_UNSUPPORTED,
            "%s: the device lacks functions of Vulkan 1.3 (was VkApplicationInfo.apiVersion 1.3?)",
            device->info.name);
    // Before anything that may submit: what the host cannot see is cleared by the device.
    if (device->owned)
        device->vk.GetDeviceQueue(device->device, device->queue_family, 0, &device->queue);
    if (!device->queue)
        return vkmoe_fail(&device->log, VKMOE_ERROR_DRIVER, "%s: vkGetDeviceQueue gave no queue",
            device->info.name);
    enum vkmoe_status status = vkmoe_pipelines_init(device, cache, cache_size);
    if (status == VKMOE_OK)
        status = vkmoe_memory_init(device);
    if (status == VKMOE_OK)
        vkmoe_log(&device->log, VKMOE_LOG_INFO, "%s, %s: subgroups of %u%s%s, %s memory %llu MiB",
            device->info.name, device->info.driver, device->subgroup_size,
            device->needs & NEED_subgroup ? ", subgroup arithmetic" : "",
            device->needs & NEED_int64 ? ", int64" : "", device->owned ? "own device," : "adopted,",
            (unsigned long long)(device->info.memory_size >> 20));
    return status;
}

static enum vkmoe_status make_device(vkmoe_device *device, const struct physical *p)
{
    const float priority = 1;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executable = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .pipelineExecutableInfo = VK_TRUE,
    };
    VkPhysicalDeviceVulkan13Features v13 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
        .pNext = p->executable_properties ? &executable : NULL,
        .synchronization2 = VK_TRUE,
        .subgroupSizeControl = p->subgroup_size_control,
        .computeFullSubgroups = p->full_subgroups,
        .maintenance4 = p->maintenance4,
    };
    VkPhysicalDeviceVulkan12Features v12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = &v13,
        .bufferDeviceAddress = VK_TRUE,
        .timelineSemaphore = VK_TRUE,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &v12,
        .features.shaderInt64 = p->info.int64,
    };
    const char *extensions[2];
    uint32_t extension_count = 0;
    if (p->portability_subset) // who has it, insists on its being enabled
        extensions[extension_count++] = "VK_KHR_portability_subset";
    if (p->executable_properties)
        extensions[extension_count++] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    VkResult result = device->instance_vk.CreateDevice(p->handle,
        &(VkDeviceCreateInfo){
            .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
            .pNext = &features,
            .queueCreateInfoCount = 1,
            .pQueueCreateInfos =
                &(VkDeviceQueueCreateInfo){
                    .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                    .queueFamilyIndex = p->queue_family,
                    .queueCount = 1,
                    .pQueuePriorities = &priority,
                },
            .ppEnabledExtensionNames = extensions,
            .enabledExtensionCount = extension_count,
        },
        NULL, &device->device);
    return vkmoe_vk_status(&device->log, result, "vkCreateDevice");
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
    status = vkmoe_instance_init(&instance, &device->log,
        (PFN_vkGetInstanceProcAddr)params->get_instance_proc_addr, params->application,
        params->validate);
    if (status != VKMOE_OK)
        goto fail;
    device->get_instance_proc_addr = instance.get;
    device->instance = instance.handle;
    device->instance_vk = instance.vk;
    device->debug_messenger = instance.messenger;
    status = vkmoe_physical_enumerate(&instance, &device->log, &list, &count);
    if (status == VKMOE_OK)
        status = vkmoe_physical_choose(&device->log, list, count, params->select, &chosen);
    if (status != VKMOE_OK)
        goto fail;

    struct physical physical = *chosen;
    physical.executable_properties = physical.executable_properties && capture_statistics;
    describe(device, &physical);
    status = make_device(device, &physical);
    if (status == VKMOE_OK)
        status = start(device, params->cache, params->cache_size);
    if (status != VKMOE_OK)
        goto fail;
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
        return vkmoe_fail(&device->log, VKMOE_ERROR_INVALID,
            "vkmoe_device_adopt: queue_family is %u: expected a family of %s that has compute",
            index, p->info.name);
    p->queue_family = index;
    p->timestamp_bits = families[index].queueFamilyProperties.timestampValidBits;
    return VKMOE_OK;
}

// As in base/params.h, which knows nothing of Vulkan.
enum { FIRST_vkmoe_adopt_params = PARAMS_SIZE(vkmoe_adopt_params, cache_size) };

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
    vkmoe_physical_restrict(p, &enabled, params->extensions, params->extension_count);
    return VKMOE_OK;
}

static enum vkmoe_status load_instance(
    vkmoe_device *device, PFN_vkGetInstanceProcAddr get_instance_proc_addr)
{
    PFN_vkGetInstanceProcAddr get =
        get_instance_proc_addr ? get_instance_proc_addr : vkmoe_vk_loader();
    if (!get)
        return vkmoe_fail(&device->log, VKMOE_ERROR_NOT_FOUND,
            "no Vulkan loader: expected get_instance_proc_addr or libvulkan.so.1");
    device->get_instance_proc_addr = get;
    if (!vkmoe_vk_load_instance(get, device->instance, &device->instance_vk))
        return vkmoe_fail(
            &device->log, VKMOE_ERROR_UNSUPPORTED, "the instance lacks functions of Vulkan 1.1");
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_device_adopt(const struct vkmoe_adopt_params *params, vkmoe_device **out)
{
    VKMOE_NEED(params ? &params->log : NULL, out, "out");
    *out = NULL;
    VKMOE_NEED(NULL, params, "params");
    PARAMS_WHOLE(&params->log, vkmoe_adopt_params, params);
    enum vkmoe_status status = check_adopt(params);
    if (status != VKMOE_OK)
        return status;
    vkmoe_device *device = new_device(&params->log);
    if (!device)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    device->instance = params->instance;
    device->device = params->device;
    device->queue = params->queue;
    device->lock_queue = params->lock_queue;
    device->unlock_queue = params->unlock_queue;
    device->queue_user = params->queue_user;
    status = load_instance(device, params->get_instance_proc_addr);
    if (status != VKMOE_OK)
        goto fail;

    struct instance instance = { device->get_instance_proc_addr, device->instance,
        device->instance_vk, VK_NULL_HANDLE };
    struct physical physical;
    if (!has_physical(&instance, params->physical_device)) {
        status = vkmoe_fail(&device->log, VKMOE_ERROR_INVALID,
            "vkmoe_device_adopt: physical_device is not one of the instance's");
        goto fail;
    }
    vkmoe_physical_probe(&instance, params->physical_device, &physical);
    if (!physical.info.usable) {
        status = vkmoe_fail(&device->log, physical.refusal, "%s cannot be used: %s",
            physical.info.name, physical.info.reason);
        goto fail;
    }
    status = check_queue_family(device, &physical, params->queue_family);
    if (status != VKMOE_OK)
        goto fail;
    status = check_enabled(params, &physical);
    if (status != VKMOE_OK)
        goto fail;
    physical.executable_properties = false; // for tests, and drivers may cache no such pipeline
    describe(device, &physical);
    status = start(device, params->cache, params->cache_size);
    if (status != VKMOE_OK)
        goto fail;
    *out = device;
    return VKMOE_OK;
fail:
    vkmoe_device_destroy(&device);
    return status;
}

void vkmoe_device_destroy(vkmoe_device **address)
{
    if (!address || !*address)
        return;
    vkmoe_device *device = *address;
    *address = NULL;
    vkmoe_memory_finish(device);
    vkmoe_pipelines_finish(device);
    if (device->owned) {
        struct instance instance = { device->get_instance_proc_addr, device->instance,
            device->instance_vk, device->debug_messenger };
        if (device->device && device->vk.DestroyDevice)
            device->vk.DestroyDevice(device->device, NULL);
        vkmoe_instance_finish(&instance);
    }
    pthread_mutex_destroy(&device->queue_mutex);
    free(device);
}

void vkmoe_device_get_info(const vkmoe_device *device, struct vkmoe_device_info *info)
{
    const struct caller caller = { device_log(device), __func__ };
    vkmoe_info_get(&caller, PARAMS_TYPE(vkmoe_device_info), device ? &device->info : NULL, info);
}

// ------------------------------------------------------------------------- queue

static enum vkmoe_status check_lost(vkmoe_device *device, VkResult result, const char *call)
{
    if (result == VK_ERROR_DEVICE_LOST)
        atomic_store(&device->lost, true);
    return vkmoe_vk_status(&device->log, result, call);
}

enum vkmoe_status vkmoe_device_check(const vkmoe_device *device, const char *function)
{
    return !atomic_load(&device->lost) ? VKMOE_OK
                                       : vkmoe_fail(&device->log, VKMOE_ERROR_DEVICE_LOST,
                                           "%s: the device was lost before", function);
}

static void lock_queue(vkmoe_device *device)
{
    pthread_mutex_lock(&device->queue_mutex);
    if (device->lock_queue)
        device->lock_queue(device->queue_user);
}

static void unlock_queue(vkmoe_device *device)
{
    if (device->unlock_queue)
        device->unlock_queue(device->queue_user);
    pthread_mutex_unlock(&device->queue_mutex);
}

enum vkmoe_status vkmoe_device_submit(vkmoe_device *device, const VkSubmitInfo2 *submit)
{
    const enum vkmoe_status status = vkmoe_device_check(device, "submit");
    if (status != VKMOE_OK)
        return status;
    lock_queue(device);
    VkResult result = device->vk.QueueSubmit2(device->queue, 1, submit, VK_NULL_HANDLE);
    unlock_queue(device);
    return check_lost(device, result, "vkQueueSubmit2");
}

// In slices: drivers have been seen to overflow when they add a huge timeout to the clock,
// and a device that another thread lost is noticed.
static VkResult wait(
    vkmoe_device *device, VkSemaphore timeline, uint64_t value, uint64_t timeout_ns)
{
    const uint64_t slice_ns = 1000000000;
    const VkSemaphoreWaitInfo wait = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &timeline,
        .pValues = &value,
    };
    for (;;) {
        if (atomic_load(&device->lost))
            return VK_ERROR_DEVICE_LOST;
        uint64_t now_ns = MIN(timeout_ns, slice_ns);
        VkResult result = device->vk.WaitSemaphores(device->device, &wait, now_ns);
        if (result != VK_TIMEOUT || now_ns == timeout_ns)
            return result;
        if (timeout_ns != UINT64_MAX)
            timeout_ns -= now_ns;
    }
}

enum vkmoe_status vkmoe_device_wait(
    vkmoe_device *device, VkSemaphore timeline, uint64_t value, uint64_t timeout_ns)
{
    return check_lost(device, wait(device, timeline, value, timeout_ns), "vkWaitSemaphores");
}

void vkmoe_device_settle(vkmoe_device *device, VkSemaphore timeline, uint64_t value)
{
    const uint64_t slice_ns = 1000000000; // as above
    const VkSemaphoreWaitInfo wait = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &timeline,
        .pValues = &value,
    };
    for (int failures = 0; failures < 3 && !atomic_load(&device->lost);) {
        const VkResult result = device->vk.WaitSemaphores(device->device, &wait, slice_ns);
        if (result == VK_SUCCESS)
            return;
        if (result == VK_ERROR_DEVICE_LOST)
            atomic_store(&device->lost, true);
        failures += result < 0;
    }
    // Of a lost device, too: whatever of it still runs.
    lock_queue(device);
    device->vk.QueueWaitIdle(device->queue);
    unlock_queue(device);
}
