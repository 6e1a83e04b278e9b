// q2_K.c - blocks of 256: runs of 16, scales and minimums of 4 bits, codes of 2.
#include "blocks.h"

static int code(const void *block, int i)
{
    return (int)bits_in(
        block, (size_t)(16 + 32 * (i / 128) + i % 32), (uint32_t)(2 * (i / 32 % 4)), 2);
}

static void put_code(void *block, int i, int value)
{
    put_bits(block, (size_t)(16 + 32 * (i / 128) + i % 32), (uint32_t)(2 * (i / 32 % 4)),
        (uint32_t)value);
}

static int scale(const void *block, int j)
{
    return (int)bits_in(block, (size_t)j, 0, 4);
}

static int minimum(const void *block, int j)
{
    return (int)bits_in(block, (size_t)j, 4, 4);
}

static void put_scale(void *block, int j, int scale_, int minimum_)
{
    put_bits(block, (size_t)j, 0, (uint32_t)(scale_ + 16 * minimum_));
}

RUNS_FORMAT(
    q2_K, 84, 0, .run = 16, .high = 3, .most = 15, .d = 80, .minimums = true, .minimum = minimum)
