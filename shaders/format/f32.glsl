// f32.glsl - 4 bytes an element: a record is a unit.

unit unpack_f32(weight_rows m, uint record, uint part)
{
    return unit(uintBitsToFloat(load_chunk(m, record * 32, 2)),
        uintBitsToFloat(load_chunk(m, record * 32 + 1, 2)));
}
