// whole_checkpoints.h - small whole models in the published layout of every family that the
// library runs whole, with random weights, and the same model in the references' form.
//
// As checkpoints.h: names, layouts and formulas are typed here a second time, from
// docs/semantics.md A.2 and B.1 and the config classes of transformers 5.12, not
// from src/checkpoint, so that each checks the other.
#ifndef VKMOE_TESTS_WHOLE_CHECKPOINTS_H
#define VKMOE_TESTS_WHOLE_CHECKPOINTS_H

#include <stdbool.h>
#include <stdint.h>

#include <vkmoe/vkmoe.h>

#include "attention_reference.h"
#include "reference.h"

enum { WHOLE_CHECKPOINT_MAX_BLOCKS = 4 };

// x += residual_scale * attention(norm(x)); x += residual_scale * experts(norm(x)). Weights
// are as stored, in double.
struct whole_checkpoint_block {
    double *attention_norm;               // [hidden]
    struct reference_attention attention; // without the position bias, see below
    // Between the two, of a decoder that follows an encoder; else NULL and zeroed.
    double *cross_norm; // [hidden]
    struct reference_attention cross;
    double *experts_norm;                            // [hidden]
    double *attention_norm_bias, *experts_norm_bias; // [hidden]; NULL: there are none
    double *attention_post_norm, *post_norm;         // likewise
    struct reference_layer experts;                  // of a dense block one, SUPPLIED_WEIGHTED
};

struct whole_checkpoint {
    char path[256];         // of the directory
    const char *family;     // model_type, perhaps with "-variant" behind
    enum vkmoe_dtype dtype; // of all tensors
    uint32_t hidden, vocabulary;
    uint32_t block_count; // of an encoder-decoder, the decoder's
    struct whole_checkpoint_block blocks[WHOLE_CHECKPOINT_MAX_BLOCKS];
    uint32_t encoder_count; // 0: decoder only
    struct whole_checkpoint_block encoder[WHOLE_CHECKPOINT_MAX_BLOCKS];
    double *encoder_norm; // [hidden]
    // Of the attention of all blocks, [0] the encoder's, [1] the decoder's, as
    // vkmoe_attention_params.position_bias: [heads][2 position_reach + 1].
    double *position_bias[2];
    uint32_t position_reach[2];
    double *bucket_bias[2]; // the same as stored, [buckets][heads]
    double *embedding;      // [vocabulary][hidden]
    double *head;           // likewise; a copy of the embedding if tied
    double *final_norm;     // [hidden]
    bool tied, layer_norm;
    double *final_norm_bias, *head_bias; // [hidden], [vocabulary]; NULL: there are none
    double norm_epsilon, block_norm_epsilon;
    double post_epsilon; // of norms behind experts; 0: block_norm_epsilon
    double embedding_scale, residual_scale, logits_scale;
    uint32_t max_positions;
    uint32_t end_tokens[4], end_token_count;
    int32_t start_token;
};

// The families, by index; NULL after the last.
const char *whole_checkpoint_family(uint32_t index);

// Whether it is an encoder-decoder.
bool whole_checkpoint_has_encoder(const char *family);

// T5's bucket of the distance key - query.
uint32_t whole_checkpoint_bucket(
    uint32_t buckets, uint32_t max_distance, bool both_sides, int32_t distance);

// Writes a model of the family into a new directory below /tmp, the same for the same
// seed. Prints a note and returns false if the file system refuses or there is no such
// family. whole_checkpoint_finish() in any case.
bool whole_checkpoint_write(const char *family, uint64_t seed, struct whole_checkpoint *out);

// Writes another config.json, for tests of configs; false after a note.
bool whole_checkpoint_rewrite_config(const struct whole_checkpoint *checkpoint, const char *config);
// The family's config.json.
const char *whole_checkpoint_config(const char *family);

// Removes the files and the directory, frees the arrays. Accepts a zeroed struct.
void whole_checkpoint_finish(struct whole_checkpoint *checkpoint);

#endif
