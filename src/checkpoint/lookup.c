// lookup.c - see lookup.h. Nothing is copied: strides say how a tensor lies in its file.
#include "checkpoint/lookup.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "weights/format.h"

// Copies `length` bytes of a pattern, with {b} or {e} replaced by `number`.
static void expand(char *out, const char *pattern, size_t length, uint32_t number)
{
    const char *brace = memchr(pattern, '{', length);
    if (!brace) {
        snprintf(out, NAME_SIZE, "%.*s", (int)length, pattern);
        return;
    }
    size_t head = (size_t)(brace - pattern), tail = length - head - 3;
    snprintf(out, NAME_SIZE, "%.*s%u%.*s", (int)head, pattern, number, (int)tail, brace + 3);
}

// The tensor that the first `length` bytes of a pattern name below the prefix, and this name.
static const struct tensor *find_one(const struct lookup *lookup, const char *pattern,
    size_t length, uint32_t number, char name[2 * NAME_SIZE])
{
    char tail[NAME_SIZE];
    expand(tail, pattern, length, number);
    snprintf(name, 2 * NAME_SIZE, "%s%s", lookup->prefix, tail);
    return vkmoe_tensors_find(lookup->tensors, name);
}

const struct tensor *vkmoe_lookup_find(
    const struct lookup *lookup, const char *patterns, uint32_t number, char picked[NAME_SIZE])
{
    const struct tensor *best = NULL;
    char name[2 * NAME_SIZE];
    for (const char *p = patterns;;) {
        size_t length = strcspn(p, "|");
        const struct tensor *tensor = find_one(lookup, p, length, number, name);
        // One that is absent counts if no other is there, for the message to come.
        bool better = tensor && (!best || (best->absence && !tensor->absence));
        if (picked && (better || p == patterns))
            snprintf(picked, NAME_SIZE, "%.*s", (int)length, p);
        best = better ? tensor : best;
        if ((best && !best->absence) || p[length] == '\0')
            return best;
        p += length + 1;
    }
}

void vkmoe_lookup_choose(
    struct lookup *lookup, const char *alternatives, uint32_t number, const char *patterns)
{
    const char *best = alternatives;
    bool found = false;
    for (const char *p = alternatives;;) {
        size_t length = strcspn(p, "|");
        expand(lookup->prefix, p, length, number);
        const struct tensor *tensor = vkmoe_lookup_find(lookup, patterns, 0, NULL);
        if (tensor && !tensor->absence)
            return;
        if (tensor && !found)
            best = p;
        found = found || tensor;
        if (p[length] == '\0')
            break;
        p += length + 1;
    }
    expand(lookup->prefix, best, strcspn(best, "|"), number);
}

static const struct tensor *find(struct lookup *lookup, const char *patterns, uint32_t number)
{
    char name[2 * NAME_SIZE];
    const struct tensor *tensor = vkmoe_lookup_find(lookup, patterns, number, NULL);
    if (!tensor) {
        find_one(lookup, patterns, strcspn(patterns, "|"), number, name);
        LOOKUP_FAIL(lookup, INVALID, "%s: tensor %s is missing", lookup->directory, name);
    } else if (tensor->absence) {
        lookup->status = vkmoe_tensors_refuse_absent(lookup->tensors, tensor, lookup->log);
        tensor = NULL;
    }
    return tensor;
}

static void print_shape(const uint64_t *shape, uint32_t rank, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(
            out + used, size - used, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
}

// True for what several weights are packed into, so that the shape is another: then the dtype
// is the reason to give.
static bool is_packed(const char *dtype)
{
    return strcmp(dtype, "U8") == 0 || strcmp(dtype, "U32") == 0 || strcmp(dtype, "I32") == 0;
}

struct vkmoe_view vkmoe_lookup_view(
    struct lookup *lookup, const char *name, uint32_t number, const uint64_t shape[4])
{
    struct vkmoe_view view = { 0 };
    if (!name || lookup->status != VKMOE_OK)
        return view;
    const struct tensor *tensor = find(lookup, name, number);
    if (!tensor)
        return view;
    uint32_t rank = 0;
    while (rank < 4 && shape[rank])
        rank++;
    // A matrix of one row may be a vector, and the other way round.
    const uint32_t skip = rank == 2 && shape[0] == 1 && tensor->rank == 1;
    const uint32_t lead = rank == 1 && tensor->shape[0] == 1 && tensor->rank == 2;
    bool same = tensor->rank - lead == rank - skip;
    for (uint32_t i = 0; same && i + lead < tensor->rank; i++)
        same = tensor->shape[i + lead] == shape[i + skip];
    if (!same && !is_packed(tensor->dtype)) {
        char is[200], should[200];
        print_shape(tensor->shape, tensor->rank, is, sizeof is);
        print_shape(shape, rank, should, sizeof should);
        LOOKUP_FAIL(lookup, INVALID, "%s: tensor %s has the shape [%s], expected [%s]",
            tensor->path, tensor->name, is, should);
        return view;
    }
    if (!vkmoe_format_named(tensor->dtype, &view.dtype)) {
        const bool lacks_scales = strncmp(tensor->dtype, "F8_", 3) == 0;
        LOOKUP_FAIL(lookup, UNSUPPORTED, "%s: tensor %s has the dtype %s%s, only %s are supported",
            tensor->path, tensor->name, tensor->dtype,
            lacks_scales ? " and no tensor of scales" : "", vkmoe_format_list);
        return view;
    }
    const uint64_t row = shape[rank - 1];
    if (tensor->size
        != vkmoe_format_matrix_size(view.dtype, row ? tensor->elements / row : 0, row)) {
        LOOKUP_FAIL(lookup, INVALID, "%s: tensor %s has %llu bytes, or rows, that do not suit %s",
            tensor->path, tensor->name, (unsigned long long)tensor->size, tensor->dtype);
        return view;
    }
    view.data = tensor->data;
    view.file = tensor->file;
    view.row_stride = (int64_t)vkmoe_format_width(view.dtype, row);
    view.column_stride = 1;
    return view;
}

struct vkmoe_view vkmoe_lookup_vector(struct lookup *lookup, const char *name, uint32_t columns)
{
    return vkmoe_lookup_view(lookup, name, 0, (const uint64_t[4]){ columns });
}

struct vkmoe_view vkmoe_lookup_matrix(
    struct lookup *lookup, const char *name, uint32_t rows, uint32_t columns)
{
    return vkmoe_lookup_view(lookup, name, 0, (const uint64_t[4]){ rows, columns });
}

struct vkmoe_view vkmoe_view_offset(struct vkmoe_view view, int64_t elements)
{
    if (view.data)
        view.data = (const char *)view.data + vkmoe_format_offset(view.dtype, elements);
    return view;
}
