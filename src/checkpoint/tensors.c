// tensors.c - see tensors.h.
#include "checkpoint/tensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"

const char *vkmoe_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int compare_names(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int compare_places(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->path, y->path);
}

struct tensor_file *vkmoe_tensors_add_file(
    struct tensors *tensors, const struct vkmoe_log *log, char *path)
{
    struct tensor_file *files = realloc(tensors->files, (tensors->file_count + 1) * sizeof(*files));
    if (!files) {
        vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for a list of files", path);
        free(path);
        return NULL;
    }
    tensors->files = files;
    struct tensor_file *file = &files[tensors->file_count++];
    *file = (struct tensor_file){ .path = path };
    return file;
}

const struct tensor_file *vkmoe_tensors_find_file(const struct tensors *tensors, const char *name)
{
    for (uint32_t i = tensors->file_count; i-- > 0;) { // newest first: shards come in runs
        if (strcmp(vkmoe_base_name(tensors->files[i].path), name) == 0)
            return &tensors->files[i];
    }
    return NULL;
}

enum vkmoe_status vkmoe_tensors_reserve(
    struct tensors *tensors, const struct vkmoe_log *log, const char *path, uint64_t more)
{
    uint64_t needed = tensors->count + more;
    if (needed > MAX_TENSORS)
        return vkmoe_fail(
            log, VKMOE_ERROR_INVALID, "%s: has tensors beyond the limit of %d", path, MAX_TENSORS);
    if (needed <= tensors->capacity)
        return VKMOE_OK;
    uint32_t capacity = (uint32_t)MAX(needed, MIN(2 * (uint64_t)tensors->capacity, MAX_TENSORS));
    struct tensor *items = realloc(tensors->items, capacity * sizeof(*items));
    if (!items)
        return vkmoe_fail(
            log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for its list of tensors", path);
    tensors->items = items;
    tensors->capacity = capacity;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_tensors_add(
    struct tensors *tensors, const struct vkmoe_log *log, const struct tensor *tensor)
{
    if (tensors->elements > UINT64_MAX - tensor->elements)
        return vkmoe_fail(
            log, VKMOE_ERROR_INVALID, "%s: has more elements than 64 bits can count", tensor->path);
    TRY_RETURN(vkmoe_tensors_reserve(tensors, log, tensor->path, 1));
    tensors->elements += tensor->elements;
    tensors->items[tensors->count++] = *tensor;
    return VKMOE_OK;
}

void vkmoe_tensors_sort(struct tensors *tensors)
{
    if (tensors->count)
        qsort(tensors->items, tensors->count, sizeof(*tensors->items), compare_places);
}

void vkmoe_tensors_close(struct tensors *tensors)
{
    for (uint32_t i = 0; i < tensors->file_count; i++) {
        vkmoe_file_close(&tensors->files[i].file);
        free(tensors->files[i].names);
        free(tensors->files[i].reason);
        free(tensors->files[i].path);
    }
    free(tensors->files);
    free(tensors->items);
    free(tensors->absent_names);
    free(tensors->index_path);
    *tensors = (struct tensors){ 0 };
}

struct tensor *vkmoe_tensors_find(const struct tensors *tensors, const char *name)
{
    if (tensors->count == 0)
        return NULL;
    const struct tensor key = { .name = name };
    return bsearch(&key, tensors->items, tensors->count, sizeof(key), compare_names);
}

uint32_t vkmoe_tensors_lower_bound(const struct tensors *tensors, const char *name)
{
    uint32_t low = 0, high = tensors->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(tensors->items[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum vkmoe_status vkmoe_tensors_refuse_absent(
    const struct tensors *tensors, const struct tensor *tensor, const struct vkmoe_log *log)
{
    const struct tensor_file *file =
        vkmoe_tensors_find_file(tensors, vkmoe_base_name(tensor->path));
    if (tensor->absence == TENSOR_FILE_MISSING && file->reason)
        return vkmoe_fail(log, file->status, "%s; tensor %s is in it", file->reason, tensor->name);
    if (tensor->absence == TENSOR_FILE_MISSING)
        return vkmoe_fail(log, VKMOE_ERROR_NOT_FOUND,
            "%s: tensor %s is in %s, which is not there; download it too", tensors->index_path,
            tensor->name, vkmoe_base_name(tensor->path));
    return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: tensor %s is not in %s, as weight_map has it",
        tensors->index_path, tensor->name, vkmoe_base_name(tensor->path));
}
