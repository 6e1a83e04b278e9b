// decode_32.c - formats with blocks of 32 and 64 elements.
#include "weights/decode_bits.h"

#include <math.h>

void vkmoe_decode_q8_0(const void *block, float *to)
{
    const signed char *bytes = (const signed char *)block + 2;
    const float scale = f16_at(block);
    for (uint32_t i = 0; i < 32; i++)
        to[i] = scale * (float)bytes[i];
}

void vkmoe_decode_q4_0(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b);
    for (uint32_t i = 0; i < 32; i++)
        to[i] = (float)((int)nibble_of(b + 2, i) - 8) * d;
}

void vkmoe_decode_q4_1(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b), m = f16_at(b + 2);
    for (uint32_t i = 0; i < 32; i++)
        to[i] = (float)nibble_of(b + 4, i) * d + m;
}

// Elements of 5 bits.
static uint32_t five_bits_of(const unsigned char *bits, const unsigned char *nibbles, uint32_t i)
{
    return nibble_of(nibbles, i) | (u32_at(bits) >> i & 1) << 4;
}

void vkmoe_decode_q5_0(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b);
    for (uint32_t i = 0; i < 32; i++)
        to[i] = (float)((int)five_bits_of(b + 2, b + 6, i) - 16) * d;
}

void vkmoe_decode_q5_1(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b), m = f16_at(b + 2);
    for (uint32_t i = 0; i < 32; i++)
        to[i] = (float)five_bits_of(b + 4, b + 8, i) * d + m;
}

void vkmoe_decode_iq4_nl(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b);
    for (uint32_t i = 0; i < 32; i++)
        to[i] = d * (float)table_16[nibble_of(b + 2, i)];
}

// Twice a float of 4 bits: its sign, 2 bits of exponent, one of mantissa.
static float twice_e2m1(uint32_t code)
{
    static const signed char values[] = { 0, 1, 2, 3, 4, 6, 8, 12 };
    return (float)(code & 8 ? -values[code & 7] : values[code & 7]);
}

void vkmoe_decode_mxfp4(const void *block, float *to)
{
    const unsigned char *b = block;
    const float scale = ldexpf(1.0f, b[0] - 128); // half of it
    for (uint32_t i = 0; i < 32; i++)
        to[i] = scale * twice_e2m1(nibble_of(b + 1, i));
}

// Half of a float of 8 bits without sign, 4 bits of exponent, 3 of mantissa.
static float half_e4m3(uint32_t code)
{
    const uint32_t exponent = code >> 3 & 15, mantissa = code & 7;
    if ((code & 127) == 127)
        return 0.0f;
    return exponent ? ldexpf((float)(8 + mantissa), (int)exponent - 11)
                    : ldexpf((float)mantissa, -10);
}

void vkmoe_decode_nvfp4(const void *block, float *to)
{
    const unsigned char *b = block;
    for (uint32_t i = 0; i < 64; i++) {
        const uint32_t j = i / 16, l = i % 16;
        const uint32_t code = b[4 + 8 * j + l % 8] >> l / 8 * 4 & 15;
        to[i] = half_e4m3(b[j]) * twice_e2m1(code);
    }
}
