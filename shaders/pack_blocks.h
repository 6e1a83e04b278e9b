// pack_blocks.h - a rectangle of a matrix in a format with blocks, moved from the rows of a file to
// where lib/weights.glsl reads it. Bytes are moved and nothing else: a format is its two numbers.
#ifndef PACK_BLOCKS_H
#define PACK_BLOCKS_H

#include "shared.h"

SPEC(0, PACK_BLOCKS_LANES, 64)
SPEC(1, PACK_BLOCKS_BYTES, 34) // of a block
SPEC(2, PACK_BLOCKS_LEAD, 2)   // of these, those at its begin that are packed last

// Row r of the rectangle is at source + r * row_pitch, block after block. It is the matrix's row
// base_row + r; of the matrices that share a packed one, strips of 16 rows take turns, as in
// pack_weights.h. Each of these strips has a record for every block along K.
struct pack_blocks_push {
    ADDRESS(U32) source;                // in, a multiple of 4
    ADDRESS(U32x4Out) matrix;           // out; of a record that other rows share, their bytes stay
    uint row_pitch;                     // bytes
    uint rows;                          // there are in the source
    uint rows_written;                  // from `rows` on they are zeros
    uint first_record, records_written; // along K
    uint records;                       // of a strip of the packed matrix
    uint base_row, strip_stride, strip_phase;
};
PUSH(pack_blocks_push)

#endif
