// gguf.c - see gguf.h. One file, or the parts PREFIX-00001-of-0000N.gguf, of which the first has
// all keys.
#include "checkpoint/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"

#define FAIL(container, status, ...) vkmoe_fail((container)->log, VKMOE_ERROR_##status, __VA_ARGS__)

static bool ends_in(const char *path, const char *tail)
{
    const size_t length = strlen(path), size = strlen(tail);
    return length > size && strcasecmp(path + length - size, tail) == 0;
}

static bool recognises(const char *path)
{
    char begin[4] = "";
    struct stat info;
    const bool there = stat(path, &info) == 0;
    if (ends_in(path, ".gguf"))
        return !there || !S_ISDIR(info.st_mode);
    FILE *file = there && S_ISREG(info.st_mode) ? fopen(path, "rb") : NULL;
    const size_t size = file ? fread(begin, 1, sizeof begin, file) : 0;
    if (file)
        fclose(file);
    return size == sizeof begin && memcmp(begin, "GGUF", sizeof begin) == 0;
}

// ---------------------------------------------------------------------------- parts

uint32_t vkmoe_gguf_integer(const struct value *value)
{
    uint64_t number;
    return vkmoe_value_integer(value, &number) ? (uint32_t)MIN(number, UINT32_MAX) : 0;
}

// 0 without such a key.
static enum vkmoe_status get_integer(const struct container *container, const char *path,
    const struct gguf_file *file, const char *key, uint32_t *out)
{
    const struct value keys = {
        .kind = VALUE_OBJECT, .count = file->value_count, .items = file->values
    };
    struct settings settings = {
        .log = container->log, .path = path, .root = &keys, .object = &keys
    };
    *out = vkmoe_setting_u32(&settings, key, 0, 0, UINT32_MAX);
    return settings.status;
}

// Adds the tensors of a file, taking `path`.
static enum vkmoe_status add_file(struct container *container, char *path, struct gguf_file *out)
{
    struct gguf *own = container->own;
    struct tensors *tensors = &container->tensors;
    struct tensor_file *file = vkmoe_tensors_add_file(tensors, container->log, path);
    if (!file)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    TRY_RETURN(vkmoe_file_open(path, container->log, &file->file));
    TRY_RETURN(vkmoe_gguf_read(file->file, container->log, &own->arena, out));
    tensors->file_size += file->file->size;
    for (uint32_t i = 0; i < out->tensor_count; i++)
        TRY_RETURN(vkmoe_tensors_add(tensors, container->log, &out->tensors[i]));
    return VKMOE_OK;
}

// The path of one of the parts of which `path` is one; NULL: without memory. `index` counts from
// 1, as names do.
static char *part_path(const char *path, uint32_t index, uint32_t count)
{
    char tail[64];
    snprintf(tail, sizeof tail, "-%05u-of-%05u.gguf", index, count);
    const size_t length = strlen(path), size = strlen(tail);
    char *part = malloc(MAX(length, size) + 1);
    if (part)
        memcpy(strcpy(part, path) + (length > size ? length - size : 0), tail, size + 1);
    return part;
}

static enum vkmoe_status refuse_part(
    const struct container *container, uint32_t index, uint32_t count)
{
    char *first = part_path(container->path, 1, count);
    const enum vkmoe_status status =
        FAIL(container, INVALID, "%s: is part %u of %u; give the first, %s", container->path, index,
            count, first ? first : "which has 00001 in its name");
    free(first);
    return status;
}

// That the others can be found by the first one's name.
static enum vkmoe_status check_name(const struct container *container, uint32_t count)
{
    char *first = part_path(container->path, 1, count);
    enum vkmoe_status status = VKMOE_OK;
    if (!first)
        status = FAIL(container, OUT_OF_MEMORY, "%s: no memory for a path", container->path);
    else if (strcmp(first, container->path) != 0)
        status = FAIL(container, INVALID,
            "%s: is the first of %u parts, but its name does not end in -00001-of-%05u.gguf, by "
            "which the others are found",
            container->path, count, count);
    free(first);
    return status;
}

// The parts after the first.
static enum vkmoe_status add_parts(struct container *container, uint32_t count)
{
    const struct gguf *own = container->own;
    uint32_t index, own_count, total;
    TRY_RETURN(get_integer(container, container->path, &own->file, "split.no", &index));
    if (index != 0)
        return refuse_part(container, index + 1, count);
    TRY_RETURN(check_name(container, count));
    for (uint32_t i = 1; i < count; i++) {
        struct gguf_file part;
        char *path = part_path(container->path, i + 1, count);
        if (!path)
            return FAIL(container, OUT_OF_MEMORY, "%s: no memory for a path", container->path);
        TRY_RETURN(add_file(container, path, &part));
        TRY_RETURN(get_integer(container, path, &part, "split.no", &index));
        TRY_RETURN(get_integer(container, path, &part, "split.count", &own_count));
        if (index != i || own_count != count)
            return FAIL(container, INVALID, "%s: is not part %u of %u, as its name has it", path,
                i + 1, count);
    }
    static const char all[] = "split.tensors.count";
    TRY_RETURN(get_integer(container, container->path, &own->file, all, &total));
    if (vkmoe_gguf_value(&own->file, all) && total != container->tensors.count)
        return FAIL(container, INVALID, "%s: its %u parts have %u tensors, expected %u",
            container->path, count, container->tensors.count, total);
    return VKMOE_OK;
}

static enum vkmoe_status sort_tensors(struct container *container)
{
    struct tensors *tensors = &container->tensors;
    vkmoe_tensors_sort(tensors);
    for (uint32_t i = 1; i < tensors->count; i++) {
        if (strcmp(tensors->items[i - 1].name, tensors->items[i].name) == 0)
            return FAIL(container, INVALID, "%s: tensor %s is there twice", tensors->items[i].path,
                tensors->items[i].name);
    }
    return VKMOE_OK;
}

// ------------------------------------------------------------------------------ open

// Settings are about tensors, too, which the header has beside them.
static enum vkmoe_status open_all(struct container *container)
{
    char *path = malloc(strlen(container->path) + 1);
    struct gguf *own = container->own = calloc(1, sizeof *own);
    if (!own || !path) {
        free(path);
        return FAIL(container, OUT_OF_MEMORY, "%s: no memory for it", container->path);
    }
    TRY_RETURN(add_file(container, strcpy(path, container->path), &own->file));
    uint32_t parts;
    TRY_RETURN(get_integer(container, path, &own->file, "split.count", &parts));
    if (parts > 1)
        TRY_RETURN(add_parts(container, parts));
    TRY_RETURN(sort_tensors(container));
    return vkmoe_gguf_read_settings(container);
}

static enum vkmoe_status open_tensors(struct container *container)
{
    (void)container; // they are there already
    return VKMOE_OK;
}

static enum vkmoe_status read_file(const char *path, const char *name, uint64_t max_size,
    const struct vkmoe_log *log, struct blob *out)
{
    return strcmp(name, "chat_template.jinja") == 0
        ? vkmoe_gguf_read_template(path, log, out)
        : vkmoe_gguf_read_file(path, name, max_size, log, out);
}

static void close_all(struct container *container)
{
    struct gguf *own = container->own;
    if (own)
        vkmoe_arena_finish(&own->arena);
    free(own);
}

OPENER(gguf, .recognises = recognises, .open = open_all, .open_tensors = open_tensors,
    .family = vkmoe_gguf_family, .has_file = vkmoe_gguf_has_file, .read_file = read_file,
    .close = close_all);
