#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "pack_weights.h"
#include "lib/grid.glsl"

layout(local_size_x_id = 0) in;

const uint ELEMENTS = 16 / PACK_SIZE; // of a chunk

// The bits of an element; both indices are clamped into the rectangle.
uint load_element(uint row, uint column)
{
    const uint at = min(row, pc.rows - 1) * pc.row_pitch
        + min(column, pc.columns - 1) * pc.column_pitch;
    const uint word = load_u32(pc.source, at / 4);
    return PACK_SIZE == 4 ? word : (word >> (at % 4 * 8)) & 0xffffu;
}

uvec4 load_elements(uint row, uint column)
{
    uvec4 chunk;
    [[unroll]] for (uint i = 0; i < 4; i++) {
        if (PACK_SIZE == 4)
            chunk[i] = load_element(row, column + i);
        else
            chunk[i] = load_element(row, column + 2 * i)
                | load_element(row, column + 2 * i + 1) << 16;
    }
    return chunk;
}

// Zeros from the rectangle's last column on.
uvec4 cut(uvec4 chunk, uint column)
{
    [[unroll]] for (uint i = 0; i < 4; i++) {
        const uint first = column + i * (4 / PACK_SIZE);
        if (PACK_SIZE == 2 && first + 1 >= pc.columns)
            chunk[i] &= 0xffffu;
        if (first >= pc.columns)
            chunk[i] = 0;
    }
    return chunk;
}

void main()
{
    const uint index = group_index() * PACK_LANES + gl_LocalInvocationIndex;
    uint row, chunk; // in the rectangle
    if (PACK_FORM == PACK_COLUMNS) {
        row = index % pc.rows_written;
        chunk = index / pc.rows_written;
    } else { // as they are written, one behind the other, if the rectangle is whole records
        const uint pairs = (pc.chunks_written + 1) / 2; // of chunks
        row = index / (32 * pairs) * 16 + index / 2 % 16;
        chunk = index / 32 % pairs * 2 + index % 2;
    }
    if (row >= pc.rows_written || chunk >= pc.chunks_written)
        return;
    const uint column = chunk * ELEMENTS;
    uvec4 bits;
    if (PACK_FORM == PACK_ROWS)
        bits = gather_u32x4(U32x4(uvec2(pc.source)), min(row, pc.rows - 1) * (pc.row_pitch / 16)
            + min(chunk, (pc.columns - 1) / ELEMENTS));
    else
        bits = load_elements(row, column);
    bits = row < pc.rows ? cut(bits, column) : uvec4(0);
    const uint r = pc.base_row + row;
    const uint strip = r / 16 * pc.strip_stride + pc.strip_phase;
    const uint at = pc.first_chunk + chunk; // along K; a record has two
    store_u32x4(pc.matrix, ((strip * pc.records + at / 2) * 16 + r % 16) * 2 + at % 2, bits);
}
