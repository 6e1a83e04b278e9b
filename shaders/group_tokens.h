// group_tokens.h - sorts (token, slot) pairs by expert and cuts each expert's run into
// tiles, so that a GEMM tile meets one expert only and no tile is empty. Experts with many rows may
// be a class by themselves, with a plan of its own and larger tiles; rows lie in one order.
//
// A pair is token * k + slot. One workgroup per expert counts the pairs of its expert
// and of all lower ones, which gives it its place without a word from the others;
// the last to finish writes the tiles and the indirect dispatches.
#ifndef GROUP_TOKENS_H
#define GROUP_TOKENS_H

#include "plan.h"
#include "shared.h"

SPEC(0, GROUP_LANES, 64) // workgroup size
SPEC(1, GROUP_TIGHT, 0)  // 1: dropped pairs leave no gaps between experts; not with a capacity

struct group_tokens_push {
    ADDRESS(U32) ids;             // in  i32 [tokens][k]; clamped to 0 .. experts - 1
    ADDRESS(F32Out) weights;      // in and out [tokens][k]; -0.0 means dropped
    ADDRESS(U32Out) rows;         // out [tokens * k] pairs, sorted by expert
    ADDRESS(U32Coherent) counts;  // scratch [2][experts]: first row, rows
    ADDRESS(U32Coherent) plan;    // out, see PLAN_*; of each class
    ADDRESS(U32Coherent) counter; // 0 before and after
    uint tokens, k, experts;
    uint sequence_tokens;              // capacity counts per run of so many tokens
    uint capacity;                     // rows an expert takes of a sequence; ~0: no limit
    uint tile_rows;                    // the largest tile
    uint up_row_tiles, down_row_tiles; // GEMM tiles along a routed expert's outputs
    // The same of experts with so many rows or more; ~0: all are of one class, the first.
    uint many;
    uint many_rest; // what is left after large tiles is for the first class if it is fewer rows
    uint many_plan; // where their plan begins, in words after the other
    uint many_tile_rows;
    uint many_up_row_tiles, many_down_row_tiles;
    uint shared_up_row_tiles; // 0: no shared expert in the up GEMM of the last class
    uint max_groups;          // per dimension of a dispatch
};
PUSH(group_tokens_push)

// Of an expert's rows, the last ones, which go by the first class.
#define FEW_ROWS(rows, many, rest, tile_rows) \
    ((rows) < (many) ? (rows) : (rows) % (tile_rows) < (rest) ? (rows) % (tile_rows) : 0)

#endif
