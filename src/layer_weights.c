// layer_weights.c - packs matrices into the order that shaders/lib/weights.glsl reads,
// straight from the caller's (mapped) memory into the upload buffer.
#include "layer.h"

#include "common.h"
#include "dtype.h"

#include <string.h>

#define CHUNK 16 // bytes: the unit of the packed order

struct packing {
    struct vkmoe_view views[2];
    uint32_t view_count; // 2: blocks alternate
    uint32_t rows, columns;
    enum vkmoe_dtype dtype;
    uint32_t chunk_columns; // elements in a chunk
    uint32_t chunks;        // along K
};

// One chunk: `chunk_columns` elements of a row from `column` on, zeros outside the matrix.
static void pack_chunk(const struct packing *p, const struct vkmoe_view *view, uint32_t row,
    uint32_t column, unsigned char *to)
{
    const uint32_t size = dtype_size(p->dtype);
    if (row >= p->rows || column >= p->columns) {
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

static void pack(void *user, uint64_t offset, void *to, uint64_t size)
{
    const struct packing *p = user;
    const uint64_t first = offset / CHUNK;
    for (uint64_t i = 0; i < size / CHUNK; i++) {
        const uint64_t chunk = first + i; // [block][chunk along K][row in block]
        const uint32_t r = (uint32_t) (chunk % BLOCK_ROWS);
        const uint32_t c = (uint32_t) (chunk / BLOCK_ROWS % p->chunks);
        const uint32_t block = (uint32_t) (chunk / BLOCK_ROWS / p->chunks);
        const struct vkmoe_view *view = &p->views[block % p->view_count];
        const uint32_t row = block / p->view_count * BLOCK_ROWS + r;
        pack_chunk(p, view, row, c * p->chunk_columns, (unsigned char *) to + i * CHUNK);
    }
}

enum vkmoe_status vkmoe_matrix_create(vkmoe_device *device, const struct vkmoe_view *first,
    const struct vkmoe_view *second, uint32_t rows, uint32_t columns, enum vkmoe_dtype dtype,
    struct matrix *out)
{
    struct packing p = {
        .views = { vkmoe_view_resolve(first, columns) },
        .view_count = second ? 2 : 1,
        .rows = rows,
        .columns = columns,
        .dtype = dtype,
        .chunk_columns = CHUNK / dtype_size(dtype),
    };
    if (second)
        p.views[1] = vkmoe_view_resolve(second, columns);
    out->units = div_up(columns, 8);
    out->blocks = (uint32_t) align_up((uint64_t) div_up(rows, BLOCK_ROWS) * p.view_count, PAD_BLOCKS);
    p.chunks = out->units * 8 / p.chunk_columns;
    const uint64_t size = (uint64_t) out->blocks * p.chunks * BLOCK_ROWS * CHUNK;
    if (size > UINT32_MAX) {
        return vkmoe_fail(&device->log, VKMOE_ERROR_UNSUPPORTED,
            "matrix [%u][%u] takes %llu bytes; one matrix of an expert may take 4 GiB", rows, columns,
            (unsigned long long) size);
    }
    enum vkmoe_status status = vkmoe_buffer_create(device, size, &out->buffer);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_upload_with(out->buffer, 0, size, pack, &p);
    if (status != VKMOE_OK)
        vkmoe_buffer_destroy(&out->buffer);
    return status;
}

void vkmoe_matrix_destroy(struct matrix *matrix)
{
    vkmoe_buffer_destroy(&matrix->buffer);
}
