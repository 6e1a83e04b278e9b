// attention.h - routed and dense attention on the device.
#ifndef VKMOE_ATTENTION_H
#define VKMOE_ATTENTION_H

#include "weights/linear.h"
#include "moe/mix.h"
#include "moe/moe.h"

struct vkmoe_attention {
    vkmoe_device *device;
    struct loading *loading;              // while it is created
    struct vkmoe_attention_params params; // without views, defaults filled in
    bool routed;                          // more than one expert
    bool both_sides;                      // some pattern looks behind the query
    uint32_t query_columns;               // of a row of queries in memory
    // Routed: the expert projections are a layer whose up is the query, whose down is the
    // output projection, and which is run around attention. Dense: two matrices.
    vkmoe_moe *experts;
    struct experts query, output;
    struct experts kv;                // keys of all kv heads, then values unless these are a mix
    struct mix value_mix, output_mix; // where heads have experts of their own
    vkmoe_buffer *patterns;           // u32 [experts][PATTERN_WORDS], then lists: shaders/pattern.h
    bool by_blocks;                   // some pattern picks blocks of keys
    uint32_t list_words;              // of the longest list's mask
    uint64_t reach;                   // the most keys that a workgroup walks over for some pattern
    uint32_t top, block;              // the largest `top` and the block that goes with it; 0: none
    vkmoe_buffer *rotations;          // see shaders/store_kv.h; NULL: a forward's own, or no RoPE
    vkmoe_buffer *head_vectors; // f32 [heads] sinks, then the position bias; NULL without both
    bool has_sinks;
    vkmoe_buffer *query_norm, *key_norm; // f32, or NULL
};

struct vkmoe_cache {
    vkmoe_device *device;
    struct vkmoe_cache_params params;
    vkmoe_buffer *keys, *values; // [sequences][kv_heads][capacity][head size padded to 8]
    vkmoe_buffer *means;         // of blocks of keys, see shaders/mean_keys.h; NULL: no blocks
};

#define MAX_LISTED_BLOCK 65536

// attention_check.c: INVALID, with the field's name in the log, if a rule is broken.
enum vkmoe_status vkmoe_attention_check(
    const struct caller *caller, const struct vkmoe_attention_params *params);

// The public functions of these names for another function of the API.
enum vkmoe_status vkmoe_cache_create_for(const struct caller *caller, vkmoe_device *device,
    const struct vkmoe_cache_params *params, vkmoe_cache **out);
enum vkmoe_status vkmoe_attention_forward_for(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *params);
enum vkmoe_status vkmoe_attention_store_for(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *params);

// attention.c: vkmoe_attention_create() as a part of another loading, and the bytes of the
// matrices, as they count there.
enum vkmoe_status vkmoe_attention_load(
    struct loading *loading, const struct vkmoe_attention_params *params, vkmoe_attention **out);
uint64_t vkmoe_attention_load_size(const struct vkmoe_attention_params *params);

// rope.c: the turns of each pair, as shaders/store_kv.h wants them. `out` has `size` words;
// `length` of the context counts for dynamic scaling only.
void vkmoe_rope_table(const struct vkmoe_rope *rope, uint32_t size, uint32_t length, uint32_t *out);
// What cosines and sines are multiplied with.
float vkmoe_rope_magnitude(const struct vkmoe_rope *rope);

#endif
