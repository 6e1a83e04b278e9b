// same_logits.h - whether two checkpoints are the same model.
#ifndef VKMOE_TESTS_SAME_LOGITS_H
#define VKMOE_TESTS_SAME_LOGITS_H

#include <stdbool.h>

#include <vkmoe/model.h>

// In double precision, of a few tokens in two chunks, and which experts these choose. Rows of
// queries that are reordered are added up in another order; a scale that is made of what a file
// says in f32 is another in its last bits, so that a part of the logits' rms is right there; 0:
// 1e-6 of anything. A note says by how much they differ.
bool same_logits(vkmoe_checkpoint *a, vkmoe_checkpoint *b, double part);

#endif
