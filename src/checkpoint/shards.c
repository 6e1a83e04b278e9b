// shards.c - which files of a directory hold the tensors: model.safetensors, or what
// model.safetensors.index.json names. The index decides between files that hold a tensor of
// one name, and what it names in vain is remembered as absent: nobody may need it. So it is with
// the tensors of a shard that cannot be read: its line is for those who ask for one of them.
#include "checkpoint/shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/content.h"
#include "base/json.h"
#include "base/log.h"
#include "base/try.h"
#include "checkpoint/foreign.h"
#include "checkpoint/safetensors.h"

enum { MAX_FILES = 4096, LINE_SIZE = 1024 };

// One line of the index.
struct place {
    const char *name, *shard;
};

struct index {
    struct tensors *tensors;
    const struct vkmoe_log *log;
    const char *directory;
    const char *path;
    struct place *places; // by name
    uint32_t count;
};

#define FAIL(index, status, ...) vkmoe_fail((index)->log, VKMOE_ERROR_##status, __VA_ARGS__)

// Joins two strings with a slash between; NULL without memory.
static char *join_path(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", directory, name);
    return path;
}

// True for a plain name: the index must not reach outside its directory.
static bool is_shard_name(const char *name)
{
    const char suffix[] = ".safetensors";
    size_t length = strlen(name);
    return length > sizeof suffix - 1 && length < 256 && name[0] != '.' && !strpbrk(name, "/\\:")
        && !vkmoe_has_control_character(name)
        && strcmp(name + length - (sizeof suffix - 1), suffix) == 0;
}

// ----------------------------------------------------------------------------- places

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static enum vkmoe_status read_places(struct index *index, const struct value *map)
{
    index->places = malloc(MAX((size_t)map->count, 1) * sizeof(*index->places));
    if (!index->places)
        return FAIL(index, OUT_OF_MEMORY, "%s: no memory for its list of tensors", index->path);
    VALUE_EACH(entry, map)
    {
        char printable[200];
        const char *shard = value_text(entry);
        vkmoe_printable(entry->name, printable, sizeof printable);
        if (!shard || !is_shard_name(shard))
            return FAIL(index, INVALID, "%s: weight_map gives tensor %s %s", index->path, printable,
                shard ? "a file name that is not a plain *.safetensors" : "no file name");
        if (vkmoe_has_control_character(entry->name))
            return FAIL(index, INVALID, "%s: tensor %s has control characters in its name",
                index->path, printable);
        index->places[index->count++] = (struct place){ entry->name, shard };
    }
    qsort(index->places, index->count, sizeof(*index->places), compare_places);
    for (uint32_t i = 1; i < index->count; i++) {
        if (strcmp(index->places[i - 1].name, index->places[i].name) == 0)
            return FAIL(index, INVALID, "%s: weight_map names tensor %.200s twice", index->path,
                index->places[i].name);
    }
    return VKMOE_OK;
}

static const struct place *find_place(const struct index *index, const char *name)
{
    const struct place key = { .name = name };
    return index->count ? bsearch(&key, index->places, index->count, sizeof key, compare_places)
                        : NULL;
}

// ------------------------------------------------------------------------------ files

static enum vkmoe_status set_reason(
    const struct index *index, struct tensor_file *file, enum vkmoe_status status, const char *line)
{
    file->status = status;
    file->reason = malloc(strlen(line) + 1);
    if (!file->reason)
        return FAIL(index, OUT_OF_MEMORY, "%s: no memory for what is wrong", file->path);
    strcpy(file->reason, line);
    return VKMOE_OK;
}

// Takes `path`.
static enum vkmoe_status add_missing_file(const struct index *index, char *path)
{
    struct tensor_file *file = vkmoe_tensors_add_file(index->tensors, index->log, path);
    if (!file)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    index->tensors->missing_files++;
    const char *tail = vkmoe_foreign_partial(path);
    if (!tail)
        return VKMOE_OK;
    char line[LINE_SIZE];
    snprintf(line, sizeof line,
        "%s: is not there, but %s%s: its download is not finished; finish it", path,
        vkmoe_base_name(path), tail);
    return set_reason(index, file, VKMOE_ERROR_NOT_FOUND, line);
}

static void keep_line(void *user, enum vkmoe_log_level level, const char *line)
{
    (void)level;
    snprintf(user, LINE_SIZE, "%s", line);
}

// Takes `path`. What cannot be read leaves nothing but the reason.
static enum vkmoe_status add_file(const struct index *index, char *path)
{
    struct tensors *t = index->tensors;
    char line[LINE_SIZE] = "";
    const struct vkmoe_log keep = { .write = keep_line, .user = line, .level = VKMOE_LOG_ERROR };
    const uint32_t count = t->count, file_count = t->file_count;
    const uint64_t elements = t->elements, file_size = t->file_size;
    enum vkmoe_status status = vkmoe_safetensors_add(t, &keep, path);
    if (status == VKMOE_OK)
        return VKMOE_OK;
    if (status == VKMOE_ERROR_OUT_OF_MEMORY || t->file_count == file_count)
        return vkmoe_fail(index->log, status, "%s", line);
    struct tensor_file *file = &t->files[file_count];
    vkmoe_file_close(&file->file);
    free(file->names);
    file->names = NULL;
    t->count = count;
    t->elements = elements;
    t->file_size = file_size;
    t->missing_files++;
    return set_reason(index, file, status, line);
}

static enum vkmoe_status open_shard(const struct index *index, const char *shard)
{
    struct tensors *t = index->tensors;
    if (vkmoe_tensors_find_file(t, shard))
        return VKMOE_OK;
    if (t->file_count == MAX_FILES)
        return FAIL(index, INVALID, "%s: names more than %d files", index->path, MAX_FILES);
    char *path = join_path(index->directory, shard);
    if (!path)
        return FAIL(index, OUT_OF_MEMORY, "%s: no memory for a path", index->path);
    return vkmoe_path_is_there(path) ? add_file(index, path) : add_missing_file(index, path);
}

// None of the files can be read.
static enum vkmoe_status refuse_all(const struct index *index)
{
    const struct tensors *t = index->tensors;
    for (uint32_t i = 0; i < t->file_count; i++) {
        if (t->files[i].reason)
            return vkmoe_fail(index->log, t->files[i].status, "%s", t->files[i].reason);
    }
    return FAIL(index, NOT_FOUND, "%s: %s is not there%s; download what the index names",
        index->path, vkmoe_base_name(t->files[0].path),
        t->file_count > 1 ? ", nor any other of its files" : "");
}

static enum vkmoe_status open_shards(const struct index *index, const struct value *map)
{
    const struct tensors *t = index->tensors;
    VALUE_EACH(entry, map)
    { // in its own order, which is by file
        TRY_RETURN(open_shard(index, entry->text));
    }
    return t->file_count && t->missing_files == t->file_count ? refuse_all(index) : VKMOE_OK;
}

// ------------------------------------------------------------------- who holds a tensor

// Of `count` tensors of one name, the one that counts, or NULL if the index means another.
static enum vkmoe_status choose(const struct index *index, const struct tensor *tensors,
    uint32_t count, const struct tensor **chosen)
{
    const struct place *place = find_place(index, tensors->name);
    *chosen = place ? NULL : tensors;
    for (uint32_t i = 0; place && i < count; i++) {
        if (strcmp(vkmoe_base_name(tensors[i].path), place->shard) == 0)
            *chosen = &tensors[i];
    }
    if (count > 1 && !(place && *chosen))
        return FAIL(index, INVALID, "%s: tensor %.200s is there twice, also in %s%s",
            tensors[1].path, tensors->name, tensors[0].path,
            index->path ? ", and the index does not say which it is" : "");
    return VKMOE_OK;
}

// Leaves one tensor of each name. Expects them sorted.
static enum vkmoe_status drop_copies(const struct index *index)
{
    struct tensors *t = index->tensors;
    uint32_t kept = 0, end;
    for (uint32_t i = 0; i < t->count; i = end) {
        for (end = i + 1; end < t->count && strcmp(t->items[i].name, t->items[end].name) == 0;)
            end++;
        const struct tensor *chosen;
        enum vkmoe_status status = choose(index, &t->items[i], end - i, &chosen);
        if (status != VKMOE_OK)
            return status;
        for (uint32_t j = i; j < end; j++) {
            if (&t->items[j] != chosen)
                t->elements -= t->items[j].elements;
        }
        if (chosen)
            t->items[kept++] = *chosen;
    }
    t->count = kept;
    return VKMOE_OK;
}

// Adds what the index names and no file has. Expects the tensors sorted.
static enum vkmoe_status add_absent(struct index *index)
{
    struct tensors *t = index->tensors;
    size_t size = 1;
    uint32_t absent = 0;
    for (uint32_t i = 0; i < index->count; i++) {
        const struct place place = index->places[i];
        if (vkmoe_tensors_find(t, place.name))
            continue;
        size += strlen(place.name) + 1;
        index->places[absent++] = place; // nobody asks for the others any more
    }
    enum vkmoe_status status = vkmoe_tensors_reserve(t, index->log, index->path, absent);
    if (status != VKMOE_OK)
        return status;
    char *name = t->absent_names = malloc(size);
    if (!name)
        return FAIL(index, OUT_OF_MEMORY, "%s: no memory for its names", index->path);
    for (t->absent = 0; t->absent < absent; t->absent++) {
        const struct place *place = &index->places[t->absent];
        const struct tensor_file *file = vkmoe_tensors_find_file(t, place->shard);
        t->items[t->count++] = (struct tensor){
            .name = strcpy(name, place->name),
            .path = file->path,
            .absence = file->file ? TENSOR_NOT_IN_FILE : TENSOR_FILE_MISSING,
        };
        name += strlen(name) + 1;
    }
    vkmoe_tensors_sort(t);
    return VKMOE_OK;
}

static enum vkmoe_status settle(struct index *index)
{
    struct tensors *t = index->tensors;
    if (t->count == 0)
        return FAIL(index, INVALID, "%s: holds no tensors", index->directory);
    vkmoe_tensors_sort(t);
    enum vkmoe_status status = drop_copies(index);
    return status == VKMOE_OK && index->path ? add_absent(index) : status;
}

// ------------------------------------------------------------------------------- open

static enum vkmoe_status open_index(struct index *index)
{
    struct value *root;
    TRY_RETURN(vkmoe_json_open(index->path, index->log, &root));
    const struct value *map = vkmoe_value_only_member(root, "weight_map");
    enum vkmoe_status status = VKMOE_OK;
    if (!value_is(map, VALUE_OBJECT))
        status = FAIL(index, INVALID, "%s: needs one \"weight_map\", an object", index->path);
    TRY(status);
    TRY(read_places(index, map));
    TRY(open_shards(index, map));
    TRY(settle(index));
fail:
    free(index->places);
    free(root);
    return status;
}

static enum vkmoe_status open_single(struct index *index, char *path)
{
    TRY_RETURN(vkmoe_safetensors_add(index->tensors, index->log, path));
    return settle(index);
}

enum vkmoe_status vkmoe_shards_open(
    const char *directory, const struct vkmoe_log *log, struct tensors *out)
{
    *out = (struct tensors){ 0 };
    struct index index = { .tensors = out, .log = log, .directory = directory };
    char *single = join_path(directory, "model.safetensors");
    out->index_path = join_path(directory, "model.safetensors.index.json");
    enum vkmoe_status status = VKMOE_ERROR_OUT_OF_MEMORY;
    if (!single || !out->index_path) {
        vkmoe_fail(log, status, "%s: no memory for a path", directory);
    } else if (vkmoe_path_is_there(single)) {
        status = open_single(&index, single);
        single = NULL;
    } else if (vkmoe_path_is_there(out->index_path)) {
        index.path = out->index_path;
        status = open_index(&index);
    } else {
        status = vkmoe_foreign_weights(directory, log);
    }
    free(single);
    if (!index.path) {
        free(out->index_path);
        out->index_path = NULL;
    }
    if (status != VKMOE_OK)
        vkmoe_tensors_close(out);
    return status;
}
