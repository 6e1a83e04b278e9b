// store_reference.h - what finishes queries and keys and fills the cache, in double: for the cases
// of store_kv and of decode_heads.
#ifndef VKMOE_TESTS_CASES_STORE_REFERENCE_H
#define VKMOE_TESTS_CASES_STORE_REFERENCE_H

#include "cases.h"

#include "shaders/store.h"

#define STORE_EPSILON 1e-5f
#define STORE_MAX_HEAD_SIZE 640

struct store_case {
    struct kernel_case base;
    uint32_t tokens, heads, kv_heads, head_size;
    uint32_t k;    // with pairs
    uint32_t rows; // ROWS_*
    bool dropped;  // rows of nobody, with ROWS_SORTED
    enum cache_type cache;
    uint32_t rope, rope_size, query_norm, key_norm;
    float clip;
    float magnitude;    // of rotations; 0: 1
    uint32_t gap;       // columns between rows of queries
    uint32_t sequences; // 0: no array of them
    uint32_t capacity;
    bool placed; // positions are given
    bool wild;   // a position and a sequence are out of range
    uint32_t first_token;
    uint32_t latent;     // elements of a key that are its value too; 0: values are apart
    uint32_t query_size; // then: of a head of queries as they were projected
    bool compact;        // a key and a value for each row, with ROWS_SORTED
    bool broken;         // there are infinities and NaN
    bool queries_only;   // so that a capacity may be what no cache could hold
    bool value_norm;
    uint32_t value_size; // 0: as long as a key
    bool values_apart;   // "apart" has them
    float temperature;
    uint32_t floor;
    bool before; // and not the query itself
};

struct store_model {
    uint32_t query_rows, query_stride, padded;
    uint32_t *row_token;           // [query_rows]; ~0: nobody's
    uint32_t *position, *sequence; // [tokens], in range
};

// Of the operands "query" and "kv", as they are before, what becomes of "query", "keys" and
// "values". The case is io->test, and io->model, or what it begins with, the model.
void store_reference(struct kernel_io *io);

// Adds "rotations", and positions and sequences, which are set in the model.
void store_add_rotations(struct kernel_io *io);
void store_add_places(struct kernel_io *io, struct store_model *m);

// The constants of shaders/store.h but for lanes and groups.
void store_set_spec(const struct store_case *c, uint32_t *spec);

// Between rows of fresh keys.
static inline uint32_t kv_stride(const struct store_case *c)
{
    return (c->latent ? 1 : 2) * c->kv_heads * c->head_size;
}

// Whose keys and values there are: of tokens, or of rows.
static inline uint32_t key_rows(const struct store_case *c, const struct store_model *m)
{
    return c->compact ? m->query_rows : c->tokens;
}

// Elements that each head's norm is over.
static inline uint32_t norm_size(const struct store_case *c)
{
    return c->latent ? c->latent : c->head_size;
}

#endif
