// attention.h - routed and dense attention on the device.
#ifndef VKMOE_ATTENTION_H
#define VKMOE_ATTENTION_H

#include "attention/constants.h"
#include "attention/gate.h"
#include "attention/latent.h"
#include "attention/mosa.h"
#include "attention/nsa.h"
#include "weights/linear.h"
#include "moe/mix.h"
#include "moe/moe.h"
#include "vkmoe/moe.h"

struct vkmoe_attention {
    vkmoe_device *device;
    struct loading *loading;              // while it is created
    struct vkmoe_attention_params params; // without views, defaults filled in
    bool routed;                          // more than one expert
    uint32_t query_stride, kv_stride;     // of rows of queries, keys and values in memory
    // Routed: the expert projections are a layer whose up is the query, whose down is the
    // output projection, and which is run around attention. Dense: two matrices.
    vkmoe_moe *experts;
    struct experts query, output;
    struct experts kv;    // keys of all kv heads, then values unless these are a mix or apart
    struct experts value; // apart: values of another dtype or order than keys; else zeroed
    bool stacked;         // `query` goes on with what `kv` would be, and a row of queries likewise
    struct mix value_mix, output_mix; // where heads have experts of their own
    struct latent latent;             // where the cache has what keys and values are made of
    struct mosa mosa;                 // where each head chooses its tokens
    struct experts gate;              // linear, of heads; zeroed: there is none
    struct nsa nsa;                   // where each head looks at keys in three ways
    struct pattern_set patterns;
    struct constants constants;
    bool has_sinks, has_query_norm, has_key_norm;
};

// vkmoe_linear_create() of a matrix whose columns may be in another order, which
// vkmoe_attention_record_linear() brings x into.
enum vkmoe_status vkmoe_attention_linear(const vkmoe_attention *attention,
    const struct vkmoe_view *const views[], const struct vkmoe_view *const biases[],
    const uint32_t rows[], uint32_t count, uint32_t columns, struct experts *out);

// Whether values are made by themselves, into an array of their own.
static inline bool values_are_apart(const vkmoe_attention *a)
{
    return is_mix(&a->value_mix) || a->value.rows > 0;
}

static inline bool is_latent(const vkmoe_attention *a)
{
    return a->params.latent.rank > 0;
}

static inline bool is_nsa(const vkmoe_attention *a)
{
    return a->params.nsa.compressed > 0;
}

static inline bool is_mosa(const vkmoe_attention *a)
{
    return a->params.mosa.sparsity > 0;
}

// Of a key, what its norm is over.
static inline uint32_t normed_size(const struct vkmoe_attention_params *p)
{
    return p->latent.rank > 0 ? p->latent.rank : p->head_size;
}

// Of a value, if there are values apart from keys.
static inline uint32_t value_size(const struct vkmoe_attention_params *p)
{
    return p->value_size > 0 ? p->value_size : p->head_size;
}

// Of what attend leaves of a head.
static inline uint32_t attended_size(const struct vkmoe_attention_params *p)
{
    return p->latent.rank > 0 ? p->latent.rank : value_size(p);
}

// Whether projections may do what store_kv would, as far as heads are concerned.
static inline bool heads_may_finish(const struct vkmoe_attention_params *p)
{
    return p->experts <= 1 && p->latent.rank == 0 && p->value.experts.experts == 0
        && value_size(p) == p->head_size && p->head_size % (2 * STRIP_ROWS) == 0;
}

struct vkmoe_cache {
    vkmoe_device *device;
    struct vkmoe_cache_params params;
    vkmoe_buffer *keys, *values; // [sequences][kv_heads][capacity] rows, see
                                 // shaders/lib/cache.glsl; the latter may be NULL: keys_only
    vkmoe_buffer *means;         // of blocks of keys, see shaders/mean_keys.h; NULL: no blocks
    vkmoe_buffer *value_means;   // likewise of values, with mean_values
};

// Of blocks of keys: how many positions the beginnings of two lie apart.
static inline uint32_t block_stride(const struct vkmoe_cache_params *p)
{
    return p->stride > 0 ? p->stride : p->block;
}

// check.c: INVALID, with the field's name in the log, if a rule is broken.
enum vkmoe_status vkmoe_attention_check(
    const struct caller *caller, const struct vkmoe_attention_params *params);

// The public functions of these names for another function of the API.
enum vkmoe_status vkmoe_cache_create_for(const struct caller *caller, vkmoe_device *device,
    const struct vkmoe_cache_params *params, vkmoe_cache **out);
// `folding` may be NULL; otherwise y is added to.
enum vkmoe_status vkmoe_attention_forward_for(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *params, const struct folding *folding);
// Whether the norms before and after it can be folded into it with so many tokens.
bool vkmoe_attention_folds(const vkmoe_attention *attention, uint32_t tokens);
enum vkmoe_status vkmoe_attention_store_for(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *params);

// attention.c: vkmoe_attention_create() as a part of another loading, and the bytes of the
// matrices, as they count there. *out is left alone on failure.
enum vkmoe_status vkmoe_attention_load(
    struct loading *loading, const struct vkmoe_attention_params *params, vkmoe_attention **out);
uint64_t vkmoe_attention_load_size(const struct vkmoe_attention_params *params);

// rope.c: the turns of each pair, as shaders/store_kv.h wants them. `out` has `size` words;
// `length` of the context counts for dynamic scaling only; LongRoPE's divisors are given.
// `divisors` of frequencies may be NULL.
void vkmoe_rope_table(const struct vkmoe_rope *rope, const float *divisors, uint32_t size,
    uint32_t length, uint32_t *out);
// What cosines and sines are multiplied with, for the longer factors if `is_long`.
float vkmoe_rope_magnitude(const struct vkmoe_attention_params *params, bool is_long);
// Whether that may be anything but 1: it then stands behind each table.
bool vkmoe_rope_scales(const struct vkmoe_attention_params *params);
// Whether that has LongRoPE's other divisors.
static inline bool rope_is_long(const struct vkmoe_rope *rope, uint32_t length)
{
    return rope->kind != VKMOE_ROPE_NONE && rope->scaling == VKMOE_ROPE_SCALING_LONGROPE
        && length > rope->original_positions;
}
// The frequencies of a dynamic scaling belong to a forward, not to the attention.
static inline bool rope_is_dynamic(const struct vkmoe_rope *rope)
{
    return rope->kind != VKMOE_ROPE_NONE && rope->scaling == VKMOE_ROPE_SCALING_DYNAMIC;
}
static inline bool rope_is_fixed(const struct vkmoe_rope *rope)
{
    return rope->kind != VKMOE_ROPE_NONE && rope->scaling != VKMOE_ROPE_SCALING_DYNAMIC;
}

#endif
