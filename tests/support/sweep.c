// sweep.c - see sweep.h.
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep_pool.h"
#include "tap.h"

#include "sweep_calls.inc" // enum call, enum object, wrapped[], and static wrappers

enum { // after Vulkan's
    CALL_malloc = CALL_COUNT,
    CALL_calloc,
    CALL_realloc,
    CALL_ALL,
};

#define MAX_CALLS 20000

static enum { OFF, LISTING, FAILING } mode;
static struct sweep_call calls[MAX_CALLS];
static uint32_t call_count, failing_index;
static VkResult failing_with;
static enum call always_failing;
static VkResult always_failing_with;
static bool reached;
static uint32_t failures[CALL_ALL], failures_before[CALL_ALL];
static int64_t live_host;
static VkCommandBuffer watched;
static uint32_t command_count;

static const char *call_name(uint32_t call)
{
    return call == CALL_malloc ? "malloc"
        : call == CALL_calloc  ? "calloc"
        : call == CALL_realloc ? "realloc"
                               : wrapped[call].name;
}

static bool fails(enum call call, const void *site, bool fills, VkResult *result)
{
    if (always_failing && call == always_failing) {
        failures[call]++;
        *result = always_failing_with;
        return true;
    }
    if (mode == OFF)
        return false;
    const uint32_t index = call_count++;
    if (mode == LISTING) {
        if (index < MAX_CALLS)
            calls[index] = (struct sweep_call){ call_name(call), site, fills };
        return false;
    }
    if (index != failing_index)
        return false;
    reached = true;
    if (failing_with == VK_INCOMPLETE && !fills)
        return false; // not a call that can say so
    failures[call]++;
    *result = failing_with;
    return true;
}

// The command buffer that was begun last, and whether its work is parted from what is before it
// and, by now, from what may come after.
static struct {
    VkCommandBuffer commands;
    bool parted, open;
} order;
static uint32_t works, bare_works;

static void see_command(VkCommandBuffer commands, enum call call)
{
    command_count += commands == watched && !strncmp(call_name(call), "Cmd", 3);
    if (call == CALL_BeginCommandBuffer) {
        order.commands = commands;
        order.parted = order.open = false;
    }
    if (commands != order.commands)
        return;
    switch (call) {
    case CALL_CmdPipelineBarrier2:
        order.parted = true;
        order.open = false;
        break;
    case CALL_CmdDispatch:
    case CALL_CmdDispatchIndirect:
    case CALL_CmdCopyBuffer:
    case CALL_CmdFillBuffer:
    case CALL_CmdUpdateBuffer:
        works++;
        bare_works += !order.parted;
        order.open = true;
        break;
    case CALL_EndCommandBuffer: bare_works += order.open; break;
    default: break;
    }
}

uint32_t sweep_bare_works(uint32_t *all)
{
    *all = works;
    return bare_works;
}

// ------------------------------------------------------------------------- loader

static PFN_vkVoidFunction wrap(const char *name, PFN_vkVoidFunction function)
{
    for (uint32_t i = 1; function && i < CALL_COUNT; i++)
        if (!strncmp(name, "vk", 2) && !strcmp(wrapped[i].name, name + 2)) {
            *wrapped[i].real = function;
            return wrapped[i].function;
        }
    if (function)
        tap_note("%s is not in vulkan_core.h", name);
    return function;
}

static PFN_vkGetDeviceProcAddr real_get_device;

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device(VkDevice device, const char *name)
{
    return wrap(name, sweep_pool(name, real_get_device(device, name)));
}

PFN_vkGetInstanceProcAddr __real_vkmoe_vk_loader(void);
PFN_vkGetInstanceProcAddr __wrap_vkmoe_vk_loader(void);

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance(VkInstance instance, const char *name)
{
    PFN_vkVoidFunction function = __real_vkmoe_vk_loader()(instance, name);
    if (strcmp(name, "vkGetDeviceProcAddr") || !function)
        return wrap(name, sweep_pool(name, function));
    real_get_device = (PFN_vkGetDeviceProcAddr)function;
    return (PFN_vkVoidFunction)get_device;
}

PFN_vkGetInstanceProcAddr sweep_loader(void)
{
    return get_instance;
}

// vkmoe_device_list() has no other loader than the system's.
PFN_vkGetInstanceProcAddr __wrap_vkmoe_vk_loader(void)
{
    return __real_vkmoe_vk_loader() ? get_instance : NULL;
}

// -------------------------------------------------------------------- host memory

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *block);

static bool host_fails(uint32_t call, const void *site)
{
    VkResult ignored;
    return fails((enum call)call, site, false, &ignored);
}

void *__wrap_malloc(size_t size)
{
    void *block = host_fails(CALL_malloc, __builtin_return_address(0)) ? NULL : __real_malloc(size);
    live_host += block != NULL;
    return block;
}

void *__wrap_calloc(size_t count, size_t size)
{
    void *block =
        host_fails(CALL_calloc, __builtin_return_address(0)) ? NULL : __real_calloc(count, size);
    live_host += block != NULL;
    return block;
}

void *__wrap_realloc(void *old, size_t size)
{
    void *block =
        host_fails(CALL_realloc, __builtin_return_address(0)) ? NULL : __real_realloc(old, size);
    live_host += block && !old;
    return block;
}

void __wrap_free(void *block)
{
    live_host -= block != NULL;
    __real_free(block);
}

// ------------------------------------------------------------------------ control

void sweep_list(void)
{
    call_count = 0;
    mode = LISTING;
}

const struct sweep_call *sweep_stop(uint32_t *count)
{
    mode = OFF;
    *count = call_count < MAX_CALLS ? call_count : MAX_CALLS;
    return calls;
}

void sweep_fail(uint32_t index, VkResult failure)
{
    call_count = 0;
    failing_index = index;
    failing_with = failure;
    reached = false;
    mode = FAILING;
}

void sweep_fail_all(const char *name, VkResult failure)
{
    always_failing = CALL_NONE;
    always_failing_with = failure;
    for (uint32_t i = 1; name && i < CALL_COUNT; i++)
        if (!strcmp(wrapped[i].name, name))
            always_failing = (enum call)i;
}

bool sweep_reached(void)
{
    return reached;
}

uint32_t sweep_commands(void)
{
    return command_count;
}

void sweep_watch(VkCommandBuffer commands)
{
    watched = commands;
    command_count = 0;
}

int64_t sweep_live(void)
{
    int64_t sum = live_host;
    for (int i = 0; i < OBJECT_COUNT; i++)
        sum += live[i];
    return sum;
}

bool sweep_check_leaks(void)
{
    static int64_t host_before;
    bool ok = live_host <= host_before;
    if (!ok)
        tap_note("%lld blocks of host memory were not freed", (long long)(live_host - host_before));
    host_before = live_host;
    for (int i = 0; i < OBJECT_COUNT; i++) {
        if (live[i])
            tap_note("%lld of %s were not destroyed", (long long)live[i], object_names[i]);
        ok = ok && !live[i];
        live[i] = 0;
    }
    return ok;
}

void sweep_count_from(void)
{
    memcpy(failures_before, failures, sizeof failures);
}

void sweep_note_counts(const char *use)
{
    char line[2000];
    size_t length = 0;
    uint32_t total = 0;
    for (uint32_t i = 1; i < CALL_ALL; i++) {
        const uint32_t count = failures[i] - failures_before[i];
        total += count;
        if (count && length < sizeof line)
            length += (size_t)snprintf(
                line + length, sizeof line - length, ", %s %u", call_name(i), count);
    }
    tap_note("%s: %u failed%s", use, total, line);
}

bool sweep_check_complete(const char *const *excused)
{
    bool ok = true;
    for (uint32_t i = 1; i < CALL_COUNT; i++) {
        bool is_excused = failures[i] || !wrapped[i].fallible || !*wrapped[i].real;
        for (uint32_t j = 0; excused[j] && !is_excused; j++)
            is_excused = !strcmp(excused[j], wrapped[i].name);
        if (!is_excused)
            tap_note("vk%s never failed: no work here calls it", wrapped[i].name);
        ok = ok && is_excused;
    }
    return ok;
}

uint32_t sweep_total(void)
{
    uint32_t total = 0;
    for (uint32_t i = 1; i < CALL_ALL; i++)
        total += failures[i];
    return total;
}
