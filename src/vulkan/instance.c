// instance.c - see instance.h.
#include "vulkan/instance.h"

#include "base/common.h"

#include <stdlib.h>
#include <string.h>

#define VALIDATION_LAYER "VK_LAYER_KHRONOS_validation"

// Functions that exist before an instance does.
struct global_table {
    PFN_vkEnumerateInstanceExtensionProperties EnumerateInstanceExtensionProperties;
    PFN_vkEnumerateInstanceLayerProperties EnumerateInstanceLayerProperties;
    PFN_vkCreateInstance CreateInstance;
};

static bool load_globals(PFN_vkGetInstanceProcAddr get, struct global_table *table)
{
#define LOAD(name) table->name = (PFN_vk##name)(void (*)(void))get(NULL, "vk" #name)
    LOAD(EnumerateInstanceExtensionProperties);
    LOAD(EnumerateInstanceLayerProperties);
    LOAD(CreateInstance);
#undef LOAD
    // Vulkan 1.0 loaders have no vkEnumerateInstanceVersion, and refuse any later version.
    return table->EnumerateInstanceExtensionProperties && table->EnumerateInstanceLayerProperties
        && table->CreateInstance && get(NULL, "vkEnumerateInstanceVersion");
}

// What to enumerate the extensions of; `layer` NULL: the loader and its drivers.
struct extension_source {
    const struct global_table *vk;
    const char *layer;
};

static VkResult enumerate_extensions(const void *user, uint32_t *count, void *list)
{
    const struct extension_source *source = user;
    return source->vk->EnumerateInstanceExtensionProperties(source->layer, count, list);
}

static VkResult has_extension(
    const struct global_table *vk, const char *layer, const char *name, bool *found)
{
    const struct extension_source source = { vk, layer };
    VkExtensionProperties *list;
    uint32_t count;
    *found = false;
    VkResult result =
        vkmoe_vk_enumerate(enumerate_extensions, &source, sizeof *list, (void **)&list, &count);
    for (uint32_t i = 0; i < count && !*found; i++)
        *found = !strcmp(list[i].extensionName, name);
    free(list);
    return result;
}

static VkResult enumerate_layers(const void *user, uint32_t *count, void *list)
{
    const struct global_table *vk = user;
    return vk->EnumerateInstanceLayerProperties(count, list);
}

static VkResult has_validation_layer(const struct global_table *vk, bool *found)
{
    VkLayerProperties *list;
    uint32_t count;
    *found = false;
    VkResult result =
        vkmoe_vk_enumerate(enumerate_layers, vk, sizeof *list, (void **)&list, &count);
    for (uint32_t i = 0; i < count && !*found; i++)
        *found = !strcmp(list[i].layerName, VALIDATION_LAYER);
    free(list);
    return result;
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
    VkDebugUtilsMessageTypeFlagsEXT types, const VkDebugUtilsMessengerCallbackDataEXT *data,
    void *user)
{
    (void)types;
    enum vkmoe_log_level level = VKMOE_LOG_DEBUG;
    if (severity >= VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT)
        level = VKMOE_LOG_ERROR;
    else if (severity >= VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT)
        level = VKMOE_LOG_WARNING;
    char line[1000]; // the log takes one line, the layer writes several
    const char *text = data->pMessage ? data->pMessage : "";
    size_t length = 0;
    for (; text[length] && length < sizeof line - 1; length++)
        line[length] = text[length] == '\n' ? ' ' : text[length];
    line[length] = '\0';
    vkmoe_log(user, level, "validation: %s", line);
    return VK_FALSE;
}

// What goes into vkCreateInstance, kept together because its parts point at each other.
struct request {
    const char *extensions[4];
    VkDebugUtilsMessengerCreateInfoEXT messenger;
    VkValidationFeatureEnableEXT enables[1];
    VkValidationFeaturesEXT features;
    VkApplicationInfo application;
    VkInstanceCreateInfo create;
    bool has_messenger;
};

static void request_messenger(struct request *r, const struct vkmoe_log *log)
{
    r->extensions[r->create.enabledExtensionCount++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    r->messenger = (VkDebugUtilsMessengerCreateInfoEXT){
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT
            | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        // Not the general ones: those are the loader's, about its files.
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = (void *)log,
    };
    r->has_messenger = true;
    r->create.pNext = &r->messenger;
}

static void request_synchronization(struct request *r)
{
    r->extensions[r->create.enabledExtensionCount++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
    r->enables[0] = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
    r->features = (VkValidationFeaturesEXT){
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = r->create.pNext,
        .enabledValidationFeatureCount = 1,
        .pEnabledValidationFeatures = r->enables,
    };
    r->create.pNext = &r->features;
}

static VkResult request_validation(
    struct request *r, const struct global_table *vk, const struct vkmoe_log *log)
{
    static const char *const layers[] = { VALIDATION_LAYER };
    bool found;
    VkResult result = has_validation_layer(vk, &found);
    if (result == VK_SUCCESS && !found)
        vkmoe_log(log, VKMOE_LOG_WARNING, VALIDATION_LAYER " is not installed");
    if (result != VK_SUCCESS || !found)
        return result;
    r->create.ppEnabledLayerNames = layers;
    r->create.enabledLayerCount = 1;
    result = has_extension(vk, VALIDATION_LAYER, VK_EXT_DEBUG_UTILS_EXTENSION_NAME, &found);
    if (result == VK_SUCCESS && !found)
        result = has_extension(vk, NULL, VK_EXT_DEBUG_UTILS_EXTENSION_NAME, &found);
    if (result != VK_SUCCESS)
        return result;
    if (found)
        request_messenger(r, log);
    result = has_extension(vk, VALIDATION_LAYER, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME, &found);
    if (result == VK_SUCCESS && found)
        request_synchronization(r);
    return result;
}

// Without it the loader hides MoltenVK, which is not a fully conformant driver.
static VkResult request_portability(struct request *r, const struct global_table *vk)
{
    bool found;
    const VkResult result =
        has_extension(vk, NULL, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME, &found);
    if (result != VK_SUCCESS || !found)
        return result;
    r->extensions[r->create.enabledExtensionCount++] =
        VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
    r->create.flags = VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    return VK_SUCCESS;
}

static VkResult create_messenger(struct instance *instance, const struct request *r)
{
    PFN_vkCreateDebugUtilsMessengerEXT create = (PFN_vkCreateDebugUtilsMessengerEXT)(void (*)(
        void))instance->get(instance->handle, "vkCreateDebugUtilsMessengerEXT");
    return create ? create(instance->handle, &r->messenger, NULL, &instance->messenger)
                  : VK_SUCCESS;
}

enum vkmoe_status vkmoe_instance_init(struct instance *instance, const struct vkmoe_log *log,
    PFN_vkGetInstanceProcAddr get, const char *application, bool validate)
{
    enum vkmoe_status status = VKMOE_OK;
    struct global_table vk;
    struct request r = {
        .application = {
            .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
            .pApplicationName = application,
            .pEngineName = "vkmoe",
            .apiVersion = VK_API_VERSION_1_3,
        },
    };
    r.create = (VkInstanceCreateInfo){
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &r.application,
        .ppEnabledExtensionNames = r.extensions,
    };
    *instance = (struct instance){ .get = get ? get : vkmoe_vk_loader() };
    if (!instance->get)
        return vkmoe_fail(log, VKMOE_ERROR_NOT_FOUND,
            "no Vulkan loader: expected libvulkan.so.1 (Debian: libvulkan1)");
    if (!load_globals(instance->get, &vk))
        return vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED,
            "the Vulkan loader is too old: expected Vulkan 1.1 or later");

    VkResult result = request_portability(&r, &vk);
    if (result == VK_SUCCESS && validate)
        result = request_validation(&r, &vk, log);
    if (result != VK_SUCCESS)
        return vkmoe_vk_status(log, result, "vkEnumerateInstanceExtensionProperties");
    result = vk.CreateInstance(&r.create, NULL, &instance->handle);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        return VKMOE_OK; // a loader without any driver
    status = vkmoe_vk_status(log, result, "vkCreateInstance");
    if (status != VKMOE_OK)
        return status;
    if (!vkmoe_vk_load_instance(instance->get, instance->handle, &instance->vk)) {
        vkmoe_instance_finish(instance);
        return vkmoe_fail(
            log, VKMOE_ERROR_UNSUPPORTED, "the Vulkan loader lacks functions of Vulkan 1.1");
    }
    if (r.has_messenger) {
        result = create_messenger(instance, &r);
        status = vkmoe_vk_status(log, result, "vkCreateDebugUtilsMessengerEXT");
    }
    if (status != VKMOE_OK)
        vkmoe_instance_finish(instance);
    return status;
}

void vkmoe_instance_finish(struct instance *instance)
{
    if (instance->messenger) {
        PFN_vkDestroyDebugUtilsMessengerEXT destroy =
            (PFN_vkDestroyDebugUtilsMessengerEXT)(void (*)(void))instance->get(
                instance->handle, "vkDestroyDebugUtilsMessengerEXT");
        if (destroy)
            destroy(instance->handle, instance->messenger, NULL);
    }
    if (instance->handle && instance->vk.DestroyInstance)
        instance->vk.DestroyInstance(instance->handle, NULL);
    *instance = (struct instance){ 0 };
}
