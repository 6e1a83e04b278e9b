// attention_reference.h - the attention of vkmoe.h once more, in plain double loops on the
// host. As reference.h: obvious first, fast never, and nothing of src/.
//
// Formulas: the comments of vkmoe.h and docs/semantics.md B. RoPE scalings are those
// of Llama 3.1's release and of YaRN (arXiv 2309.00071), as transformers computes them.
#ifndef VKMOE_TESTS_ATTENTION_REFERENCE_H
#define VKMOE_TESTS_ATTENTION_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include <vkmoe/moe.h>

#include "reference.h"

// struct vkmoe_head_experts likewise.
struct reference_head_experts {
    uint32_t experts, experts_per_token; // of one head; 0: the projection is dense
    struct reference_layer router;
    double *matrices; // [heads * experts][rows][columns]
};

// struct vkmoe_latent likewise.
struct reference_latent {
    uint32_t rank, key_size, value_size, query_rank; // rank 0: there is none
    uint32_t turned;                                 // elements that RoPE turns
    double *query_matrix, *query_norm;
    double *keys;   // [heads][rank][key_size]
    double *values; // [heads][value_size][rank]
};

// struct vkmoe_mosa likewise.
struct reference_mosa {
    uint32_t sparsity;
    bool first;
    double *router; // [heads][hidden]; NULL: there is none of this
};

// struct vkmoe_nsa likewise, with the numbers as they are there.
struct reference_nsa {
    struct vkmoe_nsa numbers;
    double *gate; // [heads * 3][hidden]; NULL: there is none of this
};

// struct vkmoe_attention_params with every weight as a dense, row-major array of double.
// Names, meanings and defaults (for zero) are those there. Of `router` only the gate is
// used: hidden, experts, experts_per_token and what comes before the activation.
// It owns its arrays, each from malloc() or NULL when absent; `patterns` too.
struct reference_attention {
    uint32_t hidden, head_size;
    uint32_t heads; // of one expert
    uint32_t kv_heads, expert_kv_heads;
    uint32_t *first_kv_head; // [experts], or NULL: all 0
    bool tiled_kv;
    uint32_t experts, experts_per_token;
    struct reference_layer router; // without a weight: every token takes expert 0 for 1
    double *query;                 // [experts][heads * head_size][hidden]
    double *output;                // [experts][hidden][heads * head_size]
    double *query_bias;            // [experts][heads * head_size]
    double *key, *value;           // [kv_heads * head_size][hidden]
    struct reference_head_experts value_experts, output_experts;
    double *key_bias, *value_bias; // [kv_heads * head_size]
    double *output_bias;           // [hidden]
    bool norm_wide;
    double *query_norm; // [head_size], wide: [heads * head_size]
    double *key_norm;   // [head_size], wide: [kv_heads * head_size]
    double norm_epsilon;
    double *sinks; // [heads]
    double scale;
    double soft_cap;
    double *position_bias; // [heads][2 * position_reach + 1]
    uint32_t position_reach;
    double value_clip;
    struct vkmoe_rope rope;
    double *rope_divisors; // [rope.size / 2]
    bool norm_after_rope;
    double *long_divisors; // [rope.size / 2]
    double long_attention_factor;
    double temperature; // queries grow with the position, by steps of temperature_floor
    uint32_t temperature_floor;
    bool temperature_before; // the query
    bool value_norm;
    double *gate; // [heads][hidden], or wide [heads * head_size][hidden]
    bool gate_wide, gate_softplus;
    // Then there are as many kv heads as heads, head_size is that of keys or values, whichever is
    // longer, and query, key, key_norm and output are as struct vkmoe_latent has them.
    struct reference_latent latent;
    struct reference_nsa nsa;
    struct reference_mosa mosa;     // then query, key, value and output are [experts] of a head's
    struct vkmoe_pattern *patterns; // [experts]; lists of blocks stay the caller's

    // Wrong on purpose, for the tests of tests.
    bool rope_before_projection; // x is rotated, not q
    bool kv_head_over_slots;     // kv head of (slot * heads + head) / k, as grouped queries have it
};

// How many elements of a head RoPE turns.
uint32_t attention_rope_size(const struct vkmoe_attention_params *params);

// Frees the arrays and zeroes the struct; accepts NULL and a zeroed one.
void reference_attention_finish(struct reference_attention *attention);

// The angle of pair `pair` at `position`, without divisors, and what cosine and sine are multiplied
// with, LongRoPE's aside. `size` is the number of rotated elements, `length` that of the context.
double reference_rope_angle(const struct vkmoe_rope *rope, uint32_t size, uint32_t length,
    uint32_t pair, uint32_t position);
double reference_rope_factor(const struct vkmoe_rope *rope);

// What a vkmoe_cache holds.
struct reference_history {
    uint32_t width; // kv_heads * head_size
    uint32_t sequences, capacity;
    uint32_t longest;       // of the next forward, as in vkmoe_attention_forward_params
    enum vkmoe_dtype dtype; // values are rounded to it, see reference_round_cached()
    double *keys, *values;  // [sequences][capacity][width]; keys are rotated
};

void reference_history_init(struct reference_history *history,
    const struct reference_attention *attention, uint32_t sequences, uint32_t capacity,
    enum vkmoe_dtype dtype);
void reference_history_finish(struct reference_history *history);

// Heads of `size` elements as a cache of this dtype holds them: docs/semantics.md, B.3.
void reference_round_cached(enum vkmoe_dtype dtype, uint32_t heads, uint32_t size, double *values);

// Writes the keys and values of `tokens` to their places, and nothing else.
//
//   positions   [tokens]
//   sequences   [tokens], or NULL: all 0
void reference_remember(const struct reference_attention *attention, uint32_t tokens,
    const float *x, const uint32_t *positions, const uint32_t *sequences,
    struct reference_history *history);

// One forward: remembers all tokens, then attends.
//
//   x           [tokens][hidden]
//   lengths     [sequences of the history], for patterns with both_sides, or NULL
//   ids_in, weights_in   as in reference_forward()
//
// Outputs as in reference_forward(); each may be NULL. With `stored` it does not remember.
void reference_attend(const struct reference_attention *attention, uint32_t tokens, const float *x,
    const uint32_t *positions, const uint32_t *sequences, const uint32_t *lengths,
    struct reference_history *history, bool stored, const int32_t *ids_in, const float *weights_in,
    double *y, int32_t *ids, double *weights, double *scores);

// Every view of the params read as double; what they lack stays NULL.
void reference_attention_from(
    const struct vkmoe_attention_params *params, struct reference_attention *out);

// [rows][columns] of a view, dense; NULL if it is absent.
double *reference_read_view(const struct vkmoe_view *view, uint32_t rows, uint32_t columns);

// The same of [count] views: [count][rows][columns]. NULL: there are none.
double *reference_read_views(
    const struct vkmoe_view *views, uint32_t count, uint32_t rows, uint32_t columns);

// values /= their root mean square, *= norm; and the rotation of a run of `size` elements.
void reference_normalize(const double *norm, double epsilon, uint32_t count, double *values);
void reference_rotate(const struct reference_attention *attention, uint32_t size, uint32_t length,
    uint32_t position, double *values);

// latent_reference.c: what latent attention has of its own. `out`, `key` and `value` are
// [heads * head_size]; y is added to.
void reference_latent_from(
    const struct vkmoe_attention_params *params, struct reference_attention *out);
void reference_latent_finish(struct reference_latent *latent);
void reference_latent_query(const struct reference_attention *attention, uint32_t length,
    uint32_t position, const double *x, double *out);
void reference_latent_remember(const struct reference_attention *attention, uint32_t length,
    uint32_t position, enum vkmoe_dtype cache, const double *x, double *key, double *value);
void reference_latent_output(
    const struct reference_attention *attention, const double *heads, double *y);

// What one head of one query looks at.
struct view_of_keys {
    const struct reference_history *history;
    const struct vkmoe_pattern *pattern;
    uint32_t sequence, position, length, kv_head;
    const float *x;     // of the query's token
    const double *bias; // by distance, from -position_reach on; NULL: none
};

// Where the keys and values of a position begin.
size_t reference_place(
    const struct reference_history *history, uint32_t sequence, uint32_t position);

// Attention of one head; `scores` is [capacity] scratch.
void reference_attend_head(const struct reference_attention *attention,
    const struct view_of_keys *keys, const double *query, const double *sink, double *scores,
    double *out);

// mosa_reference.c: a forward of whole sequences, where each head chooses its tokens. `y` and
// `weights` are [tokens][hidden] and [tokens][experts], of which -0.0 is what was not chosen.
void reference_mosa_from(
    const struct vkmoe_attention_params *params, struct reference_attention *out);
void reference_mosa(const struct reference_attention *attention, uint32_t tokens,
    uint32_t sequence_tokens, const float *x, double *y, double *weights);

// nsa_reference.c: all heads of a query, where each looks at keys in three ways. `keys` says which
// query; kv_heads[h] is head h's.
void reference_nsa_from(
    const struct vkmoe_attention_params *params, struct reference_attention *out);
void reference_nsa_heads(const struct reference_attention *attention,
    const struct view_of_keys *keys, const uint32_t *kv_heads, const double *queries,
    double *heads);

// The gate's part of a reference_layer, from params.
void reference_router_from(const struct vkmoe_router_params *params, uint32_t hidden,
    uint32_t experts, uint32_t experts_per_token, struct reference_layer *out);
// Its arrays alone.
void reference_read_gate(const struct vkmoe_router_params *params, struct reference_layer *out);

#endif
