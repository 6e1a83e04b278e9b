// attention_cases.h - the table of attention layers that tests/attention checks, and the
// random weights and inputs that belong to a case.
#ifndef VKMOE_TESTS_ATTENTION_CASES_H
#define VKMOE_TESTS_ATTENTION_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vkmoe/moe.h>

#include "attention_reference.h"

// What a case has besides its numbers.
enum {
    // Optional arrays
    ATTENTION_QUERY_BIAS = 1 << 0,
    ATTENTION_KEY_BIAS = 1 << 1,
    ATTENTION_VALUE_BIAS = 1 << 2,
    ATTENTION_OUTPUT_BIAS = 1 << 3,
    ATTENTION_QUERY_NORM = 1 << 4,
    ATTENTION_KEY_NORM = 1 << 5,
    ATTENTION_SINKS = 1 << 6,
    ATTENTION_ROUTER_BIAS = 1 << 7,
    ATTENTION_POSITION_BIAS = 1 << 21,
    // Inputs
    ATTENTION_NO_SEQUENCES = 1 << 8, // no span of sequences: there is but one
    ATTENTION_INTERLEAVED = 1 << 9,  // sequences take turns, instead of one behind the other
    ATTENTION_SHUFFLED = 1 << 10,    // tokens in any order
    ATTENTION_LONGEST = 1 << 11,     // attention_forward_params.longest is exact, not 0
    ATTENTION_FULL = 1 << 12,        // the longest sequence fills its capacity
    ATTENTION_HOT = 1 << 13,         // one expert is everybody's first choice
    ATTENTION_EXACT = 1 << 14,       // keys and values are exact in f16
    ATTENTION_DROPPED = 1 << 15,     // some supplied weights are -0.0, some ids wild
    ATTENTION_NO_ROUTING = 1 << 16,  // ids and weights are not asked for, though routed
    // The caller's memory
    ATTENTION_MISALIGNED = 1 << 17, // spans start at odd multiples of 4
    ATTENTION_TRANSPOSED = 1 << 18, // matrices lie transposed
    ATTENTION_SPREAD = 1 << 23,     // elements of vectors lie apart
    ATTENTION_KEYS_F32 = 1 << 19,   // keys and values are, whatever the rest is
    ATTENTION_STORED = 1 << 22,     // queries look at the history, and leave nothing there
    ATTENTION_SLOW = 1 << 20,       // takes its time on a CPU driver, most of it to compile
    ATTENTION_ROPE_DIVISORS = 1 << 24,
    ATTENTION_VALUES_F32 = 1 << 25, // values are, whatever keys are
    ATTENTION_KV_B = 1 << 26,       // latent keys and values lie in one tensor
    ATTENTION_LONG_ROPE = 1 << 27,  // divisors for contexts longer than the trained one
    ATTENTION_GATE = 1 << 28,
    ATTENTION_ALWAYS = 1 << 29, // whatever the share of tests: for what one driver alone does
    // Short for what goes together
    ATTENTION_BIASES = ATTENTION_QUERY_BIAS | ATTENTION_KEY_BIAS | ATTENTION_VALUE_BIAS,
    ATTENTION_NORMS = ATTENTION_QUERY_NORM | ATTENTION_KEY_NORM,
};

struct attention_case {
    const char *name; // after whoever runs it; NULL ends the table
    uint32_t tokens;
    uint32_t history;   // positions that a sequence holds before; others hold fewer
    uint32_t sequences; // 0: 1
    struct vkmoe_attention_params attention; // the views are filled from the seed
    enum vkmoe_dtype dtype;                  // of matrices
    enum vkmoe_dtype vector_dtype;           // of biases, norms and sinks
    enum vkmoe_dtype cache_dtype;
    uint32_t has;      // ATTENTION_* flags
    double score_gain; // deviation of scale * q . k; 0: 1.5
};

extern const struct attention_case attention_cases[];

// NULL if there is none of this name.
const struct attention_case *attention_case_find(const char *name);

// The same case with all matrices in one format, as wide and laid out as its blocks need.
struct attention_case attention_case_stored_as(
    const struct attention_case *c, enum vkmoe_dtype dtype);

// A batch of tokens and where they stand.
struct attention_batch {
    uint32_t tokens;
    float *x;            // [tokens][hidden]
    uint32_t *positions; // [tokens]
    uint32_t *sequences; // [tokens], or NULL: all 0
    int32_t *ids;        // [tokens][k], or NULL: not supplied
    float *weights;      // [tokens][k], or NULL: not supplied
};

// A case's weights and inputs, all made from the seed.
struct attention_data {
    struct vkmoe_attention_params params; // views point into `memory`
    // An attention with the same keys and values that looks at nothing but the token
    // itself: it fills a cache with a long history cheaply.
    struct vkmoe_attention_params filler;
    struct reference_attention reference; // the same weights
    struct attention_batch history;       // what the cache holds before
    struct attention_batch batch;         // what the case is about
    uint32_t *lengths;                    // [sequences] after the batch; NULL unless both_sides
    uint32_t sequences, capacity;
    uint32_t longest; // for attention_forward_params
    void **memory;    // what all these point to
    uint32_t memory_count;
};

void attention_data_init(
    struct attention_data *data, const struct attention_case *c, uint64_t seed);
void attention_data_finish(struct attention_data *data);

#endif
