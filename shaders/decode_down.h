// decode_down.h - the down projection for few tokens, with weights and combine:
//     y[t] = sum over slots of w * (down[e] h + bias) + output_bias + shared
// A workgroup owns DECODE_BLOCKS * 8 outputs of one token and walks through its slots, or
// gives each a share of its lanes.
#ifndef DECODE_DOWN_H
#define DECODE_DOWN_H

#include "decode.h"

struct decode_down_push {
    ADDRESS(U32) ids;            // in  i32 [tokens][k]
    ADDRESS(F32) weights;        // in  [tokens][k]; -0.0: dropped
    ADDRESS(F32) h;              // in  [tokens * k][h_columns]
    ADDRESS(F32) shared_h;       // in  [tokens][shared_h_columns]
    ADDRESS(F32) shared_weights; // in [tokens]
    ADDRESS(F32Out) y;           // out [tokens][columns]
    ADDRESS(U32x2) table;        // in  addresses of the matrices, [experts + 1]
    ADDRESS(F32) bias;           // in  [experts][bias_stride]
    ADDRESS(F32) output_bias;    // in [columns]
    ADDRESS(F32Out) weighted;    // out [tokens][columns], with DECODE_RESIDUAL: y next_weight
    ADDRESS(F32) next_weight;    // in  [columns], likewise
    uint tokens, k, experts, columns;
    uint h_columns, shared_h_columns; // multiples of 8
    uint row_tiles;                   // ceil(columns / (8 * DECODE_BLOCKS))
    uint bias_stride;
};
PUSH(decode_down_push)

#endif
