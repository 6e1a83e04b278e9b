// matrix_units.c - see matrix_units.h.
#include "vulkan/matrix_units.h"

#include <stdlib.h>

#include "base/common.h"
#include "vulkan/quirks.h"

// As much shared memory, and as large workgroups, as the forms for matrix units have.
#define SHARED_MEMORY_SIZE (32 << 10)
#define INVOCATIONS 256

// What those of any size have in a workgroup, and steps of K: multiples of these.
#define FLEXIBLE_ROWS 256
#define FLEXIBLE_TOKENS 16
#define FLEXIBLE_MOST_TOKENS 64
#define FLEXIBLE_COLUMNS 16

struct shape_source {
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get;
    PFN_vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV get_flexible;
    VkPhysicalDevice handle;
};

#define FIND_FUNCTION(instance, name) \
    ((PFN_##name)(void (*)(void))(instance)->get((instance)->handle, #name))

// The driver reads the sType of each element that it fills.
#define ENUMERATE(name, type, structure_type, get_them) \
    static VkResult name(const void *user, uint32_t *count, void *list) \
    { \
        const struct shape_source *source = user; \
        type *shapes = list; \
        for (uint32_t i = 0; shapes && i < *count; i++) \
            shapes[i] = (type){ .sType = (structure_type) }; \
        return source->get_them(source->handle, count, shapes); \
    }
ENUMERATE(enumerate_shapes, VkCooperativeMatrixPropertiesKHR,
    VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR, get)
ENUMERATE(enumerate_flexible, VkCooperativeMatrixFlexibleDimensionsPropertiesNV,
    VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_FLEXIBLE_DIMENSIONS_PROPERTIES_NV, get_flexible)

// The shapes that forms of kernels.def have, the better ones last.
static const struct matrix_units known[] = {
    { 8, 8, 8, 0 },    // lavapipe
    { 8, 8, 16, 0 },   // Intel's Xe-HPG
    { 8, 16, 16, 0 },  // Intel's Xe2
    { 16, 16, 16, 0 }, // AMD, NVIDIA
};

// Whether products of such matrices are f16's, with sums in f32.
#define HAS_TYPES(shape) \
    ((shape)->AType == VK_COMPONENT_TYPE_FLOAT16_KHR \
        && (shape)->BType == VK_COMPONENT_TYPE_FLOAT16_KHR \
        && (shape)->CType == VK_COMPONENT_TYPE_FLOAT32_KHR \
        && (shape)->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR \
        && !(shape)->saturatingAccumulation)

// 0 if no form has it.
static uint32_t rank(const VkCooperativeMatrixPropertiesKHR *shape)
{
    if (shape->scope != VK_SCOPE_SUBGROUP_KHR || !HAS_TYPES(shape))
        return 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(known); i++)
        if (shape->MSize == known[i].m && shape->NSize == known[i].n && shape->KSize == known[i].k)
            return i + 1;
    return 0;
}

// Large matrices by as many lanes as a subgroup can have, since those share them (RDNA 3 and 4 by
// 64, as RADV's code for the GEMM is shortest); Intel's units are as wide as its least subgroups.
static uint32_t subgroup_size(const struct physical *p, const struct matrix_units *units)
{
    return units->m == 16 ? MIN(p->max_subgroup_size, 64) : p->min_subgroup_size;
}

bool vkmoe_matrix_units_enabled(const struct physical *p, const struct feature_set *set)
{
    const bool sized = p->min_subgroup_size == p->max_subgroup_size
        || (p->subgroup_size_control && set->subgroupSizeControl);
    return sized && set->cooperativeMatrix && set->shaderFloat16 && set->storageBuffer16BitAccess
        && set->vulkanMemoryModel && set->vulkanMemoryModelDeviceScope && set->shaderInt64
        && set->computeFullSubgroups;
}

// That a form has.
static uint32_t most_subgroups(const struct matrix_units *units)
{
    return units->m == 16 ? 4 : 16;
}

struct matrix_units vkmoe_matrix_units_probe(
    const struct instance *instance, const struct physical *p)
{
    const struct matrix_units none = { 0 };
    const struct shape_source source = {
        .get = FIND_FUNCTION(instance, vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR),
        .handle = p->handle,
    };
    VkCooperativeMatrixPropertiesKHR *list = NULL;
    uint32_t count = 0, best = 0;
    if (p->quirks & QUIRK_MATRICES_SPILL)
        return none;
    if (!source.get || !p->info.cooperative_matrix || !vkmoe_matrix_units_enabled(p, &p->features)
        || !p->subgroup_arithmetic || p->limits.maxComputeSharedMemorySize < SHARED_MEMORY_SIZE
        || p->limits.maxComputeWorkGroupInvocations < INVOCATIONS
        || p->limits.maxComputeWorkGroupSize[0] < INVOCATIONS)
        return none;
    // Whoever cannot tell has none.
    if (vkmoe_vk_enumerate(enumerate_shapes, &source, sizeof *list, (void **)&list, &count)
        == VK_SUCCESS)
        for (uint32_t i = 0; i < count; i++)
            best = MAX(best, rank(&list[i]));
    free(list);
    if (!best)
        return none;
    struct matrix_units units = known[best - 1];
    units.subgroup_size = subgroup_size(p, &units);
    // Fewer lanes would have more to bring than the forms let them, and more make a larger
    // workgroup than was asked for.
    const bool fits = units.subgroup_size * 2 >= units.m * units.n / 4
        && units.subgroup_size * most_subgroups(&units) <= INVOCATIONS
        && units.subgroup_size >= p->min_subgroup_size;
    return fits ? units : none;
}

// ------------------------------------------------------------------------- of any size

bool vkmoe_flexible_matrices_enabled(const struct feature_set *set, uint32_t parts)
{
    return set->cooperativeMatrixFlexibleDimensions && set->cooperativeMatrixPerElementOperations
        && set->maintenance4 && (parts != 1 || set->cooperativeMatrixWorkgroupScope);
}

// What the form has of such sizes; zeros if it has none. Those of subgroups are for lavapipe, on
// which it is tested: RADV has forms of its own for its units, and did not end compiling this one.
static struct flexible_matrices suit(const struct physical *p,
    const VkPhysicalDeviceCooperativeMatrix2PropertiesNV *limits,
    const VkCooperativeMatrixFlexibleDimensionsPropertiesNV *sizes)
{
    const struct matrix_units *units = &p->matrix_units;
    const bool of_workgroup = sizes->scope == VK_SCOPE_WORKGROUP_KHR;
    const uint32_t parts = of_workgroup ? 1 : most_subgroups(units);
    const uint32_t subgroups = parts * units->subgroup_size;
    const uint32_t lanes = of_workgroup ? sizes->workgroupInvocations : subgroups;
    const uint32_t rows = FLEXIBLE_ROWS / parts;
    const uint32_t reserved =
        of_workgroup ? limits->cooperativeMatrixWorkgroupScopeReservedSharedMemory : 0;
    const bool is_scope = of_workgroup
        ? lanes <= limits->cooperativeMatrixWorkgroupScopeMaxWorkgroupSize
        : sizes->scope == VK_SCOPE_SUBGROUP_KHR && units->k == 8;
    const bool fits = is_scope && HAS_TYPES(sizes)
        && (lanes == INVOCATIONS || lanes == INVOCATIONS / 2) && lanes % units->subgroup_size == 0
        && rows <= limits->cooperativeMatrixFlexibleDimensionsMaxDimension
        && p->limits.maxComputeSharedMemorySize >= SHARED_MEMORY_SIZE
        && p->limits.maxComputeSharedMemorySize - SHARED_MEMORY_SIZE >= reserved;
    const bool divides = fits && sizes->MGranularity && sizes->NGranularity && sizes->KGranularity
        && rows % sizes->MGranularity == 0 && FLEXIBLE_TOKENS % sizes->NGranularity == 0
        && FLEXIBLE_COLUMNS % sizes->KGranularity == 0;
    // A software driver compiles large matrices for minutes.
    const uint32_t token_rows = of_workgroup ? FLEXIBLE_MOST_TOKENS : FLEXIBLE_TOKENS;
    return divides && vkmoe_flexible_matrices_enabled(&p->features, parts)
        ? (struct flexible_matrices){ lanes, parts, token_rows }
        : (struct flexible_matrices){ 0 };
}

struct flexible_matrices vkmoe_flexible_matrices_probe(
    const struct instance *instance, const struct physical *p)
{
    VkPhysicalDeviceCooperativeMatrix2PropertiesNV limits = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_PROPERTIES_NV,
    };
    VkPhysicalDeviceProperties2 properties = {
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &limits,
    };
    const struct shape_source source = {
        .get_flexible = FIND_FUNCTION(
            instance, vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV),
        .handle = p->handle,
    };
    VkCooperativeMatrixFlexibleDimensionsPropertiesNV *list = NULL;
    struct flexible_matrices best = { 0 };
    uint32_t count = 0;
    if (!source.get_flexible || !p->cooperative_matrix_2 || !p->matrix_units.m)
        return best;
    instance->vk.GetPhysicalDeviceProperties2(p->handle, &properties);
    if (vkmoe_vk_enumerate(enumerate_flexible, &source, sizeof *list, (void **)&list, &count)
        == VK_SUCCESS)
        for (uint32_t i = 0; i < count; i++) { // those of workgroups are better
            const struct flexible_matrices one = suit(p, &limits, &list[i]);
            if (one.lanes && (!best.lanes || one.parts < best.parts))
                best = one;
        }
    free(list);
    return best;
}
