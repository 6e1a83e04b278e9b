// pattern.h - what the queries of each expert see. A kind of pattern is a row in pattern.c, a file
// in shaders/pattern/, and a case in tests/support/pattern.h.
#ifndef VKMOE_ATTENTION_PATTERN_H
#define VKMOE_ATTENTION_PATTERN_H

#include "base/log.h"
#include "vkmoe/moe.h"

#define MAX_LISTED_BLOCK 65536
#define MAX_LENGTH (1u << 30) // of anything that is counted in positions, exclusive

// What there is among the patterns of all experts.
struct pattern_set {
    uint32_t words;      // as the kernels read them: shaders/pattern.h
    bool both_sides;     // some pattern sees keys after the query
    bool by_blocks;      // some pattern picks blocks of keys
    bool by_row;         // some pattern lets each query see keys of its own
    uint32_t list_words; // of the longest list's mask
    uint64_t reach;      // the most keys that a workgroup walks over for some pattern
    uint32_t top, block; // the most blocks that a query chooses, and their size; 0: none does
};

enum vkmoe_status vkmoe_patterns_check(
    const struct caller *caller, const struct vkmoe_attention_params *params);

// Both without patterns as well: then each expert sees everything.
struct pattern_set vkmoe_patterns_describe(const struct vkmoe_attention_params *params);
// `to` has `words` zeros.
void vkmoe_patterns_encode(const struct vkmoe_attention_params *params, uint32_t *to);

#endif
