// decode.c - formats without blocks: elements as floats, as shaders/format/<name>.glsl has them.
#include "weights/format.h"

#include <string.h>

static float f16_to_f32(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    const uint32_t exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
    uint32_t result;
    if (exponent == 31) {
        result = sign | 0x7f800000 | fraction << 13;
    } else if (exponent > 0) {
        result = sign | (exponent + 112) << 23 | fraction << 13;
    } else { // zero or subnormal: fraction * 2^-24 is exact in f32
        const float magnitude = (float)fraction * 5.9604644775390625e-8f;
        memcpy(&result, &magnitude, sizeof result);
        result |= sign;
    }
    float value;
    memcpy(&value, &result, sizeof value);
    return value;
}

void vkmoe_decode_f32(const void *block, float *to)
{
    memcpy(to, block, sizeof *to);
}

void vkmoe_decode_f16(const void *block, float *to)
{
    uint16_t bits;
    memcpy(&bits, block, sizeof bits);
    *to = f16_to_f32(bits);
}

void vkmoe_decode_bf16(const void *block, float *to)
{
    uint16_t bits;
    memcpy(&bits, block, sizeof bits);
    const uint32_t wide = (uint32_t)bits << 16;
    memcpy(to, &wide, sizeof *to);
}
