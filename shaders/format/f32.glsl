// f32.glsl - 4 bytes an element: a record is a unit.

unit unpack_f32(weight_rows m, record_at at)
{
    return unit(uintBitsToFloat(load_chunk(m, at.chunk, 2, at.ahead)),
        uintBitsToFloat(load_chunk(m, at.chunk, 2, at.ahead + 1)));
}
