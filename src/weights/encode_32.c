// encode_32.c - formats with blocks of 32 elements. Codes are of the scale before it is rounded to
// f16, and halves are rounded away from zero or up, as ggml's reference has it.
#include "weights/encode_bits.h"

#include <math.h>

#include "base/common.h"

enum { ELEMENTS = 32 };

void vkmoe_encode_q8_0(const float *from, void *block)
{
    unsigned char *b = block;
    const float scale = fabsf(furthest_of(from, ELEMENTS)) / 127.0f;
    const float inverse = inverse_of(scale);
    put_f16(b, scale);
    for (uint32_t i = 0; i < ELEMENTS; i++)
        b[2 + i] = (unsigned char)(signed char)roundf(from[i] * inverse);
}

// Codes of 4 bits, and of a fifth at `tops` unless that is NULL.
static void put_codes(const unsigned char *codes, unsigned char *tops, unsigned char *nibbles)
{
    for (uint32_t i = 0; i < ELEMENTS / 2; i++)
        nibbles[i] = (unsigned char)((codes[i] & 15) | (codes[i + ELEMENTS / 2] & 15) << 4);
    if (!tops)
        return;
    memset(tops, 0, ELEMENTS / 8);
    for (uint32_t i = 0; i < ELEMENTS; i++)
        tops[i / 8] |= (unsigned char)(codes[i] >> 4 << i % 8);
}

// (x - least) / scale, halves up, of what is not negative.
static void make_codes(
    const float *from, float least, float inverse, float half, int most, unsigned char *codes)
{
    for (uint32_t i = 0; i < ELEMENTS; i++)
        codes[i] = (unsigned char)MIN(most, (int)((from[i] - least) * inverse + half));
}

// scale (code - middle): the furthest element is code 0.
static void encode_symmetric(
    const float *from, int middle, unsigned char *b, unsigned char *tops, unsigned char *nibbles)
{
    unsigned char codes[ELEMENTS];
    const float scale = furthest_of(from, ELEMENTS) / (float)-middle;
    put_f16(b, scale);
    make_codes(from, 0.0f, inverse_of(scale), (float)middle + 0.5f, 2 * middle - 1, codes);
    put_codes(codes, tops, nibbles);
}

// scale code + minimum
static void encode_minimum(
    const float *from, int most, unsigned char *b, unsigned char *tops, unsigned char *nibbles)
{
    unsigned char codes[ELEMENTS];
    float low = from[0], high = from[0];
    for (uint32_t i = 1; i < ELEMENTS; i++) {
        low = MIN(low, from[i]);
        high = MAX(high, from[i]);
    }
    const float scale = (high - low) / (float)most;
    put_f16(b, scale);
    put_f16(b + 2, low);
    make_codes(from, low, inverse_of(scale), 0.5f, most, codes);
    put_codes(codes, tops, nibbles);
}

#define ENCODE(name, way, number, tops, nibbles) \
    void vkmoe_encode_##name(const float *from, void *block) \
    { \
        unsigned char *b = block; \
        way(from, number, b, tops, nibbles); \
    }

ENCODE(q4_0, encode_symmetric, 8, NULL, b + 2)
ENCODE(q5_0, encode_symmetric, 16, b + 2, b + 6)
ENCODE(q4_1, encode_minimum, 15, NULL, b + 4)
ENCODE(q5_1, encode_minimum, 31, b + 4, b + 8)
