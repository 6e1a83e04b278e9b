// dtypes.c - see dtypes.h.
#include "checkpoint/dtypes.h"

#include <string.h>

#include "base/common.h"
#include "weights/format.h"

// Beside the formats that vkmoe computes with, which are in weights/formats.def.
static const struct {
    const char *name;
    uint32_t bits;
} dtypes[] = {
    { "F64", 64 },
    { "F8_E4M3", 8 },
    { "F8_E5M2", 8 },
    { "F8_E8M0", 8 },
    { "F6_E2M3", 6 },
    { "F6_E3M2", 6 },
    { "F4", 4 },
    { "BOOL", 8 },
    { "U8", 8 },
    { "I8", 8 },
    { "U16", 16 },
    { "I16", 16 },
    { "U32", 32 },
    { "I32", 32 },
    { "U64", 64 },
    { "I64", 64 },
    { "C64", 64 },
};

uint32_t vkmoe_dtype_bits(const char *name)
{
    enum vkmoe_dtype dtype;
    if (vkmoe_format_named(name, &dtype) && vkmoe_format(dtype)->elements == 1)
        return 8 * vkmoe_format(dtype)->bytes;
    for (size_t i = 0; i < ARRAY_SIZE(dtypes); i++) {
        if (strcmp(name, dtypes[i].name) == 0)
            return dtypes[i].bits;
    }
    return 0;
}
