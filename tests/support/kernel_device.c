// kernel_device.c - see kernel_device.h.
#define _DEFAULT_SOURCE // MAP_ANONYMOUS
#define VOLK_IMPLEMENTATION
#include "kernel_device.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIN_GUARD 4096u   // bytes before an operand
#define TAIL_GUARD 65536u // bytes behind it, without guard pages: what the library promises

#define TRY(call) \
    do { \
        if ((call) != VK_SUCCESS) \
            return false; \
    } while (0)

// ------------------------------------------------------------------------- device

static bool make_instance(struct kernel_device *d)
{
    TRY(volkInitialize());
    TRY(vkCreateInstance(
        &(VkInstanceCreateInfo){
            .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
            .pApplicationInfo =
                &(VkApplicationInfo){
                    .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                    .apiVersion = VK_API_VERSION_1_3,
                },
        },
        NULL, &d->instance));
    volkLoadInstance(d->instance);
    return true;
}

static bool find_device(struct kernel_device *d)
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
    if (vkEnumeratePhysicalDevices(d->instance, &count, devices) < 0)
        return false;
    for (uint32_t i = 0; i < count && !d->physical_device; i++) {
        VkPhysicalDeviceProperties properties;
        vkGetPhysicalDeviceProperties(devices[i], &properties);
        if (!strcmp(properties.deviceName, info.name))
            d->physical_device = devices[i];
    }
    return d->physical_device;
}

static bool find_queue(struct kernel_device *d)
{
    VkQueueFamilyProperties families[16];
    uint32_t count = 16;
    vkGetPhysicalDeviceQueueFamilyProperties(d->physical_device, &count, families);
    while (
        d->queue_family < count && !(families[d->queue_family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        d->queue_family++;
    return d->queue_family < count;
}

// Guard pages are for drivers that run shaders on the CPU.
static void probe_import(struct kernel_device *d)
{
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &host
    };
    uint32_t count = 0;
    d->page = (size_t)sysconf(_SC_PAGESIZE);
    if (vkEnumerateDeviceExtensionProperties(d->physical_device, NULL, &count, NULL))
        return;
    VkExtensionProperties *list = calloc(count + 1, sizeof *list);
    if (list && vkEnumerateDeviceExtensionProperties(d->physical_device, NULL, &count, list) >= 0)
        for (uint32_t i = 0; i < count; i++)
            d->has_guard_pages |=
                !strcmp(list[i].extensionName, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
    free(list);
    if (!d->has_guard_pages)
        return;
    vkGetPhysicalDeviceProperties2(d->physical_device, &properties);
    d->has_guard_pages = properties.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU
        && host.minImportedHostPointerAlignment <= d->page;
}

static bool make_device(struct kernel_device *d)
{
    VkPhysicalDeviceVulkan13Features found13 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES
    };
    VkPhysicalDeviceFeatures2 found = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &found13 };
    vkGetPhysicalDeviceFeatures2(d->physical_device, &found);
    d->features13 = (VkPhysicalDeviceVulkan13Features){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
        .synchronization2 = VK_TRUE,
        .subgroupSizeControl = found13.subgroupSizeControl,
    };
    d->features12 = (VkPhysicalDeviceVulkan12Features){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = &d->features13,
        .bufferDeviceAddress = VK_TRUE,
        .timelineSemaphore = VK_TRUE,
    };
    d->features = (VkPhysicalDeviceFeatures2){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &d->features12,
        .features.shaderInt64 = found.features.shaderInt64,
    };
    const float priority = 1;
    const char *extension = VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME;
    TRY(vkCreateDevice(d->physical_device,
        &(VkDeviceCreateInfo){
            .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
            .pNext = &d->features,
            .queueCreateInfoCount = 1,
            .pQueueCreateInfos =
                &(VkDeviceQueueCreateInfo){
                    .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                    .queueFamilyIndex = d->queue_family,
                    .queueCount = 1,
                    .pQueuePriorities = &priority,
                },
            .enabledExtensionCount = d->has_guard_pages ? 1 : 0,
            .ppEnabledExtensionNames = &extension,
        },
        NULL, &d->device));
    volkLoadDevice(d->device);
    vkGetDeviceQueue(d->device, d->queue_family, 0, &d->queue);
    return true;
}

bool kernel_device_init(struct kernel_device *d)
{
    *d = (struct kernel_device){ 0 };
    if (!make_instance(d) || !find_device(d) || !find_queue(d))
        return false;
    probe_import(d);
    return make_device(d);
}

void kernel_device_finish(struct kernel_device *d)
{
    if (d->device)
        vkDestroyDevice(d->device, NULL);
    if (d->instance)
        vkDestroyInstance(d->instance, NULL);
    *d = (struct kernel_device){ 0 };
}

struct vkmoe_adopt_params kernel_device_adopt_params(const struct kernel_device *d)
{
    return (struct vkmoe_adopt_params){
        VKMOE_INIT(vkmoe_adopt_params),
        .instance = d->instance,
        .physical_device = d->physical_device,
        .device = d->device,
        .queue = d->queue,
        .queue_family = d->queue_family,
        .features = &d->features,
    };
}

// ------------------------------------------------------------------------- arenas

static bool find_memory_type(struct kernel_device *d, uint32_t allowed, uint32_t *index)
{
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(d->physical_device, &memory);
    for (*index = 0; *index < memory.memoryTypeCount; ++*index)
        if (allowed >> *index & 1
            && memory.memoryTypes[*index].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)
            return true;
    return false;
}

// Our own pages for the buffer, between two that nobody may touch.
static bool reserve(struct kernel_device *d, struct kernel_arena *arena)
{
    arena->reserved_size = arena->size + 2 * d->page;
    arena->reserved =
        mmap(NULL, arena->reserved_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena->reserved == MAP_FAILED) {
        arena->reserved = NULL;
        return false;
    }
    arena->bytes = (unsigned char *)arena->reserved + d->page;
    return mprotect(arena->bytes, arena->size, PROT_READ | PROT_WRITE) == 0;
}

static bool allocate(struct kernel_device *d, struct kernel_arena *arena)
{
    const VkExternalMemoryHandleTypeFlagBits host =
        VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = host,
    };
    VkMemoryHostPointerPropertiesEXT pointer = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT, .memoryTypeBits = ~0u
    };
    VkMemoryRequirements requirements;
    uint32_t type;
    if (d->has_guard_pages && !reserve(d, arena))
        return false;
    TRY(vkCreateBuffer(d->device,
        &(VkBufferCreateInfo){
            .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
            .pNext = d->has_guard_pages ? &external : NULL,
            .size = arena->size,
            .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT,
        },
        NULL, &arena->handle));
    vkGetBufferMemoryRequirements(d->device, arena->handle, &requirements);
    if (d->has_guard_pages)
        TRY(vkGetMemoryHostPointerPropertiesEXT(d->device, host, arena->bytes, &pointer));
    if (!find_memory_type(d, requirements.memoryTypeBits & pointer.memoryTypeBits, &type))
        return false;
    const VkImportMemoryHostPointerInfoEXT import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = host,
        .pHostPointer = arena->bytes,
    };
    TRY(vkAllocateMemory(d->device,
        &(VkMemoryAllocateInfo){
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .pNext =
                &(VkMemoryAllocateFlagsInfo){
                    .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                    .pNext = d->has_guard_pages ? &import : NULL,
                    .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
                },
            .allocationSize = d->has_guard_pages ? arena->size : requirements.size,
            .memoryTypeIndex = type,
        },
        NULL, &arena->memory));
    TRY(vkBindBufferMemory(d->device, arena->handle, arena->memory, 0));
    if (!d->has_guard_pages) {
        void *mapped;
        TRY(vkMapMemory(d->device, arena->memory, 0, VK_WHOLE_SIZE, 0, &mapped));
        arena->bytes = mapped;
    }
    arena->address = vkGetBufferDeviceAddress(d->device,
        &(VkBufferDeviceAddressInfo){
            .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
            .buffer = arena->handle,
        });
    return arena->address;
}

bool kernel_arena_place(
    struct kernel_device *d, struct kernel_arena *arena, const char *name, size_t size, size_t skew)
{
    const size_t tail = (d->has_guard_pages ? 0 : TAIL_GUARD) + skew;
    const size_t needed = MIN_GUARD + size + tail;
    if (needed > arena->size) {
        kernel_arena_finish(d, arena);
        arena->size = 2 * d->page;
        while (arena->size < needed)
            arena->size *= 2;
        if (!allocate(d, arena)) {
            kernel_arena_finish(d, arena);
            return false;
        }
    }
    arena->name = name;
    arena->operand_size = size;
    arena->offset = arena->size - tail - size;
    arena->guarded = arena->offset - MIN_GUARD;
    return true;
}

void kernel_arena_finish(struct kernel_device *d, struct kernel_arena *arena)
{
    if (arena->handle)
        vkDestroyBuffer(d->device, arena->handle, NULL);
    if (arena->memory)
        vkFreeMemory(d->device, arena->memory, NULL);
    if (arena->reserved)
        munmap(arena->reserved, arena->reserved_size);
    *arena = (struct kernel_arena){ 0 };
}

static bool for_ranges(struct kernel_device *d, struct kernel_arena *arenas, uint32_t count,
    VkResult (*call)(VkDevice, uint32_t, const VkMappedMemoryRange *))
{
    for (uint32_t i = 0; i < count && !d->has_guard_pages; i++)
        TRY(call(d->device, 1,
            &(VkMappedMemoryRange){
                .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
                .memory = arenas[i].memory,
                .size = VK_WHOLE_SIZE,
            }));
    return true;
}

bool kernel_device_flush(struct kernel_device *d, struct kernel_arena *arenas, uint32_t count)
{
    return for_ranges(d, arenas, count, vkFlushMappedMemoryRanges);
}

bool kernel_device_invalidate(struct kernel_device *d, struct kernel_arena *arenas, uint32_t count)
{
    return for_ranges(d, arenas, count, vkInvalidateMappedMemoryRanges);
}

// ------------------------------------------------------------------------- faults

static const struct kernel_arena *watched;
static uint32_t watched_count;
static const char *watched_test;

// On a thread of the driver's; what follows is the end, so stdio may be tried.
static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    char line[512];
    const unsigned char *at = info->si_addr;
    int length = snprintf(line, sizeof line, "#   fault at %p, no operand's\n", (const void *)at);
    for (uint32_t i = 0; i < watched_count; i++) {
        const struct kernel_arena *a = &watched[i];
        const unsigned char *first = a->reserved;
        if (!first || at < first || at >= first + a->reserved_size)
            continue;
        length =
            snprintf(line, sizeof line, "#   fault: an access at byte %td of %s, which has %zu\n",
                at - (a->bytes + a->offset), a->name, a->operand_size);
    }
    if (write(STDOUT_FILENO, line, (size_t)length) < 0)
        _exit(3);
    length = snprintf(line, sizeof line, "Bail out! %s: memory fault\n", watched_test);
    if (write(STDOUT_FILENO, line, (size_t)length) < 0)
        _exit(3);
    _exit(2);
}

void kernel_device_watch(const char *test, const struct kernel_arena *arenas, uint32_t count)
{
    watched = arenas;
    watched_count = count;
    watched_test = test;
    struct sigaction action = { .sa_flags = SA_SIGINFO, .sa_sigaction = on_fault };
    if (!test)
        action = (struct sigaction){ .sa_handler = SIG_DFL };
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}
