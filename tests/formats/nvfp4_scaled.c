// nvfp4_scaled.c - nvfp4 after a factor in f32.
#include "floats.h"
#include "nvfp4.h"

static void encode(const double *values, void *block)
{
    const double factor = put_f32(block, 0, fabs(furthest(values, 64)) / (448.0 * 6.0));
    memset((char *)block + 4, 0, 36);
    if (factor != 0.0)
        encode_nvfp4(values, factor, (char *)block + 4);
}

static void decode(const void *block, double *values)
{
    decode_nvfp4((const char *)block + 4, f32_in(block, 0), values);
}

BLOCK_FORMAT(nvfp4_scaled, 64, 40, 8)
