// scheme.c - see scheme.h.
#include "checkpoint/scheme.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"
#include "weights/format.h"

#define SCHEME(name) vkmoe_##name##_describe, false, vkmoe_##name##_make
#define ORDERED_SCHEME(name) vkmoe_##name##_describe, true, vkmoe_##name##_make
const struct scheme vkmoe_schemes[] = {
    { "_blocks", "U8", "_scales", "", SCHEME(mxfp4_blocks) }, // gpt-oss, as published
    // DeepSeek's, Qwen's and others', compressed-tensors', ModelOpt's; of single matrices, whose
    // names end in .weight, and of stacked ones.
    { "", "F8_E4M3", "_scale_inv", "", SCHEME(floats_8) },
    { "", "F8_E4M3", "_scale", "", SCHEME(floats_8) },
    { "", "F8_E5M2", "_scale_inv", "", SCHEME(floats_8) },
    { "", "F8_E5M2", "_scale", "", SCHEME(floats_8) },
    { "", "I8", "_scale", "", SCHEME(int8) },
    // ModelOpt, whose second scale multiplies the first; compressed-tensors, where it divides.
    { "", "U8", "_scale", "", SCHEME(nvfp4) },
    { ".weight_packed", "U8", ".weight_scale", ".weight", SCHEME(nvfp4) },
    { ".weight_packed", "I32", ".weight_scale", ".weight", ORDERED_SCHEME(packed) },
    // GPTQ and AWQ.
    { ".qweight", "I32", ".scales", ".weight", ORDERED_SCHEME(words) },
    { 0 },
};

static const char *print_shape(const struct tensor *tensor, char text[200])
{
    int used = snprintf(text, 200, "[");
    for (uint32_t i = 0; i < tensor->rank && used < 150; i++)
        used += snprintf(text + used, (size_t)(200 - used), "%s%llu", i ? ", " : "",
            (unsigned long long)tensor->shape[i]);
    snprintf(text + used, (size_t)(200 - used), "]");
    return text;
}

enum vkmoe_status vkmoe_scheme_misfit(
    const struct candidate *candidate, const struct tensor *tensor)
{
    char shape[200], other[200];
    print_shape(tensor, shape);
    print_shape(candidate->values, other);
    return SCHEME_FAIL(candidate, INVALID, tensor,
        "has the shape %s in %s, which does not suit %s, %s in %s", shape, tensor->dtype,
        candidate->values->name, other, candidate->values->dtype);
}

enum vkmoe_status vkmoe_scheme_rows(const struct candidate *candidate, uint64_t columns_of_word,
    enum vkmoe_dtype dtype, struct assembled *out)
{
    const struct tensor *values = candidate->values;
    const struct format *format = vkmoe_format(dtype);
    if (values->rank < 2 || values->rank > 3 || values->elements == 0
        || values->elements > UINT32_MAX * (uint64_t)UINT16_MAX || values->shape[0] > UINT32_MAX)
        return vkmoe_scheme_misfit(candidate, values);
    const uint64_t words = values->shape[values->rank - 1];
    out->experts = values->rank == 3 ? (uint32_t)values->shape[0] : 0;
    out->rows = values->elements / words;
    out->columns = words * columns_of_word;
    out->dtype = dtype;
    out->row_size = (out->columns + format->elements - 1) / format->elements * format->bytes;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_scheme_read(const struct assembled *m, const struct vkmoe_log *log,
    enum part part, uint64_t offset, uint64_t size, unsigned char **out)
{
    *out = malloc((size_t)size);
    if (!*out)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY,
            "%s: no memory for %llu bytes of tensor %s", m->parts[part].path,
            (unsigned long long)size, m->name);
    const enum vkmoe_status status = vkmoe_stored_read(&m->parts[part], log, offset, *out, size);
    if (status != VKMOE_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

// ---------------------------------------------------------------------------- scales

static const struct {
    const char *dtype;
    uint32_t size;
} scale_types[SCALE_TYPES] = {
    [SCALE_F32] = { "F32", 4 },
    [SCALE_F16] = { "F16", 2 },
    [SCALE_BF16] = { "BF16", 2 },
    [SCALE_E8M0] = { "F8_E8M0", 1 },
};

// Sets everything but the type; false: the shape does not suit.
static bool place_scales(
    const struct tensor *scales, uint64_t block_rows, uint64_t block_columns, struct assembled *m)
{
    const uint64_t experts = MAX(m->experts, 1), rows = m->rows / experts;
    const uint64_t last = scales->rank ? scales->shape[scales->rank - 1] : 1;
    const uint64_t next = scales->rank > 1 ? scales->shape[scales->rank - 2] : 1;
    const uint64_t down = block_rows ? (rows + block_rows - 1) / block_rows : 0;
    const uint64_t across = block_columns ? (m->columns + block_columns - 1) / block_columns : 0;
    m->scale_rows = rows;
    m->scale_columns = m->columns;
    m->row_scales = 1;
    m->expert_scales = 0;
    if (scales->elements == 1)
        return true;
    if (scales->elements == experts) {
        m->expert_scales = 1;
        return true;
    }
    const uint32_t rank = m->experts ? 3 : 2; // of a table
    if (down && across && scales->rank == rank && last == across && next == down
        && scales->elements == experts * down * across) {
        m->scale_rows = block_rows;
        m->scale_columns = block_columns;
        m->row_scales = across;
        m->expert_scales = down * across;
        return true;
    }
    const bool is_list = last == rows && scales->rank == rank - 1;
    m->scale_rows = 1;
    m->expert_scales = rows;
    return scales->elements == experts * rows && (is_list || (last == 1 && next == rows));
}

enum vkmoe_status vkmoe_scheme_scale_type(const struct candidate *candidate, struct assembled *out)
{
    const struct tensor *scales = candidate->scales;
    uint32_t type = 0;
    while (type < SCALE_TYPES
        && (!scale_types[type].dtype || strcmp(scale_types[type].dtype, scales->dtype) != 0))
        type++;
    if (type == SCALE_TYPES)
        return SCHEME_FAIL(candidate, UNSUPPORTED, scales,
            "has the dtype %s; as scales only F32, F16, BF16 and F8_E8M0 are supported",
            scales->dtype);
    out->scale_type = (enum scale_type)type;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_scheme_scales(const struct candidate *candidate, uint64_t block_rows,
    uint64_t block_columns, struct assembled *out)
{
    const struct tensor *scales = candidate->scales;
    TRY_RETURN(vkmoe_scheme_scale_type(candidate, out));
    if (!place_scales(scales, block_rows, block_columns, out))
        return vkmoe_scheme_misfit(candidate, scales);
    return VKMOE_OK;
}

static float scale_at(enum scale_type type, const unsigned char *bytes)
{
    float value;
    switch (type) {
    case SCALE_F16: vkmoe_decode_f16(bytes, &value); break;
    case SCALE_BF16: vkmoe_decode_bf16(bytes, &value); break;
    case SCALE_E8M0: value = bytes[0] == 255 ? NAN : ldexpf(1.0f, bytes[0] - 127); break;
    default: vkmoe_decode_f32(bytes, &value); break;
    }
    return value;
}

enum vkmoe_status vkmoe_scheme_scales_decode(const struct assembled *m, const struct vkmoe_log *log,
    const unsigned char *bytes, uint64_t count, float *to)
{
    for (uint64_t i = 0; i < count; i++) {
        to[i] = scale_at(m->scale_type, bytes + i * scale_types[m->scale_type].size);
        if (!isfinite(to[i]))
            return vkmoe_fail(log, VKMOE_ERROR_INVALID,
                "%s: tensor %s has a scale that is no number", m->parts[PART_SCALES].path, m->name);
    }
    return VKMOE_OK;
}

uint32_t vkmoe_scheme_scale_size(const struct assembled *m)
{
    return scale_types[m->scale_type].size;
}

// ------------------------------------------------------------- zeros and order

// Of column k, where -1 stands for that which its place says.
static uint64_t group_of(const struct assembled *m, const unsigned char *groups, uint64_t k)
{
    const uint32_t group = vkmoe_word_at(groups, k);
    return group == UINT32_MAX ? k / m->scale_columns : group;
}

static bool are_side_by_side(const struct assembled *m, const unsigned char *groups)
{
    for (uint64_t k = 0; k < m->columns; k++)
        if (group_of(m, groups, k) != k / m->scale_columns)
            return false;
    return true;
}

// Sorts columns by their groups, each of which has as many as `scale_columns` says.
static enum vkmoe_status sort_columns(
    struct assembled *m, const struct vkmoe_log *log, const unsigned char *groups)
{
    const char *path = m->parts[PART_ORDER].path;
    uint64_t *next = malloc((size_t)m->row_scales * sizeof *next); // place of each group
    m->order = malloc((size_t)m->columns * sizeof *m->order);
    enum vkmoe_status status = VKMOE_OK;
    if (!next || !m->order)
        status = vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY,
            "%s: no memory for the order of columns of tensor %s", path, m->name);
    for (uint64_t g = 0; g < m->row_scales && status == VKMOE_OK; g++)
        next[g] = g * m->scale_columns;
    for (uint64_t k = 0; k < m->columns && status == VKMOE_OK; k++) {
        const uint64_t group = group_of(m, groups, k);
        const bool exists = group < m->row_scales;
        if (exists && next[group] < MIN((group + 1) * m->scale_columns, m->columns))
            m->order[next[group]++] = (uint32_t)k;
        else
            status = vkmoe_fail(log, VKMOE_ERROR_INVALID,
                "%s: tensor %s has column %llu in group %d, which %s", path, m->name,
                (unsigned long long)k, (int)(uint32_t)group,
                exists ? "has as many columns as it may" : "there is no scale for");
    }
    free(next);
    return status;
}

// Only as far as the columns have to be read.
static enum vkmoe_status find_order(
    struct assembled *m, const struct vkmoe_log *log, bool may_differ)
{
    unsigned char *groups;
    enum vkmoe_status status = VKMOE_OK;
    if (!m->parts[PART_ORDER].data || m->order)
        return VKMOE_OK;
    TRY_RETURN(vkmoe_scheme_read(m, log, PART_ORDER, 0, 4 * m->columns, &groups));
    if (!are_side_by_side(m, groups))
        status = may_differ
            ? sort_columns(m, log, groups)
            : vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED,
                "%s: tensor %s has groups whose columns are not side by side (desc_act, or "
                "actorder), which is not supported%s",
                m->parts[PART_ORDER].path, m->name,
                m->scheme->orders ? " where the settings do not say so" : " here");
    free(groups);
    return status;
}

enum vkmoe_status vkmoe_scheme_check_order(const struct assembled *m, const struct vkmoe_log *log)
{
    struct assembled copy = *m;
    return find_order(&copy, log, false);
}

// Names the part that is not there, unless the values are not.
static void set_absent(struct assembled *m, const struct tensor *part)
{
    if (m->absence)
        return;
    m->absence = part->absence;
    m->parts[PART_VALUES] = vkmoe_stored_of(part);
}

enum vkmoe_status vkmoe_scheme_others(const struct candidate *candidate, const char *zeros_tail,
    const char *order_tail, const char *zeros_dtype, uint64_t zeros_count, struct assembled *m)
{
    const struct tensor *zeros = vkmoe_assembly_sibling(candidate, zeros_tail);
    const struct tensor *order = vkmoe_assembly_sibling(candidate, order_tail);
    if (zeros && !zeros->absence) {
        if (strcmp(zeros->dtype, zeros_dtype) != 0 || zeros->elements != zeros_count)
            return vkmoe_scheme_misfit(candidate, zeros);
        m->parts[PART_ZEROS] = vkmoe_stored_of(zeros);
    } else if (zeros) {
        set_absent(m, zeros);
    }
    if (order && !order->absence) {
        if (strcmp(order->dtype, "I32") != 0 || order->elements != m->columns)
            return vkmoe_scheme_misfit(candidate, order);
        m->parts[PART_ORDER] = vkmoe_stored_of(order);
    } else if (order) {
        set_absent(m, order);
    }
    if (!order && m->scheme->orders && m->row_scales > 1
        && vkmoe_quantisation_orders(candidate->quantisation, candidate->stem))
        return SCHEME_FAIL(candidate, INVALID, candidate->values,
            "has no order of columns, in a tensor %s%s, though the settings say that there is one "
            "(desc_act, or actorder)",
            candidate->stem, order_tail);
    // Else it is looked at when rows are made, as it is large.
    return candidate->quantisation->reordered && !m->absence
        ? find_order(m, candidate->log, m->scheme->orders)
        : VKMOE_OK;
}

// Floats have a 0 that is negative.
static enum vkmoe_status check_zeros(
    const struct candidate *candidate, const struct tensor *zeros, struct assembled *m)
{
    const bool floats = zeros->dtype[0] == 'F' || zeros->dtype[0] == 'B';
    const uint64_t size = zeros->elements ? zeros->size / zeros->elements : 0;
    unsigned char *bytes;
    bool all = true;
    if (size == 0)
        return VKMOE_OK;
    m->parts[PART_ZEROS] = vkmoe_stored_of(zeros);
    TRY_RETURN(vkmoe_scheme_read(m, candidate->log, PART_ZEROS, 0, zeros->size, &bytes));
    for (uint64_t i = 0; i < zeros->size; i++)
        all = all && (bytes[i] & (floats && (i + 1) % size == 0 ? 0x7f : 0xff)) == 0;
    free(bytes);
    m->parts[PART_ZEROS] = (struct stored){ 0 };
    return all ? VKMOE_OK
               : SCHEME_FAIL(candidate, UNSUPPORTED, zeros, "has others than 0, which %s",
                   "its matrix's format does not have");
}

static enum vkmoe_status check_order(
    const struct candidate *candidate, const struct tensor *order, struct assembled *m)
{
    if (strcmp(order->dtype, "I32") != 0 || order->elements != m->columns)
        return vkmoe_scheme_misfit(candidate, order);
    m->parts[PART_ORDER] = vkmoe_stored_of(order);
    TRY_RETURN(vkmoe_scheme_check_order(m, candidate->log));
    m->parts[PART_ORDER] = (struct stored){ 0 };
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_scheme_check_unread(const struct candidate *candidate, struct assembled *m)
{
    static const char *const between[] = { "", "_weight" }; // of single matrices, and of stacked
    struct candidate about = *candidate;
    char tail[32];
    snprintf(about.stem, sizeof about.stem, "%s", m->name);
    for (size_t i = 0; i < ARRAY_SIZE(between); i++) {
        snprintf(tail, sizeof tail, "%s_zero_point", between[i]);
        const struct tensor *zeros = vkmoe_assembly_sibling(&about, tail);
        snprintf(tail, sizeof tail, "%s_g_idx", between[i]);
        const struct tensor *order = vkmoe_assembly_sibling(&about, tail);
        if (zeros && !zeros->absence && !m->parts[PART_ZEROS].data)
            TRY_RETURN(check_zeros(candidate, zeros, m));
        if (order && !order->absence && !m->parts[PART_ORDER].data)
            TRY_RETURN(check_order(candidate, order, m));
    }
    return VKMOE_OK;
}

// ------------------------------------------------------------------------ rows

// Of a row, the number of its first.
static uint64_t first_scale(const struct assembled *m, uint64_t row)
{
    const uint64_t rows = m->rows / MAX(m->experts, 1);
    return row / rows * m->expert_scales + row % rows / m->scale_rows * m->row_scales;
}

enum vkmoe_status vkmoe_scheme_each_row(const struct assembled *m, const struct vkmoe_log *log,
    uint64_t row, uint64_t rows, uint64_t bytes, make_row *make, unsigned char *to)
{
    const uint64_t size = vkmoe_scheme_scale_size(m);
    const bool has_zeros = m->parts[PART_ZEROS].data != NULL;
    unsigned char *values = NULL, *stored = NULL, *zeros = NULL;
    float *scales = malloc(m->row_scales * sizeof *scales);
    enum vkmoe_status status = scales
        ? VKMOE_OK
        : vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for scales of tensor %s",
            m->parts[PART_SCALES].path, m->name);
    TRY(status);
    TRY(vkmoe_scheme_check_order(m, log));
    TRY(vkmoe_scheme_read(m, log, PART_VALUES, row * bytes, rows * bytes, &values));
    uint64_t known = UINT64_MAX;
    for (uint64_t r = 0; r < rows; r++) {
        const uint64_t first = first_scale(m, row + r);
        if (first != known) {
            free(stored);
            free(zeros);
            zeros = NULL;
            TRY(vkmoe_scheme_read(
                m, log, PART_SCALES, first * size, m->row_scales * size, &stored));
            TRY(vkmoe_scheme_scales_decode(m, log, stored, m->row_scales, scales));
            if (has_zeros)
                TRY(vkmoe_scheme_read(m, log, PART_ZEROS, first, m->row_scales, &zeros));
        }
        known = first;
        make(m, values + r * bytes, scales, zeros, to + r * m->row_size);
    }
fail:
    free(values);
    free(stored);
    free(zeros);
    free(scales);
    return status;
}
