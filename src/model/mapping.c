// mapping.c - see mapping.h. POSIX.
#include "mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../log.h"

static enum vkmoe_status map(int fd, const char *path, const struct vkmoe_log *log,
    struct vkmoe_mapping *out)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: cannot read: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: is not a regular file", path);
    if (info.st_size <= 0)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: is empty", path);
    if ((uint64_t)info.st_size > SIZE_MAX)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY,
            "%s: has %llu bytes, more than this process can address", path,
            (unsigned long long)info.st_size);
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        enum vkmoe_status status =
            errno == ENOMEM ? VKMOE_ERROR_OUT_OF_MEMORY : VKMOE_ERROR_INVALID;
        return vkmoe_fail(log, status, "%s: cannot map %llu bytes: %s", path,
            (unsigned long long)info.st_size, strerror(errno));
    }
    *out = (struct vkmoe_mapping){.data = data, .size = (uint64_t)info.st_size};
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_mapping_open(const char *path, const struct vkmoe_log *log,
    struct vkmoe_mapping *out)
{
    *out = (struct vkmoe_mapping){0};
    // Without O_NONBLOCK the open of a named pipe would wait for a writer.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        enum vkmoe_status status =
            errno == ENOENT || errno == ENOTDIR ? VKMOE_ERROR_NOT_FOUND : VKMOE_ERROR_INVALID;
        return vkmoe_fail(log, status, "%s: cannot open: %s", path, strerror(errno));
    }
    enum vkmoe_status status = map(fd, path, log, out);
    close(fd); // the mapping keeps the file
    return status;
}

void vkmoe_mapping_close(struct vkmoe_mapping *mapping)
{
    if (mapping->data)
        munmap((void *)(uintptr_t)mapping->data, (size_t)mapping->size);
    *mapping = (struct vkmoe_mapping){0};
}
