// fit.c - see fit.h.
#include "device/fit.h"

#include "base/common.h"
#include "base/host_memory.h"
#include "device/memory.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN UINT64_MAX

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
    vkmoe_memory_taken(device, taken);
    if (device->memory_budget)
        device->instance_vk.GetPhysicalDeviceMemoryProperties2(device->physical_device, &memory);
    for (uint32_t i = 0; i < device->memory.memoryHeapCount; i++) {
        const uint64_t all =
            budget.heapBudget[i] ? budget.heapBudget[i] : device->memory.memoryHeaps[i].size;
        const uint64_t used = budget.heapBudget[i] ? budget.heapUsage[i] : taken[i];
        fit->heap_free[i] = all - MIN(all, used);
    }
}

static void read_free(vkmoe_device *device, vkmoe_device *copy)
{
    struct fit *fit = copy->fit;
    const uint32_t heaps = device->memory.memoryHeapCount;
    fit->host_free = UNKNOWN;
    fit->heaps = vkmoe_memory_heaps(copy);
    fit->limit = "";
    if (device->is_cpu) {
        // Software drivers take whatever the machine gives, beyond the heap's size as well.
        const struct host_memory host = vkmoe_host_memory("");
        for (uint32_t i = 0; i < heaps; i++)
            fit->heap_free[i] = UNKNOWN;
        fit->free = fit->host_free = host.free;
        fit->limit = host.limit;
        return;
    }
    read_heaps(device, fit);
    for (uint32_t i = 0; i < heaps; i++)
        fit->free += fit->heaps >> i & 1 ? fit->heap_free[i] : 0;
}

// ------------------------------------------------------------------------ counting

void vkmoe_fit_enter(vkmoe_device *device, enum fit_part part)
{
    if (device->fit)
        device->fit->part = part;
}

void vkmoe_fit_where(vkmoe_device *device, const char *format, ...)
{
    va_list arguments;
    if (!device->fit)
        return;
    va_start(arguments, format);
    vsnprintf(device->fit->where, sizeof device->fit->where, format, arguments);
    va_end(arguments);
}

void vkmoe_fit_name(vkmoe_device *device, const char *format, ...)
{
    va_list arguments;
    if (!device->fit)
        return;
    va_start(arguments, format);
    vsnprintf(device->fit->name, sizeof device->fit->name, format, arguments);
    va_end(arguments);
}

bool vkmoe_fit_take(vkmoe_device *device, uint32_t heap, uint64_t size)
{
    struct fit *fit = device->fit;
    if (!fit->exceeded) {
        if (size > fit->heap_free[heap] || size > fit->host_free
            || size > device->memory.memoryHeaps[heap].size)
            return false;
        fit->heap_free[heap] -= fit->heap_free[heap] == UNKNOWN ? 0 : size;
        fit->host_free -= fit->host_free == UNKNOWN ? 0 : size;
    }
    fit->taken += fit->heaps >> heap & 1 ? size : 0;
    return true;
}

void vkmoe_fit_give_back(vkmoe_device *device, uint32_t heap, uint64_t size)
{
    struct fit *fit = device->fit;
    if (fit->exceeded)
        return; // how much is needed is the sum
    fit->heap_free[heap] += fit->heap_free[heap] == UNKNOWN ? 0 : size;
    fit->host_free += fit->host_free == UNKNOWN ? 0 : size;
    fit->taken -= fit->heaps >> heap & 1 ? size : 0;
}

bool vkmoe_fit_exceed(struct fit *fit, uint64_t size)
{
    if (!fit || fit->exceeded)
        return false;
    fit->exceeded = true;
    fit->piece = size;
    snprintf(fit->piece_name, sizeof fit->piece_name, "%s%s", fit->where, fit->name);
    return true;
}

const char *vkmoe_fit_label(const vkmoe_device *device, char text[FIT_LABEL])
{
    text[0] = 0;
    if (device->fit && device->fit->name[0])
        snprintf(text, FIT_LABEL, "%s%s: ", device->fit->where, device->fit->name);
    return text;
}

// ----------------------------------------------------------------------- begin, end

enum vkmoe_status vkmoe_fit_begin(vkmoe_device *device, vkmoe_device **planned)
{
    vkmoe_device *copy = *planned = calloc(1, sizeof *copy);
    if (!copy)
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    // What creating asks a device for; there are no queue and no functions to call.
    copy->log = device->log;
    copy->log.level = VKMOE_LOG_ERROR; // the rest is said when it is created
    copy->info = device->info;
    copy->needs = device->needs;
    copy->is_cpu = device->is_cpu;
    copy->packs_on_host = device->packs_on_host;
    copy->ends_loops = device->ends_loops;
    copy->subgroup_size = device->subgroup_size;
    copy->max_groups = device->max_groups;
    copy->max_buffer_size = device->max_buffer_size;
    copy->limits = device->limits;
    copy->memory = device->memory;
    atomic_init(&copy->lost, atomic_load(&device->lost));
    copy->fit = calloc(1, sizeof *copy->fit);
    if (!copy->fit || !vkmoe_memory_fork(device, copy)) {
        free(copy->fit);
        free(copy);
        *planned = NULL;
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
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
    if (fit->free == UNKNOWN)
        snprintf(there, sizeof there, "nobody knows how much");
    else
        size_text(fit->free, there);
    if (fit->taken <= fit->free) // there is enough, but not where it is needed
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY,
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
    return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY,
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
    vkmoe_memory_unfork(copy);
    free(copy->fit);
    free(copy);
    *planned = NULL;
    return status;
}
