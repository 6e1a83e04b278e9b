// decode_bits.h - small things that decode*.c share.
#ifndef VKMOE_DECODE_BITS_H
#define VKMOE_DECODE_BITS_H

#include <stdint.h>

#include "weights/format.h"

// What nibbles of iq4_nl and iq4_xs mean.
static const signed char table_16[] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53,
    69, 89, 113 };

static inline float f16_at(const unsigned char *bytes)
{
    float value;
    vkmoe_decode_f16(bytes, &value);
    return value;
}

static inline uint32_t u32_at(const unsigned char *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

// Element i of 32 nibbles: byte i % 16 has i and i + 16.
static inline uint32_t nibble_of(const unsigned char *bytes, uint32_t i)
{
    return bytes[i % 16] >> i / 16 * 4 & 15;
}

#endif
