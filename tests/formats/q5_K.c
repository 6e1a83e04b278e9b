// q5_K.c - blocks of 256: runs of 32, scales and minimums of 6 bits, codes of 5.
#include "scales_6.h"

static int code(const void *block, int i)
{
    return nibble(block, 48, i)
        + 16 * (int)bits_in(block, (size_t)(16 + i % 32), (uint32_t)(i / 32), 1);
}

static void put_code(void *block, int i, int value)
{
    put_nibble(block, 48, i, value);
    put_bits(block, (size_t)(16 + i % 32), (uint32_t)(i / 32), (uint32_t)value / 16);
}

RUNS_6(q5_K, 176, 31)
