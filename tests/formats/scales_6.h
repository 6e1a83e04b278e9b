// scales_6.h - what q4_K and q5_K share: 8 scales and minimums of 6 bits in 12 bytes.
#ifndef VKMOE_TESTS_SCALES_6_H
#define VKMOE_TESTS_SCALES_6_H

#include "blocks.h"

// The upper 2 bits of those of the last four runs lie above those of the first four.
static inline int scale(const void *block, int j)
{
    if (j < 4)
        return (int)bits_in(block, (size_t)(4 + j), 0, 6);
    return (int)(bits_in(block, (size_t)(8 + j), 0, 4) + 16 * bits_in(block, (size_t)j, 6, 2));
}

static inline int minimum(const void *block, int j)
{
    if (j < 4)
        return (int)bits_in(block, (size_t)(8 + j), 0, 6);
    return (
        int)(bits_in(block, (size_t)(8 + j), 4, 4) + 16 * bits_in(block, (size_t)(4 + j), 6, 2));
}

static inline void put_scale(void *block, int j, int scale_, int minimum_)
{
    if (j < 4) {
        put_bits(block, (size_t)(4 + j), 0, (uint32_t)scale_);
        put_bits(block, (size_t)(8 + j), 0, (uint32_t)minimum_);
    } else {
        put_bits(block, (size_t)(8 + j), 0, (uint32_t)(scale_ % 16 + 16 * (minimum_ % 16)));
        put_bits(block, (size_t)j, 6, (uint32_t)scale_ / 16);
        put_bits(block, (size_t)(4 + j), 6, (uint32_t)minimum_ / 16);
    }
}

// Nibbles from byte `at` on: of 64 elements, byte i of 32 has i and i + 32.
static inline int nibble(const void *block, size_t at, int i)
{
    return (int)bits_in(block, at + (size_t)(32 * (i / 64) + i % 32), i % 64 < 32 ? 0 : 4, 4);
}

static inline void put_nibble(void *block, size_t at, int i, int code)
{
    put_bits(
        block, at + (size_t)(32 * (i / 64) + i % 32), i % 64 < 32 ? 0 : 4, (uint32_t)code % 16);
}

#define RUNS_6(name, size, most_) \
    RUNS_FORMAT( \
        name, size, 0, .run = 32, .high = most_, .most = 63, .minimums = true, .minimum = minimum)

#endif
