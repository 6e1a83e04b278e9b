// safetensors.c - see safetensors.h. The format: 8 bytes of little-endian header length, a JSON
// header {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ...}, then the data,
// to whose start the offsets count, without gaps (github.com/huggingface/safetensors).
#include "checkpoint/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/content.h"
#include "base/json.h"
#include "base/log.h"
#include "base/try.h"
#include "checkpoint/dtypes.h"
#include "checkpoint/foreign.h"

struct reader {
    struct tensors *tensors;
    const struct vkmoe_log *log;
    const char *path;
    // Of all tensors:
    const uint8_t *data;
    uint64_t size;
};

#define FAIL(reader, status, ...) vkmoe_fail((reader)->log, VKMOE_ERROR_##status, __VA_ARGS__)

static bool multiply(uint64_t *product, uint64_t factor)
{
    if (factor && *product > UINT64_MAX / factor)
        return false;
    *product *= factor;
    return true;
}

static const char *read_shape(const struct value *shape, struct tensor *tensor)
{
    if (!value_is(shape, VALUE_LIST))
        return "needs one \"shape\", an array";
    tensor->elements = 1;
    VALUE_EACH(item, shape)
    {
        if (tensor->rank == TENSOR_MAX_RANK)
            return "has more than 8 dimensions";
        uint64_t *size = &tensor->shape[tensor->rank++];
        if (!vkmoe_value_integer(item, size))
            return "has a size that is no integer from 0 to 2^53";
        if (!multiply(&tensor->elements, *size))
            return "has more elements than 64 bits can count";
    }
    return NULL;
}

// Fills `tensor` from its header entry. Returns what is wrong, or NULL.
static const char *read_tensor(
    const struct reader *reader, const struct value *entry, struct tensor *tensor)
{
    if (!value_is(entry, VALUE_OBJECT))
        return "is not described by an object";
    const char *dtype = value_text(vkmoe_value_only_member(entry, "dtype"));
    if (!dtype)
        return "needs one \"dtype\", a string";
    vkmoe_printable(dtype, tensor->dtype, sizeof tensor->dtype);
    const char *fault = read_shape(vkmoe_value_only_member(entry, "shape"), tensor);
    if (fault)
        return fault;

    const struct value *offsets = vkmoe_value_only_member(entry, "data_offsets");
    uint64_t begin, end;
    if (!value_is(offsets, VALUE_LIST) || offsets->count != 2
        || !vkmoe_value_integer(&offsets->items[0], &begin)
        || !vkmoe_value_integer(&offsets->items[1], &end))
        return "needs one \"data_offsets\", two integers from 0 to 2^53";
    if (begin > end)
        return "ends before it begins";
    if (end > reader->size)
        return "ends beyond the end of the file, whose download may not be finished";
    tensor->data = reader->data + begin;
    tensor->size = end - begin;

    uint32_t bits = vkmoe_dtype_bits(dtype);
    uint64_t total = tensor->elements;
    if (bits && (!multiply(&total, bits) || total % 8 || total / 8 != tensor->size))
        return "has data_offsets that do not match its dtype and shape";
    return NULL;
}

static int compare_data(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

// The tensors from `first` on fill the data area exactly, as the format demands. They
// are sorted for that.
static enum vkmoe_status check_cover(const struct reader *reader, uint32_t first)
{
    struct tensors *t = reader->tensors;
    if (t->count > first)
        qsort(t->items + first, t->count - first, sizeof(*t->items), compare_data);
    const uint8_t *next = reader->data;
    for (uint32_t i = first; i < t->count; i++) {
        const struct tensor *tensor = &t->items[i];
        if (tensor->data != next)
            return FAIL(reader, INVALID, "%s: tensor %.200s begins at data offset %llu, %s %llu",
                reader->path, tensor->name, (unsigned long long)(tensor->data - reader->data),
                tensor->data < next ? "inside another that ends at" : "after a gap from",
                (unsigned long long)(next - reader->data));
        next = tensor->data + tensor->size;
    }
    if (next != reader->data + reader->size)
        return FAIL(reader, INVALID, "%s: %llu bytes of data belong to no tensor", reader->path,
            (unsigned long long)(reader->data + reader->size - next));
    return VKMOE_OK;
}

static enum vkmoe_status add_tensors(
    const struct reader *reader, struct tensor_file *file, const struct value *header)
{
    struct tensors *t = reader->tensors;
    size_t names_size = 1;
    VALUE_EACH(entry, header)
    names_size += strlen(entry->name) + 1;
    TRY_RETURN(vkmoe_tensors_reserve(t, reader->log, reader->path, header->count));
    char *name = file->names = malloc(names_size);
    if (!name)
        return FAIL(reader, OUT_OF_MEMORY, "%s: no memory for its names", reader->path);

    uint32_t first = t->count;
    VALUE_EACH(entry, header)
    {
        if (strcmp(entry->name, "__metadata__") == 0)
            continue;
        char printable[200];
        struct tensor tensor = { .name = name, .path = file->path, .file = file->file };
        const char *fault = vkmoe_has_control_character(entry->name)
            ? "has control characters in its name"
            : read_tensor(reader, entry, &tensor);
        if (fault)
            return FAIL(reader, INVALID, "%s: tensor %s %s", reader->path,
                vkmoe_printable(entry->name, printable, sizeof printable), fault);
        size_t length = strlen(entry->name) + 1;
        memcpy(name, entry->name, length);
        name += length;
        TRY_RETURN(vkmoe_tensors_add(t, reader->log, &tensor));
    }
    return check_cover(reader, first);
}

// The size of the header, which begins behind these 8 bytes.
static enum vkmoe_status read_header_size(
    const struct reader *reader, const struct vkmoe_file *file, uint64_t *header_size)
{
    uint8_t begin[64];
    const uint64_t size = file->size, begin_size = MIN(size, sizeof begin);
    TRY_RETURN(vkmoe_file_read(file, reader->log, file->data, begin, begin_size));
    const char *other = vkmoe_content_other(begin, begin_size);
    if (other)
        return FAIL(reader, INVALID, "%s: %s", reader->path, other);
    if (vkmoe_foreign_is_unfinished(reader->path))
        return FAIL(reader, INVALID, "%s: its download is not finished; finish it", reader->path);
    if (size < 8)
        return FAIL(reader, INVALID, "%s: has %llu bytes, too few for a safetensors header",
            reader->path, (unsigned long long)size);
    for (int i = 7; i >= 0; i--)
        *header_size = *header_size << 8 | begin[i];
    if (*header_size > size - 8)
        return FAIL(reader, INVALID, "%s: has %llu bytes, but a header of %llu", reader->path,
            (unsigned long long)size, (unsigned long long)*header_size);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_safetensors_add(
    struct tensors *tensors, const struct vkmoe_log *log, char *path)
{
    struct reader reader = { .tensors = tensors, .log = log, .path = path };
    struct tensor_file *file = vkmoe_tensors_add_file(tensors, log, path);
    if (!file)
        return VKMOE_ERROR_OUT_OF_MEMORY;
    TRY_RETURN(vkmoe_file_open(path, log, &file->file));
    uint64_t header_size = 0;
    TRY_RETURN(read_header_size(&reader, file->file, &header_size));
    reader.data = file->file->data + 8 + header_size;
    reader.size = file->file->size - 8 - header_size;
    struct value *header;
    TRY_RETURN(vkmoe_json_read(file->file, log, file->file->data + 8, header_size, &header));
    enum vkmoe_status status = add_tensors(&reader, file, header);
    free(header);
    tensors->file_size += file->file->size;
    return status;
}
