// capture.c - VK_LAYER_VKMOE_capture: a Vulkan layer that writes down what the compute pipelines of
// any program were compiled to:
//
//     export VK_ADD_LAYER_PATH=$PWD/build/tests/vendors VK_INSTANCE_LAYERS=VK_LAYER_VKMOE_capture
//     VKMOE_CAPTURE=DIR PROGRAM
//
// DIR, which has to be there, gets two files for each pipeline: NUMBER.spv, its module, and
// NUMBER.txt, which has lines about it (name, if the program gives it one with VK_EXT_debug_utils;
// spec), then what the driver tells of it (executables.h). isa.py reads the latter.
//
// One device at a time.
#include "executables.h"

#include "../support/layer_link.h"
#include "../support/named_function.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MOST_MODULES 4096 // whose SPIR-V is kept

struct module {
    VkShaderModule handle;
    size_t size;
    void *code;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static VkInstance instance;
static PFN_vkGetInstanceProcAddr get_instance;
static PFN_vkGetDeviceProcAddr get_device;
static PFN_vkCreateComputePipelines create_pipelines_below;
static PFN_vkCreateShaderModule create_module_below;
static PFN_vkDestroyDevice destroy_device_below;
static struct executables executables;
static struct module modules[MOST_MODULES];
static uint32_t module_count, file_count;
static VkPipeline named_pipelines[MOST_MODULES]; // by the number of their file

static FILE *open_file(uint32_t number, const char *extension, const char *mode)
{
    const char *dir = getenv("VKMOE_CAPTURE");
    char path[4096];
    snprintf(path, sizeof path, "%s/%04u.%s", dir ? dir : ".", number, extension);
    FILE *file = fopen(path, mode);
    if (!file) {
        perror(path);
        abort(); // a file that is missing would be taken for a pipeline that is
    }
    return file;
}

// ------------------------------------------------------------------------ pipelines

static VKAPI_ATTR VkResult VKAPI_CALL create_module(VkDevice device,
    const VkShaderModuleCreateInfo *info, const VkAllocationCallbacks *allocator,
    VkShaderModule *out)
{
    const VkResult result = create_module_below(device, info, allocator, out);
    void *code = malloc(info->codeSize);
    pthread_mutex_lock(&mutex);
    if (result == VK_SUCCESS && code && module_count < MOST_MODULES) {
        memcpy(code, info->pCode, info->codeSize);
        modules[module_count++] = (struct module){ *out, info->codeSize, code };
        code = NULL;
    }
    pthread_mutex_unlock(&mutex);
    free(code);
    return result;
}

// Handles are used again: the last of this one.
static void write_module(uint32_t number, VkShaderModule handle)
{
    for (uint32_t i = module_count; i-- > 0;) {
        if (modules[i].handle != handle)
            continue;
        FILE *file = open_file(number, "spv", "wb");
        fwrite(modules[i].code, 1, modules[i].size, file);
        fclose(file);
        return;
    }
}

static void write_specialization(FILE *file, const VkSpecializationInfo *info)
{
    fprintf(file, "spec");
    for (uint32_t i = 0; info && i < info->mapEntryCount; i++) {
        const VkSpecializationMapEntry *entry = &info->pMapEntries[i];
        uint32_t value = 0;
        memcpy(&value, (const char *)info->pData + entry->offset,
            entry->size < sizeof value ? entry->size : sizeof value);
        fprintf(file, " %u=%u", entry->constantID, value);
    }
    fprintf(file, "\n");
}

static void write_pipeline(const VkComputePipelineCreateInfo *info, VkPipeline pipeline)
{
    const uint32_t number = file_count++;
    FILE *file = open_file(number, "txt", "w");
    write_specialization(file, info->stage.pSpecializationInfo);
    executables_write(&executables, pipeline, file);
    fclose(file);
    write_module(number, info->stage.module);
    if (number < MOST_MODULES)
        named_pipelines[number] = pipeline;
}

// Without the cache, out of which no text comes.
static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache,
    uint32_t count, const VkComputePipelineCreateInfo *infos,
    const VkAllocationCallbacks *allocator, VkPipeline *out)
{
    VkResult result = VK_SUCCESS;
    (void)cache;
    for (uint32_t i = 0; i < count && result == VK_SUCCESS; i++) {
        VkComputePipelineCreateInfo info = infos[i];
        info.flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR
            | VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
        result = create_pipelines_below(device, VK_NULL_HANDLE, 1, &info, allocator, &out[i]);
        pthread_mutex_lock(&mutex);
        if (result == VK_SUCCESS)
            write_pipeline(&info, out[i]);
        pthread_mutex_unlock(&mutex);
    }
    return result;
}

// Puts the name in front of what the file has.
static void write_name(uint32_t number, const char *name)
{
    char text[1 << 16];
    FILE *file = open_file(number, "txt", "r"), *copy = tmpfile();
    size_t size;
    if (!copy)
        abort();
    while ((size = fread(text, 1, sizeof text, file)))
        fwrite(text, 1, size, copy);
    fclose(file);
    rewind(copy);
    file = open_file(number, "txt", "w");
    fprintf(file, "name %s\n", name);
    while ((size = fread(text, 1, sizeof text, copy)))
        fwrite(text, 1, size, file);
    fclose(file);
    fclose(copy);
}

static VKAPI_ATTR VkResult VKAPI_CALL set_name(
    VkDevice device, const VkDebugUtilsObjectNameInfoEXT *info)
{
    (void)device;
    if (info->objectType != VK_OBJECT_TYPE_PIPELINE || !info->pObjectName)
        return VK_SUCCESS;
    pthread_mutex_lock(&mutex);
    for (uint32_t i = file_count < MOST_MODULES ? file_count : MOST_MODULES; i-- > 0;) {
        if ((uint64_t)named_pipelines[i] != info->objectHandle)
            continue;
        write_name(i, info->pObjectName);
        break;
    }
    pthread_mutex_unlock(&mutex);
    return VK_SUCCESS;
}

// -------------------------------------------------------------- instances and devices

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(
    const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator, VkInstance *out)
{
    const VkLayerInstanceLink *link = take_instance_link(info);
    if (!link)
        return VK_ERROR_INITIALIZATION_FAILED;
    get_instance = link->pfnNextGetInstanceProcAddr;
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)get_instance(NULL, "vkCreateInstance");
    const VkResult result = create(info, allocator, out);
    if (result == VK_SUCCESS)
        instance = *out;
    return result;
}

// The program's own structure if it has one: two are not allowed.
static VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR *find_features(const void *next)
{
    const VkStructureType type =
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR;
    const VkBaseInStructure *s = next;
    while (s && s->sType != type)
        s = s->pNext;
    return (VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR *)s;
}

static VkResult create_with_feature(PFN_vkCreateDevice create, VkPhysicalDevice physical,
    const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *out)
{
    const char *wanted = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .pNext = (void *)info->pNext,
        .pipelineExecutableInfo = VK_TRUE,
    };
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR *theirs = find_features(info->pNext);
    const char **names = calloc(info->enabledExtensionCount + 1, sizeof *names);
    VkDeviceCreateInfo larger = *info;
    if (!names)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    names[0] = wanted;
    uint32_t count = 1;
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++)
        if (strcmp(info->ppEnabledExtensionNames[i], wanted))
            names[count++] = info->ppEnabledExtensionNames[i];
    larger.enabledExtensionCount = count;
    larger.ppEnabledExtensionNames = names;
    if (theirs)
        theirs->pipelineExecutableInfo = VK_TRUE;
    else
        larger.pNext = &feature;
    const VkResult result = create(physical, &larger, allocator, out);
    free(names);
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
    const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *out)
{
    const VkLayerDeviceLink *link = take_device_link(info);
    if (!link)
        return VK_ERROR_INITIALIZATION_FAILED;
    get_device = link->pfnNextGetDeviceProcAddr;
    PFN_vkCreateDevice create =
        (PFN_vkCreateDevice)link->pfnNextGetInstanceProcAddr(instance, "vkCreateDevice");
    const VkResult result = create_with_feature(create, physical, info, allocator, out);
    if (result != VK_SUCCESS)
        return result;
#define BELOW(name) (PFN_##name) get_device(*out, #name)
    create_pipelines_below = BELOW(vkCreateComputePipelines);
    create_module_below = BELOW(vkCreateShaderModule);
    destroy_device_below = BELOW(vkDestroyDevice);
#undef BELOW
    executables_init(&executables, get_device, *out);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_device(
    VkDevice device, const VkAllocationCallbacks *allocator)
{
    if (!device)
        return;
    for (uint32_t i = 0; i < module_count; i++)
        free(modules[i].code);
    module_count = 0;
    destroy_device_below(device, allocator);
}

// --------------------------------------------------------------------------- lookup

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name);
static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(
    VkInstance handle, const char *name);

static PFN_vkVoidFunction find(const char *name)
{
    static const struct named_function ours[] = {
        OURS("GetInstanceProcAddr", get_instance_proc),
        OURS("GetDeviceProcAddr", get_device_proc),
        OURS("CreateInstance", create_instance),
        OURS("CreateDevice", create_device),
        OURS("DestroyDevice", destroy_device),
        OURS("CreateShaderModule", create_module),
        OURS("CreateComputePipelines", create_pipelines),
        OURS("SetDebugUtilsObjectNameEXT", set_name),
    };
    return FIND_NAMED(ours, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name)
{
    PFN_vkVoidFunction ours = find(name);
    return ours ? ours : get_device(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(
    VkInstance handle, const char *name)
{
    PFN_vkVoidFunction ours = find(name);
    return ours ? ours : handle ? get_instance(handle, name) : NULL;
}

VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(
    VkNegotiateLayerInterface *interface)
{
    return negotiate_layer(interface, get_instance_proc, get_device_proc);
}
