// known_selftest.c - the keys of pipelines (no_gpu.c), of which each part of what a driver is given
// makes another, and the record by which those that are known are left out (known.c). The driver
// is one of this file's own.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "check.h"
#include "folder.h"
#include "known.h"
#include "no_gpu.h"

PFN_vkGetInstanceProcAddr __real_vkmoe_vk_loader(void);
PFN_vkGetInstanceProcAddr __wrap_vkmoe_vk_loader(void);

// What the driver is, and what it is given.
struct scene {
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceFeatures2 features;
    const char *extension, *preloaded;
    VkPushConstantRange range;
    uint32_t code[4];
    uint32_t constants[2];
    VkSpecializationMapEntry map[2];
    VkPipelineCreateFlags flags;
    VkPipelineShaderStageCreateFlags stage_flags;
    uint32_t subgroup_size; // 0: not required
};

static const struct scene usual = {
    .properties = { .driverVersion = 1, .deviceName = "a card", .pipelineCacheUUID = { 1 } },
    .features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2 },
    .extension = "an extension",
    .preloaded = "one.so",
    .range = { VK_SHADER_STAGE_COMPUTE_BIT, 0, 128 },
    .code = { 1, 2, 3, 4 },
    .constants = { 5, 6 },
    .map = { { 0, 0, 4 }, { 1, 4, 4 } },
    .subgroup_size = 32,
};
static struct scene scene;
static uint32_t compiled, destroyed;

// ------------------------------------------------------------------------- the driver
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
static VKAPI_ATTR void VKAPI_CALL get_properties(
    VkPhysicalDevice device, VkPhysicalDeviceProperties *out)
{
    *out = scene.properties;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
    const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *out)
{
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_layout(VkDevice device,
    const VkPipelineLayoutCreateInfo *info, const VkAllocationCallbacks *a, VkPipelineLayout *out)
{
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_module(VkDevice device,
    const VkShaderModuleCreateInfo *info, const VkAllocationCallbacks *a, VkShaderModule *out)
{
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache,
    uint32_t count, const VkComputePipelineCreateInfo *infos, const VkAllocationCallbacks *a,
    VkPipeline *out)
{
    const uint64_t handle = ++compiled;
    memcpy(out, &handle, sizeof *out);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_pipeline(
    VkDevice device, VkPipeline pipeline, const VkAllocationCallbacks *a)
{
    destroyed++;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_proc(VkDevice device, const char *name)
{
    return !strcmp(name, "vkCreatePipelineLayout") ? (PFN_vkVoidFunction)create_layout
        : !strcmp(name, "vkCreateShaderModule")    ? (PFN_vkVoidFunction)create_module
        : !strcmp(name, "vkDestroyPipeline")       ? (PFN_vkVoidFunction)destroy_pipeline
                                                   : (PFN_vkVoidFunction)create_pipelines;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(
    VkInstance instance, const char *name)
{
    return !strcmp(name, "vkCreateDevice")     ? (PFN_vkVoidFunction)create_device
        : !strcmp(name, "vkGetDeviceProcAddr") ? (PFN_vkVoidFunction)get_proc
                                               : (PFN_vkVoidFunction)get_properties;
}
#pragma GCC diagnostic pop

PFN_vkGetInstanceProcAddr __real_vkmoe_vk_loader(void)
{
    return get_instance_proc;
}

// ------------------------------------------------------------------------ what is made

// A pipeline of the scene, by the calls of the library.
static VkPipeline make(void)
{
    const PFN_vkGetInstanceProcAddr get_instance = __wrap_vkmoe_vk_loader();
    const PFN_vkGetDeviceProcAddr get =
        (PFN_vkGetDeviceProcAddr)get_instance(NULL, "vkGetDeviceProcAddr");
#define CALL(name) ((PFN_##name)(void (*)(void))get(NULL, #name))
    VkDevice device = NULL;
    VkPipelineLayout layout = VK_NULL_HANDLE;
    VkShaderModule module = VK_NULL_HANDLE;
    VkPipeline pipeline = VK_NULL_HANDLE;
    setenv("LD_PRELOAD", folder_path(scene.preloaded), 1);
    ((PFN_vkCreateDevice)get_instance(NULL, "vkCreateDevice"))(NULL,
        &(VkDeviceCreateInfo){ .pNext = &scene.features,
            .enabledExtensionCount = 1,
            .ppEnabledExtensionNames = &scene.extension },
        NULL, &device);
    unsetenv("LD_PRELOAD");
    CALL(vkCreatePipelineLayout)
    (device,
        &(VkPipelineLayoutCreateInfo){
            .pushConstantRangeCount = 1, .pPushConstantRanges = &scene.range },
        NULL, &layout);
    CALL(vkCreateShaderModule)
    (device, &(VkShaderModuleCreateInfo){ .codeSize = sizeof scene.code, .pCode = scene.code },
        NULL, &module);
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo required = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = scene.subgroup_size,
    };
    const VkSpecializationInfo constants = { ARRAY_SIZE(scene.map), scene.map,
        sizeof scene.constants, scene.constants };
    CALL(vkCreateComputePipelines)
    (device, VK_NULL_HANDLE, 1,
        &(VkComputePipelineCreateInfo){ .flags = scene.flags,
            .stage = { .flags = scene.stage_flags,
                .pNext = scene.subgroup_size ? &required : NULL,
                .module = module,
                .pSpecializationInfo = &constants } },
        NULL, &pipeline);
    CALL(vkDestroyPipeline)(device, pipeline, NULL);
#undef CALL
    return pipeline;
}

// Changes one thing in `scene`; false if there are no more.
static bool change(uint32_t number)
{
    switch (number) {
    case 0: scene.properties.driverVersion++; return true;
    case 1: scene.properties.deviceName[0]++; return true;
    case 2: scene.properties.pipelineCacheUUID[VK_UUID_SIZE - 1]++; return true;
    case 3: scene.features.features.robustBufferAccess = VK_TRUE; return true;
    case 4: scene.extension = "another"; return true;
    case 5: scene.preloaded = "two.so"; return true;
    case 6: scene.range.size = 64; return true;
    case 7: scene.code[3]++; return true;
    case 8: scene.constants[1]++; return true;
    case 9: scene.map[1].constantID++; return true;
    case 10: scene.flags++; return true;
    case 11: scene.stage_flags++; return true;
    case 12: scene.subgroup_size = 64; return true;
    case 13: scene.subgroup_size = 0; return true;
    case 14: scene.properties.deviceID++; return true;
    default: return false;
    }
}

// ------------------------------------------------------------------------------- tests

static bool test_keys(void)
{
    uint64_t keys[32] = { no_gpu_key(make()) };
    uint32_t count = 1;
    CHECK(keys[0] && no_gpu_key(make()) == keys[0]);
    while (scene = usual, change(count - 1)) {
        keys[count] = no_gpu_key(make());
        for (uint32_t i = 0; i < count; i++)
            CHECK(keys[count] && keys[count] != keys[i]);
        count++;
    }
    CHECK(count == 16 && compiled == 17 && destroyed == 17);
    return true;
fail:
    tap_note("change %u", count - 1);
    return false;
}

static uint64_t known_key;

static bool is_known(void *user, uint64_t key)
{
    ++*(uint32_t *)user;
    return key == known_key;
}

static bool test_left_out(void)
{
    uint32_t asked = 0;
    known_key = no_gpu_key(make());
    const uint32_t before = compiled;
    no_gpu_leaves_out(is_known, &asked);
    const VkPipeline first = make(), second = make();
    scene.code[0]++;
    const VkPipeline other = make();
    no_gpu_leaves_out(NULL, NULL);
    CHECK(asked == 3 && compiled == before + 1 && destroyed == compiled && first != second);
    CHECK(!no_gpu_is_compiled(first) && !no_gpu_is_compiled(second) && no_gpu_is_compiled(other));
    CHECK(no_gpu_key(first) == known_key && no_gpu_key(other) != known_key);
    return true;
fail:
    return false;
}

#define RECORD \
    "[{\"label\":\"a\",\"pipelines\":[{\"key\":\"000000000000002a\",\"stats\":{\"Spills\":3}}," \
    "{\"stats\":{\"Spills\":1}},{\"key\":\"000000000000002b\",\"stats\":{}},3]}," \
    "{\"label\":\"b\",\"pipelines\":[{\"key\":\"000000000000002c\",\"stats\":{\"Spills\":0}}]}]"

static bool knows(const char *text, const char *label, uint64_t key)
{
    struct known known;
    folder_write_text("record.json", text);
    known_open(&known, folder_path("record.json"), label);
    const bool found = known_statistics(&known, key);
    known_close(&known);
    return found;
}

static bool test_record(void)
{
    char cut[sizeof RECORD];
    struct known known;
    CHECK(knows(RECORD, "a", 0x2a) && knows(RECORD, "b", 0x2c));
    CHECK(!knows(RECORD, "a", 0x2b) && !knows(RECORD, "a", 0x2c) && !knows(RECORD, "b", 0x2a));
    CHECK(!knows(RECORD, "a", 0) && !knows(RECORD, "c", 0x2a));
    CHECK(!knows("", "a", 0x2a) && !knows("[]", "a", 0x2a) && !knows("{}", "a", 0x2a));
    for (size_t length = 1; length < strlen(RECORD); length++) {
        snprintf(cut, sizeof cut, "%.*s", (int)length, RECORD);
        CHECK(!knows(cut, "a", 0x2a));
    }
    known_open(&known, folder_path("none.json"), "a");
    CHECK(!known_statistics(&known, 0x2a));
    known_close(&known);
    return true;
fail:
    return false;
}

static void begin(void)
{
    scene = usual;
    compiled = destroyed = 0;
}

int main(int argc, char **argv)
{
    TEST_TABLE(
        tests, { "keys", test_keys }, { "left-out", test_left_out }, { "record", test_record });
    struct tap tap;
    if (!tap_begin(&tap, argc, argv) || !folder_begin("known"))
        return 2;
    begin();
    folder_write_text("one.so", "one");
    folder_write_text("two.so", "two");
    run_clean_tests(&tap, tests, COUNT_OF(tests), begin);
    folder_finish();
    return tap_end(&tap);
}
