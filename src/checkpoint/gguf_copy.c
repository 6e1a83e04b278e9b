// gguf_copy.c - a GGUF file as another one: keys byte by byte, but for those about the file itself,
// and tensors under their names, whatever the architecture.
#include "checkpoint/gguf_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "checkpoint/gguf.h"
#include "checkpoint/opened.h"
#include "weights/format.h"

static bool begins_with(const char *text, const char *head)
{
    return strncmp(text, head, strlen(head)) == 0;
}

// Not what is of the file, or of how it is cut, and written anew. Which tokens are what stays, with
// or without their texts.
static bool is_kept(const char *key, bool tokenizer)
{
    static const char *const own[] = { "split.", "general.alignment", "general.file_type",
        "general.quantization_version", "quantize." };
    static const char tail[] = "_token_id";
    const size_t length = strlen(key), size = sizeof tail - 1;
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        if (begins_with(key, own[i]))
            return false;
    }
    return tokenizer || !begins_with(key, "tokenizer.")
        || (length > size && strcmp(key + length - size, tail) == 0);
}

static void copy_keys(const struct vkmoe_file *file, const struct gguf_file *keys, bool tokenizer,
    struct gguf_output *out)
{
    for (uint32_t i = 0; i < keys->value_count && out->status == VKMOE_OK; i++) {
        const struct gguf_entry *entry = &keys->entries[i];
        if (!is_kept(keys->values[i].name, tokenizer))
            continue;
        char *bytes = malloc((size_t)entry->size);
        if (!bytes)
            GGUF_OUTPUT_FAIL(out, OUT_OF_MEMORY, "%s: no memory for a key", out->path);
        else
            out->status =
                vkmoe_file_read(file, out->log, file->data + entry->at, bytes, entry->size);
        vkmoe_gguf_put_bytes(out, bytes, (size_t)entry->size);
        out->key_count++;
        free(bytes);
    }
}

static void copy_tensor(const struct tensor *tensor, struct gguf_output *out)
{
    struct gguf_tensor copy = { .rank = tensor->rank, .count = 1 };
    struct vkmoe_view view = { .data = tensor->data, .file = tensor->file };
    snprintf(copy.name, sizeof copy.name, "%s", tensor->name);
    for (uint32_t i = 0; i < tensor->rank; i++)
        copy.shape[i] = tensor->shape[tensor->rank - 1 - i];
    const uint64_t rows = tensor->elements / copy.shape[0];
    if (!vkmoe_format_named(tensor->dtype, &view.dtype))
        GGUF_OUTPUT_FAIL(out, UNSUPPORTED, "%s: tensor %s is %s, which this version does not read",
            tensor->path, tensor->name, tensor->dtype);
    else if (rows > UINT32_MAX || copy.shape[0] > UINT32_MAX)
        GGUF_OUTPUT_FAIL(out, UNSUPPORTED, "%s: tensor %s has more than 2^32 rows or columns",
            tensor->path, tensor->name);
    copy.rows = (uint32_t)rows;
    copy.views = &view;
    vkmoe_gguf_add(out, &copy, true);
}

// As they lie in the files, which are parts in the order of their names.
static int compare_places(const void *a, const void *b)
{
    const struct tensor *const *x = a, *const *y = b;
    const int order = strcmp((*x)->path, (*y)->path);
    return order ? order : ((*x)->data > (*y)->data) - ((*x)->data < (*y)->data);
}

static void copy_tensors(const struct tensors *tensors, struct gguf_output *out)
{
    const struct tensor **sorted =
        vkmoe_arena_take(&out->arena, MAX(tensors->count, 1) * sizeof *sorted);
    if (!sorted) {
        GGUF_OUTPUT_FAIL(out, OUT_OF_MEMORY, "%s: no memory to convert it", out->path);
        return;
    }
    for (uint32_t i = 0; i < tensors->count; i++)
        sorted[i] = &tensors->items[i];
    qsort(sorted, tensors->count, sizeof *sorted, compare_places);
    for (uint32_t i = 0; i < tensors->count; i++)
        copy_tensor(sorted[i], out);
}

void vkmoe_gguf_copy(
    const struct vkmoe_checkpoint *checkpoint, bool tokenizer, struct gguf_output *out)
{
    const struct container *container = &checkpoint->container;
    const struct gguf *own = container->own;
    copy_keys(container->tensors.files[0].file, &own->file, tokenizer, out);
    copy_tensors(&container->tensors, out);
}
