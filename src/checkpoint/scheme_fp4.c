// scheme_fp4.c - floats of 4 bits, two in a byte, the first in its lower half.
#include "checkpoint/scheme.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/try.h"
#include "weights/format.h"

enum { MX = 32, MX_BYTES = 16 }; // elements and bytes that share a power of two

// ----------------------------------------------------------------------------- MXFP4

// One power of two for each 16 bytes of a row.
static enum vkmoe_status describe_mx(const struct candidate *candidate, struct assembled *out)
{
    const struct tensor *scales = candidate->scales;
    TRY_RETURN(vkmoe_scheme_rows(candidate, 2, VKMOE_DTYPE_MXFP4, out));
    if ((strcmp(scales->dtype, "U8") != 0 && strcmp(scales->dtype, "F8_E8M0") != 0)
        || out->columns % MX || scales->rank == 0
        || scales->elements != out->rows * (out->columns / MX)
        || scales->shape[scales->rank - 1] != out->columns / MX)
        return vkmoe_scheme_misfit(candidate, scales);
    out->scale_columns = MX;
    return VKMOE_OK;
}

// [experts][rows][groups][16], which is how others have it with their last sizes multiplied.
enum vkmoe_status vkmoe_mxfp4_blocks_describe(
    const struct candidate *candidate, struct assembled *out)
{
    struct tensor values = *candidate->values;
    struct candidate flat = *candidate;
    if (values.rank < 3 || values.shape[values.rank - 1] != MX_BYTES)
        return vkmoe_scheme_misfit(candidate, &values);
    values.rank--;
    values.shape[values.rank - 1] *= MX_BYTES;
    flat.values = &values;
    return describe_mx(&flat, out);
}

// The formats' block has element i of its first half beside element i of its second.
static enum vkmoe_status make_mx_block(const struct assembled *m, const struct vkmoe_log *log,
    const unsigned char *values, unsigned char scale, unsigned char *block)
{
    if (scale == 255)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: tensor %s has a scale that is no number",
            m->parts[PART_SCALES].path, m->name);
    block[0] = scale;
    for (unsigned i = 0; i < MX_BYTES; i++)
        block[1 + i] = (unsigned char)(vkmoe_nibble_at(values, i)
            | vkmoe_nibble_at(values, i + MX_BYTES) << 4);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_mxfp4_blocks_make(const struct assembled *m, const struct vkmoe_log *log,
    uint64_t row, uint64_t rows, unsigned char *to)
{
    const uint64_t groups = m->columns / MX, bytes = vkmoe_format(m->dtype)->bytes;
    unsigned char *values = NULL, *scales = NULL;
    enum vkmoe_status status;
    TRY(vkmoe_scheme_read(
        m, log, PART_VALUES, row * groups * MX_BYTES, rows * groups * MX_BYTES, &values));
    TRY(vkmoe_scheme_read(m, log, PART_SCALES, row * groups, rows * groups, &scales));
    for (uint64_t i = 0; i < rows * groups && status == VKMOE_OK; i++)
        status = make_mx_block(m, log, values + i * MX_BYTES, scales[i], to + i * bytes);
fail:
    free(values);
    free(scales);
    return status;
}

// ----------------------------------------------------------------------------- NVFP4

enum { NV = 64, RUN = 16, RUNS = NV / RUN }; // elements of a block, of those with a scale

static bool is_nvfp4(const struct candidate *candidate)
{
    return strcmp(candidate->scales->dtype, "F8_E4M3") == 0;
}

// One scale for 16 elements, and a factor for all or for an expert. Where the scales are powers of
// two it is MXFP4, which has the same layout.
enum vkmoe_status vkmoe_nvfp4_describe(const struct candidate *candidate, struct assembled *out)
{
    const struct tensor *scales = candidate->scales, *factor;
    if (!is_nvfp4(candidate))
        return describe_mx(candidate, out);
    TRY_RETURN(vkmoe_scheme_rows(candidate, 2, VKMOE_DTYPE_NVFP4_SCALED, out));
    if (out->columns % RUN || scales->rank < 2
        || scales->elements != out->rows * (out->columns / RUN)
        || scales->shape[scales->rank - 1] != out->columns / RUN)
        return vkmoe_scheme_misfit(candidate, scales);
    out->scale_columns = RUN;
    out->factor_divides = out->scheme->tail[0] != '\0';
    factor = vkmoe_assembly_sibling(
        candidate, out->factor_divides ? ".weight_global_scale" : "_scale_2");
    if (!factor || factor->absence)
        return SCHEME_FAIL(candidate, INVALID, candidate->values,
            "is NVFP4, but the factor of all its scales is %s", factor ? "absent" : "missing");
    if (strcmp(factor->dtype, "F32") != 0
        || (factor->elements != 1 && factor->elements != out->experts))
        return vkmoe_scheme_misfit(candidate, factor);
    out->expert_scales = factor->elements == 1 ? 0 : 1;
    out->parts[PART_FACTOR] = vkmoe_stored_of(factor);
    return VKMOE_OK;
}

static enum vkmoe_status read_factor(
    const struct assembled *m, const struct vkmoe_log *log, uint64_t row, float *out)
{
    const uint64_t expert = m->experts ? row / (m->rows / m->experts) : 0;
    TRY_RETURN(vkmoe_stored_read(
        &m->parts[PART_FACTOR], log, expert * m->expert_scales * sizeof *out, out, sizeof *out));
    if (m->factor_divides)
        *out = 1.0f / *out;
    if (!isfinite(*out))
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: tensor %s has a factor that is no number",
            m->parts[PART_FACTOR].path, m->name);
    return VKMOE_OK;
}

// A run of the format has element i of its first half beside element i of its second.
static enum vkmoe_status make_nv_row(const struct assembled *m, const struct vkmoe_log *log,
    const unsigned char *values, const unsigned char *scales, float factor, unsigned char *to)
{
    memset(to, 0, (size_t)m->row_size);
    for (uint64_t run = 0; run < m->columns / RUN; run++, values += RUN / 2) {
        unsigned char *block = to + run / RUNS * (8 + NV / 2);
        memcpy(block, &factor, sizeof factor);
        if (scales[run] >= 127)
            return vkmoe_fail(log, VKMOE_ERROR_INVALID,
                "%s: tensor %s has a scale that is negative or no number",
                m->parts[PART_SCALES].path, m->name);
        block[4 + run % RUNS] = scales[run];
        for (unsigned i = 0; i < RUN / 2; i++)
            block[8 + run % RUNS * (RUN / 2) + i] = (unsigned char)(vkmoe_nibble_at(values, i)
                | vkmoe_nibble_at(values, i + RUN / 2) << 4);
    }
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_nvfp4_make(const struct assembled *m, const struct vkmoe_log *log,
    uint64_t row, uint64_t rows, unsigned char *to)
{
    const uint64_t bytes = m->columns / 2, runs = m->columns / RUN;
    unsigned char *values = NULL, *scales = NULL;
    enum vkmoe_status status;
    if (m->dtype == VKMOE_DTYPE_MXFP4)
        return vkmoe_mxfp4_blocks_make(m, log, row, rows, to);
    TRY(vkmoe_scheme_read(m, log, PART_VALUES, row * bytes, rows * bytes, &values));
    TRY(vkmoe_scheme_read(m, log, PART_SCALES, row * runs, rows * runs, &scales));
    for (uint64_t r = 0; r < rows; r++) {
        float factor;
        TRY(read_factor(m, log, row + r, &factor));
        TRY(make_nv_row(
            m, log, values + r * bytes, scales + r * runs, factor, to + r * m->row_size));
    }
fail:
    free(values);
    free(scales);
    return status;
}
