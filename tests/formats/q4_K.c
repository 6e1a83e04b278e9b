// q4_K.c - blocks of 256: runs of 32, scales and minimums of 6 bits, codes of 4.
#include "scales_6.h"

static int code(const void *block, int i)
{
    return nibble(block, 16, i);
}

static void put_code(void *block, int i, int value)
{
    put_nibble(block, 16, i, value);
}

RUNS_6(q4_K, 144, 15)
