// record.c - see record.h: each function fills one kernel's contract.
#include "attention/record.h"

#include "base/common.h"
#include "base/try.h"
#include "device/operands.h"
#include "device/tuning.h"

#include "shaders/attend.h"
#include "shaders/choose_blocks.h"
#include "shaders/decode_heads.h"
#include "shaders/mean_keys.h"
#include "shaders/merge_attention.h"
#include "shaders/store_kv.h"

#include <string.h>

// Of all these kernels but attend.
static uint32_t lanes_of(const struct attention_pass *pass)
{
    return vkmoe_tuning(pass->attention->device, TUNE_ATTEND_LANES);
}

// What tells kernels whose the rows of queries are.
struct row_operands {
    uint64_t plan; // of sorted rows
    uint64_t rows; // their pairs; of pairs the experts
};

static struct row_operands find_rows(const struct attention_pass *pass)
{
    const struct sorted_pairs *sorted = &pass->plan->moe.sorted;
    const uint64_t dummy = or_dummy(pass, 0);
    switch (pass->plan->mode) {
    case ROWS_SORTED:
        return (struct row_operands){ scratch_at(pass, sorted->classes[0].plan),
            scratch_at(pass, sorted->rows) };
    case ROWS_PAIRS: return (struct row_operands){ dummy, pass->pairs.ids };
    default: return (struct row_operands){ dummy, dummy };
    }
}

static uint64_t rotations_address(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct vkmoe_rope *rope = &a->params.rope;
    return rope_is_dynamic(rope)           ? scratch_at(pass, pass->plan->rotations)
        : rope_is_long(rope, pass->length) ? a->constants.long_rotations
                                           : a->constants.rotations;
}

static enum cache_type cache_type(const vkmoe_cache *cache)
{
    switch (cache->params.dtype) {
    case VKMOE_DTYPE_F16: return CACHE_F16;
    case VKMOE_DTYPE_Q8_0: return CACHE_Q8_0;
    default: return CACHE_F32;
    }
}

static enum head_norm head_norm(const vkmoe_attention *a, bool has_norm)
{
    return !has_norm                ? HEAD_NORM_NONE
        : a->params.norm_after_rope ? HEAD_NORM_AFTER
        : a->params.norm.wide       ? HEAD_NORM_WIDE
                                    : HEAD_NORM_EACH;
}

// The constants of shaders/store.h.
static void set_store(const struct attention_pass *pass, uint32_t spec[SPEC_MAX])
{
    const vkmoe_attention *a = pass->attention;
    const struct vkmoe_attention_params *p = &a->params;
    const enum head_norm query_norm = head_norm(a, a->has_query_norm);
    const uint32_t heads = vkmoe_tuning(a->device, TUNE_STORE_HEADS);
    const uint32_t constants[SPEC_MAX] = {
        [STORE_LANES] = lanes_of(pass),
        [STORE_HEAD_SIZE] = p->head_size,
        [STORE_ROWS] = pass->plan->mode,
        [STORE_CACHE] = cache_type(pass->cache),
        [STORE_ROPE] = p->rope.kind,
        [STORE_ROPE_SIZE] = p->rope.size,
        [STORE_QUERY_NORM] = query_norm,
        [STORE_KEY_NORM] = head_norm(a, a->has_key_norm),
        HAS_PLACES(STORE, pass),
        [STORE_NORM_EPSILON] = float_bits(p->norm.epsilon),
        [STORE_CLIP] = float_bits(p->value_clip),
        [STORE_ROPE_SCALED] = vkmoe_rope_scales(p),
        [STORE_QUERY_GROUPS] = query_norm == HEAD_NORM_WIDE ? 1 : div_up(p->heads, heads),
        [STORE_KV_GROUPS] = div_up(p->kv_heads, heads),
        [STORE_LATENT] = p->latent.rank,
        [STORE_COMPACT] = pass->compact,
        [STORE_QUERY_SIZE] = is_latent(a) ? latent_query_size(p) : 0,
        [STORE_VALUE_NORM] = p->value_norm,
        [STORE_TEMPERATURE] = float_bits(p->temperature.scale),
        [STORE_FLOOR] = p->temperature.floor,
        [STORE_ITSELF] = !p->temperature_before,
    };
    memcpy(spec, constants, sizeof constants);
}

enum vkmoe_status vkmoe_attention_record_heads(const struct attention_pass *pass,
    const struct experts *linear, uint64_t y, uint32_t first_head, bool beside)
{
    uint32_t spec[SPEC_MAX];
    struct decode_heads_push push = {
        .constants = constants_address(&pass->attention->constants),
        .keys = pass->keys,
        .values = pass->values,
        CACHE_OPERANDS(pass),
        .rotations = rotations_address(pass),
        .first_head = first_head,
    };
    struct direct_operands operands = {
        .x = pass->x,
        .y = y,
        .tokens = pass->pairs.tokens,
        .beside = beside,
        .norm = pass->folded ? &pass->folding.norm : NULL,
    };
    set_store(pass, spec);
    TRY_RETURN(vkmoe_attention_order(pass, linear, &operands));
    return vkmoe_experts_decode_heads(pass->stream, linear, &operands, &push, spec);
}

enum vkmoe_status vkmoe_attention_record_store_kv(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct vkmoe_attention_params *p = &a->params;
    const struct row_operands where = find_rows(pass);
    // Of queries that are not finished.
    const bool has_rows = !is_latent(a) || turned_size(p) > 0 || p->temperature.scale != 0;
    const struct store_kv_push push = {
        .constants = constants_address(&a->constants),
        .query = scratch_at(pass, pass->plan->query),
        .key = scratch_at(pass, pass->plan->key),
        .value = scratch_at(pass, pass->plan->value),
        .keys = pass->keys,
        .values = pass->values,
        .rows = where.rows,
        CACHE_OPERANDS(pass),
        .rotations = rotations_address(pass),
        .tokens = pass->pairs.tokens,
        .query_rows = has_rows ? pass->rows : 0,
        .stored = !pass->stores ? 0
            : pass->compact     ? pass->rows
                                : pass->pairs.tokens,
    };
    struct dispatch d = {
        .kernel = KERNEL_store_kv,
        .push = &push,
    };
    set_store(pass, d.spec);
    d.spec[STORE_VALUE_SIZE] = p->value_size;
    d.spec[STORE_VALUE_STRIDE] = values_are_apart(a) ? p->kv_heads * value_size(p) : 0;
    d.groups = STORE_GROUPS(d.spec, push);
    return d.groups > 0 ? stream_run(pass->stream, &d) : VKMOE_OK;
}

// Tiles of `tile` rows that a kernel may meet; of the sorted ones an upper bound, the rest ends at
// once.
static uint32_t count_tiles(const struct attention_pass *pass, uint32_t tile)
{
    const uint32_t rows = pass->rows, tile_rows = pass->plan->tile_rows;
    if (pass->plan->mode != ROWS_SORTED)
        return div_up(rows, tile);
    return (rows / tile_rows + MIN(pass->attention->params.experts, rows))
        * div_up(tile_rows, tile);
}

// As the kernels want it: 0 where experts share all kv heads.
static uint32_t own_kv_heads(const struct vkmoe_attention_params *p)
{
    return p->expert_kv_heads == p->kv_heads ? 0 : p->expert_kv_heads;
}

// ------------------------------------------------------------------------- blocks

// Of keys, or of values.
static enum vkmoe_status record_means(
    const struct attention_pass *pass, const vkmoe_buffer *of, const vkmoe_buffer *means)
{
    const struct vkmoe_cache_params *cache = &pass->cache->params;
    const struct mean_keys_push push = {
        .keys = vkmoe_buffer_address(of),
        .means = vkmoe_buffer_address(means),
        CACHE_OPERANDS(pass),
        .tokens = pass->pairs.tokens,
        .kv_heads = cache->kv_heads,
    };
    struct dispatch d = {
        .kernel = KERNEL_mean_keys,
        .spec = {
            [MEAN_LANES] = lanes_of(pass),
            [MEAN_HEAD_SIZE] = cache->head_size,
            [MEAN_CACHE] = cache_type(pass->cache),
            HAS_PLACES(MEAN, pass),
            [MEAN_BLOCK] = cache->block,
            [MEAN_STRIDE] = block_stride(cache),
        },
        .push = &push,
        .groups = pass->pairs.tokens * cache->kv_heads,
        .beside = of == pass->cache->values,
    };
    return stream_run(pass->stream, &d);
}

enum vkmoe_status vkmoe_attention_record_mean_keys(const struct attention_pass *pass)
{
    const vkmoe_cache *cache = pass->cache;
    if (cache->params.block == 0) // whether this attention chooses blocks or not: another one may
        return VKMOE_OK;
    TRY_RETURN(record_means(pass, cache->keys, cache->means));
    return cache->value_means ? record_means(pass, cache->values, cache->value_means) : VKMOE_OK;
}

enum vkmoe_status vkmoe_attention_record_choose_blocks(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct vkmoe_attention_params *p = &a->params;
    const struct vkmoe_cache_params *cache = &pass->cache->params;
    if (a->patterns.top == 0)
        return VKMOE_OK;
    const struct row_operands where = find_rows(pass);
    const struct choose_blocks_push push = {
        .constants = constants_address(&a->constants),
        .query = scratch_at(pass, pass->plan->query),
        .means = vkmoe_buffer_address(pass->cache->means),
        .choices = scratch_at(pass, pass->plan->choices),
        .plan = where.plan,
        .rows = where.rows,
        CACHE_OPERANDS(pass),
        .row_count = pass->rows,
        .tile_rows = pass->plan->tile_rows,
    };
    struct dispatch d = {
        .kernel = KERNEL_choose_blocks,
        .spec = {
            [CHOOSE_LANES] = lanes_of(pass),
            [CHOOSE_HEAD_SIZE] = p->head_size,
            [CHOOSE_MODE] = pass->plan->mode,
            [CHOOSE_TILED_KV] = p->tiled_kv,
            [CHOOSE_EXPERT_KV_HEADS] = own_kv_heads(p),
            HAS_PLACES(CHOOSE, pass),
            [CHOOSE_BLOCK] = a->patterns.block,
            [CHOOSE_BLOCKS] = div_up(cache->capacity, a->patterns.block),
            [CHOOSE_TOP] = a->patterns.top,
        },
        .push = &push,
        .groups = count_tiles(pass, 1) * p->heads,
    };
    return stream_run(pass->stream, &d);
}

// Words with a bit for each block of keys that a pattern may pick.
static uint32_t picked_words(const struct attention_pass *pass)
{
    const struct pattern_set *patterns = pass->patterns;
    if (!patterns->by_blocks)
        return 0;
    const uint32_t chosen =
        patterns->top > 0 ? div_up(div_up(pass->cache->params.capacity, patterns->block), 32) : 0;
    return MAX(MAX(patterns->list_words, chosen), 1);
}

// ------------------------------------------------------------------------- attend

// As the kernels want what attend leaves of a head: 0 where that is as long as a key.
static uint32_t shorter_size(const struct vkmoe_attention_params *p)
{
    return p->latent.rank > 0 ? p->latent.rank : p->value_size;
}

static enum vkmoe_status record_merge(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct merge_attention_push push = {
        .constants = pass->constants,
        .partials = scratch_at(pass, pass->plan->partials),
        .result = pass->query,
        .rows = pass->rows,
        .splits = pass->shape.splits,
    };
    struct dispatch d = {
        .kernel = KERNEL_merge_attention,
        .spec = {
            [MERGE_LANES] = lanes_of(pass),
            [MERGE_HEAD_SIZE] = a->params.head_size,
            [MERGE_SINK_LOGITS] = a->has_sinks,
            [MERGE_VALUE_SIZE] = shorter_size(&a->params),
        },
        .push = &push,
        .groups = push.rows * a->params.heads,
    };
    return stream_run(pass->stream, &d);
}

enum vkmoe_status vkmoe_attention_record_attend(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct vkmoe_attention_params *p = &a->params;
    const struct row_operands where = find_rows(pass);
    const struct attend_push push = {
        .constants = pass->constants,
        .query = pass->query,
        .keys = pass->keys,
        .values = pass->values,
        .plan = where.plan,
        .rows = where.rows,
        .choices =
            or_dummy(pass, pass->patterns->top > 0 ? scratch_at(pass, pass->plan->choices) : 0),
        CACHE_OPERANDS(pass),
        .lengths = or_dummy(pass, pass->lengths),
        .partials = scratch_at(pass, pass->plan->partials),
        .counters = vkmoe_stream_counters(pass->stream),
        .row_count = pass->rows,
        .splits = pass->shape.splits,
        .tile_rows = pass->plan->tile_rows,
    };
    const uint32_t head_groups = div_up(p->heads / p->expert_kv_heads, pass->shape.heads);
    struct dispatch d = {
        .kernel = KERNEL_attend,
        .variant = pass->shape.variant,
        .spec = {
            [ATTEND_LANES] = vkmoe_attend_lanes(a->device, &pass->shape, picked_words(pass)),
            [ATTEND_HEAD_SIZE] = p->head_size,
            [ATTEND_ROWS] = pass->shape.rows,
            [ATTEND_HEADS] = pass->shape.heads,
            [ATTEND_MODE] = pass->plan->mode,
            [ATTEND_CACHE] = cache_type(pass->cache),
            [ATTEND_TILED_KV] = p->tiled_kv,
            [ATTEND_SINK_LOGITS] = a->has_sinks,
            [ATTEND_SPLIT] = pass->shape.splits > 1,
            HAS_PLACES(ATTEND, pass),
            [ATTEND_SCALE] = float_bits(p->scale),
            [ATTEND_SOFT_CAP] = float_bits(p->soft_cap),
            [ATTEND_EXPERT_KV_HEADS] = own_kv_heads(p),
            [ATTEND_BIAS_REACH] = p->position.reach,
            [ATTEND_PICKED_WORDS] = picked_words(pass),
            [ATTEND_TOP] = pass->patterns->top,
            [ATTEND_LOADS] = pass->shape.loads,
            [ATTEND_MATRIX_K] = a->device->matrix_units.k,
            [ATTEND_VALUE_SIZE] = shorter_size(p),
        },
        .push = &push,
        .groups = count_tiles(pass, pass->shape.rows) * p->expert_kv_heads * head_groups
            * pass->shape.splits,
    };
    TRY_RETURN(stream_run(pass->stream, &d));
    return pass->shape.splits > 1 && !pass->shape.merges ? record_merge(pass) : VKMOE_OK;
}
