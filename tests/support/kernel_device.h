// kernel_device.h - the Vulkan device of tests/kernels, and memory with guard pages.
#ifndef VKMOE_TESTS_KERNEL_DEVICE_H
#define VKMOE_TESTS_KERNEL_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host.h"

struct kernel_device {
    struct host host;
    bool has_guard_pages;
    size_t page; // granularity of memory
};

// The device that the library takes for VKMOE_TEST_DEVICE. False without one.
bool kernel_device_init(struct kernel_device *device);
void kernel_device_finish(struct kernel_device *device);

// One buffer, reused for operand after operand.
struct kernel_arena {
    VkBuffer handle;
    VkDeviceMemory memory;
    void *reserved; // host memory of ours, inaccessible pages included, or NULL
    size_t reserved_size;
    unsigned char *bytes; // host view of the buffer
    size_t size;
    uint64_t address;
    // Of the operand that it now holds:
    const char *name;
    size_t offset, operand_size;
    size_t guarded; // from here on, what is not the operand is a guard zone
};

// Places an operand of `size` bytes at the arena's end less `skew` bytes.
bool kernel_arena_place(struct kernel_device *device, struct kernel_arena *arena, const char *name,
    size_t size, size_t skew);
void kernel_arena_finish(struct kernel_device *device, struct kernel_arena *arena);

// Around the device's use of arenas' memory, which need not be coherent.
bool kernel_device_flush(struct kernel_device *device, struct kernel_arena *arenas, uint32_t count);
bool kernel_device_invalidate(
    struct kernel_device *device, struct kernel_arena *arenas, uint32_t count);

// From now on an access to an arena's inaccessible pages ends the program with a note of
// the test's name, the operand and the place. `test` NULL: no more.
void kernel_device_watch(const char *test, const struct kernel_arena *arenas, uint32_t count);

#endif
