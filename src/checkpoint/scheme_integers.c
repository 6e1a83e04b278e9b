// scheme_integers.c - integers of 4 and 8 bits in words of 32, in groups of columns that share a
// scale and a zero: value = (q - zero) scale. compressed-tensors packs them along rows; GPTQ along
// columns and AWQ along rows of the transposed matrix, so that rows lie across their files.
#include "checkpoint/scheme.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"
#include "weights/format.h"

// Field i of words that hold fields from their low end on.
static uint32_t field_at(const unsigned char *words, uint32_t bits, uint64_t i)
{
    const uint32_t per_word = 32 / bits;
    return vkmoe_word_at(words, i / per_word) >> i % per_word * bits & ((1u << bits) - 1);
}

// AWQ's words have columns 0, 2, 4, 6, 1, 3, 5, 7 of eight.
static uint64_t awq_place(uint64_t i)
{
    return i / 8 * 8 + i % 8 / 2 + i % 2 * 4;
}

// -------------------------------------------------------------------------- describe

static enum vkmoe_status set_dtype(const struct candidate *candidate, struct assembled *m)
{
    const bool whole = m->scale_columns >= m->columns;
    if (m->bits == 8)
        m->dtype = VKMOE_DTYPE_INT8;
    else
        m->dtype =
            whole || m->scale_columns % 128 == 0 ? VKMOE_DTYPE_INT4_128 : VKMOE_DTYPE_INT4_32;
    if (!whole && m->scale_columns % vkmoe_format(m->dtype)->elements)
        return SCHEME_FAIL(candidate, UNSUPPORTED, candidate->values,
            "has groups of %llu columns; only multiples of 32 are supported",
            (unsigned long long)m->scale_columns);
    m->row_size = vkmoe_format_size(m->dtype, m->columns);
    return VKMOE_OK;
}

static enum vkmoe_status set_bits(const struct candidate *candidate, struct assembled *m)
{
    const uint32_t bits = candidate->quantisation->bits;
    m->bits = bits ? bits : 4;
    if (m->bits != 4 && m->bits != 8)
        return SCHEME_FAIL(candidate, UNSUPPORTED, candidate->values,
            "has integers of %u bits; only 4 and 8 are supported", m->bits);
    return VKMOE_OK;
}

// `groups` of as many columns as the config says, or else of equally many.
static bool set_groups(const struct candidate *candidate, uint64_t groups, struct assembled *m)
{
    const uint64_t columns = m->columns, said = candidate->quantisation->group;
    m->row_scales = groups;
    m->scale_columns = columns;
    if (groups == 1)
        return true;
    if (said && (columns + said - 1) / said == groups)
        m->scale_columns = said;
    else if (groups && columns % groups == 0)
        m->scale_columns = columns / groups;
    else
        return false;
    return true;
}

enum vkmoe_status vkmoe_packed_describe(const struct candidate *candidate, struct assembled *out)
{
    const struct tensor *values = candidate->values, *scales = candidate->scales;
    TRY_RETURN(set_bits(candidate, out));
    TRY_RETURN(vkmoe_scheme_rows(candidate, 32 / out->bits, VKMOE_DTYPE_INT8, out));
    const uint64_t groups = scales->rank == 2 ? scales->shape[1] : 1;
    if (values->rank != 2 || !set_groups(candidate, groups, out))
        return vkmoe_scheme_misfit(candidate, scales);
    const uint64_t columns = out->scale_columns;
    TRY_RETURN(vkmoe_scheme_scales(candidate, 1, columns, out));
    if (out->scale_rows != 1)
        return vkmoe_scheme_misfit(candidate, scales);
    TRY_RETURN(set_dtype(candidate, out));
    return vkmoe_scheme_others(candidate, ".weight_zero_point", ".weight_g_idx", "I32",
        (out->rows + 32 / out->bits - 1) / (32 / out->bits) * groups, out);
}

enum vkmoe_status vkmoe_words_describe(const struct candidate *candidate, struct assembled *out)
{
    const struct tensor *values = candidate->values, *scales = candidate->scales;
    TRY_RETURN(set_bits(candidate, out));
    TRY_RETURN(vkmoe_scheme_rows(candidate, 1, VKMOE_DTYPE_INT8, out));
    const uint64_t per_word = 32 / out->bits, words = values->shape[values->rank - 1];
    const uint64_t rows = scales->rank == 2 ? scales->shape[1] : 0;
    out->is_awq = rows != words;
    if (values->rank != 2 || rows % per_word || (out->is_awq && rows != words * 8)
        || (out->is_awq && out->bits != 4))
        return vkmoe_scheme_misfit(candidate, scales);
    out->columns = values->shape[0] * (out->is_awq ? 1 : per_word);
    out->rows = rows;
    if (!set_groups(candidate, scales->shape[0], out))
        return vkmoe_scheme_misfit(candidate, scales);
    TRY_RETURN(vkmoe_scheme_scale_type(candidate, out));
    out->zero_added = out->is_awq || candidate->quantisation->plain_zeros ? 0 : 1;
    TRY_RETURN(set_dtype(candidate, out));
    TRY_RETURN(vkmoe_scheme_others(
        candidate, ".qzeros", ".g_idx", "I32", scales->shape[0] * (rows / per_word), out));
    if (!out->parts[PART_ZEROS].data && !out->absence)
        return SCHEME_FAIL(
            candidate, INVALID, values, "has no zeros, in a tensor %s.qzeros", candidate->stem);
    return VKMOE_OK;
}

// ------------------------------------------------------------------------------ make

// What some rows are made from. Where the file has rows side by side, all of them follow for the
// next word of columns and for the next group.
struct band {
    uint64_t rows, words, groups; // these two of a row
    unsigned char *values, *zeros, *stored;
    float *scales;
};

static void finish(struct band *band)
{
    free(band->values);
    free(band->zeros);
    free(band->stored);
    free(band->scales);
}

// Of a table of `lines` lines, `pitch` bytes each, the `size` bytes from `first` on of each.
static enum vkmoe_status read_across(const struct assembled *m, const struct vkmoe_log *log,
    enum part part, uint64_t lines, uint64_t pitch, uint64_t first, uint64_t size,
    unsigned char **out)
{
    enum vkmoe_status status = VKMOE_OK;
    *out = malloc((size_t)(lines * size));
    if (!*out)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for rows of tensor %s",
            m->parts[part].path, m->name);
    for (uint64_t i = 0; i < lines && status == VKMOE_OK; i++)
        status = vkmoe_stored_read(&m->parts[part], log, i * pitch + first, *out + i * size, size);
    return status;
}

static enum vkmoe_status decode_scales(
    const struct assembled *m, const struct vkmoe_log *log, struct band *band)
{
    const uint64_t count = band->rows * band->groups;
    band->scales = malloc((size_t)count * sizeof *band->scales);
    if (!band->scales)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for scales of tensor %s",
            m->parts[PART_SCALES].path, m->name);
    return vkmoe_scheme_scales_decode(m, log, band->stored, count, band->scales);
}

static void put_block(const struct assembled *m, const unsigned char *codes, uint32_t zero,
    float scale, unsigned char *to)
{
    const struct format *format = vkmoe_format(m->dtype);
    memset(to, 0, format->bytes);
    memcpy(to, &scale, sizeof scale);
    to[4] = (unsigned char)zero;
    if (m->dtype == VKMOE_DTYPE_INT8) {
        to[5] = (unsigned char)(zero >> 8);
        memcpy(to + 6, codes, format->elements);
        return;
    }
    for (uint32_t i = 0; i < format->elements; i++)
        to[5 + i / 32 * 16 + i % 16] |= (unsigned char)(codes[i] << (i % 32 < 16 ? 0 : 4));
}

// The code of column k, and the zero and the scale of group g, of row r of the band.
static uint32_t code_of(
    const struct assembled *m, const struct band *band, bool across, uint64_t r, uint64_t k)
{
    const uint64_t per_word = 32 / m->bits;
    if (!across)
        return field_at(band->values + 4 * r * band->words, m->bits, k);
    if (m->is_awq)
        return field_at(band->values + k * (band->rows / 2), 4, awq_place(r));
    return vkmoe_word_at(band->values, k / per_word * band->rows + r) >> k % per_word * m->bits
        & ((1u << m->bits) - 1);
}

static uint32_t zero_of(
    const struct assembled *m, const struct band *band, bool across, uint64_t r, uint64_t g)
{
    if (!m->parts[PART_ZEROS].data)
        return 1u << (m->bits - 1);
    if (across)
        return field_at(band->zeros + g * band->rows / (32 / m->bits) * 4, m->bits,
                   m->is_awq ? awq_place(r) : r)
            + m->zero_added;
    const uint64_t per_word = 32 / m->bits;
    return vkmoe_word_at(band->zeros, r / per_word * band->groups + g) >> r % per_word * m->bits
        & ((1u << m->bits) - 1);
}

static void make_rows(
    const struct assembled *m, const struct band *band, bool across, unsigned char *to)
{
    const struct format *format = vkmoe_format(m->dtype);
    unsigned char codes[FORMAT_MAX_ELEMENTS];
    for (uint64_t r = 0; r < band->rows; r++) {
        for (uint64_t k = 0; k < m->columns; k += format->elements, to += format->bytes) {
            const uint64_t g = k / m->scale_columns;
            const uint32_t zero = zero_of(m, band, across, r, g);
            for (uint64_t i = 0; i < format->elements; i++)
                codes[i] = (unsigned char)(k + i < m->columns
                        ? code_of(m, band, across, r, column_at(m, k + i))
                        : MIN(zero, 255));
            put_block(m, codes, zero,
                band->scales[across ? g * band->rows + r : r * band->groups + g], to);
        }
    }
}

enum vkmoe_status vkmoe_packed_make(const struct assembled *m, const struct vkmoe_log *log,
    uint64_t row, uint64_t rows, unsigned char *to)
{
    const uint64_t per_word = 32 / m->bits, scale = vkmoe_scheme_scale_size(m);
    struct band band = { .rows = rows, .words = m->columns / per_word, .groups = m->row_scales };
    const uint64_t line = 4 * band.words, zero_lines = (rows + per_word - 1) / per_word;
    enum vkmoe_status status;
    TRY(vkmoe_scheme_check_order(m, log));
    TRY(vkmoe_scheme_read(m, log, PART_VALUES, row * line, rows * line, &band.values));
    TRY(vkmoe_scheme_read(
        m, log, PART_SCALES, row * band.groups * scale, rows * band.groups * scale, &band.stored));
    if (m->parts[PART_ZEROS].data)
        TRY(vkmoe_scheme_read(m, log, PART_ZEROS, row / per_word * band.groups * 4,
            zero_lines * band.groups * 4, &band.zeros));
    TRY(decode_scales(m, log, &band));
    make_rows(m, &band, false, to);
fail:
    finish(&band);
    return status;
}

enum vkmoe_status vkmoe_words_make(const struct assembled *m, const struct vkmoe_log *log,
    uint64_t row, uint64_t rows, unsigned char *to)
{
    const uint64_t per_word = 32 / m->bits, scale = vkmoe_scheme_scale_size(m);
    struct band band = { .rows = rows, .groups = m->row_scales };
    const uint64_t lines = m->is_awq ? m->columns : m->columns / per_word;
    const uint64_t word_rows = m->is_awq ? per_word : 1; // rows in a word of values
    enum vkmoe_status status;
    TRY(vkmoe_scheme_check_order(m, log));
    TRY(read_across(m, log, PART_VALUES, lines, m->rows / word_rows * 4, row / word_rows * 4,
        rows / word_rows * 4, &band.values));
    TRY(read_across(m, log, PART_ZEROS, band.groups, m->rows / per_word * 4, row / per_word * 4,
        rows / per_word * 4, &band.zeros));
    TRY(read_across(m, log, PART_SCALES, band.groups, m->rows * scale, row * scale, rows * scale,
        &band.stored));
    TRY(decode_scales(m, log, &band));
    make_rows(m, &band, true, to);
fail:
    finish(&band);
    return status;
}
