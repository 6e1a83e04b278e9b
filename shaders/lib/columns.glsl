// columns.glsl - for CPUs whose subgroups are vectors of 8 lanes and where loads at shared
// addresses are cheap (lavapipe 26): lanes own columns. Of 32 bytes of a row, lane l keeps word l,
// which LLVM makes one load of a whole vector; a lane's index among its subgroup is a constant
// there, and that among the workgroup is not. Where lanes own rows, words are broadcast one by one
// instead. x is put in the same order, once for all rows of a workgroup.
#ifndef COLUMNS_GLSL
#define COLUMNS_GLSL

#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

#ifndef LANE
#define LANE gl_SubgroupInvocationID
#define IS_LANE(n) (LANE == n)
#endif
#define IS(name) (WEIGHT_TYPE == DTYPE_##name)

uint own_word(uvec4 a, uvec4 b)
{
    uint own = a.x;
    [[unroll]] for (uint n = 1; n < 8; n++)
        own = IS_LANE(n) ? (n < 4 ? a[n % 4] : b[n % 4]) : own;
    return own;
}

// The same of 8 columns of x.
float own_column(vec4 a, vec4 b)
{
    return uintBitsToFloat(own_word(floatBitsToUint(a), floatBitsToUint(b)));
}

// Adds up what lanes have of 8 sums: sum r in lane r.
float sum_lanes(float x[8])
{
    float four[4], two[2];
    [[unroll]] for (uint i = 0; i < 4; i++) {
        const float a = x[2 * i], b = x[2 * i + 1];
        four[i] = (LANE % 2 == 0 ? a : b) + subgroupShuffleXor(LANE % 2 == 0 ? b : a, 1);
    }
    [[unroll]] for (uint i = 0; i < 2; i++) {
        const float a = four[2 * i], b = four[2 * i + 1];
        two[i] = (LANE % 4 < 2 ? a : b) + subgroupShuffleXor(LANE % 4 < 2 ? b : a, 2);
    }
    return (LANE < 4 ? two[0] : two[1]) + subgroupShuffleXor(LANE < 4 ? two[1] : two[0], 4);
}

#ifndef NARROW
// Of formats without blocks, records of 32 bytes of each row: what their words have of two columns,
// or of one in f32.
#define RECORD_BYTES 512
#define RECORD_UNITS (IS(F32) ? 1 : 2)

vec2 columns_of(uint word)
{
    if (IS(F32))
        return vec2(uintBitsToFloat(word), 0.0);
    if (IS(F16))
        return unpackHalf2x16(word);
    return uintBitsToFloat(uvec2(word << 16, word & 0xffff0000u));
}

// This lane's columns of a row, of a block whose first record begins at `first`: so many bytes on.
vec2 load_columns(uvec2 first, uint at, uint ahead)
{
    return columns_of(own_word(load_u32x4_at(U32x4(first), at, ahead),
        load_u32x4_at(U32x4(first), at, ahead + 16)));
}

// This lane's of a record's columns of x. Where units end with its first half, the second may be
// any of x: the weights' padding is zeros.
vec2 own_columns(unit x, unit y)
{
    if (IS(F32))
        return vec2(own_column(x.a, x.b), 0.0);
    return vec2(own_column(vec4(x.a.xz, x.b.xz), vec4(y.a.xz, y.b.xz)),
        own_column(vec4(x.a.yw, x.b.yw), vec4(y.a.yw, y.b.yw)));
}
#endif

#endif
