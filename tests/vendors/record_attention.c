// record_attention.c - see record_attention.h. Widths are small: kernels do not know them, but for
// the head size and how many heads share a kv head.
#include "record_attention.h"

#include "base/common.h"
#include "device/stream.h"

#include "shaders/embed.h"
#include "shaders/norm.h"
#include "shaders/sum_rows.h"

#include <stdio.h>
#include <vkmoe/moe.h>

#define HIDDEN 64 // as matrices in f32 have it, which the others are not
#define WIDEST_HIDDEN 256
#define MAX_TOKENS_HERE 512 // enough for workgroups of several rows
#define CAPACITY 4096
#define EXPERTS 4

struct attention_shape {
    const char *name;
    uint32_t head_size, heads, kv_heads, experts;
    bool tiled, normed, wide, sinks;
    enum vkmoe_dtype cache;
    // BLOCKS: experts choose blocks of keys, or list them; BRANCHES: nsa.
    enum { EVERYTHING, BLOCKS, BRANCHES, TOKENS } pattern; // TOKENS: mosa
    uint32_t expert_kv_heads;
    uint32_t head_experts;  // of values and outputs
    uint32_t reach;         // of a position bias
    enum vkmoe_dtype dtype; // of matrices
    uint32_t value_size;
};

static const struct attention_shape shapes[] = {
    { "mixtral", 128, 4, 1, 1, .cache = VKMOE_DTYPE_F16 },
    { "mixtral-f32", 128, 4, 1, 1 },
    { "qwen3", 128, 8, 1, 1, .normed = true, .cache = VKMOE_DTYPE_F16 },
    { "qwen3-q8_0", 128, 8, 1, 1, .cache = VKMOE_DTYPE_Q8_0 },
    { "gemma-q8_0", 256, 2, 1, 1, .cache = VKMOE_DTYPE_Q8_0 },
    { "olmoe", 128, 2, 2, 1, .normed = true, .wide = true, .cache = VKMOE_DTYPE_F16 },
    { "gpt-oss", 64, 8, 1, 1, .sinks = true, .cache = VKMOE_DTYPE_F16 },
    { "mimo", 192, 8, 1, 1, .sinks = true, .cache = VKMOE_DTYPE_F16, .value_size = 128 },
    { "jetmoe", 128, 2, 2, EXPERTS, .tiled = true, .cache = VKMOE_DTYPE_F16 },
    { "moa", 64, 1, 1, EXPERTS },
    { "head-256", 256, 2, 1, 1, .cache = VKMOE_DTYPE_F16 },
    { "moba", 128, 4, 1, 1, .pattern = BLOCKS, .cache = VKMOE_DTYPE_F16 },
    { "nsa", 128, 16, 1, 1, .pattern = BRANCHES, .cache = VKMOE_DTYPE_F16 },
    { "mosa", 64, 1, EXPERTS, EXPERTS, .pattern = TOKENS },
    { "blocks", 64, 2, 1, EXPERTS, .pattern = BLOCKS },
    { "moh", 64, 1, EXPERTS, EXPERTS, .expert_kv_heads = 1, .cache = VKMOE_DTYPE_F16 },
    { "switchhead", 64, 4, 4, 1, .head_experts = 4 },
    { "t5", 64, 4, 4, 1, .reach = 128, .cache = VKMOE_DTYPE_F16 },
};

// Products in integers, and what finishes heads behind them; those of many tokens in parts.
static const struct attention_shape quantised[] = {
    { "f16", 128, 8, 1, 1, .normed = true, .cache = VKMOE_DTYPE_F16, .dtype = VKMOE_DTYPE_F16 },
    { "q8_0", 128, 8, 1, 1, .normed = true, .cache = VKMOE_DTYPE_F16, .dtype = VKMOE_DTYPE_Q8_0 },
    { "q8_0 cached", 64, 8, 1, 1, .cache = VKMOE_DTYPE_Q8_0, .dtype = VKMOE_DTYPE_Q8_0 },
    { "q4_0", 128, 8, 1, 1, .normed = true, .cache = VKMOE_DTYPE_F16, .dtype = VKMOE_DTYPE_Q4_0 },
    { "q4_K", 128, 8, 1, 1, .normed = true, .cache = VKMOE_DTYPE_F16, .dtype = VKMOE_DTYPE_Q4_K },
    { "q6_K", 128, 8, 1, 1, .normed = true, .cache = VKMOE_DTYPE_F16, .dtype = VKMOE_DTYPE_Q6_K },
};

static uint32_t hidden_of(const struct attention_shape *s)
{
    return s->dtype == VKMOE_DTYPE_F32 ? HIDDEN : WIDEST_HIDDEN;
}

static enum vkmoe_status create(vkmoe_device *device, const struct attention_shape *s, bool fast,
    vkmoe_attention **attention, vkmoe_cache **cache)
{
    static const float zeros[HIDDEN * 8 * 256];
    static const uint32_t listed[] = { 0, 2 }, first_kv_heads[EXPERTS] = { 0 };
    static const struct vkmoe_pattern blocks[EXPERTS] = {
        { .kind = VKMOE_PATTERN_BLOCKS, .block = 64, .top = 8 },
        { .kind = VKMOE_PATTERN_BLOCKS, .block = 64, .blocks = listed, .block_count = 2 },
    };
    const struct vkmoe_view view = { .data = zeros, .dtype = s->dtype }, vector = { .data = zeros };
    const struct vkmoe_view views[4 * EXPERTS] = { view, view, view, view, view, view, view, view,
        view, view, view, view, view, view, view, view };
    struct vkmoe_attention_params p = {
        VKMOE_INIT(vkmoe_attention_params),
        .hidden = hidden_of(s),
        .head_size = s->head_size,
        .value_size = s->value_size,
        .heads = s->heads,
        .kv_heads = s->kv_heads,
        .tiled_kv = s->tiled,
        .experts = s->experts,
        .experts_per_token = MIN(s->experts, 2),
        .query.matrices = views,
        .output.matrices = views,
        .key.matrix = view,
        .value.matrix = view,
        .rope.kind = VKMOE_ROPE_HALF,
        .norm.wide = s->wide,
        .precision = fast ? VKMOE_PRECISION_FAST : VKMOE_PRECISION_EXACT,
    };
    const struct vkmoe_head_experts head_experts = { .experts = s->head_experts,
        .experts_per_token = 2,
        .matrices = views,
        .router = { .score = VKMOE_SCORE_SIGMOID, .weight = view } };
    if (s->experts > 1)
        p.router.weight = view;
    if (s->pattern == BLOCKS)
        p.patterns = blocks;
    if (s->pattern == BRANCHES)
        p.nsa = (struct vkmoe_nsa){ 32, 16, 64, 16, 1, 2, 512, view };
    if (s->pattern == TOKENS) {
        p.experts_per_token = s->experts;
        p.mosa = (struct vkmoe_mosa){ .sparsity = 2, .router = view };
    }
    if (s->expert_kv_heads) {
        p.expert_kv_heads = s->expert_kv_heads;
        p.first_kv_head = first_kv_heads;
    }
    if (s->head_experts) {
        p.value.experts = p.output.experts = head_experts;
        p.value.matrix = (struct vkmoe_view){ 0 };
        p.output.matrices = NULL;
    }
    if (s->reach) {
        p.position.bias = view;
        p.position.reach = s->reach;
    }
    if (s->normed)
        p.query.norm = p.key.norm = vector;
    if (s->sinks)
        p.sinks = view;
    enum vkmoe_status status = vkmoe_attention_create(device, &p, attention);
    if (status == VKMOE_OK && s->pattern != TOKENS)
        status = vkmoe_cache_create(device,
            &(struct vkmoe_cache_params){ VKMOE_INIT(vkmoe_cache_params), .kv_heads = s->kv_heads,
                .head_size = s->head_size, .sequences = 1, .capacity = CAPACITY, .dtype = s->cache,
                .block = s->pattern == BLOCKS ? blocks[0].block : p.nsa.compressed,
                .stride = p.nsa.stride, .mean_values = s->pattern == BRANCHES },
            cache);
    return status;
}

static enum vkmoe_status record(
    vkmoe_device *device, const struct attention_shape *s, bool fast, uint32_t tokens)
{
    const uint64_t rows = (uint64_t)MAX_TOKENS_HERE * hidden_of(s) * 4;
    vkmoe_attention *attention = NULL;
    vkmoe_cache *cache = NULL;
    vkmoe_buffer *memory = NULL;
    vkmoe_stream *stream = NULL;
    enum vkmoe_status status = create(device, s, fast, &attention, &cache);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create(device, 3 * rows, &memory);
    if (status == VKMOE_OK)
        status = vkmoe_stream_create(device, &stream);
    if (status == VKMOE_OK)
        status = vkmoe_attention_forward(stream, attention, cache,
            &(struct vkmoe_attention_forward_params){ VKMOE_INIT(vkmoe_attention_forward_params),
                .tokens = tokens, .x = { memory, 0 }, .y = { memory, rows },
                .positions = { s->pattern == TOKENS ? NULL : memory, 2 * rows } });
    vkmoe_stream_destroy(&stream);
    vkmoe_buffer_destroy(&memory);
    vkmoe_cache_destroy(&cache);
    vkmoe_attention_destroy(&attention);
    return status;
}

// The two kernels that only whole models have, and the one for old files of latent attention.
static enum vkmoe_status record_frame(vkmoe_device *device)
{
    const uint64_t dummy = vkmoe_device_dummy_address(device);
    const struct norm_push norm = { dummy, dummy, dummy, dummy, 1, 1 };
    const struct embed_push embed = { dummy, dummy, dummy, 1, 1, 1, 1 };
    const struct sum_rows_push sum = { dummy, dummy, dummy, 1, 1, 1, 1, 1, 1, 1 };
    vkmoe_stream *stream = NULL;
    enum vkmoe_status status = vkmoe_stream_create(device, &stream);
    struct dispatch d[] = {
        { KERNEL_norm, .spec = { [NORM_LANES] = 64, [NORM_HAS_DELTA] = 0 }, .push = &norm },
        { KERNEL_norm, .spec = { [NORM_LANES] = 64, [NORM_HAS_DELTA] = 1 }, .push = &norm },
        { KERNEL_embed, .spec = { [EMBED_LANES] = 64, [EMBED_TYPE] = 0 }, .push = &embed },
        { KERNEL_embed, .spec = { [EMBED_LANES] = 64, [EMBED_TYPE] = 1 }, .push = &embed },
        { KERNEL_embed, .spec = { [EMBED_LANES] = 64, [EMBED_TYPE] = 2 }, .push = &embed },
        { KERNEL_sum_rows, .spec = { 64, VKMOE_DTYPE_Q8_0, 1 }, .push = &sum },
        { KERNEL_sum_rows, .spec = { 64, VKMOE_DTYPE_Q8_0, SUM_MAX_TOKENS }, .push = &sum },
        { KERNEL_sum_rows, .spec = { 64, VKMOE_DTYPE_Q4_K, 1 }, .push = &sum },
        { KERNEL_sum_rows, .spec = { 64, VKMOE_DTYPE_Q4_K, SUM_MAX_TOKENS }, .push = &sum },
    };
    for (uint32_t i = 0; i < sizeof d / sizeof *d && status == VKMOE_OK; i++) {
        d[i].groups = 1;
        const bool sums = d[i].kernel == KERNEL_sum_rows;
        const enum vkmoe_dtype dtype =
            sums ? (enum vkmoe_dtype)d[i].spec[SUM_TYPE] : VKMOE_DTYPE_F32;
        d[i].variant = vkmoe_form_choose(device, d[i].kernel, dtype, 0, false);
        status = vkmoe_stream_dispatch(stream, &d[i]);
    }
    vkmoe_stream_destroy(&stream);
    return status;
}

struct attention_tokens {
    uint32_t tokens;
    bool fast;
};

void record_attentions(vkmoe_device *device,
    void (*recorded)(void *user, const char *name, enum vkmoe_status status), void *user)
{
    static const struct attention_tokens every[] = { { 1 }, { 8 }, { MAX_TOKENS_HERE },
        { MAX_TOKENS_HERE, true } },
                                         few[] = { { 1, true }, { 8, true }, { 128 },
                                             { 128, true } };
    for (size_t i = 0; i < ARRAY_SIZE(shapes) + ARRAY_SIZE(quantised); i++) {
        const bool is_plain = i < ARRAY_SIZE(shapes);
        const struct attention_shape *s =
            is_plain ? &shapes[i] : &quantised[i - ARRAY_SIZE(shapes)];
        const struct attention_tokens *runs = is_plain ? every : few;
        for (size_t r = 0; r < (is_plain ? ARRAY_SIZE(every) : ARRAY_SIZE(few)); r++) {
            char name[64];
            snprintf(name, sizeof name, "%s attention %st%u", s->name, runs[r].fast ? "fast " : "",
                runs[r].tokens);
            recorded(user, name, record(device, s, runs[r].fast, runs[r].tokens));
        }
    }
    recorded(user, "embedding and norms", record_frame(device));
}
