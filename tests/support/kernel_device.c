// kernel_device.c - see kernel_device.h.
#define _DEFAULT_SOURCE // MAP_ANONYMOUS
#include "kernel_device.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIN_GUARD 4096u   // bytes before an operand
#define TAIL_GUARD 65536u // bytes after it, without guard pages: what the library promises

// ------------------------------------------------------------------------- device

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
    if (vkEnumerateDeviceExtensionProperties(d->host.physical_device, NULL, &count, NULL))
        return;
    VkExtensionProperties *list = calloc(count + 1, sizeof *list);
    if (list
        && vkEnumerateDeviceExtensionProperties(d->host.physical_device, NULL, &count, list) >= 0)
        for (uint32_t i = 0; i < count; i++)
            d->has_guard_pages |=
                !strcmp(list[i].extensionName, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
    free(list);
    if (!d->has_guard_pages)
        return;
    vkGetPhysicalDeviceProperties2(d->host.physical_device, &properties);
    d->has_guard_pages = properties.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU
        && host.minImportedHostPointerAlignment <= d->page;
}

bool kernel_device_init(struct kernel_device *d)
{
    *d = (struct kernel_device){ 0 };
    if (!host_find(&d->host))
        return false;
    probe_import(d);
    return host_start(&d->host, false, ~(uint32_t)HOST_EXECUTABLE,
        d->has_guard_pages ? VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME : NULL);
}

void kernel_device_finish(struct kernel_device *d)
{
    host_finish(&d->host);
}

// ------------------------------------------------------------------------- arenas

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
    TRY_VK(vkCreateBuffer(d->host.device,
        &(VkBufferCreateInfo){
            .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
            .pNext = d->has_guard_pages ? &external : NULL,
            .size = arena->size,
            .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT,
        },
        NULL, &arena->handle));
    vkGetBufferMemoryRequirements(d->host.device, arena->handle, &requirements);
    if (d->has_guard_pages)
        TRY_VK(vkGetMemoryHostPointerPropertiesEXT(d->host.device, host, arena->bytes, &pointer));
    if (!host_find_memory(&d->host, requirements.memoryTypeBits & pointer.memoryTypeBits, &type))
        return false;
    const VkImportMemoryHostPointerInfoEXT import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = host,
        .pHostPointer = arena->bytes,
    };
    TRY_VK(vkAllocateMemory(d->host.device,
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
    TRY_VK(vkBindBufferMemory(d->host.device, arena->handle, arena->memory, 0));
    if (!d->has_guard_pages) {
        void *mapped;
        TRY_VK(vkMapMemory(d->host.device, arena->memory, 0, VK_WHOLE_SIZE, 0, &mapped));
        arena->bytes = mapped;
    }
    arena->address = vkGetBufferDeviceAddress(d->host.device,
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
        vkDestroyBuffer(d->host.device, arena->handle, NULL);
    if (arena->memory)
        vkFreeMemory(d->host.device, arena->memory, NULL);
    if (arena->reserved)
        munmap(arena->reserved, arena->reserved_size);
    *arena = (struct kernel_arena){ 0 };
}

static bool for_ranges(struct kernel_device *d, struct kernel_arena *arenas, uint32_t count,
    VkResult (*call)(VkDevice, uint32_t, const VkMappedMemoryRange *))
{
    for (uint32_t i = 0; i < count && !d->has_guard_pages; i++)
        TRY_VK(call(d->host.device, 1,
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
