// decode_heads.h - queries, keys and values of few tokens: a matrix times x, and what store_kv does
// with the results. The last workgroup to end of those that make a head finishes that head, and
// puts it into the cache if it is one of keys or values; nobody waits, see route.h. Results are the
// same bits as decode_up's and store_kv's, norms only with no fewer lanes than store_kv has, and
// q4_K in integers only where lanes have registers enough for as many units of a row at once.
//
// Heads are whole blocks of 32 rows, and none has a norm together with others (HEAD_NORM_WIDE).
#ifndef DECODE_HEADS_H
#define DECODE_HEADS_H

#include "decode.h"

#ifdef VULKAN
#define STORE_FIRST 26 // DECODE_HEADS_STORE
#endif
#include "store.h"

// Where the constants of store.h begin: those of decode.h stand before them.
#define DECODE_HEADS_STORE 26

struct decode_heads_push {
    ADDRESS(AttentionConstants) constants;
    ADDRESS(F32) x;       // in  [tokens][columns]
    ADDRESS(F32) raw;     // in  likewise, with DECODE_NORM
    ADDRESS(U32x2) table; // in  the matrix's address
    ADDRESS(F32) bias;    // in  [rows]
    // out [tokens][query_stride], or [tokens][kv_stride]: the rows, finished if they are queries
    ADDRESS(F32Coherent) y;
    ADDRESS(U32Out) keys;          // out rows [sequences][kv_heads][capacity], see lib/cache.glsl
    ADDRESS(U32Out) values;        // out likewise
    ADDRESS(U32) positions;        // in  [tokens]
    ADDRESS(U32) sequences;        // in  [tokens]
    ADDRESS(U32x2) rotations;      // in  as in store_kv.h
    ADDRESS(U32Coherent) counters; // [tiles of tokens][heads + 2 kv_heads], 0 before and after
    uint tokens, columns;
    uint units;      // of 8 elements in a row of the matrix
    uint row_tiles;  // rows / (8 * DECODE_BLOCKS)
    uint first_head; // of the matrix, among queries, then keys, then values
    uint capacity, sequence_count;
    uint first_token; // without positions: token t stands at first_token + t
};
PUSH(decode_heads_push)

#endif
