// f32.c - IEEE 754 binary32.
#include <string.h>

#include "formats.h"

static void encode(const double *values, void *block)
{
    const float value = (float)*values;
    memcpy(block, &value, sizeof value);
}

static void decode(const void *block, double *values)
{
    float value;
    memcpy(&value, block, sizeof value);
    *values = value;
}

const struct test_format test_format_f32 = { "f32", 1, 4, 0, encode, decode };
