// encode_bits.h - small things that encode*.c share.
#ifndef VKMOE_ENCODE_BITS_H
#define VKMOE_ENCODE_BITS_H

#include <string.h>

#include "weights/decode_bits.h"
#include "weights/encode.h"

// Returns what is stored.
static inline float put_f16(unsigned char *bytes, float value)
{
    vkmoe_encode_f16(&value, bytes);
    return f16_at(bytes);
}

// Of no scale there is none: all codes are then alike.
static inline float inverse_of(float scale)
{
    return scale != 0.0f ? 1.0f / scale : 0.0f;
}

// The element that is furthest from zero, the first of several.
static inline float furthest_of(const float *from, uint32_t count)
{
    float found = 0.0f;
    for (uint32_t i = 0; i < count; i++) {
        const float magnitude = from[i] < 0.0f ? -from[i] : from[i];
        if (magnitude > (found < 0.0f ? -found : found))
            found = from[i];
    }
    return found;
}

#endif
