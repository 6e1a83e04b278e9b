// f16.glsl - 2 bytes an element, IEEE 754 binary16.

unit unpack_f16(weight_rows m, record_at at)
{
    const uvec4 bits = load_chunk(m, at.chunk + at.part, 2, at.ahead);
    return unit(vec4(unpackHalf2x16(bits.x), unpackHalf2x16(bits.y)),
        vec4(unpackHalf2x16(bits.z), unpackHalf2x16(bits.w)));
}
