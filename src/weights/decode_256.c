// decode_256.c - formats with blocks of 256 elements, in runs that have scales of few bits.
#include "weights/decode_bits.h"

#define ELEMENTS 256

// Element i of 64 bytes that have 2 bits each: of 128 elements, byte i of 32 has i, i + 32, ...
static uint32_t two_bits_of(const unsigned char *bytes, uint32_t i)
{
    return bytes[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
}

// Element i of 128 bytes: of 64 elements, byte i of 32 has i and i + 32.
static uint32_t four_bits_of(const unsigned char *bytes, uint32_t i)
{
    return bytes[i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15;
}

void vkmoe_decode_q2_K(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b + 80), dmin = f16_at(b + 82);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const float scale = d * (float)(b[i / 16] & 15), minimum = dmin * (float)(b[i / 16] >> 4);
        to[i] = scale * (float)two_bits_of(b + 16, i) - minimum;
    }
}

void vkmoe_decode_q3_K(const void *block, float *to)
{
    const unsigned char *b = block, *scales = b + 96;
    const float d = f16_at(b + 108);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const uint32_t j = i / 16, low = scales[j % 8] >> j / 8 * 4 & 15;
        const int scale = (int)(low | (scales[8 + j % 4] >> j / 4 * 2 & 3) << 4) - 32;
        const int top = b[i % 32] >> i / 32 & 1;
        to[i] = d * (float)scale * (float)((int)two_bits_of(b + 32, i) - (top ? 0 : 4));
    }
}

// The scale and the minimum, 6 bits each, of run j.
static void get_scales_6(const unsigned char *s, uint32_t j, uint32_t *scale, uint32_t *minimum)
{
    const uint32_t k = j % 4;
    *scale = j < 4 ? s[k] & 63 : (s[k + 8] & 15) | s[k] >> 6 << 4;
    *minimum = j < 4 ? s[k + 4] & 63 : s[k + 8] >> 4 | s[k + 4] >> 6 << 4;
}

// Formats whose blocks begin with d, dmin and those scales: nibbles, and a fifth bit if `tops`.
static void decode_scaled_6(
    const unsigned char *b, const unsigned char *tops, const unsigned char *nibbles, float *to)
{
    const float d = f16_at(b), dmin = f16_at(b + 2);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        uint32_t scale, minimum;
        get_scales_6(b + 4, i / 32, &scale, &minimum);
        const uint32_t top = tops ? tops[i % 32] >> i / 32 & 1 : 0;
        const float q = (float)(four_bits_of(nibbles, i) | top << 4);
        to[i] = d * (float)scale * q - dmin * (float)minimum;
    }
}

void vkmoe_decode_q4_K(const void *block, float *to)
{
    const unsigned char *b = block;
    decode_scaled_6(b, NULL, b + 16, to);
}

void vkmoe_decode_q5_K(const void *block, float *to)
{
    const unsigned char *b = block;
    decode_scaled_6(b, b + 16, b + 48, to);
}

void vkmoe_decode_q6_K(const void *block, float *to)
{
    const unsigned char *b = block;
    const signed char *scales = (const signed char *)b + 192;
    const float d = f16_at(b + 208);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const uint32_t half = i / 128, l = i % 32, c = i % 128 / 32;
        const uint32_t low = b[64 * half + l + 32 * (c % 2)] >> c / 2 * 4 & 15;
        const uint32_t high = b[128 + 32 * half + l] >> 2 * c & 3;
        to[i] = d * (float)scales[i / 16] * (float)((int)(low | high << 4) - 32);
    }
}

void vkmoe_decode_tq2_0(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b + 64);
    for (uint32_t i = 0; i < ELEMENTS; i++)
        to[i] = (float)((int)two_bits_of(b, i) - 1) * d;
}

// Digit n of the five, to base 3, of a byte: a fraction of 256 times 3^n, of which digits before
// have gone over the top.
static int digit_of(unsigned char byte, uint32_t n)
{
    static const unsigned char powers[] = { 1, 3, 9, 27, 81 };
    return (byte * powers[n] & 255) * 3 >> 8;
}

void vkmoe_decode_tq1_0(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b + 52);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const int q = i < 160 ? digit_of(b[i % 32], i / 32)
            : i < 240         ? digit_of(b[32 + i % 16], i / 16 - 10)
                              : digit_of(b[48 + i % 4], i / 4 - 60);
        to[i] = (float)(q - 1) * d;
    }
}

void vkmoe_decode_iq4_xs(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const uint32_t j = i / 32, tops = b[2] | (uint32_t)b[3] << 8;
        const uint32_t scale = (b[4 + j / 2] >> j % 2 * 4 & 15) | (tops >> 2 * j & 3) << 4;
        const uint32_t q = nibble_of(b + 8 + 16 * j, i % 32);
        to[i] = d * (float)((int)scale - 32) * (float)table_16[q];
    }
}
