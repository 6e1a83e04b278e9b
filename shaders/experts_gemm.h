// experts_gemm.h - one matrix product per expert over the rows that group_tokens gave
// it: the up projection (gather x, activate in the epilogue, rows stay sorted by expert)
// and the down projection (rows return to their pair's place).
//
// A workgroup makes a few pairs of blocks of 8 matrix rows x one tile of token rows; a tile with
// few rows takes a narrower body, so that a cold expert costs what it holds.
#ifndef EXPERTS_GEMM_H
#define EXPERTS_GEMM_H

#include "shared.h"

SPEC(0, GEMM_TYPE, 0)          // DTYPE_*
SPEC(1, GEMM_UP, 0)            // 1: up projection, 0: down
SPEC(2, GEMM_DIRECT, 0)        // 1: no plan; rows are tokens, the matrix is table[experts]
SPEC(3, GEMM_PACKED, 1)        // input rows are aligned, see load_row()
SPEC(4, GEMM_RESULT_PACKED, 1) // result rows are: aligned base, strides multiples of 4
SPEC(5, GEMM_GATED, 0)         // strips alternate gate, up
SPEC(6, GEMM_SHARED_GATED, 0)
SPEC(7, GEMM_ACTIVATION, 5)     // enum vkmoe_activation
SPEC(8, GEMM_BIAS, 0)           // of routed experts; direct: of table[experts], at row `experts`
SPEC(9, GEMM_WEIGHT_INPUT, 0)   // expert(w x) instead of w expert(x)
SPEC_FLOAT(10, GEMM_ALPHA, 0.0) // the activation's constants
SPEC_FLOAT(11, GEMM_LIMIT, 0.0)
SPEC(12, GEMM_TO_PAIRS, 0) // up: rows go to their pair's place, as down's do
// Of the form for matrix units, see lib/gemm_matrix.glsl:
SPEC(13, GEMM_LANES, 64)
SPEC(14, GEMM_MATRIX_K, 16) // of the device's matrices
SPEC(15, GEMM_SLICE, 16)    // columns at a time, of which there are a multiple
SPEC(16, GEMM_WHOLE, 0)     // 1: input rows are aligned, and slices are of nothing else
SPEC(17, GEMM_FAST, 0)      // 1: x is rounded to f16
// Direct: so many matrices from table[experts] on, one for each head; source and result have a row
// for each token and head.
SPEC(18, GEMM_HEADS, 0)
// Units at a time, see lib/gemm_steps.glsl: 1, 2 or 4, and units a multiple. In integers, words.
SPEC(19, GEMM_STEP, 1)
// Of the forms for matrix units, fast: h is f16, see below.
SPEC(20, GEMM_HALF, 0)        // 1: source is
SPEC(21, GEMM_RESULT_HALF, 0) // 1: result is; 2: shared_result is; 3: both
// Of the form with matrices of any size, see lib/gemm_flexible.glsl:
SPEC(22, GEMM_PARTS, 1)      // of a workgroup, which have matrices of their own
SPEC(23, GEMM_WIDE_ROWS, 64) // token rows of its larger matrices, up to a tile's
// Direct, and neither with heads nor with f16: 1: workgroups have parts of K each, see part_units.
SPEC(24, GEMM_SPLIT, 0)

// Rows of such an h are so many runs of 16 bytes: `columns` in f16, a multiple of 8, and behind
// them an f32 for each HALF_COLUMNS, the power of two by which these were multiplied. Strides
// count in runs then.
#define HALF_COLUMNS 128
#define HALF_STRIDE(columns) \
    ((columns) / 8 + ((columns) + 4 * HALF_COLUMNS - 1) / (4 * HALF_COLUMNS))

struct experts_gemm_push {
    ADDRESS(U32) plan;      // in  see group_tokens.h
    ADDRESS(U32) rows;      // in  pairs sorted by expert
    ADDRESS(F32) source;    // in  up: x [tokens][hidden]; down: h [row]; direct: [token]
    ADDRESS(F32Out) result; // out up: h [row]; down and GEMM_TO_PAIRS: [pair]; direct: [token]
    ADDRESS(F32Out) shared_result; // out up: the shared expert's h [token]
    ADDRESS(U32x2) table;          // in  addresses of the matrices, [experts + 1]
    ADDRESS(F32) bias;             // in  [experts][bias_stride] in the matrix's row order
    ADDRESS(F32) weights;          // in  [pair], for GEMM_WEIGHT_INPUT
    uint k;                        // up: pairs that share a row of source
    uint experts;
    uint tokens; // direct: how many rows there are
    uint units;  // of 8 elements in a matrix row
    uint source_columns, source_stride;
    uint result_columns, result_stride;
    uint shared_result_columns;       // also its stride
    uint row_tiles, shared_row_tiles; // of the matrices, ceil(blocks / tile's)
    uint bias_stride;
    uint tile_rows;      // direct: rows per tile
    uint first_row_tile; // direct: those before are left out
    uint part_units;     // GEMM_SPLIT: of a part; result is [token][part][result_columns]
};
PUSH(experts_gemm_push)

#endif
