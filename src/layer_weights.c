// layer_weights.c - packs matrices into the order that shaders/lib/weights.glsl reads,
// straight from the caller's (mapped) memory into the upload buffer; and vectors.
#include "layer.h"

#include "common.h"
#include "dtype.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 16 // bytes: the unit of the packed order

struct packing {
    struct vkmoe_view views[MATRIX_PARTS];
    uint32_t rows[MATRIX_PARTS];
    uint32_t view_count;
    bool alternate; // two views' blocks take turns; otherwise views follow each other
    uint32_t columns;
    enum vkmoe_dtype dtype;
    uint32_t chunk_columns; // elements in a chunk
    uint32_t chunks;        // along K
};

// One chunk: `chunk_columns` elements of a row from `column` on, zeros behind the last.
static void pack_chunk(const struct packing *p, const struct vkmoe_view *view, uint32_t row,
    uint32_t column, unsigned char *to)
{
    const uint32_t size = dtype_size(p->dtype);
    if (column >= p->columns) {
        memset(to, 0, CHUNK);
        return;
    }
    const uint32_t count = MIN(p->chunk_columns, p->columns - column);
    memset(to + count * size, 0, CHUNK - count * size);
    if (view->dtype != p->dtype) { // the router, always f32
        for (uint32_t i = 0; i < count; i++) {
            const float value = vkmoe_view_get(view, row, column + i);
            memcpy(to + i * size, &value, size);
        }
    } else if (view->column_stride == 1) {
        memcpy(to, vkmoe_view_at(view, row, column), (size_t) count * size);
    } else {
        for (uint32_t i = 0; i < count; i++)
            memcpy(to + i * size, vkmoe_view_at(view, row, column + i), size);
    }
}

// The view and its row behind row `r` of a block; NULL in the padding.
static const struct vkmoe_view *locate(const struct packing *p, uint32_t block, uint32_t r,
    uint32_t *row)
{
    if (p->alternate) {
        *row = block / p->view_count * BLOCK_ROWS + r;
        const uint32_t view = block % p->view_count;
        return *row < p->rows[view] ? &p->views[view] : NULL;
    }
    *row = block * BLOCK_ROWS + r;
    for (uint32_t i = 0; i < p->view_count; i++) {
        if (*row < p->rows[i])
            return &p->views[i];
        *row -= p->rows[i];
    }
    return NULL;
}

static void pack(void *user, uint64_t offset, void *to, uint64_t size)
{
    const struct packing *p = user;
    const uint64_t first = offset / CHUNK;
    for (uint64_t i = 0; i < size / CHUNK; i++) {
        const uint64_t chunk = first + i; // [block][chunk along K][row in block]
        const uint32_t r = (uint32_t) (chunk % BLOCK_ROWS);
        const uint32_t c = (uint32_t) (chunk / BLOCK_ROWS % p->chunks);
        const uint32_t block = (uint32_t) (chunk / BLOCK_ROWS / p->chunks);
        unsigned char *at = (unsigned char *) to + i * CHUNK;
        uint32_t row;
        const struct vkmoe_view *view = locate(p, block, r, &row);
        if (view)
            pack_chunk(p, view, row, c * p->chunk_columns, at);
        else
            memset(at, 0, CHUNK);
    }
}

// `blocks` before padding.
static enum vkmoe_status create(vkmoe_device *device, struct packing *p, uint32_t blocks,
    struct matrix *out)
{
    p->chunk_columns = CHUNK / dtype_size(p->dtype);
    out->units = div_up(p->columns, 8);
    out->blocks = (uint32_t) align_up(blocks, PAD_BLOCKS);
    p->chunks = out->units * 8 / p->chunk_columns;
    const uint64_t size = (uint64_t) out->blocks * p->chunks * BLOCK_ROWS * CHUNK;
    if (size > UINT32_MAX) {
        char label[PLAN_LABEL];
        return vkmoe_fail(&device->log, VKMOE_ERROR_UNSUPPORTED,
            "%sa matrix of %u x %u takes %llu bytes; one matrix may take 4 GiB",
            vkmoe_plan_label(device, label), blocks * BLOCK_ROWS, p->columns, (unsigned long long) size);
    }
    enum vkmoe_status status = vkmoe_buffer_create(device, size, &out->buffer);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_upload_with(out->buffer, 0, size, pack, p);
    if (status != VKMOE_OK)
        vkmoe_buffer_destroy(&out->buffer);
    return status;
}

enum vkmoe_status vkmoe_matrix_create(vkmoe_device *device, const struct vkmoe_view *first,
    const struct vkmoe_view *second, uint32_t rows, uint32_t columns, enum vkmoe_dtype dtype,
    struct matrix *out)
{
    struct packing p = {
        .views = { vkmoe_view_resolve(first, columns) },
        .rows = { rows, rows },
        .view_count = second ? 2 : 1,
        .alternate = true,
        .columns = columns,
        .dtype = dtype,
    };
    if (second)
        p.views[1] = vkmoe_view_resolve(second, columns);
    return create(device, &p, div_up(rows, BLOCK_ROWS) * p.view_count, out);
}

enum vkmoe_status vkmoe_matrix_create_stacked(vkmoe_device *device,
    const struct vkmoe_view *const views[], const uint32_t rows[], uint32_t count,
    uint32_t columns, enum vkmoe_dtype dtype, struct matrix *out)
{
    struct packing p = { .view_count = count, .columns = columns, .dtype = dtype };
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        p.views[i] = vkmoe_view_resolve(views[i], columns);
        p.rows[i] = rows[i];
        total += rows[i];
    }
    return create(device, &p, div_up(total, BLOCK_ROWS), out);
}

void vkmoe_matrix_destroy(struct matrix *matrix)
{
    vkmoe_buffer_destroy(&matrix->buffer);
}

enum vkmoe_status vkmoe_floats_upload(vkmoe_device *device, const float *data, size_t count,
    vkmoe_buffer **out)
{
    const enum vkmoe_status status = vkmoe_buffer_create(device, count * sizeof *data, out);
    return status == VKMOE_OK ? vkmoe_buffer_upload(*out, 0, data, count * sizeof *data) : status;
}

enum vkmoe_status vkmoe_vector_upload(vkmoe_device *device, const struct vkmoe_view *view,
    uint32_t count, float scale, vkmoe_buffer **out)
{
    if (!view->data)
        return VKMOE_OK;
    const struct vkmoe_view resolved = vkmoe_view_resolve(view, count);
    float *values = malloc(count * sizeof *values);
    if (!values)
        return vkmoe_fail(&device->log, VKMOE_ERROR_OUT_OF_MEMORY, "a vector: out of host memory");
    for (uint32_t i = 0; i < count; i++)
        values[i] = scale * vkmoe_view_get(&resolved, 0, i);
    const enum vkmoe_status status = vkmoe_floats_upload(device, values, count, out);
    free(values);
    return status;
}
