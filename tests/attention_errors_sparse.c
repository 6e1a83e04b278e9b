// attention_errors_sparse.c - the rules of struct vkmoe_nsa and struct vkmoe_mosa, of gates and
// of values that are shorter than keys.
#include "attention_errors.h"

#include <math.h>
#include <stddef.h>

static float zeros[1 << 12]; // rows overlap, so that there may be many
static const struct vkmoe_view narrow_view = { .data = zeros, .row_stride = 1 };
static const uint32_t first_head;

// clang-format off
// Dense, with four heads, over means of 8 positions, every 4.
static void make_nsa(struct creation *c)
{
    c->p.experts = c->p.experts_per_token = 1;
    c->p.patterns = NULL;
    c->p.nsa = (struct vkmoe_nsa){ .compressed = 8, .stride = 4, .block = 16, .top = 4,
        .first_blocks = 1, .local_blocks = 3, .window = 5, .gate = narrow_view };
}

// What is wrong with one member that is another.
#define NSA_RULES(X) \
    X(stride_3, nsa.stride, 3) X(stride_16, nsa.stride, 16) X(block_6, nsa.block, 6) \
    X(block_huge, nsa.block, 1u << 30) X(compressed_huge, nsa.compressed, 1u << 30) \
    X(top_0, nsa.top, 0) X(top_65, nsa.top, 65) X(forced_above_top, nsa.top, 3) \
    X(forced_overflow, nsa.first_blocks, UINT32_MAX) X(window_0, nsa.window, 0) \
    X(window_huge, nsa.window, 1u << 30) X(no_gate, nsa.gate.data, NULL) \
    X(unknown_dtype_of_gate, nsa.gate.dtype, (enum vkmoe_dtype)UNKNOWN) X(experts_2, experts, 2) \
    X(expert_kv_heads, expert_kv_heads, 1) \
    X(first_kv_head, first_kv_head, &first_head) X(patterns, patterns, c->patterns) \
    X(value_experts, value.experts.experts, 2) X(output_experts, output.experts.experts, 2) \
    X(sinks, sinks, narrow_view) X(soft_cap, soft_cap, 1.0f) \
    X(position_bias, position.bias, narrow_view) X(latent, latent.rank, 4)
#define CHANGED(base, name, field, value_) \
    static void create_##base##_##name(struct creation *c) \
    { \
        make_##base(c); \
        c->p.field = value_; \
    }
#define NSA_CHANGED(name, field, value_) CHANGED(nsa, name, field, value_)
NSA_RULES(NSA_CHANGED)
static void create_nsa_heads_21846(struct creation *c)
{
    make_nsa(c);
    c->p.heads = 21846;
    c->p.head_size = c->p.kv_heads = 1;
    c->p.rope.kind = VKMOE_ROPE_NONE;
}

// Three heads, each of which takes a quarter of the tokens.
static void make_mosa(struct creation *c)
{
    c->p.heads = 1;
    c->p.experts = c->p.experts_per_token = c->p.kv_heads = 3;
    c->p.patterns = NULL;
    c->p.key.matrix = c->p.value.matrix = narrow_view;
    c->p.mosa = (struct vkmoe_mosa){ .sparsity = 4, .router = narrow_view };
}
#define MOSA_RULES(X) \
    X(heads_2, heads, 2) X(experts_1, experts, 1) X(k_2, experts_per_token, 2) \
    X(norm_after_rope, norm_after_rope, true) X(kv_heads_1, kv_heads, 1) \
    X(no_router, mosa.router.data, NULL) \
    X(unknown_dtype_of_router, mosa.router.dtype, (enum vkmoe_dtype)UNKNOWN) \
    X(expert_kv_heads, expert_kv_heads, 1) X(tiled, tiled_kv, true) \
    X(first_kv_head, first_kv_head, &first_head) X(patterns, patterns, c->patterns) \
    X(value_experts, value.experts.experts, 2) X(output_experts, output.experts.experts, 2) \
    X(latent, latent.rank, 4) X(nsa, nsa.compressed, 4) X(sinks, sinks, narrow_view) \
    X(position_bias, position.bias, narrow_view) X(norm_wide, norm.wide, true) \
    X(key_dtype, key.matrix.dtype, VKMOE_DTYPE_F16) \
    X(value_dtype, value.matrix.dtype, VKMOE_DTYPE_F16) \
    X(dynamic_rope, rope, ((struct vkmoe_rope){ .kind = VKMOE_ROPE_HALF, \
        .scaling = VKMOE_ROPE_SCALING_DYNAMIC, .factor = 2, .original_positions = 8 }))
#define MOSA_CHANGED(name, field, value_) CHANGED(mosa, name, field, value_)
MOSA_RULES(MOSA_CHANGED)

static void make_gate(struct creation *c)
{
    c->p.experts = c->p.experts_per_token = 1;
    c->p.patterns = NULL;
    c->p.gate.matrix = narrow_view;
}
static void create_gate_nsa(struct creation *c) { make_nsa(c); c->p.gate.matrix = narrow_view; }
static void create_gate_mosa(struct creation *c) { make_mosa(c); c->p.gate.matrix = narrow_view; }
#define GATE_RULES(X) \
    X(unknown_dtype, gate.matrix.dtype, (enum vkmoe_dtype)UNKNOWN) X(experts_2, experts, 2) \
    X(cut_blocks, gate.matrix, ((struct vkmoe_view){ .data = zeros, .dtype = VKMOE_DTYPE_Q8_0, \
        .row_stride = 1 }))
#define GATE_CHANGED(name, field, value_) CHANGED(gate, name, field, value_)
GATE_RULES(GATE_CHANGED)

static void make_short(struct creation *c)
{
    c->p.experts = c->p.experts_per_token = 1;
    c->p.patterns = NULL;
    c->p.value_size = 1;
}
static void create_short_nsa(struct creation *c) { make_nsa(c); c->p.value_size = 1; }
static void create_short_mosa(struct creation *c) { make_mosa(c); c->p.value_scale = 0.5f; }
static void create_short_gate(struct creation *c) { make_gate(c); c->p.value_scale = 0.5f; }
#define VALUE_RULES(X) \
    X(large, value_size, c->p.head_size + 1) X(infinite, value_scale, INFINITY) \
    X(experts_2, experts, 2) X(normed, value_norm, true)
#define VALUE_CHANGED(name, field, value_) CHANGED(short, name, field, value_)
VALUE_RULES(VALUE_CHANGED)

// And what has to be accepted.
static void create_short(struct creation *c) { make_short(c); }
VALUE_CHANGED(scaled, value_scale, -0.5f)
static void create_gate(struct creation *c) { make_gate(c); }
GATE_CHANGED(wide, gate.wide, true)
static void create_mosa(struct creation *c) { make_mosa(c); }
MOSA_CHANGED(first, mosa.first, true)
static void create_nsa(struct creation *c) { make_nsa(c); }
NSA_CHANGED(defaults, nsa, ((struct vkmoe_nsa){ .compressed = 7, .top = 1, .window = 1,
    .gate = narrow_view }))

#define NSA_ROW(name, field, value_) INVALID(nsa_##name),
#define GATE_ROW(name, field, value_) INVALID(gate_##name),
#define VALUE_ROW(name, field, value_) INVALID(short_##name),
#define MOSA_ROW(name, field, value_) INVALID(mosa_##name),
const struct create_error sparse_errors[] = {
    NSA_RULES(NSA_ROW) INVALID(nsa_heads_21846), VALID(nsa), VALID(nsa_defaults),
    MOSA_RULES(MOSA_ROW) VALID(mosa), VALID(mosa_first),
    GATE_RULES(GATE_ROW) INVALID(gate_nsa), INVALID(gate_mosa), VALID(gate), VALID(gate_wide),
    VALUE_RULES(VALUE_ROW) INVALID(short_nsa), INVALID(short_mosa), INVALID(short_gate),
    VALID(short), VALID(short_scaled), {0},
};
// clang-format on
