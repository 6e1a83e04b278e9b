// sum_rows.h - each of a token's heads by the transpose of a matrix of its own: y is the sum of the
// matrix's rows, each times an element of x. Formats with blocks along rows allow no other way, as
// their transposes have no blocks.
#ifndef SUM_ROWS_H
#define SUM_ROWS_H

#include "shared.h"

SPEC(0, SUM_LANES, 64)
SPEC(1, SUM_TYPE, 0)   // DTYPE_*
SPEC(2, SUM_TOKENS, 1) // that a workgroup has, up to SUM_MAX_TOKENS

#define SUM_MAX_TOKENS 8

// Workgroups are in the order [head][run of SUM_LANES units][tile of tokens].
struct sum_rows_push {
    ADDRESS(F32) x;    // in  [tokens][heads][x_stride], of which `rows` count
    ADDRESS(F32Out) y; // out [tokens][heads][y_stride], of which `columns` are written
    ADDRESS(U32x2)
    table; // in  [heads] addresses of matrices [rows][columns], packed; before
           //     them the code books
    uint tokens, heads, rows, columns, units, x_stride, y_stride;
};
PUSH(sum_rows_push)

#endif
