// vkmoe.h - as it was in version 0.2.0, without its comments and what tests/abi.c does not need. It
// stays so: programs that were compiled with it must run with every 0.2.
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

#define VKMOE_VERSION_MAJOR 0
#define VKMOE_VERSION_MINOR 2
#define VKMOE_VERSION_PATCH 0

#define VKMOE_MAKE_VERSION(major, minor, patch) ((major)*10000 + (minor)*100 + (patch))
#define VKMOE_VERSION \
    VKMOE_MAKE_VERSION(VKMOE_VERSION_MAJOR, VKMOE_VERSION_MINOR, VKMOE_VERSION_PATCH)

VKMOE_API uint32_t vkmoe_version(void);

#define VKMOE_INIT(type) .struct_size = (uint32_t)sizeof(struct type)

enum vkmoe_status {
    VKMOE_OK = 0,
    VKMOE_ERROR_INVALID,
    VKMOE_ERROR_UNSUPPORTED,
    VKMOE_ERROR_NOT_FOUND,
    VKMOE_ERROR_OUT_OF_MEMORY,
    VKMOE_ERROR_TIMEOUT,
    VKMOE_ERROR_DEVICE_LOST,
    VKMOE_ERROR_DRIVER,
    VKMOE_ERROR_CANCELLED,
};

VKMOE_API const char *vkmoe_status_name(enum vkmoe_status status);

enum vkmoe_log_level { VKMOE_LOG_ERROR, VKMOE_LOG_WARNING, VKMOE_LOG_INFO, VKMOE_LOG_DEBUG };

struct vkmoe_log {
    void (*write)(void *user, enum vkmoe_log_level level, const char *line);
    void *user;
    enum vkmoe_log_level level;
};

typedef struct vkmoe_device vkmoe_device;

enum vkmoe_device_type {
    VKMOE_DEVICE_TYPE_OTHER,
    VKMOE_DEVICE_TYPE_INTEGRATED,
    VKMOE_DEVICE_TYPE_DISCRETE,
    VKMOE_DEVICE_TYPE_VIRTUAL,
    VKMOE_DEVICE_TYPE_CPU,
};

struct vkmoe_device_info {
    uint32_t struct_size;
    char name[256];
    char driver[256];
    enum vkmoe_device_type type;
    uint32_t vendor_id, device_id;
    uint32_t api_version;
    uint32_t driver_version;
    uint32_t subgroup_size;
    uint32_t shared_memory_size;
    uint64_t memory_size;
    bool usable;
    char reason[128];

    bool int64;
    bool subgroup_arithmetic;
    bool f16_storage, f16_arithmetic, cooperative_matrix;
};

struct vkmoe_device_params {
    uint32_t struct_size;
    struct vkmoe_log log;

    const char *select;
    bool validate;

    void (*get_instance_proc_addr)(void);

    const void *cache;
    size_t cache_size;
};

VKMOE_API enum vkmoe_status vkmoe_device_list(
    const struct vkmoe_log *log, struct vkmoe_device_info *infos, uint32_t *count);

VKMOE_API enum vkmoe_status vkmoe_device_create(
    const struct vkmoe_device_params *params, vkmoe_device **out);

VKMOE_API void vkmoe_device_destroy(vkmoe_device **device);

VKMOE_API void vkmoe_device_get_info(const vkmoe_device *device, struct vkmoe_device_info *info);

VKMOE_API enum vkmoe_status vkmoe_device_get_cache(vkmoe_device *device, void *data, size_t *size);

typedef struct vkmoe_buffer vkmoe_buffer;

VKMOE_API enum vkmoe_status vkmoe_buffer_create(
    vkmoe_device *device, uint64_t size, vkmoe_buffer **out);

VKMOE_API void vkmoe_buffer_destroy(vkmoe_buffer **buffer);

VKMOE_API uint64_t vkmoe_buffer_size(const vkmoe_buffer *buffer);

VKMOE_API enum vkmoe_status vkmoe_buffer_upload(
    vkmoe_buffer *buffer, uint64_t offset, const void *data, uint64_t size);
VKMOE_API enum vkmoe_status vkmoe_buffer_download(
    const vkmoe_buffer *buffer, uint64_t offset, void *data, uint64_t size);

struct vkmoe_span {
    const vkmoe_buffer *buffer;
    uint64_t offset;
};

typedef struct vkmoe_stream vkmoe_stream;

VKMOE_API enum vkmoe_status vkmoe_stream_create(vkmoe_device *device, vkmoe_stream **out);

VKMOE_API void vkmoe_stream_destroy(vkmoe_stream **stream);

VKMOE_API enum vkmoe_status vkmoe_stream_reserve(vkmoe_stream *stream, uint64_t scratch_size);

struct vkmoe_semaphore;

struct vkmoe_submit_params {
    uint32_t struct_size;
    const struct vkmoe_semaphore *waits, *signals;
    uint32_t wait_count, signal_count;
};

VKMOE_API enum vkmoe_status vkmoe_stream_submit(
    vkmoe_stream *stream, const struct vkmoe_submit_params *params);

VKMOE_API enum vkmoe_status vkmoe_stream_repeat(
    vkmoe_stream *stream, const struct vkmoe_submit_params *params);

VKMOE_API enum vkmoe_status vkmoe_stream_wait(vkmoe_stream *stream, uint64_t timeout_ns);

enum vkmoe_dtype { VKMOE_DTYPE_F32, VKMOE_DTYPE_F16, VKMOE_DTYPE_BF16 };

struct vkmoe_file;

struct vkmoe_view {
    const void *data;
    enum vkmoe_dtype dtype;
    int64_t row_stride, column_stride;
    const struct vkmoe_file *file;
};

#ifdef __cplusplus
}
#endif
#endif
