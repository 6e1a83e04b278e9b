// buckets.h - a bias on scores by the distance of key and query, in T5's form: distances
// share a number of buckets, exact ones near the query, logarithmic ones further away.
#ifndef VKMOE_BUCKETS_H
#define VKMOE_BUCKETS_H

#include "checkpoint/family.h"

struct buckets {
    uint32_t count;        // of all of them
    bool both_sides;       // the upper half is for keys behind the query
    uint32_t side;         // of those on one side
    uint32_t max_distance; // where the logarithmic ones end
    uint32_t reach;        // from this distance on all are in one; 1 to 65535
};

// Reads and checks the two settings; faults go to the config's status.
void vkmoe_buckets_read(struct settings *settings, const struct setting *count,
    const struct setting *max_distance, bool both_sides, struct buckets *out);

// From a value for each bucket and head, `weight` [count][heads], to one for each head and
// distance, `table` [heads][2 reach + 1], in the order of vkmoe_attention_params.position_bias.
void vkmoe_buckets_expand(
    const struct buckets *buckets, const float *weight, uint32_t heads, float *table);

#endif
