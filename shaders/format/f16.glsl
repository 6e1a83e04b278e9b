// f16.glsl - 2 bytes an element, IEEE 754 binary16.

unit unpack_f16(bool own, U32x4 base, uint at, uint r)
{
    const uvec4 bits = load_chunk(own, base, at * 8, r);
    return unit(vec4(unpackHalf2x16(bits.x), unpackHalf2x16(bits.y)),
        vec4(unpackHalf2x16(bits.z), unpackHalf2x16(bits.w)));
}
