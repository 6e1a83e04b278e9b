// vkmoe.h - Mixture-of-Experts layers on any GPU that speaks Vulkan.
//
//     y[t] = sum over the k experts e chosen for token t of weight[t][e] * expert_e(x[t])
//
// The choice is a gate, TopK(softmax(x * W)); the experts are feed-forward networks.
// Everything between x and y runs on the device, nothing is read back.
//
// Conventions, said once:
//
// - Sizes are in bytes, counts in elements, times in nanoseconds. Arrays are
//   row-major, written [rows][columns]; a matrix that maps x to x * Wt is [out][in].
// - A params struct is read during the call only, unless a field says otherwise,
//   and a field left zero takes its default. Initialise with VKMOE_INIT() and set by name;
//   so, too, what a getter is to fill.
// - X_create() sets *out to NULL when it fails. X_destroy() takes the address of
//   the handle, sets it to NULL, and ignores NULL and a NULL handle.
// - Errors are a return value; the reason goes to the log callback as one line of
//   level error, no less and no more, that says what, where, and what was expected.
//   Only TIMEOUT says nothing. The library never prints, aborts, exits, starts threads,
//   or reads environment variables.
// - An argument or array that is NULL is INVALID, unless a comment says what it means, and so
//   is an enum without a meaning; of the objects given, one's log gets the line, if there is
//   one. Functions without a status do nothing for NULL: a getter leaves *info zeroed,
//   others return 0 or false.
// - Device memory comes from the driver in blocks of 4 to 64 MiB that buffers share, or, from
//   16 MiB on, in one for the buffer alone. What X_size() says an object takes is the sum
//   over its buffers: of one in a shared block, its size rounded up to 256; of one that is
//   alone, all that the driver was asked for, 64 KiB of padding included. Scratch
//   belongs to streams and is not among it.
// - Threads: a function may be called from any thread, but not from two threads at
//   once on the same object, except where a type's comment says "any thread".
//   Objects of different devices are independent.
#ifndef VKMOE_H
#define VKMOE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32) && defined(VKMOE_BUILD_SHARED)
#define VKMOE_API __declspec(dllexport)
#elif defined(__GNUC__)
#define VKMOE_API __attribute__((visibility("default")))
#else
#define VKMOE_API
#endif

#define VKMOE_VERSION_MAJOR 0
#define VKMOE_VERSION_MINOR 1

// The first entry of an initialiser for a struct that begins with struct_size, which is how
// the library knows the fields that a program was built with:
//
//     struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params), .hidden = 2048 };
//
// In C++ before C++20, which cannot set fields by name, assign them afterwards.
#if defined(__cplusplus) && __cplusplus < 202002L
#define VKMOE_INIT(type) ((uint32_t)sizeof(struct type))
#else
#define VKMOE_INIT(type) .struct_size = (uint32_t)sizeof(struct type)
#endif

enum vkmoe_status {
    VKMOE_OK = 0,
    VKMOE_ERROR_INVALID,     // a rule below was broken, or a file is malformed; the log says which
    VKMOE_ERROR_UNSUPPORTED, // a valid request that this device or version cannot serve
    VKMOE_ERROR_NOT_FOUND,   // no such device, file, tensor or layer
    VKMOE_ERROR_OUT_OF_MEMORY, // nothing changed; ask for less and retry
    VKMOE_ERROR_TIMEOUT,       // the work goes on; wait again
    VKMOE_ERROR_DEVICE_LOST,   // only *_destroy() may follow
    VKMOE_ERROR_DRIVER,        // Vulkan returned an error that none of the above names
    VKMOE_ERROR_CANCELLED,     // a callback of the caller said so
};

// A short English name such as "out of memory"; never NULL.
VKMOE_API const char *vkmoe_status_name(enum vkmoe_status status);

// ---------------------------------------------------------------------------- log

enum vkmoe_log_level { VKMOE_LOG_ERROR, VKMOE_LOG_WARNING, VKMOE_LOG_INFO, VKMOE_LOG_DEBUG };

// Where messages go. `write` gets one line without a newline; it may be called
// from any thread that is inside a vkmoe function, and must not call vkmoe.
// A NULL `write` discards everything.
struct vkmoe_log {
    void (*write)(void *user, enum vkmoe_log_level level, const char *line);
    void *user;
    enum vkmoe_log_level level; // messages above it are not formatted; zero: errors only
};

// ------------------------------------------------------------------------- device

// Vulkan's dispatchable handles, declared as its own headers declare them, so
// that this header needs none of them.
typedef struct VkInstance_T *VkInstance;
typedef struct VkPhysicalDevice_T *VkPhysicalDevice;
typedef struct VkDevice_T *VkDevice;
typedef struct VkQueue_T *VkQueue;
typedef struct VkCommandBuffer_T *VkCommandBuffer;

typedef struct vkmoe_device vkmoe_device; // any thread

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
    char driver[256];     // driver name and version text
    enum vkmoe_device_type type;
    uint32_t vendor_id, device_id;
    uint32_t api_version;    // VK_MAKE_API_VERSION form
    uint32_t driver_version; // the vendor's own encoding
    uint32_t subgroup_size;
    uint32_t shared_memory_size;
    uint64_t memory_size; // largest device-local heap
    bool usable;          // vkmoe can run on it
    char reason[128];     // what is missing when it is not usable, else ""
    // Optional features that the device offers and, if it was adopted, that are enabled.
    // Kernels use the first two; no kernel of this version uses the others.
    bool int64, subgroup_arithmetic;
    bool f16_storage, f16_arithmetic, cooperative_matrix;
};

struct vkmoe_device_params {
    uint32_t struct_size; // VKMOE_INIT()
    struct vkmoe_log log;
    // Which device. Digits alone are the index that vkmoe_device_list() gives it, and
    // nothing else, whatever the names are: "2" is the third device, or none. Anything with
    // a letter is part of a name (case is ignored); the best of those that match is taken.
    // The rest, such as "" or "+1", matches nothing. NULL takes the best of all: discrete,
    // integrated, virtual, CPU, in this order; the one with more memory between equals.
    const char *select;
    bool validate; // enable VK_LAYER_KHRONOS_validation if present; its messages go to the log
    void *get_instance_proc_addr; // PFN_vkGetInstanceProcAddr; NULL: the system's loader
    // Data that vkmoe_device_get_cache() returned earlier; anything else, or data
    // of another device or driver, is ignored. Read during the call only.
    const void *cache;
    size_t cache_size;
};

// Lists the Vulkan devices of this machine, usable or not. On input *count is the
// room in `infos`, on return the number of devices there are. `infos` may be NULL
// if *count is 0. NOT_FOUND if there is no Vulkan loader.
VKMOE_API enum vkmoe_status vkmoe_device_list(
    const struct vkmoe_log *log, struct vkmoe_device_info *infos, uint32_t *count);

// Makes an instance and a device of the library's own. NOT_FOUND when nothing
// matches `select`, UNSUPPORTED when what matches lacks a required feature.
VKMOE_API enum vkmoe_status vkmoe_device_create(
    const struct vkmoe_device_params *params, vkmoe_device **out);

// A device that the caller made and keeps, in an instance whose apiVersion is at least
// Vulkan 1.3. It needs the features bufferDeviceAddress, timelineSemaphore and
// synchronization2: UNSUPPORTED names the one that is not enabled. Of the optional ones
// (shaderInt64, subgroupSizeControl, computeFullSubgroups and more) every one that is enabled
// is used where it helps, and no other. The handles must outlive the vkmoe_device.
struct vkmoe_adopt_params {
    uint32_t struct_size; // VKMOE_INIT()
    struct vkmoe_log log;
    void *get_instance_proc_addr; // PFN_vkGetInstanceProcAddr; NULL: the system's loader
    VkInstance instance;
    VkPhysicalDevice physical_device;
    VkDevice device;
    VkQueue queue; // must support compute
    uint32_t queue_family;
    // What is enabled: a VkPhysicalDeviceFeatures2 with its pNext chain, as vkCreateDevice got
    // it (pEnabledFeatures belong into the former), and the device extensions. A feature may
    // stand in its own struct or in its version's; structs that are not known are ignored.
    // INVALID if the physical device lacks one. Read during the call only.
    const void *features;
    const char *const *extensions;
    uint32_t extension_count;
    // Called around every use of `queue`, if the caller shares it. Both or none.
    void (*lock_queue)(void *user);
    void (*unlock_queue)(void *user);
    void *queue_user;
    const void *cache; // as in vkmoe_device_params
    size_t cache_size;
};
VKMOE_API enum vkmoe_status vkmoe_device_adopt(
    const struct vkmoe_adopt_params *params, vkmoe_device **out);

// Every object made from the device must have been destroyed before.
VKMOE_API void vkmoe_device_destroy(vkmoe_device **device);

VKMOE_API void vkmoe_device_get_info(const vkmoe_device *device, struct vkmoe_device_info *info);

// Copies the compiled pipelines for a later vkmoe_device_params.cache. On input
// *size is the room in `data`, on return the size needed; `data` NULL asks for it.
// INVALID, with nothing written, if the room is too small.
VKMOE_API enum vkmoe_status vkmoe_device_get_cache(vkmoe_device *device, void *data, size_t *size);

// ------------------------------------------------------------------------- buffer

typedef struct vkmoe_buffer vkmoe_buffer; // device memory

// Uninitialised device memory of `size` bytes, at least 1, aligned to 256.
// OUT_OF_MEMORY if the device has no room.
VKMOE_API enum vkmoe_status vkmoe_buffer_create(
    vkmoe_device *device, uint64_t size, vkmoe_buffer **out);

// A range of the caller's memory: `address` from vkGetBufferDeviceAddress, a
// multiple of 4. vkmoe_buffer_upload() and _download() refuse such a buffer.
VKMOE_API enum vkmoe_status vkmoe_buffer_wrap(
    vkmoe_device *device, uint64_t address, uint64_t size, vkmoe_buffer **out);

// The device must not be using the buffer any more.
VKMOE_API void vkmoe_buffer_destroy(vkmoe_buffer **buffer);

VKMOE_API uint64_t vkmoe_buffer_size(const vkmoe_buffer *buffer);
VKMOE_API uint64_t vkmoe_buffer_address(const vkmoe_buffer *buffer);

// Copies `size` bytes from or to host memory and returns when that is done. They
// do not wait for streams: wait for those that use the range first. INVALID if
// the range does not lie in the buffer.
VKMOE_API enum vkmoe_status vkmoe_buffer_upload(
    vkmoe_buffer *buffer, uint64_t offset, const void *data, uint64_t size);
VKMOE_API enum vkmoe_status vkmoe_buffer_download(
    const vkmoe_buffer *buffer, uint64_t offset, void *data, uint64_t size);

// An array inside a buffer, from `offset` (a multiple of 4) on.
struct vkmoe_span {
    const vkmoe_buffer *buffer;
    uint64_t offset;
};

// ------------------------------------------------------------------------- stream

typedef struct vkmoe_stream vkmoe_stream; // work recorded and executed in order

// A stream records either into a command buffer of its own, which
// vkmoe_stream_submit() hands to the device, or, between
// vkmoe_stream_record_into() and vkmoe_stream_record_into(NULL), into the
// caller's. It owns the scratch memory that its work needs. A function that records
// (vkmoe_moe_forward(), vkmoe_attention_forward(), _store(), vkmoe_model_forward(),
// _encode()) records all of its work or, when it fails, nothing: the stream, and the
// caller's command buffer, are as they were before.
VKMOE_API enum vkmoe_status vkmoe_stream_create(vkmoe_device *device, vkmoe_stream **out);

// Waits for submitted work first. For work recorded into a caller's command
// buffer it cannot: the caller must have waited.
VKMOE_API void vkmoe_stream_destroy(vkmoe_stream **stream);

// Makes room for `scratch_size` bytes (see vkmoe_moe_scratch_size()), so that
// recording allocates no device memory. A stream with its own command buffer grows by
// itself; one that records into the caller's must be prepared. INVALID while a
// caller's command buffer is set. Waits for submitted work; those of the caller that
// were recorded before must not run any more, as their scratch may go.
VKMOE_API enum vkmoe_status vkmoe_stream_reserve(vkmoe_stream *stream, uint64_t scratch_size);

// From now on record into `commands`, which is in the recording state, outside a
// render pass, and of the adopted device; NULL returns to the stream's own. The
// stream neither submits, waits nor allocates device memory in between; pipelines are
// compiled, and host memory is taken, by a forward that is the first of its kind. Each
// function that records puts its commands into `commands` just before it returns
// success. Recorded work starts
// with a barrier that makes all earlier writes visible to it, and ends with one
// that makes its writes visible to all later commands. Command buffers of one
// stream share its scratch: the device must execute them in order. INVALID if
// unsubmitted work is pending.
VKMOE_API enum vkmoe_status vkmoe_stream_record_into(
    vkmoe_stream *stream, VkCommandBuffer commands);

// A timeline semaphore (VkSemaphore, cast) and the value to wait for or to set.
struct vkmoe_semaphore {
    uint64_t semaphore;
    uint64_t value;
};
struct vkmoe_submit_params {
    uint32_t struct_size; // VKMOE_INIT()
    const struct vkmoe_semaphore *waits, *signals;
    uint32_t wait_count, signal_count;
};

// Hands what was recorded to the device and returns at once. `params` may be
// NULL. Nothing recorded is fine: waits and signals still happen. When it fails, whatever
// the reason, nothing was handed over and all that was recorded is kept: calling it again
// is the retry, more may be recorded before. After DEVICE_LOST no retry succeeds.
VKMOE_API enum vkmoe_status vkmoe_stream_submit(
    vkmoe_stream *stream, const struct vkmoe_submit_params *params);

// Hands what the last vkmoe_stream_submit() handed over to the device once more, without
// recording it again. Waits first until that is done, as it never runs twice at once, and
// then returns at once. Counts and addresses stay as they were recorded, what the buffers
// hold is read anew; all that the work uses must still be there, and its scratch is,
// whatever vkmoe_stream_reserve() did. INVALID if that submit handed over nothing, if
// anything was recorded since but into a caller's command buffer, or while one is set; a
// forward that failed recorded nothing. When it fails it can be called again.
// Allocates nothing, unless `params` lists more semaphores than any before.
VKMOE_API enum vkmoe_status vkmoe_stream_repeat(
    vkmoe_stream *stream, const struct vkmoe_submit_params *params);

// Returns when everything submitted is done, or TIMEOUT after `timeout_ns`;
// UINT64_MAX waits as long as it takes.
VKMOE_API enum vkmoe_status vkmoe_stream_wait(vkmoe_stream *stream, uint64_t timeout_ns);

// ------------------------------------------------------------------------ weights

enum vkmoe_dtype { VKMOE_DTYPE_F32, VKMOE_DTYPE_F16, VKMOE_DTYPE_BF16 };

struct vkmoe_file; // of an open model

// A matrix in host memory, element (row, column) at
// data[row * row_stride + column * column_stride], strides in elements. Zero
// strides mean dense: column_stride 1, row_stride = number of columns. A vector
// is a matrix of one row. `data` NULL: absent. It need not be aligned.
//
// A model's views have a `file`, and their `data` is an address in its mapping. The library
// never reads there, but from the file, so that one that was cut short is an error: INVALID,
// and a line that says so. A caller who reads `data`, which is allowed, gets a signal
// (SIGBUS) instead. `data` may be moved, and strides set, as of any view; what they reach must
// lie in the same file.
struct vkmoe_view {
    const void *data;
    enum vkmoe_dtype dtype;
    int64_t row_stride, column_stride;
    const struct vkmoe_file *file; // NULL: `data` is memory of the caller
};

enum vkmoe_score { // s from logits l
    VKMOE_SCORE_SOFTMAX,
    VKMOE_SCORE_SIGMOID,
    VKMOE_SCORE_SQRT_SOFTPLUS,
    VKMOE_SCORE_IDENTITY,
};
enum vkmoe_select {                 // I from s
    VKMOE_SELECT_TOP_K,             // the k largest; the lower index wins ties
    VKMOE_SELECT_SPARSEMIXER,       // Phi-3.5: see router_params.sparsemixer_threshold
    VKMOE_SELECT_SUPPLIED,          // moe_forward_params.ids, weighed by the router's scores
    VKMOE_SELECT_SUPPLIED_WEIGHTED, // moe_forward_params.ids and .weights; there is no router
};
enum vkmoe_weigh {       // w from s and l at I
    VKMOE_WEIGH_SCORE,   // s[I]
    VKMOE_WEIGH_SOFTMAX, // softmax over the chosen logits l[I]
    VKMOE_WEIGH_SIGMOID, // sigmoid(l[I])
};
enum vkmoe_group_score { VKMOE_GROUP_SCORE_MAX, VKMOE_GROUP_SCORE_SUM_TOP_2 };
enum vkmoe_group_mode {         // what becomes of the groups
    VKMOE_GROUP_MODE_MASK,      // the best stay, the others' z become -inf
    VKMOE_GROUP_MODE_MASK_ZERO, // the best stay, the others' z become 0.0 (DeepSeek-V2)
    // Of each group the k / count best are chosen and none is masked, whatever `kept` and
    // `score` say; slots are in the groups' order (SwitchHead, arXiv 2312.07987: groups are
    // heads). groups.count, at least 1, divides experts and k. A group's weights must not
    // depend on the others': no softmax and no renormalising; nor is there sparsemixer,
    // supplied ids, capacity or `always`.
    VKMOE_GROUP_MODE_EACH,
};
enum vkmoe_renormalize_mode {
    VKMOE_RENORMALIZE_NONE,
    VKMOE_RENORMALIZE_SUM, // w / (sum w + epsilon)
    VKMOE_RENORMALIZE_MAX, // w / max(sum w, epsilon)
};

// The gate, in the order it computes (DeepSeek-V3, arXiv 2412.19437, is the
// richest user; every other model is this with parts left out):
//
//   l = r Wt + bias;  l = c tanh(l / c) if soft_cap c      r: x, or RMS-normalised x
//   s = score(l)
//   z = s + correction_bias, then groups: the groups.kept best of groups.count
//       equal runs of experts stay, as groups.mode says
//   I = select(z)
//   w = weigh(s, l, I);  renormalised as renormalize.mode says
//   w = w * scale * expert_scale[I]
//
// With `always` (MoH, arXiv 2410.11842) the first `always` experts are every token's, in the
// slots 0 .. always - 1, and all of the above but l is about the other experts, of which
// k - always are chosen. The weights of the first come from their own logits alone:
//
//   w = always * softmax(l[0 .. always - 1]) * expert_scale
//
// With `levels` these weights are multiplied by 2 softmax(r levelst)[0] besides, and those
// of the other chosen experts by 2 softmax(r levelst)[1]. MoH itself renormalises the latter
// and has a `scale` of k - always.
struct vkmoe_router_params {
    enum vkmoe_score score;
    enum vkmoe_select select;
    enum vkmoe_weigh weigh;
    struct {
        uint32_t count, kept; // 0 or 1: no groups
        enum vkmoe_group_score score;
        enum vkmoe_group_mode mode;
    } groups;
    struct {
        enum vkmoe_renormalize_mode mode;
        float epsilon;
    } renormalize;
    float scale;                 // 0: 1
    float soft_cap;              // 0: none
    float sparsemixer_threshold; // 2 * router_jitter_noise; 0.02 for Phi-3.5
    bool rms_norm;               // r = x / sqrt(mean(x^2) + rms_epsilon)
    float rms_epsilon;
    struct vkmoe_view weight;          // [experts][router_hidden], see moe_params
    struct vkmoe_view input_scale;     // [router_hidden], multiplies r (Gemma-4); absent: 1
    struct vkmoe_view bias;            // [experts] added to l
    struct vkmoe_view correction_bias; // [experts] for the selection only
    struct vkmoe_view expert_scale;    // [experts]
    // Not with groups, sparsemixer, supplied ids or capacity.
    uint32_t always;          // below k
    struct vkmoe_view levels; // [2][router_hidden], only with `always`
    // Switch Transformer, arXiv 2101.03961, 2.2: an expert takes at most `capacity`
    // tokens of a sequence, in token order; the rest are dropped and contribute 0.
    // With k > 1 all first choices queue before all second ones (GShard). 0: no limit.
    uint32_t capacity;
};

enum vkmoe_activation {          // g: gate, u: up; ungated experts compute act(u)
    VKMOE_ACTIVATION_SILU,       // silu(g) u
    VKMOE_ACTIVATION_GELU_TANH,  // gelu(g) u, tanh form
    VKMOE_ACTIVATION_GELU_ERF,   // gelu(g) u, erf form
    VKMOE_ACTIVATION_RELU,       // max(g, 0) u
    VKMOE_ACTIVATION_RELU2,      // max(g, 0)^2 u
    VKMOE_ACTIVATION_IDENTITY,   // g u
    VKMOE_ACTIVATION_SWIGLU_OAI, // gpt-oss: g = min(g, limit), u = clamp(u, -limit, limit): (u + 1)
                                 // g sigmoid(alpha g)
    VKMOE_ACTIVATION_SILU_CLAMP, // DeepSeek-V4: g = min(g, limit), u = clamp(u, -limit, limit):
                                 // silu(g) u
    VKMOE_ACTIVATION_SWIGLU_STEP, // Step-3.5: min(silu(g), limit) clamp(u, -limit, limit)
};

// Experts: h = act(x gate[e]t + gate_bias[e], x up[e]t + up_bias[e]),
//          o = h down[e]t + down_bias[e].
struct vkmoe_moe_params {
    uint32_t struct_size;       // VKMOE_INIT()
    uint32_t hidden, inner;     // widths of x and of h; 1 to 65536
    uint32_t experts;           // 1 to 1024
    uint32_t experts_per_token; // k, 1 to experts
    struct vkmoe_router_params router;
    // Width of what the gate sees, 1 to 65536; 0: hidden. Another than hidden needs a router,
    // moe_forward_params.router_x, and no shared.token_gate.
    uint32_t router_hidden;
    enum vkmoe_activation activation;
    float activation_alpha; // SWIGLU_OAI; 0: 1.702
    float activation_limit; // SWIGLU_OAI, SWIGLU_STEP 0: 7; SILU_CLAMP 0: 10
    bool weight_on_input;   // o = expert(w x) instead of w expert(x) (Llama 4)
    // Arrays of `experts` views. Gate and up, shared ones included, have one dtype; down and
    // shared_down have one, which may be another.
    const struct vkmoe_view *gate;        // [inner][hidden]; NULL: ungated experts
    const struct vkmoe_view *up;          // [inner][hidden]
    const struct vkmoe_view *down;        // [hidden][inner]
    struct vkmoe_view gate_bias, up_bias; // [experts][inner]
    struct vkmoe_view down_bias;          // [experts][hidden]
    struct vkmoe_view output_bias;        // [hidden], added to y once
    // One expert that every token takes, of its own width, added to y; its weight
    // is 1, or sigmoid(x shared.token_gate).
    struct {
        uint32_t inner;               // 0: none
        struct vkmoe_view gate, up;   // [inner][hidden]; gate absent: ungated
        struct vkmoe_view down;       // [hidden][inner]
        struct vkmoe_view token_gate; // [hidden]
    } shared;
};

// -------------------------------------------------------------------------- layer

typedef struct vkmoe_moe vkmoe_moe; // router and experts on the device; any thread

// Copies the weights to the device, in the dtype they have; the views are not
// needed afterwards. INVALID names the field that breaks a rule above. OUT_OF_MEMORY
// before any of them is read, if the device has no room for all: the line says how much
// is needed and how much is free. UNSUPPORTED, likewise, for a matrix that no buffer of
// the device can hold, with its name.
//
// Free is what the driver's VK_EXT_memory_budget says, else what the library has not taken of
// the heaps; on a CPU what the machine, control groups and the limit of address space leave.
VKMOE_API enum vkmoe_status vkmoe_moe_create(
    vkmoe_device *device, const struct vkmoe_moe_params *params, vkmoe_moe **out);

VKMOE_API void vkmoe_moe_destroy(vkmoe_moe **moe);

// Device memory that the layer's weights take.
VKMOE_API uint64_t vkmoe_moe_device_size(const vkmoe_moe *moe);

// The scratch that a forward of `tokens` needs, at most
// tokens * k * (inner + hidden) * 4 + tokens * experts * 4 + 1 MiB; with a
// shared expert wider than k * hidden, tokens * (shared.inner - k * hidden) * 4 more;
// with router.levels, tokens * 8 more.
VKMOE_API uint64_t vkmoe_moe_scratch_size(const vkmoe_moe *moe, uint32_t tokens);

struct vkmoe_moe_forward_params {
    uint32_t struct_size; // VKMOE_INIT()
    uint32_t tokens;      // 0 to 65536; 0 records nothing and succeeds
    uint32_t
        sequence_tokens; // capacity counts per run of this many tokens; 0: all are one sequence
    struct vkmoe_span x; // in  f32 [tokens][hidden]
    struct vkmoe_span router_x; // in  f32 [tokens][router_hidden], what the gate sees; no buffer: x
    struct vkmoe_span y;        // out f32 [tokens][hidden]; must not overlap an input
    // The routing: i32 [tokens][k], best first, and f32 [tokens][k]. Inputs for the
    // SUPPLIED selections (an id outside 0 .. experts-1 is clamped; a weight of -0.0
    // drops its expert; SELECT_SUPPLIED may have `weights` as an output); otherwise
    // optional outputs, where a dropped choice has the weight -0.0.
    struct vkmoe_span ids, weights;
};

// Records one layer: 3 dispatches for few tokens, otherwise 5, 6 with a shared expert;
// one less where routing is supplied with its weights; more than 131072 tokens * k are
// worked off in several such passes. The buffers must stay alive and, but for y, unwritten
// until the stream has finished. Two runs on one device give the same bits.
//
// INVALID if a span is too short or misaligned, OUT_OF_MEMORY if scratch could not grow or
// a pipeline not be made; failing, for these or any other reason, means that nothing was
// recorded.
VKMOE_API enum vkmoe_status vkmoe_moe_forward(
    vkmoe_stream *stream, const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *params);

// ---------------------------------------------------------------------- attention
//
// Mixture-of-Experts attention: a gate picks k of E attention experts for each token.
// An expert has query and output projections of its own and a pattern of keys it looks
// at; keys and values are shared by all (MoA, arXiv 2210.05144; JetMoE, 2404.07413):
//
//     q = rope(x Wq[e]t)                              heads x head_size
//     a = softmax over the keys s of e's pattern (scale q . k[s]) v[s]
//     y = sum over the chosen e of weight[e] * (a Wo[e]t) + output_bias
//
// Dense attention is the case of one expert and no gate.

enum vkmoe_pattern_kind {
    VKMOE_PATTERN_WINDOW,  // all keys within left and right; the default is all
    VKMOE_PATTERN_STRIDED, // of those, keys j with j % step == phase
    VKMOE_PATTERN_DILATED, // of those, keys j with (i - j) % step == phase, i the query
    VKMOE_PATTERN_BLOCKS,  // of those, keys of chosen blocks; key j is of block j / block
};

// The keys j that a query at position i sees. Causal unless `both_sides`.
//
// BLOCKS either lists the blocks, or, with `top`, each head of each query chooses its own:
// the query's block and, of those before it, the top - 1 whose mean key has the largest
// product with the query; the lower block wins ties (MoBA, arXiv 2502.13189). A block's mean
// is taken when its last position is written: those before it must not come in a later forward.
//
// Lengths and `step` are below 2^30.
struct vkmoe_pattern {
    enum vkmoe_pattern_kind kind;
    uint32_t left;        // only keys with i - j < left; 0: any
    uint32_t right;       // with both_sides: only keys with j - i <= right; 0: any
    uint32_t step, phase; // STRIDED, DILATED: step at least 1, phase below it
    uint32_t sinks;       // and the first `sinks` keys
    uint32_t local;       // and keys with i - j < local
    bool both_sides;      // keys behind the query too; not with `top`
    uint32_t block;       // BLOCKS: positions in a block, at least 1; of one size wherever `top` is
    uint32_t top;         // BLOCKS: how many blocks a query sees, at most 64; 0: those listed
    const uint32_t *blocks; // BLOCKS: the list, [block_count], each below 65536
    uint32_t block_count;
};

enum vkmoe_rope_kind {
    VKMOE_ROPE_NONE,
    VKMOE_ROPE_HALF,        // pairs (c, c + d/2): Llama, Mixtral, JetMoE, Qwen
    VKMOE_ROPE_INTERLEAVED, // pairs (2c, 2c + 1): GPT-J, DeepSeek
};
enum vkmoe_rope_scaling {
    VKMOE_ROPE_SCALING_PLAIN,
    VKMOE_ROPE_SCALING_LINEAR, // positions / factor
    VKMOE_ROPE_SCALING_LLAMA3,
    VKMOE_ROPE_SCALING_YARN, // arXiv 2309.00071, with the attention factor
    // Once the context is longer than original_positions its base grows with the length L:
    // base * (factor * L / original_positions - (factor - 1))^(size / (size - 2)). A forward
    // rotates its queries and keys for its own L, see `longest` of vkmoe_attention_forward_params;
    // keys in the cache stay as they were rotated.
    VKMOE_ROPE_SCALING_DYNAMIC,
};
struct vkmoe_rope {
    enum vkmoe_rope_kind kind;
    enum vkmoe_rope_scaling scaling;
    uint32_t size;                 // rotated elements at the head's start; 0: all of it
    float base;                    // 0: 10000
    float factor;                  // of the scaling; DYNAMIC: at least 1
    uint32_t original_positions;   // LLAMA3, YARN, DYNAMIC: trained context
    float low_factor, high_factor; // LLAMA3: low_freq_factor, high_freq_factor
    float beta_fast, beta_slow;    // YARN; 0: 32 and 1
    float attention_factor;        // YARN; 0: 0.1 ln(factor) + 1
    bool exact_range; // YARN: the correction range is not rounded to whole pairs (gpt-oss)
};

// Experts of one projection of dense attention, for each head its own (SwitchHead,
// arXiv 2312.07987): head h's choice is k of the E experts h * E .. h * E + E - 1.
struct vkmoe_head_experts {
    uint32_t experts;           // E, of one head; 0: the projection is dense
    uint32_t experts_per_token; // k, of one head
    // weight [heads * E][hidden]. As with GROUP_MODE_EACH, which is implied: its groups are the
    // heads and stay 0 here, and the score is not SOFTMAX (SwitchHead: SIGMOID).
    struct vkmoe_router_params router;
    const struct vkmoe_view *matrices; // [heads * E], of one dtype
};

struct vkmoe_attention_params {
    uint32_t struct_size;       // VKMOE_INIT()
    uint32_t hidden, head_size; // head_size 1 to 256
    uint32_t heads;             // of one expert; heads * head_size at most 65536, as kv_heads'
    uint32_t kv_heads;          // divides heads, unless expert_kv_heads is given
    // Which kv heads an expert's heads use: `expert_kv_heads` of them from first_kv_head[e]
    // on (MoH: each expert is a head, and has its own); it divides heads. 0 and NULL: all of
    // them, from 0 on.
    uint32_t expert_kv_heads;
    const uint32_t *first_kv_head; // [experts]
    bool tiled_kv;    // head h uses kv head h % kv_heads (JetMoE), not h / (heads / kv_heads)
    uint32_t experts; // 1: dense, no router
    uint32_t experts_per_token;
    struct vkmoe_router_params router;
    struct {
        const struct vkmoe_view *matrices; // [experts] of [heads * head_size][hidden]
        struct vkmoe_view bias;            // [experts][heads * head_size]
        struct vkmoe_view norm;            // RMS norm before RoPE, see `norm`
    } query;
    struct {
        struct vkmoe_view matrix; // [kv_heads * head_size][hidden]
        struct vkmoe_view bias;   // [kv_heads * head_size]
        struct vkmoe_view norm;   // RMS norm before RoPE, see `norm`
    } key;
    struct {
        struct vkmoe_view matrix; // [kv_heads * head_size][hidden]
        struct vkmoe_view bias;   // [kv_heads * head_size]
        // Instead of `matrix`, with matrices [head_size][hidden] for each kv head; only
        // with one attention expert.
        struct vkmoe_head_experts experts;
    } value;
    struct {
        const struct vkmoe_view *matrices; // [experts] of [hidden][heads * head_size]
        struct vkmoe_view bias;            // [hidden]
        // Instead of `matrices`, [hidden][head_size] for each head; only with one
        // attention expert.
        struct vkmoe_head_experts experts;
    } output;
    struct {
        bool wide; // weights are [heads * head_size], over all heads (OLMoE), not
                   // [head_size], for each head (Qwen3)
        float epsilon;
    } norm;                  // of queries and keys
    struct vkmoe_view sinks; // [heads] logits in the denominator (gpt-oss)
    float scale;             // 0: 1 / sqrt(head_size)
    float soft_cap;          // 0: none
    // Added to the scores of head h, for query i and key j (T5, arXiv 1910.10683): element
    // [h][reach + d], d being j - i, at most `reach` either way.
    struct {
        struct vkmoe_view bias; // [heads][2 * reach + 1]
        uint32_t reach;         // 1 to 65535
    } position;
    float value_clip; // 0: none; q, k, v are clamped to +-it, behind the norm
    struct vkmoe_rope rope;
    const struct vkmoe_pattern *patterns; // [experts]; NULL: causal over everything
};

typedef struct vkmoe_attention vkmoe_attention; // weights on the device; any thread

// As vkmoe_moe_create(), _destroy() and _size().
VKMOE_API enum vkmoe_status vkmoe_attention_create(
    vkmoe_device *device, const struct vkmoe_attention_params *params, vkmoe_attention **out);
VKMOE_API void vkmoe_attention_destroy(vkmoe_attention **attention);
VKMOE_API uint64_t vkmoe_attention_device_size(const vkmoe_attention *attention);

// Keys and values of several independent sequences, for one attention layer.
typedef struct vkmoe_cache vkmoe_cache;

struct vkmoe_cache_params {
    uint32_t struct_size;         // VKMOE_INIT()
    uint32_t kv_heads, head_size; // as the attention's
    uint32_t sequences;           // at least 1
    uint32_t capacity;            // positions each may hold
    enum vkmoe_dtype dtype;       // VKMOE_DTYPE_F32 or VKMOE_DTYPE_F16
    uint32_t block;               // of patterns with `top`, at most 2048 of these; 0: none has it
};
VKMOE_API enum vkmoe_status vkmoe_cache_create(
    vkmoe_device *device, const struct vkmoe_cache_params *params, vkmoe_cache **out);
VKMOE_API void vkmoe_cache_destroy(vkmoe_cache **cache);
VKMOE_API uint64_t vkmoe_cache_device_size(const vkmoe_cache *cache);

// Scratch that a forward of `tokens` needs, at most
// tokens * (k * heads * head_size + k * hidden + 2 * kv_heads * head_size) * 4
// + tokens * experts * 4 + 2 MiB, and where patterns have `top`, with the largest of these
// tokens * k * heads * top * 4 more. With value.experts or output.experts, of n heads and
// matrices of r rows, tokens * n * (k * (r + 2) + E) * 4 more, the larger if there are both;
// with router.levels, tokens * 8 more.
// There is no tokens x tokens buffer.
VKMOE_API uint64_t vkmoe_attention_scratch_size(const vkmoe_attention *attention, uint32_t tokens);

struct vkmoe_attention_forward_params {
    uint32_t struct_size; // VKMOE_INIT()
    uint32_t tokens;      // 0 to 65536
    struct vkmoe_span x;  // in  f32 [tokens][hidden]
    struct vkmoe_span y;  // out f32 [tokens][hidden]
    // u32 [tokens]: where each token stands in its sequence, below the capacity, and
    // which sequence that is; no buffer: sequence 0. Its key and value are written to
    // that place, and it sees what its sequence holds up to itself (both_sides: up to
    // `lengths`). A sequence is cut short by simply going on at an earlier position.
    struct vkmoe_span positions, sequences;
    struct vkmoe_span lengths; // u32 [sequences]: positions held, for both_sides only
    bool stored;               // keys and values are there already; x gives queries alone
    // An upper bound of positions + 1, for the size of the work; 0: the capacity. With
    // VKMOE_ROPE_SCALING_DYNAMIC it is the length of the context, exact, and part of the formula:
    // chunks of a prompt longer than original_positions that give the length they reach differ
    // from the prompt at once; chunks that all give the whole prompt's do not.
    uint32_t longest;
    struct vkmoe_span ids, weights; // as in vkmoe_moe_forward_params
};

// Records one attention; buffers, repetition and errors are as of vkmoe_moe_forward().
// UNSUPPORTED, too, if a pattern looks both ways over more tokens than one pass takes, or if
// a query would walk over more keys than the driver lets a loop: lavapipe before Mesa 26 ends
// it after 12000 to 30000, by the head's size.
VKMOE_API enum vkmoe_status vkmoe_attention_forward(vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *params);

// Writes the keys and values of x to their places and does nothing else: what a decoder's
// attention to an encoder needs before it runs with `stored`. Of `params` only tokens, x,
// positions and sequences count, and longest for VKMOE_ROPE_SCALING_DYNAMIC. The scratch of a
// forward suffices.
VKMOE_API enum vkmoe_status vkmoe_attention_store(vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *params);

// -------------------------------------------------------------------------- model

typedef struct vkmoe_checkpoint
    vkmoe_checkpoint; // a checkpoint's config and its mapped files; any thread

struct vkmoe_checkpoint_info {
    uint32_t struct_size;    // VKMOE_INIT()
    char family[32];         // "mixtral", "qwen3_moe", ...: config.json's model_type
    uint32_t blocks;         // encoder blocks of an encoder-decoder
    uint32_t decoder_blocks; // of an encoder-decoder, else 0
    uint32_t moe_blocks;     // how many of all these hold experts
    uint32_t hidden, inner, experts, experts_per_token, shared_inner;
    uint32_t vocabulary;
    enum vkmoe_dtype dtype; // of the expert weights
    uint64_t parameters;    // elements in all tensors
    uint64_t file_size;     // bytes in all files
    uint32_t tensors, files;
    char treated_as[32]; // the family whose blocks these are: "deepseek_v3" for "kimi_k2"
};

// Opens a directory as published on model hubs: config.json and *.safetensors, one
// file or several with model.safetensors.index.json. The files stay open and mapped, with a
// file descriptor for each, until the model is destroyed, and must not change. Nothing is
// copied. What uses the model's views reads them, and says INVALID if one was cut short. The
// index says which file holds a tensor; what it names and nobody needs may be missing, and a
// file that only holds such may be a Git LFS pointer, empty or damaged as well. INVALID
// or NOT_FOUND with one line that names the file and what is wrong with it, or what is
// there instead; UNSUPPORTED for a family that this version does not know and for
// quantised weights, which the line calls by name.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_open(
    const char *path, const struct vkmoe_log *log, vkmoe_checkpoint **out);

VKMOE_API void vkmoe_checkpoint_destroy(vkmoe_checkpoint **checkpoint);

VKMOE_API void vkmoe_checkpoint_get_info(
    const vkmoe_checkpoint *checkpoint, struct vkmoe_checkpoint_info *info);

enum vkmoe_part {
    VKMOE_PART_BLOCKS,  // a model's blocks; of an encoder-decoder, the encoder's
    VKMOE_PART_DECODER, // the decoder's blocks of an encoder-decoder
    VKMOE_PART_CROSS,   // of these the attention to the encoder, for _get_attention and _get_norms
};

struct vkmoe_block {
    uint32_t index;
    enum vkmoe_part part;
};

// True if the block is a Mixture-of-Experts block.
VKMOE_API bool vkmoe_checkpoint_is_moe(
    const vkmoe_checkpoint *checkpoint, struct vkmoe_block block);

// Fills `params` for vkmoe_moe_create() from the block's config and tensors. What
// it points to belongs to the model and lives as long; release nothing. INVALID
// if a tensor is missing or has a wrong shape, NOT_FOUND if there is no such block,
// UNSUPPORTED if it holds no experts.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_moe(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_moe_params *params);

// The dense feed-forward network of a block without experts, as a layer of one expert
// with SELECT_SUPPLIED_WEIGHTED. Errors as above; UNSUPPORTED if the block does hold
// experts, or if this version does not know the family's dense blocks.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_mlp(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_moe_params *params);

// The same for the block's attention, which may be routed or dense. NOT_FOUND if the
// block has none.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_attention(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_attention_params *params);

// What a model has around its blocks. A block is
//     x += multiplier * attention(norm(x));  x += multiplier * experts(norm(x))
// and an encoder-decoder's decoder has attention to the encoder's output between the two.
struct vkmoe_frame {
    uint32_t struct_size; // VKMOE_INIT()
    uint32_t hidden, vocabulary;
    uint32_t blocks;                // of an encoder-decoder, the decoder's
    uint32_t encoder_blocks;        // 0: decoder only
    struct vkmoe_view encoder_norm; // [hidden], behind the last of these
    struct vkmoe_view embedding;    // [vocabulary][hidden]
    struct vkmoe_view head;         // [vocabulary][hidden]; the embedding if tied
    struct vkmoe_view final_norm;   // [hidden]
    float norm_epsilon;             // of the final norm
    float block_norm_epsilon;       // of the norms in blocks (JetMoE: 1e-6 always)
    float embedding_scale;          // 0: 1
    float residual_scale;           // 0: 1
    float logits_scale;             // 0: 1
    uint32_t max_positions;         // trained context
    // Any of them ends a text: what "eos_token_id" names in config.json, then what it names in
    // generation_config.json, no token twice; one may be beyond the vocabulary. They belong to
    // the model, as the views do.
    const uint32_t *end_tokens;
    uint32_t end_token_count;
    int32_t start_token; // of a decoder that follows an encoder, else -1
};
VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_frame(
    vkmoe_checkpoint *checkpoint, struct vkmoe_frame *params);

// The two norms of a block, [hidden] each; of a cross one only the attention's.
VKMOE_API enum vkmoe_status vkmoe_checkpoint_get_norms(vkmoe_checkpoint *checkpoint,
    struct vkmoe_block block, struct vkmoe_view *attention_norm, struct vkmoe_view *experts_norm);

// --------------------------------------------------------------------- checkpoint

// What such a directory holds, to look at: of any family, known or not, with weights of any
// type. vkmoe_checkpoint_open() says whether it can be used. Any thread.
typedef struct vkmoe_inventory vkmoe_inventory;

struct vkmoe_inventory_info {
    uint32_t struct_size;  // VKMOE_INIT()
    char model_type[64];   // config.json's; "": it has none
    char quantisation[64]; // "fp8", "NVFP4", "gptq", ...; "": none, or none that is recognised
    // Of a family that is known (else `treated_as` is "") what config.json says; always
    // parameters, file_size, tensors and files. `dtype` means nothing here.
    struct vkmoe_checkpoint_info checkpoint;
    uint32_t absent_tensors, missing_files; // that the index names; not there, or not readable
};

struct vkmoe_tensor_info {
    uint32_t struct_size;    // VKMOE_INIT()
    const char *name, *file; // as long as the checkpoint
    const char *dtype; // as its file has it: "BF16", "F8_E4M3", "U8", or one that is not known
    uint32_t rank;     // at most 8
    uint64_t shape[8];
    uint64_t elements, size; // size in bytes
    bool absent;             // named by the index alone: only name and file mean anything
};

// As vkmoe_checkpoint_open(), but UNSUPPORTED only for a GGUF file. Wrong settings in config.json,
// or a file beside it that is to say how the weights are quantised and cannot be read, do not
// matter.
VKMOE_API enum vkmoe_status vkmoe_inventory_open(
    const char *path, const struct vkmoe_log *log, vkmoe_inventory **out);
VKMOE_API void vkmoe_inventory_destroy(vkmoe_inventory **inventory);
VKMOE_API void vkmoe_inventory_get_info(
    const vkmoe_inventory *inventory, struct vkmoe_inventory_info *info);

// Tensor `index` in the order of names, the absent ones among them. NOT_FOUND if there are
// not so many.
VKMOE_API enum vkmoe_status vkmoe_inventory_get_tensor(
    const vkmoe_inventory *inventory, uint32_t index, struct vkmoe_tensor_info *info);

// ------------------------------------------------------------------------ network

// A whole model on the device: token ids in, logits out. An encoder-decoder reads its input
// with vkmoe_model_encode(), and is a decoder from then on.
typedef struct vkmoe_model vkmoe_model;

enum vkmoe_expert_capacity { // of models whose experts have one (Switch Transformer)
    // An expert's capacity counts the tokens of a sequence at the positions before, whatever
    // forwards they came in: the result does not depend on how a sequence is cut. The encoder
    // counts over each input by itself.
    VKMOE_EXPERT_CAPACITY_TRAINED,
    VKMOE_EXPERT_CAPACITY_UNLIMITED, // no expert turns a token away, however many choose it
};

struct vkmoe_model_params {
    uint32_t struct_size; // VKMOE_INIT()
    uint32_t sequences;   // independent sequences; 0: 1
    uint32_t capacity;    // positions each may hold; 0: the model's trained context, at most 4096
    enum vkmoe_dtype cache_dtype; // VKMOE_DTYPE_F32 or VKMOE_DTYPE_F16
    uint32_t chunk;               // the most tokens of one forward; 0: 512
    uint32_t encoder_capacity;    // the longest input of an encoder-decoder, at most 65536; 0: 512
    enum vkmoe_expert_capacity expert_capacity;
    // How far the loading of matrices is, in bytes as they lie in the files. Called by the thread
    // that is inside vkmoe_model_create(): with `done` 0, then about every 8 MiB, at last with
    // `done` equal to `total`; it must not call vkmoe. If it returns false, the call ends with
    // CANCELLED. NULL: nobody is told.
    bool (*progress)(void *user, uint64_t done, uint64_t total);
    void *progress_user;
};

// Reads the model's weights, each file byte once or twice, and packs them on the device.
// UNSUPPORTED for models with blocks that this version cannot run whole. OUT_OF_MEMORY as of
// vkmoe_moe_create(), before anything is loaded; the scratch that a stream will need counts,
// unless streams have it already. INVALID if a file was cut short or cannot be read. CANCELLED
// if `progress` says so.
VKMOE_API enum vkmoe_status vkmoe_model_create(vkmoe_device *device, vkmoe_checkpoint *checkpoint,
    const struct vkmoe_model_params *params, vkmoe_model **out);
VKMOE_API void vkmoe_model_destroy(vkmoe_model **model);
VKMOE_API uint64_t vkmoe_model_device_size(const vkmoe_model *model); // with its caches

struct vkmoe_model_forward_params {
    uint32_t struct_size;  // VKMOE_INIT()
    uint32_t tokens;       // 1 to chunk
    struct vkmoe_span ids; // u32 [tokens], below the vocabulary (others are clamped)
    struct vkmoe_span positions, sequences; // as in vkmoe_attention_forward_params
    uint32_t longest;                       // likewise
    struct vkmoe_span logits;               // out f32 [logits_count][vocabulary]
    uint32_t logits_count;                  // of the last so many tokens; 0: none
    // Optional outputs: i32 [blocks][tokens][k], what each block's gate chose, k being the
    // largest there is; a block without a gate leaves its part as it was.
    struct vkmoe_span expert_ids, attention_expert_ids;
};
// Records the whole model. A step of one token can be recorded once for many positions: with
// `longest` above all of them, ids and positions that are uploaded before each, and
// vkmoe_stream_repeat() for all but the first.
VKMOE_API enum vkmoe_status vkmoe_model_forward(
    vkmoe_stream *stream, vkmoe_model *model, const struct vkmoe_model_forward_params *params);

// An encoder-decoder's encoder: reads one sequence's input, whole, and leaves the keys and
// values that the decoder looks at, instead of those of an earlier input. UNSUPPORTED for
// decoder-only models, INVALID if `tokens` is not 1 to encoder_capacity.
struct vkmoe_model_encode_params {
    uint32_t struct_size; // VKMOE_INIT()
    uint32_t sequence;    // below model_params.sequences
    uint32_t tokens;
    struct vkmoe_span ids; // u32 [tokens], below the vocabulary (others are clamped)
};
VKMOE_API enum vkmoe_status vkmoe_model_encode(
    vkmoe_stream *stream, vkmoe_model *model, const struct vkmoe_model_encode_params *params);

// Scratch of a forward of `chunk` tokens or of an encode, for vkmoe_stream_reserve().
VKMOE_API uint64_t vkmoe_model_scratch_size(const vkmoe_model *model);

#ifdef __cplusplus
}
#endif
#endif
