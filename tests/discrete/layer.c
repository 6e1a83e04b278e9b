// layer.c - VK_LAYER_VKMOE_discrete: a Vulkan layer that makes a graphics card of a CPU driver.
//
// Memory of the card is not the host's, queues come in families, and limits are what one likes:
// what nearly every user has, and no CPU driver shows. tests/drivers.sh has the cards as drivers:
//
//     tests/drivers.sh run discrete build/vkmoe devices
//
// By hand, for any program, in ./build, on the driver that the loader finds:
//
//     export VK_ADD_LAYER_PATH=$PWD/tests/discrete VK_INSTANCE_LAYERS=VK_LAYER_VKMOE_discrete
//     VKMOE_DISCRETE=discrete-bar ./vkmoe devices
//
// VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation:VK_LAYER_VKMOE_discrete validates what the card
// is asked for; the other order would validate what the CPU driver is.
//
// VKMOE_DISCRETE names the card (settings.c has them):
//
//   discrete              two heaps: the card's, which cannot be mapped, and the host's
//   discrete-bar          and a third of 256 MiB, a window of the card's that can be mapped
//   discrete-rebar        two, and all of the card's can be mapped
//   discrete-noncoherent  as the first, but what the host writes must be flushed and what it reads
//                         be invalidated, in atoms of 256 bytes, or it is not there
//   unified               one heap, mappable, but not cached, of an integrated device
//   unified-noncoherent   one heap, whose memory is coherent or cached
//
// Sizes are changed by VKMOE_DISCRETE_DEVICE_HEAP, _HOST_HEAP, _WINDOW_HEAP, _OTHERS (taken from
// each heap by other programs), limits by _ATOM, _MAX_ALLOCATION, _MAX_ALLOCATIONS, _MAX_BUFFER,
// _MAX_RANGE (storage buffers), _MAX_GROUPS: numbers, with K, M or G.
//
// Heaps end where they should, VK_EXT_memory_budget tells how full they are, fresh memory is full
// of NaNs, and misuse that changes nothing on a CPU is told on stderr. All queues are one of the
// driver's, so a queue must not wait for what is submitted to another one later.
#include "discrete.h"

#include "../support/layer_link.h"

#include <stdlib.h>
#include <string.h>

pthread_mutex_t layer_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct linked *instances, *devices;
static struct physical *physicals;

static void *key_of(const void *dispatchable)
{
    return *(void *const *)dispatchable;
}

static struct linked *find_linked(struct linked *const *list, const void *dispatchable)
{
    pthread_mutex_lock(&layer_mutex);
    struct linked *found = *list;
    while (found && found->key != key_of(dispatchable))
        found = found->next;
    pthread_mutex_unlock(&layer_mutex);
    return found;
}

static void add_linked(struct linked **list, struct linked *element, const void *dispatchable)
{
    element->key = key_of(dispatchable);
    pthread_mutex_lock(&layer_mutex);
    element->next = *list;
    *list = element;
    pthread_mutex_unlock(&layer_mutex);
}

static void remove_linked(struct linked **list, const struct linked *element)
{
    pthread_mutex_lock(&layer_mutex);
    while (*list != element)
        list = &(*list)->next;
    *list = element->next;
    pthread_mutex_unlock(&layer_mutex);
}

// Of the driver, into `object`: a function by its name, or by the name of its extension.
#define LOAD(object, name) \
    object->next.name = (PFN_vk##name)object->get(object->handle, "vk" #name); \
    if (!object->next.name) \
        object->next.name = (PFN_vk##name)object->get(object->handle, "vk" #name "KHR");

static struct instance *find_instance(const void *dispatchable)
{
    return (struct instance *)find_linked(&instances, dispatchable);
}

struct device *find_device(const void *dispatchable)
{
    return (struct device *)find_linked(&devices, dispatchable);
}

struct physical *find_physical(VkPhysicalDevice handle)
{
    struct instance *instance = find_instance(handle);
    pthread_mutex_lock(&layer_mutex);
    struct physical *found = physicals;
    while (found && (found->handle != handle || found->instance != instance))
        found = found->next_physical;
    if (!found && (found = calloc(1, sizeof *found))) {
        *found = (struct physical){ physicals, handle, instance, { 0 }, 0 };
        physicals = found;
    }
    pthread_mutex_unlock(&layer_mutex);
    if (!found)
        abort();
    return found;
}

// ----------------------------------------------------------------------- instances

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(
    const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator, VkInstance *out)
{
    const VkLayerInstanceLink *link = take_instance_link(info);
    struct instance *instance = calloc(1, sizeof *instance);
    if (!link || !instance) {
        free(instance);
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    instance->get = link->pfnNextGetInstanceProcAddr;
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)instance->get(NULL, "vkCreateInstance");
    VkResult result = create ? create(info, allocator, out) : VK_ERROR_INITIALIZATION_FAILED;
    if (result != VK_SUCCESS) {
        free(instance);
        return result;
    }
    instance->handle = *out;
#define F(name) LOAD(instance, name)
    INSTANCE_FUNCTIONS(F)
#undef F
    add_linked(&instances, &instance->linked, *out);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_instance(
    VkInstance handle, const VkAllocationCallbacks *allocator)
{
    struct instance *instance = handle ? find_instance(handle) : NULL;
    if (!instance)
        return;
    remove_linked(&instances, &instance->linked);
    pthread_mutex_lock(&layer_mutex);
    for (struct physical **at = &physicals; *at;) {
        struct physical *physical = *at;
        if (physical->instance != instance) {
            at = &physical->next_physical;
            continue;
        }
        *at = physical->next_physical;
        free(physical);
    }
    pthread_mutex_unlock(&layer_mutex);
    instance->next.DestroyInstance(handle, allocator);
    free(instance);
}

// ------------------------------------------------------------------------- devices

static uint32_t choose_real_type(const struct physical *physical)
{
    const VkMemoryPropertyFlags wanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkPhysicalDeviceMemoryProperties memory;
    uint32_t type = 0;
    physical->instance->next.GetPhysicalDeviceMemoryProperties(physical->handle, &memory);
    while (type < memory.memoryTypeCount
        && (memory.memoryTypes[type].propertyFlags & wanted) != wanted)
        type++;
    return type;
}

// The driver's one queue instead of those asked for, and without the extension that is ours.
static VkResult create_real_device(const struct physical *physical, PFN_vkGetInstanceProcAddr get,
    const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *out)
{
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkDeviceCreateInfo real = *info;
    PFN_vkCreateDevice create =
        (PFN_vkCreateDevice)get(physical->instance->handle, "vkCreateDevice");
    const char **extensions = calloc(info->enabledExtensionCount + 1, sizeof *extensions);
    if (!create || !extensions) {
        free(extensions);
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    real.enabledExtensionCount = 0;
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++)
        if (strcmp(info->ppEnabledExtensionNames[i], VK_EXT_MEMORY_BUDGET_EXTENSION_NAME))
            extensions[real.enabledExtensionCount++] = info->ppEnabledExtensionNames[i];
    real.ppEnabledExtensionNames = extensions;
    real.queueCreateInfoCount = 1;
    real.pQueueCreateInfos = &queue;
    VkResult result = create(physical->handle, &real, allocator, out);
    free(extensions);
    return result;
}

static void destroy(struct device *device, const VkAllocationCallbacks *allocator)
{
    if (device->handle)
        device->next.DestroyDevice(device->handle, allocator);
    destroy_queues(device);
    pthread_mutex_lock(&layer_mutex);
    destroy_allocations(device);
    pthread_mutex_unlock(&layer_mutex);
    pthread_mutex_destroy(&device->queue_mutex);
    free(device);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice handle,
    const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *out)
{
    const VkLayerDeviceLink *link = take_device_link(info);
    PFN_vkSetDeviceLoaderData set_loader_data = NULL;
    for (VkLayerDeviceCreateInfo *s = (void *)info->pNext; s; s = (void *)s->pNext) {
        if (s->sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO
            && s->function == VK_LOADER_DATA_CALLBACK)
            set_loader_data = s->u.pfnSetDeviceLoaderData;
    }
    struct device *device = calloc(1, sizeof *device);
    if (!link || !set_loader_data || !device) {
        free(device);
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    pthread_mutex_init(&device->queue_mutex, NULL);
    device->physical = find_physical(handle);
    device->get = link->pfnNextGetDeviceProcAddr;
    device->real_type = choose_real_type(device->physical);
    // The loader hands something of its own down in *out.
    VkResult result = create_real_device(
        device->physical, link->pfnNextGetInstanceProcAddr, info, allocator, out);
    if (result != VK_SUCCESS) {
        destroy(device, allocator);
        return result;
    }
    device->handle = *out;
#define F(name) LOAD(device, name)
    DEVICE_FUNCTIONS(F)
#undef F
    if (!create_queues(device, info, set_loader_data)) {
        destroy(device, allocator);
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    add_linked(&devices, &device->linked, device->handle);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_device(
    VkDevice handle, const VkAllocationCallbacks *allocator)
{
    struct device *device = handle ? find_device(handle) : NULL;
    if (!device)
        return;
    remove_linked(&devices, &device->linked);
    destroy(device, allocator);
}

// -------------------------------------------------------------------------- lookup

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice handle, const char *name);
static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(
    VkInstance handle, const char *name);

static PFN_vkVoidFunction find_device_function(const char *name)
{
    if (!strcmp(name, "vkGetDeviceProcAddr"))
        return (PFN_vkVoidFunction)get_device_proc;
    if (!strcmp(name, "vkDestroyDevice"))
        return (PFN_vkVoidFunction)destroy_device;
    PFN_vkVoidFunction found = find_memory_function(name);
    return found ? found : find_queue_function(name);
}

static bool is_hidden(const char *name)
{
    return !strncmp(name, "vkMapMemory2", 12) || !strncmp(name, "vkUnmapMemory2", 14);
}

// What the driver does not have, it does not get from here.
static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice handle, const char *name)
{
    PFN_vkVoidFunction ours = find_device_function(name);
    struct device *device = find_device(handle);
    PFN_vkVoidFunction real = device && !is_hidden(name) ? device->get(handle, name) : NULL;
    return real && ours ? ours : real;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(
    VkInstance handle, const char *name)
{
    static const struct named_function list[] = {
        OURS("GetInstanceProcAddr", get_instance_proc),
        OURS("CreateInstance", create_instance),
        OURS("DestroyInstance", destroy_instance),
        OURS("CreateDevice", create_device),
    };
    PFN_vkVoidFunction ours = FIND_NAMED(list, name);
    struct instance *instance = handle ? find_instance(handle) : NULL;
    if (!instance)
        return ours;
    if (!ours)
        ours = find_physical_function(name);
    if (!ours)
        ours = find_device_function(name);
    PFN_vkVoidFunction real = is_hidden(name) ? NULL : instance->get(handle, name);
    return real && ours ? ours : real;
}

VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(
    VkNegotiateLayerInterface *interface)
{
    return negotiate_layer(interface, get_instance_proc, get_device_proc);
}
