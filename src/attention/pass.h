// attention_pass.h - one pass of attention over some tokens, and the dispatches it is made of
// beside those of the projections (layer_pass.h, linear.h, mix.h).
#ifndef VKMOE_ATTENTION_PASS_H
#define VKMOE_ATTENTION_PASS_H

#include "attention/attention.h"
#include "moe/record.h"

// What a row of queries is, for the kernels.
enum row_mode { ROWS_TOKENS, ROWS_SORTED, ROWS_PAIRS };

struct attend_shape {
    uint32_t lanes;
    uint32_t rows;  // of queries a workgroup
    uint32_t heads; // that share a kv head, a workgroup
    uint32_t splits;
};

struct attend_pass {
    struct moe_pass pass; // of the expert projections; dense: only addresses and scratch
    const vkmoe_attention *attention;
    vkmoe_cache *cache;
    struct attend_shape shape;
    enum row_mode mode;
    uint32_t rows;        // of queries
    uint32_t first_token; // this pass's first, where there are no positions
    bool stored;          // the cache has these tokens' keys and values
    uint64_t query, partials, choices, rotations;
    struct mix_plan value_mix, output_mix;  // of mixes
    uint32_t tile_rows;                     // of the plan, where rows are sorted
    uint64_t key, value;                    // fresh ones of all kv heads
    uint64_t positions, sequences, lengths; // 0: none
};

// attention_kernels.c: each records one dispatch, behind a barrier.
enum vkmoe_status vkmoe_attend_store(const struct attend_pass *pass);
enum vkmoe_status vkmoe_attend_mean_keys(const struct attend_pass *pass);
enum vkmoe_status vkmoe_attend_choose_blocks(const struct attend_pass *pass);
enum vkmoe_status vkmoe_attend_attend(const struct attend_pass *pass);
enum vkmoe_status vkmoe_attend_merge(const struct attend_pass *pass);

#endif
