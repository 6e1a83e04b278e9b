// device.h - a Vulkan device with what the library knows of it, and has of it.
#ifndef VKMOE_DEVICE_H
#define VKMOE_DEVICE_H

#include "device/queue.h"
#include "vulkan/physical.h"
#include "vulkan/quirks.h"

// What a form of a kernel may need of a device; kernels.def names them.
enum need {
    NEED_none = 0,
    NEED_int64 = 1 << 0,         // shaderInt64
    NEED_gpu = 1 << 1,           // not a software driver: shared memory is worth its barriers
    NEED_uniform_loads = 1 << 2, // QUIRK_UNIFORM_LOADS_SCALAR of a software driver
    NEED_subgroup = 1 << 3,      // arithmetic in compute; subgroups have subgroup_size lanes
    NEED_ballot = 1 << 4,        // likewise
    NEED_lanes_8 = 1 << 5,       // subgroups of 8 lanes
    // Cooperative matrices of m x n, with all else that their form takes.
    NEED_matrix_16x16 = 1 << 6,
    NEED_matrix_8x16 = 1 << 7,
    NEED_matrix_8x8 = 1 << 8,
    NEED_matrix_8x8x8 = 1 << 9, // and k of 8 at that
    NEED_fast = 1 << 10,        // not the device's but the work's: VKMOE_PRECISION_FAST
    NEED_shuffle = 1 << 11,     // 8 neighbours can exchange values, and subgroups are all as large
    NEED_integer_dot = 1 << 12, // shaderIntegerDotProduct, of 4 signed bytes in an instruction
    NEED_flexible_matrix = 1 << 13, // cooperative matrices of any size, beside those of some m x n
};
#define NEED_ANY_MATRIX \
    (NEED_matrix_16x16 | NEED_matrix_8x16 | NEED_matrix_8x8 | NEED_matrix_8x8x8 \
        | NEED_flexible_matrix)

struct memory;         // memory.h
struct transfer;       // transfer.h
struct pipeline_store; // pipelines.c
struct fit;            // fit_account.h
struct observer;       // stream.h
struct overrides;      // overrides.h
struct verdicts;       // verdicts.h

struct vkmoe_device {
    struct gpu gpu;
    struct queue queue;
    struct memory *memory;
    struct transfer *transfer;
    struct pipeline_store *pipelines;
    vkmoe_buffer *dummy;                // see vkmoe_device_dummy_address()
    atomic_uint_least64_t scratch_size; // a stream has so much, for networks that come as well
    struct fit *fit;                 // not NULL: nothing but a trial of what to create, see fit.h
    const struct observer *observer; // not NULL: streams show and keep nothing, see rehearsal.h
    struct overrides *overrides;     // NULL: nothing was measured on it
    struct verdicts *verdicts;       // NULL: nothing runs on it, or it is trusted

    struct vk_instance_table instance_vk;
    VkInstance instance;
    VkPhysicalDevice physical_device;
    bool owned;              // instance and device are ours to destroy
    bool trusted;            // no_self_test
    bool capture_statistics; // pipelines keep what VK_KHR_pipeline_executable_properties tells
    PFN_vkGetInstanceProcAddr get_instance_proc_addr;
    VkDebugUtilsMessengerEXT debug_messenger; // when validating

    uint32_t needs;               // mask of enum need that it satisfies
    bool is_cpu;                  // a software driver: kernels take CPU shapes
    bool packs_on_host;           // weights are packed by the host, which is faster at it (pack.c)
    uint32_t quirks;              // mask of enum quirk
    uint32_t subgroup_size;       // the size kernels run with
    uint32_t least_subgroup_size; // of 8 lanes and more the least: for NEED_shuffle
    bool mixed_dot;               // NEED_integer_dot, and for bytes of which one's are signed
    struct matrix_units matrix_units;
    struct flexible_matrices flexible;
    bool fixed_subgroup_size;         // it must be required explicitly (sizes vary)
    bool full_subgroups;              // computeFullSubgroups is enabled
    bool memory_budget;               // the driver has VK_EXT_memory_budget
    uint32_t max_groups;              // per dimension, at most 65535
    uint8_t cache_uuid[VK_UUID_SIZE]; // pipelineCacheUUID
};

// Where what concerns the device is said; NULL for NULL.
static inline const struct vkmoe_log *device_log(const vkmoe_device *device)
{
    return device ? &device->gpu.log : NULL;
}

// At the head of a public function that creates something on a device: nothing is NULL, except
// *out, and `params` is a whole struct `type`.
#define NEED_TO_CREATE(device, type, params, out) \
    VKMOE_NEED(device_log(device), out, "out"); \
    *(out) = NULL; \
    VKMOE_NEED(NULL, device, "device"); \
    VKMOE_NEED(device_log(device), params, "params"); \
    PARAMS_WHOLE(device_log(device), type, params)

// Of a buffer that reads as zero and is at least 256 bytes: the address for operands
// that a kernel does not use, since no kernel ever gets a null address.
uint64_t vkmoe_device_dummy_address(const vkmoe_device *device);

// Everything in memory that a device has of its own, when no object is left.
void vkmoe_device_free_memory(vkmoe_device *device);

// vkmoe_device_create() with what only tests ask for: `capture_statistics` lets
// vkGetPipelineExecutableStatisticsKHR work on every pipeline, where the driver can.
enum vkmoe_status vkmoe_device_create_for(
    const struct vkmoe_device_params *params, bool capture_statistics, vkmoe_device **out);

// Everything that follows from the physical device, whose flags by now say what is
// enabled, not what is possible.
void vkmoe_device_describe(vkmoe_device *device, const struct physical *physical);

#endif
