// quantise_ways.c - see quantise.h.
#include "quantise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"

#define SHAPE(...) \
    (const uint64_t[4]) \
    { \
        __VA_ARGS__ \
    }

static double largest(const double *values, uint32_t count)
{
    double found = 0.0;
    for (uint32_t i = 0; i < count; i++)
        found = fmax(found, fabs(values[i]));
    return found;
}

// ------------------------------------------------------------------------------ FP4

static const double e2m1[16] = { 0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6 };

static unsigned nearest(const double *table, unsigned count, double value)
{
    unsigned best = 0;
    for (unsigned i = 1; i < count; i++) {
        if (fabs(table[i] - value) < fabs(table[best] - value))
            best = i;
    }
    return best;
}

// Codes of `count` values under a scale, two in a byte, the first in the lower half.
static void put_e2m1(double *values, uint32_t count, double scale, unsigned char *bytes)
{
    for (uint32_t i = 0; i < count; i++) {
        const unsigned code = nearest(e2m1, 16, scale != 0.0 ? values[i] / scale : 0.0);
        bytes[i / 2] = (unsigned char)(bytes[i / 2] | code << (i % 2 ? 4 : 0));
        values[i] = scale * e2m1[code];
    }
}

static void store_mxfp4(struct quantise_file *file, const char *name, double *values,
    uint32_t experts, uint32_t rows, uint32_t columns)
{
    const size_t groups = (size_t)experts * rows * columns / 32;
    unsigned char *blocks = allocate(groups, 16), *scales = allocate(groups, 1);
    for (size_t g = 0; g < groups; g++) {
        int exponent;
        frexp(largest(values + 32 * g, 32), &exponent);
        scales[g] = (unsigned char)(exponent - 3 + 127);
        put_e2m1(values + 32 * g, 32, ldexp(1.0, exponent - 3), blocks + 16 * g);
    }
    quantise_add(
        file, name, "_blocks", "U8", SHAPE(experts, rows, columns / 32, 16), blocks, 16 * groups);
    quantise_add(file, name, "_scales", "U8", SHAPE(experts, rows, columns / 32), scales, groups);
    free(blocks);
    free(scales);
}

const struct way quantise_ways[] = {
    { "gpt-oss mxfp4", "{\"quant_method\":\"mxfp4\"}", 32, true, store_mxfp4 },
};
const uint32_t quantise_way_count = sizeof quantise_ways / sizeof *quantise_ways;
