// iq4_nl.c - blocks of 32: a scale of f16 and 4 bits that choose what it multiplies.
#include "nearest.h"

static const struct places_32 places = { .nibbles = 2 };

static void encode(const double *values, void *block)
{
    memset(block, 0, 18);
    const double d = put_f16(block, 0, furthest(values, 32) / iq4_values[0]);
    for (int i = 0; i < 32; i++)
        put_code_32(block, places, i, nearest(iq4_values, values[i], d));
}

static void decode(const void *block, double *values)
{
    for (int i = 0; i < 32; i++)
        values[i] = f16_in(block, 0) * iq4_values[code_of_32(block, places, i)];
}

BLOCK_FORMAT(iq4_nl, 32, 18, 2)
