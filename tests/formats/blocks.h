// blocks.h - what the formats with blocks share: fields of bits, scales, and choosing codes.
//
// Encoders are simple: the largest element of what shares a scale gets the largest code, so that
// what has been stored once is stored as it is.
#ifndef VKMOE_TESTS_BLOCKS_H
#define VKMOE_TESTS_BLOCKS_H

#include <math.h>
#include <string.h>

#include "formats.h"
#include "random.h"

// encode() and decode() of a format by two expressions.
#define FUNCTIONS(encoded, decoded) \
    static void encode(const double *values, void *block) \
    { \
        encoded; \
    } \
    static void decode(const void *block, double *values) \
    { \
        decoded; \
    }

#define BLOCK_FORMAT(name, elements, bytes, lead) \
    const struct test_format test_format_##name = { #name, elements, bytes, lead, encode, decode };

static inline double f16_in(const void *block, size_t at)
{
    uint16_t bits;
    memcpy(&bits, (const char *)block + at, sizeof bits);
    return f16_value(bits);
}

// Returns what is stored.
static inline double put_f16(void *block, size_t at, double value)
{
    const uint16_t bits = f16_bits(value);
    memcpy((char *)block + at, &bits, sizeof bits);
    return f16_value(bits);
}

// `width` bits from bit `bit` of a block's byte `at` on; a field lies within a byte.
static inline uint32_t bits_in(const void *block, size_t at, uint32_t bit, uint32_t width)
{
    return ((const unsigned char *)block)[at] >> bit & ((1u << width) - 1);
}

static inline void put_bits(void *block, size_t at, uint32_t bit, uint32_t value)
{
    ((unsigned char *)block)[at] |= (unsigned char)(value << bit);
}

// value / scale, rounded and held to low..high; 0 without a scale.
static inline int code_for(double value, double scale, int low, int high)
{
    const double code = scale != 0.0 ? nearbyint(value / scale) : 0.0;
    return (int)fmax(low, fmin(high, code));
}

// The element that is furthest from zero.
static inline double furthest(const double *values, int count)
{
    double found = 0.0;
    for (int i = 0; i < count; i++)
        found = fabs(values[i]) > fabs(found) ? values[i] : found;
    return found;
}

// Between these a format with minimums stores; the lower is not above zero unless `any`.
struct span_of {
    double low, high;
};
static inline struct span_of span_of(const double *values, int count, bool any)
{
    struct span_of s = { any ? values[0] : fmin(values[0], 0.0), values[0] };
    for (int i = 1; i < count; i++) {
        s.low = fmin(s.low, values[i]);
        s.high = fmax(s.high, values[i]);
    }
    return s;
}

// A code of value = code * scale - minimum; the ends of the span get the ends of the codes.
static inline int code_between(
    double value, const struct span_of *s, double scale, double minimum, int most)
{
    if (value == s->low)
        return 0;
    return value == s->high && scale > 0.0 ? most : code_for(value + minimum, scale, 0, most);
}

// ------------------------------------------------------------------------ 32 elements

// Where blocks of 32 elements have what: 4 bits at `nibbles`, and a fifth at `tops`, unless 0.
struct places_32 {
    size_t nibbles, tops;
};

static inline int code_of_32(const void *block, struct places_32 at, int i)
{
    const size_t byte = at.nibbles + (size_t)(i % 16);
    int code = (int)bits_in(block, byte, i < 16 ? 0 : 4, 4);
    if (at.tops)
        code += 16 * (int)bits_in(block, at.tops + (size_t)(i / 8), (uint32_t)(i % 8), 1);
    return code;
}

static inline void put_code_32(void *block, struct places_32 at, int i, int code)
{
    put_bits(block, at.nibbles + (size_t)(i % 16), i < 16 ? 0 : 4, (uint32_t)code & 15);
    if (at.tops)
        put_bits(block, at.tops + (size_t)(i / 8), (uint32_t)(i % 8), (uint32_t)code >> 4);
}

// d (code - middle), where the furthest element gets code 0.
static inline void encode_symmetric_32(
    const double *values, void *block, size_t bytes, struct places_32 at, int middle)
{
    memset(block, 0, bytes);
    const double d = put_f16(block, 0, furthest(values, 32) / -middle);
    for (int i = 0; i < 32; i++)
        put_code_32(block, at, i, middle + code_for(values[i], d, -middle, middle - 1));
}

static inline void decode_symmetric_32(
    const void *block, double *values, struct places_32 at, int middle)
{
    for (int i = 0; i < 32; i++)
        values[i] = f16_in(block, 0) * (code_of_32(block, at, i) - middle);
}

// d code + m
static inline void encode_minimum_32(
    const double *values, void *block, size_t bytes, struct places_32 at, int most)
{
    memset(block, 0, bytes);
    const struct span_of s = span_of(values, 32, true);
    const double d = put_f16(block, 0, (s.high - s.low) / most), m = put_f16(block, 2, s.low);
    for (int i = 0; i < 32; i++)
        put_code_32(block, at, i, code_between(values[i], &s, d, -m, most));
}

static inline void decode_minimum_32(const void *block, double *values, struct places_32 at)
{
    for (int i = 0; i < 32; i++)
        values[i] = f16_in(block, 0) * code_of_32(block, at, i) + f16_in(block, 2);
}

// Formats that are those with other numbers.
#define SYMMETRIC_32(name, bytes, lead, places, middle) \
    FUNCTIONS(encode_symmetric_32(values, block, bytes, places, middle), \
        decode_symmetric_32(block, values, places, middle)) \
    BLOCK_FORMAT(name, 32, bytes, lead)
#define MINIMUM_32(name, bytes, lead, places, most) \
    FUNCTIONS(encode_minimum_32(values, block, bytes, places, most), \
        decode_minimum_32(block, values, places)) \
    BLOCK_FORMAT(name, 32, bytes, lead)

// ------------------------------------------------------------------------ 256 elements

// A format of 256 elements in runs with a scale each: value = d scale code - dmin minimum, with
// codes from `low` to `high`, scales to `most`, and minimums if `dmin`. Functions are given the
// number of an element or a run. Without minimums scales have signs, so that the furthest element
// gets the lowest code.
struct runs {
    size_t bytes;
    int run; // elements
    int low, high, most;
    size_t d;
    bool minimums; // dmin follows d
    int (*code)(const void *block, int i);
    void (*put_code)(void *block, int i, int code);
    int (*scale)(const void *block, int j);
    int (*minimum)(const void *block, int j);
    void (*put_scale)(void *block, int j, int scale, int minimum);
};

static inline void decode_runs(const struct runs *f, const void *block, double *values)
{
    for (int i = 0; i < 256; i++) {
        const int j = i / f->run;
        values[i] = f16_in(block, f->d) * f->scale(block, j) * f->code(block, i);
        if (f->minimums)
            values[i] -= f16_in(block, f->d + 2) * f->minimum(block, j);
    }
}

static inline void encode_minimums(const struct runs *f, const double *values, void *block)
{
    double most = 0.0, least = 0.0;
    for (int i = 0; i < 256; i += f->run) {
        const struct span_of s = span_of(values + i, f->run, false);
        most = fmax(most, s.high - s.low);
        least = fmin(least, s.low);
    }
    const double d = put_f16(block, f->d, most / f->high / f->most);
    const double dmin = put_f16(block, f->d + 2, -least / f->most);
    for (int j = 0; j < 256 / f->run; j++) {
        const double *run = values + j * f->run;
        const struct span_of s = span_of(run, f->run, false);
        const int minimum = code_for(-s.low, dmin, 0, f->most);
        const int scale = code_for((s.high - s.low) / f->high, d, s.high > s.low, f->most);
        f->put_scale(block, j, scale, minimum);
        for (int i = 0; i < f->run; i++)
            f->put_code(block, j * f->run + i,
                code_between(run[i], &s, d * scale, dmin * minimum, f->high));
    }
}

static inline void encode_runs(const struct runs *f, const double *values, void *block)
{
    memset(block, 0, f->bytes);
    if (f->minimums) {
        encode_minimums(f, values, block);
        return;
    }
    const double d = put_f16(block, f->d, fabs(furthest(values, 256) / f->low) / f->most);
    for (int j = 0; j < 256 / f->run; j++) {
        const double *run = values + j * f->run, top = furthest(run, f->run);
        int scale = code_for(top / f->low, d, -f->most, f->most);
        if (scale == 0 && top != 0.0 && d > 0.0)
            scale = top < 0.0 ? 1 : -1;
        f->put_scale(block, j, scale, 0);
        for (int i = 0; i < f->run; i++)
            f->put_code(block, j * f->run + i,
                run[i] == top && scale ? f->low : code_for(run[i], d * scale, f->low, f->high));
    }
}

// The rest is what `runs` has beside its functions, which are called as in struct runs.
#define RUNS_FORMAT(name, size, lead, ...) \
    static const struct runs runs = { .bytes = size, \
        .code = code, \
        .put_code = put_code, \
        .scale = scale, \
        .put_scale = put_scale, \
        __VA_ARGS__ }; \
    FUNCTIONS(encode_runs(&runs, values, block), decode_runs(&runs, block, values)) \
    BLOCK_FORMAT(name, 256, size, lead)

#endif
