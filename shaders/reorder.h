// reorder.h - rows in the order that the columns of the matrices have which they are to be
// multiplied by: result[row][i] = x[row / sharing][order[i]].
#ifndef REORDER_H
#define REORDER_H

#include "shared.h"

SPEC(0, REORDER_LANES, 64)
SPEC(1, REORDER_RUN, 4)       // elements a lane makes
SPEC(2, REORDER_BY_EXPERT, 0) // 0: there is one order
SPEC(3, REORDER_SORTED, 0)    // 1: rows are of sorted pairs; 0: row i is of pair i

struct reorder_push {
    ADDRESS(F32) x;         // in  [rows / sharing][x_stride]
    ADDRESS(U32) orders;    // in  [experts][columns], below columns
    ADDRESS(U32) ids;       // in  i32 [pairs]; clamped to 0 .. experts - 1
    ADDRESS(U32) sorted;    // in  [rows] pairs; what is none stands for a row that nobody reads
    ADDRESS(F32Out) result; // out [rows][stride]: zeros from `columns` on
    uint rows;              // as many pairs
    uint sharing;           // rows made of one of x
    uint columns, x_stride, stride;
    uint experts;
};
PUSH(reorder_push)

#endif
