// record.h - one pass of attention over some tokens, and the dispatches between its projections.
#ifndef VKMOE_ATTENTION_RECORD_H
#define VKMOE_ATTENTION_RECORD_H

#include "attention/plan.h"
#include "moe/record.h"

struct attention_pass {
    vkmoe_stream *stream;
    const vkmoe_attention *attention;
    const vkmoe_cache *cache;
    const struct attention_plan *plan;
    const vkmoe_buffer *scratch;
    bool stores;           // the tokens' keys and values go into the cache
    bool attends;          // there are queries
    bool finished;         // what is projected needs no store_kv, see shaders/decode_heads.h
    bool compact;          // keys and values are of rows, as queries are: see shaders/store_kv.h
    uint32_t rows;         // of queries
    uint64_t keys, values; // addresses: of the cache's
    // What attend looks at, how, and where its queries are: in its place its results will be.
    bool is_last;
    struct attend_shape shape;
    const struct pattern_set *patterns;
    uint64_t constants, query; // addresses
    uint32_t length;           // of the context, where it is part of RoPE
    uint32_t first_token;      // where the first stands, if there are no positions
    struct pairs pairs;        // routed: the caller's, or in scratch; dense: only tokens
    uint64_t x, y;             // f32 [tokens][hidden]
    uint64_t positions, sequences, lengths; // 0: none
    bool folded;
    struct folding folding; // of this pass's rows, if it is
};

static inline uint64_t scratch_at(const struct attention_pass *pass, uint64_t offset)
{
    return vkmoe_buffer_address(pass->scratch) + offset;
}

// lavapipe 22.3 ends an invocation's loops after so many turns: see QUIRK_LOOPS_END.
#define LOOP_TURNS 65535

static inline uint64_t constants_address(const struct constants *constants)
{
    return vkmoe_buffer_address(constants->buffer);
}

// A dummy's instead of 0.
static inline uint64_t or_dummy(const struct attention_pass *pass, uint64_t address)
{
    return address ? address : vkmoe_device_dummy_address(pass->attention->device);
}

// What tells kernels where in the cache the tokens stand.
#define CACHE_OPERANDS(pass) \
    .positions = or_dummy(pass, (pass)->positions), \
    .sequences = or_dummy(pass, (pass)->sequences), .capacity = (pass)->cache->params.capacity, \
    .sequence_count = (pass)->cache->params.sequences, .first_token = (pass)->first_token

// And whether they have such places, as `kernel`'s constants.
#define HAS_PLACES(kernel, pass) \
    [kernel##_HAS_POSITIONS] = (pass)->positions != 0, \
    [kernel##_HAS_SEQUENCES] = (pass)->sequences != 0

// x through a matrix, in forward.c. `beside`: what was dispatched last makes something else of the
// same x.
enum vkmoe_status vkmoe_attention_project(
    const struct attention_pass *pass, const struct experts *linear, uint64_t y, bool beside);

// One of the matrices of vkmoe_attention_linear(), after x was brought into the order of its
// columns.
enum vkmoe_status vkmoe_attention_record_linear(const struct attention_pass *pass,
    const struct experts *linear, struct direct_operands operands);
// The latter alone: the operands are about what comes out.
enum vkmoe_status vkmoe_attention_order(const struct attention_pass *pass,
    const struct experts *linear, struct direct_operands *operands);

// As the experts' projections know it, in forward.c.
struct moe_pass vkmoe_attention_experts(const struct attention_pass *pass);

// Whether all keys can be walked over: see QUIRK_LOOPS_END. In forward.c.
enum vkmoe_status vkmoe_attention_check_walk(const struct caller *caller, const vkmoe_attention *a,
    const struct pattern_set *patterns, const struct attend_shape *shape, uint32_t longest);

// Each records one dispatch at most, after a barrier, unless it says otherwise.
// Queries, keys or values of few tokens, finished and stored; the matrix's first head has this
// number among queries, then keys, then values.
enum vkmoe_status vkmoe_attention_record_heads(const struct attention_pass *pass,
    const struct experts *linear, uint64_t y, uint32_t first_head, bool beside);
enum vkmoe_status vkmoe_attention_record_store_kv(const struct attention_pass *pass);
enum vkmoe_status vkmoe_attention_record_mean_keys(const struct attention_pass *pass); // two
enum vkmoe_status vkmoe_attention_record_choose_blocks(const struct attention_pass *pass);
enum vkmoe_status vkmoe_attention_record_attend(const struct attention_pass *pass); // two, to merge

#endif
