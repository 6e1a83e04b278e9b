// feature_set.c - see feature_set.h.
#include "vulkan/feature_set.h"

#include "base/common.h"

#include <stddef.h>
#include <string.h>

// Where a struct's features go; they begin behind its sType and pNext.
static const struct {
    VkStructureType type;
    uint16_t first; // in struct feature_set
    uint16_t count;
} structs[] = {
#define TYPE(name) VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_##name
#define AT(name) offsetof(struct feature_set, name)
    { TYPE(FEATURES_2), AT(robustBufferAccess), 55 },
    { TYPE(16BIT_STORAGE_FEATURES), AT(storageBuffer16BitAccess), 4 },
    { TYPE(MULTIVIEW_FEATURES), AT(multiview), 3 },
    { TYPE(VARIABLE_POINTERS_FEATURES), AT(variablePointersStorageBuffer), 2 },
    { TYPE(PROTECTED_MEMORY_FEATURES), AT(protectedMemory), 1 },
    { TYPE(SAMPLER_YCBCR_CONVERSION_FEATURES), AT(samplerYcbcrConversion), 1 },
    { TYPE(SHADER_DRAW_PARAMETERS_FEATURES), AT(shaderDrawParameters), 1 },
    { TYPE(VULKAN_1_1_FEATURES), AT(storageBuffer16BitAccess), 12 },
    { TYPE(VULKAN_1_2_FEATURES), AT(samplerMirrorClampToEdge), 47 },
    { TYPE(8BIT_STORAGE_FEATURES), AT(storageBuffer8BitAccess), 3 },
    { TYPE(SHADER_ATOMIC_INT64_FEATURES), AT(shaderBufferInt64Atomics), 2 },
    { TYPE(SHADER_FLOAT16_INT8_FEATURES), AT(shaderFloat16), 2 },
    { TYPE(DESCRIPTOR_INDEXING_FEATURES), AT(shaderInputAttachmentArrayDynamicIndexing), 20 },
    { TYPE(SCALAR_BLOCK_LAYOUT_FEATURES), AT(scalarBlockLayout), 1 },
    { TYPE(VULKAN_MEMORY_MODEL_FEATURES), AT(vulkanMemoryModel), 3 },
    { TYPE(IMAGELESS_FRAMEBUFFER_FEATURES), AT(imagelessFramebuffer), 1 },
    { TYPE(UNIFORM_BUFFER_STANDARD_LAYOUT_FEATURES), AT(uniformBufferStandardLayout), 1 },
    { TYPE(SHADER_SUBGROUP_EXTENDED_TYPES_FEATURES), AT(shaderSubgroupExtendedTypes), 1 },
    { TYPE(SEPARATE_DEPTH_STENCIL_LAYOUTS_FEATURES), AT(separateDepthStencilLayouts), 1 },
    { TYPE(HOST_QUERY_RESET_FEATURES), AT(hostQueryReset), 1 },
    { TYPE(TIMELINE_SEMAPHORE_FEATURES), AT(timelineSemaphore), 1 },
    { TYPE(BUFFER_DEVICE_ADDRESS_FEATURES), AT(bufferDeviceAddress), 3 },
    { TYPE(VULKAN_1_3_FEATURES), AT(robustImageAccess), 15 },
    { TYPE(SHADER_TERMINATE_INVOCATION_FEATURES), AT(shaderTerminateInvocation), 1 },
    { TYPE(SHADER_DEMOTE_TO_HELPER_INVOCATION_FEATURES), AT(shaderDemoteToHelperInvocation), 1 },
    { TYPE(PRIVATE_DATA_FEATURES), AT(privateData), 1 },
    { TYPE(PIPELINE_CREATION_CACHE_CONTROL_FEATURES), AT(pipelineCreationCacheControl), 1 },
    { TYPE(SYNCHRONIZATION_2_FEATURES), AT(synchronization2), 1 },
    { TYPE(ZERO_INITIALIZE_WORKGROUP_MEMORY_FEATURES), AT(shaderZeroInitializeWorkgroupMemory), 1 },
    { TYPE(IMAGE_ROBUSTNESS_FEATURES), AT(robustImageAccess), 1 },
    { TYPE(SUBGROUP_SIZE_CONTROL_FEATURES), AT(subgroupSizeControl), 2 },
    { TYPE(INLINE_UNIFORM_BLOCK_FEATURES), AT(inlineUniformBlock), 2 },
    { TYPE(TEXTURE_COMPRESSION_ASTC_HDR_FEATURES), AT(textureCompressionASTC_HDR), 1 },
    { TYPE(DYNAMIC_RENDERING_FEATURES), AT(dynamicRendering), 1 },
    { TYPE(SHADER_INTEGER_DOT_PRODUCT_FEATURES), AT(shaderIntegerDotProduct), 1 },
    { TYPE(MAINTENANCE_4_FEATURES), AT(maintenance4), 1 },
    { TYPE(PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR), AT(pipelineExecutableInfo), 1 },
    { TYPE(COOPERATIVE_MATRIX_FEATURES_KHR), AT(cooperativeMatrix), 2 },
    { TYPE(COOPERATIVE_MATRIX_2_FEATURES_NV), AT(cooperativeMatrixWorkgroupScope), 7 },
#undef AT
#undef TYPE
};

static const char *const names[] = {
#define F(name) #name,
    VKMOE_FEATURES(F)
#undef F
};

bool vkmoe_features_read(const void *chain, struct feature_set *out)
{
    uint32_t length = 0;
    *out = (struct feature_set){ 0 };
    for (const VkBaseInStructure *s = chain; s; s = s->pNext) {
        if (++length > 1000) // there are fewer kinds of structs
            return false;
        for (size_t i = 0; i < ARRAY_SIZE(structs); i++) {
            if (structs[i].type != s->sType)
                continue;
            const VkBool32 *from = (const VkBool32 *)(const void *)(s + 1);
            VkBool32 *to = (VkBool32 *)(void *)((char *)out + structs[i].first);
            for (uint16_t f = 0; f < structs[i].count; f++)
                to[f] = to[f] || from[f];
        }
    }
    return true;
}

const char *vkmoe_features_beyond(const struct feature_set *set, const struct feature_set *of)
{
    const VkBool32 *a = (const VkBool32 *)set, *b = (const VkBool32 *)of;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (a[i] && !b[i])
            return names[i];
    return NULL;
}

const char *vkmoe_features_missing(const struct feature_set *set)
{
    static const struct feature_set required = {
        .bufferDeviceAddress = VK_TRUE,
        .timelineSemaphore = VK_TRUE,
        .synchronization2 = VK_TRUE,
    };
    return vkmoe_features_beyond(&required, set);
}
