// matrix.c - see matrix.h. What brings weights into their order is pack.c.
#include "weights/matrix.h"

#include "base/common.h"
#include "base/try.h"
#include "device/fit.h"
#include "weights/view.h"

#include <stdlib.h>
#include <string.h>

uint64_t vkmoe_matrix_size(uint32_t blocks, uint32_t columns, enum vkmoe_dtype dtype)
{
    const struct packed_record record = vkmoe_packed_record(dtype);
    return align_up(blocks, PAD_BLOCKS) * BLOCK_ROWS / STRIP_ROWS * div_up(columns, record.columns)
        * record.size;
}

// Memory for a matrix of `blocks` before padding.
static enum vkmoe_status create(vkmoe_device *device, uint32_t blocks, uint32_t columns,
    enum vkmoe_dtype dtype, struct matrix *out)
{
    const uint64_t size = vkmoe_matrix_size(blocks, columns, dtype);
    out->units = div_up(columns, 8);
    out->blocks = (uint32_t)align_up(blocks, PAD_BLOCKS);
    if (size > UINT32_MAX) {
        char label[FIT_LABEL];
        return vkmoe_fail(device_log(device), VKMOE_ERROR_UNSUPPORTED,
            "%sa matrix of %u x %u takes %llu bytes; one matrix may take 4 GiB",
            vkmoe_fit_label(device, label), blocks * BLOCK_ROWS, columns, (unsigned long long)size);
    }
    return vkmoe_buffer_create(device, size, &out->buffer);
}

enum vkmoe_status vkmoe_matrix_create(struct loading *loading, const struct vkmoe_view *first,
    const struct vkmoe_view *second, uint32_t rows, uint32_t columns, enum vkmoe_dtype dtype,
    struct matrix *out)
{
    const struct vkmoe_view *views[] = { first, second };
    const uint32_t count = second ? 2 : 1;
    const uint32_t blocks = div_up(rows, STRIP_ROWS) * (STRIP_ROWS / BLOCK_ROWS) * count;
    enum vkmoe_status status = create(loading->device, blocks, columns, dtype, out);
    for (uint32_t i = 0; i < count && status == VKMOE_OK; i++) {
        const struct vkmoe_view view = vkmoe_view_resolve(views[i], columns);
        status = vkmoe_pack(loading,
            &(struct packing){
                .view = &view,
                .rows = rows,
                .columns = columns,
                .rows_written = out->blocks / count * BLOCK_ROWS,
                .strip_stride = count,
                .strip_phase = i,
                .matrix = out->buffer,
            });
    }
    return status;
}

enum vkmoe_status vkmoe_matrix_create_stacked(struct loading *loading,
    const struct vkmoe_view *const views[], const uint32_t rows[], uint32_t count, uint32_t columns,
    enum vkmoe_dtype dtype, struct matrix *out)
{
    uint32_t total = 0, base_row = 0;
    for (uint32_t i = 0; i < count; i++)
        total += rows[i];
    enum vkmoe_status status =
        create(loading->device, div_up(total, BLOCK_ROWS), columns, dtype, out);
    for (uint32_t i = 0; i < count && status == VKMOE_OK; base_row += rows[i++]) {
        const struct vkmoe_view view = vkmoe_view_resolve(views[i], columns);
        const bool last = i == count - 1;
        status = vkmoe_pack(loading,
            &(struct packing){
                .view = &view,
                .rows = rows[i],
                .columns = columns,
                .rows_written = last ? out->blocks * BLOCK_ROWS - base_row : rows[i],
                .base_row = base_row,
                .strip_stride = 1,
                .matrix = out->buffer,
            });
    }
    return status;
}

void vkmoe_matrix_destroy(struct matrix *matrix)
{
    vkmoe_buffer_destroy(&matrix->buffer);
}

enum vkmoe_status vkmoe_view_read(const vkmoe_device *device, const struct vkmoe_view *view,
    uint32_t rows, uint32_t columns, float *out)
{
    float *values;
    if (!view->data || device->fit)
        return VKMOE_OK;
    TRY_RETURN(vkmoe_view_floats(view, device_log(device), rows, columns, &values));
    memcpy(out, values, (size_t)rows * columns * sizeof *out);
    free(values);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_vector_upload(vkmoe_device *device, const struct vkmoe_view *view,
    uint32_t count, float scale, vkmoe_buffer **out)
{
    if (!view->data)
        return VKMOE_OK;
    float *values;
    enum vkmoe_status status = vkmoe_view_floats(view, device_log(device), 1, count, &values);
    if (status != VKMOE_OK)
        return status;
    for (uint32_t i = 0; i < count; i++)
        values[i] = scale * values[i];
    status = vkmoe_buffer_create_from(device, values, count * sizeof *values, out);
    free(values);
    return status;
}
