// reference.h - the layer of vkmoe.h once more, in plain double loops on the host.
//
// This is the oracle of every test: obvious first, fast never. It shares nothing with
// src/ but the enums of the public header. Formulas: the comments of vkmoe.h, which
// are docs/semantics.md A.0 and A.1.
#ifndef VKMOE_TESTS_REFERENCE_H
#define VKMOE_TESTS_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include <vkmoe/moe.h>

#include "allocate.h"

// struct vkmoe_moe_params with every weight as a dense, row-major array of double.
// Parameters have the names, the meaning and the defaults (for zero) that they have
// there. Whoever fills it rounds the weights to the dtype they are stored in first.
// It owns its arrays, each from malloc() or NULL when absent.
struct reference_layer {
    uint32_t hidden, inner;
    uint32_t router_hidden; // 0: hidden
    uint32_t experts, experts_per_token;

    enum vkmoe_score score;
    enum vkmoe_select select;
    enum vkmoe_weigh weigh;
    enum vkmoe_group_score group_score;
    uint32_t groups, groups_kept;
    bool each_group;
    bool group_mask_zero;
    bool renormalize, renormalize_max;
    double renormalize_epsilon;
    double scale;
    double soft_cap;
    double sparsemixer_threshold;
    bool rms_norm;
    double rms_epsilon;
    uint32_t capacity;
    uint32_t always;
    double *router;          // [experts][router_hidden]; NULL: all logits 0
    double *input_scale;     // [router_hidden]
    double *router_bias;     // [experts]
    double *correction_bias; // [experts]
    double *expert_scale;    // [experts]
    double *levels;          // [2][router_hidden]

    enum vkmoe_activation activation;
    double activation_alpha, activation_limit;
    double shared_limit; // of the shared expert; 0: that
    bool weight_on_input;
    double *gate;        // [experts][inner][hidden]; NULL: ungated
    double *up;          // [experts][inner][hidden]
    double *down;        // [experts][hidden][inner]
    double *gate_bias;   // [experts][inner]
    double *up_bias;     // [experts][inner]
    double *down_bias;   // [experts][hidden]
    double *output_bias; // [hidden]

    uint32_t shared_inner;
    double *shared_gate;       // [shared_inner][hidden]; NULL: ungated
    double *shared_up;         // [shared_inner][hidden]
    double *shared_down;       // [hidden][shared_inner]
    double *shared_token_gate; // [hidden]; NULL: the shared expert's weight is 1

    // With one, routed experts have it where they have `hidden` above.
    uint32_t latent_size;
    double *latent_down; // [latent_size][hidden]
    double *latent_up;   // [hidden][latent_size]
};

// All but the arrays.
struct reference_layer reference_numbers(const struct vkmoe_moe_params *params);

// Frees the arrays and zeroes the struct; accepts NULL and a zeroed one.
void reference_layer_finish(struct reference_layer *layer);

// One forward.
//
//   sequence_tokens  for capacity; 0: all tokens are one sequence
//   x                [tokens][hidden]
//   router_x         [tokens][router_hidden], or NULL: x
//   ids_in           [tokens][k] or NULL. Given, they are the choice whatever `select`
//                    says, clamped into range; weights, capacity and experts follow from
//                    them. Needed for the SUPPLIED selections; for the others it asks what
//                    the layer does with somebody else's routing.
//   weights_in       [tokens][k] or NULL. Given, they are the final weights; -0.0 drops.
//
// Outputs, each may be NULL:
//
//   y        [tokens][hidden]
//   ids      [tokens][k], best first
//   weights  [tokens][k], -0.0 for a choice dropped by capacity
//   scores   [tokens][experts], what the selection compared: z after bias and groups,
//            for sparsemixer l; infinite for the experts always chosen
void reference_forward(const struct reference_layer *layer, uint32_t tokens,
    uint32_t sequence_tokens, const float *x, const float *router_x, const int32_t *ids_in,
    const float *weights_in, double *y, int32_t *ids, double *weights, double *scores);

enum reference_routing {
    REFERENCE_ROUTING_SAME,  // every id in its place
    REFERENCE_ROUTING_CLOSE, // differs only between experts whose scores are within 1e-5
    REFERENCE_ROUTING_WRONG,
};

// Compares a device's routing with the reference's. A device computes scores in f32, so
// where two of them are within 1e-5 in double the order is not the device's fault. It
// is CLOSE if the scores of the device's experts, in its order, are those of the
// reference's within 1e-5 of the token's largest |score| (at least of 1, but for softmax,
// whose scores may all be small). Scores equal in double are a true tie, and there the
// lower index has to come first all the same. After CLOSE run reference_forward() with the
// device's ids, so that the experts are compared under one routing.
//
// *first gets the index into ids of the first difference not accepted, or, if CLOSE, of
// the first accepted one. `first` may be NULL.
enum reference_routing reference_compare_routing(const struct reference_layer *layer,
    uint32_t tokens, const int32_t *reference_ids, const double *scores, const int32_t *device_ids,
    uint64_t *first);

// The sum of products.
double reference_dot(const double *a, const double *b, uint32_t count);

// p = exp(l) / sum exp(l) over `count` values; p may be l.
void reference_softmax(const double *l, double *p, uint32_t count);

#endif
