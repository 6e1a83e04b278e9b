// decode_books.c - formats with a code book: blocks of 256 elements, where an index chooses levels
// of 8 or 4 elements at once. Products are exact.
#include "weights/code_books.h"
#include "weights/decode_bits.h"

#define ELEMENTS 256

// Of elements that an entry has `bits` for, that of number i.
static uint32_t level_of(uint32_t entry, uint32_t i, uint32_t bits)
{
    return (uint32_t)vkmoe_code_books[entry] >> i * bits & ((1u << bits) - 1);
}

static float with_sign(uint32_t sign, float magnitude)
{
    return sign ? -magnitude : magnitude;
}

// The sign of element i of 8 where an even number of them is negative, and seven have a bit.
static uint32_t even_sign(uint32_t signs, uint32_t i)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < 7; n++)
        count += signs >> n & 1;
    return i < 7 ? signs >> i & 1 : count % 2;
}

void vkmoe_decode_iq3_s(const void *block, float *to)
{
    const unsigned char *b = block, *tops = b + 66, *signs = b + 74, *scales = b + 106;
    const float d = f16_at(b);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const uint32_t j = i / 32, s = scales[j / 2] >> j % 2 * 4 & 15;
        const uint32_t index = b[2 + i / 4] | (tops[j] >> i / 4 % 8 & 1) << 8;
        const uint32_t level = level_of(CODE_BOOK_IQ3_S + index, i % 4, 3);
        const float magnitude = d * (float)(2 * s + 1) * (float)(2 * level + 1);
        to[i] = with_sign(signs[i / 8] >> i % 8 & 1, magnitude);
    }
}

// What levels of iq2_xs and its kin are, in eighths of the lowest.
static const unsigned char iq2_levels[] = { 8, 25, 43, 0 };

// Element i of 256, of which eight have entry `entry`.
static float iq2(float d, uint32_t s, uint32_t entry, uint32_t i)
{
    return d * ((float)s + 0.5f) * 0.25f * (float)iq2_levels[level_of(entry, i % 8, 2)];
}

void vkmoe_decode_iq2_xs(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const uint32_t code = b[2 + i / 8 * 2] | (uint32_t)b[3 + i / 8 * 2] << 8;
        const uint32_t s = b[66 + i / 32] >> i / 16 % 2 * 4 & 15;
        const float magnitude = iq2(d, s, CODE_BOOK_IQ2_XS + (code & 511), i);
        to[i] = with_sign(even_sign(code >> 9, i % 8), magnitude);
    }
}

void vkmoe_decode_iq3_xxs(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const uint32_t rest = u32_at(b + 66 + i / 32 * 4);
        const uint32_t level = level_of(CODE_BOOK_IQ3_XXS + b[2 + i / 4], i % 4, 3);
        const float magnitude =
            d * ((float)(rest >> 28) + 0.5f) * 0.5f * (float)(level < 7 ? 8 * level + 4 : 62);
        to[i] = with_sign(even_sign(rest >> i / 8 % 4 * 7, i % 8), magnitude);
    }
}

void vkmoe_decode_iq2_xxs(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const unsigned char *run = b + 2 + i / 32 * 8;
        const uint32_t rest = u32_at(run + 4);
        const float magnitude = iq2(d, rest >> 28, CODE_BOOK_IQ2_XXS + run[i / 8 % 4], i);
        to[i] = with_sign(even_sign(rest >> i / 8 % 4 * 7, i % 8), magnitude);
    }
}

void vkmoe_decode_iq2_s(const void *block, float *to)
{
    const unsigned char *b = block, *signs = b + 34, *tops = b + 66, *scales = b + 74;
    const float d = f16_at(b);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const uint32_t j = i / 32, index = b[2 + i / 8] | (tops[j] >> i / 8 % 4 * 2 & 3) << 8;
        const uint32_t s = scales[j] >> i / 16 % 2 * 4 & 15;
        const float magnitude = iq2(d, s, CODE_BOOK_IQ2_S + index, i);
        to[i] = with_sign(signs[i / 8] >> i % 8 & 1, magnitude);
    }
}

// Of iq1_s and iq1_m: levels are -1, 0 and 1, and moved by an eighth.
static float iq1(float d, uint32_t s, uint32_t index, uint32_t i, bool down)
{
    const float level = (float)level_of(CODE_BOOK_IQ1_S + index, i % 8, 2) - 1.0f;
    return d * (float)(2 * s + 1) * (level + (down ? -0.125f : 0.125f));
}

void vkmoe_decode_iq1_s(const void *block, float *to)
{
    const unsigned char *b = block;
    const float d = f16_at(b);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const uint32_t rest = b[34 + i / 32 * 2] | (uint32_t)b[35 + i / 32 * 2] << 8;
        const uint32_t index = b[2 + i / 8] | (rest >> i / 8 % 4 * 3 & 7) << 8;
        to[i] = iq1(d, rest >> 12 & 7, index, i, rest >> 15);
    }
}

void vkmoe_decode_iq1_m(const void *block, float *to)
{
    const unsigned char *b = block, *scales = b + 48;
    const unsigned char upper[] = { (unsigned char)(scales[1] >> 4 | (scales[3] & 0xf0)),
        (unsigned char)(scales[5] >> 4 | (scales[7] & 0xf0)) };
    const float d = f16_at(upper);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        const uint32_t nibble = b[32 + i / 16] >> i / 8 % 2 * 4 & 15;
        const uint32_t four = scales[i / 64 * 2] | (uint32_t)scales[i / 64 * 2 + 1] << 8;
        const uint32_t s = four >> i / 16 % 4 * 3 & 7;
        to[i] = iq1(d, s, b[i / 8] | (nibble & 7) << 8, i, nibble >> 3);
    }
}
