// scales_6.glsl - what q4_K and q5_K have in common: a chunk of d, dmin, f16, and of 8 scales and 8
// minimums of 6 bits, each for a run of 32 elements.
#ifndef SCALES_6_GLSL
#define SCALES_6_GLSL

// The scale and what is added, of run `j`.
vec2 scales_6(uvec4 chunk, uint j)
{
    const uvec3 bytes = chunk.yzw >> j % 4 * 8;
    const vec2 d = unpackHalf2x16(chunk.x);
    const uvec2 low = bytes.xy & 63;
    const uvec2 high = uvec2(bytes.z & 15, bytes.z >> 4 & 15) | bytes.xy >> 2 & 48;
    return vec2(j < 4 ? low : high) * vec2(d.x, -d.y);
}

#endif
