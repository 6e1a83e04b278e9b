// decode_folder.c - the formats that quantised folders become: elements of few bits, and scales in
// f32, which hold those of any folder. One product of each element is rounded.
#include "weights/decode_bits.h"

#include <math.h>
#include <string.h>

static float f32_at(const unsigned char *bytes)
{
    float value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static float e4m3(uint32_t code)
{
    const uint32_t exponent = code >> 3 & 15, mantissa = code & 7;
    float magnitude = ldexpf((float)mantissa, -9);
    if ((code & 127) == 127)
        magnitude = NAN;
    else if (exponent)
        magnitude = ldexpf((float)(8 + mantissa), (int)exponent - 10);
    return code & 128 ? -magnitude : magnitude;
}

// The upper byte of an f16.
static float e5m2(uint32_t code)
{
    return f16_at((const unsigned char[]){ 0, (unsigned char)code });
}

static void decode_floats_8(const unsigned char *b, float (*value)(uint32_t code), float *to)
{
    const float scale = f32_at(b);
    for (uint32_t i = 0; i < 128; i++)
        to[i] = scale * value(b[4 + i]);
}

void vkmoe_decode_e4m3(const void *block, float *to)
{
    decode_floats_8(block, e4m3, to);
}

void vkmoe_decode_e5m2(const void *block, float *to)
{
    decode_floats_8(block, e5m2, to);
}

void vkmoe_decode_nvfp4_scaled(const void *block, float *to)
{
    const unsigned char *b = block;
    const float factor = f32_at(b);
    vkmoe_decode_nvfp4(b + 4, to);
    for (uint32_t i = 0; i < 64; i++)
        to[i] = factor * to[i];
}

static float from_zero(uint32_t q, uint32_t zero, float scale)
{
    return scale * (float)((int)q - (int)zero);
}

static void decode_int4(const unsigned char *b, uint32_t elements, float *to)
{
    for (uint32_t i = 0; i < elements; i++)
        to[i] = from_zero(nibble_of(b + 5 + i / 32 * 16, i % 32), b[4], f32_at(b));
}

void vkmoe_decode_int4_32(const void *block, float *to)
{
    decode_int4(block, 32, to);
}

void vkmoe_decode_int4_128(const void *block, float *to)
{
    decode_int4(block, 128, to);
}

void vkmoe_decode_int8(const void *block, float *to)
{
    const unsigned char *b = block;
    const uint32_t zero = b[4] | (uint32_t)b[5] << 8;
    for (uint32_t i = 0; i < 32; i++)
        to[i] = from_zero(b[6 + i], zero, f32_at(b));
}
