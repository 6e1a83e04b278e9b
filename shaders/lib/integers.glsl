// integers.glsl - x as integers of 16 bits, for products with weights that are bytes: four products
// in an instruction, summed in integers over the columns that share a scale.
//
// The scale of x is the 32512th part of the largest of these columns, or of more. Each integer is
// cut in two signed bytes, x = 256 high + low, and both are multiplied with the weights. As bytes
// alone they would be off by 6e-3 of x's rms, and a layer by 1e-2, which is more than
// VKMOE_PRECISION_FAST allows; so it is 2e-5.
#ifndef INTEGERS_GLSL
#define INTEGERS_GLSL

#extension GL_EXT_spirv_intrinsics : require

// OpSDot; GL_EXT_integer_dot_product came later than glslc of Debian 12.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019],
    id = 4450) int dot_bytes(uint a, uint b, spirv_literal int four_bytes);

#define LARGEST 32512.0  // 127 * 256: more does not fit into two signed bytes
#define LEAST 1e-33      // for the largest; with less LARGEST / it would be infinite
#define ROUND 12582912.0 // 1.5 * 2^23: has no bits below 1; as bits 0x4b400000
#define HALF_0 (ROUND + 32896.0)   // 0x8080
#define HALF_1 (HALF_0 - 19264.0)  // 0x4b40
#define SUM_OF_BITS (2 * (0x4b408080u + 0x4b403540u)) // two of each

#define INFINITE 0x7f800000u // as bits, above which are NaNs
#define NOT_A_NUMBER 0x7fc00000u

// 4 columns of x as integers, high and low bytes, what these add up to (a NaN if any of them is
// one), and their scale: a NaN if any of them is one or is infinite. As an integer the sum is of
// what a NaN has for bits.
struct cut_x { uint high, low; float sum; int whole_sum; float scale; };

// The largest of them, as an integer, of which a NaN is the largest.
uint largest_of(vec4 x)
{
    const uvec4 bits = floatBitsToUint(x) & 0x7fffffffu;
    return max(max(bits.x, bits.y), max(bits.z, bits.w));
}

struct cut_range { float factor, scale; };

// Of columns of which this is the largest.
cut_range range_up_to(uint largest)
{
    const float most = uintBitsToFloat(max(largest, floatBitsToUint(LEAST)));
    return cut_range(LARGEST / most,
        mix(uintBitsToFloat(NOT_A_NUMBER), most * (1.0 / LARGEST), largest < INFINITE));
}

cut_x cut_by(vec4 x, float factor)
{
    // The last 16 bits of the first two are x + 0x8080, which is not negative, and those of the
    // others are as much less as the first have before them: two of them in 32 bits are a sum.
    const vec4 rounded = fma(x, vec4(factor), vec4(HALF_0, HALF_0, HALF_1, HALF_1));
    const uvec4 v = floatBitsToUint(rounded);
    const uint even = (v.z << 16) + v.x, odd = (v.w << 16) + v.y;
    precise const vec2 sums = rounded.xy + (rounded.zw - (HALF_0 + HALF_1)); // without error
    const int whole_sum = int(v.x + v.y + v.z + v.w - SUM_OF_BITS);
    return cut_x(((even >> 8 & 0xff00ffu) | (odd & 0xff00ff00u)) ^ 0x80808080u,
        ((even & 0xff00ffu) | (odd << 8 & 0xff00ff00u)) ^ 0x80808080u, sums.x + sums.y, whole_sum,
        0.0);
}

#endif
