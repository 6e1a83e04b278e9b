// decode_up.h - the up projection for few tokens: each expert's matrix is read once for
// up to DECODE_TOKENS of its pairs, found in the list of ids itself, so that no grouping
// pass is needed. The shared expert's rows ride along as further workgroups.
#ifndef DECODE_UP_H
#define DECODE_UP_H

#include "decode.h"

struct decode_up_push {
    ADDRESS(U32) ids;         // in  i32 [tokens][k]
    ADDRESS(F32) weights;     // in  [tokens][k]; -0.0: dropped
    ADDRESS(F32) x;           // in  [tokens][x_stride]
    ADDRESS(F32Out) h;        // out [tokens * k][h_columns]
    ADDRESS(F32Out) shared_h; // out [tokens][shared_h_columns]
    ADDRESS(U32x2) table;     // in  addresses of the matrices, [experts + 1]
    ADDRESS(F32) bias;        // in  [experts][bias_stride] in the matrix's row order
    ADDRESS(F32) raw;         // in  [tokens][columns], with DECODE_NORM
    ADDRESS(F32Out) weighted; // out, with DECODE_RESIDUAL, beside shared_h: that times next_weight
    ADDRESS(F32) next_weight; // in  [shared_h_columns], likewise
    uint tokens, k, experts;
    uint columns, units; // of x, and of 8 elements in a matrix row
    uint h_columns, shared_h_columns;
    uint row_tiles, shared_row_tiles; // ceil(blocks / DECODE_BLOCKS)
    uint bias_stride;
    uint x_stride;
    uint first_shared_row_tile; // those before are left out
};
PUSH(decode_up_push)

#endif
