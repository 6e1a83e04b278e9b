// host.c - see host.h.
#ifdef HOST_VOLK
#define VOLK_IMPLEMENTATION
#endif
#include "host.h"

#include <stdlib.h>
#include <string.h>

static bool make_instance(struct host *host)
{
#ifdef HOST_VOLK
    TRY_VK(volkInitialize());
#endif
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .apiVersion = VK_API_VERSION_1_3,
    };
    TRY_VK(vkCreateInstance(
        &(VkInstanceCreateInfo){
            .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
            .pApplicationInfo = &application,
        },
        NULL, &host->instance));
#ifdef HOST_VOLK
    volkLoadInstance(host->instance);
#endif
    return true;
}

// The device that tests run on, by the name that vkmoe gives it.
static bool find_device(struct host *host)
{
    VkPhysicalDevice devices[16];
    uint32_t count = 16;
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    vkmoe_device *device;
    if (vkmoe_device_create(&(struct vkmoe_device_params){ VKMOE_INIT(vkmoe_device_params),
                                .select = getenv("VKMOE_TEST_DEVICE") },
            &device)
        != VKMOE_OK)
        return false;
    vkmoe_device_get_info(device, &info);
    vkmoe_device_destroy(&device);
    if (vkEnumeratePhysicalDevices(host->instance, &count, devices) < 0)
        return false;
    for (uint32_t i = 0; i < count && !host->physical_device; i++) {
        VkPhysicalDeviceProperties properties;
        vkGetPhysicalDeviceProperties(devices[i], &properties);
        if (!strcmp(properties.deviceName, info.name))
            host->physical_device = devices[i];
    }
    return host->physical_device;
}

static bool find_queue(struct host *host)
{
    VkQueueFamilyProperties families[16];
    uint32_t count = 16;
    vkGetPhysicalDeviceQueueFamilyProperties(host->physical_device, &count, families);
    while (host->queue_family < count
        && !(families[host->queue_family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        host->queue_family++;
    return host->queue_family < count;
}

#define MATRIX_EXTENSION "VK_KHR_cooperative_matrix"
#define STRUCTURE_TYPE_MATRIX ((VkStructureType)1000506000)
#define MATRIX_2_EXTENSION "VK_NV_cooperative_matrix2"
#define STRUCTURE_TYPE_MATRIX_2 ((VkStructureType)1000593000)
#define HOST_MATRIX_2 (HOST_FLEXIBLE | HOST_MATRIX_GROUPS)

// Behind those of Vulkan's versions, the structs of extensions that are there, or enabled.
static void link_extensions(struct host_features *f, bool executable, bool matrix, bool matrix_2)
{
    f->matrix.pNext = matrix_2 ? &f->matrix_2 : NULL;
    f->executable.pNext = matrix ? &f->matrix : NULL;
    f->v13.pNext = f->memory_model.pNext = executable ? &f->executable : f->executable.pNext;
}

void host_features_init(struct host_features *f, bool single, uint32_t optional)
{
    *f = (struct host_features){
        .base = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
            single ? (void *)&f->address : &f->v11, { .shaderInt64 = !!(optional & HOST_INT64) } },
        .v11 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, &f->v12,
            .storageBuffer16BitAccess = !!(optional & HOST_F16_STORAGE) },
        .v12 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, &f->v13,
            .bufferDeviceAddress = VK_TRUE, .timelineSemaphore = VK_TRUE,
            .vulkanMemoryModel = !!(optional & HOST_MATRIX),
            .vulkanMemoryModelDeviceScope = !!(optional & HOST_MATRIX),
            .shaderFloat16 = !!(optional & HOST_F16_ARITHMETIC) },
        .v13 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES, NULL,
            .synchronization2 = VK_TRUE, .subgroupSizeControl = !!(optional & HOST_SUBGROUP_SIZE),
            .computeFullSubgroups = !!(optional & HOST_FULL_SUBGROUPS),
            .shaderIntegerDotProduct = !!(optional & HOST_INTEGER_DOT),
            .maintenance4 = !!(optional & HOST_MAINTENANCE4) },
        .address = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES, &f->timeline,
            .bufferDeviceAddress = VK_TRUE },
        .timeline = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
            &f->synchronization2, VK_TRUE },
        .synchronization2 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES,
            &f->subgroup_size, VK_TRUE },
        .subgroup_size = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
            &f->maintenance4, !!(optional & HOST_SUBGROUP_SIZE),
            !!(optional & HOST_FULL_SUBGROUPS) },
        .maintenance4 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES, &f->integer_dot,
            !!(optional & HOST_MAINTENANCE4) },
        .integer_dot = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
            &f->storage16, !!(optional & HOST_INTEGER_DOT) },
        .storage16 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES, &f->float16,
            .storageBuffer16BitAccess = !!(optional & HOST_F16_STORAGE) },
        .float16 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
            &f->memory_model, .shaderFloat16 = !!(optional & HOST_F16_ARITHMETIC) },
        .memory_model = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES, NULL,
            .vulkanMemoryModel = !!(optional & HOST_MATRIX),
            .vulkanMemoryModelDeviceScope = !!(optional & HOST_MATRIX) },
        .executable.sType =
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .executable.pipelineExecutableInfo = !!(optional & HOST_EXECUTABLE),
        .matrix.sType = STRUCTURE_TYPE_MATRIX,
        .matrix.cooperativeMatrix = !!(optional & HOST_MATRIX),
        .matrix_2.sType = STRUCTURE_TYPE_MATRIX_2,
        .matrix_2.workgroup_scope = !!(optional & HOST_MATRIX_GROUPS),
        .matrix_2.flexible_dimensions = !!(optional & HOST_FLEXIBLE),
        .matrix_2.per_element_operations = !!(optional & HOST_FLEXIBLE),
    };
    link_extensions(
        f, optional & HOST_EXECUTABLE, optional & HOST_MATRIX, optional & HOST_MATRIX_2);
}

// Of the optional features those that the device has.
static uint32_t find_optional(struct host *host)
{
    struct host_features f;
    uint32_t count = 0, optional = 0;
    bool executable = false, matrix = false, matrix_2 = false;
    VkExtensionProperties list[512];
    host_features_init(&f, false, 0);
    if (!vkEnumerateDeviceExtensionProperties(host->physical_device, NULL, &count, NULL)
        && count <= 512
        && !vkEnumerateDeviceExtensionProperties(host->physical_device, NULL, &count, list))
        for (uint32_t i = 0; i < count; i++) {
            executable |= !strcmp(
                list[i].extensionName, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);
            matrix |= !strcmp(list[i].extensionName, MATRIX_EXTENSION);
            matrix_2 |= !strcmp(list[i].extensionName, MATRIX_2_EXTENSION);
        }
    link_extensions(&f, executable, matrix, matrix_2);
    vkGetPhysicalDeviceFeatures2(host->physical_device, &f.base);
    optional |= f.base.features.shaderInt64 ? HOST_INT64 : 0;
    optional |= f.v13.subgroupSizeControl ? HOST_SUBGROUP_SIZE : 0;
    optional |= f.v13.computeFullSubgroups ? HOST_FULL_SUBGROUPS : 0;
    optional |= f.v13.shaderIntegerDotProduct ? HOST_INTEGER_DOT : 0;
    optional |= f.v13.maintenance4 ? HOST_MAINTENANCE4 : 0;
    optional |= f.v11.storageBuffer16BitAccess ? HOST_F16_STORAGE : 0;
    optional |= f.v12.shaderFloat16 ? HOST_F16_ARITHMETIC : 0;
    optional |= f.executable.pipelineExecutableInfo ? HOST_EXECUTABLE : 0;
    optional |= f.matrix.cooperativeMatrix && f.v12.vulkanMemoryModelDeviceScope ? HOST_MATRIX : 0;
    optional |=
        f.matrix_2.flexible_dimensions && f.matrix_2.per_element_operations ? HOST_FLEXIBLE : 0;
    optional |= f.matrix_2.workgroup_scope ? HOST_MATRIX_GROUPS : 0;
    return optional;
}

static bool make_device(struct host *host, bool single, uint32_t optional, const char *extension)
{
    const float priority = 1;
    host->optional = optional & find_optional(host);
    if (!(host->optional & HOST_MATRIX))
        host->optional &= ~(uint32_t)HOST_MATRIX_2;
    host_features_init(&host->features, single, host->optional);
    if (host->optional & HOST_EXECUTABLE)
        host->extensions[host->extension_count++] =
            VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    if (host->optional & HOST_MATRIX)
        host->extensions[host->extension_count++] = MATRIX_EXTENSION;
    if (host->optional & HOST_MATRIX_2)
        host->extensions[host->extension_count++] = MATRIX_2_EXTENSION;
    if (extension)
        host->extensions[host->extension_count++] = extension;
    const VkDeviceQueueCreateInfo queue = { VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = host->queue_family, .queueCount = 1, .pQueuePriorities = &priority };
    const VkDeviceCreateInfo info = { VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &host->features.base, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue,
        .enabledExtensionCount = host->extension_count,
        .ppEnabledExtensionNames = host->extensions };
    TRY_VK(vkCreateDevice(host->physical_device, &info, NULL, &host->device));
#ifdef HOST_VOLK
    volkLoadDevice(host->device);
#endif
    vkGetDeviceQueue(host->device, host->queue_family, 0, &host->queue);
    return true;
}

bool host_find(struct host *host)
{
    *host = (struct host){ 0 };
    return make_instance(host) && find_device(host) && find_queue(host);
}

bool host_start(struct host *host, bool single, uint32_t optional, const char *extension)
{
    if (!make_device(host, single, optional, extension))
        return false;
    const VkCommandPoolCreateInfo pool = { VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = host->queue_family };
    const VkSemaphoreTypeCreateInfo type = { VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE };
    const VkSemaphoreCreateInfo semaphore = { VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, &type, 0 };
    TRY_VK(vkCreateCommandPool(host->device, &pool, NULL, &host->pool));
    TRY_VK(vkCreateSemaphore(host->device, &semaphore, NULL, &host->timeline));
    return true;
}

bool host_init_with(struct host *host, bool single, uint32_t optional)
{
    return host_find(host) && host_start(host, single, optional, NULL);
}

bool host_init(struct host *host, bool all)
{
    return host_init_with(host, false, all ? ~0u : 0);
}

void host_finish(struct host *host)
{
    if (host->device) {
        vkDeviceWaitIdle(host->device);
        vkDestroySemaphore(host->device, host->timeline, NULL);
        vkDestroyCommandPool(host->device, host->pool, NULL);
        vkDestroyDevice(host->device, NULL);
    }
    if (host->instance)
        vkDestroyInstance(host->instance, NULL);
    *host = (struct host){ 0 };
}

static void lock(void *user)
{
    struct host *host = user;
    host->locked++;
    host->lock_count++;
}

static void unlock(void *user)
{
    struct host *host = user;
    host->locked--;
}

struct vkmoe_adopt_params host_adopt_params(struct host *host)
{
    return (struct vkmoe_adopt_params){
        VKMOE_INIT(vkmoe_adopt_params),
        .instance = host->instance,
        .physical_device = host->physical_device,
        .device = host->device,
        .queue = host->queue,
        .queue_family = host->queue_family,
        .features = &host->features.base,
        .extensions = host->extensions,
        .extension_count = host->extension_count,
        .lock_queue = lock,
        .unlock_queue = unlock,
        .queue_user = host,
        .no_self_test = true,
    };
}

bool host_find_memory(const struct host *host, uint32_t allowed, uint32_t *index)
{
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(host->physical_device, &memory);
    for (*index = 0; *index < memory.memoryTypeCount; ++*index)
        if (allowed >> *index & 1
            && memory.memoryTypes[*index].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)
            return true;
    return false;
}

bool host_buffer_init(struct host *host, struct host_buffer *buffer, uint64_t size)
{
    VkMemoryRequirements requirements;
    uint32_t type;
    *buffer = (struct host_buffer){ 0 };
    TRY_VK(vkCreateBuffer(host->device,
        &(VkBufferCreateInfo){
            .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
            .size = size,
            .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT
                | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
        },
        NULL, &buffer->handle));
    vkGetBufferMemoryRequirements(host->device, buffer->handle, &requirements);
    if (!host_find_memory(host, requirements.memoryTypeBits, &type) || host->mapped_count == 4)
        return false;
    const VkMemoryAllocateFlagsInfo flags = { VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT };
    const VkMemoryAllocateInfo memory = { VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &flags,
        .allocationSize = requirements.size, .memoryTypeIndex = type };
    const VkBufferDeviceAddressInfo address = { VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
        .buffer = buffer->handle };
    TRY_VK(vkAllocateMemory(host->device, &memory, NULL, &buffer->memory));
    TRY_VK(vkBindBufferMemory(host->device, buffer->handle, buffer->memory, 0));
    TRY_VK(vkMapMemory(host->device, buffer->memory, 0, VK_WHOLE_SIZE, 0, &buffer->mapped));
    buffer->address = vkGetBufferDeviceAddress(host->device, &address);
    host->mapped[host->mapped_count++] = buffer->memory;
    return true;
}

void host_buffer_finish(struct host *host, struct host_buffer *buffer)
{
    if (!host->device)
        return;
    for (uint32_t i = 0; i < host->mapped_count; i++)
        if (host->mapped[i] == buffer->memory)
            host->mapped[i--] = host->mapped[--host->mapped_count];
    vkDestroyBuffer(host->device, buffer->handle, NULL);
    vkFreeMemory(host->device, buffer->memory, NULL);
}

static uint32_t list_ranges(const struct host *host, VkMappedMemoryRange *ranges)
{
    for (uint32_t i = 0; i < host->mapped_count; i++)
        ranges[i] = (VkMappedMemoryRange){
            .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
            .memory = host->mapped[i],
            .size = VK_WHOLE_SIZE,
        };
    return host->mapped_count;
}

bool host_flush(struct host *host)
{
    VkMappedMemoryRange ranges[4];
    const uint32_t count = list_ranges(host, ranges);
    return !count || vkFlushMappedMemoryRanges(host->device, count, ranges) == VK_SUCCESS;
}

bool host_invalidate(struct host *host)
{
    VkMappedMemoryRange ranges[4];
    const uint32_t count = list_ranges(host, ranges);
    return !count || vkInvalidateMappedMemoryRanges(host->device, count, ranges) == VK_SUCCESS;
}

VkCommandBuffer host_begin(struct host *host)
{
    VkCommandBuffer commands = NULL;
    if (vkAllocateCommandBuffers(host->device,
            &(VkCommandBufferAllocateInfo){
                .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                .commandPool = host->pool,
                .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                .commandBufferCount = 1,
            },
            &commands)
        != VK_SUCCESS)
        return NULL;
    vkBeginCommandBuffer(commands,
        &(VkCommandBufferBeginInfo){
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        });
    return commands;
}

bool host_run(struct host *host, VkCommandBuffer commands)
{
    TRY_VK(vkEndCommandBuffer(commands));
    if (!host_flush(host))
        return false;
    TRY_VK(vkQueueSubmit(host->queue, 1,
        &(VkSubmitInfo){
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .commandBufferCount = 1,
            .pCommandBuffers = &commands,
        },
        VK_NULL_HANDLE));
    TRY_VK(vkQueueWaitIdle(host->queue));
    vkFreeCommandBuffers(host->device, host->pool, 1, &commands);
    return host_invalidate(host);
}
