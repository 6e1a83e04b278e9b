// pack.h - matrices on their way from files or the caller's memory into the packed order of
// shaders/lib/weights.glsl, in pieces: by the kernel pack_weights, or, for drivers that run
// kernels on the CPU themselves, by the host.
#ifndef VKMOE_PACK_H
#define VKMOE_PACK_H

#include "device/transfer.h"
#include "weights/format.h"

#include "shaders/pack_blocks.h"
#include "shaders/pack_weights.h"

// One call that loads weights, of a layer or of a whole network.
struct loading {
    vkmoe_device *device;
    struct caller caller;                                        // who is told what is refused
    bool (*progress)(void *user, uint64_t done, uint64_t total); // or NULL
    void *user;
    uint64_t done, total; // bytes of matrices, as they lie in the file
    uint64_t told;        // `done` at the last call of `progress`
    bool fast;            // VKMOE_PRECISION_FAST
    bool reorders;        // matrices may have their columns in another order (order.h)
    bool is_test;         // part of a self-test, which is not tested itself
};

// What the packed order has for a strip's rows and, along K, 32 bytes or a block of the format.
#define STRIP_ROWS 16
struct packed_record {
    uint32_t columns;
    uint32_t size; // bytes
};
struct packed_record vkmoe_packed_record(enum vkmoe_dtype dtype);

// A matrix within a packed one.
struct packing {
    const struct vkmoe_view *view; // resolved
    uint32_t rows, columns;
    uint32_t rows_written;                        // zeros from `rows` on
    uint32_t base_row, strip_stride, strip_phase; // as in struct pack_weights_push
    vkmoe_buffer *matrix;
};

// Packs one matrix. The device may be still at it: vkmoe_loading_finish(). INVALID if the file
// cannot be read, CANCELLED if `progress` says so.
enum vkmoe_status vkmoe_pack(struct loading *loading, const struct packing *packing);

// Adds to what is done, and calls `progress` now and then: with nothing done, with all of it,
// and after every 8 MiB or more between.
enum vkmoe_status vkmoe_loading_tell(struct loading *loading, uint64_t size);

// To be called at the end of a loading that came to `status`, before anything that it made is
// used, or destroyed; returns the status.
enum vkmoe_status vkmoe_loading_finish(struct loading *loading, enum vkmoe_status status);

// pack_host.c: what the kernels pack_weights and pack_blocks do with one rectangle. `matrix` is
// where push->matrix is.
void vkmoe_pack_on_host(
    const struct pack_weights_push *push, uint32_t element_size, const void *source, void *matrix);
void vkmoe_pack_blocks_on_host(
    const struct pack_blocks_push *push, enum vkmoe_dtype dtype, const void *source, void *matrix);

#endif
