// q8_0.c - blocks of 32: a scale of f16 and 32 signed bytes that it multiplies.
#include <math.h>
#include <string.h>

#include "formats.h"
#include "random.h"

enum { ELEMENTS = 32 };

static void encode(const double *values, void *block)
{
    signed char *bytes = (signed char *)block + 2;
    double largest = 0.0;
    for (int i = 0; i < ELEMENTS; i++)
        largest = fmax(largest, fabs(values[i]));
    const double scale = round_to_f16(largest / 127.0);
    const uint16_t bits = f16_bits(scale);
    memcpy(block, &bits, sizeof bits);
    for (int i = 0; i < ELEMENTS; i++) {
        const double q = scale > 0.0 ? nearbyint(values[i] / scale) : 0.0;
        bytes[i] = (signed char)fmax(-127.0, fmin(127.0, q));
    }
}

static void decode(const void *block, double *values)
{
    const signed char *bytes = (const signed char *)block + 2;
    uint16_t bits;
    memcpy(&bits, block, sizeof bits);
    for (int i = 0; i < ELEMENTS; i++)
        values[i] = f16_value(bits) * bytes[i];
}

const struct test_format test_format_q8_0 = { "q8_0", ELEMENTS, 34, 2, encode, decode };
