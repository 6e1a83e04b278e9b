// rehearsal.c - see rehearsal.h.
#include "device/rehearsal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/common.h"
#include "base/try.h"
#include "device/fit_account.h"
#include "device/memory.h"
#include "device/transfer.h"
#include "vulkan/physical.h"

#define MEMORY_SIZE ((uint64_t)1 << 46) // enough for anything

// What its driver would say of it. Its optional features are those that drivers of cards have.
static struct physical describe(const struct rehearsal_params *p)
{
    const bool unified = p->type == VKMOE_DEVICE_TYPE_INTEGRATED;
    const VkMemoryPropertyFlags host =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    struct physical physical = {
        .info = {
            .type = p->type,
            .memory_size = MEMORY_SIZE,
            .shared_memory_size = 32 << 10,
            .min_subgroup_size = p->min_subgroup_size,
            .max_subgroup_size = p->max_subgroup_size,
            .int64 = true,
            .f16_storage = true,
            .f16_arithmetic = true,
            .cooperative_matrix = p->matrix_units.m > 0,
            .matrix_m = p->matrix_units.m,
            .matrix_n = p->matrix_units.n,
            .matrix_k = p->matrix_units.k,
            .usable = true,
        },
        .limits = {
            .maxComputeSharedMemorySize = 32 << 10,
            .maxComputeWorkGroupCount = { 65535, 65535, 65535 },
            .maxComputeWorkGroupInvocations = 1024,
            .maxComputeWorkGroupSize = { 1024, 1024, 64 },
            .nonCoherentAtomSize = 64,
        },
        .memory = {
            .memoryTypeCount = 2,
            .memoryTypes = {
                { VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | (unified ? host : 0), 0 },
                { host, 1 },
            },
            .memoryHeapCount = 2,
            .memoryHeaps = {
                { MEMORY_SIZE, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT },
                { MEMORY_SIZE, 0 },
            },
        },
        .max_buffer_size = UINT32_MAX,
        .quirks = p->min_subgroup_size < 32 ? QUIRK_FEW_REGISTERS : 0, // Intel's
        .default_subgroup_size = p->max_subgroup_size,
        .min_subgroup_size = p->min_subgroup_size,
        .max_subgroup_size = p->max_subgroup_size,
        .matrix_units = p->matrix_units,
        .subgroup_arithmetic = true,
        .subgroup_ballot = true,
        .subgroup_shuffle = true,
        .subgroup_size_control = true,
        .full_subgroups = true,
        .integer_dot = true,
        .mixed_dot = true,
        .maintenance4 = true,
    };
    snprintf(physical.info.name, sizeof physical.info.name, "%s", p->name);
    return physical;
}

static enum vkmoe_status start(vkmoe_device *device)
{
    if (!device->fit || !(device->memory = vkmoe_memory_fork(NULL, &device->gpu, device->fit))
        || !(device->transfer = vkmoe_transfer_fork(NULL)))
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    for (uint32_t i = 0; i < device->gpu.memory.memoryHeapCount; i++)
        device->fit->heap_free[i] = FIT_UNKNOWN;
    device->fit->free = device->fit->host_free = FIT_UNKNOWN;
    device->fit->limit = "";
    device->fit->heaps = vkmoe_memory_heaps(device->memory);
    return vkmoe_buffer_create(device, BUFFER_ALIGNMENT, &device->dummy);
}

enum vkmoe_status vkmoe_rehearsal_begin(const struct rehearsal_params *params, vkmoe_device **out)
{
    const struct physical physical = describe(params);
    vkmoe_device *device = *out = calloc(1, sizeof *device);
    if (!device)
        return vkmoe_fail(&params->log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    device->gpu.log = params->log;
    device->observer = params->observer;
    vkmoe_queue_init(&device->queue, &device->gpu);
    vkmoe_device_describe(device, &physical);
    device->fit = calloc(1, sizeof *device->fit);
    TRY_UNDO(start(device), vkmoe_rehearsal_end(out));
    return VKMOE_OK;
}

void vkmoe_rehearsal_end(vkmoe_device **address)
{
    TAKE_OR_RETURN(vkmoe_device, device, address);
    vkmoe_device_free_memory(device);
    vkmoe_queue_finish(&device->queue);
    free(device->fit);
    free(device);
}
