// pattern.h - struct vkmoe_pattern (vkmoe.h) as the attention kernels read it: words.
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
#define PATTERN_WORDS 8

#define PATTERN_WINDOW_KIND 0
#define PATTERN_STRIDED_KIND 1
#define PATTERN_DILATED_KIND 2

#endif
