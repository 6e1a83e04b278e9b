// store_kv.h - finishes queries and keys (RMS norm, clip, RoPE, or RoPE and RMS norm; queries then
// by a factor that grows with the position) and moves keys and values into the cache, at each
// token's place in its sequence.
//
// Rows 0 .. query_rows - 1 are queries, finished in place; the others are tokens. Some workgroups
// share the heads of a row. Where one norm is over all heads of a row of queries there is but one,
// since the others would overwrite what it reads.
#ifndef STORE_KV_H
#define STORE_KV_H

#include "attention.h"

SPEC(0, STORE_LANES, 64)
SPEC(1, STORE_HEAD_SIZE, 64)
SPEC(2, STORE_ROWS, 0)       // ROWS_*: what a query row is
SPEC(3, STORE_CACHE, 0)      // CACHE_*
SPEC(4, STORE_ROPE, 0)       // ROPE_*
SPEC(5, STORE_ROPE_SIZE, 64) // rotated elements of a head, even
SPEC(6, STORE_QUERY_NORM, 0) // HEAD_NORM_*
SPEC(7, STORE_KEY_NORM, 0)
SPEC(8, STORE_HAS_POSITIONS, 1)
SPEC(9, STORE_HAS_SEQUENCES, 1)
SPEC_FLOAT(10, STORE_NORM_EPSILON, 0.0)
SPEC_FLOAT(11, STORE_CLIP, 0.0)           // 0: none
SPEC_FLOAT(12, STORE_ROPE_MAGNITUDE, 1.0) // of rotations
SPEC(13, STORE_QUERY_GROUPS, 1)           // workgroups that share the heads of a row of queries,
SPEC(14, STORE_KV_GROUPS, 1)              // of a token: at most as many as there are heads
// So many elements of a key, at its start, are the value as well, and all that its norm is over;
// RoPE turns those behind them. 0: values are apart.
SPEC(15, STORE_LATENT, 0)
SPEC(16, STORE_QUERY_SIZE, 0) // with STORE_LATENT: of a head of queries as they were projected
// 1: keys and values are of the sorted rows, as queries are, and row n of each goes to row n of the
// cache; token t stands at t % capacity, `capacity` being the tokens of a sequence. There is one kv
// head, and no positions.
SPEC(17, STORE_COMPACT, 0)
SPEC(18, STORE_VALUE_NORM, 0) // values are divided by their root mean square, each head by its own
// Queries at position i are multiplied by 1 + STORE_TEMPERATURE * ln((i + 1) / STORE_FLOOR + 1),
// the quotient rounded down. 0: they are not.
SPEC_FLOAT(19, STORE_TEMPERATURE, 0.0)
SPEC(20, STORE_FLOOR, 1)

struct store_kv_push {
    ADDRESS(AttentionConstants) constants;
    ADDRESS(F32Out) query; // in and out [query_rows][query_stride]; heads next to each other
    ADDRESS(F32) key;      // in  [tokens][kv_stride]: of all kv heads
    ADDRESS(F32)
    value;                  // in  likewise; with STORE_LATENT queries as they were projected,
                            //     [query_rows][heads][STORE_QUERY_SIZE], of which the last
                            //     elements of each head are finished into those of `query`
    ADDRESS(U32Out) keys;   // out rows [sequences][kv_heads][capacity], see lib/cache.glsl
    ADDRESS(U32Out) values; // out likewise
    ADDRESS(U32) rows;      // in  pairs, with ROWS_SORTED
    ADDRESS(U32) positions; // in  [tokens]
    ADDRESS(U32) sequences; // in  [tokens]
    ADDRESS(U32x2)
    rotations; // in  [STORE_ROPE_SIZE / 2] turns by which one position rotates a
               //     pair: the 64 bits after the point, low word first
    uint tokens, query_rows;
    uint stored; // tokens whose keys and values are: all, or none
    uint capacity, sequence_count;
    uint first_token; // without positions: token t stands at first_token + t
};
PUSH(store_kv_push)

// Workgroups in all.
#define STORE_GROUPS(spec, push) \
    ((push).query_rows * (spec)[STORE_QUERY_GROUPS] + (push).stored * (spec)[STORE_KV_GROUPS])

#endif
