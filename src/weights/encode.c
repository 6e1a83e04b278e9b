// encode.c - see encode.h; and formats without blocks, rounded to the nearest, halves to even.
#include "weights/encode.h"

#include <string.h>

#include "base/common.h"

encoder vkmoe_encoder(enum vkmoe_dtype dtype)
{
    static const encoder encoders[] = {
#define X(name, NAME) [VKMOE_DTYPE_##NAME] = vkmoe_encode_##name,
        ENCODED_FORMATS(X)
#undef X
    };
    return (unsigned)dtype < ARRAY_SIZE(encoders) ? encoders[dtype] : NULL;
}

// Without its `shift` last bits.
static uint32_t round_even(uint32_t bits, uint32_t shift)
{
    const uint32_t half = (1u << (shift - 1)) - 1;
    return (bits + half + (bits >> shift & 1)) >> shift;
}

void vkmoe_encode_f32(const float *from, void *block)
{
    memcpy(block, from, sizeof *from);
}

void vkmoe_encode_f16(const float *from, void *block)
{
    enum { BIAS = 112 }; // by which the exponents differ
    uint32_t bits;
    memcpy(&bits, from, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    const uint32_t exponent = magnitude >> 23;
    uint32_t half;
    if (magnitude > 0x7f800000)
        half = 0x7e00;
    else if (exponent > BIAS + 30)
        half = 0x7c00;
    else if (exponent > BIAS) // rounding may carry into the exponent, up to infinity
        half = round_even(magnitude - (BIAS << 23), 13);
    else if (exponent + 11 > BIAS) // subnormal, or becomes the smallest that is not
        half = round_even((magnitude & 0x7fffff) | 0x800000, 13 + BIAS + 1 - exponent);
    else
        half = 0;
    const uint16_t stored = (uint16_t)(sign | half);
    memcpy(block, &stored, sizeof stored);
}

void vkmoe_encode_bf16(const float *from, void *block)
{
    uint32_t bits;
    memcpy(&bits, from, sizeof bits);
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    const uint16_t stored = (uint16_t)(nan ? bits >> 16 | 64 : round_even(bits, 16));
    memcpy(block, &stored, sizeof stored);
}
