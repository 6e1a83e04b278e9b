// q6_K.c - blocks of 256: runs of 16, scales of signed bytes, codes of 6 bits less 32.
#include "blocks.h"

static size_t low_byte(int i)
{
    return (size_t)(64 * (i / 128) + i % 64);
}

static size_t high_byte(int i)
{
    return (size_t)(128 + 32 * (i / 128) + i % 32);
}

static int code(const void *block, int i)
{
    return (int)(bits_in(block, low_byte(i), i % 128 < 64 ? 0 : 4, 4)
               + 16 * bits_in(block, high_byte(i), (uint32_t)(2 * (i / 32 % 4)), 2))
        - 32;
}

static void put_code(void *block, int i, int value)
{
    const uint32_t bits = (uint32_t)(value + 32);
    put_bits(block, low_byte(i), i % 128 < 64 ? 0 : 4, bits % 16);
    put_bits(block, high_byte(i), (uint32_t)(2 * (i / 32 % 4)), bits / 16);
}

static int scale(const void *block, int j)
{
    return ((const signed char *)block)[192 + j];
}

static void put_scale(void *block, int j, int scale_, int minimum)
{
    (void)minimum;
    ((signed char *)block)[192 + j] = (signed char)scale_;
}

RUNS_FORMAT(q6_K, 210, 0, .run = 16, .low = -32, .high = 31, .most = 127, .d = 208)
