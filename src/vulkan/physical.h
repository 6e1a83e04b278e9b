// physical.h - what a physical device offers, and which one to take.
#ifndef VKMOE_PHYSICAL_H
#define VKMOE_PHYSICAL_H

#include "vulkan/feature_set.h"
#include "vulkan/instance.h"

// Of cooperative matrices: tiles of m x k by tiles of k x n in f16, with sums in f32, by a subgroup
// of so many lanes.
struct matrix_units {
    uint32_t m, n, k; // 0: none that kernels can use
    uint32_t subgroup_size;
};

// Of such matrices of any size: workgroups of so many lanes, and so many parts of one that have
// matrices of their own; 1: there is none but for all of it, more: subgroups have.
struct flexible_matrices {
    uint32_t lanes; // 0: none that kernels can use
    uint32_t parts;
    uint32_t token_rows; // that such a matrix has at most
};

struct physical {
    VkPhysicalDevice handle;
    struct vkmoe_device_info info;
    enum vkmoe_status refusal; // what to return if it is not info.usable
    VkPhysicalDeviceLimits limits;
    VkPhysicalDeviceMemoryProperties memory;
    uint8_t cache_uuid[VK_UUID_SIZE];
    uint64_t max_buffer_size; // of one VkBuffer and its memory
    uint32_t queue_family;    // compute, without graphics if there is such a one
    uint32_t timestamp_bits;
    uint32_t quirks; // mask of enum quirk
    uint32_t default_subgroup_size, min_subgroup_size, max_subgroup_size;
    // Features and extensions, to be switched off when they are not enabled:
    bool subgroup_arithmetic;   // in compute shaders
    bool subgroup_ballot;       // there, too
    bool subgroup_shuffle;      // likewise, and by quads
    bool subgroup_size_control; // and compute pipelines can require a size
    bool full_subgroups;
    bool integer_dot; // and the device has an instruction for 4 signed bytes
    bool mixed_dot;   // likewise for 4 bytes of which one operand's are signed
    bool maintenance4;
    bool portability_subset;
    bool memory_budget; // VK_EXT_memory_budget, which asks the physical device alone
    bool executable_properties;
    bool cooperative_matrix_2;         // VK_NV_cooperative_matrix2, of some of its features
    struct matrix_units matrix_units;  // with all else that kernels need to use them
    struct flexible_matrices flexible; // likewise; there are none without matrix units
    struct feature_set features;       // all that it offers, used or not
};

// Switches off what is not among what is enabled on a device: `features`, and the extensions
// of these names.
void vkmoe_physical_restrict(struct physical *physical, const struct feature_set *features,
    const char *const *extensions, uint32_t extension_count);

void vkmoe_physical_probe(
    const struct instance *instance, VkPhysicalDevice handle, struct physical *out);

// The size that kernels run with.
uint32_t vkmoe_physical_subgroup_size(const struct physical *physical);

// *list is an array to free(), in the order of vkmoe_device_list().
enum vkmoe_status vkmoe_physical_enumerate(const struct instance *instance,
    const struct vkmoe_log *log, struct physical **list, uint32_t *count);

// vkmoe_device_params.select; *out points into `list`.
enum vkmoe_status vkmoe_physical_choose(const struct vkmoe_log *log, const struct physical *list,
    uint32_t count, const char *select, const struct physical **out);

#endif
