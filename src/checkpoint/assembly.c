// assembly.c - see assembly.h.
#include "checkpoint/assembly.h"
#include "checkpoint/scheme.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"
#include "weights/format.h"

// Bytes of rows that are made at once, and the least of rows: what is stored by columns has those
// of several rows side by side.
enum { BAND = 1 << 20, BAND_ROWS = 64 };

// Rows that were made last.
struct band {
    const struct assembled *matrix;
    uint64_t row, rows;
    unsigned char bytes[];
};

struct assembly {
    struct vkmoe_file *file;
    struct assembled *items; // by offset
    uint32_t count, capacity;
    _Atomic(struct band *) band; // NULL: somebody has it
};

struct stored vkmoe_stored_of(const struct tensor *tensor)
{
    return (struct stored){ tensor->path, tensor->file, tensor->data };
}

enum vkmoe_status vkmoe_stored_read(const struct stored *part, const struct vkmoe_log *log,
    uint64_t offset, void *to, uint64_t size)
{
    if (part->file)
        return vkmoe_file_read(part->file, log, part->data + offset, to, size);
    memcpy(to, part->data + offset, (size_t)size);
    return VKMOE_OK;
}

// ---------------------------------------------------------------------------- reading

static const struct assembled *find_matrix(const struct assembly *assembly, uint64_t offset)
{
    uint32_t low = 0, high = assembly->count;
    while (low + 1 < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (assembly->items[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return &assembly->items[low];
}

static uint64_t rows_of_band(const struct assembled *m)
{
    const uint64_t rows = MAX(BAND / m->row_size, 1);
    return MIN(MAX(align_up(rows, BAND_ROWS), BAND_ROWS), m->rows);
}

// Makes the band that the row is in, in the memory of another.
static enum vkmoe_status make_band(
    const struct assembled *m, const struct vkmoe_log *log, uint64_t row, struct band **band)
{
    const uint64_t most = rows_of_band(m), first = row / most * most;
    if (*band && (*band)->matrix == m && (*band)->row == first)
        return VKMOE_OK;
    free(*band);
    *band = malloc(sizeof **band + (size_t)(most * m->row_size));
    if (!*band)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for rows of tensor %s",
            m->parts[PART_VALUES].path, m->name);
    (*band)->matrix = m;
    (*band)->row = first;
    (*band)->rows = MIN(most, m->rows - first);
    const enum vkmoe_status status = m->scheme->make(m, log, first, (*band)->rows, (*band)->bytes);
    if (status != VKMOE_OK)
        (*band)->matrix = NULL;
    return status;
}

static enum vkmoe_status read_assembled(
    void *user, const struct vkmoe_log *log, uint64_t offset, void *to, uint64_t size)
{
    struct assembly *assembly = user;
    struct band *band = atomic_exchange(&assembly->band, NULL);
    enum vkmoe_status status = VKMOE_OK;
    for (char *out = to; size > 0 && status == VKMOE_OK;) {
        const struct assembled *m = find_matrix(assembly, offset);
        const uint64_t at = offset - m->offset;
        status = make_band(m, log, at / m->row_size, &band);
        if (status != VKMOE_OK)
            break;
        const uint64_t begin = at - band->row * m->row_size;
        const uint64_t part = MIN(size, band->rows * m->row_size - begin);
        memcpy(out, band->bytes + begin, (size_t)part);
        out += part;
        offset += part;
        size -= part;
    }
    free(atomic_exchange(&assembly->band, band));
    return status;
}

static const uint32_t *order_at(void *user, uint64_t offset, uint64_t *columns)
{
    const struct assembly *assembly = user;
    const struct assembled *m = find_matrix(assembly, offset);
    if (!m->order)
        return NULL;
    *columns = (offset - m->offset) % m->row_size ? 0 : m->columns;
    return m->order;
}

static const char *matrix_at(void *user, uint64_t offset)
{
    return find_matrix(user, offset)->name;
}

// --------------------------------------------------------------------------- finding

const struct tensor *vkmoe_assembly_sibling(const struct candidate *candidate, const char *tail)
{
    char name[512];
    if (snprintf(name, sizeof name, "%s%s", candidate->stem, tail) >= (int)sizeof name)
        return NULL;
    const struct tensor *tensor = vkmoe_tensors_find(candidate->tensors, name);
    if (tensor)
        candidate->used[tensor - candidate->tensors->items] = true;
    return tensor;
}

static enum vkmoe_status no_memory(const struct candidate *candidate)
{
    return vkmoe_fail(candidate->log, VKMOE_ERROR_OUT_OF_MEMORY,
        "%s: no memory for its quantised tensors", candidate->values->path);
}

// One more, of that name.
static enum vkmoe_status reserve(struct assembly *assembly, const struct candidate *candidate,
    const char *tail, struct assembled **out)
{
    const size_t size = strlen(candidate->stem) + strlen(tail) + 1;
    if (assembly->count == assembly->capacity) {
        const uint32_t capacity = MAX(2 * assembly->capacity, 64);
        struct assembled *items = realloc(assembly->items, capacity * sizeof *items);
        if (!items)
            return no_memory(candidate);
        assembly->items = items;
        assembly->capacity = capacity;
    }
    struct assembled *m = *out = &assembly->items[assembly->count];
    *m = (struct assembled){ .name = malloc(size) };
    if (!m->name)
        return no_memory(candidate);
    assembly->count++;
    snprintf(m->name, size, "%s%s", candidate->stem, tail);
    return VKMOE_OK;
}

// What else there may be about a matrix, and is not read: how activations were rounded, and what
// follows from the rest.
static void use_others(const struct candidate *candidate, const char *matrix)
{
    static const char *const tails[] = { "weight_shape", "weight_zero_point", "weight_g_idx",
        "input_scale", "input_zero_point", "input_global_scale", "input_scale_ub",
        "activation_scale", "output_scale" };
    char tail[32];
    struct candidate about = *candidate;
    const size_t length = strlen(matrix);
    const bool has_weight = length > 7 && strcmp(matrix + length - 7, ".weight") == 0;
    snprintf(
        about.stem, sizeof about.stem, "%.*s", (int)(has_weight ? length - 7 : length), matrix);
    for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
        snprintf(tail, sizeof tail, "%c%s", has_weight ? '.' : '_', tails[i]);
        vkmoe_assembly_sibling(&about, tail);
    }
}

static enum vkmoe_status add(
    struct assembly *assembly, const struct candidate *candidate, const struct scheme *scheme)
{
    struct assembled *m = NULL;
    const struct tensor *values = candidate->values, *scales = candidate->scales;
    TRY_RETURN(reserve(assembly, candidate, scheme->named, &m));
    candidate->used[values - candidate->tensors->items] = true;
    m->scheme = scheme;
    m->absence = values->absence ? values->absence : scales->absence;
    m->parts[PART_VALUES] = vkmoe_stored_of(values->absence || !m->absence ? values : scales);
    m->parts[PART_SCALES] = vkmoe_stored_of(scales);
    use_others(candidate, m->name);
    if (m->absence)
        return VKMOE_OK;
    TRY_RETURN(scheme->describe(candidate, m));
    return vkmoe_scheme_check_unread(candidate, m);
}

// Adds the matrix of which the tensor has the values, if it is one.
static enum vkmoe_status look(struct assembly *assembly, struct candidate *candidate)
{
    const struct tensor *tensor = candidate->values;
    const size_t length = strlen(tensor->name);
    for (const struct scheme *scheme = vkmoe_schemes; scheme->tail; scheme++) {
        const size_t tail = strlen(scheme->tail);
        if (length >= sizeof candidate->stem || length <= tail
            || strcmp(tensor->name + length - tail, scheme->tail) != 0
            || (!tensor->absence && strcmp(tensor->dtype, scheme->dtype) != 0))
            continue;
        memcpy(candidate->stem, tensor->name, length - tail);
        candidate->stem[length - tail] = '\0';
        candidate->scales = vkmoe_assembly_sibling(candidate, scheme->scales);
        if (candidate->scales)
            return add(assembly, candidate, scheme);
    }
    return VKMOE_OK;
}

// -------------------------------------------------------------------------- replacing

// Where each matrix lies in the file, and the file.
static enum vkmoe_status place(
    struct assembly *assembly, const char *path, const struct vkmoe_log *log)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < assembly->count; i++) {
        struct assembled *m = &assembly->items[i];
        m->offset = end;
        if (m->row_size && m->rows > (SIZE_MAX / 2 - end) / m->row_size)
            return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: tensor %s is too large",
                m->parts[PART_VALUES].path, m->name);
        end += m->rows * m->row_size;
    }
    TRY_RETURN(vkmoe_file_make(path, MAX(end, 1), read_assembled, assembly, log, &assembly->file));
    assembly->file->order = order_at;
    assembly->file->matrix = matrix_at;
    return VKMOE_OK;
}

static struct tensor tensor_of(const struct assembly *assembly, const struct assembled *m)
{
    struct tensor tensor = {
        .name = m->name, .path = m->parts[PART_VALUES].path, .absence = m->absence
    };
    if (m->absence)
        return tensor;
    snprintf(tensor.dtype, sizeof tensor.dtype, "%s", vkmoe_format(m->dtype)->in_checkpoints);
    if (m->experts)
        tensor.shape[tensor.rank++] = m->experts;
    tensor.shape[tensor.rank++] = m->experts ? m->rows / m->experts : m->rows;
    tensor.shape[tensor.rank++] = m->columns;
    tensor.elements = m->rows * m->columns;
    tensor.file = assembly->file;
    tensor.data = assembly->file->data + m->offset;
    tensor.size = m->rows * m->row_size;
    return tensor;
}

// In place: no more come than go.
static void replace(const struct assembly *assembly, const bool *used, struct tensors *tensors)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < tensors->count; i++) {
        const struct tensor *tensor = &tensors->items[i];
        if (!used[i]) {
            tensors->items[kept++] = *tensor;
            continue;
        }
        tensors->elements -= tensor->elements;
        tensors->absent -= tensor->absence != TENSOR_THERE;
    }
    for (uint32_t i = 0; i < assembly->count; i++) {
        const struct tensor tensor = tensor_of(assembly, &assembly->items[i]);
        tensors->items[kept++] = tensor;
        tensors->elements += tensor.elements;
        tensors->absent += tensor.absence != TENSOR_THERE;
    }
    tensors->count = kept;
    vkmoe_tensors_sort(tensors);
}

// Factors of a cache that keeps keys and values in few bits, which ours does not take.
static void use_cache_scales(const struct tensors *tensors, bool *used)
{
    for (uint32_t i = 0; i < tensors->count; i++) {
        const char *tail = strrchr(tensors->items[i].name, '.');
        used[i] =
            used[i] || (tail && (strcmp(tail, ".k_scale") == 0 || strcmp(tail, ".v_scale") == 0));
    }
}

static enum vkmoe_status check_names(const struct tensors *tensors, const struct vkmoe_log *log)
{
    for (uint32_t i = 1; i < tensors->count; i++) {
        const struct tensor *tensor = &tensors->items[i];
        if (strcmp(tensors->items[i - 1].name, tensor->name) == 0)
            return vkmoe_fail(log, VKMOE_ERROR_INVALID,
                "%s: tensor %s is there twice, quantised in another way or not at all",
                tensor->path, tensor->name);
    }
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_assembly_create(struct tensors *tensors,
    const struct quantisation *quantisation, const char *path, const struct vkmoe_log *log,
    struct assembly **out)
{
    struct assembly *assembly = *out = calloc(1, sizeof *assembly);
    enum vkmoe_status status = VKMOE_OK;
    if (!assembly)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for its tensors", path);
    atomic_init(&assembly->band, NULL);
    struct candidate candidate = { .tensors = tensors,
        .quantisation = quantisation,
        .log = log,
        .used = calloc(MAX(tensors->count, 1), sizeof *candidate.used) };
    if (!candidate.used)
        status = vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for its tensors", path);
    for (uint32_t i = 0; i < tensors->count && status == VKMOE_OK; i++) {
        candidate.values = &tensors->items[i];
        status = look(assembly, &candidate);
    }
    TRY(status);
    if (assembly->count > 0)
        TRY(place(assembly, path, log));
    use_cache_scales(tensors, candidate.used);
    replace(assembly, candidate.used, tensors);
    if (assembly->count > 0)
        TRY(check_names(tensors, log));
fail:
    free(candidate.used);
    if (status != VKMOE_OK || assembly->count == 0)
        vkmoe_assembly_destroy(out);
    return status;
}

void vkmoe_assembly_destroy(struct assembly **address)
{
    struct assembly *assembly = *address;
    *address = NULL;
    if (!assembly)
        return;
    vkmoe_file_close(&assembly->file);
    free(atomic_load(&assembly->band));
    for (uint32_t i = 0; i < assembly->count; i++) {
        free(assembly->items[i].name);
        free(assembly->items[i].order);
    }
    free(assembly->items);
    free(assembly);
}
