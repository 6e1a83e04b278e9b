// forward.c - records attention: its passes, and the order of kernels in each.
//
//     dense                query and kv -> store_kv -> attend [-> merge] -> output
//                          (values and outputs may be mixes, of some dispatches each: mix.h)
//     dense, few tokens    the same without store_kv where the plan says so
//     routed, few tokens   route -> decode_up (queries), kv -> store_kv -> attend [-> merge]
//                          -> decode_down
//     routed, many         route -> group_tokens -> experts_gemm up, kv -> store_kv -> attend
//                          -> experts_gemm down -> combine
//
// Where patterns choose blocks, mean_keys and choose_blocks stand between store_kv and attend. What
// stands there in place of attend alone if there is more than one way to look at keys: nsa.h. A
// gate is one projection more, and stands before the output: gate.h.
#include "attention/record.h"

#include "base/common.h"
#include "base/params.h"
#include "base/try.h"
#include "device/span.h"
#include "moe/record.h"
#include "weights/order.h"

#include "shaders/choose_blocks.h"

// What a pass does; one that attends finds keys and values in the cache.
enum work { WORK_STORE, WORK_ATTEND, WORK_BOTH };

// What is to be done with all tokens.
struct attention_run {
    const vkmoe_attention *attention;
    const vkmoe_cache *cache;
    const struct vkmoe_attention_forward_params *params;
    enum work work;
    const struct folding *folding; // NULL: none
};

// --------------------------------------------------------------------------- passes

struct moe_pass vkmoe_attention_experts(const struct attention_pass *pass)
{
    return (struct moe_pass){
        .stream = pass->stream,
        .moe = pass->attention->experts,
        .plan = pass->plan->moe,
        .scratch = pass->scratch,
        .pairs = pass->pairs,
        .x = pass->x,
        .router_x = pass->x,
        .y = pass->y,
    };
}

static const struct folded_norm *norm_of(const struct attention_pass *pass)
{
    return pass->folded ? &pass->folding.norm : NULL;
}

enum vkmoe_status vkmoe_attention_order(const struct attention_pass *pass,
    const struct experts *linear, struct direct_operands *operands)
{
    const uint64_t ordered = scratch_at(pass, pass->plan->ordered);
    if (!linear->order)
        return VKMOE_OK;
    TRY_RETURN(vkmoe_reorder_record(pass->stream,
        &(struct reorder_operands){
            .orders = linear->order,
            .x = operands->x,
            .result = ordered,
            .count = pass->pairs.tokens,
            .columns = linear->columns,
            .x_stride = operands->x_stride,
            .stride = linear->columns,
        }));
    operands->x = ordered;
    operands->x_stride = 0;
    operands->beside = false;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_attention_record_linear(const struct attention_pass *pass,
    const struct experts *linear, struct direct_operands operands)
{
    TRY_RETURN(vkmoe_attention_order(pass, linear, &operands));
    if (pass->plan->has_parts)
        operands.parts = scratch_at(pass, pass->plan->partials);
    return vkmoe_linear_record_part(pass->stream, linear, &operands);
}

enum vkmoe_status vkmoe_attention_project(
    const struct attention_pass *pass, const struct experts *linear, uint64_t y, bool beside)
{
    return vkmoe_attention_record_linear(pass, linear,
        (struct direct_operands){
            .x = pass->x,
            .y = y,
            .tokens = pass->pairs.tokens,
            .beside = beside,
            .norm = norm_of(pass),
        });
}

// A matrix that makes heads, of which the first has this number among all.
static enum vkmoe_status project_heads(const struct attention_pass *pass,
    const struct experts *linear, uint64_t y, uint32_t first_head, bool beside)
{
    return pass->finished ? vkmoe_attention_record_heads(pass, linear, y, first_head, beside)
                          : vkmoe_attention_project(pass, linear, y, beside);
}

// Queries, keys and values of a row next to each other.
static enum vkmoe_status project_stacked(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const uint32_t width = a->params.heads * a->params.head_size;
    if (pass->finished)
        return project_heads(pass, &a->query, scratch_at(pass, pass->plan->query), 0, false);
    return vkmoe_attention_record_linear(pass, &a->query,
        (struct direct_operands){
            .x = pass->x,
            .y = scratch_at(pass, pass->plan->query),
            .tokens = pass->pairs.tokens,
            .first_row = pass->attends ? 0 : width,
            .end_row = pass->stores ? a->query.rows : width,
            .norm = norm_of(pass),
        });
}

static enum vkmoe_status project_queries(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    if (!a->routed)
        return project_heads(pass, &a->query, scratch_at(pass, pass->plan->query), 0, false);
    const struct moe_pass experts = vkmoe_attention_experts(pass);
    TRY_RETURN(vkmoe_moe_record_route(&experts));
    return vkmoe_moe_record_up(&experts);
}

static enum vkmoe_status project_keys(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const struct attention_plan *plan = pass->plan;
    const uint32_t heads = a->params.heads, kv_heads = a->params.kv_heads;
    // Queries have just been made, if there are any.
    TRY_RETURN(project_heads(pass, &a->kv, scratch_at(pass, plan->key), heads, pass->attends));
    if (a->value.rows > 0)
        return project_heads(
            pass, &a->value, scratch_at(pass, plan->value), heads + kv_heads, true);
    if (!is_mix(&a->value_mix))
        return VKMOE_OK;
    return vkmoe_mix_record(pass->stream, &a->value_mix, &plan->value_mix, pass->scratch,
        &(struct mix_operands){
            pass->x, pass->x, scratch_at(pass, plan->value), pass->pairs.tokens });
}

static enum vkmoe_status project_outputs(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const uint64_t attended = scratch_at(pass, pass->plan->query);
    if (is_mix(&a->output_mix))
        return vkmoe_mix_record(pass->stream, &a->output_mix, &pass->plan->output_mix,
            pass->scratch,
            &(struct mix_operands){ pass->x, attended, pass->y, pass->pairs.tokens });
    if (is_latent(a))
        TRY_RETURN(vkmoe_latent_record_values(pass));
    if (!a->routed)
        return vkmoe_attention_record_linear(pass, &a->output,
            (struct direct_operands){
                .x = is_latent(a) ? scratch_at(pass, pass->plan->latent.heads) : attended,
                .y = pass->y,
                .tokens = pass->pairs.tokens,
                .x_stride = is_latent(a) ? 0 : a->query_stride,
                .residual = pass->folded ? &pass->folding.residual : NULL,
            });
    const struct moe_pass experts = vkmoe_attention_experts(pass);
    return vkmoe_moe_record_down(&experts);
}

static enum vkmoe_status project_inputs(const struct attention_pass *pass)
{
    if (is_latent(pass->attention))
        return vkmoe_latent_record_inputs(pass);
    if (pass->attention->stacked)
        return project_stacked(pass);
    if (pass->attends)
        TRY_RETURN(project_queries(pass));
    return pass->stores ? project_keys(pass) : VKMOE_OK;
}

static enum vkmoe_status record_pass(const struct attention_pass *pass)
{
    TRY_RETURN(project_inputs(pass));
    if (is_nsa(pass->attention) && pass->attends)
        TRY_RETURN(vkmoe_nsa_record_gates(pass));
    if (pass->attends)
        TRY_RETURN(vkmoe_gate_record_logits(pass));
    if (!pass->finished)
        TRY_RETURN(vkmoe_attention_record_store_kv(pass)); // finishes the queries, too
    if (pass->stores)
        TRY_RETURN(vkmoe_attention_record_mean_keys(pass));
    if (!pass->attends)
        return VKMOE_OK;
    if (is_nsa(pass->attention)) {
        TRY_RETURN(vkmoe_nsa_record_branches(pass));
        return project_outputs(pass);
    }
    TRY_RETURN(vkmoe_attention_record_choose_blocks(pass));
    TRY_RETURN(vkmoe_attention_record_attend(pass));
    TRY_RETURN(vkmoe_gate_record(pass));
    return project_outputs(pass);
}

// Points a pass at `tokens` tokens from `first` on.
static void aim(
    struct attention_pass *pass, const struct attention_run *run, uint32_t first, uint32_t tokens)
{
    const struct vkmoe_attention_forward_params *f = run->params;
    const struct vkmoe_attention_params *p = &pass->attention->params;
    const uint64_t row = (uint64_t)first * p->hidden;
    const uint64_t pair = (uint64_t)first * p->experts_per_token;
    pass->pairs = (struct pairs){
        .ids = f->ids.buffer ? vkmoe_span_element(&f->ids, pair)
                             : scratch_at(pass, pass->plan->moe.ids),
        .weights = f->weights.buffer ? vkmoe_span_element(&f->weights, pair)
                                     : scratch_at(pass, pass->plan->moe.weights),
        .tokens = tokens,
        .k = p->experts_per_token,
    };
    pass->x = vkmoe_span_element(&f->x, row);
    pass->y = vkmoe_span_element(&f->y, row);
    pass->first_token = first;
    pass->positions = vkmoe_span_element(&f->positions, first);
    pass->sequences = vkmoe_span_element(&f->sequences, first);
    pass->lengths = vkmoe_span_address(&f->lengths);
    pass->is_last = first + tokens == f->tokens;
    pass->shape = pass->is_last ? pass->plan->last : pass->plan->shape;
    pass->patterns = &pass->attention->patterns;
    pass->constants = constants_address(&pass->attention->constants);
    pass->query = scratch_at(pass, pass->plan->query);
    pass->rows = pass->attends ? tokens * pass->plan->rows_a_token : 0;
    pass->keys = vkmoe_buffer_address(pass->cache->keys);
    // Of latent attention the start of keys.
    pass->values =
        vkmoe_buffer_address(pass->cache->values ? pass->cache->values : pass->cache->keys);
    if (!run->folding)
        return;
    pass->folded = true;
    pass->folding = *run->folding;
    pass->folding.norm.raw += row * sizeof(float);
    pass->folding.residual.weighted += row * sizeof(float);
}

static enum vkmoe_status update_rotations(const struct attention_pass *pass, uint32_t length)
{
    const struct vkmoe_rope *rope = &pass->attention->params.rope;
    if (!rope_is_dynamic(rope))
        return VKMOE_OK;
    uint32_t table[MAX_HEAD_SIZE];
    vkmoe_rope_table(rope, NULL, rope->size, length, table);
    return vkmoe_stream_update(
        pass->stream, pass->scratch, pass->plan->rotations, table, rope->size * sizeof table[0]);
}

// --------------------------------------------------------------------------- checks

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
    if (cache->params.keys_only != is_latent(a))
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "the cache %s, the attention %s",
            cache->params.keys_only ? "has keys only" : "has values besides keys",
            is_latent(a) ? "is latent" : "is not latent");
    if (is_nsa(a))
        return vkmoe_nsa_check_cache(caller, a, cache);
    if (a->patterns.top > 0 && block_stride(&cache->params) != cache->params.block)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "the cache's blocks overlap, with a stride of %u", cache->params.stride);
    if (a->patterns.top > 0 && cache->params.block != a->patterns.block)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "the cache has blocks of %u, the patterns choose blocks of %u", cache->params.block,
            a->patterns.block);
    const uint32_t blocks = div_up(cache->params.capacity, MAX(cache->params.block, 1));
    if (a->patterns.top > 0 && blocks > CHOOSE_MAX_BLOCKS) // made for nsa
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "the cache has %u blocks, the patterns choose among %u at most", blocks,
            CHOOSE_MAX_BLOCKS);
    return VKMOE_OK;
}

static enum vkmoe_status check(const struct caller *caller, const vkmoe_stream *stream,
    const vkmoe_attention *a, const vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *f, bool attends)
{
    const struct vkmoe_attention_params *p = &a->params;
    TRY_RETURN(vkmoe_stream_check_device(caller, stream, a->device, "weights"));
    TRY_RETURN(vkmoe_tokens_check(caller, f->tokens));
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

// A block of 8 keys takes a turn for each 8 elements of a head, and some more.
enum vkmoe_status vkmoe_attention_check_walk(const struct caller *caller, const vkmoe_attention *a,
    const struct pattern_set *patterns, const struct attend_shape *shape, uint32_t longest)
{
    const uint64_t keys = MIN(longest, patterns->reach) / shape->splits;
    const uint64_t turns = (keys / 8 + 1) * (11 + div_up(a->params.head_size, 8));
    if (!(a->device->quirks & QUIRK_LOOPS_END) || turns <= LOOP_TURNS)
        return VKMOE_OK;
    return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
        "%llu keys in one loop, which %s ends too early; Mesa 26 does not",
        (unsigned long long)keys, a->device->gpu.info.driver);
}

// -------------------------------------------------------------------------- forward

// Records all tokens, in as many passes as they need, or nothing.
static enum vkmoe_status record(
    const struct caller *caller, vkmoe_stream *stream, const struct attention_run *run)
{
    const vkmoe_attention *a = run->attention;
    const struct vkmoe_attention_forward_params *f = run->params;
    const uint32_t capacity = run->cache->params.capacity;
    const uint32_t longest = f->longest ? MIN(f->longest, capacity) : capacity;
    const uint32_t sequences = f->sequences.buffer ? run->cache->params.sequences : 1;
    const struct attention_plan plan = vkmoe_attention_plan(a, f->tokens, sequences, longest);
    struct attention_pass pass = {
        .stream = stream,
        .attention = a,
        .cache = run->cache,
        .plan = &plan,
        .stores = run->work != WORK_ATTEND,
        .attends = run->work != WORK_STORE,
        .length = longest,
        .finished = plan.finishes && run->work == WORK_BOTH,
    };
    enum vkmoe_status status;
    if (a->patterns.both_sides && run->work == WORK_BOTH && plan.tokens < f->tokens)
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "a pattern that looks both ways over %u tokens, which need more than one pass",
            f->tokens);
    if (pass.attends)
        TRY_RETURN(vkmoe_attention_check_walk(caller, a, &a->patterns, &plan.shape, longest));
    if (pass.attends && is_nsa(a)) {
        TRY_RETURN(
            vkmoe_attention_check_walk(caller, a, &a->nsa.window, &plan.window_shape, longest));
        TRY_RETURN(vkmoe_nsa_check_walk(caller, a, longest));
    }
    vkmoe_stream_begin(stream);
    TRY(vkmoe_stream_scratch(stream, plan.size, &pass.scratch));
    TRY(update_rotations(&pass, longest));
    for (uint32_t first = 0; first < f->tokens; first += plan.tokens) {
        aim(&pass, run, first, MIN(plan.tokens, f->tokens - first));
        TRY(record_pass(&pass));
    }
fail:
    return vkmoe_stream_end(stream, status);
}

// One of the two public functions, with arguments that may be anything.
static enum vkmoe_status run(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *params, bool attends)
{
    const struct params_type *type = PARAMS_TYPE(vkmoe_attention_forward_params);
    struct vkmoe_attention_forward_params whole;
    const char *missing = !stream       ? "stream"
        : !attention                    ? "attention"
        : !cache && !is_mosa(attention) ? "cache"
        : !params                       ? "params"
                                        : NULL;
    if (missing)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "%s is NULL", missing);
    TRY_RETURN(vkmoe_params_read(caller, type, params, &whole));
    return attends ? vkmoe_attention_forward_for(caller, stream, attention, cache, &whole, NULL)
                   : vkmoe_attention_store_for(caller, stream, attention, cache, &whole);
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
    return run(&caller, stream, attention, cache, params, true);
}

enum vkmoe_status vkmoe_attention_store(vkmoe_stream *stream, const vkmoe_attention *attention,
    vkmoe_cache *cache, const struct vkmoe_attention_forward_params *params)
{
    const struct caller caller = { any_log(stream, attention, cache), __func__ };
    return run(&caller, stream, attention, cache, params, false);
}

enum vkmoe_status vkmoe_attention_forward_for(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *f, const struct folding *folding)
{
    if (f->tokens == 0)
        return VKMOE_OK;
    if (is_mosa(attention))
        return vkmoe_mosa_forward(caller, stream, attention, cache, f);
    if (f->sequence_tokens > 0)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "sequence_tokens is for mosa alone");
    TRY_RETURN(check(caller, stream, attention, cache, f, true));
    return record(caller, stream,
        &(struct attention_run){
            attention, cache, f, f->stored ? WORK_ATTEND : WORK_BOTH, folding });
}

bool vkmoe_attention_folds(const vkmoe_attention *a, uint32_t tokens)
{
    const struct experts *const products[] = { &a->query, &a->kv, &a->value, &a->gate,
        &a->latent.query_down };
    for (size_t i = 0; i < ARRAY_SIZE(products); i++)
        if (products[i]->rows > 0 && !vkmoe_experts_fold_norm(products[i]))
            return false;
    return !a->routed && !is_mix(&a->value_mix) && !is_mix(&a->output_mix)
        && tokens <= a->query.shapes.direct_tokens;
}

enum vkmoe_status vkmoe_attention_store_for(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *f)
{
    const struct vkmoe_attention_forward_params kept = { VKMOE_INIT(vkmoe_attention_forward_params),
        .tokens = f->tokens, .x = f->x, .positions = f->positions, .sequences = f->sequences,
        .longest = f->longest };
    if (f->tokens == 0)
        return VKMOE_OK;
    if (is_mosa(attention))
        return vkmoe_refuse(
            caller, VKMOE_ERROR_INVALID, "mosa: keys and values do not outlast a forward");
    TRY_RETURN(check(caller, stream, attention, cache, &kept, false));
    return record(
        caller, stream, &(struct attention_run){ attention, cache, &kept, WORK_STORE, NULL });
}
