// tq2_0.c - blocks of 256: codes of 2 bits, then d.
#include "ternary.h"

static int code(const void *block, int i)
{
    return (int)bits_in(block, (size_t)(32 * (i / 128) + i % 32), (uint32_t)(2 * (i / 32 % 4)), 2);
}

static void put_codes(void *block, const int *codes)
{
    for (int i = 0; i < 256; i++)
        put_bits(block, (size_t)(32 * (i / 128) + i % 32), (uint32_t)(2 * (i / 32 % 4)),
            (uint32_t)codes[i]);
}

TERNARY_FORMAT(tq2_0, 66)
