// adopt_features.c - what vkmoe_device_adopt() makes of the features that are said to be
// enabled: what is required and missing, enabled and impossible, optional and used. And what
// vkmoe_device_create() tells the loader of the program, since a loader of our own is here.
#include "check.h"
#include "device/device.h"
#include "vulkan/feature_set.h"
#include "host.h"
#include "tiny_layer.h"

static const struct {
    const char *name; // of its part of struct feature_set
    uint32_t bit;
} optional[] = {
    { "shaderInt64", HOST_INT64 },
    { "subgroupSizeControl", HOST_SUBGROUP_SIZE },
    { "computeFullSubgroups", HOST_FULL_SUBGROUPS },
    { "maintenance4", HOST_MAINTENANCE4 },
    { "storageBuffer16BitAccess", HOST_F16_STORAGE },
    { "shaderFloat16", HOST_F16_ARITHMETIC },
    { "pipelineExecutableInfo", HOST_EXECUTABLE },
    { "cooperativeMatrix", HOST_MATRIX },
    { "shaderIntegerDotProduct", HOST_INTEGER_DOT },
    { "cooperativeMatrixFlexibleDimensions", HOST_FLEXIBLE },
    { "cooperativeMatrixWorkgroupScope", HOST_MATRIX_GROUPS },
};

static struct record record;
// The test's.
static struct host host;
static vkmoe_device *adopted;

static void clean_up(void)
{
    vkmoe_device_destroy(&adopted);
    host_finish(&host);
}

static struct vkmoe_adopt_params adopt_params(void)
{
    struct vkmoe_adopt_params params = host_adopt_params(&host);
    params.log = (struct vkmoe_log){ record_line, &record, VKMOE_LOG_WARNING };
    record = (struct record){ 0 };
    return params;
}

// Adopting fails with this status and one line that holds `text`.
static bool is_refused(
    const struct vkmoe_adopt_params *params, enum vkmoe_status expected, const char *text)
{
    vkmoe_device *refused;
    memset(&refused, 0xee, sizeof refused);
    record = (struct record){ 0 };
    const enum vkmoe_status status = vkmoe_device_adopt(params, &refused);
    if (status == expected && !refused && record.lines[VKMOE_LOG_ERROR] == 1
        && strstr(record.last, text))
        return true;
    tap_note("%s, expected %s; %u errors logged, the last: %s; expected in it: %s",
        vkmoe_status_name(status), vkmoe_status_name(expected), record.lines[VKMOE_LOG_ERROR],
        record.last, text);
    if (status == VKMOE_OK)
        vkmoe_device_destroy(&refused);
    return false;
}

// The other way round; there is no device afterwards.
static bool is_adopted(const struct vkmoe_adopt_params *params)
{
    CHECK_OK(vkmoe_device_adopt(params, &adopted));
    vkmoe_device_destroy(&adopted);
    return true;
fail:
    return false;
}

// ------------------------------------------------------------------ a loader that is in between

static PFN_vkGetPhysicalDeviceFeatures2 real_features;
static PFN_vkGetPhysicalDeviceProperties2 real_properties;
static PFN_vkGetDeviceProcAddr real_device_proc;
static PFN_vkCreateInstance real_create;
static uint32_t lacking; // the optional features that the device is said not to have
static bool lacks_synchronization;
static uint32_t api_version;        // that it is said to have; 0: its own
static const char *hidden_function; // that is said to be missing; or NULL
static char application[64];        // that an instance was made for; "none" if it has no name

static void lose_flexible(VkPhysicalDeviceCooperativeMatrix2FeaturesNV *features)
{
    if (lacking & HOST_FLEXIBLE)
        features->cooperativeMatrixFlexibleDimensions = VK_FALSE;
    if (lacking & HOST_MATRIX_GROUPS)
        features->cooperativeMatrixWorkgroupScope = VK_FALSE;
}

static VKAPI_ATTR void VKAPI_CALL get_features(
    VkPhysicalDevice device, VkPhysicalDeviceFeatures2 *features)
{
    real_features(device, features);
    features->features.shaderInt64 &= !(lacking & HOST_INT64);
    for (VkBaseOutStructure *s = features->pNext; s; s = s->pNext) {
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES) {
            VkPhysicalDeviceVulkan11Features *v11 = (void *)s;
            v11->storageBuffer16BitAccess &= !(lacking & HOST_F16_STORAGE);
        } else if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES) {
            VkPhysicalDeviceVulkan12Features *v12 = (void *)s;
            v12->shaderFloat16 &= !(lacking & HOST_F16_ARITHMETIC);
        } else if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES) {
            VkPhysicalDeviceVulkan13Features *v13 = (void *)s;
            v13->synchronization2 &= !lacks_synchronization;
            v13->subgroupSizeControl &= !(lacking & HOST_SUBGROUP_SIZE);
            v13->computeFullSubgroups &= !(lacking & HOST_FULL_SUBGROUPS);
            v13->maintenance4 &= !(lacking & HOST_MAINTENANCE4);
            v13->shaderIntegerDotProduct &= !(lacking & HOST_INTEGER_DOT);
        } else if (s->sType
            == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR) {
            VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR *executable = (void *)s;
            executable->pipelineExecutableInfo &= !(lacking & HOST_EXECUTABLE);
        } else if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR) {
            VkPhysicalDeviceCooperativeMatrixFeaturesKHR *matrix = (void *)s;
            matrix->cooperativeMatrix &= !(lacking & HOST_MATRIX);
        } else if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV) {
            lose_flexible((void *)s);
        }
    }
}

static VKAPI_ATTR void VKAPI_CALL get_properties(
    VkPhysicalDevice device, VkPhysicalDeviceProperties2 *properties)
{
    real_properties(device, properties);
    if (api_version)
        properties->properties.apiVersion = api_version;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name)
{
    return hidden_function && !strcmp(name, hidden_function) ? NULL
                                                             : real_device_proc(device, name);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(
    const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator, VkInstance *out)
{
    const char *name = info->pApplicationInfo->pApplicationName;
    snprintf(application, sizeof application, "%s", name ? name : "none");
    return real_create(info, allocator, out);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(
    VkInstance instance, const char *name)
{
    PFN_vkVoidFunction found = vkGetInstanceProcAddr(instance, name);
#define REPLACE(text, real, ours) \
    if (!strcmp(name, text)) { \
        memcpy(&(real), &found, sizeof found); \
        return (PFN_vkVoidFunction)(ours); \
    }
    if (hidden_function && !strcmp(name, hidden_function))
        return NULL;
    REPLACE("vkGetPhysicalDeviceFeatures2", real_features, get_features)
    REPLACE("vkGetPhysicalDeviceProperties2", real_properties, get_properties)
    REPLACE("vkGetDeviceProcAddr", real_device_proc, get_device_proc)
    REPLACE("vkCreateInstance", real_create, create_instance)
    return found;
}

static void go_between(struct vkmoe_adopt_params *params)
{
    params->get_instance_proc_addr = get_instance_proc;
    lacking = api_version = 0;
    lacks_synchronization = false;
    hidden_function = NULL;
}

// -------------------------------------------------------------------------------- tests

// What is enabled is used, where the library has a use for it, and nothing else; `own` is a
// device that the library made and enabled all it wants on.
static bool uses(const vkmoe_device *device, uint32_t enabled, const vkmoe_device *own)
{
    const struct vkmoe_device_info *info = &device->gpu.info;
    const bool sized = enabled & HOST_SUBGROUP_SIZE || !own->fixed_subgroup_size;
    const uint32_t subgroup = NEED_subgroup | NEED_ballot | NEED_lanes_8 | NEED_shuffle;
    const uint32_t matrix = HOST_MATRIX | HOST_F16_STORAGE | HOST_F16_ARITHMETIC | HOST_INT64
        | HOST_FULL_SUBGROUPS | (own->fixed_subgroup_size ? HOST_SUBGROUP_SIZE : 0);
    CHECK(info->int64 == !!(enabled & HOST_INT64));
    CHECK(info->f16_storage == !!(enabled & HOST_F16_STORAGE));
    CHECK(info->f16_arithmetic == !!(enabled & HOST_F16_ARITHMETIC));
    CHECK(info->subgroup_arithmetic == (own->gpu.info.subgroup_arithmetic && sized));
    CHECK(info->cooperative_matrix == !!(enabled & HOST_MATRIX));
    CHECK((device->matrix_units.m > 0) == (own->matrix_units.m > 0 && !(matrix & ~enabled)));
    CHECK(!(device->needs & NEED_ANY_MATRIX) == !device->matrix_units.m);
    const uint32_t flexible = matrix | HOST_FLEXIBLE | HOST_MAINTENANCE4
        | (own->flexible.parts == 1 ? HOST_MATRIX_GROUPS : 0);
    CHECK((device->flexible.lanes > 0) == (own->flexible.lanes > 0 && !(flexible & ~enabled)));
    CHECK(!(device->needs & NEED_flexible_matrix) == !device->flexible.lanes);
    CHECK(!info->matrix_m || info->matrix_m == device->matrix_units.m);
    CHECK(!!(device->needs & NEED_int64) == !!(enabled & HOST_INT64));
    CHECK(!(device->needs & NEED_subgroup) == !info->subgroup_arithmetic);
    CHECK(!(device->needs & NEED_integer_dot)
        == !(own->needs & NEED_integer_dot && enabled & HOST_INTEGER_DOT));
    CHECK(device->full_subgroups == !!(enabled & HOST_FULL_SUBGROUPS));
    CHECK(!device->capture_statistics);
    CHECK(!(device->needs & NEED_shuffle)
        == !(own->needs & NEED_shuffle && sized && enabled & HOST_FULL_SUBGROUPS));
    const uint32_t others = NEED_ANY_MATRIX | NEED_integer_dot | NEED_shuffle;
    if (enabled & HOST_INT64 && sized)
        CHECK(!((device->needs ^ own->needs) & ~others)
            && device->subgroup_size == own->subgroup_size);
    else
        CHECK(!(device->needs & ~own->needs) && (sized || !(device->needs & subgroup)));
    return true;
fail:
    return false;
}

static bool try_features(bool single, uint32_t wanted, bool forward, const vkmoe_device *own)
{
    bool ok = false;
    CHECK(host_init_with(&host, single, wanted));
    const struct vkmoe_adopt_params params = adopt_params();
    CHECK_OK(vkmoe_device_adopt(&params, &adopted));
    CHECK(uses(adopted, host.optional, own));
    CHECK(!forward || tiny_layer_works(adopted, 21, vkmoe_buffer_create));
    vkmoe_device_destroy(&adopted);
    CHECK(!record.lines[VKMOE_LOG_ERROR] && !record.lines[VKMOE_LOG_WARNING]);
    ok = true;
fail:
    if (!ok)
        tap_note("features %x in %s structs; log: %s", host.optional,
            single ? "their own" : "versions'", record.last);
    clean_up();
    return ok;
}

// Each alone, all but each, none and all, in both forms; pipelines are made for those that
// make a difference to them.
static bool test_optional(void)
{
    const uint32_t all = (1u << HOST_OPTIONAL) - 1;
    vkmoe_device *own = NULL;
    bool ok = false;
    CHECK_OK(open_device(NULL, &own));
    for (int single = 0; single < 2; single++) {
        for (uint32_t i = 0; i < COUNT_OF(optional); i++) {
            const bool differs = !single
                && optional[i].bit & (HOST_INT64 | HOST_SUBGROUP_SIZE | HOST_FULL_SUBGROUPS);
            CHECK(try_features(single, optional[i].bit, differs, own));
            CHECK(try_features(single, all & ~optional[i].bit, differs, own));
        }
        CHECK(try_features(single, 0, true, own) && try_features(single, all, true, own));
    }
    ok = true;
fail:
    vkmoe_device_destroy(&own);
    return ok;
}

static bool test_required(void)
{
    struct host_features f;
    CHECK(host_init(&host, false));
    struct vkmoe_adopt_params params = adopt_params();
    params.features = &f.base;
#define WITHOUT(single, name, change) \
    do { \
        host_features_init(&f, single, 0); \
        change; \
        CHECK(is_refused(&params, VKMOE_ERROR_UNSUPPORTED, "feature " name " is not")); \
    } while (0)
    WITHOUT(false, "bufferDeviceAddress", f.v12.bufferDeviceAddress = VK_FALSE);
    WITHOUT(false, "timelineSemaphore", f.v12.timelineSemaphore = VK_FALSE);
    WITHOUT(false, "synchronization2", f.v13.synchronization2 = VK_FALSE);
    WITHOUT(true, "bufferDeviceAddress", f.address.bufferDeviceAddress = VK_FALSE);
    WITHOUT(true, "timelineSemaphore", f.timeline.timelineSemaphore = VK_FALSE);
    WITHOUT(true, "synchronization2", f.synchronization2.synchronization2 = VK_FALSE);
    WITHOUT(true, "bufferDeviceAddress", f.base.pNext = &f.timeline); // the struct is not there
    WITHOUT(true, "timelineSemaphore", f.address.pNext = &f.synchronization2);
    WITHOUT(true, "synchronization2", f.timeline.pNext = NULL);
    WITHOUT(false, "synchronization2", f.v12.pNext = NULL);
    WITHOUT(false, "timelineSemaphore", f.base.pNext = NULL); // the first of three
#undef WITHOUT
    return true;
fail:
    return false;
}

// Heads of another kind, chains without an end; structs that nobody knows; a feature said twice.
static bool test_chains(void)
{
    struct host_features f;
    CHECK(host_init(&host, false));
    struct vkmoe_adopt_params params = adopt_params();
    params.features = (const void *)&f.v12;
    host_features_init(&f, false, 0);
    CHECK(is_refused(&params, VKMOE_ERROR_INVALID, "VkPhysicalDeviceFeatures2"));
    params.features = &f.base;
    f.base.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    CHECK(is_refused(&params, VKMOE_ERROR_INVALID, "VkPhysicalDeviceFeatures2"));
    host_features_init(&f, false, 0);
    f.v13.pNext = &f.v11;
    CHECK(is_refused(&params, VKMOE_ERROR_INVALID, "end"));
    host_features_init(&f, false, 0);
    f.v13.pNext = &f.v13;
    CHECK(is_refused(&params, VKMOE_ERROR_INVALID, "end"));
    host_features_init(&f, true, 0);
    struct {
        VkBaseInStructure base;
        uint32_t words[64];
    } unknown = { { (VkStructureType)0x7fff0001, (const void *)&f.address }, { 0 } };
    memset(unknown.words, 0xff, sizeof unknown.words);
    f.base.pNext = &unknown;
    f.synchronization2.pNext = &f.v12; // with the same features once more
    f.v12.pNext = NULL;
    return is_adopted(&params);
fail:
    return false;
}

// Enabled, it is said, though the physical device does not have it.
static bool test_impossible(void)
{
    CHECK(host_init(&host, true));
    struct vkmoe_adopt_params params = adopt_params();
    go_between(&params);
    for (uint32_t i = 0; i < COUNT_OF(optional); i++) {
        char text[64];
        if (!(host.optional & optional[i].bit))
            continue;
        snprintf(text, sizeof text, "feature %s cannot be enabled", optional[i].name);
        lacking = optional[i].bit;
        CHECK(is_refused(&params, VKMOE_ERROR_INVALID, text));
    }
    lacking = 0;
    // Any at all, whether the library cares or not; drivers for CPUs have no such memory.
    struct host_features f;
    host_features_init(&f, false, 0);
    f.v11.protectedMemory = VK_TRUE;
    params.features = &f.base;
    CHECK(is_refused(&params, VKMOE_ERROR_INVALID, "protectedMemory"));
    // What kernels ask for, whether the host does or not. (22.3 lacks it: the line is another one.)
    host_features_init(&f, false, 0);
    f.v12.vulkanMemoryModel = VK_TRUE;
    f.v12.vulkanMemoryModelDeviceScope = VK_FALSE;
    CHECK(is_refused(&params, VKMOE_ERROR_INVALID, "vulkanMemoryModel"));
    return true;
fail:
    return false;
}

// Versions and functions of Vulkan that are too old.
static bool test_versions(void)
{
    static const struct {
        bool lacks_synchronization;
        uint32_t api_version;
        const char *hidden_function, *text;
    } rows[] = {
        { true, 0, NULL, "synchronization2" },
        { false, VK_API_VERSION_1_2, NULL, "Vulkan 1.3 is needed" },
        { false, 0, "vkQueueSubmit2", "functions of Vulkan 1.3" },
        { false, 0, "vkGetPhysicalDeviceFeatures2", "functions of Vulkan 1.1" },
    };
    CHECK(host_init(&host, true));
    struct vkmoe_adopt_params params = adopt_params();
    go_between(&params);
    CHECK(is_adopted(&params)); // nothing changed yet
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        lacks_synchronization = rows[i].lacks_synchronization;
        api_version = rows[i].api_version;
        hidden_function = rows[i].hidden_function;
        CHECK(is_refused(&params, VKMOE_ERROR_UNSUPPORTED, rows[i].text));
    }
    return true;
fail:
    return false;
}

// The extension that the feature belongs to is not among those enabled: it is not used.
static bool test_extension(void)
{
    CHECK(host_init(&host, true));
    struct vkmoe_adopt_params params = adopt_params();
    params.extension_count = 0;
    CHECK_OK(vkmoe_device_adopt(&params, &adopted));
    CHECK(!adopted->capture_statistics);
    vkmoe_device_destroy(&adopted);
    const char *others[] = { "VK_EXT_nothing", "VK_KHR_pipeline_executable_propertie" };
    params.extensions = others;
    params.extension_count = COUNT_OF(others);
    CHECK_OK(vkmoe_device_adopt(&params, &adopted));
    CHECK(!adopted->capture_statistics);
    return true;
fail:
    return false;
}

// A driver tells the same in versions' structs and in features' own; so the table of them is
// right, as far as the driver has features at all.
static bool test_forms(void)
{
    static const VkStructureType types[] = {
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MULTIVIEW_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VARIABLE_POINTERS_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROTECTED_MEMORY_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SAMPLER_YCBCR_CONVERSION_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_DRAW_PARAMETERS_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_ATOMIC_INT64_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DESCRIPTOR_INDEXING_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SCALAR_BLOCK_LAYOUT_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGELESS_FRAMEBUFFER_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_UNIFORM_BUFFER_STANDARD_LAYOUT_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SUBGROUP_EXTENDED_TYPES_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SEPARATE_DEPTH_STENCIL_LAYOUTS_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_HOST_QUERY_RESET_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_TERMINATE_INVOCATION_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_DEMOTE_TO_HELPER_INVOCATION_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRIVATE_DATA_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_CREATION_CACHE_CONTROL_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ZERO_INITIALIZE_WORKGROUP_MEMORY_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_ROBUSTNESS_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_INLINE_UNIFORM_BLOCK_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TEXTURE_COMPRESSION_ASTC_HDR_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DYNAMIC_RENDERING_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES,
    };
    struct {
        VkBaseOutStructure base;
        VkBool32 flags[32]; // more than any has
    } structs[COUNT_OF(types)];
    struct host_features f;
    struct feature_set by_version, by_feature;
    uint32_t found = 0;
    CHECK(host_init(&host, true));
    host_features_init(&f, false, 0);
    vkGetPhysicalDeviceFeatures2(host.physical_device, &f.base);
    CHECK(vkmoe_features_read(&f.base, &by_version));
    memset(structs, 0, sizeof structs);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        structs[i].base.sType = types[i];
        structs[i].base.pNext = i + 1 < COUNT_OF(types) ? &structs[i + 1].base : NULL;
    }
    VkPhysicalDeviceFeatures2 base = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, structs,
        { 0 } };
    vkGetPhysicalDeviceFeatures2(host.physical_device, &base);
    CHECK(vkmoe_features_read(&base, &by_feature));
    // These have no struct but their version's.
    by_feature.samplerMirrorClampToEdge = by_version.samplerMirrorClampToEdge;
    by_feature.drawIndirectCount = by_version.drawIndirectCount;
    by_feature.descriptorIndexing = by_version.descriptorIndexing;
    by_feature.samplerFilterMinmax = by_version.samplerFilterMinmax;
    by_feature.shaderOutputViewportIndex = by_version.shaderOutputViewportIndex;
    by_feature.shaderOutputLayer = by_version.shaderOutputLayer;
    by_feature.subgroupBroadcastDynamicId = by_version.subgroupBroadcastDynamicId;
    const char *more = vkmoe_features_beyond(&by_version, &by_feature);
    const char *less = vkmoe_features_beyond(&by_feature, &by_version);
    if (more || less)
        tap_note("%s is in the one form and not in the other", more ? more : less);
    CHECK(!more && !less);
    for (size_t i = 0; i < sizeof by_version / sizeof(VkBool32); i++)
        found += ((const VkBool32 *)&by_version)[i];
    CHECK(found >= 10);
    return true;
fail:
    return false;
}

static bool names_itself(const char *name, const char *expected)
{
    vkmoe_device *device = NULL;
    const struct vkmoe_device_params params = { VKMOE_INIT(vkmoe_device_params),
        .log = log_to(&record), .select = device_under_test(),
        .get_instance_proc_addr = (void (*)(void))get_instance_proc, .application = name };
    application[0] = '\0';
    CHECK_OK(vkmoe_device_create(&params, &device));
    vkmoe_device_destroy(&device);
    CHECK(!strcmp(application, expected));
    return true;
fail:
    return false;
}

// Drivers and tools read the program's name in VkApplicationInfo.
static bool test_application(void)
{
    CHECK(host_init(&host, false)); // which finds the loader
    struct vkmoe_adopt_params unused;
    go_between(&unused);
    CHECK(names_itself("A game", "A game"));
    CHECK(names_itself(NULL, "none"));
    return true;
fail:
    return false;
}

CLEAN_TESTS_MAIN(ON_DEVICE, clean_up, { "optional", test_optional }, { "required", test_required },
    { "chains", test_chains }, { "impossible", test_impossible }, { "versions", test_versions },
    { "extension", test_extension }, { "forms", test_forms }, { "application", test_application })
