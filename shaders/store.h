// store.h - specialisation constants of kernels that finish queries and keys and fill the cache.
#ifndef STORE_H
#define STORE_H

#include "attention.h"

#ifndef STORE_FIRST
#define STORE_FIRST 0 // in GLSL: how many of others stand before them
#endif

SPEC(STORE_FIRST + 0, STORE_LANES, 64)
SPEC(STORE_FIRST + 1, STORE_HEAD_SIZE, 64)
SPEC(STORE_FIRST + 2, STORE_ROWS, 0)       // ROWS_*: what a query row is
SPEC(STORE_FIRST + 3, STORE_CACHE, 0)      // CACHE_*
SPEC(STORE_FIRST + 4, STORE_ROPE, 0)       // ROPE_*
SPEC(STORE_FIRST + 5, STORE_ROPE_SIZE, 64) // rotated elements of a head, even
SPEC(STORE_FIRST + 6, STORE_QUERY_NORM, 0) // HEAD_NORM_*
SPEC(STORE_FIRST + 7, STORE_KEY_NORM, 0)
SPEC(STORE_FIRST + 8, STORE_HAS_POSITIONS, 1)
SPEC(STORE_FIRST + 9, STORE_HAS_SEQUENCES, 1)
SPEC_FLOAT(STORE_FIRST + 10, STORE_NORM_EPSILON, 0.0)
SPEC_FLOAT(STORE_FIRST + 11, STORE_CLIP, 0.0) // 0: none
SPEC(STORE_FIRST + 12, STORE_ROPE_SCALED, 0)  // rotations have a magnitude, after their table
// Workgroups that share the heads of a row of queries, and of a token: at most as many as there are
// heads.
SPEC(STORE_FIRST + 13, STORE_QUERY_GROUPS, 1)
SPEC(STORE_FIRST + 14, STORE_KV_GROUPS, 1)
// So many elements of a key, at its start, are the value as well, and all that its norm is over;
// RoPE turns those behind them. 0: values are apart.
SPEC(STORE_FIRST + 15, STORE_LATENT, 0)
// With STORE_LATENT: of a head of queries as they were projected.
SPEC(STORE_FIRST + 16, STORE_QUERY_SIZE, 0)
// 1: keys and values are of the sorted rows, as queries are, and row n of each goes to row n of the
// cache; token t stands at t % capacity, `capacity` being the tokens of a sequence. There is one kv
// head, and no positions.
SPEC(STORE_FIRST + 17, STORE_COMPACT, 0)
// Values are divided by their root mean square, each head by its own.
SPEC(STORE_FIRST + 18, STORE_VALUE_NORM, 0)
// Queries at position i are multiplied by 1 + STORE_TEMPERATURE * ln(n / STORE_FLOOR + 1), n being
// i + STORE_ITSELF and the quotient rounded down. 0: they are not.
SPEC_FLOAT(STORE_FIRST + 19, STORE_TEMPERATURE, 0.0)
SPEC(STORE_FIRST + 20, STORE_FLOOR, 1)
SPEC(STORE_FIRST + 21, STORE_ITSELF, 1)

#endif
