// layer_cases.h - the table of whole layers that tests/layer checks and bench/layer times,
// and the random weights and inputs that belong to a case.
#ifndef VKMOE_TESTS_LAYER_CASES_H
#define VKMOE_TESTS_LAYER_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vkmoe/moe.h>

#include "reference.h"

// What a case has besides its numbers.
enum {
    // Optional arrays
    CASE_ROUTER_BIAS = 1 << 0,
    CASE_CORRECTION_BIAS = 1 << 1,
    CASE_INPUT_SCALE = 1 << 2,
    CASE_EXPERT_SCALE = 1 << 3,
    CASE_ROUTER_X = 1 << 4, // the gate sees another vector than the experts
    CASE_GATE_BIAS = 1 << 5,
    CASE_UP_BIAS = 1 << 6,
    CASE_DOWN_BIAS = 1 << 7,
    CASE_OUTPUT_BIAS = 1 << 8,
    CASE_UNGATED = 1 << 9,
    CASE_SHARED_UNGATED = 1 << 10,
    CASE_SHARED_TOKEN_GATE = 1 << 11,
    CASE_LEVELS = 1 << 22,
    // Routing made hard
    CASE_TIED = 1 << 12,          // the router is 0: every logit the same
    CASE_TWINS = 1 << 13,         // experts 2i and 2i + 1 share a router row: ties everywhere
    CASE_HOT = 1 << 14,           // one expert is everybody's first choice
    CASE_COLD = 1 << 15,          // the odd experts are nobody's choice
    CASE_NEGATIVE_BIAS = 1 << 16, // correction biases that make most z negative
    CASE_WILD_IDS = 1 << 17,      // some supplied ids lie outside 0 .. experts - 1
    CASE_DROPPED = 1 << 18,       // some supplied weights are -0.0, some 0.0 or negative
    // The caller's memory
    CASE_MISALIGNED = 1 << 19,        // spans start at odd multiples of 4
    CASE_SLOW = 1 << 20,              // a second or more on a CPU driver
    CASE_TIMED = 1 << 21,             // for bench; too large to be checked everywhere
    CASE_OTHER_DOWN = 1 << 23,        // down has another dtype than up: down_dtype
    CASE_OTHER_SHARED = 1 << 24,      // the shared expert has another dtype: shared_dtype
    CASE_OTHER_GATE = 1 << 25,        // gate has another dtype than up: gate_dtype
    CASE_OTHER_SHARED_GATE = 1 << 26, // so has that of the shared expert
    // Short for all biases of the experts
    CASE_EXPERT_BIASES = CASE_GATE_BIAS | CASE_UP_BIAS | CASE_DOWN_BIAS,
};

// How the caller's weights lie in memory; the layer is the same.
enum layer_layout {
    LAYOUT_DENSE,       // every matrix for itself
    LAYOUT_FUSED,       // gate rows, then up rows, in one [2 inner][hidden] (Granite, Qwen3.5)
    LAYOUT_TRANSPOSED,  // [hidden][2 inner], gate columns first; down [inner][hidden] (Llama 4)
    LAYOUT_INTERLEAVED, // [hidden][2 inner], gate in the even columns (gpt-oss)
    LAYOUT_UNALIGNED,   // dense, at odd addresses (a safetensors file)
};

struct layer_case {
    const char *name; // after whoever runs it; NULL ends the table
    uint32_t tokens, sequence_tokens;
    struct vkmoe_moe_params layer; // sizes and parameters; the views are filled from the seed
    enum vkmoe_dtype dtype;        // of experts, shared expert and router
    enum vkmoe_dtype vector_dtype; // of biases and scales
    enum vkmoe_dtype down_dtype;   // of the down projections, with CASE_OTHER_DOWN
    enum vkmoe_dtype gate_dtype;   // of the gate's matrices, with CASE_OTHER_..GATE; LAYOUT_DENSE
    enum vkmoe_dtype shared_dtype; // of the shared expert, with CASE_OTHER_SHARED
    enum layer_layout layout;
    uint32_t has;       // CASE_* flags
    double router_gain; // deviation of the logits; 0: 2
    double expert_gain; // deviation of g and u; 0: 1. More where clamps shall be met
};

extern const struct layer_case layer_cases[];

// Of the gate's matrices, but for that of a shared expert.
enum vkmoe_dtype layer_case_gate_dtype(const struct layer_case *c);

// Of the down projections, but for that of a shared expert with a dtype of its own.
enum vkmoe_dtype layer_case_down_dtype(const struct layer_case *c);

// Of what the routed experts see.
uint32_t layer_case_experts_width(const struct layer_case *c);

// The same case with all matrices in one format, as wide and laid out as its blocks need.
struct layer_case layer_case_stored_as(const struct layer_case *c, enum vkmoe_dtype dtype);

// The floating point operations of one forward, without the gate.
double layer_case_flops(const struct layer_case *c);

// A case's weights and inputs, all made from the seed.
struct layer_data {
    struct vkmoe_moe_params params;   // views point into `memory`
    struct reference_layer reference; // the same weights; zero unless asked for
    float *x;                         // [tokens][hidden]
    float *router_x;                  // [tokens][router_hidden], or NULL
    int32_t *ids;                     // [tokens][k], or NULL: not supplied
    float *weights;                   // [tokens][k], or NULL: not supplied
    void **memory;                    // what the views point to
    uint32_t memory_count;
};

// Without `with_reference` data->reference stays zero, which saves a large layer's memory.
void layer_data_init(
    struct layer_data *data, const struct layer_case *c, uint64_t seed, bool with_reference);
void layer_data_finish(struct layer_data *data);

#endif
