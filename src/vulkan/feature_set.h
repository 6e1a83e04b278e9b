// feature_set.h - what may be enabled on a device, in one struct, whatever structs of a pNext
// chain it came in: Vulkan has two for most features, their own and their version's.
#ifndef VKMOE_FEATURE_SET_H
#define VKMOE_FEATURE_SET_H

#include "vulkan/vk.h"

// Headers before 1.3.255 do not have it.
#ifndef VK_KHR_cooperative_matrix
#define VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME "VK_KHR_cooperative_matrix"
#define VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR \
    ((VkStructureType)1000506000)
typedef struct VkPhysicalDeviceCooperativeMatrixFeaturesKHR {
    VkStructureType sType;
    void *pNext;
    VkBool32 cooperativeMatrix;
    VkBool32 cooperativeMatrixRobustBufferAccess;
} VkPhysicalDeviceCooperativeMatrixFeaturesKHR;
#define VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR ((VkStructureType)1000506001)
typedef enum VkComponentTypeKHR {
    VK_COMPONENT_TYPE_FLOAT16_KHR = 0,
    VK_COMPONENT_TYPE_FLOAT32_KHR = 1,
} VkComponentTypeKHR;
typedef enum VkScopeKHR { VK_SCOPE_WORKGROUP_KHR = 2, VK_SCOPE_SUBGROUP_KHR = 3 } VkScopeKHR;
typedef struct VkCooperativeMatrixPropertiesKHR {
    VkStructureType sType;
    void *pNext;
    uint32_t MSize, NSize, KSize;
    VkComponentTypeKHR AType, BType, CType, ResultType;
    VkBool32 saturatingAccumulation;
    VkScopeKHR scope;
} VkCooperativeMatrixPropertiesKHR;
typedef VkResult(VKAPI_PTR *PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)(
    VkPhysicalDevice device, uint32_t *count, VkCooperativeMatrixPropertiesKHR *properties);
#endif

// Nor this, which came later.
#ifndef VK_NV_cooperative_matrix2
#define VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME "VK_NV_cooperative_matrix2"
#define VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV \
    ((VkStructureType)1000593000)
typedef struct VkPhysicalDeviceCooperativeMatrix2FeaturesNV {
    VkStructureType sType;
    void *pNext;
    VkBool32 cooperativeMatrixWorkgroupScope, cooperativeMatrixFlexibleDimensions,
        cooperativeMatrixReductions, cooperativeMatrixConversions,
        cooperativeMatrixPerElementOperations, cooperativeMatrixTensorAddressing,
        cooperativeMatrixBlockLoads;
} VkPhysicalDeviceCooperativeMatrix2FeaturesNV;
#define VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_FLEXIBLE_DIMENSIONS_PROPERTIES_NV \
    ((VkStructureType)1000593001)
typedef struct VkCooperativeMatrixFlexibleDimensionsPropertiesNV {
    VkStructureType sType;
    void *pNext;
    uint32_t MGranularity, NGranularity, KGranularity;
    VkComponentTypeKHR AType, BType, CType, ResultType;
    VkBool32 saturatingAccumulation;
    VkScopeKHR scope;
    uint32_t workgroupInvocations;
} VkCooperativeMatrixFlexibleDimensionsPropertiesNV;
#define VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_PROPERTIES_NV \
    ((VkStructureType)1000593002)
typedef struct VkPhysicalDeviceCooperativeMatrix2PropertiesNV {
    VkStructureType sType;
    void *pNext;
    uint32_t cooperativeMatrixWorkgroupScopeMaxWorkgroupSize,
        cooperativeMatrixFlexibleDimensionsMaxDimension,
        cooperativeMatrixWorkgroupScopeReservedSharedMemory;
} VkPhysicalDeviceCooperativeMatrix2PropertiesNV;
typedef VkResult(VKAPI_PTR *PFN_vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV)(
    VkPhysicalDevice device, uint32_t *count,
    VkCooperativeMatrixFlexibleDimensionsPropertiesNV *properties);
#endif

// Vulkan's names in Vulkan's order, so that each of its structs is a run of these.
// clang-format off
#define VKMOE_FEATURES_1_0(F) \
    F(robustBufferAccess) F(fullDrawIndexUint32) F(imageCubeArray) F(independentBlend) \
    F(geometryShader) F(tessellationShader) F(sampleRateShading) F(dualSrcBlend) F(logicOp) \
    F(multiDrawIndirect) F(drawIndirectFirstInstance) F(depthClamp) F(depthBiasClamp) \
    F(fillModeNonSolid) F(depthBounds) F(wideLines) F(largePoints) F(alphaToOne) \
    F(multiViewport) F(samplerAnisotropy) F(textureCompressionETC2) \
    F(textureCompressionASTC_LDR) F(textureCompressionBC) F(occlusionQueryPrecise) \
    F(pipelineStatisticsQuery) F(vertexPipelineStoresAndAtomics) F(fragmentStoresAndAtomics) \
    F(shaderTessellationAndGeometryPointSize) F(shaderImageGatherExtended) \
    F(shaderStorageImageExtendedFormats) F(shaderStorageImageMultisample) \
    F(shaderStorageImageReadWithoutFormat) F(shaderStorageImageWriteWithoutFormat) \
    F(shaderUniformBufferArrayDynamicIndexing) F(shaderSampledImageArrayDynamicIndexing) \
    F(shaderStorageBufferArrayDynamicIndexing) F(shaderStorageImageArrayDynamicIndexing) \
    F(shaderClipDistance) F(shaderCullDistance) F(shaderFloat64) F(shaderInt64) F(shaderInt16) \
    F(shaderResourceResidency) F(shaderResourceMinLod) F(sparseBinding) F(sparseResidencyBuffer) \
    F(sparseResidencyImage2D) F(sparseResidencyImage3D) F(sparseResidency2Samples) \
    F(sparseResidency4Samples) F(sparseResidency8Samples) F(sparseResidency16Samples) \
    F(sparseResidencyAliased) F(variableMultisampleRate) F(inheritedQueries)
#define VKMOE_FEATURES_1_1(F) \
    F(storageBuffer16BitAccess) F(uniformAndStorageBuffer16BitAccess) F(storagePushConstant16) \
    F(storageInputOutput16) F(multiview) F(multiviewGeometryShader) \
    F(multiviewTessellationShader) F(variablePointersStorageBuffer) F(variablePointers) \
    F(protectedMemory) F(samplerYcbcrConversion) F(shaderDrawParameters)
#define VKMOE_FEATURES_1_2(F) \
    F(samplerMirrorClampToEdge) F(drawIndirectCount) F(storageBuffer8BitAccess) \
    F(uniformAndStorageBuffer8BitAccess) F(storagePushConstant8) F(shaderBufferInt64Atomics) \
    F(shaderSharedInt64Atomics) F(shaderFloat16) F(shaderInt8) F(descriptorIndexing) \
    F(shaderInputAttachmentArrayDynamicIndexing) F(shaderUniformTexelBufferArrayDynamicIndexing) \
    F(shaderStorageTexelBufferArrayDynamicIndexing) \
    F(shaderUniformBufferArrayNonUniformIndexing) F(shaderSampledImageArrayNonUniformIndexing) \
    F(shaderStorageBufferArrayNonUniformIndexing) F(shaderStorageImageArrayNonUniformIndexing) \
    F(shaderInputAttachmentArrayNonUniformIndexing) \
    F(shaderUniformTexelBufferArrayNonUniformIndexing) \
    F(shaderStorageTexelBufferArrayNonUniformIndexing) \
    F(descriptorBindingUniformBufferUpdateAfterBind) \
    F(descriptorBindingSampledImageUpdateAfterBind) \
    F(descriptorBindingStorageImageUpdateAfterBind) \
    F(descriptorBindingStorageBufferUpdateAfterBind) \
    F(descriptorBindingUniformTexelBufferUpdateAfterBind) \
    F(descriptorBindingStorageTexelBufferUpdateAfterBind) \
    F(descriptorBindingUpdateUnusedWhilePending) F(descriptorBindingPartiallyBound) \
    F(descriptorBindingVariableDescriptorCount) F(runtimeDescriptorArray) F(samplerFilterMinmax) \
    F(scalarBlockLayout) F(imagelessFramebuffer) F(uniformBufferStandardLayout) \
    F(shaderSubgroupExtendedTypes) F(separateDepthStencilLayouts) F(hostQueryReset) \
    F(timelineSemaphore) F(bufferDeviceAddress) F(bufferDeviceAddressCaptureReplay) \
    F(bufferDeviceAddressMultiDevice) F(vulkanMemoryModel) F(vulkanMemoryModelDeviceScope) \
    F(vulkanMemoryModelAvailabilityVisibilityChains) F(shaderOutputViewportIndex) \
    F(shaderOutputLayer) F(subgroupBroadcastDynamicId)
#define VKMOE_FEATURES_1_3(F) \
    F(robustImageAccess) F(inlineUniformBlock) \
    F(descriptorBindingInlineUniformBlockUpdateAfterBind) F(pipelineCreationCacheControl) \
    F(privateData) F(shaderDemoteToHelperInvocation) F(shaderTerminateInvocation) \
    F(subgroupSizeControl) F(computeFullSubgroups) F(synchronization2) \
    F(textureCompressionASTC_HDR) F(shaderZeroInitializeWorkgroupMemory) F(dynamicRendering) \
    F(shaderIntegerDotProduct) F(maintenance4)
#define VKMOE_FEATURES(F) \
    VKMOE_FEATURES_1_0(F) VKMOE_FEATURES_1_1(F) VKMOE_FEATURES_1_2(F) VKMOE_FEATURES_1_3(F) \
    F(pipelineExecutableInfo) F(cooperativeMatrix) F(cooperativeMatrixRobustBufferAccess) \
    F(cooperativeMatrixWorkgroupScope) F(cooperativeMatrixFlexibleDimensions) \
    F(cooperativeMatrixReductions) F(cooperativeMatrixConversions) \
    F(cooperativeMatrixPerElementOperations) F(cooperativeMatrixTensorAddressing) \
    F(cooperativeMatrixBlockLoads)
// clang-format on

struct feature_set {
#define F(name) VkBool32 name;
    VKMOE_FEATURES(F)
#undef F
};

// Takes up what the chain's structs say; those that it does not know count for nothing. False
// if the chain does not end.
bool vkmoe_features_read(const void *chain, struct feature_set *out);

// The first feature of `set` that `of` lacks; NULL if there is none.
const char *vkmoe_features_beyond(const struct feature_set *set, const struct feature_set *of);

// The first that the library cannot do without and `set` lacks; NULL if there is none.
const char *vkmoe_features_missing(const struct feature_set *set);

#endif
