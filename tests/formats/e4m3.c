// e4m3.c - blocks of 128: a scale in f32, and floats of 8 bits.
#include "floats.h"

static void encode(const double *values, void *block)
{
    const double scale = put_f32(block, 0, fabs(furthest(values, 128)) / 448.0);
    for (int i = 0; i < 128; i++)
        ((unsigned char *)block)[4 + i] =
            (unsigned char)(scale != 0.0 ? e4m3_code(values[i] / scale) : 0);
}

static void decode(const void *block, double *values)
{
    for (int i = 0; i < 128; i++)
        values[i] = f32_in(block, 0) * e4m3_value(bits_in(block, (size_t)(4 + i), 0, 8));
}

BLOCK_FORMAT(e4m3, 128, 132, 4)
