// quantise.glsl - 32 floats as a block of q8_0, bit by bit as ggml's reference and
// vkmoe_encode_q8_0() have it: d = most / 127, bytes are x * (1 / d) with halves away from zero,
// and d is rounded to f16 only for whoever reads them. Vulkan lets quotients be off by 2.5 units in
// the last place, and does not say which way f16 is rounded: hence integers.
#ifndef QUANTISE_GLSL
#define QUANTISE_GLSL

#define BITS_INFINITE 0x7f800000u
// Smaller ones are zeros, since devices may flush what 127th parts of them would be; as f16 their
// scale is 0 in any case.
#define BITS_LEAST (10u << 23) // 2^-117

// A 127th of a positive float, rounded to even, as bits. It is m / 127 with 24 bits for m, of which
// m * 128 / 127 = m + m / 127.
uint part_127(uint bits)
{
    const uint exponent = bits >> 23, m = (bits & 0x7fffffu) | 0x800000u;
    const uint quotient = m + m / 127, rest = m % 127;
    if (quotient < 1u << 24)
        return ((exponent - 8) << 23) + quotient + (rest > 63 ? 1 : 0);
    const uint half_ = quotient / 2;
    const bool up = quotient % 2 != 0 && (rest > 0 || half_ % 2 != 0);
    return ((exponent - 7) << 23) + half_ + (up ? 1 : 0);
}

// The inverse of a positive float, rounded to nearest (there is no half), as bits. n is 2^47 / m
// but for a few units, and what is left of 2^47 says how many.
uint inverse_bits(uint bits)
{
    const uint exponent = bits >> 23, m = (bits & 0x7fffffu) | 0x800000u;
    if (m == 0x800000u)
        return (254 - exponent) << 23;
    uint n = uint(140737488355328.0 / float(m));
    int left = -int(n * m); // of 2^47, whose low 32 bits are 0
    [[unroll]] for (uint i = 0; i < 4; i++) {
        const int step_ = 2 * left > int(m) ? 1 : 2 * left < -int(m) ? -1 : 0;
        n += uint(step_);
        left -= step_ * int(m);
    }
    return ((252 - exponent) << 23) + n;
}

// A positive float as f16, rounded to even.
uint half_bits(uint bits)
{
    const uint exponent = bits >> 23, m = (bits & 0x7fffffu) | 0x800000u;
    if (exponent > 142)
        return 0x7c00u;
    if (exponent > 112)
        return (bits - (112u << 23) + 0xfffu + (bits >> 13 & 1)) >> 13;
    const uint shift = 126 - exponent; // 14 at least
    if (shift > 24)
        return 0;
    const uint h = m >> shift, rest = m & ((1u << shift) - 1), middle = 1u << (shift - 1);
    return h + (rest > middle || (rest == middle && h % 2 != 0) ? 1 : 0);
}

// Of a block of which these are the bits of the largest magnitude. With a NaN or an infinity in it
// all of it is NaN.
uint block_scale(uint most)
{
    return most >= BITS_INFINITE ? 0x7e00u : most < BITS_LEAST ? 0 : half_bits(part_127(most));
}

// What its elements are multiplied with, to become bytes.
float block_inverse(uint most)
{
    return most >= BITS_INFINITE || most < BITS_LEAST
        ? 0.0 : uintBitsToFloat(inverse_bits(part_127(most)));
}

// In the low 8 bits.
uint byte_of(float x, float inverse)
{
    if (inverse == 0.0) // x may be infinite
        return 0;
    precise const float product = x * inverse;
    const int whole = int(product);
    const float rest = product - float(whole);
    return uint(whole + (rest >= 0.5 ? 1 : rest <= -0.5 ? -1 : 0)) & 0xffu;
}

#endif
