// network_reference.h - a whole model in double precision: token ids in, logits out. A block is
//
//     x += residual_scale * attention(norm(x));  x += residual_scale * experts(norm(x))
//
// and a decoder's, behind an encoder, has x += residual_scale * cross(norm(x)) between the two.
#ifndef VKMOE_TESTS_NETWORK_REFERENCE_H
#define VKMOE_TESTS_NETWORK_REFERENCE_H

#include "attention_reference.h"
#include "reference.h"
#include <vkmoe/model.h>

struct reference_block {
    double *attention_norm; // [hidden]
    struct reference_attention attention;
    double *cross_norm; // [hidden]; NULL: there is no encoder
    struct reference_attention cross;
    double *experts_norm;                            // [hidden]
    double *attention_norm_bias, *experts_norm_bias; // [hidden]; NULL: there is none
    struct reference_layer experts;                  // without a router: one that every token takes
    // struct vkmoe_block_extras, and the network beside the experts; NULL: there are none
    double *attention_post_norm, *post_norm;
    double post_epsilon; // of the latter; 0: the model's
    double *dense_post_norm, *experts_pre_norm, *experts_post_norm;
    double scale; // 0: 1
    bool parallel, early;
    struct reference_layer beside;
};

// struct vkmoe_frame and the blocks. It owns its arrays.
struct reference_network {
    uint32_t hidden, vocabulary, block_count;
    struct reference_block *blocks;
    double *embedding;                   // [vocabulary][hidden]
    double *head;                        // [vocabulary][hidden]
    double *final_norm;                  // [hidden]
    bool layer_norm;                     // all norms are LayerNorms
    double *final_norm_bias, *head_bias; // [hidden], [vocabulary]; NULL: there is none
    uint32_t encoder_count;
    struct reference_block *encoder;
    double *encoder_norm; // [hidden]
    double norm_epsilon, block_norm_epsilon;
    double embedding_scale, residual_scale, logits_scale; // 0: 1
    double logits_cap;                                    // 0: none
};

// An owner of its arrays, like what reference_router_from() makes.
void reference_layer_from(const struct vkmoe_moe_params *params, struct reference_layer *out);

// Everything through the public model API; false after a note.
// reference_network_finish() in any case.
bool reference_network_from(vkmoe_checkpoint *model, struct reference_network *out);
void reference_network_finish(struct reference_network *network);

// The keys and values of every block, and of what cross attention looks at, which
// reference_network_encode() makes.
struct reference_memory {
    uint32_t block_count;
    struct reference_history *blocks;
    struct reference_history *cross; // or NULL
    // Of each block whose experts have a capacity, else NULL: what the positions of each
    // sequence chose, [sequences][capacity][k], -1 where none was given.
    int32_t **chosen;
    uint32_t capacity;       // positions of a sequence
    uint32_t *input_lengths; // [sequences]
};
void reference_memory_init(struct reference_memory *memory, const struct reference_network *network,
    uint32_t sequences, uint32_t capacity, enum vkmoe_dtype dtype);
void reference_memory_finish(struct reference_memory *memory);

// One forward; ids beyond the vocabulary are its last one. An expert's capacity counts the
// choices of a sequence at the positions before, whatever forward they came in; of an encoder
// those of its input.
//
//   ids, positions   [tokens]
//   sequences        [tokens], or NULL: all 0
//
// Outputs, each may be NULL:
//
//   logits           [tokens][vocabulary]
//   expert_ids, attention_expert_ids   [blocks][tokens][k], dense attention 0
void reference_network_forward(const struct reference_network *network, uint32_t tokens,
    const uint32_t *ids, const uint32_t *positions, const uint32_t *sequences,
    struct reference_memory *memory, double *logits, int32_t *expert_ids,
    int32_t *attention_expert_ids);

// The encoder over one sequence's input.
void reference_network_encode(const struct reference_network *network, uint32_t sequence,
    uint32_t tokens, const uint32_t *ids, struct reference_memory *memory);

#endif
