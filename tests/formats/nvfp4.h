// nvfp4.h - blocks of 64: runs of 16, scales that are floats of 8 bits, codes of 4 bits; all of it
// times a factor.
#ifndef VKMOE_TESTS_NVFP4_H
#define VKMOE_TESTS_NVFP4_H

#include "nearest.h"

static inline double e4m3_unsigned(uint32_t code)
{
    code %= 128;
    if (code == 127)
        return 0.0;
    return code < 8 ? ldexp(code, -9) : ldexp(1.0 + code % 8 / 8.0, (int)(code / 8) - 7);
}

static inline uint32_t nearest_e4m3(double value)
{
    uint32_t best = 0;
    for (uint32_t code = 1; code < 127; code++) {
        if (fabs(e4m3_unsigned(code) - value) < fabs(e4m3_unsigned(best) - value))
            best = code;
    }
    return best;
}

static inline size_t place(int i)
{
    return (size_t)(4 + i / 16 * 8 + i % 8);
}

static inline void encode_nvfp4(const double *values, double factor, void *block)
{
    memset(block, 0, 36);
    for (int i = 0; i < 64; i++) {
        const double top = furthest(values + i / 16 * 16, 16);
        const uint32_t scale = nearest_e4m3(fabs(top) / 6.0 / factor);
        if (i % 16 == 0)
            put_bits(block, (size_t)(i / 16), 0, scale);
        put_bits(block, place(i), i % 16 < 8 ? 0 : 4,
            values[i] == top && scale
                ? (top < 0.0 ? 15 : 7)
                : (uint32_t)nearest(e2m1_values, values[i], factor * e4m3_unsigned(scale)));
    }
}

static inline void decode_nvfp4(const void *block, double factor, double *values)
{
    for (int i = 0; i < 64; i++)
        values[i] = factor * e4m3_unsigned(bits_in(block, (size_t)(i / 16), 0, 8))
            * e2m1_values[bits_in(block, place(i), i % 16 < 8 ? 0 : 4, 4)];
}

#endif
