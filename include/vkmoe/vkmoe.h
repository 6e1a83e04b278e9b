// vkmoe.h - devices, buffers, streams and weights of vkmoe, a library that runs
// Mixture-of-Experts layers, and whole models made of them, on any GPU that speaks Vulkan.
//
// Six headers, each of which is the manual of what it declares:
//
//     vkmoe.h      this one: status, log, device, buffer, stream, weights in host memory
//     moe.h        one layer: router and experts, attention, the cache of keys and values
//     sparse.h     parts of attention in moe.h: latents, keys that are chosen (NSA, MoSA)
//     model.h      checkpoints in files, and a whole model on the device
//     tokenizer.h  text to tokens and back, as a model's files say
//     vulkan.h     for programs that have a Vulkan device of their own; needs Vulkan's headers
//
// moe.h includes this header and sparse.h, model.h includes moe.h, and tokenizer.h model.h.
//
// A program makes a device, objects that hold weights on it, and a stream. Functions that
// compute record their work into the stream, and vkmoe_stream_submit() has the device do it:
//
//     vkmoe_device_create()   vkmoe_moe_create()    vkmoe_stream_create()
//     vkmoe_buffer_upload()   vkmoe_moe_forward()   vkmoe_stream_submit()
//     vkmoe_stream_wait()     vkmoe_buffer_download()
//
// The rules below hold for all six headers.
//
// Units. Sizes are in bytes, counts in elements, times in nanoseconds. Arrays are row-major
// and written [rows][columns]; a matrix W that maps x to x Wt is [out][in], as checkpoints
// have it. An index is zero-based.
//
// Params. A struct that begins with struct_size is initialised with VKMOE_INIT(), its fields
// are set by name, and a field left zero takes its default. It is read during the call only,
// unless a field's comment says otherwise. Structs that a getter fills are initialised in
// the same way. See VKMOE_INIT() for what this is good for.
//
// Ownership. X_create() makes an object that X_destroy() frees; it sets *out to NULL when it
// fails. X_destroy() takes the address of the handle, sets the handle to NULL, and ignores
// both NULL and a NULL handle. An object must be destroyed before those it was made from,
// the device last.
//
// Errors. A function that can fail returns a status. The reason goes to the log callback as
// one line of level error, exactly one for each failure, which says what, where, and what was
// expected; only TIMEOUT is silent. The library never prints, aborts, exits, starts threads,
// or reads environment variables.
//
// NULL. A pointer that is NULL is INVALID unless a comment says what it means, and so is an
// enumerator without a meaning; the line goes to the log of any object that was given, if
// there is one. Functions without a status do nothing for NULL: a getter leaves its struct
// zeroed, the others return 0 or false.
//
// Threads. A function may be called from any thread, but not from two threads at once on the
// same object, except where a type's comment says "any thread". Objects of different devices
// are independent.
//
// Memory. Device memory comes from the driver in blocks of 4 to 64 MiB that buffers share; a
// buffer of 16 MiB or more has a block of its own. What X_device_size() returns is the sum
// over the object's buffers: for one in a shared block, its size rounded up to 256; for one
// with a block of its own, all that was asked of the driver, which includes up to 64 KiB of
// padding. Scratch memory belongs to streams and is not part of it.
#ifndef VKMOE_H
#define VKMOE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VKMOE_API __attribute__((visibility("default")))
#else
#define VKMOE_API
#endif

// ------------------------------------------------------------------------ version

// The version of this header. While MAJOR is 0, programs must be compiled anew when MINOR
// changes, which the name of the shared library enforces: 0.2.x is libvkmoe.so.0.2. Releases
// that differ in PATCH alone are compatible either way round; they may add functions, and
// fields at the end of structs that begin with struct_size.
#define VKMOE_VERSION_MAJOR 0
#define VKMOE_VERSION_MINOR 2
#define VKMOE_VERSION_PATCH 0

// One number that grows with every release: 0.2.0 is 200, 1.12.3 is 11203.
#define VKMOE_MAKE_VERSION(major, minor, patch) ((major)*10000 + (minor)*100 + (patch))
#define VKMOE_VERSION \
    VKMOE_MAKE_VERSION(VKMOE_VERSION_MAJOR, VKMOE_VERSION_MINOR, VKMOE_VERSION_PATCH)

// VKMOE_VERSION as the library was built, which may be another than the program's. Any thread.
VKMOE_API uint32_t vkmoe_version(void);

// The first entry of an initialiser for a struct that begins with struct_size:
//
//     struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params), .hidden = 2048 };
//
// It tells the library which fields the program knows, so that a program runs with libraries
// that are older or newer than the header it was compiled with:
//
// - A struct shorter than the library's lacks fields at its end; they take their defaults.
// - A longer one is accepted if what the library does not know is zero; otherwise the call is
//   INVALID, as the program asks for something that this library cannot do.
// - A getter writes no further than struct_size, and clears what lies beyond its own struct.
//   Filling params that would lose a field by that is UNSUPPORTED.
// - struct_size 0, as {0} leaves it, is INVALID, and so is less than version 0.2 had.
//
// Structs without struct_size do not change before the name of the shared library does. In an
// array of structs with it, the first one's counts for all.
//
// C++ has no designated initialisers before C++20. There, it is
//
//     vkmoe_moe_params params = {};
//     params.struct_size = sizeof params;
#define VKMOE_INIT(type) .struct_size = (uint32_t)sizeof(struct type)

// ------------------------------------------------------------------------- status

enum vkmoe_status {
    VKMOE_OK = 0,
    VKMOE_ERROR_INVALID,       // a rule of the headers was broken, or a file is malformed
    VKMOE_ERROR_UNSUPPORTED,   // a valid request that this device or version cannot serve
    VKMOE_ERROR_NOT_FOUND,     // no such device, file, tensor or block
    VKMOE_ERROR_OUT_OF_MEMORY, // nothing has changed; ask for less and retry
    VKMOE_ERROR_TIMEOUT,       // the work goes on; wait again
    VKMOE_ERROR_DEVICE_LOST,   // nothing but X_destroy() may follow
    VKMOE_ERROR_DRIVER,        // Vulkan returned an error that none of the above names
    VKMOE_ERROR_CANCELLED,     // a callback of the caller asked for it
};

// A short English name such as "out of memory"; never NULL. Any thread.
VKMOE_API const char *vkmoe_status_name(enum vkmoe_status status);

enum vkmoe_log_level { VKMOE_LOG_ERROR, VKMOE_LOG_WARNING, VKMOE_LOG_INFO, VKMOE_LOG_DEBUG };

// Where messages go. `write` gets one line without a newline, valid during the call: UTF-8, with a
// question mark for what else a file, a path or a driver has, control characters too. It may be
// called from any thread that is inside a vkmoe function, and must not call vkmoe. Objects
// made from a device or checkpoint use the log of the latter.
struct vkmoe_log {
    void (*write)(void *user, enum vkmoe_log_level level, const char *line); // NULL: discard all
    void *user;
    enum vkmoe_log_level level; // messages above it are not even formatted; zero: errors only
};

// How products are made on graphics cards with cooperative matrices, which multiply many rows, or
// with instructions for packed bytes. Bytes multiply few rows by weights in Q8_0, Q4_0, Q4_K and
// Q6_K; without matrices for such weights many rows as well, also in Q4_1, Q5_0, Q5_1, Q3_K, Q5_K
// and MXFP4. Sums are f32 or exact in either case, and elsewhere there is no difference.
enum vkmoe_precision {
    // As in f32: errors of a layer stay below 2e-5 of its outputs' rms; but with weights in Q4_K
    // and Q6_K, an infinity can make a NaN. Weights in any format but f32 are multiplied by the
    // matrices, all but f16 as sums of two, which cost three products; and none as bytes.
    VKMOE_PRECISION_EXACT,
    // What weights multiply is rounded to f16, rows or parts of them scaled into its range first,
    // and so are weights in all formats but f32, which must be below 65504, and are lost below
    // 6e-8. What is multiplied as bytes is rounded to integers of 16 bits, which share a scale with
    // those of the same 32 columns (Q8_0, and many rows), or of two such blocks or four (few rows),
    // and the weights are not rounded; an infinity makes a NaN. The rms of a layer's
    // errors stays below 1e-3 of its outputs', if weights have an rms of 1e-4 or more.
    // Where many tokens attend, queries, keys, values and what these count for are rounded too: a
    // score may be off by a thousandth of itself.
    VKMOE_PRECISION_FAST,
};

// ------------------------------------------------------------------------- device

typedef struct vkmoe_device vkmoe_device; // a Vulkan device with one compute queue; any thread

enum vkmoe_device_type {
    VKMOE_DEVICE_TYPE_OTHER,
    VKMOE_DEVICE_TYPE_INTEGRATED,
    VKMOE_DEVICE_TYPE_DISCRETE,
    VKMOE_DEVICE_TYPE_VIRTUAL,
    VKMOE_DEVICE_TYPE_CPU,
};

struct vkmoe_device_info {
    uint32_t struct_size; // VKMOE_INIT()
    char name[256];       // as the driver gives it
    char driver[256];     // driver name and version as text
    enum vkmoe_device_type type;
    uint32_t vendor_id, device_id;
    uint32_t api_version;        // as VK_MAKE_API_VERSION() packs it
    uint32_t driver_version;     // in the vendor's own encoding
    uint32_t subgroup_size;      // lanes of a subgroup as kernels run
    uint32_t shared_memory_size; // of a workgroup
    uint64_t memory_size;        // of the largest device-local heap
    bool usable;                 // vkmoe can run on it
    char reason[128];            // what is missing if it is not usable, else ""
    // Optional features: of a device in a list, or made by vkmoe_device_create(), those that the
    // hardware and its driver offer; of an adopted one, those that are enabled. Kernels use the
    // first two, and the last three together.
    bool int64;               // 64-bit integers in shaders: fewer instructions for addresses
    bool subgroup_arithmetic; // in compute shaders, with subgroups of a size that can be relied on
    bool f16_storage, f16_arithmetic, cooperative_matrix;
    // The sizes that subgroups may have; 0 before Vulkan 1.3.
    uint32_t min_subgroup_size, max_subgroup_size;
    // The cooperative matrices of f16 that kernels use for many rows: m x k by k x n. 0: they use
    // none, for want of a shape that they know or of a feature that they need as well.
    uint32_t matrix_m, matrix_n, matrix_k;
    // How long the driver has taken so far to make pipelines, which objects do at their first
    // forward of so many tokens; 0 in a list.
    uint64_t pipelines_ns;
};

struct vkmoe_device_params {
    uint32_t struct_size; // VKMOE_INIT()
    struct vkmoe_log log; // of the device and of all that is made from it
    // Which device. Digits alone are an index into vkmoe_device_list(), and never part of a
    // name: "2" is the third device, or NOT_FOUND. Text with a letter in it is part of a name,
    // upper or lower case; the best of the devices that match is taken. Anything else, such as
    // "" or "+1", matches nothing. NULL takes the best of all devices: discrete, integrated,
    // virtual, CPU, in this order, and of two alike the one with more memory.
    const char *select;
    bool validate; // enable VK_LAYER_KHRONOS_validation if present; its messages go to the log
    // PFN_vkGetInstanceProcAddr, cast to this type; NULL: the system's Vulkan loader, which is
    // opened at run time.
    void (*get_instance_proc_addr)(void);
    // What vkmoe_device_get_cache() returned earlier. Anything else, and data of another device
    // or driver, is ignored.
    const void *cache;
    size_t cache_size;
    const char *application; // what drivers and tools may call the program; NULL: nothing
    // The driver is known to compute right, or it does not matter: forms of kernels are taken
    // without the test that vkmoe_moe_create() (moe.h) describes.
    bool no_self_test;
};

// Lists the Vulkan devices of this machine, usable or not. On input *count is the room in
// `infos`, on return the number of devices that there are. `infos` may be NULL if *count is 0,
// `log` if nobody listens. NOT_FOUND if there is no Vulkan loader. Any thread.
VKMOE_API enum vkmoe_status vkmoe_device_list(
    const struct vkmoe_log *log, struct vkmoe_device_info *infos, uint32_t *count);

// Makes a Vulkan instance and device of the library's own. NOT_FOUND if nothing matches
// `select`, UNSUPPORTED if what matches lacks a feature that is required: Vulkan 1.3 with
// bufferDeviceAddress, timelineSemaphore and synchronization2. For a device that the program
// has already, see vkmoe_device_adopt() in vulkan.h.
VKMOE_API enum vkmoe_status vkmoe_device_create(
    const struct vkmoe_device_params *params, vkmoe_device **out);

// All objects made from the device must have been destroyed.
VKMOE_API void vkmoe_device_destroy(vkmoe_device **device);

VKMOE_API void vkmoe_device_get_info(const vkmoe_device *device, struct vkmoe_device_info *info);

// Copies the pipelines compiled so far, for a later vkmoe_device_params.cache, which saves
// seconds at the next start. On input *size is the room in `data`, on return the size needed;
// `data` NULL asks for it. INVALID, with nothing written, if the room is too small.
VKMOE_API enum vkmoe_status vkmoe_device_get_cache(vkmoe_device *device, void *data, size_t *size);

// The tuning of a device: how kernels cut their work, and which of their forms are taken, as
// vkmoe_device_tune() (moe.h) found it by measuring. It is text, of at most 16 KiB and without a
// terminating zero, that a program keeps and hands over at its next start.
//
// vkmoe_device_set_tuning() has it count for all objects that are made from the device later, in
// the place of what counted before. Text that is malformed, or was measured with another device,
// driver or version of the library, is ignored: OK, with one line of level warning. It is to be
// called before anything else is made from the device, and not while another thread uses it.
VKMOE_API enum vkmoe_status vkmoe_device_set_tuning(
    vkmoe_device *device, const char *text, size_t size);

// Copies what counts. On input *size is the room in `text`, on return the size needed; `text`
// NULL asks for it. INVALID, with nothing written, if the room is too small.
VKMOE_API enum vkmoe_status vkmoe_device_get_tuning(
    const vkmoe_device *device, char *text, size_t *size);

// ------------------------------------------------------------------------- buffer

typedef struct vkmoe_buffer vkmoe_buffer; // device memory

// Uninitialised device memory of `size` bytes, at least 1, aligned to 256. OUT_OF_MEMORY if
// the device has no room.
VKMOE_API enum vkmoe_status vkmoe_buffer_create(
    vkmoe_device *device, uint64_t size, vkmoe_buffer **out);

// The device must have finished all work that uses the buffer.
VKMOE_API void vkmoe_buffer_destroy(vkmoe_buffer **buffer);

VKMOE_API uint64_t vkmoe_buffer_size(const vkmoe_buffer *buffer);

// Copy `size` bytes from or to host memory, and return when that is done; `data` may be NULL if
// `size` is 0. They do not wait for streams: wait for those that use the range first. INVALID
// if the range is not inside the buffer, or if the buffer is memory of the caller's
// (vkmoe_buffer_wrap() in vulkan.h).
VKMOE_API enum vkmoe_status vkmoe_buffer_upload(
    vkmoe_buffer *buffer, uint64_t offset, const void *data, uint64_t size);
VKMOE_API enum vkmoe_status vkmoe_buffer_download(
    const vkmoe_buffer *buffer, uint64_t offset, void *data, uint64_t size);

// An array inside a buffer; its length follows from the call it is given to. An optional one
// is absent if `buffer` is NULL.
struct vkmoe_span {
    const vkmoe_buffer *buffer;
    uint64_t offset; // where it begins, a multiple of 4
};

// ------------------------------------------------------------------------- stream

// Work that is recorded and then executed in order, with the scratch memory that it needs.
// Streams of one device run independently of each other.
//
// A function that records (vkmoe_moe_forward(), vkmoe_attention_forward(), _store(),
// vkmoe_model_forward(), _encode()) records all of its work or, when it fails, none: the
// stream is then as it was before. Recorded work waits for vkmoe_stream_submit(). Everything
// that it uses must stay alive until the stream has finished it.
typedef struct vkmoe_stream vkmoe_stream;

VKMOE_API enum vkmoe_status vkmoe_stream_create(vkmoe_device *device, vkmoe_stream **out);

// Waits for submitted work first. It cannot wait for what was recorded into a command buffer
// of the caller's (vulkan.h): the caller must have done so.
VKMOE_API void vkmoe_stream_destroy(vkmoe_stream **stream);

// Makes room for `scratch_size` bytes, see vkmoe_moe_scratch_size() and its kin, so that
// recording allocates no device memory. A stream grows by itself, except while it records into
// a command buffer of the caller's, when this function is INVALID. Waits for submitted work;
// command buffers of the caller's that were recorded before must not run again, as their
// scratch may be gone.
VKMOE_API enum vkmoe_status vkmoe_stream_reserve(vkmoe_stream *stream, uint64_t scratch_size);

struct vkmoe_semaphore; // a timeline semaphore and its value, in vulkan.h

struct vkmoe_submit_params {
    uint32_t struct_size; // VKMOE_INIT()
    const struct vkmoe_semaphore *waits, *signals;
    uint32_t wait_count, signal_count;
};

// Hands what was recorded to the device and returns at once. `params` may be NULL: no
// semaphores. If nothing was recorded, waits and signals still happen. When it fails, for
// whatever reason, nothing was handed over and all that was recorded is kept: more may be
// recorded, and calling it again is the retry, which cannot succeed after DEVICE_LOST.
VKMOE_API enum vkmoe_status vkmoe_stream_submit(
    vkmoe_stream *stream, const struct vkmoe_submit_params *params);

// Hands what the last vkmoe_stream_submit() handed over to the device once more, without
// recording it again, and returns at once. As the work never runs twice at the same time, it
// waits until the earlier run is done. Counts and addresses are those that were recorded, the
// contents of buffers are read anew.
//
// INVALID if that submit handed over nothing, if anything was recorded since, or while the
// stream records into a command buffer of the caller's. A forward that failed, and work that
// went into a command buffer of the caller's, do not count as recorded. All that the work uses
// must still be there; its scratch is kept, even if vkmoe_stream_reserve() was called since.
// When it fails it can be called again. It allocates nothing, unless `params` lists more
// semaphores than any submit before.
VKMOE_API enum vkmoe_status vkmoe_stream_repeat(
    vkmoe_stream *stream, const struct vkmoe_submit_params *params);

// Returns when everything submitted is done, or TIMEOUT after `timeout_ns`; UINT64_MAX waits
// for as long as it takes.
VKMOE_API enum vkmoe_status vkmoe_stream_wait(vkmoe_stream *stream, uint64_t timeout_ns);

// ------------------------------------------------------------------------ weights

// What the elements of a matrix are stored as. Formats with blocks are those of GGUF files.
enum vkmoe_dtype {
    VKMOE_DTYPE_F32,
    VKMOE_DTYPE_F16,
    VKMOE_DTYPE_BF16,
    VKMOE_DTYPE_Q8_0, // blocks of 32: an f16 scale, then 32 signed bytes; 34 bytes
    // Likewise, with fewer bits an element; a matrix of them is multiplied as it is stored, in f32.
    VKMOE_DTYPE_Q4_0,   // of 32, 18 bytes
    VKMOE_DTYPE_Q4_K,   // of 256, 144 bytes
    VKMOE_DTYPE_Q6_K,   // of 256, 210 bytes
    VKMOE_DTYPE_Q5_K,   // of 256, 176 bytes
    VKMOE_DTYPE_Q5_0,   // of 32, 22 bytes
    VKMOE_DTYPE_Q4_1,   // of 32, 20 bytes
    VKMOE_DTYPE_Q5_1,   // of 32, 24 bytes
    VKMOE_DTYPE_Q2_K,   // of 256, 84 bytes
    VKMOE_DTYPE_Q3_K,   // of 256, 110 bytes
    VKMOE_DTYPE_MXFP4,  // of 32, 17 bytes: a power of two, then floats of 4 bits
    VKMOE_DTYPE_IQ4_NL, // of 32, 18 bytes
    VKMOE_DTYPE_IQ4_XS, // of 256, 136 bytes
    VKMOE_DTYPE_NVFP4,  // of 64, 36 bytes, without the factor that a whole tensor may have
    // What folders have in several tensors each, with scales in f32.
    VKMOE_DTYPE_E4M3,         // of 128, 132 bytes: the scale, then floats of 8 bits
    VKMOE_DTYPE_INT4_32,      // of 32, 21 bytes: the scale, a zero of 8 bits, nibbles as in q4_0
    VKMOE_DTYPE_INT4_128,     // of 128, 69 bytes: likewise, 32 elements in each 16 bytes
    VKMOE_DTYPE_INT8,         // of 32, 38 bytes: the scale, a zero of 16 bits, unsigned bytes
    VKMOE_DTYPE_NVFP4_SCALED, // of 64, 40 bytes: a factor, then as NVFP4
    // GGUF's with code books, from which an index takes the magnitudes of several elements at once.
    VKMOE_DTYPE_IQ3_S,   // 256 in 110 bytes
    VKMOE_DTYPE_IQ2_XS,  // 256 in 74 bytes
    VKMOE_DTYPE_IQ3_XXS, // 256 in 98 bytes
    VKMOE_DTYPE_IQ2_XXS, // 256 in 66 bytes
    VKMOE_DTYPE_IQ2_S,   // 256 in 82 bytes
    VKMOE_DTYPE_IQ1_S,   // 256 in 50 bytes
    VKMOE_DTYPE_IQ1_M,   // 256 in 56 bytes
    // GGUF's for weights of three values, -1, 0 and 1 times a scale.
    VKMOE_DTYPE_TQ2_0, // of 256, 66 bytes
    VKMOE_DTYPE_TQ1_0, // of 256, 54 bytes
    // As E4M3, with floats of 8 bits that have 2 for the mantissa, infinities and NaNs.
    VKMOE_DTYPE_E5M2,
};

struct vkmoe_file; // of an open checkpoint

// A matrix in host memory. Element (row, column) is at
//
//     data[row * row_stride + column * column_stride]
//
// with strides in elements. Both strides zero: dense, that is column_stride 1 and row_stride
// the number of columns. A vector is a matrix of one row. `data` NULL: absent. No alignment is
// needed.
//
// Formats that store elements in blocks do so along rows: a row is whole blocks, column_stride is
// 1, and row_stride is a multiple of a block's elements. `data` is where a block begins. With a
// row_stride that covers them, a row's last block may have more elements than there are columns;
// these are zeros.
//
// The views of a checkpoint (model.h) have a `file`, and their `data` is an address inside its
// mapping. The library does not read there but from the file itself, so that a file which was
// cut short is an error, INVALID with a line that names it. A program may read `data` as well,
// but gets a signal (SIGBUS) in that case. It may move `data` and set strides as with any view,
// as long as what they reach lies in the same file. Of a matrix that a folder keeps in several
// tensors, values here and scales there, the library makes the blocks while it reads them: `data`
// is then an address that nothing is at. If such a matrix has its columns in an order of its own
// (GPTQ's desc_act), a view has all of them, or is refused as UNSUPPORTED.
struct vkmoe_view {
    const void *data;
    enum vkmoe_dtype dtype;
    int64_t row_stride, column_stride;
    const struct vkmoe_file *file; // NULL: `data` is memory of the caller's
};

#ifdef __cplusplus
}
#endif
#endif
