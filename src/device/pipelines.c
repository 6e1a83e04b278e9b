// pipelines.c - pipelines and their cache on disk.
#include "device/pipelines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/hash.h"
#include "device/verdicts.h"

struct entry {
    const struct variant *variant; // NULL: free
    uint32_t spec[SPEC_MAX];
    VkPipeline pipeline;
};

struct pipeline_store {
    pthread_mutex_t mutex;
    VkPipelineLayout layout;
    VkPipelineCache cache;
    struct entry *entries; // open addressing, at most half full
    uint32_t capacity;     // 0 or a power of two
    uint32_t count;
    uint64_t spent_ns; // to make them
};

// Where the pipeline is, or where it would go.
static struct entry *find_entry(
    const struct pipeline_store *store, const struct variant *variant, const uint32_t *spec)
{
    uint32_t number = (uint32_t)(variant - vkmoe_variants);
    uint64_t hash = hash_bytes(HASH_START, &number, sizeof number);
    hash = hash_bytes(hash, spec, SPEC_MAX * sizeof *spec);
    for (uint32_t i = (uint32_t)(hash ^ hash >> 32);; i++) {
        struct entry *entry = &store->entries[i & (store->capacity - 1)];
        if (!entry->variant
            || (entry->variant == variant && !memcmp(entry->spec, spec, sizeof entry->spec)))
            return entry;
    }
}

static bool grow_entries(struct pipeline_store *store)
{
    struct pipeline_store larger = *store;
    larger.capacity = store->capacity ? store->capacity * 2 : 64;
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries)
        return false;
    for (uint32_t i = 0; i < store->capacity; i++) {
        const struct entry *entry = &store->entries[i];
        if (entry->variant)
            *find_entry(&larger, entry->variant, entry->spec) = *entry;
    }
    free(store->entries);
    store->entries = larger.entries;
    store->capacity = larger.capacity;
    return true;
}

// A form that is only tested need not compile; but that memory or the device is gone says nothing
// of the form.
static enum vkmoe_status refuse_pipeline(
    vkmoe_device *device, const struct variant *variant, VkResult result, const char *call)
{
    struct vkmoe_log log = device->gpu.log;
    const bool is_of_form = result != VK_ERROR_OUT_OF_HOST_MEMORY
        && result != VK_ERROR_OUT_OF_DEVICE_MEMORY && result != VK_ERROR_DEVICE_LOST;
    if (is_of_form && vkmoe_verdicts_note_refusal(device->verdicts, variant)) {
        log.write = vkmoe_log_demote;
        log.user = &device->gpu.log;
    }
    return vkmoe_vk_status(&log, result, call);
}

static enum vkmoe_status create_pipeline(
    vkmoe_device *device, const struct variant *variant, const uint32_t *spec, VkPipeline *out)
{
    VkShaderModule module = VK_NULL_HANDLE;
    char call[96];
    VkSpecializationMapEntry map[SPEC_MAX];
    for (uint32_t i = 0; i < SPEC_MAX; i++)
        map[i] = (VkSpecializationMapEntry){ i, i * sizeof *spec, sizeof *spec };
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo required = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = variant->needs & NEED_ANY_MATRIX
            ? device->matrix_units.subgroup_size
            : variant->needs & NEED_shuffle ? device->least_subgroup_size
                                            : device->subgroup_size,
    };
    uint32_t *words = vkmoe_variant_spirv(variant);
    const bool subgroups = variant->needs & (NEED_subgroup | NEED_shuffle | NEED_ANY_MATRIX);
    snprintf(call, sizeof call, "%s: vkCreateShaderModule", variant->name);
    VkResult result = VK_ERROR_OUT_OF_HOST_MEMORY;
    if (words)
        result = device->gpu.vk.CreateShaderModule(device->gpu.handle,
            &(VkShaderModuleCreateInfo){
                .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                .codeSize = *variant->spirv_size,
                .pCode = words,
            },
            NULL, &module);
    free(words);
    if (result < 0)
        goto fail;
    const VkComputePipelineCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = device->capture_statistics ? VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR : 0,
        .stage = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .pNext = subgroups && device->fixed_subgroup_size ? &required : NULL,
            .flags = subgroups && device->full_subgroups
                ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT : 0,
            .stage = VK_SHADER_STAGE_COMPUTE_BIT,
            .module = module,
            .pName = "main",
            .pSpecializationInfo = &(VkSpecializationInfo){
                .mapEntryCount = SPEC_MAX,
                .pMapEntries = map,
                .dataSize = SPEC_MAX * sizeof *spec,
                .pData = spec,
            },
        },
        .layout = device->pipelines->layout,
    };
    snprintf(call, sizeof call, "%s: vkCreateComputePipelines", variant->name);
    result = device->gpu.vk.CreateComputePipelines(
        device->gpu.handle, device->pipelines->cache, 1, &create, NULL, out);
    if (result < 0)
        goto fail;
    vkmoe_log(&device->gpu.log, VKMOE_LOG_DEBUG, "made pipeline %s", variant->name);
    device->gpu.vk.DestroyShaderModule(device->gpu.handle, module, NULL);
    return VKMOE_OK;
fail:
    if (module)
        device->gpu.vk.DestroyShaderModule(device->gpu.handle, module, NULL);
    *out = VK_NULL_HANDLE;
    return refuse_pipeline(device, variant, result, call);
}

enum vkmoe_status vkmoe_pipeline_get(vkmoe_device *device, const struct variant *variant,
    const uint32_t spec[SPEC_MAX], VkPipeline *out)
{
    struct pipeline_store *store = device->pipelines;
    enum vkmoe_status status = VKMOE_OK;
    *out = VK_NULL_HANDLE;
    if (!*variant->spirv_size || (variant->needs & ~(device->needs | NEED_fast)))
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_UNSUPPORTED, "kernel %s: %s", variant->name,
            *variant->spirv_size ? "the device lacks what it needs" : "it was not compiled");
    // A pipeline is compiled under the lock, too: that two threads would otherwise
    // compile the same one costs more than that they wait for each other.
    pthread_mutex_lock(&store->mutex);
    if (store->count * 2 >= store->capacity && !grow_entries(store)) {
        status = vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    } else {
        struct entry *entry = find_entry(store, variant, spec);
        const uint64_t start = clock_ns();
        if (!entry->variant) {
            status = create_pipeline(device, variant, spec, &entry->pipeline);
            store->spent_ns += clock_ns() - start;
        }
        if (!entry->variant && status == VKMOE_OK) {
            entry->variant = variant;
            memcpy(entry->spec, spec, sizeof entry->spec);
            store->count++;
        }
        *out = entry->pipeline;
    }
    pthread_mutex_unlock(&store->mutex);
    return status;
}

uint64_t vkmoe_pipelines_ns(const vkmoe_device *device)
{
    struct pipeline_store *store = device->pipelines;
    pthread_mutex_lock(&store->mutex);
    const uint64_t spent = store->spent_ns;
    pthread_mutex_unlock(&store->mutex);
    return spent;
}

VkPipelineLayout vkmoe_pipeline_layout(const vkmoe_device *device)
{
    return device->pipelines->layout;
}

void vkmoe_pipelines_visit(vkmoe_device *device,
    void (*visit)(
        void *user, const struct variant *variant, const uint32_t *spec, VkPipeline pipeline),
    void *user)
{
    struct pipeline_store *store = device->pipelines;
    pthread_mutex_lock(&store->mutex);
    for (uint32_t i = 0; i < store->capacity; i++) {
        const struct entry *entry = &store->entries[i];
        if (entry->variant)
            visit(user, entry->variant, entry->spec, entry->pipeline);
    }
    pthread_mutex_unlock(&store->mutex);
}

// -------------------------------------------------------------------------- cache

// Stands before the driver's data. Drivers have crashed on data that was cut or not
// their own, so nothing reaches them that does not match in every field.
struct cache_header {
    char magic[8];
    uint32_t vendor_id, device_id, driver_version;
    uint32_t pointer_size;
    uint8_t uuid[VK_UUID_SIZE];
    uint64_t size; // of what follows
    uint64_t checksum;
};

static struct cache_header make_header(const vkmoe_device *device, const void *data, size_t size)
{
    struct cache_header header = {
        .magic = { 'v', 'k', 'm', 'o', 'e', 'p', 'c', '1' },
        .vendor_id = device->gpu.info.vendor_id,
        .device_id = device->gpu.info.device_id,
        .driver_version = device->gpu.info.driver_version,
        .pointer_size = sizeof(void *),
        .size = size,
        .checksum = hash_bytes(HASH_START, data, size),
    };
    memcpy(header.uuid, device->cache_uuid, sizeof header.uuid);
    return header;
}

// Sets *size to the driver's part of `cache`, 0 if it is not for this device.
static const void *open_cache(const vkmoe_device *device, const void *cache, size_t *size)
{
    struct cache_header found;
    size_t given = *size;
    *size = 0;
    if (!cache || !given)
        return NULL;
    if (given > sizeof found) {
        const char *data = (const char *)cache + sizeof found;
        memcpy(&found, cache, sizeof found);
        struct cache_header expected = make_header(device, data, given - sizeof found);
        if (!memcmp(&found, &expected, sizeof found)) {
            *size = given - sizeof found;
            return data;
        }
    }
    vkmoe_log(&device->gpu.log, VKMOE_LOG_DEBUG, "pipeline cache ignored: not of this device");
    return NULL;
}

enum vkmoe_status vkmoe_pipelines_init(vkmoe_device *device, const void *cache, size_t cache_size)
{
    enum vkmoe_status status = VKMOE_ERROR_OUT_OF_MEMORY;
    struct pipeline_store *store = device->pipelines = calloc(1, sizeof *store);
    if (!store)
        return vkmoe_fail(&device->gpu.log, status, "out of host memory");
    pthread_mutex_init(&store->mutex, NULL);
    VK_TRY(&device->gpu,
        CreatePipelineLayout(device->gpu.handle,
            &(VkPipelineLayoutCreateInfo){
                .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                .pushConstantRangeCount = 1,
                .pPushConstantRanges =
                    &(VkPushConstantRange){ VK_SHADER_STAGE_COMPUTE_BIT, 0, 128 },
            },
            NULL, &store->layout));
    const void *initial = open_cache(device, cache, &cache_size);
    VkPipelineCacheCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .pInitialData = initial,
        .initialDataSize = cache_size,
    };
    if (create.initialDataSize
        && device->gpu.vk.CreatePipelineCache(device->gpu.handle, &create, NULL, &store->cache)
            == VK_SUCCESS)
        return VKMOE_OK;
    create.initialDataSize = 0;
    create.pInitialData = NULL;
    VK_TRY(&device->gpu, CreatePipelineCache(device->gpu.handle, &create, NULL, &store->cache));
    return VKMOE_OK;
fail:
    vkmoe_pipelines_finish(device);
    return status;
}

void vkmoe_pipelines_finish(vkmoe_device *device)
{
    struct pipeline_store *store = device->pipelines;
    if (!store)
        return;
    for (uint32_t i = 0; i < store->capacity; i++)
        if (store->entries[i].variant)
            device->gpu.vk.DestroyPipeline(device->gpu.handle, store->entries[i].pipeline, NULL);
    if (store->cache)
        device->gpu.vk.DestroyPipelineCache(device->gpu.handle, store->cache, NULL);
    if (store->layout)
        device->gpu.vk.DestroyPipelineLayout(device->gpu.handle, store->layout, NULL);
    pthread_mutex_destroy(&store->mutex);
    free(store->entries);
    free(store);
    device->pipelines = NULL;
}

// The driver's data in a block to free(). The size may grow between the two calls
// when a driver compiles in the background, hence the second try.
static enum vkmoe_status read_cache(vkmoe_device *device, void **out, size_t *size)
{
    enum vkmoe_status status = VKMOE_ERROR_DRIVER;
    void *data = NULL;
    VkResult result = VK_INCOMPLETE;
    for (int tries = 0; tries < 3 && result == VK_INCOMPLETE; tries++) {
        free(data);
        data = NULL;
        VK_TRY(&device->gpu,
            GetPipelineCacheData(device->gpu.handle, device->pipelines->cache, size, NULL));
        data = malloc(MAX(*size, 1));
        if (!data) {
            status = vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
            goto fail;
        }
        result = device->gpu.vk.GetPipelineCacheData(
            device->gpu.handle, device->pipelines->cache, size, data);
    }
    if (result == VK_INCOMPLETE) // some drivers say so for ever
        result = VK_ERROR_UNKNOWN;
    status = vkmoe_vk_status(&device->gpu.log, result, "vkGetPipelineCacheData");
    if (status != VKMOE_OK)
        goto fail;
    *out = data;
    return VKMOE_OK;
fail:
    free(data);
    return status;
}

enum vkmoe_status vkmoe_device_get_cache(vkmoe_device *device, void *data, size_t *size)
{
    void *driver_data = NULL;
    size_t driver_size = 0;
    VKMOE_NEED(NULL, device, "device");
    VKMOE_NEED(&device->gpu.log, size, "size");
    size_t room = *size;
    pthread_mutex_lock(&device->pipelines->mutex);
    enum vkmoe_status status = read_cache(device, &driver_data, &driver_size);
    pthread_mutex_unlock(&device->pipelines->mutex);
    if (status != VKMOE_OK)
        return status;
    struct cache_header header = make_header(device, driver_data, driver_size);
    *size = sizeof header + driver_size;
    if (data && room < *size) {
        status = vkmoe_fail(&device->gpu.log, VKMOE_ERROR_INVALID,
            "vkmoe_device_get_cache: room for %zu bytes, expected %zu", room, *size);
    } else if (data) {
        memcpy(data, &header, sizeof header);
        memcpy((char *)data + sizeof header, driver_data, driver_size);
    }
    free(driver_data);
    return status;
}
