// matrix_units.c - see matrix_units.h.
#include "vulkan/matrix_units.h"

#include <stdlib.h>

#include "base/common.h"
#include "vulkan/quirks.h"

// As much shared memory, and as large workgroups, as the forms for matrix units have.
#define SHARED_MEMORY_SIZE (32 << 10)
#define INVOCATIONS 256

struct shape_source {
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get;
    VkPhysicalDevice handle;
};

// The driver reads the sType of each element that it fills.
static VkResult enumerate_shapes(const void *user, uint32_t *count, void *list)
{
    const struct shape_source *source = user;
    VkCooperativeMatrixPropertiesKHR *shapes = list;
    for (uint32_t i = 0; shapes && i < *count; i++)
        shapes[i] = (VkCooperativeMatrixPropertiesKHR){
            .sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR,
        };
    return source->get(source->handle, count, shapes);
}

// The shapes that forms of kernels.def have, the better ones last.
static const struct matrix_units known[] = {
    { 8, 8, 8, 0 },    // lavapipe
    { 8, 8, 16, 0 },   // Intel's Xe-HPG
    { 8, 16, 16, 0 },  // Intel's Xe2
    { 16, 16, 16, 0 }, // AMD, NVIDIA
};

// 0 if no form has it.
static uint32_t rank(const VkCooperativeMatrixPropertiesKHR *shape)
{
    if (shape->scope != VK_SCOPE_SUBGROUP_KHR || shape->AType != VK_COMPONENT_TYPE_FLOAT16_KHR
        || shape->BType != VK_COMPONENT_TYPE_FLOAT16_KHR
        || shape->CType != VK_COMPONENT_TYPE_FLOAT32_KHR
        || shape->ResultType != VK_COMPONENT_TYPE_FLOAT32_KHR || shape->saturatingAccumulation)
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

struct matrix_units vkmoe_matrix_units_probe(
    const struct instance *instance, const struct physical *p)
{
    const struct matrix_units none = { 0 };
    const struct shape_source source = {
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)(void (*)(void))instance->get(
            instance->handle, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"),
        p->handle,
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
    const uint32_t subgroups = units.m == 16 ? 4 : 16; // the most that a form has
    const bool fits = units.subgroup_size * 2 >= units.m * units.n / 4
        && units.subgroup_size * subgroups <= INVOCATIONS
        && units.subgroup_size >= p->min_subgroup_size;
    return fits ? units : none;
}
