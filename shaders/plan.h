// plan.h - the GEMMs' work as group_tokens leaves it in memory.
#ifndef PLAN_H
#define PLAN_H

// Words from the start of the plan.
#define PLAN_TILES 0        // tiles of routed experts
#define PLAN_SHARED_TILES 1 // tiles of the shared expert, behind the others
#define PLAN_UP 4           // VkDispatchIndirectCommand of the up GEMM
#define PLAN_DOWN 8         // ... of the down GEMM
#define PLAN_SIZE 16        // the tiles begin here

// A tile is two words: its first row, and expert << 16 | rows. Routed tiles' rows
// index the sorted rows; those of the shared expert, whose number is
// `experts`, are tokens.

#endif
