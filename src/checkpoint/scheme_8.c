// scheme_8.c - elements of 8 bits, a byte each, row by row as they are.
#include "checkpoint/scheme.h"

#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"

enum { BLOCK = 128, INT8_BLOCK = 32 }; // elements of the formats' blocks

// ------------------------------------------------------------------------------ FP8

// A block of the format has one scale, so that none of it may end within one.
static enum vkmoe_status check_cut(const struct candidate *candidate, const struct assembled *m,
    uint64_t block, const char *format)
{
    if (m->scale_columns < m->columns && m->scale_columns % block)
        return SCHEME_FAIL(candidate, UNSUPPORTED, candidate->scales,
            "has a scale for each %llu columns; of %s only multiples of %llu are supported",
            (unsigned long long)m->scale_columns, format, (unsigned long long)block);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_floats_8_describe(const struct candidate *candidate, struct assembled *out)
{
    const uint32_t *block = candidate->quantisation->block;
    const bool is_e5m2 = strcmp(candidate->values->dtype, "F8_E5M2") == 0;
    TRY_RETURN(vkmoe_scheme_rows(candidate, 1, is_e5m2 ? VKMOE_DTYPE_E5M2 : VKMOE_DTYPE_E4M3, out));
    TRY_RETURN(vkmoe_scheme_scales(
        candidate, block[0] ? block[0] : BLOCK, block[1] ? block[1] : BLOCK, out));
    return check_cut(candidate, out, BLOCK, "FP8");
}

static void make_floats_8(const struct assembled *m, const unsigned char *values,
    const float *scales, const unsigned char *zeros, unsigned char *to)
{
    (void)zeros;
    memset(to, 0, (size_t)m->row_size);
    for (uint64_t k = 0; k < m->columns; k += BLOCK, to += 4 + BLOCK) {
        memcpy(to, &scales[k / m->scale_columns], 4);
        memcpy(to + 4, values + k, (size_t)MIN(BLOCK, m->columns - k));
    }
}

enum vkmoe_status vkmoe_floats_8_make(const struct assembled *m, const struct vkmoe_log *log,
    uint64_t row, uint64_t rows, unsigned char *to)
{
    return vkmoe_scheme_each_row(m, log, row, rows, m->columns, make_floats_8, to);
}

// ----------------------------------------------------------------------------- int8

enum vkmoe_status vkmoe_int8_describe(const struct candidate *candidate, struct assembled *out)
{
    const uint32_t group = candidate->quantisation->group;
    TRY_RETURN(vkmoe_scheme_rows(candidate, 1, VKMOE_DTYPE_INT8, out));
    TRY_RETURN(vkmoe_scheme_scales(candidate, 1, group ? group : out->columns, out));
    TRY_RETURN(check_cut(candidate, out, INT8_BLOCK, "int8"));
    return vkmoe_scheme_others(
        candidate, "_zero_point", "_g_idx", "I8", candidate->scales->elements, out);
}

// Signed, and so around a zero of 128 or so much more.
static void make_int8(const struct assembled *m, const unsigned char *values, const float *scales,
    const unsigned char *zeros, unsigned char *to)
{
    for (uint64_t k = 0; k < m->columns; k += INT8_BLOCK, to += 6 + INT8_BLOCK) {
        const uint64_t group = k / m->scale_columns;
        memcpy(to, &scales[group], 4);
        to[4] = zeros ? zeros[group] ^ 128 : 128;
        to[5] = 0;
        for (uint64_t i = 0; i < INT8_BLOCK; i++)
            to[6 + i] = k + i < m->columns ? values[k + i] ^ 128 : to[4];
    }
}

enum vkmoe_status vkmoe_int8_make(const struct assembled *m, const struct vkmoe_log *log,
    uint64_t row, uint64_t rows, unsigned char *to)
{
    return vkmoe_scheme_each_row(m, log, row, rows, m->columns, make_int8, to);
}
