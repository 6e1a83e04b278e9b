// int8.c - blocks of 32: a scale in f32, a zero of 16 bits, codes of 8 bits.
#include "floats.h"

static void put(void *block, int i, int code)
{
    put_bits(block, (size_t)(6 + i), 0, (uint32_t)code);
}

static int code(const void *block, int i)
{
    return (int)bits_in(block, (size_t)(6 + i), 0, 8);
}

static void put_zero(void *block, int zero)
{
    put_bits(block, 4, 0, (uint32_t)zero & 255);
    put_bits(block, 5, 0, (uint32_t)zero >> 8);
}

static int zero(const void *block)
{
    return (int)(bits_in(block, 4, 0, 8) | bits_in(block, 5, 0, 8) << 8);
}

ZEROED_FORMAT(int8, 32, 38, 6, 255)
