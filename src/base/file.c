// file.c - see file.h. POSIX.
#define _DEFAULT_SOURCE // MAP_ANONYMOUS
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"

#define LARGEST_READ ((uint64_t)1 << 30) // Linux reads at most 2 GiB at once

static enum vkmoe_status map_bytes(
    struct vkmoe_file *file, int protection, int flags, const struct vkmoe_log *log)
{
    if (file->size > SIZE_MAX)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY,
            "%s: has %llu bytes, more than this process can address", file->path,
            (unsigned long long)file->size);
    void *data = mmap(NULL, (size_t)file->size, protection, flags, file->descriptor, 0);
    if (data == MAP_FAILED) {
        enum vkmoe_status status =
            errno == ENOMEM ? VKMOE_ERROR_OUT_OF_MEMORY : VKMOE_ERROR_INVALID;
        return vkmoe_fail(log, status, "%s: cannot map %llu bytes: %s", file->path,
            (unsigned long long)file->size, strerror(errno));
    }
    file->data = data;
    return VKMOE_OK;
}

static enum vkmoe_status map(struct vkmoe_file *file, const struct vkmoe_log *log)
{
    struct stat info;
    if (fstat(file->descriptor, &info) != 0)
        return vkmoe_fail(
            log, VKMOE_ERROR_INVALID, "%s: cannot read: %s", file->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: is not a regular file", file->path);
    if (info.st_size <= 0)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: is empty", file->path);
    file->size = (uint64_t)info.st_size;
    return map_bytes(file, PROT_READ, MAP_PRIVATE, log);
}

// NULL, after a line, without memory.
static struct vkmoe_file *create(const char *path, const struct vkmoe_log *log)
{
    const size_t length = strlen(path) + 1;
    struct vkmoe_file *file = calloc(1, sizeof *file + length);
    if (!file) {
        vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory to open it", path);
        return NULL;
    }
    memcpy(file->path, path, length);
    file->descriptor = -1;
    return file;
}

enum vkmoe_status vkmoe_file_make(const char *path, uint64_t size, file_read *read, void *user,
    const struct vkmoe_log *log, struct vkmoe_file **out)
{
    struct vkmoe_file *file = *out = create(path, log);
    if (!file)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    file->size = size;
    file->read = read;
    file->user = user;
    const enum vkmoe_status status =
        map_bytes(file, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, log);
    if (status != VKMOE_OK)
        vkmoe_file_close(out);
    return status;
}

enum vkmoe_status vkmoe_file_open(
    const char *path, const struct vkmoe_log *log, struct vkmoe_file **out)
{
    struct vkmoe_file *file = *out = create(path, log);
    if (!file)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    // Without O_NONBLOCK the open of a named pipe would wait for a writer.
    file->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum vkmoe_status status;
    if (file->descriptor < 0) {
        status = errno == ENOENT || errno == ENOTDIR ? VKMOE_ERROR_NOT_FOUND : VKMOE_ERROR_INVALID;
        vkmoe_fail(log, status, "%s: cannot open: %s", path, strerror(errno));
    } else {
        status = map(file, log);
    }
    if (status != VKMOE_OK)
        vkmoe_file_close(&file);
    *out = file;
    return status;
}

void vkmoe_file_close(struct vkmoe_file **address)
{
    struct vkmoe_file *file = *address;
    *address = NULL;
    if (!file)
        return;
    if (file->data)
        munmap((void *)(uintptr_t)file->data, (size_t)file->size);
    if (file->descriptor >= 0)
        close(file->descriptor);
    free(file);
}

static enum vkmoe_status refuse_end(const struct vkmoe_file *file, const struct vkmoe_log *log)
{
    struct stat info = { 0 };
    fstat(file->descriptor, &info);
    return vkmoe_fail(log, VKMOE_ERROR_INVALID,
        "%s: has %llu bytes, and had %llu when it was opened: it was cut short while in use",
        file->path, (unsigned long long)info.st_size, (unsigned long long)file->size);
}

enum vkmoe_status vkmoe_file_read(const struct vkmoe_file *file, const struct vkmoe_log *log,
    const void *at, void *to, uint64_t size)
{
    // Of addresses outside, the difference is large as well.
    uint64_t offset = (uint64_t)((uintptr_t)at - (uintptr_t)file->data);
    if (offset > file->size || size > file->size - offset)
        return vkmoe_fail(
            log, VKMOE_ERROR_INVALID, "%s: a view of it lies outside of the file", file->path);
    if (file->read)
        return file->read(file->user, log, offset, to, size);
    for (char *out = to; size > 0;) {
        const ssize_t count =
            pread(file->descriptor, out, (size_t)MIN(size, LARGEST_READ), (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: cannot read byte %llu: %s", file->path,
                (unsigned long long)offset, strerror(errno));
        if (count == 0)
            return refuse_end(file, log);
        out += count;
        offset += (uint64_t)count;
        size -= (uint64_t)count;
    }
    return VKMOE_OK;
}
