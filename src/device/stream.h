// stream.h - recording work; see vkmoe.h for the two modes.
#ifndef VKMOE_STREAM_H
#define VKMOE_STREAM_H

#include "device/pipelines.h"
#include "device/buffer.h"

// One dispatch. Groups are counted in one dimension; kernels take their flat index
// from lib/grid.glsl, which undoes the split into two that the limit of 65535 asks for.
struct dispatch {
    enum kernel kernel;
    const struct variant *variant; // NULL: vkmoe_kernel_choose()
    uint32_t spec[SPEC_MAX];       // by spec id; the rest of the array is 0
    const void *push;              // struct <kernel>_push
    uint32_t groups;               // 0: nothing is recorded
    const vkmoe_buffer *indirect;  // not NULL: VkDispatchIndirectCommand here, `groups` ignored
    uint64_t indirect_offset;
    bool beside; // it and the dispatch before it touch nothing that either writes
};

// Is shown what the streams of a device record that is only rehearsed (rehearsal.h): dispatches
// with a variant, and the barriers between them. What is pointed to lasts for the call.
struct observer {
    void (*dispatch)(void *user, const struct variant *variant, const struct dispatch *dispatch);
    void (*barrier)(void *user);
    void *user;
};

// What is recorded between these two is recorded whole, or, if `status` of the second says that
// something failed, not at all. Returns `status`. Pairs may stand inside each other, of which
// only the outermost counts; each function below is one by itself.
void vkmoe_stream_begin(vkmoe_stream *stream);
enum vkmoe_status vkmoe_stream_end(vkmoe_stream *stream, enum vkmoe_status status);

// Records one dispatch.
enum vkmoe_status vkmoe_stream_dispatch(vkmoe_stream *stream, const struct dispatch *dispatch);

// Makes writes of the dispatches before visible to those after (and to indirect reads).
enum vkmoe_status vkmoe_stream_barrier(vkmoe_stream *stream);

// The two together: a dispatch that sees what all before it wrote, or all before the one that it
// is beside.
static inline enum vkmoe_status stream_run(vkmoe_stream *stream, const struct dispatch *dispatch)
{
    const enum vkmoe_status status = dispatch->beside ? VKMOE_OK : vkmoe_stream_barrier(stream);
    return status == VKMOE_OK ? vkmoe_stream_dispatch(stream, dispatch) : status;
}

// Records that `size` bytes of `data`, which is read now, go to `offset` in the buffer; both are
// multiples of 4, and at most 65536 bytes are copied. Dispatches before see what was there,
// those after see the new bytes.
enum vkmoe_status vkmoe_stream_update(vkmoe_stream *stream, const vkmoe_buffer *buffer,
    uint64_t offset, const void *data, uint64_t size);

// Records that `size` bytes, a multiple of 4 as `offset` is, become copies of `value`; ordered as
// vkmoe_stream_update() is.
enum vkmoe_status vkmoe_stream_fill(vkmoe_stream *stream, const vkmoe_buffer *buffer,
    uint64_t offset, uint64_t size, uint32_t value);

// Scratch of at least `size` bytes, stable until the stream's work is done. In the
// own mode it grows (work already recorded keeps the old one alive); otherwise
// OUT_OF_MEMORY when it is too small. *out stays owned by the stream.
enum vkmoe_status vkmoe_stream_scratch(
    vkmoe_stream *stream, uint64_t size, const vkmoe_buffer **out);

// The same for one who has no use for the buffer itself.
static inline enum vkmoe_status stream_reserve_scratch(vkmoe_stream *stream, uint64_t size)
{
    const vkmoe_buffer *scratch;
    return vkmoe_stream_scratch(stream, size, &scratch);
}

// STREAM_COUNTERS u32 zeros for kernels that count finished workgroups and set them
// back to zero. One set per stream.
#define STREAM_COUNTERS 65536
uint64_t vkmoe_stream_counters(const vkmoe_stream *stream);

vkmoe_device *vkmoe_stream_device(const vkmoe_stream *stream); // NULL for NULL

// That the stream is of the same device as `what` it is to record.
enum vkmoe_status vkmoe_stream_check_device(const struct caller *caller, const vkmoe_stream *stream,
    const vkmoe_device *device, const char *what);

// At the head of a public function that records `object`: nothing is NULL, `params` is a whole
// struct `type`, and the struct caller `caller` is the function.
#define NEED_TO_RECORD(caller, stream, object, type, params) \
    const struct caller caller = { \
        device_log((object) ? (object)->device : vkmoe_stream_device(stream)), __func__ \
    }; \
    VKMOE_NEED((caller).log, stream, "stream"); \
    VKMOE_NEED((caller).log, object, #object); \
    VKMOE_NEED((caller).log, params, "params"); \
    PARAMS_WHOLE((caller).log, type, params)

// Dispatches recorded since creation, for tests and bench.
uint64_t vkmoe_stream_dispatch_count(const vkmoe_stream *stream);

// GPU time: vkmoe_stream_timestamp() records one (own mode; at most 64 between
// submits), _elapsed() gives the nanoseconds between two of the last finished
// submit, or a negative number if the queue has no timestamps.
enum vkmoe_status vkmoe_stream_timestamp(vkmoe_stream *stream, uint32_t index);
double vkmoe_stream_elapsed_ns(vkmoe_stream *stream, uint32_t from, uint32_t to);

// While on, timestamps 0 to n stand before, between and after the first n dispatches since
// a submit, at most 63, and vkmoe_stream_timestamp() must not be called (own mode).
void vkmoe_stream_profile(vkmoe_stream *stream, bool on);

// The kernel of the dispatch that began at timestamp `index`, of those recorded last;
// KERNEL_COUNT if there is none.
enum kernel vkmoe_stream_profiled(const vkmoe_stream *stream, uint32_t index);

#endif
