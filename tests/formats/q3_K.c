// q3_K.c - blocks of 256: runs of 16, scales of 6 bits less 32, codes of 3 bits less 4.
#include "blocks.h"

static int code(const void *block, int i)
{
    return (int)bits_in(
               block, (size_t)(32 + 32 * (i / 128) + i % 32), (uint32_t)(2 * (i / 32 % 4)), 2)
        + 4 * (int)bits_in(block, (size_t)(i % 32), (uint32_t)(i / 32), 1) - 4;
}

static void put_code(void *block, int i, int value)
{
    put_bits(block, (size_t)(32 + 32 * (i / 128) + i % 32), (uint32_t)(2 * (i / 32 % 4)),
        (uint32_t)(value + 4) & 3);
    put_bits(block, (size_t)(i % 32), (uint32_t)(i / 32), value >= 0);
}

static int scale(const void *block, int j)
{
    return (int)(bits_in(block, (size_t)(96 + j % 8), j < 8 ? 0 : 4, 4)
               + 16 * bits_in(block, (size_t)(104 + j % 4), (uint32_t)(2 * (j / 4)), 2))
        - 32;
}

static void put_scale(void *block, int j, int scale_, int minimum)
{
    (void)minimum;
    put_bits(block, (size_t)(96 + j % 8), j < 8 ? 0 : 4, (uint32_t)(scale_ + 32) & 15);
    put_bits(block, (size_t)(104 + j % 4), (uint32_t)(2 * (j / 4)), (uint32_t)(scale_ + 32) >> 4);
}

RUNS_FORMAT(q3_K, 110, 0, .run = 16, .low = -4, .high = 3, .most = 31, .d = 108)
