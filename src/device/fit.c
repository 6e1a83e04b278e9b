// fit.c - see fit.h.
#include "device/fit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/host_memory.h"
#include "device/memory.h"
#include "device/transfer.h"

// ------------------------------------------------------------------- what there is

// Of one heap, by the driver if it says so, else what the library has not taken.
static void read_heaps(vkmoe_device *device, struct fit *fit)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT
    };
    VkPhysicalDeviceMemoryProperties2 memory = {
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, &budget
    };
    uint64_t taken[VK_MAX_MEMORY_HEAPS];
    vkmoe_memory_taken(device->memory, taken);
    if (device->memory_budget)
        device->instance_vk.GetPhysicalDeviceMemoryProperties2(device->physical_device, &memory);
    for (uint32_t i = 0; i < device->gpu.memory.memoryHeapCount; i++) {
        const uint64_t all =
            budget.heapBudget[i] ? budget.heapBudget[i] : device->gpu.memory.memoryHeaps[i].size;
        const uint64_t used = budget.heapBudget[i] ? budget.heapUsage[i] : taken[i];
        fit->heap_free[i] = all - MIN(all, used);
    }
}

static void read_free(vkmoe_device *device, vkmoe_device *copy)
{
    struct fit *fit = copy->fit;
    const uint32_t heaps = device->gpu.memory.memoryHeapCount;
    fit->host_free = FIT_UNKNOWN;
    fit->heaps = vkmoe_memory_heaps(copy->memory);
    fit->limit = "";
    if (device->is_cpu) {
        // Software drivers take whatever the machine gives, beyond the heap's size as well.
        const struct host_memory host = vkmoe_host_memory("");
        for (uint32_t i = 0; i < heaps; i++)
            fit->heap_free[i] = FIT_UNKNOWN;
        fit->free = fit->host_free = host.free;
        fit->limit = host.limit;
        return;
    }
    read_heaps(device, fit);
    for (uint32_t i = 0; i < heaps; i++)
        fit->free += fit->heaps >> i & 1 ? fit->heap_free[i] : 0;
}

// ----------------------------------------------------------------------- begin, end

static void destroy_copy(vkmoe_device *copy)
{
    vkmoe_transfer_destroy(copy, &copy->transfer);
    vkmoe_memory_destroy(&copy->memory);
    free(copy->fit);
    free(copy);
}

// What creating asks a device for; there are no queue and no functions to call.
static enum vkmoe_status copy_device(vkmoe_device *device, vkmoe_device *copy)
{
    copy->gpu.log = device->gpu.log;
    copy->gpu.log.level = VKMOE_LOG_ERROR; // the rest is said when it is created
    copy->gpu.info = device->gpu.info;
    copy->gpu.limits = device->gpu.limits;
    copy->gpu.memory = device->gpu.memory;
    copy->gpu.max_buffer_size = device->gpu.max_buffer_size;
    atomic_init(&copy->gpu.lost, atomic_load(&device->gpu.lost));
    copy->needs = device->needs;
    copy->is_cpu = device->is_cpu;
    copy->packs_on_host = device->packs_on_host;
    copy->quirks = device->quirks;
    copy->subgroup_size = device->subgroup_size;
    copy->max_groups = device->max_groups;
    copy->dummy = device->dummy;
    copy->overrides = device->overrides;
    copy->verdicts = device->verdicts;
    copy->fit = calloc(1, sizeof *copy->fit);
    if (copy->fit)
        copy->memory = vkmoe_memory_fork(device->memory, &copy->gpu, copy->fit);
    if (copy->memory)
        copy->transfer = vkmoe_transfer_fork(device->transfer);
    return copy->transfer
        ? VKMOE_OK
        : vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
}

enum vkmoe_status vkmoe_fit_begin(vkmoe_device *device, vkmoe_device **planned)
{
    vkmoe_device *copy = *planned = calloc(1, sizeof *copy);
    if (!copy)
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    const enum vkmoe_status status = copy_device(device, copy);
    if (status != VKMOE_OK) {
        destroy_copy(copy);
        *planned = NULL;
        return status;
    }
    read_free(device, copy);
    return VKMOE_OK;
}

static const char *size_text(uint64_t size, char text[32])
{
    static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB" };
    double value = (double)size;
    uint32_t unit = 0;
    while (value >= 999.5 && unit < ARRAY_SIZE(units) - 1) {
        value /= 1000;
        unit++;
    }
    snprintf(text, 32, "%.*f %s",
        unit == 0 || value >= 99.95 ? 0
            : value >= 9.995        ? 1
                                    : 2,
        value, units[unit]);
    return text;
}

static enum vkmoe_status refuse(const vkmoe_device *device, const char *function)
{
    const struct fit *fit = device->fit;
    char needed[32], there[32], parts[FIT_PARTS][32];
    size_text(fit->taken, needed);
    if (fit->free == FIT_UNKNOWN)
        snprintf(there, sizeof there, "nobody knows how much");
    else
        size_text(fit->free, there);
    if (fit->taken <= fit->free) // there is enough, but not where it is needed
        return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY,
            "%s: needs %s of device memory, of which %s is free, but %s, %s, does not fit into "
            "what is left of any heap",
            function, needed, there, fit->piece_name[0] ? fit->piece_name : "a buffer",
            size_text(fit->piece, parts[0]));
    if (!strcmp(needed, there)) {
        snprintf(needed, sizeof needed, "%" PRIu64 " bytes", fit->taken);
        snprintf(there, sizeof there, "%" PRIu64, fit->free);
    }
    for (uint32_t i = 0; i < FIT_PARTS; i++)
        size_text(fit->parts[i], parts[i]);
    return vkmoe_fail(&device->gpu.log, VKMOE_ERROR_OUT_OF_MEMORY,
        "%s: needs %s of device memory, of which %s is free%s%s: weights %s, caches %s, scratch %s",
        function, needed, there, fit->limit[0] ? " " : "", fit->limit, parts[FIT_WEIGHTS],
        parts[FIT_CACHES], parts[FIT_SCRATCH]);
}

enum vkmoe_status vkmoe_fit_end(
    vkmoe_device **planned, const char *function, enum vkmoe_status status)
{
    vkmoe_device *copy = *planned;
    if (!copy)
        return status;
    if (status == VKMOE_OK && copy->fit->exceeded)
        status = refuse(copy, function);
    destroy_copy(copy);
    *planned = NULL;
    return status;
}
