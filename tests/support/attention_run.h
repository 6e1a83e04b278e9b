// attention_run.h - a case of attention_cases.h on a device: its attention, its cache with
// the case's history, and its batch in device memory.
#ifndef VKMOE_TESTS_ATTENTION_RUN_H
#define VKMOE_TESTS_ATTENTION_RUN_H

#include "attention_cases.h"
#include "harness.h"

struct attention_run {
    struct harness *harness;
    const struct attention_case *c;
    struct attention_data data;
    vkmoe_attention *attention;
    vkmoe_cache *cache;
    struct array x, y, positions, sequences, lengths, ids, weights;
    bool stored;      // keys and values are there already: forwards give queries alone
    double tolerance; // of y
};

// Creates and uploads everything, and fills the cache. attention_run_finish() in any case.
bool attention_run_init(struct attention_run *run, struct harness *harness,
    const struct attention_case *c, uint64_t seed);
void attention_run_finish(struct attention_run *run);

// A new cache with the case's history.
bool attention_run_renew_cache(struct attention_run *run);

bool attention_run_upload(struct attention_run *run);
bool attention_run_download(struct attention_run *run);

// Records the tokens `first` .. `first + tokens - 1` of the batch.
bool attention_run_record(
    struct attention_run *run, uint32_t first, uint32_t tokens, bool with_routing);

// Uploads everything afresh, runs the whole batch and downloads everything.
bool attention_run_forward(struct attention_run *run, bool with_routing);

// Inputs as they were, and nothing written beside the outputs.
bool attention_run_check_memory(const struct attention_run *run);

// ids, weights and y against the reference; `with_routing` as they were asked for. `y`, if
// not NULL, gets the reference's.
bool attention_run_check_results(const struct attention_run *run, bool with_routing, double *y);

#endif
