// memory.h - device memory: large blocks, sub-allocated; upload and download.
//
// Every block ends in TAIL_PADDING bytes that belong to nobody: lavapipe performs
// loads at subgroup-uniform addresses even where the code around them is not
// executed, so a load just behind an array must hit memory.
#ifndef VKMOE_MEMORY_H
#define VKMOE_MEMORY_H

#include "device/device.h"

#define TAIL_PADDING 65536
#define BUFFER_ALIGNMENT 256

struct memory_block; // one VkDeviceMemory with one VkBuffer over all of it

struct vkmoe_buffer {
    vkmoe_device *device;
    struct memory_block *block; // NULL: wrapped memory of the caller
    VkBuffer handle;            // the block's buffer; VK_NULL_HANDLE if wrapped
    uint64_t offset;            // in the block's buffer
    uint64_t size;
    uint64_t address;
    void *mapped;     // host view of this buffer's first byte, or NULL
    bool host_cached; // reading through `mapped` is fast
};

enum memory_kind {
    MEMORY_DEVICE,   // fastest for the device; host-visible only if that costs nothing
    MEMORY_UPLOAD,   // host-visible, for staging: host writes, flushes, device reads
    MEMORY_DOWNLOAD, // the same for the way back, cached where possible: host invalidates, reads
};

enum vkmoe_status vkmoe_memory_init(vkmoe_device *device);
void vkmoe_memory_finish(vkmoe_device *device);

enum vkmoe_status vkmoe_buffer_create_kind(
    vkmoe_device *device, enum memory_kind kind, uint64_t size, vkmoe_buffer **out);

// The same without a word if there is no memory, for a caller that can do with less.
enum vkmoe_status vkmoe_buffer_try_kind(
    vkmoe_device *device, enum memory_kind kind, uint64_t size, vkmoe_buffer **out);

// After the host's writing to, or before its reading from, the first `size` bytes of a buffer for
// staging, whose memory need not be coherent.
enum vkmoe_status vkmoe_buffer_flush(const vkmoe_buffer *buffer, uint64_t size);
enum vkmoe_status vkmoe_buffer_invalidate(const vkmoe_buffer *buffer, uint64_t size);

// What vkmoe.h says that a buffer takes of the device's memory; 0 for NULL and wrapped ones.
uint64_t vkmoe_buffer_taken(const vkmoe_buffer *buffer);

// Of all buffers, the library's own included.
struct memory_usage {
    uint64_t taken;     // the sum of vkmoe_buffer_taken()
    uint64_t allocated; // the sum of all VkDeviceMemory
};
struct memory_usage vkmoe_memory_usage(vkmoe_device *device);

// Uploads in pieces that the caller produces: `fill` writes `size` bytes of the
// data that starts at `offset` to `to`. Serves weights that are repacked on the
// way, without a second copy of them in host memory.
enum vkmoe_status vkmoe_buffer_upload_with(vkmoe_buffer *buffer, uint64_t offset, uint64_t size,
    void (*fill)(void *user, uint64_t offset, void *to, uint64_t size), void *user);

// A buffer of these bytes. Nothing is left on failure.
enum vkmoe_status vkmoe_buffer_create_from(
    vkmoe_device *device, const void *data, uint64_t size, vkmoe_buffer **out);

// Fills a range, offset and size multiples of 4, with zero bytes.
enum vkmoe_status vkmoe_buffer_clear(vkmoe_buffer *buffer, uint64_t offset, uint64_t size);

// The largest buffer that the device can make, if it has the room.
uint64_t vkmoe_memory_max_size(const vkmoe_device *device);

// A buffer that reads as zero and is at least 256 bytes: the address for operands
// that a kernel does not use, since no kernel ever gets a null address.
uint64_t vkmoe_device_dummy_address(vkmoe_device *device);

// For fit.h. A store for `copy` in which the buffers of `device` stand where they do, but in no
// memory; false without host memory. Then only _unfork() finishes it.
bool vkmoe_memory_fork(vkmoe_device *device, vkmoe_device *copy);
void vkmoe_memory_unfork(vkmoe_device *copy);
// What the library has taken of each heap, and a mask of those that serve as device memory.
void vkmoe_memory_taken(vkmoe_device *device, uint64_t taken[VK_MAX_MEMORY_HEAPS]);
uint32_t vkmoe_memory_heaps(const vkmoe_device *device);

// An upload that a kernel writes to its place. `fill` writes `size` bytes, at most what
// vkmoe_transfer_room() gave, to staging that has room up to the next multiple of 16; `record`
// records what reads them at `source`, after a barrier. Returns when the device has it: what is
// written is there for later
// submits, and for the host and before anything is destroyed after vkmoe_transfer_finish(). The
// next piece is filled meanwhile.
#define TRANSFER_PIECE ((uint64_t)8 << 20)
struct transfer_piece {
    uint64_t size;
    enum vkmoe_status (*fill)(void *user, void *to);
    void (*record)(void *user, VkCommandBuffer commands, uint64_t source);
    void *user;
};
enum vkmoe_status vkmoe_transfer_piece(vkmoe_device *device, const struct transfer_piece *piece);
// The most bytes of a piece, which may be less than TRANSFER_PIECE where memory is short.
enum vkmoe_status vkmoe_transfer_room(vkmoe_device *device, uint64_t *size);
// At the end of pieces that came to `status`, which it returns: waits for all of them.
enum vkmoe_status vkmoe_transfer_finish(vkmoe_device *device, enum vkmoe_status status);

// Whether the device's memory is the host's, or may as well be.
bool vkmoe_device_is_unified(const vkmoe_device *device);

// memory.c to transfer.c: what copies need besides memory.
struct transfer;
// A trial's, with the staging that `from` has; NULL without host memory.
struct transfer *vkmoe_transfer_fork(struct transfer *from);
enum vkmoe_status vkmoe_transfer_create(vkmoe_device *device, struct transfer **out);
void vkmoe_transfer_destroy(vkmoe_device *device, struct transfer **transfer);
struct transfer *vkmoe_memory_transfer(vkmoe_device *device);

#endif
