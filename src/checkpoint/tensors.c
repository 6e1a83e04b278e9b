// tensors.c - see tensors.h. The format: 8 bytes of little-endian header length, a JSON
// header {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ...}, then the data,
// to whose start the offsets count, without gaps (github.com/huggingface/safetensors).
#include "checkpoint/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "checkpoint/foreign.h"
#include "base/json.h"

enum { MAX_TENSORS = 1 << 20 };

struct loader {
    struct vkmoe_tensors *tensors;
    const struct vkmoe_log *log;
    const char *directory;
};

#define FAIL(loader, status, ...) vkmoe_fail((loader)->log, VKMOE_ERROR_##status, __VA_ARGS__)

// Bits of one element; 0: unknown, which is fine until somebody needs the tensor.
static uint32_t dtype_bits(const char *dtype)
{
    static const struct {
        const char *name;
        uint32_t bits;
    } dtypes[] = {
        { "F32", 32 },
        { "F16", 16 },
        { "BF16", 16 },
        { "F64", 64 },
        { "F8_E4M3", 8 },
        { "F8_E5M2", 8 },
        { "F8_E8M0", 8 },
        { "F6_E2M3", 6 },
        { "F6_E3M2", 6 },
        { "F4", 4 },
        { "BOOL", 8 },
        { "U8", 8 },
        { "I8", 8 },
        { "U16", 16 },
        { "I16", 16 },
        { "U32", 32 },
        { "I32", 32 },
        { "U64", 64 },
        { "I64", 64 },
        { "C64", 64 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(dtypes); i++) {
        if (strcmp(dtype, dtypes[i].name) == 0)
            return dtypes[i].bits;
    }
    return 0;
}

static bool multiply(uint64_t *product, uint64_t factor)
{
    if (factor && *product > UINT64_MAX / factor)
        return false;
    *product *= factor;
    return true;
}

// The member of an object, refused if there are two of that name.
static const cJSON *get_member(const cJSON *object, const char *name)
{
    const cJSON *found = NULL, *item;
    cJSON_ArrayForEach(item, object)
    {
        if (strcmp(item->string, name) == 0) {
            if (found)
                return NULL;
            found = item;
        }
    }
    return found;
}

static const char *read_shape(const cJSON *shape, struct vkmoe_tensor *tensor)
{
    if (!cJSON_IsArray(shape))
        return "needs one \"shape\", an array";
    tensor->elements = 1;
    const cJSON *item;
    cJSON_ArrayForEach(item, shape)
    {
        if (tensor->rank == VKMOE_TENSOR_MAX_RANK)
            return "has more than 8 dimensions";
        uint64_t *size = &tensor->shape[tensor->rank++];
        if (!vkmoe_json_integer(item, size))
            return "has a size that is no integer from 0 to 2^53";
        if (!multiply(&tensor->elements, *size))
            return "has more elements than 64 bits can count";
    }
    return NULL;
}

// Fills `tensor` from its header entry; `data` and `size` are those of the whole data area.
// Returns what is wrong, or NULL.
static const char *read_tensor(
    const cJSON *entry, const uint8_t *data, uint64_t size, struct vkmoe_tensor *tensor)
{
    if (!cJSON_IsObject(entry))
        return "is not described by an object";
    const char *dtype = cJSON_GetStringValue(get_member(entry, "dtype"));
    if (!dtype)
        return "needs one \"dtype\", a string";
    vkmoe_json_printable(dtype, tensor->dtype, sizeof tensor->dtype);
    const char *fault = read_shape(get_member(entry, "shape"), tensor);
    if (fault)
        return fault;

    const cJSON *offsets = get_member(entry, "data_offsets");
    uint64_t begin, end;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2
        || !vkmoe_json_integer(cJSON_GetArrayItem(offsets, 0), &begin)
        || !vkmoe_json_integer(cJSON_GetArrayItem(offsets, 1), &end))
        return "needs one \"data_offsets\", two integers from 0 to 2^53";
    if (begin > end)
        return "ends before it begins";
    if (end > size)
        return "ends beyond the end of the file, whose download may not be finished";
    tensor->data = data + begin;
    tensor->size = end - begin;

    uint32_t bits = dtype_bits(dtype);
    uint64_t total = tensor->elements;
    if (bits && (!multiply(&total, bits) || total % 8 || total / 8 != tensor->size))
        return "has data_offsets that do not match its dtype and shape";
    return NULL;
}

static int compare_data(const void *a, const void *b)
{
    const struct vkmoe_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

static int compare_names(const void *a, const void *b)
{
    const struct vkmoe_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int compare_places(const void *a, const void *b)
{
    const struct vkmoe_tensor *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->path, y->path);
}

// The tensors from `first` on fill the data area exactly, as the format demands. They
// are sorted for that.
static enum vkmoe_status check_cover(const struct loader *loader, const char *path,
    const uint8_t *data, uint64_t size, uint32_t first)
{
    struct vkmoe_tensors *t = loader->tensors;
    if (t->count > first)
        qsort(t->items + first, t->count - first, sizeof(*t->items), compare_data);
    const uint8_t *next = data;
    for (uint32_t i = first; i < t->count; i++) {
        const struct vkmoe_tensor *tensor = &t->items[i];
        if (tensor->data != next)
            return FAIL(loader, INVALID, "%s: tensor %.200s begins at data offset %llu, %s %llu",
                path, tensor->name, (unsigned long long)(tensor->data - data),
                tensor->data < next ? "inside another that ends at" : "after a gap from",
                (unsigned long long)(next - data));
        next = tensor->data + tensor->size;
    }
    if (next != data + size)
        return FAIL(loader, INVALID, "%s: %llu bytes of data belong to no tensor", path,
            (unsigned long long)(data + size - next));
    return VKMOE_OK;
}

static enum vkmoe_status reserve_tensors(
    const struct loader *loader, const char *path, uint64_t more)
{
    struct vkmoe_tensors *t = loader->tensors;
    uint64_t needed = t->count + more;
    if (needed > MAX_TENSORS)
        return FAIL(loader, INVALID, "%s: has tensors beyond the limit of %d", path, MAX_TENSORS);
    if (needed <= t->capacity)
        return VKMOE_OK;
    uint32_t capacity = (uint32_t)MAX(needed, MIN(2 * (uint64_t)t->capacity, MAX_TENSORS));
    struct vkmoe_tensor *items = realloc(t->items, capacity * sizeof(*items));
    if (!items)
        return FAIL(loader, OUT_OF_MEMORY, "%s: no memory for its list of tensors", path);
    t->items = items;
    t->capacity = capacity;
    return VKMOE_OK;
}

bool vkmoe_tensors_has_control_character(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    }
    return false;
}

static enum vkmoe_status add_tensors(const struct loader *loader, struct vkmoe_tensor_file *file,
    const cJSON *header, const uint8_t *data, uint64_t size)
{
    struct vkmoe_tensors *t = loader->tensors;
    const cJSON *entry;
    size_t names_size = 1;
    uint64_t count = 0;
    cJSON_ArrayForEach(entry, header)
    {
        names_size += strlen(entry->string) + 1;
        count++;
    }
    enum vkmoe_status status = reserve_tensors(loader, file->path, count);
    if (status != VKMOE_OK)
        return status;
    char *name = file->names = malloc(names_size);
    if (!name)
        return FAIL(loader, OUT_OF_MEMORY, "%s: no memory for its names", file->path);

    uint32_t first = t->count;
    cJSON_ArrayForEach(entry, header)
    {
        if (strcmp(entry->string, "__metadata__") == 0)
            continue;
        char printable[200];
        struct vkmoe_tensor tensor = { .name = name, .path = file->path, .file = file->file };
        const char *fault = vkmoe_tensors_has_control_character(entry->string)
            ? "has control characters in its name"
            : read_tensor(entry, data, size, &tensor);
        if (fault)
            return FAIL(loader, INVALID, "%s: tensor %s %s", file->path,
                vkmoe_json_printable(entry->string, printable, sizeof printable), fault);
        size_t length = strlen(entry->string) + 1;
        memcpy(name, entry->string, length);
        name += length;
        if (t->elements > UINT64_MAX - tensor.elements)
            return FAIL(
                loader, INVALID, "%s: has more elements than 64 bits can count", file->path);
        t->elements += tensor.elements;
        t->items[t->count++] = tensor;
    }
    return check_cover(loader, file->path, data, size, first);
}

// Takes `path`.
static enum vkmoe_status open_file(const struct loader *loader, char *path)
{
    struct vkmoe_tensors *t = loader->tensors;
    struct vkmoe_tensor_file *files = realloc(t->files, (t->file_count + 1) * sizeof(*files));
    if (!files) {
        free(path);
        return FAIL(
            loader, OUT_OF_MEMORY, "%s: no memory for its list of files", loader->directory);
    }
    t->files = files;
    struct vkmoe_tensor_file *file = &files[t->file_count++];
    *file = (struct vkmoe_tensor_file){ .path = path };
    enum vkmoe_status status = vkmoe_file_open(path, loader->log, &file->file);
    if (status != VKMOE_OK)
        return status;

    const uint8_t *data = file->file->data;
    uint64_t size = file->file->size, header_size = 0;
    uint8_t begin[64];
    status = vkmoe_file_read(file->file, loader->log, data, begin, MIN(size, sizeof begin));
    if (status != VKMOE_OK)
        return status;
    const char *other = vkmoe_foreign_content(begin, MIN(size, sizeof begin));
    if (other)
        return FAIL(loader, INVALID, "%s: %s", path, other);
    if (vkmoe_foreign_is_unfinished(path))
        return FAIL(loader, INVALID, "%s: its download is not finished; finish it", path);
    if (size < 8)
        return FAIL(loader, INVALID, "%s: has %llu bytes, too few for a safetensors header", path,
            (unsigned long long)size);
    for (int i = 7; i >= 0; i--)
        header_size = header_size << 8 | begin[i];
    if (header_size > size - 8)
        return FAIL(loader, INVALID, "%s: has %llu bytes, but a header of %llu", path,
            (unsigned long long)size, (unsigned long long)header_size);
    cJSON *header;
    status = vkmoe_json_read(file->file, loader->log, data + 8, header_size, &header);
    if (status != VKMOE_OK)
        return status;
    status = add_tensors(loader, file, header, data + 8 + header_size, size - 8 - header_size);
    cJSON_Delete(header);
    t->file_size += size;
    return status;
}

enum vkmoe_status vkmoe_tensors_add(
    struct vkmoe_tensors *tensors, const struct vkmoe_log *log, const char *directory, char *path)
{
    const struct loader loader = { .tensors = tensors, .log = log, .directory = directory };
    return open_file(&loader, path);
}

enum vkmoe_status vkmoe_tensors_reserve(
    struct vkmoe_tensors *tensors, const struct vkmoe_log *log, const char *path, uint64_t more)
{
    const struct loader loader = { .tensors = tensors, .log = log };
    return reserve_tensors(&loader, path, more);
}

void vkmoe_tensors_sort(struct vkmoe_tensors *tensors)
{
    if (tensors->count)
        qsort(tensors->items, tensors->count, sizeof(*tensors->items), compare_places);
}

void vkmoe_tensors_close(struct vkmoe_tensors *tensors)
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
    *tensors = (struct vkmoe_tensors){ 0 };
}

struct vkmoe_tensor *vkmoe_tensors_find(const struct vkmoe_tensors *tensors, const char *name)
{
    if (tensors->count == 0)
        return NULL;
    const struct vkmoe_tensor key = { .name = name };
    return bsearch(&key, tensors->items, tensors->count, sizeof(key), compare_names);
}

uint32_t vkmoe_tensors_lower_bound(const struct vkmoe_tensors *tensors, const char *name)
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
