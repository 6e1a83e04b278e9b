// memory.h - device memory: large blocks, and ranges of them.
//
// Every block ends in TAIL_PADDING bytes that belong to nobody: lavapipe performs
// loads at subgroup-uniform addresses even where the code around them is not
// executed, so a load just past an array must hit memory.
#ifndef VKMOE_MEMORY_H
#define VKMOE_MEMORY_H

#include "device/gpu.h"

#define TAIL_PADDING 65536
#define BUFFER_ALIGNMENT 256 // of every range

struct fit;          // fit_account.h
struct memory;       // all that the library has taken of a device
struct memory_block; // one VkDeviceMemory with one VkBuffer over all of it

enum memory_kind {
    MEMORY_DEVICE,   // fastest for the device; host-visible only if that costs nothing
    MEMORY_UPLOAD,   // host-visible, for staging: host writes, flushes, device reads
    MEMORY_DOWNLOAD, // the same for the way back, cached where possible: host invalidates, reads
};

// Bytes of a block.
struct memory_range {
    struct memory_block *block; // NULL: none of ours
    VkBuffer handle;            // the block's
    uint64_t offset;            // in it
    uint64_t size;
    uint64_t address;
    void *mapped;     // the host's view of the first byte, or NULL
    bool host_cached; // reading through `mapped` is fast
};

enum vkmoe_status vkmoe_memory_create(const struct gpu *gpu, struct memory **out);
void vkmoe_memory_destroy(struct memory **memory); // with all its blocks

// OUT_OF_MEMORY comes without a word, for a caller that can do with less.
enum vkmoe_status vkmoe_memory_take(
    struct memory *memory, enum memory_kind kind, uint64_t size, struct memory_range *out);
void vkmoe_memory_give_back(struct memory *memory, const struct memory_range *range);

// After the host's writing to, or before its reading from, the first `size` bytes of a range for
// staging, whose memory need not be coherent.
enum vkmoe_status vkmoe_memory_flush(
    const struct memory *memory, const struct memory_range *range, uint64_t size);
enum vkmoe_status vkmoe_memory_invalidate(
    const struct memory *memory, const struct memory_range *range, uint64_t size);

// What a range takes of the device's memory: with its alignment, and alone in a block with that.
uint64_t vkmoe_memory_taken_by(const struct memory_range *range);

// Of all ranges, the library's own included.
struct memory_usage {
    uint64_t taken;     // the sum of vkmoe_memory_taken_by()
    uint64_t allocated; // the sum of all VkDeviceMemory
};
struct memory_usage vkmoe_memory_usage(struct memory *memory);

// The largest range that the device can make, if it has the room.
uint64_t vkmoe_memory_max_size(const struct gpu *gpu);

// What the library has taken of each heap, and a mask of those that serve as device memory.
void vkmoe_memory_taken(struct memory *memory, uint64_t taken[VK_MAX_MEMORY_HEAPS]);
uint32_t vkmoe_memory_heaps(const struct memory *memory);

// For fit.c: another one for `gpu` in which the ranges of `from` stand where they do, but in no
// memory, and what is taken is counted by `fit`. `from` NULL: nothing is taken yet, and buffers may
// have any type. NULL without host memory.
struct memory *vkmoe_memory_fork(struct memory *from, const struct gpu *gpu, struct fit *fit);

#endif
