// attention_errors_create.c - the rules of struct vkmoe_attention_params, a function each.
#include "attention_errors.h"

#include <math.h>
#include <stddef.h>

static const uint32_t first_heads[][4] = { { 0, 1, 2, 0 }, { 0, 0, UINT32_MAX, 0 }, { 0, 0, 0, 1 },
    { 0, 1, 1, 0 } };
static const uint32_t listed_blocks[] = { 0, 65535, 65536 };
static float zeros[1 << 18]; // rows overlap, so that there may be many long ones
static const struct vkmoe_view wide_view = { .data = zeros, .row_stride = 1 };
static struct vkmoe_view mix_matrices[8];

// Two experts for each head, from whatever is large enough.
static struct vkmoe_head_experts mix_of(const struct vkmoe_attention_params *p)
{
    for (size_t i = 0; i < sizeof(mix_matrices) / sizeof(mix_matrices[0]); i++)
        mix_matrices[i] = p->key.matrix;
    return (struct vkmoe_head_experts){
        .experts = 2,
        .experts_per_token = 1,
        .router = { .weight = p->query.matrices[0], .score = VKMOE_SCORE_SIGMOID },
        .matrices = mix_matrices,
    };
}

// SwitchHead, with the patterns of the base.
static void make_mixes(struct vkmoe_attention_params *p)
{
    p->experts = p->experts_per_token = 1;
    p->value.experts = p->output.experts = mix_of(p);
    p->value.matrix.data = NULL;
    p->output.matrices = NULL;
}

// Dense attention with heads of one element, which share one kv head.
static void make_narrow(struct vkmoe_attention_params *p, uint32_t heads, uint32_t kv_heads)
{
    p->experts = p->experts_per_token = p->head_size = p->expert_kv_heads = 1;
    p->rope.kind = VKMOE_ROPE_NONE;
    p->heads = heads;
    p->kv_heads = kv_heads;
    p->key.matrix = p->value.matrix = wide_view;
    p->query.matrices = p->output.matrices = &wide_view;
}

// DeepSeek's, in small: four heads, c of 32, r of 4.
static void make_latent(struct vkmoe_attention_params *p)
{
    static struct vkmoe_view keys[4], values[4];
    for (size_t h = 0; h < 4; h++)
        keys[h] = values[h] = wide_view;
    p->experts = p->experts_per_token = p->kv_heads = 1;
    p->head_size = 36;
    p->value.matrix.data = NULL;
    p->key.matrix = p->key.norm = wide_view;
    p->query.matrices = p->output.matrices = &wide_view;
    p->latent = (struct vkmoe_latent){ .rank = 32,
        .key_size = 6,
        .value_size = 5,
        .query_rank = 3,
        .query_matrix = wide_view,
        .query_norm = wide_view,
        .keys = keys,
        .values = values };
}

// The key matrices of two heads, which are the test's own.
static struct vkmoe_view *latent_keys(struct creation *c)
{
    make_latent(&c->p);
    return (struct vkmoe_view *)c->p.latent.keys;
}

// clang-format off
// What attention must refuse.
static void create_hidden_0(struct creation *c) { c->p.hidden = 0; }
static void create_hidden_65537(struct creation *c) { c->p.hidden = 65537; }
static void create_head_size_0(struct creation *c) { c->p.head_size = 0; }
static void create_head_size_513(struct creation *c) { c->p.head_size = 513; }
static void create_heads_0(struct creation *c) { c->p.heads = 0; }
static void create_heads_many(struct creation *c) { c->p.heads = UINT32_MAX; }
static void create_heads_times_size_overflow(struct creation *c)
{
    c->p.heads = 1u << 28;
    c->p.kv_heads = 1;
}
static void create_kv_heads_0(struct creation *c) { c->p.kv_heads = 0; }
static void create_kv_heads_do_not_divide(struct creation *c) { c->p.kv_heads = 3; }
static void create_kv_heads_above_heads(struct creation *c) { c->p.kv_heads = 8; }
static void create_experts_0(struct creation *c) { c->p.experts = 0; }
static void create_experts_1025(struct creation *c) { c->p.experts = 1025; }
static void create_k_0(struct creation *c) { c->p.experts_per_token = 0; }
static void create_k_above_experts(struct creation *c)
{
    c->p.experts_per_token = c->p.experts + 1;
}
static void create_no_router(struct creation *c) { c->p.router.weight.data = NULL; }
static void create_capacity(struct creation *c) { c->p.router.capacity = 3; }
static void create_unknown_score(struct creation *c)
{
    c->p.router.score = (enum vkmoe_score)UNKNOWN;
}
static void create_no_query(struct creation *c) { c->p.query.matrices = NULL; }
static void create_no_output(struct creation *c) { c->p.output.matrices = NULL; }
static void create_no_key(struct creation *c) { c->p.key.matrix.data = NULL; }
static void create_no_value(struct creation *c) { c->p.value.matrix.data = NULL; }
static void create_unknown_dtype_of_key(struct creation *c)
{
    c->p.key.matrix.dtype = (enum vkmoe_dtype)UNKNOWN;
}
static void create_unknown_dtype_of_sinks(struct creation *c)
{
    c->p.sinks = c->p.key.matrix;
    c->p.sinks.dtype = (enum vkmoe_dtype)UNKNOWN;
}
static void create_unknown_dtype_of_norm(struct creation *c)
{
    c->p.key.norm = c->p.key.matrix;
    c->p.key.norm.dtype = (enum vkmoe_dtype)UNKNOWN;
}
static void create_scale_nan(struct creation *c) { c->p.scale = NAN; }
static void create_soft_cap_negative(struct creation *c) { c->p.soft_cap = -1.0f; }
static void create_soft_cap_infinite(struct creation *c) { c->p.soft_cap = INFINITY; }
static void create_clip_negative(struct creation *c) { c->p.value_clip = -1.0f; }
static void create_epsilon_negative(struct creation *c) { c->p.norm.epsilon = -1.0f; }
static void create_unknown_rope(struct creation *c)
{
    c->p.rope.kind = (enum vkmoe_rope_kind)UNKNOWN;
}
static void create_unknown_scaling(struct creation *c)
{
    c->p.rope.scaling = (enum vkmoe_rope_scaling)UNKNOWN;
}
static void create_divisors_dynamic(struct creation *c)
{
    c->p.rope = (struct vkmoe_rope){ .kind = VKMOE_ROPE_HALF,
        .scaling = VKMOE_ROPE_SCALING_DYNAMIC,
        .factor = 2,
        .original_positions = 8 };
    c->p.rope_divisors = c->p.key.matrix;
}
static void create_divisors_zero(struct creation *c)
{
    c->p.rope_divisors = (struct vkmoe_view){ .data = zeros };
}
static void create_unknown_dtype_of_divisors(struct creation *c)
{
    c->p.rope_divisors = c->p.key.matrix;
    c->p.rope_divisors.dtype = (enum vkmoe_dtype)UNKNOWN;
}
static void create_rope_odd(struct creation *c) { c->p.rope.size = 7; }
static void create_rope_above_head(struct creation *c) { c->p.rope.size = c->p.head_size + 2; }
static void create_rope_base_negative(struct creation *c) { c->p.rope.base = -3.0f; }
static void create_rope_base_nan(struct creation *c) { c->p.rope.base = NAN; }
static void scale_rope(
    struct creation *c, enum vkmoe_rope_scaling scaling, float factor, uint32_t positions)
{
    c->p.rope.scaling = scaling;
    c->p.rope.factor = factor;
    c->p.rope.original_positions = positions;
}
static void create_rope_linear_factor_0(struct creation *c)
{
    c->p.rope.scaling = VKMOE_ROPE_SCALING_LINEAR;
}
static void create_rope_llama3_factors(struct creation *c)
{
    scale_rope(c, VKMOE_ROPE_SCALING_LLAMA3, 8, 64);
    c->p.rope.low_factor = 4;
    c->p.rope.high_factor = 3.5f;
}
static void create_rope_llama3_positions(struct creation *c)
{
    scale_rope(c, VKMOE_ROPE_SCALING_LLAMA3, 8, 0);
    c->p.rope.low_factor = 1;
    c->p.rope.high_factor = 4;
}
static void create_rope_yarn_positions(struct creation *c)
{
    scale_rope(c, VKMOE_ROPE_SCALING_YARN, 8, 0);
}
static void create_rope_dynamic_positions(struct creation *c)
{
    scale_rope(c, VKMOE_ROPE_SCALING_DYNAMIC, 2, 0);
}
static void create_rope_dynamic_factor(struct creation *c)
{
    scale_rope(c, VKMOE_ROPE_SCALING_DYNAMIC, 0.5f, 64);
}
static void create_rope_dynamic_one_pair(struct creation *c)
{
    scale_rope(c, VKMOE_ROPE_SCALING_DYNAMIC, 2, 64);
    c->p.rope.size = 2;
}
static void create_norm_after_clip(struct creation *c)
{
    c->p.norm_after_rope = true;
    c->p.value_clip = 1.0f;
}
static void create_norm_after_wide(struct creation *c)
{
    c->p.norm_after_rope = true;
    c->p.norm.wide = true;
}
// LongRoPE that is as it should be.
static void make_long(struct creation *c)
{
    static float ones[256];
    for (size_t i = 0; i < sizeof ones / sizeof ones[0]; i++)
        ones[i] = 1.0f;
    scale_rope(c, VKMOE_ROPE_SCALING_LONGROPE, 0, 8);
    c->p.rope_divisors = c->p.long_rope.divisors = (struct vkmoe_view){ .data = ones };
}
static void create_longrope(struct creation *c) { make_long(c); }
static void create_longrope_positions(struct creation *c)
{
    make_long(c);
    c->p.rope.original_positions = 0;
}
static void create_longrope_divisors(struct creation *c)
{
    make_long(c);
    c->p.long_rope.divisors.data = NULL;
}
static void create_longrope_zero(struct creation *c)
{
    make_long(c);
    c->p.long_rope.divisors.data = zeros;
}
static void create_longrope_factor(struct creation *c)
{
    make_long(c);
    c->p.long_rope.attention_factor = NAN;
}
static void create_long_divisors_of_others(struct creation *c)
{
    make_long(c);
    c->p.rope.scaling = VKMOE_ROPE_SCALING_PLAIN;
}
static void create_unknown_pattern(struct creation *c)
{
    c->patterns[2].kind = (enum vkmoe_pattern_kind)UNKNOWN;
}
static void create_step_0(struct creation *c)
{
    c->patterns[1].kind = VKMOE_PATTERN_STRIDED;
    c->patterns[1].step = 0;
}
static void create_phase_is_step(struct creation *c)
{
    c->patterns[1].kind = VKMOE_PATTERN_DILATED;
    c->patterns[1].step = 4;
    c->patterns[1].phase = 4;
}
static void create_heads_65536(struct creation *c) { make_narrow(&c->p, 65536, 1); }
static void create_kv_heads_65536(struct creation *c) { make_narrow(&c->p, 1, 65536); }
static void create_expert_kv_heads_above_kv_heads(struct creation *c) { c->p.expert_kv_heads = 4; }
static void create_expert_kv_heads_do_not_divide(struct creation *c)
{
    c->p.kv_heads = 4;
    c->p.expert_kv_heads = 3;
}
static void create_first_kv_head_beyond(struct creation *c)
{
    c->p.expert_kv_heads = 1;
    c->p.first_kv_head = first_heads[0];
}
static void create_first_kv_head_overflowing(struct creation *c)
{
    c->p.expert_kv_heads = 2;
    c->p.first_kv_head = first_heads[1];
}
static void create_first_kv_head_of_all(struct creation *c) { c->p.first_kv_head = first_heads[2]; }
// Mixes of values and outputs, with one member that is another.
#define MIXED(name, member, value) \
    static void create_##name(struct creation *c) \
    { \
        make_mixes(&c->p); \
        c->p.member = value; \
    }
MIXED(value_beside_experts, value.matrix, c->p.key.matrix)
MIXED(value_bias_beside_experts, value.bias, c->p.key.matrix)
MIXED(output_beside_experts, output.matrices, c->p.query.matrices)
static void create_value_experts_of_experts(struct creation *c)
{
    c->p.value.matrix.data = NULL;
    c->p.value.experts = mix_of(&c->p);
}
static void create_output_experts_of_experts(struct creation *c)
{
    c->p.output.matrices = NULL;
    c->p.output.experts = mix_of(&c->p);
}
MIXED(value_experts_1026, value.experts.experts, 513)
MIXED(value_experts_overflow, value.experts.experts, 1u << 31)
MIXED(output_experts_1028, output.experts.experts, 257)
MIXED(value_experts_k_0, value.experts.experts_per_token, 0)
MIXED(value_experts_k_above, value.experts.experts_per_token, 3)
MIXED(output_experts_k_0, output.experts.experts_per_token, 0)
MIXED(output_experts_k_above, output.experts.experts_per_token, 3)
MIXED(value_experts_no_matrices, value.experts.matrices, NULL)
MIXED(output_experts_no_matrices, output.experts.matrices, NULL)
static void create_value_experts_no_matrix(struct creation *c)
{
    make_mixes(&c->p);
    mix_matrices[1].data = NULL;
}
MIXED(value_experts_groups, value.experts.router.groups.count, 2)
MIXED(output_experts_groups, output.experts.router.groups.count, 4)
MIXED(value_experts_levels, value.experts.router.levels, c->p.key.matrix)
MIXED(output_experts_no_router, output.experts.router.weight.data, NULL)
MIXED(value_experts_softmax, value.experts.router.score, VKMOE_SCORE_SOFTMAX)
MIXED(value_experts_supplied, value.experts.router.select, VKMOE_SELECT_SUPPLIED)
MIXED(output_experts_capacity, output.experts.router.capacity, 3)
MIXED(output_experts_always, output.experts.router.always, 1)
MIXED(no_value_and_no_experts, value.experts.experts, 0)
MIXED(no_output_and_no_experts, output.experts.experts, 0)
static void create_position_reach_0(struct creation *c) { c->p.position.bias = c->p.key.matrix; }
static void create_position_reach_65536(struct creation *c)
{
    c->p.position.bias = c->p.key.matrix;
    c->p.position.reach = 65536;
}
static void create_unknown_dtype_of_position_bias(struct creation *c)
{
    c->p.position.bias = c->p.key.matrix;
    c->p.position.reach = 1;
    c->p.position.bias.dtype = (enum vkmoe_dtype)UNKNOWN;
}
static void create_left_huge(struct creation *c) { c->patterns[1].left = 1u << 30; }
static void create_local_huge(struct creation *c) { c->patterns[1].local = 1u << 30; }
static void create_right_of_one_side(struct creation *c) { c->patterns[1].right = 1; }
static void create_kind_behind_chunks(struct creation *c)
{
    c->patterns[1].kind = (enum vkmoe_pattern_kind)(VKMOE_PATTERN_CHUNKED + 1);
}
static void create_chunk_0(struct creation *c) { c->patterns[1].kind = VKMOE_PATTERN_CHUNKED; }
static void create_chunk_both_sides(struct creation *c)
{
    c->patterns[1] = (struct vkmoe_pattern){ .kind = VKMOE_PATTERN_CHUNKED,
        .block = 8,
        .both_sides = true };
}
static void create_temperature_nan(struct creation *c) { c->p.temperature.scale = NAN; }
static void create_temperature_floor_0(struct creation *c) { c->p.temperature.scale = 0.1f; }
MIXED(value_norm_of_experts, value_norm, true)
static void create_block_0(struct creation *c) { c->patterns[3].block = 0; }
static void create_block_huge(struct creation *c) { c->patterns[3].block = 1u << 30; }
static void create_top_65(struct creation *c) { c->patterns[3].top = 65; }
static void create_top_and_list(struct creation *c)
{
    c->patterns[3].blocks = listed_blocks;
    c->patterns[3].block_count = 1;
}
static void create_top_both_sides(struct creation *c) { c->patterns[3].both_sides = true; }
static void create_tops_of_two_blocks(struct creation *c)
{
    c->patterns[1] = c->patterns[3];
    c->patterns[1].block++;
}
static void create_no_list(struct creation *c)
{
    c->patterns[3].top = 0;
    c->patterns[3].block_count = 2;
}
static void create_listed_65536(struct creation *c)
{
    c->patterns[3].top = 0;
    c->patterns[3].blocks = listed_blocks;
    c->patterns[3].block_count = 3;
}

#define LATENT(name, field, value_) \
    static void create_latent_##name(struct creation *c) \
    { \
        make_latent(&c->p); \
        c->p.field = value_; \
    }
LATENT(rank_513, latent.rank, 513)
LATENT(value_norm, value_norm, true)
LATENT(gate, gate.matrix, wide_view)
LATENT(rank_above_head, latent.rank, 37)
LATENT(head_size_641, head_size, 641)
LATENT(turned_130, head_size, 32 + 130)
LATENT(nothing_turned, head_size, 32)
LATENT(rope_size_6, rope.size, 6)
LATENT(key_size_0, latent.key_size, 0)
LATENT(value_size_0, latent.value_size, 0)
LATENT(key_size_huge, latent.key_size, 65536 / 4)
LATENT(value_size_huge, latent.value_size, 65536 / 4 + 1)
LATENT(key_size_overflow, latent.key_size, UINT32_MAX - 1)
LATENT(query_rank_huge, latent.query_rank, 65537)
LATENT(kv_heads_2, kv_heads, 2)
LATENT(experts_2, experts, 2)
LATENT(heads_1025, heads, 1025)
LATENT(value, value.matrix, c->p.key.matrix)
LATENT(value_bias, value.bias, c->p.key.matrix)
LATENT(query_bias, query.bias, c->p.key.matrix)
LATENT(key_bias, key.bias, c->p.key.matrix)
LATENT(query_head_norm, query.norm, c->p.key.matrix)
LATENT(wide_norm, norm.wide, true)
LATENT(clip, value_clip, 1.0f)
LATENT(no_keys, latent.keys, NULL)
LATENT(no_values, latent.values, NULL)
LATENT(no_query_matrix, latent.query_matrix.data, NULL)
LATENT(no_key, key.matrix.data, NULL)
LATENT(no_output, output.matrices, NULL)
static void create_latent_top(struct creation *c)
{
    make_latent(&c->p);
    c->patterns[0] = c->patterns[3];
}
static void create_latent_no_key_of_head(struct creation *c) { latent_keys(c)[3].data = NULL; }
static void create_latent_dtypes(struct creation *c)
{
    latent_keys(c)[2].dtype = VKMOE_DTYPE_F16;
}
static void create_latent_unknown_dtype(struct creation *c)
{
    struct vkmoe_view *keys = latent_keys(c);
    for (size_t h = 0; h < 4; h++)
        keys[h] = (struct vkmoe_view){ .data = zeros, .dtype = (enum vkmoe_dtype)UNKNOWN,
            .row_stride = 1, .column_stride = 32 };
}
// Of a format with blocks: [32][6] that lies as [6][32].
static void store_keys(struct creation *c, int64_t row_stride, int64_t column_stride)
{
    struct vkmoe_view *keys = latent_keys(c);
    for (size_t h = 0; h < 4; h++)
        keys[h] = (struct vkmoe_view){ .data = zeros, .dtype = VKMOE_DTYPE_Q8_0,
            .row_stride = row_stride, .column_stride = column_stride };
}
// Rows of which the last block is not full.
static void create_latent_transposed_fp8(struct creation *c)
{
    struct vkmoe_view *keys = latent_keys(c);
    store_keys(c, 1, 128);
    for (size_t h = 0; h < 4; h++)
        keys[h].dtype = VKMOE_DTYPE_E4M3;
}
static void create_latent_cut_blocks(struct creation *c) { store_keys(c, 1, 33); }
static void create_latent_blocks_apart(struct creation *c) { store_keys(c, 2, 64); }
static void create_latent_rows_of_0(struct creation *c) { store_keys(c, 0, 32); }
static void create_latent_rows_of_6(struct creation *c) { store_keys(c, 0, 0); }
static void create_latent_transposed_some(struct creation *c)
{
    store_keys(c, 1, 32);
    ((struct vkmoe_view *)c->p.latent.keys)[1].column_stride = 1;
}

// And what has to be accepted: what the rules above start from, and their limits.
static void create_latent(struct creation *c) { make_latent(&c->p); }
static void create_latent_transposed(struct creation *c) { store_keys(c, 1, 32); }
LATENT(direct, latent.query_rank, 0)
static void create_base(struct creation *c) { (void)c; }
static void create_heads_65535(struct creation *c) { make_narrow(&c->p, 65535, 1); }
static void create_mixes(struct creation *c) { make_mixes(&c->p); }
static void create_value_mix_alone(struct creation *c)
{
    make_mixes(&c->p);
    c->p.output.matrices = c->p.query.matrices;
    c->p.output.experts.experts = 0;
}
static void create_kv_heads_of_experts(struct creation *c)
{
    c->p.expert_kv_heads = 1;
    c->p.first_kv_head = first_heads[3];
}
static void create_position_reach_65535(struct creation *c)
{
    c->p.position.bias = wide_view;
    c->p.position.reach = 65535;
}
static void create_largest_blocks(struct creation *c)
{
    c->patterns[3].top = 64;
    c->patterns[3].block = (1u << 30) - 1;
}
static void create_listed_65535(struct creation *c)
{
    c->patterns[3].top = 0;
    c->patterns[3].blocks = listed_blocks;
    c->patterns[3].block_count = 2;
}
static void create_blocks_of_two_sizes(struct creation *c)
{
    c->patterns[1] = c->patterns[3];
    c->patterns[1].top = 0;
    c->patterns[1].block++;
}

const struct create_error create_errors[] = {
    INVALID(hidden_0), INVALID(hidden_65537), INVALID(head_size_0), INVALID(head_size_513),
    INVALID(heads_0), INVALID(heads_many), INVALID(heads_times_size_overflow), INVALID(kv_heads_0),
    INVALID(kv_heads_do_not_divide), INVALID(kv_heads_above_heads), INVALID(experts_0),
    INVALID(experts_1025), INVALID(k_0), INVALID(k_above_experts), INVALID(no_router),
    INVALID(capacity), INVALID(unknown_score), INVALID(no_query), INVALID(no_output),
    INVALID(no_key), INVALID(no_value), INVALID(unknown_dtype_of_key),
    INVALID(unknown_dtype_of_sinks), INVALID(unknown_dtype_of_norm), INVALID(scale_nan),
    INVALID(soft_cap_negative), INVALID(soft_cap_infinite), INVALID(clip_negative),
    INVALID(epsilon_negative), INVALID(unknown_rope), INVALID(unknown_scaling), INVALID(rope_odd),
    INVALID(divisors_dynamic), INVALID(divisors_zero), INVALID(unknown_dtype_of_divisors),
    INVALID(rope_above_head), INVALID(rope_base_negative), INVALID(rope_base_nan),
    INVALID(rope_linear_factor_0), INVALID(rope_llama3_factors), INVALID(rope_llama3_positions),
    INVALID(rope_yarn_positions), INVALID(rope_dynamic_positions), INVALID(rope_dynamic_factor),
    INVALID(norm_after_clip), INVALID(norm_after_wide), INVALID(longrope_positions),
    INVALID(longrope_divisors), INVALID(longrope_zero), INVALID(longrope_factor),
    INVALID(long_divisors_of_others), INVALID(rope_dynamic_one_pair), INVALID(unknown_pattern),
    INVALID(step_0),
    INVALID(phase_is_step), INVALID(heads_65536), INVALID(kv_heads_65536),
    INVALID(expert_kv_heads_above_kv_heads), INVALID(expert_kv_heads_do_not_divide),
    INVALID(first_kv_head_beyond), INVALID(first_kv_head_overflowing),
    INVALID(first_kv_head_of_all), INVALID(value_beside_experts),
    INVALID(value_bias_beside_experts), INVALID(output_beside_experts),
    INVALID(value_experts_of_experts), INVALID(output_experts_of_experts),
    INVALID(value_experts_1026), INVALID(value_experts_overflow), INVALID(output_experts_1028),
    INVALID(value_experts_k_0), INVALID(value_experts_k_above), INVALID(output_experts_k_0),
    INVALID(output_experts_k_above), INVALID(value_experts_no_matrices),
    INVALID(output_experts_no_matrices), INVALID(value_experts_no_matrix),
    INVALID(value_experts_groups), INVALID(output_experts_groups), INVALID(value_experts_levels),
    INVALID(output_experts_no_router), INVALID(value_experts_softmax),
    INVALID(value_experts_supplied), INVALID(output_experts_capacity),
    INVALID(output_experts_always), INVALID(no_value_and_no_experts),
    INVALID(no_output_and_no_experts), INVALID(position_reach_0), INVALID(position_reach_65536),
    INVALID(unknown_dtype_of_position_bias), INVALID(left_huge), INVALID(local_huge),
    INVALID(right_of_one_side), INVALID(kind_behind_chunks), INVALID(chunk_0),
    INVALID(chunk_both_sides), INVALID(temperature_nan), INVALID(temperature_floor_0),
    INVALID(value_norm_of_experts), INVALID(block_0), INVALID(block_huge),
    INVALID(top_65), INVALID(top_and_list), INVALID(top_both_sides), INVALID(tops_of_two_blocks),
    INVALID(no_list), INVALID(listed_65536),
    INVALID(latent_value_norm), INVALID(latent_gate),
    INVALID(latent_rank_513), INVALID(latent_rank_above_head), INVALID(latent_head_size_641),
    INVALID(latent_turned_130), INVALID(latent_nothing_turned), INVALID(latent_rope_size_6),
    INVALID(latent_key_size_0), INVALID(latent_value_size_0), INVALID(latent_key_size_huge),
    INVALID(latent_value_size_huge), INVALID(latent_key_size_overflow),
    INVALID(latent_query_rank_huge), INVALID(latent_kv_heads_2), INVALID(latent_experts_2),
    INVALID(latent_heads_1025), INVALID(latent_value), INVALID(latent_value_bias),
    INVALID(latent_query_bias), INVALID(latent_key_bias), INVALID(latent_query_head_norm),
    INVALID(latent_wide_norm), INVALID(latent_clip), INVALID(latent_no_keys),
    INVALID(latent_no_values), INVALID(latent_no_query_matrix), INVALID(latent_no_key),
    INVALID(latent_no_output), INVALID(latent_top), INVALID(latent_no_key_of_head),
    INVALID(latent_dtypes), INVALID(latent_unknown_dtype), INVALID(latent_cut_blocks),
    INVALID(latent_blocks_apart), INVALID(latent_rows_of_0), INVALID(latent_rows_of_6),
    INVALID(latent_transposed_some), VALID(latent), VALID(latent_transposed),
    VALID(latent_transposed_fp8), VALID(latent_direct),
    VALID(longrope), VALID(base), VALID(heads_65535), VALID(mixes), VALID(value_mix_alone),
    VALID(kv_heads_of_experts), VALID(position_reach_65535), VALID(largest_blocks),
    VALID(listed_65535), VALID(blocks_of_two_sizes),
    {0},
};
// clang-format on
