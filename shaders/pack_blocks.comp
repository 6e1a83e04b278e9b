#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "pack_blocks.h"
#include "lib/grid.glsl"

layout(local_size_x_id = 0) in;

// A record: the chunks of 16 bytes of 16 rows, two of a row beside each other while there are two,
// then the rest of each row's block.
const uint CHUNKS = PACK_BLOCKS_BYTES / 16;
const uint REST = PACK_BLOCKS_BYTES % 16;
const uint SLOTS = 16 * CHUNKS + REST; // of 16 bytes

// Four bytes from any offset on.
uint load_bytes(uint at)
{
    const uint low = load_u32(pc.source, at / 4), shift = at % 4 * 8;
    if (shift == 0)
        return low;
    return low >> shift | load_u32(pc.source, at / 4 + 1) << (32 - shift);
}

uint load_byte(uint at)
{
    return load_u32(pc.source, at / 4) >> (at % 4 * 8) & 0xffu;
}

// Byte `i` of what the rectangle's row and block have besides their chunks.
uint rest_byte(uint row, uint block, uint i)
{
    const uint at = row * pc.row_pitch + block * PACK_BLOCKS_BYTES;
    return row < pc.rows ? load_byte(at + (i < PACK_BLOCKS_LEAD ? i : i + 16 * CHUNKS)) : 0;
}

// Sixteen bytes of what the rows of a record have besides their chunks, from byte `first` on;
// `before` is what is there.
uvec4 rest_of(uvec4 before, uint first, int first_row, uint block)
{
    uvec4 bits = before;
    for (uint i = 0; i < 16; i++) {
        const uint at = first + i, shift = i % 4 * 8;
        const int row = first_row + int(at / max(REST, 1));
        if (row < 0 || row >= int(pc.rows_written))
            continue;
        const uint byte = rest_byte(uint(row), block, at % max(REST, 1));
        bits[i / 4] = bits[i / 4] & ~(0xffu << shift) | byte << shift;
    }
    return bits;
}

void main()
{
    const uint index = group_index() * PACK_BLOCKS_LANES + gl_LocalInvocationIndex;
    const uint slot = index % SLOTS, block = index / SLOTS % pc.records_written;
    const uint strip = index / SLOTS / pc.records_written;
    if (strip > (pc.base_row % 16 + pc.rows_written - 1) / 16)
        return;
    const int first_row = int(strip * 16) - int(pc.base_row % 16);
    const uint to = (pc.base_row / 16 + strip) * pc.strip_stride + pc.strip_phase;
    const uint at = (to * pc.records + pc.first_record + block) * SLOTS + slot;
    if (slot >= 16 * CHUNKS) {
        const uint first = (slot - 16 * CHUNKS) * 16;
        store_u32x4(pc.matrix, at, rest_of(load_u32x4_out(pc.matrix, at), first, first_row, block));
        return;
    }
    const bool in_pair = slot < CHUNKS / 2 * 32;
    const uint chunk = in_pair ? slot / 32 * 2 + slot % 2 : CHUNKS - 1;
    const int row = first_row + int(in_pair ? slot / 2 % 16 : slot % 16);
    if (row < 0 || row >= int(pc.rows_written))
        return;
    uvec4 bits = uvec4(0);
    if (row < int(pc.rows)) {
        const uint from = uint(row) * pc.row_pitch + block * PACK_BLOCKS_BYTES + PACK_BLOCKS_LEAD
            + chunk * 16;
        [[unroll]] for (uint i = 0; i < 4; i++)
            bits[i] = load_bytes(from + i * 4);
    }
    store_u32x4(pc.matrix, at, bits);
}
