// embed.h - rows of the embedding for token ids, out of a matrix in the packed order of
// lib/weights.glsl, so that a tied output head can share it.
#ifndef EMBED_H
#define EMBED_H

#include "shared.h"

SPEC(0, EMBED_LANES, 64)
SPEC(1, EMBED_TYPE, 0) // DTYPE_*
SPEC_FLOAT(2, EMBED_SCALE, 1.0)
SPEC(3, EMBED_WEIGHTED, 0)

struct embed_push {
    ADDRESS(U32) ids;         // in  [tokens]; clamped below the vocabulary
    ADDRESS(U32x4) matrix;    // in  [vocabulary][columns], packed
    ADDRESS(F32Out) x;        // out [tokens][columns]
    ADDRESS(F32Out) weighted; // out [tokens][columns], with EMBED_WEIGHTED: x weight
    ADDRESS(F32) weight;      // in  [columns], likewise
    ADDRESS(U32x2) table;     // in  the matrix's; for the code books before it
    uint tokens, columns, units, vocabulary;
};
PUSH(embed_push)

#endif
