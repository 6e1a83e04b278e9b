// store_kv.h - finishes queries and keys (RMS norm, clip, RoPE, or RoPE and RMS norm; queries then
// by a factor that grows with the position) and moves keys and values into the cache, at each
// token's place in its sequence.
//
// Rows 0 .. query_rows - 1 are queries, finished in place; the others are tokens. Some workgroups
// share the heads of a row. Where one norm is over all heads of a row of queries there is but one,
// since the others would overwrite what it reads.
#ifndef STORE_KV_H
#define STORE_KV_H

#include "store.h"

// Of a value, whose row of the cache goes on with zeros; 0: as long as a key.
SPEC(22, STORE_VALUE_SIZE, 0)
// Floats between the beginnings of two rows of fresh values; 0: as of fresh keys.
SPEC(23, STORE_VALUE_STRIDE, 0)

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
               //     pair: the 64 bits after the point, low word first; with
               //     STORE_ROPE_SCALED then a float by which cosines and sines are multiplied
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
