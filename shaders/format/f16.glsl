// f16.glsl - 2 bytes an element, IEEE 754 binary16.

unit unit_of_f16(uvec4 bits)
{
    return unit(vec4(unpackHalf2x16(bits.x), unpackHalf2x16(bits.y)),
        vec4(unpackHalf2x16(bits.z), unpackHalf2x16(bits.w)));
}

unit unpack_f16(weight_rows m, record_at at)
{
    return unit_of_f16(load_chunk(m, at.chunk + at.part, 2, at.ahead));
}
