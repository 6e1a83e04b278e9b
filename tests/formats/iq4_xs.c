// iq4_xs.c - blocks of 256: runs of 32, scales of 6 bits less 32, and the codes of iq4_nl.
#include "nearest.h"

static struct places_32 places(int j)
{
    return (struct places_32){ .nibbles = 8 + 16 * (size_t)j };
}

static int scale(const void *block, int j)
{
    return (int)(bits_in(block, (size_t)(4 + j / 2), (uint32_t)(j % 2 * 4), 4)
               + 16 * bits_in(block, (size_t)(2 + j / 4), (uint32_t)(j % 4 * 2), 2))
        - 32;
}

static void put_scale(void *block, int j, int value)
{
    put_bits(block, (size_t)(4 + j / 2), (uint32_t)(j % 2 * 4), (uint32_t)(value + 32) % 16);
    put_bits(block, (size_t)(2 + j / 4), (uint32_t)(j % 4 * 2), (uint32_t)(value + 32) / 16);
}

static void encode(const double *values, void *block)
{
    memset(block, 0, 136);
    const double d = put_f16(block, 0, fabs(furthest(values, 256) / iq4_values[0]) / 31);
    for (int j = 0; j < 8; j++) {
        const double top = furthest(values + 32 * j, 32);
        int s = code_for(top / iq4_values[0], d, -31, 31);
        if (s == 0 && top != 0.0 && d > 0.0)
            s = top < 0.0 ? 1 : -1;
        put_scale(block, j, s);
        for (int i = 0; i < 32; i++) {
            const double value = values[32 * j + i];
            put_code_32(block, places(j), i, value == top ? 0 : nearest(iq4_values, value, d * s));
        }
    }
}

static void decode(const void *block, double *values)
{
    for (int i = 0; i < 256; i++)
        values[i] = f16_in(block, 0) * scale(block, i / 32)
            * iq4_values[code_of_32(block, places(i / 32), i % 32)];
}

BLOCK_FORMAT(iq4_xs, 256, 136, 8)
