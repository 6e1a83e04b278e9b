// attend_reference.h - what attend's cases (attend.c) and their reference have in common.
#ifndef VKMOE_TESTS_CASES_ATTEND_REFERENCE_H
#define VKMOE_TESTS_CASES_ATTEND_REFERENCE_H

#include "cases.h"
#include <vkmoe/moe.h>

#include "shaders/shared.h"

#define MAX_PATTERNS 4

struct attend_case {
    struct kernel_case base;
    uint32_t tokens, heads, kv_heads, head_size;
    uint32_t expert_kv;  // kv heads of one expert; 0: all. Which ones: first_kv_head()
    uint32_t rows;       // ROWS_*
    uint32_t k, experts; // with pairs
    uint32_t tile_rows;  // of the plan
    enum ids_pattern ids;
    bool tiled, sinks;
    enum cache_type cache;
    uint32_t value; // so many columns of a key, the first, are its value; 0: values are apart
    float soft_cap;
    uint32_t reach;           // of the position bias; 0: none
    uint32_t splits;          // 0: none
    uint32_t gap;             // columns between rows of queries
    uint32_t sequences;       // 0: no array of them
    bool alternate;           // neighbouring tokens are of different sequences
    uint32_t capacity, start; // positions held before these tokens
    bool placed;              // positions are given
    bool columns;             // for the form in which columns lie in lanes
    bool matrices;            // for forms for matrix units
    bool poison;              // NaN in what is held before all windows
    float gain;               // of keys and values, and 1 / gain of queries; 0: 1
    bool dominant;            // key 0 is 14 ahead of a usual one, and its value 0
    bool alone;               // there each row has a workgroup
    bool wild;                // a position, a sequence and a length are out of range
    bool ahead;               // there are lengths, beyond the tokens
    uint32_t behind;          // by which those fall short of the tokens instead
    uint32_t words, top;      // ATTEND_PICKED_WORDS and ATTEND_TOP, at least the patterns'
    struct vkmoe_pattern patterns[MAX_PATTERNS]; // expert e has e % pattern_count
    uint32_t pattern_count;                      // 0: 1
};

struct attend_model {
    struct routing routing;
    uint32_t row_count, query_stride, padded;
    uint32_t expert_kv, kv_share;     // kv heads of an expert, heads that share one
    uint32_t group_rows, group_heads; // of a workgroup
    bool merges;                      // the workgroups themselves add their splits up
    uint32_t tiles;                   // of group_rows, or the plan's
    uint32_t *row_token, *row_expert; // [row_count]; token ~0: nobody's
    uint32_t *position, *sequence;    // [tokens], in range
    uint32_t *length;                 // [sequences]
    float *keys, *values;             // [sequences][kv heads][capacity][padded]
    const uint32_t *choices;          // [row_count][heads][top]
};

static inline const struct vkmoe_pattern *pattern_of(const struct attend_case *c, uint32_t expert)
{
    return &c->patterns[expert % MAX(c->pattern_count, 1)];
}

static inline uint32_t value_size(const struct attend_case *c)
{
    return c->value ? c->value : c->head_size;
}

static inline uint32_t first_kv_head(const struct attend_case *c, uint32_t expert)
{
    return c->expert_kv ? (3 * expert + 1) % (c->kv_heads - c->expert_kv + 1) : 0;
}

// What patterns show, as the kernel reads it: operands "patterns" and "choices".
void attend_add_patterns(struct kernel_io *io);
void attend_add_choices(struct kernel_io *io, struct attend_model *m);

void attend_reference(struct kernel_io *io);

// What a case reads and computes, as if all rows saw everything that their sequence holds.
uint64_t attend_bytes(const struct kernel_case *test);
uint64_t attend_flops(const struct kernel_case *test);

#endif
