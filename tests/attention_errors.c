// attention_errors.c - what attention and caches must refuse: INVALID, *out NULL, one line
// in the log, nothing recorded. Environment: harness.h.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention_cases.h"
#include "compare.h"
#include "harness.h"

#define UNKNOWN 99

// Rules of struct vkmoe_attention_params: `p` is valid, `patterns` its own.
#define CREATE_ERRORS(X)                                                                          \
    X(hidden_0, p->hidden = 0)                                                                    \
    X(hidden_65537, p->hidden = 65537)                                                            \
    X(head_size_0, p->head_size = 0)                                                              \
    X(head_size_257, p->head_size = 257)                                                          \
    X(heads_0, p->heads = 0)                                                                      \
    X(heads_many, p->heads = UINT32_MAX)                                                          \
    X(heads_times_size_overflow, p->heads = 1u << 28; p->kv_heads = 1)                            \
    X(kv_heads_0, p->kv_heads = 0)                                                                \
    X(kv_heads_do_not_divide, p->kv_heads = 3)                                                    \
    X(kv_heads_above_heads, p->kv_heads = 8)                                                      \
    X(experts_0, p->experts = 0)                                                                  \
    X(experts_1025, p->experts = 1025)                                                            \
    X(k_0, p->experts_per_token = 0)                                                              \
    X(k_above_experts, p->experts_per_token = p->experts + 1)                                     \
    X(no_router, p->router.weight.data = NULL)                                                    \
    X(capacity, p->router.capacity = 3)                                                           \
    X(unknown_score, p->router.score = (enum vkmoe_score)UNKNOWN)                                 \
    X(no_query, p->query = NULL)                                                                  \
    X(no_output, p->output = NULL)                                                                \
    X(no_key, p->key.data = NULL)                                                                 \
    X(no_value, p->value.data = NULL)                                                             \
    X(unknown_dtype_of_key, p->key.dtype = (enum vkmoe_dtype)UNKNOWN)                             \
    X(unknown_dtype_of_sinks, p->sinks = p->key; p->sinks.dtype = (enum vkmoe_dtype)UNKNOWN)      \
    X(unknown_dtype_of_norm, p->key_norm = p->key;                                                \
        p->key_norm.dtype = (enum vkmoe_dtype)UNKNOWN)                                            \
    X(scale_nan, p->scale = NAN)                                                                  \
    X(soft_cap_negative, p->soft_cap = -1.0f)                                                     \
    X(soft_cap_infinite, p->soft_cap = INFINITY)                                                  \
    X(clip_negative, p->value_clip = -1.0f)                                                       \
    X(epsilon_negative, p->norm_epsilon = -1.0f)                                                  \
    X(unknown_rope, p->rope.kind = (enum vkmoe_rope_kind)UNKNOWN)                                 \
    X(unknown_scaling, p->rope.scaling = (enum vkmoe_rope_scaling)UNKNOWN)                        \
    X(rope_odd, p->rope.size = 7)                                                                 \
    X(rope_above_head, p->rope.size = p->head_size + 2)                                           \
    X(rope_base_negative, p->rope.base = -3.0f)                                                   \
    X(rope_base_nan, p->rope.base = NAN)                                                          \
    X(rope_linear_factor_0, p->rope.scaling = VKMOE_ROPE_LINEAR)                                  \
    X(rope_llama3_factors, p->rope.scaling = VKMOE_ROPE_LLAMA3; p->rope.factor = 8;               \
        p->rope.original_positions = 64; p->rope.low_factor = 4; p->rope.high_factor = 4)         \
    X(rope_llama3_positions, p->rope.scaling = VKMOE_ROPE_LLAMA3; p->rope.factor = 8;             \
        p->rope.low_factor = 1; p->rope.high_factor = 4)                                          \
    X(rope_yarn_positions, p->rope.scaling = VKMOE_ROPE_YARN; p->rope.factor = 8)                 \
    X(rope_dynamic_positions, p->rope.scaling = VKMOE_ROPE_DYNAMIC; p->rope.factor = 2)           \
    X(rope_dynamic_factor, p->rope.scaling = VKMOE_ROPE_DYNAMIC; p->rope.factor = 0.5f;           \
        p->rope.original_positions = 64)                                                          \
    X(rope_dynamic_one_pair, p->rope.scaling = VKMOE_ROPE_DYNAMIC; p->rope.factor = 2;            \
        p->rope.original_positions = 64; p->rope.size = 2)                                        \
    X(unknown_pattern, patterns[2].kind = (enum vkmoe_pattern_kind)UNKNOWN)                       \
    X(step_0, patterns[1].kind = VKMOE_PATTERN_STRIDED; patterns[1].step = 0)                     \
    X(phase_is_step, patterns[1].kind = VKMOE_PATTERN_DILATED; patterns[1].step = 4;              \
        patterns[1].phase = 4)

#define CACHE_ERRORS(X)                                                                           \
    X(cache_heads_0, p->kv_heads = 0)                                                             \
    X(cache_head_size_0, p->head_size = 0)                                                        \
    X(cache_head_size_257, p->head_size = 257)                                                    \
    X(cache_sequences_0, p->sequences = 0)                                                        \
    X(cache_capacity_0, p->capacity = 0)                                                          \
    X(cache_bf16, p->dtype = VKMOE_BF16)                                                          \
    X(cache_unknown_dtype, p->dtype = (enum vkmoe_dtype)UNKNOWN)

// Rules of a forward of TOKENS tokens: `p` is valid, `e` has what one might use.
#define FORWARD_ERRORS(X)                                                                         \
    X(tokens_65537, p->tokens = 65537)                                                            \
    X(tokens_many, p->tokens = UINT32_MAX)                                                        \
    X(no_x, p->x.buffer = NULL)                                                                   \
    X(no_y, p->y.buffer = NULL)                                                                   \
    X(no_lengths, p->lengths.buffer = NULL)                                                       \
    X(x_short, p->x.offset = TOTAL - e->x_size + 4)                                               \
    X(x_beyond, p->x.offset = TOTAL + 4)                                                          \
    X(x_overflowing, p->x.offset = UINT64_MAX - 3)                                                \
    X(y_short, p->y.offset = TOTAL - e->x_size + 4)                                               \
    X(positions_short, p->positions.offset = TOTAL - TOKENS * 4 + 4)                              \
    X(sequences_short, p->sequences.offset = TOTAL - TOKENS * 4 + 4)                              \
    X(lengths_short, p->lengths.offset = TOTAL - SEQUENCES * 4 + 4)                               \
    X(ids_short, p->ids.offset = TOTAL - TOKENS * 8 + 4)                                          \
    X(weights_short, p->weights.offset = TOTAL - TOKENS * 8 + 4)                                  \
    X(x_misaligned, p->x.offset += 1)                                                             \
    X(y_misaligned, p->y.offset += 2)                                                             \
    X(positions_misaligned, p->positions.offset += 2)                                             \
    X(sequences_misaligned, p->sequences.offset += 1)                                             \
    X(lengths_misaligned, p->lengths.offset += 3)                                                 \
    X(ids_misaligned, p->ids.offset += 3)                                                         \
    X(weights_misaligned, p->weights.offset += 2)                                                 \
    X(y_is_x, p->y = p->x)                                                                        \
    X(y_starts_in_x, p->y.offset = p->x.offset + e->x_size - 4)                                   \
    X(y_over_positions, p->positions.offset = p->y.offset)                                        \
    X(cache_of_other_heads, *cache = e->other_heads)                                              \
    X(cache_of_other_head_size, *cache = e->other_head_size)

enum { TOKENS = 5, SEQUENCES = 3, TOTAL = 8192 };

struct environment {
    struct harness harness;
    vkmoe_attention *attention;
    vkmoe_cache *cache, *other_heads, *other_head_size;
    vkmoe_buffer *buffer;
    uint64_t x_size;
    unsigned char before[TOTAL], after[TOTAL];
};

#define DEFINE_CREATE(name, ...)                                                                  \
    static void create_##name(struct vkmoe_attention_params *p, struct vkmoe_pattern *patterns)   \
    {                                                                                             \
        (void)p, (void)patterns;                                                                  \
        __VA_ARGS__;                                                                              \
    }
#define DEFINE_CACHE(name, ...)                                                                   \
    static void create_##name(struct vkmoe_cache_params *p)                                       \
    {                                                                                             \
        __VA_ARGS__;                                                                              \
    }
#define DEFINE_FORWARD(name, ...)                                                                 \
    static void forward_##name(struct vkmoe_attend_params *p, const struct environment *e,        \
        vkmoe_cache **cache)                                                                      \
    {                                                                                             \
        (void)p, (void)e, (void)cache;                                                            \
        __VA_ARGS__;                                                                              \
    }
CREATE_ERRORS(DEFINE_CREATE)
CACHE_ERRORS(DEFINE_CACHE)
FORWARD_ERRORS(DEFINE_FORWARD)

struct create_error {
    const char *name;
    void (*apply)(struct vkmoe_attention_params *p, struct vkmoe_pattern *patterns);
};
struct cache_error {
    const char *name;
    void (*apply)(struct vkmoe_cache_params *p);
};
struct forward_error {
    const char *name;
    void (*apply)(struct vkmoe_attend_params *p, const struct environment *e,
        vkmoe_cache **cache);
};
#define CREATE_ROW(name, ...) {"create-" #name, create_##name},
#define FORWARD_ROW(name, ...) {"forward-" #name, forward_##name},
static const struct create_error create_errors[] = {CREATE_ERRORS(CREATE_ROW) {0}};
static const struct cache_error cache_errors[] = {CACHE_ERRORS(CREATE_ROW) {0}};
static const struct forward_error forward_errors[] = {FORWARD_ERRORS(FORWARD_ROW) {0}};

static const struct attention_case base_case = {
    .name = "base", .tokens = TOKENS, .sequences = SEQUENCES,
    .attention = {
        .hidden = 12, .head_size = 8, .heads = 4, .kv_heads = 2, .experts = 4,
        .experts_per_token = 2, .rope = {.kind = VKMOE_ROPE_HALF},
        .patterns = (const struct vkmoe_pattern[4]){{.left = 3}, {0}, {.both_sides = true}, {0}},
    },
};

static bool is_refused(struct harness *harness, enum vkmoe_status status, const void *object)
{
    if (status != VKMOE_ERROR_INVALID)
        tap_note("%s, expected invalid", vkmoe_status_name(status));
    if (object)
        tap_note("*out is not NULL");
    if (harness->messages != 1)
        tap_note("%" PRIu32 " messages, expected one", harness->messages);
    return status == VKMOE_ERROR_INVALID && !object && harness->messages == 1;
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
    bool ok = is_refused(&e->harness, status, attention);
    if (status == VKMOE_OK)
        vkmoe_attention_destroy(&attention);
    return ok;
}

static bool check_cache(struct environment *e, const struct cache_error *error)
{
    struct vkmoe_cache_params params = {
        .kv_heads = 2, .head_size = 8, .sequences = SEQUENCES, .capacity = 9,
    };
    error->apply(&params);
    e->harness.messages = 0;
    vkmoe_cache *cache = (vkmoe_cache *)e; // anything but NULL
    enum vkmoe_status status = vkmoe_cache_create(e->harness.device, &params, &cache);
    bool ok = is_refused(&e->harness, status, cache);
    if (status == VKMOE_OK)
        vkmoe_cache_destroy(&cache);
    return ok;
}

// Far enough apart that no error reaches from one into another by mistake.
static bool check_forward(struct environment *e, const struct forward_error *error)
{
    struct vkmoe_attend_params params = {
        .tokens = TOKENS,
        .x = {e->buffer, 1024},
        .y = {e->buffer, 2048},
        .positions = {e->buffer, 3072},
        .sequences = {e->buffer, 4096},
        .lengths = {e->buffer, 5120},
        .ids = {e->buffer, 6144},
        .weights = {e->buffer, 7168},
    };
    vkmoe_cache *cache = e->cache;
    error->apply(&params, e, &cache);
    e->harness.messages = 0;
    bool ok = is_refused(&e->harness,
        vkmoe_attention_forward(e->harness.stream, e->attention, cache, &params), NULL);
    return harness_run(&e->harness) &&
        is_ok(vkmoe_buffer_download(e->buffer, 0, e->after, TOTAL), "download") &&
        compare_bits("buffer", e->before, e->after, TOTAL) && ok;
}

static bool make_cache(struct environment *e, uint32_t kv_heads, uint32_t head_size,
    vkmoe_cache **out)
{
    return is_ok(vkmoe_cache_create(e->harness.device, &(struct vkmoe_cache_params){
        .kv_heads = kv_heads, .head_size = head_size, .sequences = SEQUENCES, .capacity = 9,
    }, out), "cache");
}

static bool environment_init(struct environment *e, const struct vkmoe_attention_params *params)
{
    e->x_size = TOKENS * params->hidden * 4;
    guard_fill(e->before, TOTAL);
    return is_ok(vkmoe_attention_create(e->harness.device, params, &e->attention), "attention") &&
        make_cache(e, 2, 8, &e->cache) && make_cache(e, 1, 8, &e->other_heads) &&
        make_cache(e, 2, 4, &e->other_head_size) &&
        is_ok(vkmoe_buffer_create(e->harness.device, TOTAL, &e->buffer), "buffer") &&
        is_ok(vkmoe_buffer_upload(e->buffer, 0, e->before, TOTAL), "upload");
}

static void environment_finish(struct environment *e)
{
    vkmoe_attention_destroy(&e->attention);
    vkmoe_cache_destroy(&e->cache);
    vkmoe_cache_destroy(&e->other_heads);
    vkmoe_cache_destroy(&e->other_head_size);
    vkmoe_buffer_destroy(&e->buffer);
}

static void check_all(struct tap *tap, struct environment *e,
    const struct vkmoe_attention_params *valid)
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
