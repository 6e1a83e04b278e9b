// attention_errors.c - what attention and caches must refuse: INVALID or UNSUPPORTED, *out NULL,
// one line in the log, nothing recorded; and what they must not. Environment: harness.h.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention_cases.h"
#include "compare.h"
#include "harness.h"

#define UNKNOWN 99

// Rules of struct vkmoe_attention_params: `p` is valid, `patterns` its own.
#define CREATE_ERRORS(X) \
    X(hidden_0, p->hidden = 0) \
    X(hidden_65537, p->hidden = 65537) \
    X(head_size_0, p->head_size = 0) \
    X(head_size_257, p->head_size = 257) \
    X(heads_0, p->heads = 0) \
    X(heads_many, p->heads = UINT32_MAX) \
    X(heads_times_size_overflow, p->heads = 1u << 28; p->kv_heads = 1) \
    X(kv_heads_0, p->kv_heads = 0) \
    X(kv_heads_do_not_divide, p->kv_heads = 3) \
    X(kv_heads_above_heads, p->kv_heads = 8) \
    X(experts_0, p->experts = 0) \
    X(experts_1025, p->experts = 1025) \
    X(k_0, p->experts_per_token = 0) \
    X(k_above_experts, p->experts_per_token = p->experts + 1) \
    X(no_router, p->router.weight.data = NULL) \
    X(capacity, p->router.capacity = 3) \
    X(unknown_score, p->router.score = (enum vkmoe_score)UNKNOWN) \
    X(no_query, p->query = NULL) \
    X(no_output, p->output = NULL) \
    X(no_key, p->key.data = NULL) \
    X(no_value, p->value.data = NULL) \
    X(unknown_dtype_of_key, p->key.dtype = (enum vkmoe_dtype)UNKNOWN) \
    X(unknown_dtype_of_sinks, p->sinks = p->key; p->sinks.dtype = (enum vkmoe_dtype)UNKNOWN) \
    X(unknown_dtype_of_norm, p->key_norm = p->key; p->key_norm.dtype = (enum vkmoe_dtype)UNKNOWN) \
    X(scale_nan, p->scale = NAN) \
    X(soft_cap_negative, p->soft_cap = -1.0f) \
    X(soft_cap_infinite, p->soft_cap = INFINITY) \
    X(clip_negative, p->value_clip = -1.0f) \
    X(epsilon_negative, p->norm_epsilon = -1.0f) \
    X(unknown_rope, p->rope.kind = (enum vkmoe_rope_kind)UNKNOWN) \
    X(unknown_scaling, p->rope.scaling = (enum vkmoe_rope_scaling)UNKNOWN) \
    X(rope_odd, p->rope.size = 7) \
    X(rope_above_head, p->rope.size = p->head_size + 2) \
    X(rope_base_negative, p->rope.base = -3.0f) \
    X(rope_base_nan, p->rope.base = NAN) \
    X(rope_linear_factor_0, p->rope.scaling = VKMOE_ROPE_SCALING_LINEAR) \
    X(rope_llama3_factors, p->rope.scaling = VKMOE_ROPE_SCALING_LLAMA3; p->rope.factor = 8; \
        p->rope.original_positions = 64; p->rope.low_factor = 4; p->rope.high_factor = 4) \
    X(rope_llama3_positions, p->rope.scaling = VKMOE_ROPE_SCALING_LLAMA3; p->rope.factor = 8; \
        p->rope.low_factor = 1; p->rope.high_factor = 4) \
    X(rope_yarn_positions, p->rope.scaling = VKMOE_ROPE_SCALING_YARN; p->rope.factor = 8) \
    X(rope_dynamic_positions, p->rope.scaling = VKMOE_ROPE_SCALING_DYNAMIC; p->rope.factor = 2) \
    X(rope_dynamic_factor, p->rope.scaling = VKMOE_ROPE_SCALING_DYNAMIC; p->rope.factor = 0.5f; \
        p->rope.original_positions = 64) \
    X(rope_dynamic_one_pair, p->rope.scaling = VKMOE_ROPE_SCALING_DYNAMIC; p->rope.factor = 2; \
        p->rope.original_positions = 64; p->rope.size = 2) \
    X(unknown_pattern, patterns[2].kind = (enum vkmoe_pattern_kind)UNKNOWN) \
    X(step_0, patterns[1].kind = VKMOE_PATTERN_STRIDED; patterns[1].step = 0) \
    X(phase_is_step, patterns[1].kind = VKMOE_PATTERN_DILATED; patterns[1].step = 4; \
        patterns[1].phase = 4) \
    X(heads_65536, make_narrow(p, 65536, 1)) \
    X(kv_heads_65536, make_narrow(p, 1, 65536)) \
    X(expert_kv_heads_above_kv_heads, p->expert_kv_heads = 4) \
    X(expert_kv_heads_do_not_divide, p->kv_heads = 4; p->expert_kv_heads = 3) \
    X(first_kv_head_beyond, p->expert_kv_heads = 1; p->first_kv_head = first_heads[0]) \
    X(first_kv_head_overflowing, p->expert_kv_heads = 2; p->first_kv_head = first_heads[1]) \
    X(first_kv_head_of_all, p->first_kv_head = first_heads[2]) \
    X(value_beside_experts, make_mixes(p); p->value = p->key) \
    X(value_bias_beside_experts, make_mixes(p); p->value_bias = p->key) \
    X(output_beside_experts, make_mixes(p); p->output = p->query) \
    X(value_experts_of_experts, p->value.data = NULL; p->value_experts = mix_of(p)) \
    X(output_experts_of_experts, p->output = NULL; p->output_experts = mix_of(p)) \
    X(value_experts_1026, make_mixes(p); p->value_experts.experts = 513) \
    X(value_experts_overflow, make_mixes(p); p->value_experts.experts = 1u << 31) \
    X(output_experts_1028, make_mixes(p); p->output_experts.experts = 257) \
    X(value_experts_k_0, make_mixes(p); p->value_experts.experts_per_token = 0) \
    X(value_experts_k_above, make_mixes(p); p->value_experts.experts_per_token = 3) \
    X(output_experts_k_0, make_mixes(p); p->output_experts.experts_per_token = 0) \
    X(output_experts_k_above, make_mixes(p); p->output_experts.experts_per_token = 3) \
    X(value_experts_no_matrices, make_mixes(p); p->value_experts.matrices = NULL) \
    X(output_experts_no_matrices, make_mixes(p); p->output_experts.matrices = NULL) \
    X(value_experts_no_matrix, make_mixes(p); mix_matrices[1].data = NULL) \
    X(value_experts_groups, make_mixes(p); p->value_experts.router.groups = 2) \
    X(output_experts_groups, make_mixes(p); p->output_experts.router.groups = 4) \
    X(value_experts_levels, make_mixes(p); p->value_experts.router.levels = p->key) \
    X(output_experts_no_router, make_mixes(p); p->output_experts.router.weight.data = NULL) \
    X(value_experts_softmax, make_mixes(p); p->value_experts.router.score = VKMOE_SCORE_SOFTMAX) \
    X(value_experts_supplied, make_mixes(p); \
        p->value_experts.router.select = VKMOE_SELECT_SUPPLIED) \
    X(output_experts_capacity, make_mixes(p); p->output_experts.router.capacity = 3) \
    X(output_experts_always, make_mixes(p); p->output_experts.router.always = 1) \
    X(no_value_and_no_experts, make_mixes(p); p->value_experts.experts = 0) \
    X(no_output_and_no_experts, make_mixes(p); p->output_experts.experts = 0) \
    X(position_reach_0, p->position_bias = p->key) \
    X(position_reach_65536, p->position_bias = p->key; p->position_reach = 65536) \
    X(unknown_dtype_of_position_bias, p->position_bias = p->key; p->position_reach = 1; \
        p->position_bias.dtype = (enum vkmoe_dtype)UNKNOWN) \
    X(left_huge, patterns[1].left = 1u << 30) \
    X(local_huge, patterns[1].local = 1u << 30) \
    X(right_of_one_side, patterns[1].right = 1) \
    X(kind_behind_blocks, patterns[1].kind = (enum vkmoe_pattern_kind)(VKMOE_PATTERN_BLOCKS + 1)) \
    X(block_0, patterns[3].block = 0) \
    X(block_huge, patterns[3].block = 1u << 30) \
    X(top_65, patterns[3].top = 65) \
    X(top_and_list, patterns[3].blocks = listed_blocks; patterns[3].block_count = 1) \
    X(top_both_sides, patterns[3].both_sides = true) \
    X(tops_of_two_blocks, patterns[1] = patterns[3]; patterns[1].block++) \
    X(no_list, patterns[3].top = 0; patterns[3].block_count = 2) \
    X(listed_65536, patterns[3].top = 0; patterns[3].blocks = listed_blocks; \
        patterns[3].block_count = 3)

// And what has to be accepted: what the rules above start from, and their limits.
#define CREATE_VALID(X) \
    X(base, (void)p) \
    X(heads_65535, make_narrow(p, 65535, 1)) \
    X(mixes, make_mixes(p)) \
    X(value_mix_alone, make_mixes(p); p->output = p->query; p->output_experts.experts = 0) \
    X(kv_heads_of_experts, p->expert_kv_heads = 1; p->first_kv_head = first_heads[3]) \
    X(position_reach_65535, p->position_bias = wide_view; p->position_reach = 65535) \
    X(largest_blocks, patterns[3].top = 64; patterns[3].block = (1u << 30) - 1) \
    X(listed_65535, patterns[3].top = 0; patterns[3].blocks = listed_blocks; \
        patterns[3].block_count = 2) \
    X(blocks_of_two_sizes, patterns[1] = patterns[3]; patterns[1].top = 0; patterns[1].block++)

#define CACHE_ERRORS(X) \
    X(cache_heads_0, p->kv_heads = 0) \
    X(cache_head_size_0, p->head_size = 0) \
    X(cache_head_size_257, p->head_size = 257) \
    X(cache_sequences_0, p->sequences = 0) \
    X(cache_capacity_0, p->capacity = 0) \
    X(cache_bf16, p->dtype = VKMOE_DTYPE_BF16) \
    X(cache_unknown_dtype, p->dtype = (enum vkmoe_dtype)UNKNOWN) \
    X(cache_block_huge, p->block = 1u << 30)

#define CACHE_UNSUPPORTED(X) \
    X(cache_blocks_2049, p->capacity = 2049; p->block = 1) \
    X(cache_blocks_2049_of_3, p->capacity = 3 * 2048 + 1; p->block = 3) \
    X(cache_elements, p->capacity = 1u << 30)

#define CACHE_VALID(X) \
    X(cache_blocks_2048, p->capacity = 2048; p->block = 1) \
    X(cache_blocks_2048_of_3, p->capacity = 3 * 2048; p->block = 3) \
    X(cache_of_one_block, p->block = (1u << 30) - 1)

// Rules of a forward of TOKENS tokens: `p` is valid, `e` has what one might use.
#define FORWARD_ERRORS(X) \
    X(tokens_65537, p->tokens = 65537) \
    X(tokens_many, p->tokens = UINT32_MAX) \
    X(no_x, p->x.buffer = NULL) \
    X(no_y, p->y.buffer = NULL) \
    X(no_lengths, p->lengths.buffer = NULL) \
    X(x_short, p->x.offset = TOTAL - e->x_size + 4) \
    X(x_beyond, p->x.offset = TOTAL + 4) \
    X(x_overflowing, p->x.offset = UINT64_MAX - 3) \
    X(y_short, p->y.offset = TOTAL - e->x_size + 4) \
    X(positions_short, p->positions.offset = TOTAL - TOKENS * 4 + 4) \
    X(sequences_short, p->sequences.offset = TOTAL - TOKENS * 4 + 4) \
    X(lengths_short, p->lengths.offset = TOTAL - SEQUENCES * 4 + 4) \
    X(ids_short, p->ids.offset = TOTAL - TOKENS * 8 + 4) \
    X(weights_short, p->weights.offset = TOTAL - TOKENS * 8 + 4) \
    X(x_misaligned, p->x.offset += 1) \
    X(y_misaligned, p->y.offset += 2) \
    X(positions_misaligned, p->positions.offset += 2) \
    X(sequences_misaligned, p->sequences.offset += 1) \
    X(lengths_misaligned, p->lengths.offset += 3) \
    X(ids_misaligned, p->ids.offset += 3) \
    X(weights_misaligned, p->weights.offset += 2) \
    X(y_is_x, p->y = p->x) \
    X(y_starts_in_x, p->y.offset = p->x.offset + e->x_size - 4) \
    X(y_over_positions, p->positions.offset = p->y.offset) \
    X(cache_of_other_heads, *cache = e->other_heads) \
    X(cache_of_other_head_size, *cache = e->other_head_size) \
    X(cache_of_other_blocks, *cache = e->other_blocks) \
    X(cache_without_blocks, *cache = e->without_blocks) \
    X(cache_too_short, p->positions.buffer = NULL; *cache = e->short_one) \
    X(stored_no_x, p->stored = true; p->x.buffer = NULL) \
    X(stored_no_y, p->stored = true; p->y.buffer = NULL) \
    X(stored_no_lengths, p->stored = true; p->lengths.buffer = NULL) \
    X(stored_cache_of_other_blocks, p->stored = true; *cache = e->other_blocks)

// Of vkmoe_attention_store().
#define STORE_ERRORS(X) \
    X(tokens_65537, p->tokens = 65537) \
    X(no_x, p->x.buffer = NULL) \
    X(x_short, p->x.offset = TOTAL - e->x_size + 4) \
    X(x_misaligned, p->x.offset += 2) \
    X(positions_short, p->positions.offset = TOTAL - TOKENS * 4 + 4) \
    X(positions_misaligned, p->positions.offset += 1) \
    X(sequences_short, p->sequences.offset = TOTAL - TOKENS * 4 + 4) \
    X(cache_of_other_heads, *cache = e->other_heads) \
    X(cache_of_other_head_size, *cache = e->other_head_size) \
    X(cache_of_other_blocks, *cache = e->other_blocks) \
    X(cache_too_short, p->positions.buffer = NULL; *cache = e->short_one) \
    X(cache_too_short_stored, p->stored = true; p->positions.buffer = NULL; *cache = e->short_one)

// What it does not look at.
#define STORE_VALID(X) \
    X(nothing_else, p->y.buffer = p->lengths.buffer = p->ids.buffer = p->weights.buffer = NULL) \
    X(stored, p->stored = true) \
    X(y_is_x, p->y = p->x) \
    X(ids_misaligned, p->ids.offset += 1)

enum { TOKENS = 5, SEQUENCES = 3, TOTAL = 8192 };

struct environment {
    struct harness harness;
    vkmoe_attention *attention;
    vkmoe_cache *cache, *other_heads, *other_head_size, *other_blocks, *without_blocks, *short_one;
    vkmoe_buffer *buffer;
    uint64_t x_size;
    unsigned char before[TOTAL], after[TOTAL];
};

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
        mix_matrices[i] = p->key;
    return (struct vkmoe_head_experts){
        .experts = 2,
        .experts_per_token = 1,
        .router = { .weight = p->query[0], .score = VKMOE_SCORE_SIGMOID },
        .matrices = mix_matrices,
    };
}

// SwitchHead, with the patterns of the base.
static void make_mixes(struct vkmoe_attention_params *p)
{
    p->experts = p->experts_per_token = 1;
    p->value_experts = p->output_experts = mix_of(p);
    p->value.data = NULL;
    p->output = NULL;
}

// Dense attention with heads of one element, which share one kv head.
static void make_narrow(struct vkmoe_attention_params *p, uint32_t heads, uint32_t kv_heads)
{
    p->experts = p->experts_per_token = p->head_size = p->expert_kv_heads = 1;
    p->rope.kind = VKMOE_ROPE_NONE;
    p->heads = heads;
    p->kv_heads = kv_heads;
    p->key = p->value = wide_view;
    p->query = p->output = &wide_view;
}

#define DEFINE_CREATE(name, ...) \
    static void create_##name(struct vkmoe_attention_params *p, struct vkmoe_pattern *patterns) \
    { \
        (void)p, (void)patterns; \
        __VA_ARGS__; \
    }
#define DEFINE_CACHE(name, ...) \
    static void create_##name(struct vkmoe_cache_params *p) \
    { \
        __VA_ARGS__; \
    }
#define DEFINE_TOKENS(name, ...) \
    static void name(struct vkmoe_attention_forward_params *p, const struct environment *e, \
        vkmoe_cache **cache) \
    { \
        (void)p, (void)e, (void)cache; \
        __VA_ARGS__; \
    }
#define DEFINE_FORWARD(name, ...) DEFINE_TOKENS(forward_##name, __VA_ARGS__)
#define DEFINE_STORE(name, ...) DEFINE_TOKENS(store_##name, __VA_ARGS__)
CREATE_ERRORS(DEFINE_CREATE)
CREATE_VALID(DEFINE_CREATE)
CACHE_ERRORS(DEFINE_CACHE)
CACHE_UNSUPPORTED(DEFINE_CACHE)
CACHE_VALID(DEFINE_CACHE)
FORWARD_ERRORS(DEFINE_FORWARD)
STORE_ERRORS(DEFINE_STORE)
STORE_VALID(DEFINE_STORE)

struct create_error {
    const char *name;
    void (*apply)(struct vkmoe_attention_params *p, struct vkmoe_pattern *patterns);
    enum vkmoe_status expected;
};
struct cache_error {
    const char *name;
    void (*apply)(struct vkmoe_cache_params *p);
    enum vkmoe_status expected;
};
struct forward_error {
    const char *name;
    void (*apply)(
        struct vkmoe_attention_forward_params *p, const struct environment *e, vkmoe_cache **cache);
    enum vkmoe_status expected;
    bool store;
};
#define CREATE_ROW(name, ...) { "create-" #name, create_##name, VKMOE_ERROR_INVALID },
#define UNSUPPORTED_ROW(name, ...) { "create-" #name, create_##name, VKMOE_ERROR_UNSUPPORTED },
#define VALID_ROW(name, ...) { "create-" #name, create_##name, VKMOE_OK },
#define FORWARD_ROW(name, ...) { "forward-" #name, forward_##name, VKMOE_ERROR_INVALID, false },
#define STORE_ROW(name, ...) { "store-" #name, store_##name, VKMOE_ERROR_INVALID, true },
#define STORE_VALID_ROW(name, ...) { "store-" #name, store_##name, VKMOE_OK, true },
static const struct create_error create_errors[] = { CREATE_ERRORS(CREATE_ROW)
        CREATE_VALID(VALID_ROW){ 0 } };
static const struct cache_error cache_errors[] = { CACHE_ERRORS(CREATE_ROW)
        CACHE_UNSUPPORTED(UNSUPPORTED_ROW) CACHE_VALID(VALID_ROW){ 0 } };
static const struct forward_error forward_errors[] = { FORWARD_ERRORS(FORWARD_ROW)
        STORE_ERRORS(STORE_ROW) STORE_VALID(STORE_VALID_ROW){ 0 } };

static const struct attention_case base_case = {
    .name = "base", .tokens = TOKENS, .sequences = SEQUENCES,
    .attention = {
        .hidden = 12, .head_size = 8, .heads = 4, .kv_heads = 2, .experts = 4,
        .experts_per_token = 2, .rope = {.kind = VKMOE_ROPE_HALF},
        .patterns = (const struct vkmoe_pattern[4]){{.left = 3}, {0}, {.both_sides = true},
            {.kind = VKMOE_PATTERN_BLOCKS, .block = 4, .top = 2}},
    },
};

// One message for a refusal, none for success, and an object only for that.
static bool is_as_expected(struct harness *harness, const char *function, enum vkmoe_status status,
    enum vkmoe_status expected, const void *object, bool has_object)
{
    const bool valid = expected == VKMOE_OK;
    if (has_object && (object != NULL) != valid)
        tap_note(valid ? "*out is NULL" : "*out is not NULL");
    if (valid && (status != VKMOE_OK || harness->messages))
        tap_note("%s: %s with %" PRIu32 " messages", function, vkmoe_status_name(status),
            harness->messages);
    return (valid ? status == VKMOE_OK && !harness->messages
                  : is_refused(harness, function, status, expected))
        && (!has_object || (object != NULL) == valid);
}

static bool check_create(struct environment *e, const struct create_error *error,
    const struct vkmoe_attention_params *valid)
{
    struct vkmoe_pattern patterns[4];
    struct vkmoe_attention_params params = *valid;
    memcpy(patterns, valid->patterns, sizeof(patterns));
    params.patterns = patterns;
    error->apply(&params, patterns);
    e->harness.messages = 0;
    vkmoe_attention *attention = (vkmoe_attention *)e; // anything but NULL
    enum vkmoe_status status = vkmoe_attention_create(e->harness.device, &params, &attention);
    bool ok = is_as_expected(
        &e->harness, "vkmoe_attention_create", status, error->expected, attention, true);
    if (status == VKMOE_OK)
        vkmoe_attention_destroy(&attention);
    return ok;
}

static bool check_cache(struct environment *e, const struct cache_error *error)
{
    struct vkmoe_cache_params params = {
        .kv_heads = 2,
        .head_size = 8,
        .sequences = SEQUENCES,
        .capacity = 9,
    };
    error->apply(&params);
    e->harness.messages = 0;
    vkmoe_cache *cache = (vkmoe_cache *)e; // anything but NULL
    enum vkmoe_status status = vkmoe_cache_create(e->harness.device, &params, &cache);
    bool ok =
        is_as_expected(&e->harness, "vkmoe_cache_create", status, error->expected, cache, true);
    if (status == VKMOE_OK)
        vkmoe_cache_destroy(&cache);
    return ok;
}

// Far enough apart that no error reaches from one into another by mistake.
static bool check_forward(struct environment *e, const struct forward_error *error)
{
    struct vkmoe_attention_forward_params params = {
        .tokens = TOKENS,
        .x = { e->buffer, 1024 },
        .y = { e->buffer, 2048 },
        .positions = { e->buffer, 3072 },
        .sequences = { e->buffer, 4096 },
        .lengths = { e->buffer, 5120 },
        .ids = { e->buffer, 6144 },
        .weights = { e->buffer, 7168 },
    };
    vkmoe_cache *cache = e->cache;
    error->apply(&params, e, &cache);
    e->harness.messages = 0;
    enum vkmoe_status status = error->store
        ? vkmoe_attention_store(e->harness.stream, e->attention, cache, &params)
        : vkmoe_attention_forward(e->harness.stream, e->attention, cache, &params);
    bool ok = is_as_expected(&e->harness,
        error->store ? "vkmoe_attention_store" : "vkmoe_attention_forward", status, error->expected,
        NULL, false);
    return harness_run(&e->harness)
        && is_ok(vkmoe_buffer_download(e->buffer, 0, e->after, TOTAL), "download")
        && compare_bits("buffer", e->before, e->after, TOTAL) && ok;
}

static bool make_cache(struct environment *e, struct vkmoe_cache_params params, vkmoe_cache **out)
{
    params.sequences = SEQUENCES;
    return is_ok(vkmoe_cache_create(e->harness.device, &params, out), "cache");
}

static bool make_caches(struct environment *e)
{
    struct vkmoe_cache_params fits = { .kv_heads = 2, .head_size = 8, .capacity = 9, .block = 4 };
    struct vkmoe_cache_params heads = fits, head_size = fits, blocks = fits, none = fits;
    struct vkmoe_cache_params tight = fits;
    heads.kv_heads = 1;
    head_size.head_size = 4;
    blocks.block = 5;
    none.block = 0;
    tight.capacity = TOKENS - 1;
    return make_cache(e, fits, &e->cache) && make_cache(e, heads, &e->other_heads)
        && make_cache(e, head_size, &e->other_head_size) && make_cache(e, blocks, &e->other_blocks)
        && make_cache(e, none, &e->without_blocks) && make_cache(e, tight, &e->short_one);
}

static bool environment_init(struct environment *e, const struct vkmoe_attention_params *params)
{
    e->x_size = TOKENS * params->hidden * 4;
    guard_fill(e->before, TOTAL);
    return is_ok(vkmoe_attention_create(e->harness.device, params, &e->attention), "attention")
        && make_caches(e)
        && is_ok(vkmoe_buffer_create(e->harness.device, TOTAL, &e->buffer), "buffer")
        && is_ok(vkmoe_buffer_upload(e->buffer, 0, e->before, TOTAL), "upload");
}

static void environment_finish(struct environment *e)
{
    vkmoe_attention_destroy(&e->attention);
    vkmoe_cache_destroy(&e->cache);
    vkmoe_cache_destroy(&e->other_heads);
    vkmoe_cache_destroy(&e->other_head_size);
    vkmoe_cache_destroy(&e->other_blocks);
    vkmoe_cache_destroy(&e->without_blocks);
    vkmoe_cache_destroy(&e->short_one);
    vkmoe_buffer_destroy(&e->buffer);
}

static void check_all(
    struct tap *tap, struct environment *e, const struct vkmoe_attention_params *valid)
{
    for (const struct create_error *error = create_errors; error->name; error++) {
        if (tap_wants(tap, error->name))
            tap_result(tap, check_create(e, error, valid), error->name);
    }
    for (const struct cache_error *error = cache_errors; error->name; error++) {
        if (tap_wants(tap, error->name))
            tap_result(tap, check_cache(e, error), error->name);
    }
    for (const struct forward_error *error = forward_errors; error->name; error++) {
        if (tap_wants(tap, error->name))
            tap_result(tap, check_forward(e, error), error->name);
    }
}

int main(int argc, char **argv)
{
    static struct environment e;
    struct tap tap;
    struct attention_data data;
    int code;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    if (tap.list) {
        check_all(&tap, &e, NULL);
        return tap_end(&tap);
    }
    if (!harness_init(&e.harness, &tap, &code))
        return code;
    attention_data_init(&data, &base_case, tap.seed);
    if (environment_init(&e, &data.params))
        check_all(&tap, &e, &data.params);
    else
        tap_result(&tap, false, "valid objects");
    environment_finish(&e);
    attention_data_finish(&data);
    // Destroying nothing is fine.
    vkmoe_attention_destroy(NULL);
    vkmoe_attention_destroy(&e.attention);
    vkmoe_cache_destroy(NULL);
    vkmoe_cache_destroy(&e.cache);
    return harness_finish(&e.harness, &tap);
}
