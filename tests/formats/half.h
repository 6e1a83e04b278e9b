// half.h - a format of 2 bytes an element, whose bits random.h knows.
#include <string.h>

#include "formats.h"
#include "random.h"

#define HALF_FORMAT(name) \
    static void encode(const double *values, void *block) \
    { \
        const uint16_t bits = name##_bits(*values); \
        memcpy(block, &bits, sizeof bits); \
    } \
    static void decode(const void *block, double *values) \
    { \
        uint16_t bits; \
        memcpy(&bits, block, sizeof bits); \
        *values = name##_value(bits); \
    } \
    const struct test_format test_format_##name = { #name, 1, 2, 0, encode, decode };
