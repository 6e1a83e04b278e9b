// decode_integer.glsl - the inner loop of the decode kernels where weights are integers with a
// scale for each 16 or 32 columns: four products in an instruction, summed in integers over the
// block.
//
// x becomes integers of 16 bits, which have a scale for the same 32 columns, or for all blocks that
// a lane takes at once (decode_nibbles.glsl): the 32512th part of the largest. Each is cut in two
// signed bytes, x = 256 high + low, and both are multiplied with the weights. As bytes alone they
// would be off by 6e-3 of x's rms, and a layer by 1e-2, which is more than VKMOE_PRECISION_FAST
// allows; so it is 2e-5, for a quarter of an instruction a weight.
//
// No kernel leaves x as integers, since none has 32 neighbours of it in one place. The 8 lanes that
// share a block of x make them when they need them, of 4 columns each, and hand them over in shared
// memory. So a workgroup makes each column once, for its matrix rows, as it would if it made all
// of x at its start; but without a barrier, and without memory for all of x. The 8 lanes have to be
// of one subgroup. All lanes of the workgroup come here, those that have nothing to add as NO_LANE,
// since lavapipe 26 takes a subgroup's barrier for one of the workgroup.
//
// How the weights of a turn are loaded and multiplied is in decode_bytes.glsl for those that are
// bytes, and in decode_nibbles.glsl for narrower ones (NARROW).
#ifndef DECODE_INTEGER_GLSL
#define DECODE_INTEGER_GLSL

#extension GL_EXT_spirv_intrinsics : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_quad : require
#extension GL_KHR_shader_subgroup_shuffle : require

// OpSDot; GL_EXT_integer_dot_product came later than glslc of Debian 12.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019],
    id = 4450) int dot_bytes(uint a, uint b, spirv_literal int four_bytes);
// OpSUDot: the second's bytes are not negative.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019],
    id = 4452) int dot_mixed(uint a, uint b, spirv_literal int four_bytes);

#define BLOCK 32         // columns
#define LARGEST 32512.0  // 127 * 256: more does not fit into two signed bytes
#define LEAST 1e-33      // for the largest; with less LARGEST / it would be infinite
#define ROUND 12582912.0 // 1.5 * 2^23: has no bits below 1; as bits 0x4b400000
#define HALF_0 (ROUND + 32896.0)   // 0x8080
#define HALF_1 (HALF_0 - 19264.0)  // 0x4b40
#define SUM_OF_BITS (2 * (0x4b408080u + 0x4b403540u)) // two of each

#define INFINITE 0x7f800000u // as bits, above which are NaNs
#define NOT_A_NUMBER 0x7fc00000u
#define NO_LANE 0x10000000u // in place of c: past the end

#define GROUPS (LANES / 8)
#ifdef NARROW
#define AT_ONCE (DECODE_TYPE == DTYPE_Q4_K && DECODE_UNROLL >= 16 ? 4 : 2) // blocks of a turn
#else
#define AT_ONCE ((DECODE_UNROLL + 3) / 4)
#endif
#define SHARED_BLOCKS (DECODE_TOGETHER * AT_ONCE)

// Of block n of the 8 lanes from 8 c on, at (4 n + i) GROUPS + c: the high bytes of columns 0 to 15
// and of 16 to 31, and the low ones.
shared uvec4 shared_bytes[SHARED_BLOCKS * 4 * GROUPS];

uvec2 sources[DECODE_TOGETHER]; // addresses of the rows of x

// Finds what the loop's addresses begin with, since not every compiler does.
void find_sources(product p)
{
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++)
        sources[t] = further(U32x4(uvec2(p.source)), operands[t] * 4);
}

// This lane's 4 columns of the block `ahead` after `block`: a constant is part of the load.
vec4 load_x(product p, uint t, uint block, uint ahead)
{
    const uint r = gl_LocalInvocationIndex % 8;
    vec4 x;
    if (p.packed)
        return uintBitsToFloat(
            load_u32x4_at(U32x4(sources[t]), block * (BLOCK * 4) + r * 16, ahead * (BLOCK * 4)));
    [[unroll]] for (uint i = 0; i < 4; i++)
        x[i] = load_f32(F32(sources[t]), (block + ahead) * BLOCK + r * 4 + i);
    return x;
}

void add_squares(product p, uint t, uint block)
{
    const uint column = gl_LocalInvocationIndex % 8 * 4;
    if (DECODE_NORM != 0)
        [[unroll]] for (uint i = 0; i < 4; i++)
            add_square(t, load_raw(p.raw, operands[t], block * (BLOCK / 8) + column / 8,
                column % 8 + i, p.columns));
}

// This lane's columns of a block of x as integers, high and low bytes, what these add up to (a NaN
// if any of them is one), and the block's scale: a NaN if any of them is one or is infinite. As an
// integer the sum is of what a NaN has for bits, see LARGEST_SUM.
struct cut_x { uint high, low; float sum; int whole_sum; float scale; };

// The largest of what 8 lanes have, as an integer, of which a NaN is the largest.
uint largest_of(vec4 x)
{
    const uvec4 bits = floatBitsToUint(x) & 0x7fffffffu;
    return max(max(bits.x, bits.y), max(bits.z, bits.w));
}

struct cut_range { float factor, scale; };

cut_range range_of(uint largest)
{
    largest = max(largest, subgroupQuadSwapHorizontal(largest));
    largest = max(largest, subgroupQuadSwapVertical(largest));
    largest = max(largest, subgroupShuffleXor(largest, 4));
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

cut_x cut(vec4 x)
{
    const cut_range range = range_of(largest_of(x));
    cut_x own = cut_by(x, range.factor);
    own.scale = range.scale;
    return own;
}

// Hands over the lane's columns of block n.
void share(uint n, cut_x x)
{
    const uint r = gl_LocalInvocationIndex % 8;
    const uint at = (n * 4 + r / 4) * GROUPS + gl_LocalInvocationIndex / 8;
    shared_bytes[at][r % 4] = x.high;
    shared_bytes[at + 2 * GROUPS][r % 4] = x.low;
}

// Of shared memory alone: loads of weights stay under way.
void wait_for_subgroup()
{
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared,
        gl_SemanticsAcquireRelease);
}

int dot_16(uvec4 w, uvec4 x, int sum)
{
    [[unroll]] for (uint i = 0; i < 4; i++)
        sum += dot_bytes(w[i], x[i], 0);
    return sum;
}

#ifdef NARROW
#include "lib/decode_nibbles.glsl"
#else
#include "lib/decode_bytes.glsl"
#endif

#endif
