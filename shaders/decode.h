// decode.h - specialisation constants that the decode kernels share.
#ifndef DECODE_H
#define DECODE_H

#include "shared.h"

SPEC(0, DECODE_LANES, 32) // workgroup size, a power of two from 8 on
SPEC(1, DECODE_BLOCKS, 2) // blocks of 8 matrix rows a workgroup makes; up: even
SPEC(2, DECODE_TOKENS, 1) // up: at most so many tokens of an expert in a workgroup
SPEC(3, DECODE_TYPE, 0)   // DTYPE_*
SPEC(4, DECODE_PACKED, 1) // x rows are aligned, see load_row()
SPEC(5, DECODE_GATED, 0)
SPEC(6, DECODE_SHARED_GATED, 0)
SPEC(7, DECODE_ACTIVATION, 5) // enum vkmoe_activation
SPEC(8, DECODE_BIAS, 0)
SPEC(9, DECODE_WEIGHT_INPUT, 0) // expert(w x) instead of w expert(x)
SPEC_FLOAT(10, DECODE_ALPHA, 0.0)
SPEC_FLOAT(11, DECODE_LIMIT, 0.0)
SPEC(12, DECODE_SHARED, 0) // down: 0 no shared expert, 1 weight 1, 2 weights[]
SPEC(13, DECODE_OUTPUT_BIAS, 0)
SPEC(14, DECODE_SHARED_BIAS, 0) // up: bias is the shared expert's; for a single dense matrix
SPEC(15, DECODE_UNROLL, 1)      // units a lane has under way
SPEC(16, DECODE_SLOTS, 1)       // down: slots that lanes share among them; a power of two
SPEC(17, DECODE_TOGETHER, 1)    // up: tokens that a lane has sums of at once; divides DECODE_TOKENS
SPEC(18, DECODE_NORM, 0)        // up: divide by the root mean square of `raw`
SPEC_FLOAT(19, DECODE_NORM_EPSILON, 1.0e-6)
// The result is added to what is there, and `weighted` made of it, unless this is 2.
SPEC(20, DECODE_RESIDUAL, 0)
SPEC_FLOAT(21, DECODE_RESIDUAL_SCALE, 1.0)
// up: so many matrices from table[experts] on instead of the shared expert's, one for each head;
// x and shared_h have a row for each token and head, the latter's so far apart.
SPEC(22, DECODE_HEADS, 0)
SPEC(23, DECODE_HEAD_STRIDE, 0)
// Nibbles: bytes that are not negative and signed ones in one product are an instruction.
SPEC(24, DECODE_MIXED, 0)
// With that, q4_K: its scales are multiplied as integers.
SPEC(25, DECODE_WHOLE, 0)

// up: with more than one token, tokens * k is at most this.
#define DECODE_MAX_PAIRS 128

#endif
