// layer_pass.h - one pass of a layer over some tokens: its scratch, its shapes, and the
// stages it is made of. Attention runs the same stages around its own (attention_forward.c).
#ifndef VKMOE_LAYER_PASS_H
#define VKMOE_LAYER_PASS_H

#include "base/common.h"
#include "moe/moe.h"
#include "device/operands.h"
#include "device/shapes.h"
#include "device/stream.h"

// One pass handles at most so many (token, slot) pairs and so many elements in any
// array, which keeps byte offsets below 4 GiB and the bookkeeping below 1 MiB.
#define PASS_MAX_PAIRS 131072u
#define PASS_MAX_ELEMENTS (1u << 30)
#define SCRATCH_SLACK (1u << 20)
// On every device: lavapipe 22.3 stops an invocation's loops after 65535 iterations, and
// 64 lanes share even PASS_MAX_PAIRS pairs in fewer.
#define GROUP_TOKENS_LANES 64
// Likewise: the positions of a sequence.
#define LIMIT_EXPERTS_LANES 64

// Where things lie in scratch: byte offsets. Logits and ids die when the rows are
// grouped, and share memory with h and the outputs, which are born later.
struct scratch {
    uint64_t logits, ids, weights, shared_weights;
    uint64_t h, shared_h, outputs;
    uint64_t rows, counts, plan;
    uint64_t size;
};

// Makes room for `bytes` behind the first *size, and says where.
static inline uint64_t scratch_take(uint64_t *size, uint64_t bytes)
{
    const uint64_t at = *size;
    *size = align_up(at + bytes, BUFFER_ALIGNMENT);
    return at;
}

// One forward, resolved: addresses of this pass's rows.
struct pass {
    vkmoe_stream *stream;
    const vkmoe_moe *moe;
    vkmoe_device *device;
    struct shapes shapes;
    struct scratch at;
    const vkmoe_buffer *scratch;
    uint32_t tokens, sequence_tokens;
    bool decode;
    uint64_t x, router_x, y, ids, weights;
    const struct layer_history *history; // NULL: no limit over sequences
    uint64_t positions, sequences;       // with a history, where the tokens stand; 0: none
    uint32_t first_token;                // this pass's first, where there are no positions
    // Of the up projection, where it stands alone (mix.h).
    uint32_t source_pairs; // pairs that share a row of x; 0: k, those of a token
    bool to_pairs;         // results go to their pairs' places, in rows of `inner`
};

// layer_scratch.c
struct scratch vkmoe_scratch_plan(
    const vkmoe_moe *moe, uint32_t tokens, bool decode, uint32_t tile_rows);
bool vkmoe_moe_may_decode(const vkmoe_moe *moe, uint32_t tokens);
// The most tokens of one pass when there are `tokens` in all.
uint32_t vkmoe_moe_pass_tokens(const vkmoe_moe *moe, uint32_t tokens, uint32_t tile_rows);

// vkmoe_moe_forward() for another function of the API.
enum vkmoe_status vkmoe_moe_forward_for(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *params);

// layer_kernels.c: each records one dispatch, behind a barrier.
enum vkmoe_status vkmoe_pass_run(const struct pass *pass, struct dispatch *dispatch);
enum vkmoe_status vkmoe_pass_route(const struct pass *pass);
enum vkmoe_status vkmoe_pass_limit_experts(const struct pass *pass); // two, with a history
enum vkmoe_status vkmoe_pass_group_tokens(const struct pass *pass);
enum vkmoe_status vkmoe_pass_decode_up(const struct pass *pass);
enum vkmoe_status vkmoe_pass_decode_down(const struct pass *pass);
enum vkmoe_status vkmoe_pass_experts_up(const struct pass *pass);
enum vkmoe_status vkmoe_pass_shared_down(const struct pass *pass);
enum vkmoe_status vkmoe_pass_experts_down(const struct pass *pass);
enum vkmoe_status vkmoe_pass_combine(const struct pass *pass);

// layer_forward.c: vkmoe_moe_forward() of tokens that stand at `positions` of `sequences`, as
// struct vkmoe_attention_forward_params has them, checked by the caller. `history` may be NULL;
// otherwise the layer has no capacity of its own.
enum vkmoe_status vkmoe_moe_forward_at(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *f,
    const struct layer_history *history, const struct vkmoe_span *positions,
    const struct vkmoe_span *sequences);

// layer_check.c
enum vkmoe_status vkmoe_span_check(const struct caller *caller, const vkmoe_device *device,
    const char *name, const struct vkmoe_span *span, uint64_t elements, bool required);
uint64_t vkmoe_span_address(const struct vkmoe_span *span); // 0 without a buffer
bool vkmoe_spans_overlap(const struct vkmoe_span *a, uint64_t a_elements,
    const struct vkmoe_span *b, uint64_t b_elements);

static inline uint64_t scratch_address(const struct pass *pass, uint64_t offset)
{
    return vkmoe_buffer_address(pass->scratch) + offset;
}

#endif
