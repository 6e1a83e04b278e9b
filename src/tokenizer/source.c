// source.c - see source.h.
#include "tokenizer/source.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/try.h"

#define MAX_SETTINGS ((uint64_t)16 << 20)

static const struct vkmoe_tokenizer_file *find(const struct source *source, const char *name)
{
    for (uint32_t i = 0; i < source->file_count; i++) {
        if (strcmp(source->files[i].name, name) == 0)
            return &source->files[i];
    }
    return NULL;
}

bool vkmoe_source_has(const struct source *source, const char *name)
{
    return source->files ? find(source, name) != NULL
                         : vkmoe_checkpoint_has_file(source->path, name);
}

enum vkmoe_status vkmoe_source_read(
    const struct source *source, const char *name, uint64_t max_size, struct blob *out)
{
    if (!source->files)
        return vkmoe_checkpoint_read_file(source->path, name, max_size, source->log, out);
    const struct vkmoe_tokenizer_file *file = find(source, name);
    *out = (struct blob){ 0 };
    if (!file)
        return VKMOE_OK;
    if (file->size > max_size)
        return vkmoe_fail(source->log, VKMOE_ERROR_INVALID, "%s: has more than %llu MiB", name,
            (unsigned long long)(max_size >> 20));
    out->path = calloc(strlen(name) + 1, 1);
    out->data = calloc(file->size + 1, 1);
    if (!out->path || !out->data)
        return vkmoe_fail(
            source->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: out of host memory to read it", name);
    strcpy(out->path, name);
    out->size = file->size;
    if (file->size)
        memcpy(out->data, file->data, file->size);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_source_read_json(
    const struct source *source, const char *name, struct value **out)
{
    struct blob file;
    enum vkmoe_status status = vkmoe_source_read(source, name, MAX_SETTINGS, &file);
    *out = NULL;
    if (status == VKMOE_OK && file.data)
        status = vkmoe_json_parse(file.path, file.data, file.size, source->log, out);
    vkmoe_blob_finish(&file);
    return status;
}

// Keeps the name in `found`, which has `room`, if it ends so and comes before that.
static void keep_first(const char *name, const char *tail, char *found, size_t room)
{
    const size_t size = strlen(name), tail_size = strlen(tail);
    if (size > tail_size && size < room && strcmp(name + size - tail_size, tail) == 0
        && (!*found || strcmp(name, found) < 0))
        strcpy(found, name);
}

void vkmoe_source_find_end(const struct source *source, const char *tail, char *name, size_t room)
{
    *name = 0;
    for (uint32_t i = 0; i < source->file_count; i++)
        keep_first(source->files[i].name, tail, name, room);
    DIR *folder = source->files ? NULL : opendir(source->path);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        keep_first(entry->d_name, tail, name, room);
    if (folder)
        closedir(folder);
}
