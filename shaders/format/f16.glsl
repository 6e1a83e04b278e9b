// f16.glsl - 2 bytes an element, IEEE 754 binary16.

unit unpack_f16(weight_rows m, uint record, uint part)
{
    const uvec4 bits = load_chunk(m, record * 32 + part, 2);
    return unit(vec4(unpackHalf2x16(bits.x), unpackHalf2x16(bits.y)),
        vec4(unpackHalf2x16(bits.z), unpackHalf2x16(bits.w)));
}
