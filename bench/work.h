// work.h - what a dispatch has to do, read off what the library recorded: its variant,
// specialisation constants, push constants and workgroups.
#ifndef VKMOE_BENCH_WORK_H
#define VKMOE_BENCH_WORK_H

#include "device/stream.h"

#include "shaders/group_tokens.h"

#define MOST_EXPERTS 1024

// What dispatches find in memory, which the host has no part in.
struct scene {
    uint32_t tokens;
    uint32_t keys;            // that a query sees
    uint32_t heads, kv_heads; // of the attention
    uint32_t experts, k;
    uint32_t rows[MOST_EXPERTS];   // pairs that each expert got
    struct group_tokens_push sort; // the last
};

struct work {
    char what[40]; // the matrix it multiplies by, say
    double groups; // that do not end at once
    double lanes;  // of a group
    double bytes;  // out of memory, each once: weights, keys and values
    // A group reads so many bytes in turns, and waits in each: all its lanes together have asked
    // for `turn_bytes` by then.
    double group_bytes, turn_bytes;
    bool fresh;   // dispatches just before wrote what it reads: it comes out of a cache
    double waits; // for what says where these bytes are, one after the other
    double flops;
    double rows, live_rows; // of a matrix product by tiles: computed, and wanted
};

// Dispatches are to be asked about in their order.
struct work work_of(
    struct scene *scene, const struct variant *variant, const struct dispatch *dispatch);

#endif
