// ternary.h - blocks of 256 with one scale: value = d (code - 1), with codes 0 to 2 from encoders.
#ifndef VKMOE_TESTS_TERNARY_H
#define VKMOE_TESTS_TERNARY_H

#include "blocks.h"

// Puts codes, and returns what it costs.
static inline double ternary_codes(const double *values, double d, int *codes)
{
    double error = 0.0;
    for (int i = 0; i < 256; i++) {
        codes[i] = 1 + code_for(values[i], d, -1, 1);
        const double off = values[i] - d * (codes[i] - 1);
        error += off * off;
    }
    return error;
}

// The furthest element is no good scale for others but those that have been stored.
static inline void encode_ternary(const double *values, void *block, size_t d_at,
    void (*put_codes)(void *block, const int *codes))
{
    const double top = fabs(furthest(values, 256));
    double least = INFINITY, best = 0.0;
    int codes[256];
    for (int eighths = 8; eighths > 0; eighths--) {
        const double d = f16_value(f16_bits(top * eighths / 8));
        const double error = ternary_codes(values, d, codes);
        best = error < least ? d : best;
        least = fmin(error, least);
    }
    memset(block, 0, d_at);
    put_f16(block, d_at, best);
    ternary_codes(values, best, codes);
    put_codes(block, codes);
}

static inline void decode_ternary(
    const void *block, double *values, size_t d_at, int (*code)(const void *block, int i))
{
    for (int i = 0; i < 256; i++)
        values[i] = f16_in(block, d_at) * (code(block, i) - 1);
}

// d is what ends the block.
#define TERNARY_FORMAT(name, size) \
    FUNCTIONS(encode_ternary(values, block, (size)-2, put_codes), \
        decode_ternary(block, values, (size)-2, code)) \
    BLOCK_FORMAT(name, 256, size, 0)

#endif
