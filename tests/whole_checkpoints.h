// whole_checkpoints.h - small whole models in the published layout of every family that the
// library runs whole, with random weights, and the same model in the references' form.
//
// As checkpoints.h: names, layouts and formulas are typed here a second time, from
// shared/docs/semantics.md A.2 and B.1 and the config classes of transformers 5.12, not
// from src/model, so that each checks the other.
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
    double *attention_norm; // [hidden]
    struct reference_attention attention;
    double *experts_norm;   // [hidden]
    struct reference_layer experts;
};

struct whole_checkpoint {
    char path[256];         // of the directory
    const char *family;     // model_type
    enum vkmoe_dtype dtype; // of all tensors
    uint32_t hidden, vocabulary, block_count;
    struct whole_checkpoint_block blocks[WHOLE_CHECKPOINT_MAX_BLOCKS];
    double *embedding;      // [vocabulary][hidden]
    double *head;           // likewise; a copy of the embedding if tied
    double *final_norm;     // [hidden]
    bool tied;
    double norm_epsilon, block_norm_epsilon;
    double embedding_scale, residual_scale, logits_scale;
    uint32_t max_positions;
    int32_t end_token;
};

// The families, by index; NULL after the last.
const char *whole_checkpoint_family(uint32_t index);

// Writes a model of the family into a new directory below /tmp, the same for the same
// seed. Prints a note and returns false if the file system refuses or there is no such
// family. whole_checkpoint_finish() in any case.
bool whole_checkpoint_write(const char *family, uint64_t seed, struct whole_checkpoint *out);

// Writes another config.json, for tests of configs; false after a note.
bool whole_checkpoint_rewrite_config(const struct whole_checkpoint *checkpoint,
    const char *config);
// The family's config.json.
const char *whole_checkpoint_config(const char *family);

// Removes the files and the directory, frees the arrays. Accepts a zeroed struct.
void whole_checkpoint_finish(struct whole_checkpoint *checkpoint);

#endif
