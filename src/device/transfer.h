// transfer.h - what goes from the host into buffers, and back.
#ifndef VKMOE_TRANSFER_H
#define VKMOE_TRANSFER_H

#include "device/buffer.h"

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

// An upload that a kernel writes to its place. `fill` writes `size` bytes, at most what
// vkmoe_transfer_room() gave, to staging that has room up to the next multiple of 16; `record`
// records what reads them at `source`, after a barrier. Returns when the device has it: what is
// written is there for later
// submits, and for the host and before anything is destroyed after vkmoe_transfer_finish(). The
// next piece is filled meanwhile.
struct transfer_piece {
    uint64_t size;
    enum vkmoe_status (*fill)(void *user, void *to);
    void (*record)(void *user, VkCommandBuffer commands, uint64_t source);
    void *user;
};
enum vkmoe_status vkmoe_transfer_piece(vkmoe_device *device, const struct transfer_piece *piece);
// The most bytes of a piece, which may be less than TUNE_PIECE_SIZE where memory is short.
enum vkmoe_status vkmoe_transfer_room(vkmoe_device *device, uint64_t *size);
// At the end of pieces that came to `status`, which it returns: waits for all of them.
enum vkmoe_status vkmoe_transfer_finish(vkmoe_device *device, enum vkmoe_status status);

// What copies need besides memory; the device's own, and a trial's, which has the staging of `from`
// (NULL: none yet) and is NULL without host memory.
struct transfer;
enum vkmoe_status vkmoe_transfer_create(vkmoe_device *device, struct transfer **out);
struct transfer *vkmoe_transfer_fork(struct transfer *from);
void vkmoe_transfer_destroy(vkmoe_device *device, struct transfer **transfer);

#endif
