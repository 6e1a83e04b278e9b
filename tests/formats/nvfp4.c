// nvfp4.c - blocks of 64: runs of 16, scales that are floats of 8 bits, codes of 4 bits.
#include "nearest.h"

static double e4m3(uint32_t code)
{
    code %= 128;
    if (code == 127)
        return 0.0;
    return code < 8 ? ldexp(code, -9) : ldexp(1.0 + code % 8 / 8.0, (int)(code / 8) - 7);
}

static uint32_t nearest_e4m3(double value)
{
    uint32_t best = 0;
    for (uint32_t code = 1; code < 127; code++) {
        if (fabs(e4m3(code) - value) < fabs(e4m3(best) - value))
            best = code;
    }
    return best;
}

static size_t place(int i)
{
    return (size_t)(4 + i / 16 * 8 + i % 8);
}

static void encode(const double *values, void *block)
{
    memset(block, 0, 36);
    for (int i = 0; i < 64; i++) {
        const double top = furthest(values + i / 16 * 16, 16);
        const uint32_t scale = nearest_e4m3(fabs(top) / 6.0);
        if (i % 16 == 0)
            put_bits(block, (size_t)(i / 16), 0, scale);
        put_bits(block, place(i), i % 16 < 8 ? 0 : 4,
            values[i] == top && scale ? (top < 0.0 ? 15 : 7)
                                      : (uint32_t)nearest(e2m1_values, values[i], e4m3(scale)));
    }
}

static void decode(const void *block, double *values)
{
    for (int i = 0; i < 64; i++)
        values[i] = e4m3(bits_in(block, (size_t)(i / 16), 0, 8))
            * e2m1_values[bits_in(block, place(i), i % 16 < 8 ? 0 : 4, 4)];
}

BLOCK_FORMAT(nvfp4, 64, 36, 4)
