// pack_weights.h - a rectangle of a matrix as it lies in a file, moved to where
// lib/weights.glsl reads it. Bits are moved and nothing else: f16 and bf16 are alike.
#ifndef PACK_WEIGHTS_H
#define PACK_WEIGHTS_H

#include "shared.h"

SPEC(0, PACK_LANES, 64)
SPEC(1, PACK_SIZE, 2) // bytes of an element, 2 or 4
SPEC(2, PACK_FORM, 0) // PACK_ROWS, PACK_ELEMENTS or PACK_COLUMNS

// Chunks of 16 bytes are read whole: source and row_pitch are multiples of 16, and the elements
// of a row follow each other.
#define PACK_ROWS 0
// Any pitches that are multiples of PACK_SIZE; source is a multiple of 4.
#define PACK_ELEMENTS 1
// The same, where rows lie closer together than columns: neighbouring lanes take neighbouring
// rows.
#define PACK_COLUMNS 2

// The rectangle's element (r, c) is at source + r * row_pitch + c * column_pitch. Its row r is
// the matrix's row base_row + r; of the matrices that share a packed one, strips of 16 rows
// take turns: strip s of this one is strip s * strip_stride + strip_phase of the packed.
struct pack_weights_push {
    ADDRESS(U32) source;          // in
    ADDRESS(U32x4Out) matrix;     // out
    uint row_pitch, column_pitch; // bytes
    uint rows, columns;           // there are in the source, at least 1
    uint rows_written;            // from `rows` on they are zeros
    uint first_chunk;             // of 16 bytes, along K
    uint chunks_written;          // what is past `columns` is zeros
    uint base_row, strip_stride, strip_phase;
    uint records; // of a strip of the packed matrix
};
PUSH(pack_weights_push)

#endif
