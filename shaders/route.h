// route.h - the gate: logits, scores, choice and weights of semantics in vkmoe.h,
// struct vkmoe_router_params.
//
// Workgroups compute logits of ROUTE_BLOCKS * 8 experts for ROUTE_TOKENS tokens; the last
// to finish a tile of tokens chooses for them. Nobody waits: Vulkan promises no
// progress between workgroups.
#ifndef ROUTE_H
#define ROUTE_H

#include "shared.h"

SPEC(0, ROUTE_LANES, 32)  // workgroup size, a power of two from 8 on
SPEC(1, ROUTE_BLOCKS, 1)  // blocks of 8 experts per tile
SPEC(2, ROUTE_TOKENS, 1)  // tokens per tile
SPEC(3, ROUTE_PACKED, 1)  // rows of x are aligned, see load_row()
SPEC(4, ROUTE_EXPERTS, 8) // E
SPEC(5, ROUTE_K, 2)       // k
SPEC(6, ROUTE_SCORE, 0)   // SCORE_*
SPEC(7, ROUTE_SELECT, 0)  // SELECT_*; not SUPPLIED_WEIGHTED
SPEC(8, ROUTE_WEIGH, 0)   // WEIGH_*
SPEC(9, ROUTE_GROUPS, 1)
SPEC(10, ROUTE_GROUPS_KEPT, 1)
SPEC(11, ROUTE_GROUP_SCORE, 0) // GROUP_SCORE_*
SPEC(12, ROUTE_GROUP_MODE, 0)  // GROUP_MODE_*; EACH: K / GROUPS of each, none is masked
SPEC(13, ROUTE_RENORMALIZE, 0) // RENORMALIZE_*
SPEC(14, ROUTE_RMS_NORM, 0)
SPEC(15, ROUTE_EXTRA_ROW, 0) // row E of the weights is the shared expert's token gate
SPEC_FLOAT(16, ROUTE_RENORM_EPSILON, 0.0)
SPEC_FLOAT(17, ROUTE_SCALE, 1.0)
SPEC_FLOAT(18, ROUTE_SOFT_CAP, 0.0)  // 0: none
SPEC_FLOAT(19, ROUTE_THRESHOLD, 0.0) // sparsemixer
SPEC_FLOAT(20, ROUTE_RMS_EPSILON, 0.0)
SPEC(21, ROUTE_SHARED_X, 0) // the extra row sees shared_x, which is not x
SPEC(22, ROUTE_ALWAYS, 0)   // the first experts, every token's
SPEC(23, ROUTE_LEVELS, 0)   // the last two rows of the weights are the levels
SPEC(24, ROUTE_FOLDED, 0)   // all logits are divided by the root mean square of `raw`, with
                            // ROUTE_RMS_EPSILON; without ROUTE_RMS_NORM
SPEC(25, ROUTE_UNROLL, 1)   // units that a lane has under way

struct route_push {
    ADDRESS(F32) x;                 // in  [tokens][hidden]; what the gate sees
    ADDRESS(F32) shared_x;          // in  [tokens][hidden], with ROUTE_SHARED_X
    ADDRESS(U32x4) matrix;          // in  f32, E + extra rows, packed as lib/weights.glsl says
    ADDRESS(F32) vectors;           // in  [3][E]: bias, correction bias, expert scale
    ADDRESS(F32Coherent) logits;    // scratch [tokens][E], [tokens][E + 2] with levels
    ADDRESS(U32Out) ids;            // out [tokens][k], best first; in if supplied
    ADDRESS(F32Out) weights;        // out [tokens][k]
    ADDRESS(F32Out) shared_weights; // out [tokens], if there is an extra row
    ADDRESS(U32Coherent) counters;  // [token tiles], 0 before and after
    ADDRESS(F32) raw;               // in  [tokens][hidden], with ROUTE_FOLDED
    uint tokens, hidden;
    uint units;     // of 8 elements in a row of the matrix
    uint row_tiles; // ceil((E + extra rows) / (8 * ROUTE_BLOCKS))
};
PUSH(route_push)

#endif
