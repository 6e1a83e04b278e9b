// random.h - seeded numbers for the tests, and the 16-bit float formats in plain double
// arithmetic, written apart from src/ so that each checks the other.
#ifndef VKMOE_TESTS_RANDOM_H
#define VKMOE_TESTS_RANDOM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <vkmoe/vkmoe.h>

// splitmix64 (Steele, Lea, Flood, 2014): any seed will do, 0 too.
struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// A generator of its own for the thing called `name`, so that adding one array does not
// change the numbers in all that follow.
static inline struct rng rng_for(uint64_t seed, const char *name)
{
    struct rng rng = { seed };
    for (; *name; name++)
        rng.state = rng_next(&rng) ^ (unsigned char)*name;
    return rng;
}

// Uniform in 0 .. count - 1 (the bias of the modulo is far below anything tested).
static inline uint32_t rng_below(struct rng *rng, uint32_t count)
{
    return (uint32_t)((rng_next(rng) >> 32) % count);
}

// Uniform in [0, 1).
static inline double rng_uniform(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

// Near enough to the normal distribution: mean 0, deviation 1, never past 3.47.
static inline double rng_normal(struct rng *rng)
{
    double sum = 0.0;
    for (int i = 0; i < 4; i++)
        sum += rng_uniform(rng);
    return (sum - 2.0) * 1.7320508075688772;
}

// A binary float of `mantissa` stored bits and minimal exponent `minimum`, nearest to
// `value`, ties to even. Overflow is the caller's.
static inline double round_to_float_(double value, int mantissa, int minimum)
{
    if (value == 0.0 || !isfinite(value))
        return value;
    int exponent;
    frexp(value, &exponent); // value = [0.5, 1) * 2^exponent
    exponent = exponent - 1 < minimum ? minimum : exponent - 1;
    double unit = ldexp(1.0, exponent - mantissa);
    return nearbyint(value / unit) * unit;
}

static inline double round_to_f16(double value)
{
    double rounded = round_to_float_(value, 10, -14);
    return fabs(rounded) > 65504.0 ? copysign(INFINITY, value) : rounded;
}

static inline double round_to_bf16(double value)
{
    double rounded = round_to_float_(value, 7, -126);
    return fabs(rounded) > 0x1.fep127 ? copysign(INFINITY, value) : rounded;
}

// The bits of a value that the format holds exactly; rounds it if it does not.
static inline uint16_t bits_of_float_(
    double value, int mantissa, int minimum, int bias, uint16_t infinity)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    value = fabs(value);
    if (isnan(value))
        return (uint16_t)(sign | infinity | 1u << (mantissa - 1));
    if (isinf(value))
        return sign | infinity;
    if (value < ldexp(1.0, minimum)) // zero or subnormal
        return sign | (uint16_t)ldexp(value, mantissa - minimum);
    int exponent;
    double fraction = frexp(value, &exponent) * 2.0 - 1.0;
    return (uint16_t)(sign | (unsigned)(exponent - 1 + bias) << mantissa
        | (unsigned)ldexp(fraction, mantissa));
}

static inline uint16_t f16_bits(double value)
{
    return bits_of_float_(round_to_f16(value), 10, -14, 15, 0x7c00);
}

static inline uint16_t bf16_bits(double value)
{
    return bits_of_float_(round_to_bf16(value), 7, -126, 127, 0x7f80);
}

static inline double value_of_bits_(uint16_t bits, int mantissa, int minimum, int bias)
{
    unsigned exponent = (bits & 0x7fffu) >> mantissa, fraction = bits & ((1u << mantissa) - 1);
    double value;
    if (exponent == (0x7fffu >> mantissa))
        value = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexp(fraction, minimum - mantissa);
    else
        value = ldexp(fraction + (1u << mantissa), (int)exponent - bias - mantissa);
    return bits & 0x8000 ? -value : value;
}

static inline double f16_value(uint16_t bits)
{
    return value_of_bits_(bits, 10, -14, 15);
}

static inline double bf16_value(uint16_t bits)
{
    return value_of_bits_(bits, 7, -126, 127);
}

#endif
