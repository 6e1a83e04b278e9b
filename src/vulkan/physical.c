// physical.c - see physical.h.
#include "base/params.h"
#include "vulkan/physical.h"

#include "base/common.h"
#include "vulkan/matrix_units.h"
#include "vulkan/quirks.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct properties {
    VkPhysicalDeviceProperties2 base;
    VkPhysicalDeviceVulkan11Properties v11;
    VkPhysicalDeviceVulkan12Properties v12;
    VkPhysicalDeviceVulkan13Properties v13;
};

struct features {
    VkPhysicalDeviceFeatures2 base;
    VkPhysicalDeviceVulkan11Features v11;
    VkPhysicalDeviceVulkan12Features v12;
    VkPhysicalDeviceVulkan13Features v13;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executable;
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR cooperative_matrix;
    VkPhysicalDeviceCooperativeMatrix2FeaturesNV cooperative_matrix_2;
};

static enum vkmoe_device_type type_of(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return VKMOE_DEVICE_TYPE_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return VKMOE_DEVICE_TYPE_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return VKMOE_DEVICE_TYPE_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return VKMOE_DEVICE_TYPE_CPU;
    default: return VKMOE_DEVICE_TYPE_OTHER;
    }
}

struct extension_source {
    const struct instance *instance;
    VkPhysicalDevice handle;
};

static VkResult enumerate_extensions(const void *user, uint32_t *count, void *list)
{
    const struct extension_source *source = user;
    return source->instance->vk.EnumerateDeviceExtensionProperties(
        source->handle, NULL, count, list);
}

static VkResult probe_extensions(const struct instance *instance, struct physical *p)
{
    const struct extension_source source = { instance, p->handle };
    VkExtensionProperties *list;
    uint32_t count;
    const VkResult result =
        vkmoe_vk_enumerate(enumerate_extensions, &source, sizeof *list, (void **)&list, &count);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = list[i].extensionName;
        p->portability_subset |= !strcmp(name, "VK_KHR_portability_subset");
        p->memory_budget |= !strcmp(name, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
        p->executable_properties |=
            !strcmp(name, VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);
        p->info.cooperative_matrix |= !strcmp(name, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
        p->cooperative_matrix_2 |= !strcmp(name, VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME);
    }
    free(list);
    return result;
}

static void probe_properties(const struct instance *instance, struct physical *p)
{
    struct properties q = {
        .base = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2 },
        .v11 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES, &q.v12 },
        .v12 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES, &q.v13 },
        .v13 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES },
    };
    struct vkmoe_device_info *info = &p->info;
    // First alone, since an older device does not know the structs of 1.3.
    instance->vk.GetPhysicalDeviceProperties2(p->handle, &q.base);
    if (q.base.properties.apiVersion >= VK_API_VERSION_1_3) {
        q.base.pNext = &q.v11;
        instance->vk.GetPhysicalDeviceProperties2(p->handle, &q.base);
    }
    const VkPhysicalDeviceProperties *base = &q.base.properties;
    snprintf(info->name, sizeof info->name, "%s", base->deviceName);
    snprintf(info->driver, sizeof info->driver, "%.120s%s%.120s", q.v12.driverName,
        q.v12.driverName[0] && q.v12.driverInfo[0] ? " " : "", q.v12.driverInfo);
    info->type = type_of(base->deviceType);
    info->vendor_id = base->vendorID;
    info->device_id = base->deviceID;
    info->api_version = base->apiVersion;
    info->driver_version = base->driverVersion;
    info->shared_memory_size = base->limits.maxComputeSharedMemorySize;
    p->quirks = vkmoe_quirks_of(q.v12.driverID, base->driverVersion);
    p->limits = base->limits;
    memcpy(p->cache_uuid, base->pipelineCacheUUID, sizeof p->cache_uuid);
    p->max_buffer_size = MIN(q.v11.maxMemoryAllocationSize, q.v13.maxBufferSize);

    const VkSubgroupFeatureFlags arithmetic =
        VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
    p->subgroup_arithmetic = (q.v11.subgroupSupportedOperations & arithmetic) == arithmetic
        && (q.v11.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT);
    p->subgroup_ballot = p->subgroup_arithmetic
        && (q.v11.subgroupSupportedOperations & VK_SUBGROUP_FEATURE_BALLOT_BIT);
    const VkSubgroupFeatureFlags shuffle =
        VK_SUBGROUP_FEATURE_SHUFFLE_BIT | VK_SUBGROUP_FEATURE_QUAD_BIT;
    p->subgroup_shuffle =
        p->subgroup_arithmetic && (q.v11.subgroupSupportedOperations & shuffle) == shuffle;
    p->integer_dot = q.v13.integerDotProduct4x8BitPackedSignedAccelerated;
    p->mixed_dot = q.v13.integerDotProduct4x8BitPackedMixedSignednessAccelerated;
    p->subgroup_size_control =
        (q.v13.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
    p->default_subgroup_size = q.v11.subgroupSize;
    p->min_subgroup_size = q.v13.minSubgroupSize;
    p->max_subgroup_size = q.v13.maxSubgroupSize;
    info->min_subgroup_size = p->min_subgroup_size;
    info->max_subgroup_size = p->max_subgroup_size;
}

// A software driver has them to show that it can; its forms of kernels do without.
static void describe_matrix_units(struct physical *p)
{
    const struct matrix_units none = { 0 };
    const bool used = p->info.type != VKMOE_DEVICE_TYPE_CPU;
    const struct matrix_units *units = used ? &p->matrix_units : &none;
    p->info.matrix_m = units->m;
    p->info.matrix_n = units->n;
    p->info.matrix_k = units->k;
}

// Switches off what is not in `set`.
static void keep_enabled(struct physical *p, const struct feature_set *set)
{
    p->info.int64 = p->info.int64 && set->shaderInt64;
    p->info.f16_storage = p->info.f16_storage && set->storageBuffer16BitAccess;
    p->info.f16_arithmetic = p->info.f16_arithmetic && set->shaderFloat16;
    p->info.cooperative_matrix = p->info.cooperative_matrix && set->cooperativeMatrix;
    p->subgroup_size_control = p->subgroup_size_control && set->subgroupSizeControl;
    p->full_subgroups = p->full_subgroups && set->computeFullSubgroups;
    p->integer_dot = p->integer_dot && set->shaderIntegerDotProduct;
    p->maintenance4 = p->maintenance4 && set->maintenance4;
    p->executable_properties = p->executable_properties && set->pipelineExecutableInfo;
    if (!p->info.cooperative_matrix || !vkmoe_matrix_units_enabled(p, set))
        p->matrix_units = (struct matrix_units){ 0 };
    if (!p->matrix_units.m || !p->cooperative_matrix_2
        || !vkmoe_flexible_matrices_enabled(set, p->flexible.parts))
        p->flexible = (struct flexible_matrices){ 0 };
    describe_matrix_units(p);
}

// Sizes that vary and cannot be chosen are of no use: kernels must know theirs.
static void refuse_varying_subgroups(struct physical *p)
{
    if (p->min_subgroup_size != p->max_subgroup_size && !p->subgroup_size_control)
        p->subgroup_arithmetic = p->subgroup_ballot = p->subgroup_shuffle = false;
}

// Names what is missing, NULL if nothing is.
static const char *probe_features(const struct instance *instance, struct physical *p)
{
    struct features f = {
        .base = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &f.v11 },
        .v11 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, &f.v12 },
        .v12 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, &f.v13 },
        .v13 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES },
        .executable.sType =
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .cooperative_matrix = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR },
        .cooperative_matrix_2.sType =
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV,
    };
    if (p->executable_properties) {
        f.executable.pNext = f.v13.pNext;
        f.v13.pNext = &f.executable;
    }
    if (p->info.cooperative_matrix) {
        f.cooperative_matrix.pNext = f.v13.pNext;
        f.v13.pNext = &f.cooperative_matrix;
    }
    if (p->cooperative_matrix_2) {
        f.cooperative_matrix_2.pNext = f.v13.pNext;
        f.v13.pNext = &f.cooperative_matrix_2;
    }
    instance->vk.GetPhysicalDeviceFeatures2(p->handle, &f.base);
    vkmoe_features_read(&f.base, &p->features);
    p->info.int64 = p->info.f16_storage = p->info.f16_arithmetic = true;
    p->full_subgroups = p->maintenance4 = true;
    keep_enabled(p, &p->features);
    return vkmoe_features_missing(&p->features);
}

void vkmoe_physical_restrict(struct physical *p, const struct feature_set *features,
    const char *const *extensions, uint32_t extension_count)
{
    bool executable_properties = false, cooperative_matrix = false, cooperative_matrix_2 = false;
    for (uint32_t i = 0; i < extension_count; i++) {
        executable_properties |=
            !strcmp(extensions[i], VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);
        cooperative_matrix |= !strcmp(extensions[i], VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
        cooperative_matrix_2 |= !strcmp(extensions[i], VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME);
    }
    p->executable_properties = p->executable_properties && executable_properties;
    p->info.cooperative_matrix = p->info.cooperative_matrix && cooperative_matrix;
    p->cooperative_matrix_2 = p->cooperative_matrix_2 && cooperative_matrix_2;
    keep_enabled(p, features);
    refuse_varying_subgroups(p);
}

static bool probe_queue(const struct instance *instance, struct physical *p)
{
    VkQueueFamilyProperties2 families[32];
    uint32_t count = ARRAY_SIZE(families);
    for (uint32_t i = 0; i < count; i++)
        families[i] = (VkQueueFamilyProperties2){ VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2 };
    instance->vk.GetPhysicalDeviceQueueFamilyProperties2(p->handle, &count, families);
    bool found = false, graphics = true;
    for (uint32_t i = 0; i < count; i++) {
        const VkQueueFamilyProperties *family = &families[i].queueFamilyProperties;
        if (!(family->queueFlags & VK_QUEUE_COMPUTE_BIT) || !family->queueCount)
            continue;
        // A queue without graphics shares the device with a desktop or a game better.
        bool better = graphics && !(family->queueFlags & VK_QUEUE_GRAPHICS_BIT);
        if (found && !better)
            continue;
        found = true;
        graphics = family->queueFlags & VK_QUEUE_GRAPHICS_BIT;
        p->queue_family = i;
        p->timestamp_bits = family->timestampValidBits;
    }
    return found;
}

static void probe_memory(const struct instance *instance, struct physical *p)
{
    VkPhysicalDeviceMemoryProperties2 memory = {
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2
    };
    instance->vk.GetPhysicalDeviceMemoryProperties2(p->handle, &memory);
    p->memory = memory.memoryProperties;
    for (uint32_t i = 0; i < p->memory.memoryHeapCount; i++) {
        const VkMemoryHeap *heap = &p->memory.memoryHeaps[i];
        if (heap->flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
            p->info.memory_size = MAX(p->info.memory_size, heap->size);
    }
}

uint32_t vkmoe_physical_subgroup_size(const struct physical *p)
{
    // 32 is what the kernels' tile shapes were measured with; software drivers run
    // their own width only.
    if (p->subgroup_size_control && p->info.type != VKMOE_DEVICE_TYPE_CPU
        && p->min_subgroup_size <= 32 && 32 <= p->max_subgroup_size)
        return 32;
    return p->default_subgroup_size;
}

void vkmoe_physical_probe(
    const struct instance *instance, VkPhysicalDevice handle, struct physical *out)
{
    *out = (struct physical){ .handle = handle, .refusal = VKMOE_ERROR_UNSUPPORTED };
    struct vkmoe_device_info *info = &out->info;
    probe_properties(instance, out);
    probe_memory(instance, out);
    if (info->api_version < VK_API_VERSION_1_3) {
        snprintf(info->reason, sizeof info->reason, "Vulkan 1.3 is needed, the driver has %u.%u",
            VK_API_VERSION_MAJOR(info->api_version), VK_API_VERSION_MINOR(info->api_version));
        return;
    }
    const VkResult extensions = probe_extensions(instance, out);
    const char *missing = probe_features(instance, out);
    uint32_t size = out->default_subgroup_size;
    if (extensions != VK_SUCCESS) {
        out->refusal = vkmoe_vk_status(NULL, extensions, "");
        snprintf(info->reason, sizeof info->reason, "vkEnumerateDeviceExtensionProperties: %s",
            vkmoe_vk_result_name(extensions));
    } else if (missing) {
        snprintf(info->reason, sizeof info->reason, "the feature %s is missing", missing);
    } else if (!probe_queue(instance, out)) {
        snprintf(info->reason, sizeof info->reason, "there is no queue for compute");
    } else if (!size || (size & (size - 1))) {
        snprintf(info->reason, sizeof info->reason, "the driver reports subgroups of %u", size);
    }
    refuse_varying_subgroups(out);
    out->matrix_units = vkmoe_matrix_units_probe(instance, out);
    out->flexible = vkmoe_flexible_matrices_probe(instance, out);
    describe_matrix_units(out);
    info->subgroup_arithmetic = out->subgroup_arithmetic;
    info->subgroup_size = vkmoe_physical_subgroup_size(out);
    info->usable = !info->reason[0];
}

enum vkmoe_status vkmoe_physical_enumerate(const struct instance *instance,
    const struct vkmoe_log *log, struct physical **list, uint32_t *count)
{
    VkPhysicalDevice handles[64]; // more than a machine has; the rest is left out
    *list = NULL;
    *count = 0;
    if (!instance->handle)
        return VKMOE_OK;
    uint32_t found = ARRAY_SIZE(handles);
    VkResult result = instance->vk.EnumeratePhysicalDevices(instance->handle, &found, handles);
    if (result == VK_ERROR_INITIALIZATION_FAILED)
        return VKMOE_OK; // how older loaders say that no driver works
    enum vkmoe_status status = vkmoe_vk_status(log, result, "vkEnumeratePhysicalDevices");
    if (status != VKMOE_OK || !found)
        return status;
    *list = calloc(found, sizeof **list);
    if (!*list)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    for (uint32_t i = 0; i < found; i++)
        vkmoe_physical_probe(instance, handles[i], &(*list)[i]);
    *count = found;
    return VKMOE_OK;
}

// ------------------------------------------------------------------------- choice

static bool contains(const char *text, const char *part)
{
    for (;; text++) {
        size_t i = 0;
        while (part[i] && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (!part[i])
            return true;
        if (!*text)
            return false;
    }
}

// Without one it is no part of a name: "2" must not find an "RTX 2080", nor " " anything.
static bool has_letter(const char *text)
{
    for (; *text; text++) {
        if (isalpha((unsigned char)*text) || (unsigned char)*text >= 0x80)
            return true;
    }
    return false;
}

// As vkmoe_device_list() counts, and as one writes a number: digits, no sign, no zero before.
static bool parse_index(const char *text, uint32_t count, uint32_t *index)
{
    uint64_t value = 0;
    for (const char *c = text; *c; c++) {
        if (!isdigit((unsigned char)*c) || (c > text && *text == '0'))
            return false;
        value = MIN(value * 10 + (uint64_t)(*c - '0'), UINT32_MAX);
    }
    *index = (uint32_t)value;
    return *text && value < count;
}

static bool is_better(const struct physical *a, const struct physical *b)
{
    static const int ranks[] = {
        [VKMOE_DEVICE_TYPE_DISCRETE] = 4,
        [VKMOE_DEVICE_TYPE_INTEGRATED] = 3,
        [VKMOE_DEVICE_TYPE_VIRTUAL] = 2,
        [VKMOE_DEVICE_TYPE_OTHER] = 1,
        [VKMOE_DEVICE_TYPE_CPU] = 0,
    };
    if (a->info.usable != b->info.usable)
        return a->info.usable;
    if (a->info.type != b->info.type)
        return ranks[a->info.type] > ranks[b->info.type];
    return a->info.memory_size > b->info.memory_size;
}

enum vkmoe_status vkmoe_physical_choose(const struct vkmoe_log *log, const struct physical *list,
    uint32_t count, const char *select, const struct physical **out)
{
    const struct physical *best = NULL;
    uint32_t index;
    if (select && parse_index(select, count, &index)) {
        best = &list[index];
    } else if (!select || has_letter(select)) {
        for (uint32_t i = 0; i < count; i++) {
            if (select && !contains(list[i].info.name, select))
                continue;
            if (!best || is_better(&list[i], best))
                best = &list[i];
        }
    }
    *out = best;
    if (!count)
        return vkmoe_fail(log, VKMOE_ERROR_NOT_FOUND, "there is no Vulkan device");
    if (!best)
        return vkmoe_fail(log, VKMOE_ERROR_NOT_FOUND,
            "no Vulkan device matches '%s': expected part of a name, or 0 to %u", select,
            count - 1);
    if (!best->info.usable)
        return vkmoe_fail(
            log, best->refusal, "%s cannot be used: %s", best->info.name, best->info.reason);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_device_list(
    const struct vkmoe_log *log, struct vkmoe_device_info *infos, uint32_t *count)
{
    struct instance instance = { 0 };
    struct physical *list = NULL;
    uint32_t found = 0;
    if (!count || (!infos && *count))
        return vkmoe_fail(
            log, VKMOE_ERROR_INVALID, "vkmoe_device_list: %s is NULL", count ? "infos" : "count");
    const struct params_type *type = PARAMS_TYPE(vkmoe_device_info);
    if (*count)
        TRY_RETURN(vkmoe_params_check(&(struct caller){ log, __func__ }, type, infos));
    uint32_t room = *count;
    const uint32_t stride = room ? infos->struct_size : 0;
    *count = 0;
    enum vkmoe_status status;
    TRY(vkmoe_instance_init(&instance, log, NULL, NULL, false));
    TRY(vkmoe_physical_enumerate(&instance, log, &list, &found));
    for (uint32_t i = 0; i < MIN(found, room); i++)
        vkmoe_info_write(type, &list[i].info, stride, (char *)infos + (size_t)i * stride);
    *count = found;
fail:
    free(list);
    vkmoe_instance_finish(&instance);
    return status;
}
