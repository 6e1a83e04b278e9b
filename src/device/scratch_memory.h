// scratch_memory.h - a stream's scratch, which grows by being replaced: the old one lives on
// until the work that uses it is done.
#ifndef VKMOE_SCRATCH_MEMORY_H
#define VKMOE_SCRATCH_MEMORY_H

#include "device/buffer.h"

struct retired; // scratch that was replaced

// Begins as {0}.
struct scratch_memory {
    vkmoe_buffer *buffer; // NULL: none yet
    struct retired *retired;
};

// Replaces the buffer by one of `size` bytes; the old one is in use until the stream's timeline
// has come to `value`. When it fails nothing changes.
enum vkmoe_status vkmoe_scratch_grow(
    struct scratch_memory *scratch, vkmoe_device *device, uint64_t size, uint64_t value);

// Frees what is not in use any more once the timeline is at `done`, but for what was still in
// use at `kept` or later.
void vkmoe_scratch_collect(struct scratch_memory *scratch, uint64_t done, uint64_t kept);

void vkmoe_scratch_finish(struct scratch_memory *scratch);

#endif
