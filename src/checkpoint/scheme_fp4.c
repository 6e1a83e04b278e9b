// scheme_fp4.c - floats of 4 bits, two in a byte, the first in its lower half.
#include "checkpoint/scheme.h"

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
    if (strcmp(scales->dtype, "U8") != 0 || out->columns % MX
        || scales->elements != out->rows * (out->columns / MX)
        || scales->shape[scales->rank - 1] != out->columns / MX)
        return vkmoe_scheme_misfit(candidate, scales);
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
