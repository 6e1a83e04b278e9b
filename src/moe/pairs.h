// pairs.h - what is done with pairs of token and slot between the products of a layer: limited,
// sorted by expert, and added up again.
#ifndef VKMOE_PAIRS_H
#define VKMOE_PAIRS_H

#include "weights/experts.h"

// One pass handles at most so many pairs and so many elements in any array, which keeps byte
// offsets below 4 GiB and the bookkeeping below 1 MiB.
#define PASS_MAX_PAIRS 131072u
#define PASS_MAX_ELEMENTS (1u << 30)

// Makes room for `bytes` of scratch after the first *size, and says where.
uint64_t vkmoe_scratch_take(uint64_t *size, uint64_t bytes);

// What the positions of several sequences chose, for a limit on an expert's tokens that counts
// over a whole sequence, in whatever forwards it comes: router.capacity counts within one.
struct choice_history {
    vkmoe_buffer *choices;        // see shaders/limit_experts.h; zeros at first
    uint32_t limit;               // pairs that an expert takes of a sequence
    uint32_t sequences, capacity; // capacity: positions of a sequence
};

struct limit_operands {
    const struct choice_history *history;
    struct pairs pairs;
    uint32_t experts;
    uint64_t positions, sequences; // u32 [tokens]: where tokens stand; 0: none
    uint32_t first_token;          // where the first stands, if there are no positions
};

// Drops what is over the limit: two dispatches, each after a barrier.
enum vkmoe_status vkmoe_pairs_limit(vkmoe_stream *stream, const struct limit_operands *operands);

// By what pairs are multiplied: what their tiles are for.
struct sorted_products {
    const struct experts *gate; // of as many rows as up; NULL: is in `up`, or there is none
    const struct experts *up;
    const struct experts *down; // NULL: there is none
    bool one_class;             // who else reads the plan wants all tiles in it
};

// How the pairs of so many tokens, k of each, are sorted for these products: the forms, and room in
// scratch for tiles that all can take, of the shared expert as well. Experts with few rows and
// those with many are classes of their own where a form is for many only.
struct sorted_pairs vkmoe_pairs_plan(
    uint64_t *size, const struct sorted_products *products, uint32_t tokens, uint32_t k);

struct sort_operands {
    struct pairs pairs;
    struct sorted_products products;
    uint32_t capacity;        // pairs an expert takes of a sequence; 0: no limit
    uint32_t sequence_tokens; // of each sequence, with a capacity
    bool tight;               // dropped pairs leave no gaps; not with a capacity
};

// Fills `sorted`. One dispatch after a barrier.
enum vkmoe_status vkmoe_pairs_sort(vkmoe_stream *stream, const struct sort_operands *operands,
    const struct sorted_pairs *sorted, const vkmoe_buffer *scratch);

// What experts whose gate is apart make of its product and that of up; without `gate`, of the
// latter alone.
struct activate_operands {
    uint64_t gate; // f32 [elements]; 0: there is none
    uint64_t h;    // f32 [elements]: up's product before, act(gate, up) after
    uint32_t elements;
    struct activation activation;
    bool beside; // see struct dispatch
};

// One dispatch after a barrier.
enum vkmoe_status vkmoe_pairs_activate(vkmoe_stream *stream, vkmoe_device *device,
    const struct shapes *shapes, const struct activate_operands *operands);

struct combine_operands {
    uint64_t outputs;                // f32 [tokens][k][columns]
    uint64_t weights;                // f32 [tokens][k]; 0: all are 1
    uint64_t shared_weights;         // f32 [tokens], for SHARED_WEIGHTED
    const vkmoe_buffer *output_bias; // f32 [columns], or NULL
    uint64_t y; // f32 [tokens][columns]: the shared expert's output before, all of it after
    uint32_t tokens, k, columns;
    enum shared_mode shared;
    bool unweighted; // outputs have their weights already
};

// One dispatch after a barrier.
enum vkmoe_status vkmoe_pairs_combine(vkmoe_stream *stream, vkmoe_device *device,
    const struct shapes *shapes, const struct combine_operands *operands);

#endif
