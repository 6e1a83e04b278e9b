// sweep.h - a loader whose functions can be made to fail, one call at a time, and that counts
// what is there. It hands out wrappers of whatever it is asked for (sweep_calls.py), and host
// memory fails likewise where the linker can wrap malloc().
#ifndef VKMOE_TESTS_SWEEP_H
#define VKMOE_TESTS_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "vulkan/vk.h"

// vkGetInstanceProcAddr, for get_instance_proc_addr of vkmoe_device_params and _adopt_params.
PFN_vkGetInstanceProcAddr sweep_loader(void);

// One call that can fail.
struct sweep_call {
    const char *name; // without "vk"; or malloc, calloc, realloc
    const void *site; // where it was called from
    bool fills;       // an enumeration into an array, which VK_INCOMPLETE may cut short
};

// Lists calls from now on. sweep_stop() ends that, or a failing: the list is valid until the
// next sweep_list(), *count is its length.
void sweep_list(void);
const struct sweep_call *sweep_stop(uint32_t *count);

// The call at `index` from now on fails, once; of host memory whatever `failure` is.
void sweep_fail(uint32_t index, VkResult failure);

// Every call of this name fails, until it is set to NULL.
void sweep_fail_all(const char *name, VkResult failure);

// Whether the call that sweep_fail() meant was made.
bool sweep_reached(void);

// vkCmdXxx() calls so far into a command buffer; another one is watched, and counted from 0.
uint32_t sweep_commands(void);
void sweep_watch(VkCommandBuffer commands);

// Of all work that the library put into command buffers that it began itself (dispatches, copies,
// fills), how much had no barrier of that buffer before it, or after it at its end.
uint32_t sweep_bare_works(uint32_t *all);

// Objects and blocks of host memory that were made and not given back, in all; the second notes
// which, if there are any more than there were when it was called last.
int64_t sweep_live(void);
bool sweep_check_leaks(void);

// For each name of a call that could fail: how often it did since `sweep_count_from()`.
void sweep_count_from(void);
void sweep_note_counts(const char *use);
// Notes functions that the loader was asked for and that never failed, but for `excused`.
bool sweep_check_complete(const char *const *excused);
// All failures ever.
uint32_t sweep_total(void);

#endif
