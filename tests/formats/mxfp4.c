// mxfp4.c - blocks of 32: a power of two, and floats of 4 bits that it multiplies.
#include "nearest.h"

static const struct places_32 places = { .nibbles = 1 };

static void encode(const double *values, void *block)
{
    int exponent;
    frexp(furthest(values, 32), &exponent); // it is below 2^exponent: 4 or 6 times the scale
    const double e = fmax(0, fmin(254, exponent - 3 + 127));
    memset(block, 0, 17);
    *(unsigned char *)block = (unsigned char)e;
    for (int i = 0; i < 32; i++)
        put_code_32(block, places, i, nearest(e2m1_values, values[i], ldexp(1.0, (int)e - 127)));
}

static void decode(const void *block, double *values)
{
    for (int i = 0; i < 32; i++)
        values[i] =
            ldexp(e2m1_values[code_of_32(block, places, i)], (int)bits_in(block, 0, 0, 8) - 127);
}

BLOCK_FORMAT(mxfp4, 32, 17, 1)
