// pattern.h - struct vkmoe_pattern (vkmoe.h) as the attention kernels read it: words.
// Behind the patterns of all experts stand the lists of blocks, as masks.
#ifndef PATTERN_H
#define PATTERN_H

#define PATTERN_KIND 0
#define PATTERN_LEFT 1
#define PATTERN_RIGHT 2
#define PATTERN_STEP 3
#define PATTERN_PHASE 4
#define PATTERN_SINKS 5
#define PATTERN_LOCAL 6
#define PATTERN_BOTH_SIDES 7
#define PATTERN_KV_HEAD 8 // the expert's first
#define PATTERN_BLOCK 9   // positions in a block
#define PATTERN_TOP 10    // blocks to choose; 0: the list says which
#define PATTERN_LIST 11   // word where the list's mask begins
#define PATTERN_LIST_WORDS 12
#define PATTERN_WORDS 16

// In a list of chosen blocks, behind the last one.
#define CHOOSE_NOTHING 0xffffffffu

#endif
