// attention_errors.c - what attention and caches must refuse: INVALID or UNSUPPORTED, *out NULL,
// one line in the log, nothing recorded; and what they must not. Environment: harness.h.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention_cases.h"
#include "attention_errors.h"
#include "compare.h"
#include "harness.h"

enum { TOKENS = 5, SEQUENCES = 3, TOTAL = 8192 };

struct environment {
    struct harness harness;
    vkmoe_attention *attention;
    vkmoe_cache *cache, *other_heads, *other_head_size, *other_blocks, *without_blocks, *short_one;
    vkmoe_cache *many_blocks; // as only nsa may have them
    vkmoe_cache *keys_only;
    vkmoe_buffer *buffer;
    uint64_t x_size;
    unsigned char before[TOTAL], after[TOTAL];
};

struct forwarding {
    struct vkmoe_attention_forward_params p; // likewise, of TOKENS tokens
    const struct environment *e;             // what one might use
    vkmoe_cache *cache;
};

// clang-format off
// Caches that are invalid, not supported, and valid.
static void create_cache_heads_0(struct vkmoe_cache_params *p) { p->kv_heads = 0; }
static void create_cache_head_size_0(struct vkmoe_cache_params *p) { p->head_size = 0; }
static void create_cache_head_size_513(struct vkmoe_cache_params *p) { p->head_size = 513; }
static void create_cache_keys_only_641(struct vkmoe_cache_params *p)
{
    p->keys_only = true;
    p->head_size = 641;
}
static void create_cache_keys_only_blocks(struct vkmoe_cache_params *p)
{
    p->keys_only = true;
    p->block = 4;
}
static void create_cache_keys_only(struct vkmoe_cache_params *p)
{
    p->keys_only = true;
    p->head_size = 640;
}
static void create_cache_sequences_0(struct vkmoe_cache_params *p) { p->sequences = 0; }
static void create_cache_capacity_0(struct vkmoe_cache_params *p) { p->capacity = 0; }
static void create_cache_bf16(struct vkmoe_cache_params *p) { p->dtype = VKMOE_DTYPE_BF16; }
static void create_cache_unknown_dtype(struct vkmoe_cache_params *p)
{
    p->dtype = (enum vkmoe_dtype)UNKNOWN;
}
static void create_cache_block_huge(struct vkmoe_cache_params *p) { p->block = 1u << 30; }
static void create_cache_blocks_2049(struct vkmoe_cache_params *p)
{
    p->capacity = 2049;
    p->block = 1;
}
static void create_cache_blocks_2049_of_3(struct vkmoe_cache_params *p)
{
    p->capacity = 3 * 2048 + 1;
    p->block = 3;
}
static void create_cache_stride_3(struct vkmoe_cache_params *p)
{
    p->block = 4;
    p->stride = 3;
}
static void create_cache_stride_alone(struct vkmoe_cache_params *p) { p->stride = 3; }
static void create_cache_mean_values_alone(struct vkmoe_cache_params *p) { p->mean_values = true; }
static void create_cache_strides_2049(struct vkmoe_cache_params *p)
{
    p->capacity = 2 * 2048 + 1;
    p->block = 4;
    p->stride = 2;
}
static void create_cache_strides_2048(struct vkmoe_cache_params *p)
{
    p->capacity = 2 * 2048;
    p->block = 4;
    p->stride = 2;
}
static void create_cache_means_2049(struct vkmoe_cache_params *p)
{
    create_cache_strides_2049(p);
    p->mean_values = true;
}
static void create_cache_elements(struct vkmoe_cache_params *p) { p->capacity = 1u << 30; }
static void create_cache_blocks_2048(struct vkmoe_cache_params *p)
{
    p->capacity = 2048;
    p->block = 1;
}
static void create_cache_blocks_2048_of_3(struct vkmoe_cache_params *p)
{
    p->capacity = 3 * 2048;
    p->block = 3;
}
static void create_cache_of_one_block(struct vkmoe_cache_params *p) { p->block = (1u << 30) - 1; }

// What a forward must refuse.
static void forward_tokens_65537(struct forwarding *f) { f->p.tokens = 65537; }
static void forward_tokens_many(struct forwarding *f) { f->p.tokens = UINT32_MAX; }
static void forward_no_x(struct forwarding *f) { f->p.x.buffer = NULL; }
static void forward_no_y(struct forwarding *f) { f->p.y.buffer = NULL; }
static void forward_no_lengths(struct forwarding *f) { f->p.lengths.buffer = NULL; }
static void forward_x_short(struct forwarding *f) { f->p.x.offset = TOTAL - f->e->x_size + 4; }
static void forward_x_beyond(struct forwarding *f) { f->p.x.offset = TOTAL + 4; }
static void forward_x_overflowing(struct forwarding *f) { f->p.x.offset = UINT64_MAX - 3; }
static void forward_y_short(struct forwarding *f) { f->p.y.offset = TOTAL - f->e->x_size + 4; }
static void forward_positions_short(struct forwarding *f)
{
    f->p.positions.offset = TOTAL - TOKENS * 4 + 4;
}
static void forward_sequences_short(struct forwarding *f)
{
    f->p.sequences.offset = TOTAL - TOKENS * 4 + 4;
}
static void forward_lengths_short(struct forwarding *f)
{
    f->p.lengths.offset = TOTAL - SEQUENCES * 4 + 4;
}
static void forward_ids_short(struct forwarding *f) { f->p.ids.offset = TOTAL - TOKENS * 8 + 4; }
static void forward_weights_short(struct forwarding *f)
{
    f->p.weights.offset = TOTAL - TOKENS * 8 + 4;
}
static void forward_x_misaligned(struct forwarding *f) { f->p.x.offset += 1; }
static void forward_y_misaligned(struct forwarding *f) { f->p.y.offset += 2; }
static void forward_positions_misaligned(struct forwarding *f) { f->p.positions.offset += 2; }
static void forward_sequences_misaligned(struct forwarding *f) { f->p.sequences.offset += 1; }
static void forward_lengths_misaligned(struct forwarding *f) { f->p.lengths.offset += 3; }
static void forward_ids_misaligned(struct forwarding *f) { f->p.ids.offset += 3; }
static void forward_weights_misaligned(struct forwarding *f) { f->p.weights.offset += 2; }
static void forward_y_is_x(struct forwarding *f) { f->p.y = f->p.x; }
static void forward_y_starts_in_x(struct forwarding *f)
{
    f->p.y.offset = f->p.x.offset + f->e->x_size - 4;
}
static void forward_y_over_positions(struct forwarding *f)
{
    f->p.positions.offset = f->p.y.offset;
}
static void forward_cache_of_other_heads(struct forwarding *f) { f->cache = f->e->other_heads; }
static void forward_cache_of_other_head_size(struct forwarding *f)
{
    f->cache = f->e->other_head_size;
}
static void forward_cache_of_2049_blocks(struct forwarding *f) { f->cache = f->e->many_blocks; }
static void forward_cache_of_other_blocks(struct forwarding *f) { f->cache = f->e->other_blocks; }
static void forward_sequence_tokens(struct forwarding *f) { f->p.sequence_tokens = TOKENS; }
static void forward_cache_of_keys_only(struct forwarding *f) { f->cache = f->e->keys_only; }
static void forward_cache_without_blocks(struct forwarding *f) { f->cache = f->e->without_blocks; }
static void forward_cache_too_short(struct forwarding *f)
{
    f->p.positions.buffer = NULL;
    f->cache = f->e->short_one;
}
static void forward_stored_no_x(struct forwarding *f) { f->p.stored = true; f->p.x.buffer = NULL; }
static void forward_stored_no_y(struct forwarding *f) { f->p.stored = true; f->p.y.buffer = NULL; }
static void forward_stored_no_lengths(struct forwarding *f)
{
    f->p.stored = true;
    f->p.lengths.buffer = NULL;
}
static void forward_stored_cache_of_other_blocks(struct forwarding *f)
{
    f->p.stored = true;
    f->cache = f->e->other_blocks;
}

// What vkmoe_attention_store() must refuse, and what it does not look at.
static void store_tokens_65537(struct forwarding *f) { f->p.tokens = 65537; }
static void store_no_x(struct forwarding *f) { f->p.x.buffer = NULL; }
static void store_x_short(struct forwarding *f) { f->p.x.offset = TOTAL - f->e->x_size + 4; }
static void store_x_misaligned(struct forwarding *f) { f->p.x.offset += 2; }
static void store_positions_short(struct forwarding *f)
{
    f->p.positions.offset = TOTAL - TOKENS * 4 + 4;
}
static void store_positions_misaligned(struct forwarding *f) { f->p.positions.offset += 1; }
static void store_sequences_short(struct forwarding *f)
{
    f->p.sequences.offset = TOTAL - TOKENS * 4 + 4;
}
static void store_cache_of_other_heads(struct forwarding *f) { f->cache = f->e->other_heads; }
static void store_cache_of_other_head_size(struct forwarding *f)
{
    f->cache = f->e->other_head_size;
}
static void store_cache_of_other_blocks(struct forwarding *f) { f->cache = f->e->other_blocks; }
static void store_cache_too_short(struct forwarding *f)
{
    f->p.positions.buffer = NULL;
    f->cache = f->e->short_one;
}
static void store_cache_too_short_stored(struct forwarding *f)
{
    f->p.stored = true;
    f->p.positions.buffer = NULL;
    f->cache = f->e->short_one;
}
static void store_nothing_else(struct forwarding *f)
{
    f->p.y.buffer = f->p.lengths.buffer = f->p.ids.buffer = f->p.weights.buffer = NULL;
}
static void store_stored(struct forwarding *f) { f->p.stored = true; }
static void store_y_is_x(struct forwarding *f) { f->p.y = f->p.x; }
static void store_ids_misaligned(struct forwarding *f) { f->p.ids.offset += 1; }

struct cache_error {
    const char *name;
    void (*apply)(struct vkmoe_cache_params *p);
    enum vkmoe_status expected;
};
struct forward_error {
    const char *name;
    void (*apply)(struct forwarding *f);
    enum vkmoe_status expected;
    bool store;
};
#define FORWARD(name) {"forward-" #name, forward_##name, VKMOE_ERROR_INVALID, false}
#define STORE(name) {"store-" #name, store_##name, VKMOE_ERROR_INVALID, true}
#define STORE_VALID(name) {"store-" #name, store_##name, VKMOE_OK, true}
static const struct cache_error cache_errors[] = {
    INVALID(cache_heads_0), INVALID(cache_head_size_0), INVALID(cache_head_size_513),
    INVALID(cache_sequences_0), INVALID(cache_capacity_0), INVALID(cache_bf16),
    INVALID(cache_unknown_dtype), INVALID(cache_block_huge), INVALID(cache_keys_only_641),
    INVALID(cache_keys_only_blocks), VALID(cache_keys_only),
    UNSUPPORTED(cache_blocks_2049), UNSUPPORTED(cache_blocks_2049_of_3),
    UNSUPPORTED(cache_elements), UNSUPPORTED(cache_strides_2049), VALID(cache_strides_2048),
    VALID(cache_means_2049),
    INVALID(cache_stride_3), INVALID(cache_stride_alone), INVALID(cache_mean_values_alone),
    VALID(cache_blocks_2048), VALID(cache_blocks_2048_of_3), VALID(cache_of_one_block),
    {0},
};
// What an attention with means of 4 positions, every 2, can have for a cache.
static void nsa_right(struct vkmoe_cache_params *p) { (void)p; }
static void nsa_no_means(struct vkmoe_cache_params *p)
{
    p->block = p->stride = 0;
    p->mean_values = false;
}
static void nsa_no_mean_values(struct vkmoe_cache_params *p) { p->mean_values = false; }
static void nsa_other_block(struct vkmoe_cache_params *p) { p->block = 2; }
static void nsa_other_stride(struct vkmoe_cache_params *p) { p->stride = 0; }
static void nsa_scores_3073(struct vkmoe_cache_params *p) { p->capacity = 2 * 2048; }
static void nsa_scores_3072(struct vkmoe_cache_params *p) { p->capacity = 2 * 1536; }
static const struct cache_error nsa_errors[] = {
    {"nsa-cache", nsa_right, VKMOE_OK},
    {"nsa-cache-no-means", nsa_no_means, VKMOE_ERROR_INVALID},
    {"nsa-cache-no-mean-values", nsa_no_mean_values, VKMOE_ERROR_INVALID},
    {"nsa-cache-other-block", nsa_other_block, VKMOE_ERROR_INVALID},
    {"nsa-cache-other-stride", nsa_other_stride, VKMOE_ERROR_INVALID},
    {"nsa-cache-scores-3073", nsa_scores_3073, VKMOE_ERROR_UNSUPPORTED},
    {"nsa-cache-scores-3072", nsa_scores_3072, VKMOE_OK},
    {0},
};
static const struct forward_error forward_errors[] = {
    FORWARD(tokens_65537), FORWARD(tokens_many), FORWARD(no_x), FORWARD(no_y), FORWARD(no_lengths),
    FORWARD(x_short), FORWARD(x_beyond), FORWARD(x_overflowing), FORWARD(y_short),
    FORWARD(positions_short), FORWARD(sequences_short), FORWARD(lengths_short), FORWARD(ids_short),
    FORWARD(weights_short), FORWARD(x_misaligned), FORWARD(y_misaligned),
    FORWARD(positions_misaligned), FORWARD(sequences_misaligned), FORWARD(lengths_misaligned),
    FORWARD(ids_misaligned), FORWARD(weights_misaligned), FORWARD(y_is_x), FORWARD(y_starts_in_x),
    FORWARD(y_over_positions), FORWARD(cache_of_other_heads), FORWARD(cache_of_other_head_size),
    FORWARD(cache_of_other_blocks), FORWARD(cache_without_blocks), FORWARD(cache_too_short),
    FORWARD(cache_of_keys_only), FORWARD(sequence_tokens),
    FORWARD(stored_no_x), FORWARD(stored_no_y), FORWARD(stored_no_lengths),
    FORWARD(stored_cache_of_other_blocks),
    {"forward-cache-of-2049-blocks", forward_cache_of_2049_blocks, VKMOE_ERROR_UNSUPPORTED, false},
    STORE(tokens_65537), STORE(no_x), STORE(x_short), STORE(x_misaligned), STORE(positions_short),
    STORE(positions_misaligned), STORE(sequences_short), STORE(cache_of_other_heads),
    STORE(cache_of_other_head_size), STORE(cache_of_other_blocks), STORE(cache_too_short),
    STORE(cache_too_short_stored),
    STORE_VALID(nothing_else), STORE_VALID(stored), STORE_VALID(y_is_x),
    STORE_VALID(ids_misaligned),
    {0},
};

static const struct attention_case base_case = {
    .name = "base", .tokens = TOKENS, .sequences = SEQUENCES,
    .attention = {
        .hidden = 12, .head_size = 8, .heads = 4, .kv_heads = 2, .experts = 4,
        .experts_per_token = 2, .rope = {.kind = VKMOE_ROPE_HALF},
        .patterns = (const struct vkmoe_pattern[4]){{.left = 3}, {0}, {.both_sides = true},
            {.kind = VKMOE_PATTERN_BLOCKS, .block = 4, .top = 2}},
    },
};
// clang-format on

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
    struct creation c = { .p = *valid };
    memcpy(c.patterns, valid->patterns, sizeof(c.patterns));
    c.p.patterns = c.patterns;
    error->apply(&c);
    e->harness.messages = 0;
    vkmoe_attention *attention = (vkmoe_attention *)e; // anything but NULL
    enum vkmoe_status status = vkmoe_attention_create(e->harness.device, &c.p, &attention);
    bool ok = is_as_expected(
        &e->harness, "vkmoe_attention_create", status, error->expected, attention, true);
    if (status == VKMOE_OK)
        vkmoe_attention_destroy(&attention);
    return ok;
}

static bool check_cache(struct environment *e, const struct cache_error *error)
{
    struct vkmoe_cache_params params = {
        VKMOE_INIT(vkmoe_cache_params),
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

// The parts of the buffer, far enough apart that no error reaches from one into another by mistake.
#define PART(index) \
    { \
        e->buffer, 1024 * (index) \
    }
static bool check_forward(struct environment *e, const struct forward_error *error)
{
    struct forwarding f = {
        .p = { VKMOE_INIT(vkmoe_attention_forward_params),
            .tokens = TOKENS,
            .x = PART(1),
            .y = PART(2),
            .positions = PART(3),
            .sequences = PART(4),
            .lengths = PART(5),
            .ids = PART(6),
            .weights = PART(7),
        },
        .e = e,
        .cache = e->cache,
    };
    error->apply(&f);
    e->harness.messages = 0;
    enum vkmoe_status status = error->store
        ? vkmoe_attention_store(e->harness.stream, e->attention, f.cache, &f.p)
        : vkmoe_attention_forward(e->harness.stream, e->attention, f.cache, &f.p);
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
    struct vkmoe_cache_params fits = { VKMOE_INIT(vkmoe_cache_params), .kv_heads = 2,
        .head_size = 8, .capacity = 9, .block = 4 };
    struct vkmoe_cache_params heads = fits, head_size = fits, blocks = fits, none = fits;
    struct vkmoe_cache_params tight = fits, keys = none, many = fits;
    heads.kv_heads = 1;
    head_size.head_size = 4;
    blocks.block = 5;
    none.block = 0;
    tight.capacity = TOKENS - 1;
    keys.block = 0;
    keys.keys_only = true;
    many.capacity = 4 * 2048 + 1;
    many.mean_values = true;
    return make_cache(e, fits, &e->cache) && make_cache(e, heads, &e->other_heads)
        && make_cache(e, head_size, &e->other_head_size) && make_cache(e, blocks, &e->other_blocks)
        && make_cache(e, none, &e->without_blocks) && make_cache(e, tight, &e->short_one)
        && make_cache(e, keys, &e->keys_only) && make_cache(e, many, &e->many_blocks);
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
    vkmoe_cache **caches[] = { &e->cache, &e->other_heads, &e->other_head_size, &e->other_blocks,
        &e->without_blocks, &e->short_one, &e->keys_only, &e->many_blocks };
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++)
        vkmoe_cache_destroy(caches[i]);
    vkmoe_buffer_destroy(&e->buffer);
}

// A forward over a cache that may not be one for it.
static bool check_nsa_cache(struct environment *e, const struct cache_error *error,
    const struct vkmoe_attention_params *valid)
{
    struct vkmoe_attention_params p = *valid;
    struct vkmoe_cache_params params = { VKMOE_INIT(vkmoe_cache_params), .kv_heads = p.kv_heads,
        .head_size = p.head_size, .capacity = 64, .block = 4, .stride = 2, .mean_values = true };
    const struct vkmoe_attention_forward_params forward = { VKMOE_INIT(
                                                                vkmoe_attention_forward_params),
        .tokens = TOKENS, .x = { e->buffer, 0 }, .y = { e->buffer, TOTAL / 2 } };
    vkmoe_attention *attention = NULL;
    vkmoe_cache *cache = NULL;
    p.experts = p.experts_per_token = 1;
    p.patterns = NULL;
    p.nsa = (struct vkmoe_nsa){
        .compressed = 4, .stride = 2, .top = 2, .block = 2, .window = 3, .gate = p.key.matrix
    };
    error->apply(&params);
    e->harness.messages = 0;
    bool ok = is_ok(vkmoe_attention_create(e->harness.device, &p, &attention), "attention")
        && make_cache(e, params, &cache);
    if (ok)
        ok = is_as_expected(&e->harness, "vkmoe_attention_forward",
            vkmoe_attention_forward(e->harness.stream, attention, cache, &forward), error->expected,
            NULL, false);
    ok = harness_run(&e->harness) && ok;
    vkmoe_attention_destroy(&attention);
    vkmoe_cache_destroy(&cache);
    return ok && is_ok(vkmoe_buffer_upload(e->buffer, 0, e->before, TOTAL), "upload");
}

static void check_creations(struct tap *tap, struct environment *e,
    const struct create_error *errors, const struct vkmoe_attention_params *valid)
{
    for (const struct create_error *error = errors; error->name; error++) {
        if (tap_wants(tap, error->name))
            tap_result(tap, check_create(e, error, valid), error->name);
    }
}

static void check_all(
    struct tap *tap, struct environment *e, const struct vkmoe_attention_params *valid)
{
    check_creations(tap, e, create_errors, valid);
    check_creations(tap, e, sparse_errors, valid);
    for (const struct cache_error *error = nsa_errors; error->name; error++) {
        if (tap_wants(tap, error->name))
            tap_result(tap, check_nsa_cache(e, error, valid), error->name);
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
