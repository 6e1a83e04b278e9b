// vk.c - the system's Vulkan loader, function tables, and names of results.
//
// The only file that sees volk. volk keeps hundreds of global pointers named
// vkXxx, which would collide with a host that links libvulkan or has a volk of its
// own; volk_names.h, made by the build from volk.h itself, renames every one.
#include "volk_names.h"
#define VOLK_IMPLEMENTATION
#include <volk.h>

#include "vulkan/vk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t loader_once = PTHREAD_ONCE_INIT;
static PFN_vkGetInstanceProcAddr loader;

static void find_loader(void)
{
    if (volkInitialize() == VK_SUCCESS)
        loader = vkGetInstanceProcAddr;
}

PFN_vkGetInstanceProcAddr vkmoe_vk_loader(void)
{
    pthread_once(&loader_once, find_loader);
    return loader;
}

// In both functions below.
#define LOAD(name) \
    table->name = (PFN_vk##name)(void (*)(void))get(owner, "vk" #name); \
    complete = complete && table->name;

bool vkmoe_vk_load_instance(
    PFN_vkGetInstanceProcAddr get, VkInstance owner, struct vk_instance_table *table)
{
    bool complete = true;
    VKMOE_INSTANCE_FUNCTIONS(LOAD)
    return complete;
}

bool vkmoe_vk_load_device(
    PFN_vkGetDeviceProcAddr get, VkDevice owner, struct vk_device_table *table)
{
    bool complete = true;
    VKMOE_DEVICE_FUNCTIONS(LOAD)
    return complete;
}

VkResult vkmoe_vk_enumerate(VkResult (*call)(const void *user, uint32_t *count, void *list),
    const void *user, size_t element_size, void **list, uint32_t *count)
{
    VkResult result = VK_INCOMPLETE;
    *list = NULL;
    *count = 0;
    for (int tries = 0; tries < 4 && result == VK_INCOMPLETE; tries++) {
        free(*list);
        *list = NULL;
        result = call(user, count, NULL);
        if (result < 0 || !*count)
            break;
        *list = calloc(*count, element_size);
        result = *list ? call(user, count, *list) : VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    if (result >= 0)
        return VK_SUCCESS; // what still is incomplete has to do
    free(*list);
    *list = NULL;
    *count = 0;
    return result;
}

const char *vkmoe_vk_result_name(VkResult result)
{
    switch (result) {
#define NAME(name) \
    case name: return #name;
        NAME(VK_SUCCESS)
        NAME(VK_NOT_READY)
        NAME(VK_TIMEOUT)
        NAME(VK_INCOMPLETE)
        NAME(VK_ERROR_OUT_OF_HOST_MEMORY)
        NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY)
        NAME(VK_ERROR_INITIALIZATION_FAILED)
        NAME(VK_ERROR_DEVICE_LOST)
        NAME(VK_ERROR_MEMORY_MAP_FAILED)
        NAME(VK_ERROR_LAYER_NOT_PRESENT)
        NAME(VK_ERROR_EXTENSION_NOT_PRESENT)
        NAME(VK_ERROR_FEATURE_NOT_PRESENT)
        NAME(VK_ERROR_INCOMPATIBLE_DRIVER)
        NAME(VK_ERROR_TOO_MANY_OBJECTS)
        NAME(VK_ERROR_FRAGMENTED_POOL)
        NAME(VK_ERROR_OUT_OF_POOL_MEMORY)
        NAME(VK_ERROR_INVALID_EXTERNAL_HANDLE)
        NAME(VK_ERROR_FRAGMENTATION)
        NAME(VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS)
        NAME(VK_ERROR_UNKNOWN)
#undef NAME
    default: return "an unnamed VkResult";
    }
}

static enum vkmoe_status status_of(VkResult result)
{
    switch (result) {
    case VK_NOT_READY:
    case VK_TIMEOUT: return VKMOE_ERROR_TIMEOUT;
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_FRAGMENTED_POOL:
    case VK_ERROR_OUT_OF_POOL_MEMORY: return VKMOE_ERROR_OUT_OF_MEMORY;
    case VK_ERROR_DEVICE_LOST: return VKMOE_ERROR_DEVICE_LOST;
    case VK_ERROR_LAYER_NOT_PRESENT:
    case VK_ERROR_EXTENSION_NOT_PRESENT:
    case VK_ERROR_FEATURE_NOT_PRESENT:
    case VK_ERROR_INCOMPATIBLE_DRIVER: return VKMOE_ERROR_UNSUPPORTED;
    default: return result < 0 ? VKMOE_ERROR_DRIVER : VKMOE_OK;
    }
}

enum vkmoe_status vkmoe_vk_status(const struct vkmoe_log *log, VkResult result, const char *call)
{
    enum vkmoe_status status = status_of(result);
    if (status == VKMOE_OK || status == VKMOE_ERROR_TIMEOUT)
        return status;
    // VK_TRY() hands over the whole call; its arguments would only be noise.
    return vkmoe_fail(log, status, "%.*s: %s (%d)", (int)strcspn(call, "("), call,
        vkmoe_vk_result_name(result), (int)result);
}
