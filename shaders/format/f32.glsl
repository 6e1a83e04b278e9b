// f32.glsl - 4 bytes an element.

unit unpack_f32(bool own, U32x4 base, uint at, uint r)
{
    const uint first = at * 16; // a unit of 8 rows is 16 chunks
    return unit(uintBitsToFloat(load_chunk(own, base, first, r)),
        uintBitsToFloat(load_chunk(own, base, first + 8, r)));
}
