// gguf_write.c - see gguf_write.h.
#include "checkpoint/gguf_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_types.h"
#include "checkpoint/opened.h"
#include "weights/encode.h"
#include "weights/view.h"

enum { ALIGNMENT = 32, SLICES = 64 };
enum { TYPE_U32 = 4, TYPE_F32 = 6, TYPE_BOOL = 7, TYPE_TEXT = 8, TYPE_ARRAY = 9 };

// ----------------------------------------------------------------------------- bytes

static bool put(struct gguf_bytes *bytes, const void *data, size_t size)
{
    if (size > bytes->capacity - bytes->size) {
        const size_t capacity = MAX(2 * bytes->capacity, bytes->size + size + 4096);
        unsigned char *grown = realloc(bytes->data, capacity);
        if (!grown)
            return false;
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return true;
}

static bool put_u32(struct gguf_bytes *bytes, uint32_t value)
{
    return put(bytes, &value, sizeof value); // little-endian, as the machines that this runs on
}

static bool put_u64(struct gguf_bytes *bytes, uint64_t value)
{
    return put(bytes, &value, sizeof value);
}

static void refuse_memory(struct gguf_output *output)
{
    GGUF_OUTPUT_FAIL(output, OUT_OF_MEMORY, "%s: no memory to convert it", output->path);
}

void vkmoe_gguf_put_bytes(struct gguf_output *output, const void *bytes, size_t size)
{
    if (output->status == VKMOE_OK && !put(&output->keys, bytes, size))
        refuse_memory(output);
}

void vkmoe_gguf_put_item(struct gguf_output *output, const char *text, size_t size)
{
    const uint64_t length = size;
    vkmoe_gguf_put_bytes(output, &length, sizeof length);
    vkmoe_gguf_put_bytes(output, text, size);
}

static void put_key(struct gguf_output *output, const char *key, uint32_t type)
{
    vkmoe_gguf_put_item(output, key, strlen(key));
    vkmoe_gguf_put_bytes(output, &type, sizeof type);
    output->key_count++;
}

void vkmoe_gguf_put_u32(struct gguf_output *output, const char *key, uint32_t value)
{
    put_key(output, key, TYPE_U32);
    vkmoe_gguf_put_bytes(output, &value, sizeof value);
}

void vkmoe_gguf_put_f32(struct gguf_output *output, const char *key, float value)
{
    put_key(output, key, TYPE_F32);
    vkmoe_gguf_put_bytes(output, &value, sizeof value);
}

void vkmoe_gguf_put_bool(struct gguf_output *output, const char *key, bool value)
{
    const unsigned char byte = value;
    put_key(output, key, TYPE_BOOL);
    vkmoe_gguf_put_bytes(output, &byte, 1);
}

void vkmoe_gguf_put_text(struct gguf_output *output, const char *key, const char *value)
{
    put_key(output, key, TYPE_TEXT);
    vkmoe_gguf_put_item(output, value, strlen(value));
}

void vkmoe_gguf_put_array(
    struct gguf_output *output, const char *key, enum gguf_items kind, uint64_t count)
{
    const uint32_t type = kind;
    put_key(output, key, TYPE_ARRAY);
    vkmoe_gguf_put_bytes(output, &type, sizeof type);
    vkmoe_gguf_put_bytes(output, &count, sizeof count);
}

// ---------------------------------------------------------------------------- output

void vkmoe_gguf_add(struct gguf_output *output, const struct gguf_tensor *tensor, bool copy)
{
    if (output->status != VKMOE_OK)
        return;
    if (output->tensor_count == output->capacity) {
        const uint32_t capacity = 2 * output->capacity + 256;
        struct gguf_tensor *grown = realloc(output->tensors, capacity * sizeof *grown);
        if (!grown) {
            refuse_memory(output);
            return;
        }
        output->tensors = grown;
        output->capacity = capacity;
    }
    struct gguf_tensor *added = &output->tensors[output->tensor_count];
    *added = *tensor;
    if (copy) {
        struct vkmoe_view *views = vkmoe_arena_take(&output->arena, tensor->count * sizeof *views);
        if (!views) {
            refuse_memory(output);
            return;
        }
        memcpy(views, tensor->views, tensor->count * sizeof *views);
        added->views = views;
    }
    added->dtype = added->views[0].dtype;
    output->tensor_count++;
}

void vkmoe_gguf_put_no_vocabulary(struct gguf_output *out)
{
    vkmoe_gguf_put_text(out, "tokenizer.ggml.model", "none");
}

enum vkmoe_status vkmoe_gguf_output_make(
    vkmoe_checkpoint *checkpoint, bool tokenizer, struct gguf_output *out)
{
    *out = (struct gguf_output){ .log = &checkpoint->log,
        .path = checkpoint->container.path,
        .blocks = checkpoint->info.blocks,
        .experts = checkpoint->info.experts };
    if (checkpoint->container.opener == &vkmoe_gguf) {
        vkmoe_gguf_copy(checkpoint, tokenizer, out);
    } else {
        vkmoe_gguf_convert(checkpoint, out);
        if (tokenizer && out->status == VKMOE_OK)
            vkmoe_gguf_put_vocabulary(checkpoint, out);
    }
    if (!tokenizer)
        vkmoe_gguf_put_no_vocabulary(out);
    vkmoe_gguf_put_u32(out, "general.quantization_version", 2);
    return out->status;
}

void vkmoe_gguf_output_finish(struct gguf_output *output)
{
    vkmoe_arena_finish(&output->arena);
    free(output->keys.data);
    free(output->tensors);
    *output = (struct gguf_output){ 0 };
}

// ------------------------------------------------------------------------------ rows

struct work {
    struct gguf_output *output;
    const struct gguf_write_params *params;
    uint64_t done, total; // elements
    unsigned char *blocks;
    size_t capacity; // of those, in bytes
};

// Rows of heads in the order of pairs.
static enum vkmoe_status turn_rows(
    const struct gguf_output *output, void *rows, uint32_t count, size_t size, uint32_t head)
{
    char *old = malloc(head * size);
    if (!old)
        return vkmoe_fail(
            output->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory to convert it", output->path);
    for (uint32_t first = 0; first < count; first += head) {
        char *new = (char *)rows + first *size;
        memcpy(old, new, head * size);
        for (uint32_t row = 0; row < head; row++)
            memcpy(new + row *size, old + (row / 2 + row % 2 * (head / 2)) * size, size);
    }
    free(old);
    return VKMOE_OK;
}

// Elements to be encoded, in slices that know nothing of each other.
struct slices {
    const struct format *format;
    encoder encode;
    const float *values;
    unsigned char *blocks;
    uint64_t count, each; // elements, of all and of a slice
    struct {
        double error, power;
    } sums[SLICES];
};

static void encode_slice(void *data, uint32_t index)
{
    struct slices *s = data;
    const struct format *format = s->format;
    const uint64_t first = index * s->each, end = MIN(s->count, first + s->each);
    float back[FORMAT_MAX_ELEMENTS];
    double error = 0.0, power = 0.0;
    for (uint64_t i = first; i < end; i += format->elements) {
        unsigned char *block = s->blocks + i / format->elements * format->bytes;
        s->encode(s->values + i, block);
        format->decode(block, back);
        for (uint32_t e = 0; e < format->elements; e++) {
            const double value = (double)s->values[i + e], off = (double)back[e] - value;
            error += off * off;
            power += value * value;
        }
    }
    s->sums[index].error = error;
    s->sums[index].power = power;
}

// Encodes `count` elements to work.blocks; what is lost is added to the tensor's.
static enum vkmoe_status encode(
    struct work *work, struct gguf_tensor *tensor, const float *values, uint64_t count)
{
    struct slices slices = { .format = vkmoe_format(tensor->dtype),
        .encode = vkmoe_encoder(tensor->dtype),
        .values = values,
        .blocks = work->blocks,
        .count = count };
    slices.each = align_up(count / SLICES + 1, FORMAT_MAX_ELEMENTS);
    const uint32_t used = (uint32_t)((count + slices.each - 1) / slices.each);
    if (work->params->spread)
        work->params->spread(encode_slice, &slices, used);
    for (uint32_t i = 0; i < used; i++) {
        if (!work->params->spread)
            encode_slice(&slices, i);
        const double error = slices.sums[i].error, power = slices.sums[i].power;
        if (!isfinite(error))
            return vkmoe_fail(work->output->log, VKMOE_ERROR_INVALID, "%s: tensor %s has %s",
                work->output->path, tensor->name,
                isfinite(power) ? "elements that are too large for the type it is to have"
                                : "elements that are no finite numbers");
        tensor->error += error;
        tensor->power += power;
    }
    return VKMOE_OK;
}

static enum vkmoe_status write_bytes(struct work *work, const void *bytes, size_t size)
{
    return size == 0 || fwrite(bytes, size, 1, work->params->file) == 1 ? VKMOE_OK
                                                                        : VKMOE_ERROR_INVALID;
}

static enum vkmoe_status report(struct work *work)
{
    const struct gguf_write_params *params = work->params;
    return !params->progress || params->progress(params->user, work->done, work->total)
        ? VKMOE_OK
        : VKMOE_ERROR_CANCELLED;
}

// Rows that have their type already, to work.blocks.
static enum vkmoe_status fetch_rows(struct work *work, const struct gguf_tensor *tensor,
    const struct vkmoe_view *view, uint32_t rows, size_t row_size)
{
    const bool together = view->row_stride == (int64_t)tensor->shape[0];
    const uint32_t step = together ? rows : 1;
    for (uint32_t row = 0; row < rows; row += step)
        TRY_RETURN(vkmoe_view_fetch(
            view, work->output->log, row, 0, work->blocks + row * row_size, step * row_size));
    return tensor->turned ? turn_rows(work->output, work->blocks, rows, row_size, tensor->turned)
                          : VKMOE_OK;
}

static enum vkmoe_status encode_rows(
    struct work *work, struct gguf_tensor *tensor, const struct vkmoe_view *view, uint32_t rows)
{
    const uint32_t columns = (uint32_t)tensor->shape[0];
    float *values = NULL;
    enum vkmoe_status status;
    TRY(vkmoe_view_floats(view, work->output->log, rows, columns, &values));
    if (tensor->turned)
        TRY(turn_rows(work->output, values, rows, columns * sizeof *values, tensor->turned));
    TRY(encode(work, tensor, values, (uint64_t)rows * columns));
fail:
    free(values);
    return status;
}

// Some rows of a matrix.
static enum vkmoe_status write_rows(
    struct work *work, struct gguf_tensor *tensor, const struct vkmoe_view *view, uint32_t rows)
{
    const size_t row_size = (size_t)vkmoe_format_size(tensor->dtype, tensor->shape[0]);
    const size_t size = rows * row_size;
    if (size > work->capacity) {
        unsigned char *grown = realloc(work->blocks, size);
        if (!grown)
            return vkmoe_fail(work->output->log, VKMOE_ERROR_OUT_OF_MEMORY,
                "%s: no memory for tensor %s", work->output->path, tensor->name);
        work->blocks = grown;
        work->capacity = size;
    }
    if (tensor->dtype == view->dtype && view->column_stride == 1)
        TRY_RETURN(fetch_rows(work, tensor, view, rows, row_size));
    else
        TRY_RETURN(encode_rows(work, tensor, view, rows));
    TRY_RETURN(write_bytes(work, work->blocks, size));
    work->done += rows * tensor->shape[0];
    return report(work);
}

// Row by row as far as they lie one after the other; columns, which are read whole, all at once.
static enum vkmoe_status write_matrix(
    struct work *work, struct gguf_tensor *tensor, const struct vkmoe_view *matrix)
{
    enum { AT_ONCE = 1 << 22 }; // elements
    const struct vkmoe_view view = vkmoe_view_resolve(matrix, (uint32_t)tensor->shape[0]);
    const bool by_rows = llabs(view.row_stride) >= llabs(view.column_stride);
    const uint32_t unit = MAX(tensor->turned, 1);
    const uint64_t rows = by_rows ? AT_ONCE / tensor->shape[0] / unit * unit : tensor->rows;
    const uint32_t step = (uint32_t)MIN(MAX(rows, unit), tensor->rows);
    for (uint64_t row = 0; row < tensor->rows; row += step) {
        struct vkmoe_view part = view;
        part.data = vkmoe_view_at(&view, (int64_t)row, 0);
        TRY_RETURN(write_rows(work, tensor, &part, (uint32_t)MIN(step, tensor->rows - row)));
    }
    return VKMOE_OK;
}

static enum vkmoe_status pad(struct work *work, uint64_t size)
{
    static const unsigned char zeros[ALIGNMENT];
    return write_bytes(work, zeros, (size_t)(align_up(size, ALIGNMENT) - size));
}

static enum vkmoe_status write_tensor(struct work *work, struct gguf_tensor *tensor)
{
    for (uint32_t i = 0; i < tensor->count; i++)
        TRY_RETURN(write_matrix(work, tensor, &tensor->views[i]));
    return pad(work, tensor->size);
}

// ------------------------------------------------------------------------------ file

static bool put_tensor(struct gguf_output *output, const struct gguf_tensor *tensor,
    uint64_t offset, struct gguf_bytes *out)
{
    const char *type = vkmoe_format(tensor->dtype)->in_checkpoints;
    uint32_t number = 0;
    if (!vkmoe_gguf_type_number(type, &number))
        GGUF_OUTPUT_FAIL(output, UNSUPPORTED, "%s: tensor %s is %s, which GGUF does not have",
            output->path, tensor->name, type);
    if (tensor->shape[0] % vkmoe_format(tensor->dtype)->elements)
        GGUF_OUTPUT_FAIL(output, UNSUPPORTED,
            "%s: tensor %s has rows of %llu elements, no blocks of %s", output->path, tensor->name,
            (unsigned long long)tensor->shape[0], type);
    bool ok = put_u64(out, strlen(tensor->name)) && put(out, tensor->name, strlen(tensor->name))
        && put_u32(out, tensor->rank);
    for (uint32_t d = 0; ok && d < tensor->rank; d++)
        ok = put_u64(out, tensor->shape[d]);
    return ok && put_u32(out, number) && put_u64(out, offset);
}

// What comes before the data; sets the tensors' sizes.
static bool put_header(struct work *work, struct gguf_bytes *out)
{
    struct gguf_output *output = work->output;
    bool ok = put(out, "GGUF", 4) && put_u32(out, 3) && put_u64(out, output->tensor_count)
        && put_u64(out, output->key_count) && put(out, output->keys.data, output->keys.size);
    uint64_t offset = 0;
    for (uint32_t i = 0; ok && i < output->tensor_count; i++) {
        struct gguf_tensor *tensor = &output->tensors[i];
        const uint64_t rows = (uint64_t)tensor->count * tensor->rows;
        tensor->size = rows * vkmoe_format_size(tensor->dtype, tensor->shape[0]);
        tensor->error = tensor->power = 0.0;
        work->total += rows * tensor->shape[0];
        ok = put_tensor(output, tensor, offset, out);
        offset += align_up(tensor->size, ALIGNMENT);
    }
    return ok;
}

enum vkmoe_status vkmoe_gguf_write(
    struct gguf_output *output, const struct gguf_write_params *params)
{
    struct work work = { .output = output, .params = params };
    struct gguf_bytes header = { 0 };
    enum vkmoe_status status = VKMOE_OK;
    vkmoe_gguf_put_u32(output, "general.file_type", params->file_type);
    if (!put_header(&work, &header))
        refuse_memory(output);
    TRY(output->status);
    TRY(write_bytes(&work, header.data, header.size));
    TRY(pad(&work, header.size));
    TRY(report(&work));
    for (uint32_t i = 0; i < output->tensor_count; i++)
        TRY(write_tensor(&work, &output->tensors[i]));
    if (fflush(params->file) != 0)
        status = VKMOE_ERROR_INVALID;
fail:
    free(header.data);
    free(work.blocks);
    return status;
}
