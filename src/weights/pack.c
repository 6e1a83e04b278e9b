// pack.c - see pack.h. A matrix is cut into rectangles whose bytes fit a piece. A line is a row,
// or a column where rows lie closer together (Llama 4, gpt-oss); it is read as it is, gaps
// between its elements (gpt-oss's gate and up take turns) included.
//
// Blocks of a format that has them are what elements are of others: they are moved as they are,
// columns and strides count them, and they are always dense rows.
#include "weights/pack.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/try.h"
#include "device/pipelines.h"
#include "weights/view.h"

#define PACK_GROUP 64                    // lanes of a workgroup
#define CHUNK 16                         // bytes: the unit of the packed order
#define HOST_PIECE ((uint64_t)256 << 10) // stays in a core's cache until it is packed
#define LINES 16                         // whole strips and records, along and across
#define MAX_GAP 8                        // stride of elements in a line that is read as it is
#define PROGRESS_STEP ((uint64_t)8 << 20)

// One rectangle of a matrix.
struct rectangle {
    struct loading *loading;
    const struct packing *packing;
    const struct format *format;
    int64_t row_stride, column_stride; // of the view
    bool transposed;                   // its lines are columns
    uint32_t row, column;              // where it begins
    uint32_t rows, columns;
    uint64_t line_pitch, pitch; // of lines, and of elements of a line, in the piece, in bytes
    bool one_read;              // lines lie in the file as they do in the piece
    union {
        struct pack_weights_push elements;
        struct pack_blocks_push blocks;
    } push;
};

static uint32_t element_size(const struct rectangle *r)
{
    return r->format->bytes;
}

static bool has_blocks(const struct rectangle *r)
{
    return r->format->elements > 1;
}

static uint32_t total_columns(const struct rectangle *r)
{
    return div_up(r->packing->columns, r->format->elements);
}

// ------------------------------------------------------------------------ reading

static enum vkmoe_status fetch(
    const struct rectangle *r, int64_t row, int64_t column, void *to, uint64_t size)
{
    return vkmoe_view_fetch(r->packing->view, device_log(r->loading->device), row,
        column * (int64_t)r->format->elements, to, size);
}

// The bytes of `elements` of a line.
static uint64_t line_size(const struct rectangle *r, uint32_t elements)
{
    return (elements - 1) * r->pitch + element_size(r);
}

static uint64_t size_of(const struct rectangle *r)
{
    const uint32_t lines = r->transposed ? r->columns : r->rows;
    return (lines - 1) * r->line_pitch + line_size(r, r->transposed ? r->rows : r->columns);
}

static enum vkmoe_status read_line(const struct rectangle *r, uint32_t line, char *to)
{
    const uint32_t length = r->transposed ? r->rows : r->columns, size = element_size(r);
    const int64_t stride = r->transposed ? r->row_stride : r->column_stride;
    const int64_t row = r->row + (r->transposed ? 0 : line);
    const int64_t column = r->column + (r->transposed ? line : 0);
    if (stride * (int64_t)size == (int64_t)r->pitch)
        return fetch(r, row, column, to, line_size(r, length));
    enum vkmoe_status status = VKMOE_OK; // too far apart, or backwards
    for (uint32_t i = 0; i < length && status == VKMOE_OK; i++)
        status = fetch(r, row + (r->transposed ? i : 0), column + (r->transposed ? 0 : i),
            to + i * r->pitch, size);
    return status;
}

// Reads the rectangle's bytes to `to`.
static enum vkmoe_status fill(void *user, void *to)
{
    const struct rectangle *r = user;
    if (r->one_read)
        return fetch(r, r->row, r->column, to, size_of(r));
    const uint32_t lines = r->transposed ? r->columns : r->rows;
    enum vkmoe_status status = VKMOE_OK;
    for (uint32_t i = 0; i < lines && status == VKMOE_OK; i++)
        status = read_line(r, i, (char *)to + i * r->line_pitch);
    return status;
}

// ------------------------------------------------------------------------ cutting

// How lines of at most `length` elements lie in the piece.
static void set_pitches(struct rectangle *r, uint32_t length)
{
    const int64_t size = element_size(r);
    const int64_t stride = r->transposed ? r->row_stride : r->column_stride;
    const int64_t line_stride = r->transposed ? r->column_stride : r->row_stride;
    r->pitch = (uint64_t)(stride >= 1 && stride <= MAX_GAP ? stride * size : size);
    const uint64_t line = line_size(r, length);
    // What lies between lines is read as well if it is little.
    r->one_read = stride * size == (int64_t)r->pitch && line_stride * size % CHUNK == 0
        && line_stride * size >= (int64_t)line && line_stride * size <= (int64_t)(line + line / 4);
    r->line_pitch = r->one_read ? (uint64_t)(line_stride * size) : align_up(line, CHUNK);
}

// The most lines, and elements of each, that fit a piece; both are multiples of 16 unless the
// matrix ends.
static void cut(struct rectangle *r, uint64_t piece, uint32_t *lines, uint32_t *length)
{
    const struct packing *p = r->packing;
    r->transposed = llabs(r->row_stride) < llabs(r->column_stride);
    *length = r->transposed ? p->rows : total_columns(r);
    *lines = r->transposed ? total_columns(r) : p->rows;
    set_pitches(r, *length);
    if (LINES * r->line_pitch > piece) {
        *length = MIN(*length, (uint32_t)((piece / LINES - CHUNK) / r->pitch / LINES * LINES));
        set_pitches(r, *length);
        r->one_read = false;
        r->line_pitch = align_up(line_size(r, *length), CHUNK);
    }
    *lines = MIN(*lines, (uint32_t)MIN(piece / r->line_pitch / LINES * LINES, UINT32_MAX));
}

// What the push of both kernels says of the rows.
#define PUSH_ROWS(r) \
    .rows = (r)->rows, .rows_written = rows_written(r), \
    .base_row = (r)->packing->base_row + (r)->row, .strip_stride = (r)->packing->strip_stride, \
    .strip_phase = (r)->packing->strip_phase

static uint32_t rows_written(const struct rectangle *r)
{
    const struct packing *p = r->packing;
    return (r->row + r->rows == p->rows ? p->rows_written : r->row + r->rows) - r->row;
}

static void set_push(struct rectangle *r)
{
    const struct packing *p = r->packing;
    if (has_blocks(r)) {
        r->push.blocks = (struct pack_blocks_push){
            PUSH_ROWS(r),
            .row_pitch = (uint32_t)r->line_pitch,
            .first_record = r->column,
            .records_written = r->columns,
            .records = total_columns(r),
        };
        return;
    }
    const uint32_t elements = CHUNK / element_size(r), records = div_up(p->columns, 2 * elements);
    const bool last = r->column + r->columns == p->columns;
    const uint32_t first_chunk = r->column / elements;
    r->push.elements = (struct pack_weights_push){
        PUSH_ROWS(r),
        .row_pitch = (uint32_t)(r->transposed ? r->pitch : r->line_pitch),
        .column_pitch = (uint32_t)(r->transposed ? r->line_pitch : r->pitch),
        .columns = r->columns,
        .first_chunk = first_chunk,
        .chunks_written = (last ? 2 * records : (r->column + r->columns) / elements) - first_chunk,
        .records = records,
    };
}

// ------------------------------------------------------------------------ packing

static uint32_t form_of(const struct rectangle *r)
{
    return r->transposed ? PACK_COLUMNS : r->pitch == element_size(r) ? PACK_ROWS : PACK_ELEMENTS;
}

struct recording {
    struct rectangle *rectangle;
    const struct variant *variant;
    VkPipeline pipeline;
};

static enum vkmoe_status fill_piece(void *user, void *to)
{
    return fill(((struct recording *)user)->rectangle, to);
}

// How many lanes write the rectangle.
static uint64_t lanes_of(const struct rectangle *r)
{
    const struct packed_record record = vkmoe_packed_record(r->packing->view->dtype);
    if (has_blocks(r)) {
        const struct pack_blocks_push *p = &r->push.blocks;
        return (uint64_t)div_up(p->base_row % STRIP_ROWS + p->rows_written, STRIP_ROWS)
            * p->records_written * (record.size / CHUNK);
    }
    const struct pack_weights_push *p = &r->push.elements;
    if (r->transposed)
        return (uint64_t)p->rows_written * p->chunks_written;
    return align_up(p->rows_written, STRIP_ROWS) * align_up(p->chunks_written, 2);
}

static void record(void *user, VkCommandBuffer commands, uint64_t source)
{
    const struct recording *recording = user;
    struct rectangle *r = recording->rectangle;
    vkmoe_device *device = r->loading->device;
    const uint64_t matrix = vkmoe_buffer_address(r->packing->matrix);
    if (has_blocks(r)) {
        r->push.blocks.source = source;
        r->push.blocks.matrix = matrix;
    } else {
        r->push.elements.source = source;
        r->push.elements.matrix = matrix;
    }
    const uint32_t groups = (uint32_t)((lanes_of(r) - 1) / PACK_GROUP + 1);
    const uint32_t y = div_up(groups, device->max_groups);
    device->gpu.vk.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, recording->pipeline);
    device->gpu.vk.CmdPushConstants(commands, vkmoe_pipeline_layout(device),
        VK_SHADER_STAGE_COMPUTE_BIT, 0, recording->variant->push_size, &r->push);
    device->gpu.vk.CmdDispatch(commands, div_up(groups, y), y, 1);
}

static enum vkmoe_status get_pipeline(struct recording *recording)
{
    const struct rectangle *r = recording->rectangle;
    vkmoe_device *device = r->loading->device;
    const uint32_t elements[SPEC_MAX] = {
        [PACK_LANES] = PACK_GROUP,
        [PACK_SIZE] = element_size(r),
        [PACK_FORM] = form_of(r),
    };
    const uint32_t blocks[SPEC_MAX] = {
        [PACK_BLOCKS_LANES] = PACK_GROUP,
        [PACK_BLOCKS_BYTES] = r->format->bytes,
        [PACK_BLOCKS_LEAD] = r->format->lead,
    };
    recording->variant =
        vkmoe_kernel_choose(device, has_blocks(r) ? KERNEL_pack_blocks : KERNEL_pack_weights);
    return vkmoe_pipeline_get(
        device, recording->variant, has_blocks(r) ? blocks : elements, &recording->pipeline);
}

static enum vkmoe_status pack_on_device(struct rectangle *r)
{
    struct recording recording = { .rectangle = r };
    TRY_RETURN(get_pipeline(&recording));
    return vkmoe_transfer_piece(r->loading->device,
        &(struct transfer_piece){
            .size = size_of(r),
            .fill = fill_piece,
            .record = record,
            .user = &recording,
        });
}

// `piece` is NULL where the view's memory can be read as it is.
static enum vkmoe_status pack_on_host(struct rectangle *r, void *piece)
{
    const void *source = piece;
    void *matrix = r->packing->matrix->range.mapped;
    enum vkmoe_status status = VKMOE_OK;
    if (!piece)
        source = vkmoe_view_at(r->packing->view, r->row, (int64_t)r->column * r->format->elements);
    else
        status = fill(r, piece);
    if (status == VKMOE_OK && has_blocks(r))
        vkmoe_pack_blocks_on_host(&r->push.blocks, r->packing->view->dtype, source, matrix);
    else if (status == VKMOE_OK)
        vkmoe_pack_on_host(&r->push.elements, element_size(r), source, matrix);
    return status;
}

enum vkmoe_status vkmoe_loading_tell(struct loading *loading, uint64_t size)
{
    loading->done += size;
    if (!loading->progress
        || (loading->done - loading->told < PROGRESS_STEP && loading->done > 0
            && loading->done < loading->total))
        return VKMOE_OK;
    loading->told = loading->done;
    return loading->progress(loading->user, loading->done, loading->total)
        ? VKMOE_OK
        : vkmoe_fail(device_log(loading->device), VKMOE_ERROR_CANCELLED, "loading was cancelled");
}

struct packed_record vkmoe_packed_record(enum vkmoe_dtype dtype)
{
    const struct format *format = vkmoe_format(dtype);
    const uint32_t blocks = format->elements > 1 ? 1 : 2 * CHUNK / format->bytes;
    return (struct packed_record){
        .columns = blocks * format->elements,
        .size = blocks * format->bytes * STRIP_ROWS,
    };
}

enum vkmoe_status vkmoe_pack(struct loading *loading, const struct packing *p)
{
    const bool trial = loading->device->fit != NULL;
    const bool on_host = loading->device->packs_on_host && (trial || p->matrix->range.mapped);
    uint64_t room = HOST_PIECE;
    enum vkmoe_status status = on_host ? VKMOE_OK : vkmoe_transfer_room(loading->device, &room);
    if (status != VKMOE_OK || trial)
        return status;
    const struct format *format = vkmoe_format(p->view->dtype);
    struct rectangle r = {
        .loading = loading,
        .packing = p,
        .format = format,
        .row_stride = p->view->row_stride / (int64_t)format->elements,
        .column_stride = p->view->column_stride,
    };
    uint32_t lines, length;
    cut(&r, room, &lines, &length);
    const uint32_t rows = r.transposed ? length : lines, columns = r.transposed ? lines : length;
    const bool in_place = on_host && !p->view->file && r.one_read;
    char *piece = on_host && !in_place ? malloc(HOST_PIECE + CHUNK) : NULL;
    if (on_host && !in_place && !piece)
        return vkmoe_fail(
            device_log(loading->device), VKMOE_ERROR_OUT_OF_MEMORY, "out of host memory");
    for (r.row = 0; r.row < p->rows && status == VKMOE_OK; r.row += rows) {
        r.rows = MIN(rows, p->rows - r.row);
        for (r.column = 0; r.column < total_columns(&r) && status == VKMOE_OK;
             r.column += columns) {
            r.columns = MIN(columns, total_columns(&r) - r.column);
            set_push(&r);
            status = on_host ? pack_on_host(&r, piece) : pack_on_device(&r);
            if (status == VKMOE_OK)
                status =
                    vkmoe_loading_tell(loading, (uint64_t)r.rows * r.columns * element_size(&r));
        }
    }
    free(piece);
    return status;
}

enum vkmoe_status vkmoe_loading_finish(struct loading *loading, enum vkmoe_status status)
{
    return loading->device->fit ? status : vkmoe_transfer_finish(loading->device, status);
}
