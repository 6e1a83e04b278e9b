// floats.h - formats whose blocks begin with a scale in f32.
#ifndef VKMOE_TESTS_FLOATS_H
#define VKMOE_TESTS_FLOATS_H

#include "nearest.h"

static inline double f32_in(const void *block, size_t at)
{
    float value;
    memcpy(&value, (const char *)block + at, sizeof value);
    return (double)value;
}

// Returns what is stored.
static inline double put_f32(void *block, size_t at, double value)
{
    const float stored = (float)value;
    memcpy((char *)block + at, &stored, sizeof stored);
    return (double)stored;
}

// A float of 8 bits, 4 of exponent, 3 of mantissa.
static inline double e4m3_value(uint32_t code)
{
    const uint32_t magnitude = code % 128;
    double value = magnitude < 8 ? ldexp(magnitude, -9)
                                 : ldexp(1.0 + magnitude % 8 / 8.0, (int)(magnitude / 8) - 7);
    if (magnitude == 127)
        value = NAN;
    return code < 128 ? value : -value;
}

// Another, with 5 of exponent, 2 of mantissa.
static inline double e5m2_value(uint32_t code)
{
    return f16_value((uint16_t)(code << 8));
}

// The code of 0 to `most`, or of these with a sign, that is nearest.
static inline uint32_t code_of_8(double value, double (*value_of)(uint32_t), uint32_t most)
{
    uint32_t best = 0;
    for (uint32_t code = 1; code <= most; code++) {
        if (fabs(value_of(code) - fabs(value)) < fabs(value_of(best) - fabs(value)))
            best = code;
    }
    return value < 0.0 && best > 0 ? best + 128 : best;
}

static inline void encode_floats_8(
    const double *values, void *block, double (*value_of)(uint32_t), uint32_t most)
{
    const double scale = put_f32(block, 0, fabs(furthest(values, 128)) / value_of(most));
    for (int i = 0; i < 128; i++)
        ((unsigned char *)block)[4 + i] =
            (unsigned char)(scale != 0.0 ? code_of_8(values[i] / scale, value_of, most) : 0);
}

static inline void decode_floats_8(const void *block, double *values, double (*value_of)(uint32_t))
{
    for (int i = 0; i < 128; i++)
        values[i] = f32_in(block, 0) * value_of(bits_in(block, (size_t)(4 + i), 0, 8));
}

// Blocks of 128: a scale, and such floats, of which `most` is the code of the largest.
#define FLOATS_8_FORMAT(name, most) \
    FUNCTIONS(encode_floats_8(values, block, name##_value, most), \
        decode_floats_8(block, values, name##_value)) \
    BLOCK_FORMAT(name, 128, 132, 4)

// Integers of `most` + 1 codes from a zero on: the zero and the codes of its block are put and
// read by functions.
struct zeroed {
    int elements, bytes, most;
    void (*put)(void *block, int i, int code);
    int (*code)(const void *block, int i);
    void (*put_zero)(void *block, int zero);
    int (*zero)(const void *block);
};

static inline void encode_zeroed(const struct zeroed *f, const double *values, void *block)
{
    const struct span_of s = span_of(values, f->elements, false);
    memset(block, 0, (size_t)f->bytes);
    const double scale = put_f32(block, 0, (fmax(s.high, 0.0) - s.low) / f->most);
    const int zero = code_for(-s.low, scale, 0, f->most);
    f->put_zero(block, zero);
    for (int i = 0; i < f->elements; i++)
        f->put(block, i, code_for(values[i] + zero * scale, scale, 0, f->most));
}

static inline void decode_zeroed(const struct zeroed *f, const void *block, double *values)
{
    for (int i = 0; i < f->elements; i++)
        values[i] = f32_in(block, 0) * (f->code(block, i) - f->zero(block));
}

#define ZEROED_FORMAT(name, elements_, bytes_, lead_, most_) \
    static const struct zeroed zeroed = { elements_, bytes_, most_, put, code, put_zero, zero }; \
    FUNCTIONS(encode_zeroed(&zeroed, values, block), decode_zeroed(&zeroed, block, values)) \
    BLOCK_FORMAT(name, elements_, bytes_, lead_)

// Nibbles from byte 5 on, 32 in each 16 bytes, and a zero before them.
#define INT4_FORMAT(name, elements_, bytes_) \
    static void put(void *block, int i, int code) \
    { \
        put_bits(block, (size_t)(5 + i / 32 * 16 + i % 16), i % 32 < 16 ? 0 : 4, (uint32_t)code); \
    } \
    static int code(const void *block, int i) \
    { \
        return (int)bits_in(block, (size_t)(5 + i / 32 * 16 + i % 16), i % 32 < 16 ? 0 : 4, 4); \
    } \
    static void put_zero(void *block, int zero) \
    { \
        put_bits(block, 4, 0, (uint32_t)zero); \
    } \
    static int zero(const void *block) \
    { \
        return (int)bits_in(block, 4, 0, 8); \
    } \
    ZEROED_FORMAT(name, elements_, bytes_, 5, 15)

#endif
