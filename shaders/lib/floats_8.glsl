// floats_8.glsl - blocks of 128: a scale, f32, and 128 floats of 8 bits; values are the scale times
// these.
#ifndef FLOATS_8_GLSL
#define FLOATS_8_GLSL

// Of a unit: the codes of its floats, and the scale.
struct floats_8 { uvec2 codes; float scale; };

floats_8 load_floats_8(weight_rows m, record_at at)
{
    return floats_8(load_half_of(m, at, 8, run_of(at, 2, 8), at.part % 2),
        uintBitsToFloat(load_4_of(m, at, 128)));
}

// Four of them, two f16 in a word each: the first and third, the second and fourth.
vec4 from_halves(uint even, uint odd)
{
    return vec4(unpackHalf2x16(even), unpackHalf2x16(odd)).xzyw;
}

#endif
