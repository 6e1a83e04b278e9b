// decode_integer.glsl - the inner loop of the decode kernels where weights are integers with a
// scale for each 16 or 32 columns: four products in an instruction, summed in integers over the
// block.
//
// x becomes integers of 16 bits (integers.glsl), which have a scale for the same 32 columns, or for
// all blocks that a lane takes at once (decode_nibbles.glsl). Their low bytes cost a quarter of an
// instruction a weight.
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

#include "lib/integers.glsl"

#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_quad : require
#extension GL_KHR_shader_subgroup_shuffle : require

// OpSUDot: the second's bytes are not negative.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019],
    id = 4452) int dot_mixed(uint a, uint b, spirv_literal int four_bytes);

#define BLOCK 32         // columns
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

// Of what 8 lanes have.
cut_range range_of(uint largest)
{
    largest = max(largest, subgroupQuadSwapHorizontal(largest));
    largest = max(largest, subgroupQuadSwapVertical(largest));
    largest = max(largest, subgroupShuffleXor(largest, 4));
    return range_up_to(largest);
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
