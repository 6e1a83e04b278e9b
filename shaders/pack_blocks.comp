#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "pack_blocks.h"
#include "lib/grid.glsl"

layout(local_size_x_id = 0) in;

// A record: the 16 rows' pieces of 32 and 16 bytes, then those of 8, 4, 2 and 1, which share slots.
const uint CHUNKS = PACK_BLOCKS_BYTES / 16;
const uint SLOTS = PACK_BLOCKS_BYTES; // of 16 bytes

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

// Where byte `i` of the rectangle's row and block is, counted from `lead` on.
uint source_of(uint row, uint block, uint i)
{
    const uint from_lead = PACK_BLOCKS_BYTES - PACK_BLOCKS_LEAD;
    return row * pc.row_pitch + block * PACK_BLOCKS_BYTES
        + (i < from_lead ? PACK_BLOCKS_LEAD + i : i - from_lead);
}

// Slot `slot` of a record, in which rows have pieces of fewer than 16 bytes; `before` is what is
// there.
uvec4 small_pieces(uvec4 before, uint slot, int first_row, uint block)
{
    uint begin = 16 * CHUNKS, size = 8; // of the piece
    while (size > PACK_BLOCKS_BYTES - begin || slot >= begin + size) {
        begin += PACK_BLOCKS_BYTES - begin < size ? 0 : size;
        size /= 2;
    }
    uvec4 bits = before;
    for (uint i = 0; i < 16; i++) {
        const uint at = (slot - begin) * 16 + i, shift = i % 4 * 8;
        const int row = first_row + int(at / size);
        if (row < 0 || row >= int(pc.rows_written))
            continue;
        const uint byte =
            row < int(pc.rows) ? load_byte(source_of(uint(row), block, begin + at % size)) : 0;
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
        const uvec4 before = load_u32x4_out(pc.matrix, at);
        store_u32x4(pc.matrix, at, small_pieces(before, slot, first_row, block));
        return;
    }
    const bool in_pair = slot < CHUNKS / 2 * 32;
    const uint chunk = in_pair ? slot / 32 * 2 + slot % 2 : CHUNKS - 1;
    const int row = first_row + int(in_pair ? slot / 2 % 16 : slot % 16);
    if (row < 0 || row >= int(pc.rows_written))
        return;
    uvec4 bits = uvec4(0);
    if (row < int(pc.rows)) {
        [[unroll]] for (uint i = 0; i < 4; i++)
            bits[i] = load_bytes(source_of(uint(row), block, chunk * 16 + i * 4));
    }
    store_u32x4(pc.matrix, at, bits);
}
