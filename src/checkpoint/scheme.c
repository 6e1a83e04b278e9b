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

#define SCHEME(name) vkmoe_##name##_describe, vkmoe_##name##_make
const struct scheme vkmoe_schemes[] = {
    { "_blocks", "U8", "_scales", "", SCHEME(mxfp4_blocks) }, // gpt-oss, as published
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
