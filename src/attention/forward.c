// attention_forward.c - records attention.
//
//     dense            query, kv -> store_kv -> attend [-> merge] -> output
//                      (values and outputs may be mixes, of some dispatches each: mix.h)
//     routed, decode   route -> decode_up (queries), kv -> store_kv -> attend [-> merge]
//                      -> decode_down
//     routed, prefill  route -> group_tokens -> experts_gemm up, kv -> store_kv -> attend
//                      -> experts_gemm down -> combine
//
// Where patterns choose blocks, mean_keys and choose_blocks stand between store_kv and attend.
#include "attention/pass.h"

#include "base/common.h"
#include "base/try.h"
#include "device/operands.h"
#include "device/span.h"

#include "shaders/choose_blocks.h"

// At most so many bytes of partial results, and keys that make a split worth its merge.
#define PARTIALS_SIZE (1u << 20)
#define KEYS_A_SPLIT 256
#define MAX_SPLITS 64
#define LOOP_TURNS 65535

struct attend_scratch {
    struct moe_plan moe; // routed
    uint32_t tokens;     // of a pass
    struct mix_plan value_mix, output_mix;
    uint64_t query, kv, values, partials, rotations, choices, size;
};

// Tokens of one pass.
static uint32_t pass_tokens(const vkmoe_attention *a, uint32_t tokens)
{
    const struct vkmoe_attention_params *p = &a->params;
    const uint64_t choices = (uint64_t)p->experts_per_token * p->heads * a->patterns.top;
    const uint64_t widest =
        MAX(MAX(a->kv.rows, choices), a->routed ? 0 : MAX(a->query_columns, p->hidden));
    uint32_t most = (uint32_t)MIN(tokens, PASS_MAX_ELEMENTS / widest);
    if (is_mix(&a->value_mix))
        most = MIN(most, vkmoe_mix_max_tokens(&a->value_mix));
    if (is_mix(&a->output_mix))
        most = MIN(most, vkmoe_mix_max_tokens(&a->output_mix));
    return most;
}

static struct attend_scratch plan(const vkmoe_attention *a, uint32_t tokens)
{
    const struct vkmoe_attention_params *p = &a->params;
    struct attend_scratch s = { .tokens = pass_tokens(a, tokens) };
    if (a->routed) {
        s.moe = vkmoe_moe_plan(a->experts, tokens, tokens);
        s.moe = vkmoe_moe_plan_cut(a->experts, &s.moe, s.tokens);
        s.tokens = s.moe.tokens;
        s.size = align_up(s.moe.size, BUFFER_ALIGNMENT);
        s.query = s.moe.h;
    } else {
        s.size = align_up((uint64_t)s.tokens * a->query_columns * 4, BUFFER_ALIGNMENT);
    }
    s.kv = s.size;
    const uint64_t kv_size = (uint64_t)s.tokens * p->kv_heads * p->head_size * 4;
    s.values = s.kv + (is_mix(&a->value_mix) ? align_up(kv_size, BUFFER_ALIGNMENT) : kv_size);
    // The two mixes take turns.
    uint64_t mix = align_up(s.values + kv_size, BUFFER_ALIGNMENT);
    s.value_mix.size = s.output_mix.size = mix;
    if (is_mix(&a->value_mix))
        s.value_mix = vkmoe_mix_plan(&a->value_mix, s.tokens, mix);
    if (is_mix(&a->output_mix))
        s.output_mix = vkmoe_mix_plan(&a->output_mix, s.tokens, mix);
    s.partials = MAX(s.value_mix.size, s.output_mix.size);
    s.rotations = s.partials + PARTIALS_SIZE;
    s.choices = s.rotations
        + align_up(rope_is_dynamic(&a->params.rope) ? p->rope.size * 4 : 0, BUFFER_ALIGNMENT);
    const uint64_t rows = (uint64_t)s.tokens * p->experts_per_token;
    s.size = s.choices + align_up(rows * p->heads * a->patterns.top * 4, BUFFER_ALIGNMENT);
    return s;
}

uint64_t vkmoe_attention_scratch_size(const vkmoe_attention *a, uint32_t tokens)
{
    return a && tokens > 0 ? plan(a, tokens).size : 0;
}

// ------------------------------------------------------------------------ kernels

static struct attend_shape choose_shape(
    const vkmoe_attention *a, enum row_mode mode, uint32_t rows, uint32_t longest)
{
    const struct vkmoe_attention_params *p = &a->params;
    const bool cpu = a->device->is_cpu;
    struct attend_shape s = { .lanes = cpu ? 8 : 64, .splits = 1 };
    const uint32_t queries = p->head_size > 128 ? 2 : p->head_size > 64 ? 4 : 8; // registers
    s.heads = MIN(p->heads / p->expert_kv_heads, queries);
    // Pairs of a decode pass may be of different experts, so each stands alone.
    s.rows = mode == ROWS_PAIRS ? 1 : MIN(queries / s.heads, MAX(rows, 1));
    const uint32_t groups =
        div_up(rows, s.rows) * p->expert_kv_heads * div_up(p->heads / p->expert_kv_heads, s.heads);
    const uint32_t wanted = cpu ? 4 : 256; // workgroups that fill a device
    const uint64_t partial = (uint64_t)rows * p->heads * (2 + p->head_size) * 4;
    if (mode != ROWS_SORTED && groups < wanted)
        s.splits = MIN(MIN(div_up(longest, KEYS_A_SPLIT), div_up(wanted, groups)),
            MIN(MAX_SPLITS, (uint32_t)(PARTIALS_SIZE / MAX(partial, 1))));
    s.splits = MAX(s.splits, 1);
    return s;
}

// ------------------------------------------------------------------------ forward

static enum vkmoe_status project_queries(const struct attend_pass *pass)
{
    const struct moe_pass *p = &pass->pass;
    if (!pass->attention->routed)
        return vkmoe_linear_record(
            p->stream, &pass->attention->query, p->x, pass->query, p->pairs.tokens);
    TRY_RETURN(vkmoe_moe_record_route(p));
    return vkmoe_moe_record_up(p);
}

static enum vkmoe_status project_outputs(const struct attend_pass *pass)
{
    const struct moe_pass *p = &pass->pass;
    const vkmoe_attention *a = pass->attention;
    if (is_mix(&a->output_mix))
        return vkmoe_mix_record(p->stream, &a->output_mix, &pass->output_mix, p->scratch,
            &(struct mix_operands){ p->x, pass->query, p->y, p->pairs.tokens });
    if (!a->routed)
        return vkmoe_linear_record(p->stream, &a->output, pass->query, p->y, p->pairs.tokens);
    return vkmoe_moe_record_down(p);
}

// Keys and values of the pass's tokens into the cache, and the queries finished.
static enum vkmoe_status store(const struct attend_pass *pass)
{
    const struct moe_pass *p = &pass->pass;
    enum vkmoe_status status = VKMOE_OK;
    const struct mix *values = &pass->attention->value_mix;
    if (!pass->stored)
        status =
            vkmoe_linear_record(p->stream, &pass->attention->kv, p->x, pass->key, p->pairs.tokens);
    if (status == VKMOE_OK && !pass->stored && is_mix(values))
        status = vkmoe_mix_record(p->stream, values, &pass->value_mix, p->scratch,
            &(struct mix_operands){ p->x, p->x, pass->value, p->pairs.tokens });
    if (status == VKMOE_OK)
        status = vkmoe_attend_store(pass);
    return status == VKMOE_OK && !pass->stored ? vkmoe_attend_mean_keys(pass) : status;
}

static enum vkmoe_status record_pass(const struct attend_pass *pass)
{
    enum vkmoe_status status = project_queries(pass);
    if (status == VKMOE_OK)
        status = store(pass);
    if (status == VKMOE_OK)
        status = vkmoe_attend_choose_blocks(pass);
    if (status == VKMOE_OK)
        status = vkmoe_attend_attend(pass);
    if (status == VKMOE_OK && pass->shape.splits > 1)
        status = vkmoe_attend_merge(pass);
    return status == VKMOE_OK ? project_outputs(pass) : status;
}

static enum vkmoe_status record_store(const struct attend_pass *pass)
{
    struct attend_pass without_queries = *pass;
    without_queries.rows = 0;
    return store(&without_queries);
}

static enum vkmoe_status check_cache(
    const struct caller *caller, const vkmoe_attention *a, const vkmoe_cache *cache)
{
    if (cache->device != a->device)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "the cache is of another device");
    if (cache->params.kv_heads != a->params.kv_heads
        || cache->params.head_size != a->params.head_size)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "the cache holds %u kv heads of %u, the attention has %u of %u", cache->params.kv_heads,
            cache->params.head_size, a->params.kv_heads, a->params.head_size);
    if (a->patterns.top > 0 && cache->params.block != a->patterns.block)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "the cache has blocks of %u, the patterns choose blocks of %u", cache->params.block,
            a->patterns.block);
    return VKMOE_OK;
}

static enum vkmoe_status check(const struct caller *caller, const vkmoe_stream *stream,
    const vkmoe_attention *a, const vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *f, bool attends)
{
    const struct vkmoe_attention_params *p = &a->params;
    if (vkmoe_stream_device(stream) != a->device)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "stream and weights are of two devices");
    if (f->tokens > MAX_TOKENS)
        return vkmoe_refuse(
            caller, VKMOE_ERROR_INVALID, "tokens is %u, must be 0 to %u", f->tokens, MAX_TOKENS);
    const uint64_t rows = (uint64_t)f->tokens * p->hidden;
    const uint64_t pairs = a->routed ? (uint64_t)f->tokens * p->experts_per_token : 0;
    const bool ids_in = a->routed && attends && p->router.select >= VKMOE_SELECT_SUPPLIED;
    const bool weights_in = ids_in && p->router.select == VKMOE_SELECT_SUPPLIED_WEIGHTED;
    const struct span_rule rules[] = {
        { "x", &f->x, rows, true, false },
        { "positions", &f->positions, f->tokens, false, false },
        { "sequences", &f->sequences, f->tokens, false, false },
        { "lengths", &f->lengths, cache->params.sequences, a->patterns.both_sides && attends,
            false },
        { "ids", &f->ids, pairs, ids_in, !ids_in },
        { "weights", &f->weights, pairs, weights_in, !weights_in },
        { "y", &f->y, rows, attends, true },
    };
    TRY_RETURN(vkmoe_spans_check(caller, a->device, rules, ARRAY_SIZE(rules)));
    if (!f->positions.buffer && !f->stored && f->tokens > cache->params.capacity)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "%u tokens without positions, the cache holds %u", f->tokens, cache->params.capacity);
    return check_cache(caller, a, cache);
}

// Points a pass at `tokens` tokens from `first` on.
static void aim(struct attend_pass *pass, const struct vkmoe_attention_forward_params *f,
    uint32_t first, uint32_t tokens, uint32_t longest, const struct attend_scratch *at)
{
    const vkmoe_attention *a = pass->attention;
    struct moe_pass *p = &pass->pass;
    const uint64_t pair = (uint64_t)first * a->params.experts_per_token;
    p->plan = at->moe;
    p->x = p->router_x = vkmoe_span_element(&f->x, (uint64_t)first * a->params.hidden);
    p->y = vkmoe_span_element(&f->y, (uint64_t)first * a->params.hidden);
    p->pairs = (struct pairs){
        .ids = f->ids.buffer ? vkmoe_span_element(&f->ids, pair) : scratch_address(p, at->moe.ids),
        .weights = f->weights.buffer ? vkmoe_span_element(&f->weights, pair)
                                     : scratch_address(p, at->moe.weights),
        .tokens = tokens,
        .k = a->params.experts_per_token,
    };
    pass->query = scratch_address(p, at->query);
    pass->key = scratch_address(p, at->kv);
    const uint32_t kv_width = a->params.kv_heads * a->params.head_size;
    pass->value =
        is_mix(&a->value_mix) ? scratch_address(p, at->values) : pass->key + (uint64_t)kv_width * 4;
    pass->value_mix = at->value_mix;
    pass->output_mix = at->output_mix;
    pass->choices = a->patterns.top > 0 ? scratch_address(p, at->choices) : 0;
    pass->partials = scratch_address(p, at->partials);
    pass->rotations = rope_is_dynamic(&a->params.rope) ? scratch_address(p, at->rotations)
                                                       : a->constants.rotations;
    pass->first_token = first;
    pass->positions = vkmoe_span_element(&f->positions, first);
    pass->sequences = vkmoe_span_element(&f->sequences, first);
    pass->lengths = vkmoe_span_address(&f->lengths);
    pass->rows = a->routed ? tokens * a->params.experts_per_token : tokens;
    pass->shape = choose_shape(a, pass->mode, pass->rows, longest);
}

static enum vkmoe_status update_rotations(
    const struct attend_pass *pass, uint32_t length, const struct attend_scratch *at)
{
    const struct vkmoe_rope *rope = &pass->attention->params.rope;
    if (!rope_is_dynamic(rope))
        return VKMOE_OK;
    uint32_t table[256]; // the largest head_size
    vkmoe_rope_table(rope, rope->size, length, table);
    return vkmoe_stream_update(
        pass->pass.stream, pass->pass.scratch, at->rotations, table, rope->size * sizeof table[0]);
}

// Whether all keys can be walked over: see ends_loops of struct vkmoe_device. A block of 8
// keys takes a turn for each 8 elements of a head, and some more.
static enum vkmoe_status check_walk(const struct caller *caller, const vkmoe_attention *a,
    const struct attend_shape *shape, uint32_t longest)
{
    const uint64_t keys = MIN(longest, a->patterns.reach) / shape->splits;
    const uint64_t turns = (keys / 8 + 1) * (11 + div_up(a->params.head_size, 8));
    if (!a->device->ends_loops || turns <= LOOP_TURNS)
        return VKMOE_OK;
    return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
        "%llu keys in one loop, which %s ends too early; Mesa 26 does not",
        (unsigned long long)keys, a->device->info.driver);
}

// Has `record` record all tokens, in as many passes as they need, or nothing.
static enum vkmoe_status run_passes(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *f,
    enum vkmoe_status (*record)(const struct attend_pass *))
{
    const struct attend_scratch at = plan(attention, f->tokens);
    const uint32_t per_pass = at.tokens;
    struct attend_pass pass = {
        .pass = { .stream = stream, .moe = attention->experts },
        .attention = attention,
        .cache = cache,
        .stored = f->stored,
        .tile_rows = attention->routed && !at.moe.few ? at.moe.sorted.tile_rows
                                                      : attention->kv.shapes.gemm_rows,
    };
    if (attention->patterns.both_sides && !f->stored && record == record_pass
        && per_pass < f->tokens)
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "a pattern that looks both ways over %u tokens, which need more than one pass",
            f->tokens);
    const uint32_t capacity = cache->params.capacity;
    const uint32_t longest = f->longest ? MIN(f->longest, capacity) : capacity;
    pass.mode = !attention->routed ? ROWS_TOKENS : at.moe.few ? ROWS_PAIRS : ROWS_SORTED;
    const struct attend_shape shape = choose_shape(attention, pass.mode,
        MIN(per_pass, f->tokens) * attention->params.experts_per_token, longest);
    enum vkmoe_status status =
        record == record_pass ? check_walk(caller, attention, &shape, longest) : VKMOE_OK;
    vkmoe_stream_begin(stream);
    if (status == VKMOE_OK)
        status = vkmoe_stream_scratch(stream, at.size, &pass.pass.scratch);
    if (status == VKMOE_OK)
        status = update_rotations(&pass, longest, &at);
    for (uint32_t first = 0; first < f->tokens && status == VKMOE_OK; first += per_pass) {
        aim(&pass, f, first, MIN(per_pass, f->tokens - first), longest, &at);
        status = record(&pass);
    }
    return vkmoe_stream_end(stream, status);
}

// What the two have in common before they do as `caller` says.
static enum vkmoe_status check_arguments(const struct caller *caller, const vkmoe_stream *stream,
    const vkmoe_attention *attention, const vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *params)
{
    const char *missing = !stream ? "stream"
        : !attention              ? "attention"
        : !cache                  ? "cache"
        : !params                 ? "params"
                                  : NULL;
    return missing ? vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "%s is NULL", missing) : VKMOE_OK;
}

static const struct vkmoe_log *any_log(
    const vkmoe_stream *stream, const vkmoe_attention *attention, const vkmoe_cache *cache)
{
    return device_log(attention ? attention->device
            : cache             ? cache->device
                                : vkmoe_stream_device(stream));
}

enum vkmoe_status vkmoe_attention_forward(vkmoe_stream *stream, const vkmoe_attention *attention,
    vkmoe_cache *cache, const struct vkmoe_attention_forward_params *params)
{
    const struct caller caller = { any_log(stream, attention, cache), __func__ };
    const enum vkmoe_status status = check_arguments(&caller, stream, attention, cache, params);
    return status == VKMOE_OK
        ? vkmoe_attention_forward_for(&caller, stream, attention, cache, params)
        : status;
}

enum vkmoe_status vkmoe_attention_store(vkmoe_stream *stream, const vkmoe_attention *attention,
    vkmoe_cache *cache, const struct vkmoe_attention_forward_params *params)
{
    const struct caller caller = { any_log(stream, attention, cache), __func__ };
    const enum vkmoe_status status = check_arguments(&caller, stream, attention, cache, params);
    return status == VKMOE_OK ? vkmoe_attention_store_for(&caller, stream, attention, cache, params)
                              : status;
}

enum vkmoe_status vkmoe_attention_forward_for(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *f)
{
    if (f->tokens == 0)
        return VKMOE_OK;
    const enum vkmoe_status status = check(caller, stream, attention, cache, f, true);
    return status == VKMOE_OK ? run_passes(caller, stream, attention, cache, f, record_pass)
                              : status;
}

enum vkmoe_status vkmoe_attention_store_for(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *f)
{
    const struct vkmoe_attention_forward_params kept = { .tokens = f->tokens,
        .x = f->x,
        .positions = f->positions,
        .sequences = f->sequences,
        .longest = f->longest };
    if (f->tokens == 0)
        return VKMOE_OK;
    const enum vkmoe_status status = check(caller, stream, attention, cache, &kept, false);
    return status == VKMOE_OK ? run_passes(caller, stream, attention, cache, &kept, record_store)
                              : status;
}
