// attention_forward.c - records attention.
//
//     dense            query, kv -> store_kv -> attend [-> merge] -> output
//     routed, decode   route -> decode_up (queries), kv -> store_kv -> attend [-> merge]
//                      -> decode_down
//     routed, prefill  route -> group_tokens -> experts_gemm up, kv -> store_kv -> attend
//                      -> experts_gemm down -> combine
#include "attention.h"

#include "common.h"

#include "shaders/attend.h"
#include "shaders/merge_attention.h"
#include "shaders/store_kv.h"

// What a row of queries is, for the kernels.
enum row_mode { ROWS_TOKENS, ROWS_SORTED, ROWS_PAIRS };

// At most so many bytes of partial results, and keys that make a split worth its merge.
#define PARTIALS_SIZE (1u << 20)
#define KEYS_A_SPLIT 256
#define MAX_SPLITS 64

struct attend_shape {
    uint32_t lanes;
    uint32_t rows;   // of queries a workgroup
    uint32_t heads;  // that share a kv head, a workgroup
    uint32_t splits;
};

struct attend_pass {
    struct pass pass; // of the expert projections; dense: only addresses and scratch
    const vkmoe_attention *attention;
    vkmoe_cache *cache;
    struct attend_shape shape;
    enum row_mode mode;
    uint32_t rows;          // of queries
    uint32_t first_token;   // this pass's first, where there are no positions
    uint64_t query, kv, partials;
    uint64_t positions, sequences, lengths; // 0: none
};

struct attend_scratch {
    struct scratch layer;
    uint64_t query, kv, partials, size;
};

static struct attend_scratch plan(const vkmoe_attention *a, uint32_t tokens, bool decode,
    uint32_t tile_rows)
{
    const struct vkmoe_attention_params *p = &a->params;
    struct attend_scratch s = { 0 };
    if (a->routed) {
        s.layer = vkmoe_scratch_plan(a->experts, tokens, decode, tile_rows);
        s.size = align_up(s.layer.size, BUFFER_ALIGNMENT);
        s.query = s.layer.h;
    } else {
        s.size = align_up((uint64_t) tokens * a->query_columns * 4, BUFFER_ALIGNMENT);
    }
    s.kv = s.size;
    s.partials = s.kv + align_up((uint64_t) tokens * 2 * p->kv_heads * p->head_size * 4,
        BUFFER_ALIGNMENT);
    s.size = s.partials + PARTIALS_SIZE;
    return s;
}

// Tokens of one pass, and whether the pass decodes.
static uint32_t pass_tokens(const vkmoe_attention *a, uint32_t tokens, uint32_t tile_rows)
{
    if (a->routed)
        return vkmoe_layer_pass_tokens(a->experts, tokens, tile_rows);
    const uint32_t widest = MAX(a->query_columns, MAX(a->params.hidden, a->kv.rows));
    return MIN(tokens, PASS_MAX_ELEMENTS / widest);
}

static bool decodes(const vkmoe_attention *a, uint32_t tokens)
{
    return a->routed && vkmoe_layer_may_decode(a->experts, tokens);
}

uint64_t vkmoe_attention_scratch_size(const vkmoe_attention *a, uint32_t tokens)
{
    if (tokens == 0)
        return 0;
    const uint32_t tile_rows = vkmoe_shapes_choose(a->device, a->kv.dtype).gemm_rows;
    const bool decode = decodes(a, tokens);
    return plan(a, decode ? tokens : pass_tokens(a, tokens, tile_rows), decode, tile_rows).size;
}

// ------------------------------------------------------------------------ kernels

static struct attend_shape choose_shape(const vkmoe_attention *a, enum row_mode mode,
    uint32_t rows, uint32_t longest)
{
    const struct vkmoe_attention_params *p = &a->params;
    const bool cpu = a->device->is_cpu;
    struct attend_shape s = { .lanes = cpu ? 8 : 64, .splits = 1 };
    const uint32_t queries = p->head_size > 128 ? 2 : p->head_size > 64 ? 4 : 8; // registers
    s.heads = MIN(p->heads / p->kv_heads, queries);
    // Pairs of a decode pass may be of different experts, so each stands alone.
    s.rows = mode == ROWS_PAIRS ? 1 : MIN(queries / s.heads, MAX(rows, 1));
    const uint32_t groups = div_up(rows, s.rows) * p->kv_heads
        * div_up(p->heads / p->kv_heads, s.heads);
    const uint32_t wanted = cpu ? 4 : 256; // workgroups that fill a device
    const uint64_t partial = (uint64_t) rows * p->heads * (2 + p->head_size) * 4;
    if (mode != ROWS_SORTED && groups < wanted)
        s.splits = MIN(MIN(div_up(longest, KEYS_A_SPLIT), div_up(wanted, groups)),
            MIN(MAX_SPLITS, (uint32_t) (PARTIALS_SIZE / MAX(partial, 1))));
    s.splits = MAX(s.splits, 1);
    return s;
}

static uint64_t or_dummy(const struct attend_pass *p, uint64_t address)
{
    return address ? address : vkmoe_device_dummy_address(p->pass.device);
}

static uint32_t norm_mode(const vkmoe_attention *a, const vkmoe_buffer *norm)
{
    return !norm ? 0 : a->params.norm_wide ? 2 : 1;
}

static enum vkmoe_status store_kv(const struct attend_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct vkmoe_attention_params *p = &a->params;
    const struct store_kv_push push = {
        .query = pass->query,
        .kv = pass->kv,
        .keys = vkmoe_buffer_address(pass->cache->keys),
        .values = vkmoe_buffer_address(pass->cache->values),
        .rows = pass->mode == ROWS_SORTED ? scratch_address(&pass->pass, pass->pass.at.rows)
                                          : or_dummy(pass, 0),
        .positions = or_dummy(pass, pass->positions),
        .sequences = or_dummy(pass, pass->sequences),
        .rotations = address_or_dummy(&pass->pass, a->rotations),
        .query_norm = address_or_dummy(&pass->pass, a->query_norm),
        .key_norm = address_or_dummy(&pass->pass, a->key_norm),
        .tokens = pass->pass.tokens,
        .query_rows = pass->rows,
        .k = p->experts_per_token,
        .heads = p->heads,
        .kv_heads = p->kv_heads,
        .query_stride = a->query_columns,
        .kv_stride = 2 * p->kv_heads * p->head_size,
        .capacity = pass->cache->params.capacity,
        .sequence_count = pass->cache->params.sequences,
        .first_token = pass->first_token,
    };
    struct dispatch d = {
        .kernel = KERNEL_store_kv,
        .spec = {
            [STORE_LANES] = pass->shape.lanes,
            [STORE_HEAD_SIZE] = p->head_size,
            [STORE_ROWS] = pass->mode,
            [STORE_CACHE_F16] = pass->cache->params.dtype == VKMOE_F16,
            [STORE_ROPE] = p->rope.kind,
            [STORE_ROPE_SIZE] = p->rope.size,
            [STORE_QUERY_NORM] = norm_mode(a, a->query_norm),
            [STORE_KEY_NORM] = norm_mode(a, a->key_norm),
            [STORE_HAS_POSITIONS] = pass->positions != 0,
            [STORE_HAS_SEQUENCES] = pass->sequences != 0,
            [STORE_NORM_EPSILON] = float_bits(p->norm_epsilon),
            [STORE_CLIP] = float_bits(p->value_clip),
        },
        .push = &push,
        .groups = pass->rows + pass->pass.tokens,
    };
    return vkmoe_pass_run(&pass->pass, &d);
}

// Row tiles that attend may meet; of the plan's, an upper bound, the rest ends at once.
static uint32_t attend_tiles(const struct attend_pass *pass)
{
    const struct vkmoe_attention_params *p = &pass->attention->params;
    if (pass->mode != ROWS_SORTED)
        return div_up(pass->rows, pass->shape.rows);
    const uint32_t tile_rows = pass->pass.shapes.gemm_rows;
    return (pass->rows / tile_rows + MIN(p->experts, pass->rows))
        * div_up(tile_rows, pass->shape.rows);
}

static enum vkmoe_status attend(const struct attend_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct vkmoe_attention_params *p = &a->params;
    const bool sorted = pass->mode == ROWS_SORTED;
    const struct attend_push push = {
        .query = pass->query,
        .keys = vkmoe_buffer_address(pass->cache->keys),
        .values = vkmoe_buffer_address(pass->cache->values),
        .plan = sorted ? scratch_address(&pass->pass, pass->pass.at.plan) : or_dummy(pass, 0),
        .rows = sorted ? scratch_address(&pass->pass, pass->pass.at.rows) : or_dummy(pass, 0),
        .ids = or_dummy(pass, pass->mode == ROWS_PAIRS ? pass->pass.ids : 0),
        .positions = or_dummy(pass, pass->positions),
        .sequences = or_dummy(pass, pass->sequences),
        .lengths = or_dummy(pass, pass->lengths),
        .patterns = vkmoe_buffer_address(a->patterns),
        .sinks = address_or_dummy(&pass->pass, a->sinks),
        .partials = pass->partials,
        .row_count = pass->rows,
        .query_stride = a->query_columns,
        .kk_heads = p->experts_per_token << 16 | p->heads,
        .experts_kv_heads = p->experts << 16 | p->kv_heads,
        .capacity = pass->cache->params.capacity,
        .sequence_count = pass->cache->params.sequences,
        .first_token = pass->first_token,
        .splits_tile_rows = pass->shape.splits << 16 | pass->pass.shapes.gemm_rows,
    };
    const uint32_t head_groups = div_up(p->heads / p->kv_heads, pass->shape.heads);
    struct dispatch d = {
        .kernel = KERNEL_attend,
        .spec = {
            [ATTEND_LANES] = pass->shape.lanes,
            [ATTEND_HEAD_SIZE] = p->head_size,
            [ATTEND_ROWS] = pass->shape.rows,
            [ATTEND_HEADS] = pass->shape.heads,
            [ATTEND_MODE] = pass->mode,
            [ATTEND_CACHE_F16] = pass->cache->params.dtype == VKMOE_F16,
            [ATTEND_TILED_KV] = p->tiled_kv,
            [ATTEND_SINK_LOGITS] = a->sinks != NULL,
            [ATTEND_SPLIT] = pass->shape.splits > 1,
            [ATTEND_HAS_POSITIONS] = pass->positions != 0,
            [ATTEND_HAS_SEQUENCES] = pass->sequences != 0,
            [ATTEND_SCALE] = float_bits(p->scale),
            [ATTEND_SOFT_CAP] = float_bits(p->soft_cap),
        },
        .push = &push,
        .groups = attend_tiles(pass) * p->kv_heads * head_groups * pass->shape.splits,
    };
    return vkmoe_pass_run(&pass->pass, &d);
}

static enum vkmoe_status merge(const struct attend_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct merge_attention_push push = {
        .partials = pass->partials,
        .sinks = address_or_dummy(&pass->pass, a->sinks),
        .result = pass->query,
        .rows = pass->rows,
        .heads = a->params.heads,
        .splits = pass->shape.splits,
        .stride = a->query_columns,
    };
    struct dispatch d = {
        .kernel = KERNEL_merge_attention,
        .spec = {
            [MERGE_LANES] = pass->shape.lanes,
            [MERGE_HEAD_SIZE] = a->params.head_size,
            [MERGE_SINK_LOGITS] = a->sinks != NULL,
        },
        .push = &push,
        .groups = pass->rows * a->params.heads,
    };
    return vkmoe_pass_run(&pass->pass, &d);
}

// ------------------------------------------------------------------------ forward

static enum vkmoe_status project_queries(const struct attend_pass *pass)
{
    const struct pass *p = &pass->pass;
    if (!pass->attention->routed)
        return vkmoe_linear_record(p->stream, &pass->attention->query, p->x, pass->query, p->tokens);
    enum vkmoe_status status = vkmoe_pass_route(p);
    if (status == VKMOE_OK && !p->decode)
        status = vkmoe_pass_group_tokens(p);
    if (status == VKMOE_OK)
        status = p->decode ? vkmoe_pass_decode_up(p) : vkmoe_pass_experts_up(p);
    return status;
}

static enum vkmoe_status project_outputs(const struct attend_pass *pass)
{
    const struct pass *p = &pass->pass;
    if (!pass->attention->routed)
        return vkmoe_linear_record(p->stream, &pass->attention->output, pass->query, p->y,
            p->tokens);
    if (p->decode)
        return vkmoe_pass_decode_down(p);
    const enum vkmoe_status status = vkmoe_pass_experts_down(p);
    return status == VKMOE_OK ? vkmoe_pass_combine(p) : status;
}

static enum vkmoe_status record_pass(const struct attend_pass *pass)
{
    const struct pass *p = &pass->pass;
    enum vkmoe_status status = project_queries(pass);
    if (status == VKMOE_OK)
        status = vkmoe_linear_record(p->stream, &pass->attention->kv, p->x, pass->kv, p->tokens);
    if (status == VKMOE_OK)
        status = store_kv(pass);
    if (status == VKMOE_OK)
        status = attend(pass);
    if (status == VKMOE_OK && pass->shape.splits > 1)
        status = merge(pass);
    return status == VKMOE_OK ? project_outputs(pass) : status;
}

static enum vkmoe_status check_cache(const vkmoe_attention *a, const vkmoe_cache *cache)
{
    const struct vkmoe_log *log = &a->device->log;
    if (cache->device != a->device)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "attention: the cache is of another device");
    if (cache->params.kv_heads != a->params.kv_heads
        || cache->params.head_size != a->params.head_size)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID,
            "attention: the cache holds %u kv heads of %u, the attention has %u of %u",
            cache->params.kv_heads, cache->params.head_size, a->params.kv_heads,
            a->params.head_size);
    return VKMOE_OK;
}

static enum vkmoe_status check(const vkmoe_stream *stream, const vkmoe_attention *a,
    const vkmoe_cache *cache, const struct vkmoe_attend_params *f)
{
    const struct vkmoe_log *log = &a->device->log;
    const struct vkmoe_attention_params *p = &a->params;
    if (vkmoe_stream_device(stream) != a->device)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "attention: stream and weights are of two devices");
    if (f->tokens > MAX_TOKENS)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "attention: tokens is %u, must be 0 to %u",
            f->tokens, MAX_TOKENS);
    const uint64_t rows = (uint64_t) f->tokens * p->hidden;
    const uint64_t pairs = a->routed ? (uint64_t) f->tokens * p->experts_per_token : 0;
    const bool ids_in = a->routed && p->router.select >= VKMOE_SELECT_SUPPLIED;
    const bool weights_in = a->routed && p->router.select == VKMOE_SELECT_SUPPLIED_WEIGHTED;
    const struct {
        const char *name;
        const struct vkmoe_span *span;
        uint64_t elements;
        bool required, written;
    } spans[] = {
        { "x", &f->x, rows, true, false },
        { "positions", &f->positions, f->tokens, false, false },
        { "sequences", &f->sequences, f->tokens, false, false },
        { "lengths", &f->lengths, cache->params.sequences, a->both_sides, false },
        { "ids", &f->ids, pairs, ids_in, !ids_in },
        { "weights", &f->weights, pairs, weights_in, !weights_in },
        { "y", &f->y, rows, true, true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(spans); i++) {
        const enum vkmoe_status status = vkmoe_span_check(a->device, spans[i].name, spans[i].span,
            spans[i].elements, spans[i].required);
        if (status != VKMOE_OK)
            return status;
        for (size_t j = 0; j < i; j++) {
            if ((spans[i].written || spans[j].written) && vkmoe_spans_overlap(spans[i].span,
                spans[i].elements, spans[j].span, spans[j].elements))
                return vkmoe_fail(log, VKMOE_ERROR_INVALID, "attention: %s overlaps %s",
                    spans[j].name, spans[i].name);
        }
    }
    if (!f->positions.buffer && f->tokens > cache->params.capacity)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID,
            "attention: %u tokens without positions, the cache holds %u", f->tokens,
            cache->params.capacity);
    return check_cache(a, cache);
}

static uint64_t advance(uint64_t address, uint64_t elements)
{
    return address ? address + elements * 4 : 0;
}

// Points a pass at `tokens` tokens from `first` on.
static void aim(struct attend_pass *pass, const struct vkmoe_attend_params *f, uint32_t first,
    uint32_t tokens, uint32_t longest, const struct attend_scratch *at)
{
    const vkmoe_attention *a = pass->attention;
    struct pass *p = &pass->pass;
    const uint64_t pair = (uint64_t) first * a->params.experts_per_token;
    p->tokens = tokens;
    p->sequence_tokens = tokens;
    p->at = at->layer;
    p->x = p->router_x = advance(vkmoe_span_address(&f->x), (uint64_t) first * a->params.hidden);
    p->y = advance(vkmoe_span_address(&f->y), (uint64_t) first * a->params.hidden);
    p->ids = f->ids.buffer ? advance(vkmoe_span_address(&f->ids), pair)
                           : scratch_address(p, p->at.ids);
    p->weights = f->weights.buffer ? advance(vkmoe_span_address(&f->weights), pair)
                                   : scratch_address(p, p->at.weights);
    pass->query = scratch_address(p, at->query);
    pass->kv = scratch_address(p, at->kv);
    pass->partials = scratch_address(p, at->partials);
    pass->first_token = first;
    pass->positions = advance(vkmoe_span_address(&f->positions), first);
    pass->sequences = advance(vkmoe_span_address(&f->sequences), first);
    pass->lengths = vkmoe_span_address(&f->lengths);
    pass->mode = !a->routed ? ROWS_TOKENS : p->decode ? ROWS_PAIRS : ROWS_SORTED;
    pass->rows = a->routed ? tokens * a->params.experts_per_token : tokens;
    pass->shape = choose_shape(a, pass->mode, pass->rows, longest);
}

enum vkmoe_status vkmoe_attention_forward(vkmoe_stream *stream, const vkmoe_attention *attention,
    vkmoe_cache *cache, const struct vkmoe_attend_params *f)
{
    if (f->tokens == 0)
        return VKMOE_OK;
    enum vkmoe_status status = check(stream, attention, cache, f);
    if (status != VKMOE_OK)
        return status;
    struct attend_pass pass = {
        .pass = {
            .stream = stream,
            .layer = attention->experts,
            .device = attention->device,
            .shapes = vkmoe_shapes_choose(attention->device, attention->kv.dtype),
            .decode = decodes(attention, f->tokens),
        },
        .attention = attention,
        .cache = cache,
    };
    const uint32_t tile_rows = pass.pass.shapes.gemm_rows;
    const uint32_t per_pass = pass.pass.decode ? f->tokens
        : pass_tokens(attention, f->tokens, tile_rows);
    if (attention->both_sides && per_pass < f->tokens)
        return vkmoe_fail(&attention->device->log, VKMOE_ERROR_UNSUPPORTED,
            "attention: a pattern that looks both ways over %u tokens, which need more than one pass",
            f->tokens);
    const uint32_t capacity = cache->params.capacity;
    const uint32_t longest = f->longest ? MIN(f->longest, capacity) : capacity;
    const struct attend_scratch at = plan(attention, per_pass, pass.pass.decode, tile_rows);
    status = vkmoe_stream_scratch(stream, at.size, &pass.pass.scratch);
    for (uint32_t first = 0; first < f->tokens && status == VKMOE_OK; first += per_pass) {
        aim(&pass, f, first, MIN(per_pass, f->tokens - first), longest, &at);
        status = record_pass(&pass);
    }
    return status;
}
