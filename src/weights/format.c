// format.c - see format.h.
#include "weights/format.h"

#include <assert.h>
#include <string.h>

#include "base/common.h"
#include "weights/code_books.h"

static const struct format formats[] = {
#define FORMAT(name_, NAME, value, elements_, bytes_, lead_, checkpoints) \
    [VKMOE_DTYPE_##NAME] = { \
        .name = #name_, \
        .in_checkpoints = (checkpoints), \
        .elements = (elements_), \
        .bytes = (bytes_), \
        .lead = (lead_), \
        .decode = vkmoe_decode_##name_, \
    },
#include "weights/formats.def"
};

#define FORMAT(name, NAME, value, elements, bytes, lead, checkpoints) \
    static_assert(VKMOE_DTYPE_##NAME == (value), #name ": vkmoe.h has another value"); \
    static_assert((elements) <= FORMAT_MAX_ELEMENTS && (bytes) <= FORMAT_MAX_BYTES \
            && (lead) <= (bytes) % 16, \
        #name ": sizes");
#include "weights/formats.def"

#define FORMAT(name, NAME, value, elements, bytes, lead, checkpoints) ", " checkpoints
const char *const vkmoe_format_list =
#include "weights/formats.def"
    +2;

static_assert(ARRAY_SIZE(formats) <= 32, "masks of formats have 32 bits"); // device/variants.h

const struct format *vkmoe_format(enum vkmoe_dtype dtype)
{
    return (unsigned)dtype < ARRAY_SIZE(formats) ? &formats[dtype] : NULL;
}

bool vkmoe_format_named(const char *in_checkpoints, enum vkmoe_dtype *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (strcmp(formats[i].in_checkpoints, in_checkpoints) == 0) {
            *out = (enum vkmoe_dtype)i;
            return true;
        }
    }
    return false;
}

bool vkmoe_format_has_code_book(enum vkmoe_dtype dtype)
{
    static const bool has[ARRAY_SIZE(formats)] = {
#define HAS_CODE_BOOK(name, first, entries) [VKMOE_DTYPE_##name] = true,
        CODE_BOOKS(HAS_CODE_BOOK)
    };
    return has[dtype];
}

int64_t vkmoe_format_offset(enum vkmoe_dtype dtype, int64_t elements)
{
    const struct format *format = vkmoe_format(dtype);
    return elements / (int64_t)format->elements * (int64_t)format->bytes;
}

uint64_t vkmoe_format_size(enum vkmoe_dtype dtype, uint64_t elements)
{
    const struct format *format = vkmoe_format(dtype);
    return (elements + format->elements - 1) / format->elements * format->bytes;
}

uint64_t vkmoe_format_matrix_size(enum vkmoe_dtype dtype, uint64_t rows, uint64_t columns)
{
    return rows * vkmoe_format_size(dtype, columns);
}

uint64_t vkmoe_format_width(enum vkmoe_dtype dtype, uint64_t columns)
{
    const uint64_t elements = vkmoe_format(dtype)->elements;
    return (columns + elements - 1) / elements * elements;
}
