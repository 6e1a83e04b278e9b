// huggingface.c - see huggingface.h. Its keys and names are those that families know.
#include "checkpoint/huggingface.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/content.h"
#include "base/json.h"
#include "base/log.h"
#include "base/try.h"
#include "checkpoint/foreign.h"
#include "checkpoint/shards.h"

static bool recognises(const char *path)
{
    (void)path;
    return true;
}

// free(); NULL, after a line, without memory.
static char *join(const char *directory, const char *name, const struct vkmoe_log *log)
{
    const size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", directory, name);
    else
        vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for a path", directory);
    return path;
}

static enum vkmoe_status open_settings(struct container *container)
{
    const char *path = container->settings_path =
        join(container->path, "config.json", container->log);
    if (!path)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    return vkmoe_path_is_there(path) ? vkmoe_json_open(path, container->log, &container->values)
                                     : vkmoe_foreign_config(container->path, container->log);
}

static enum vkmoe_status open_tensors(struct container *container)
{
    return vkmoe_shards_open(container->path, container->log, &container->tensors);
}

static enum vkmoe_status open_side(const struct container *container, const char *name,
    const struct vkmoe_log *log, struct value **out)
{
    char *path = join(container->path, name, log);
    const enum vkmoe_status status =
        path ? vkmoe_json_open_optional(path, log, out) : VKMOE_ERROR_OUT_OF_MEMORY;
    free(path);
    return status;
}

// ------------------------------------------------------------------- the tokenizer's files

static bool has_file(const char *directory, const char *name)
{
    char *path = join(directory, name, NULL);
    const bool there = path && (vkmoe_path_is_there(path) || vkmoe_path_is_broken_link(path));
    free(path);
    return there;
}

static bool is_empty(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 0;
}

static enum vkmoe_status read_blob(
    const struct vkmoe_file *file, uint64_t max_size, const struct vkmoe_log *log, struct blob *out)
{
    const uint64_t size = file ? file->size : 0;
    if (size > max_size)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: has more than %llu MiB", out->path,
            (unsigned long long)(max_size >> 20));
    out->data = calloc((size_t)size + 1, 1);
    if (!out->data)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", out->path);
    out->size = (size_t)size;
    return file ? vkmoe_file_read(file, log, file->data, out->data, size) : VKMOE_OK;
}

static enum vkmoe_status read_file(const char *directory, const char *name, uint64_t max_size,
    const struct vkmoe_log *log, struct blob *out)
{
    struct vkmoe_file *file = NULL;
    out->path = join(directory, name, log);
    if (!out->path)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    if (vkmoe_path_is_broken_link(out->path))
        return vkmoe_path_refuse_broken_link(out->path, log);
    if (!vkmoe_path_is_there(out->path))
        return VKMOE_OK;
    if (!is_empty(out->path))
        TRY_RETURN(vkmoe_file_open(out->path, log, &file));
    const enum vkmoe_status status = read_blob(file, max_size, log, out);
    vkmoe_file_close(&file);
    return status;
}

OPENER(huggingface, .recognises = recognises, .open = open_settings, .open_tensors = open_tensors,
    .open_side = open_side, .has_file = has_file, .read_file = read_file);
