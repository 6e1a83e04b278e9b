// bf16.glsl - 2 bytes an element, the upper half of an f32.

unit unit_of_bf16(uvec4 bits)
{
    return unit(uintBitsToFloat(uvec4(bits.x << 16, bits.x & 0xffff0000u,
                                      bits.y << 16, bits.y & 0xffff0000u)),
        uintBitsToFloat(uvec4(bits.z << 16, bits.z & 0xffff0000u,
                              bits.w << 16, bits.w & 0xffff0000u)));
}

unit unpack_bf16(weight_rows m, record_at at)
{
    return unit_of_bf16(load_chunk(m, at.chunk + at.part, 2, at.ahead));
}
