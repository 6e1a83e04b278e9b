// layer_forward.c - records one MoE layer: scratch plan, order of kernels, their shapes.
//
//     decode  (few tokens)  route -> decode_up -> decode_down
//     prefill               route -> group_tokens -> experts_gemm up
//                           [-> shared expert's down] -> experts_gemm down -> combine
#include "layer.h"
#include "stream.h"

#include "common.h"

#include "shaders/combine.h"
#include "shaders/decode_down.h"
#include "shaders/decode_up.h"
#include "shaders/experts_gemm.h"
#include "shaders/group_tokens.h"
#include "shaders/plan.h"
#include "shaders/route.h"

#include <string.h>

#define DECODE_MAX_TOKENS 8     // of the decode kernels
// One pass handles at most so many (token, slot) pairs and so many elements in any
// array, which keeps byte offsets below 4 GiB and the bookkeeping below 1 MiB.
#define PASS_MAX_PAIRS 131072u
#define PASS_MAX_ELEMENTS (1u << 30)
#define SCRATCH_SLACK (1u << 20)
// On every device: lavapipe 22.3 stops an invocation's loops after 65535 iterations, and
// 64 lanes share even PASS_MAX_PAIRS pairs in fewer.
#define GROUP_TOKENS_LANES 64

// Where things lie in scratch: byte offsets. Logits and ids die when the rows are
// grouped, and share memory with h and the outputs, which are born later.
struct scratch {
    uint64_t logits, ids, weights, shared_weights;
    uint64_t h, shared_h, outputs;
    uint64_t rows, counts, plan;
    uint64_t size;
};

// How kernels cut the work on a device; for what, see shaders/*.h.
struct shapes {
    uint32_t lanes;         // of route and the decode kernels
    uint32_t decode_tokens; // the most that the decode kernels get
    bool route_columns;
    uint32_t route_tokens;  // along K
    uint32_t unwanted;      // mask of enum need: forms that are slower for this layer
    uint32_t gemm_rows, gemm_blocks;
    uint32_t combine_lanes;
};

// One forward, resolved: addresses of this pass's rows.
struct pass {
    vkmoe_stream *stream;
    const vkmoe_layer *layer;
    vkmoe_device *device;
    struct shapes shapes;
    struct scratch at;
    const vkmoe_buffer *scratch;
    uint32_t tokens, sequence_tokens;
    bool decode;
    uint64_t x, router_x, y, ids, weights;
};

// ------------------------------------------------------------------------- sizes


static uint64_t take(uint64_t *size, uint64_t bytes)
{
    const uint64_t at = *size;
    *size = align_up(at + bytes, BUFFER_ALIGNMENT);
    return at;
}

static uint32_t max_tiles(const vkmoe_layer *layer, uint32_t tokens, uint32_t tile_rows)
{
    const uint32_t pairs = tokens * layer->params.experts_per_token;
    const uint32_t shared = layer->params.shared_inner ? div_up(tokens, tile_rows) : 0;
    return pairs / tile_rows + MIN(layer->params.experts, pairs) + shared;
}

static struct scratch plan_scratch(const vkmoe_layer *layer, uint32_t tokens, bool decode,
    uint32_t tile_rows)
{
    const struct vkmoe_layer_params *p = &layer->params;
    const uint64_t pairs = (uint64_t) tokens * p->experts_per_token;
    const uint64_t logits_size = (uint64_t) tokens * p->experts * 4, ids_size = pairs * 4;
    struct scratch s = { 0 };
    s.weights = take(&s.size, pairs * 4);
    s.shared_weights = take(&s.size, layer->shared_weighted ? (uint64_t) tokens * 4 : 0);
    const uint64_t h_size = pairs * layer->inner_columns * 4;
    const uint64_t shared_h_size = (uint64_t) tokens * layer->shared_inner_columns * 4;
    if (decode) {
        s.logits = take(&s.size, logits_size);
        s.ids = take(&s.size, ids_size);
        s.h = take(&s.size, h_size);
        s.shared_h = take(&s.size, shared_h_size);
        return s;
    }
    s.rows = take(&s.size, pairs * 4);
    s.counts = take(&s.size, (uint64_t) p->experts * 8);
    s.plan = take(&s.size, 4 * (PLAN_SIZE + 2 * (uint64_t) max_tiles(layer, tokens, tile_rows)));
    uint64_t early = s.size, late = s.size;
    s.logits = take(&early, logits_size);
    s.ids = take(&early, ids_size);
    s.h = take(&late, h_size);
    // The shared expert's h waits where the routed outputs will be.
    s.shared_h = s.outputs = take(&late, MAX(pairs * p->hidden * 4, shared_h_size));
    s.size = MAX(early, late);
    return s;
}

// The bound that vkmoe.h promises.
static uint64_t scratch_bound(const vkmoe_layer *layer, uint32_t tokens)
{
    const struct vkmoe_layer_params *p = &layer->params;
    const uint64_t per_pair = ((uint64_t) p->inner + p->hidden) * 4;
    const uint64_t outputs = (uint64_t) p->experts_per_token * p->hidden;
    const uint64_t excess = p->shared_inner > outputs ? (p->shared_inner - outputs) * 4 : 0;
    return tokens * (p->experts_per_token * per_pair + (uint64_t) p->experts * 4 + excess)
        + SCRATCH_SLACK;
}

static struct shapes choose_shapes(const vkmoe_layer *layer)
{
    const vkmoe_device *device = layer->device;
    struct shapes s = { .lanes = 8, .decode_tokens = 4, .route_tokens = 8, .combine_lanes = 8 };
    if (!device->is_cpu) {
        s.lanes = MAX(device->subgroup_size, 32);
        s.decode_tokens = DECODE_MAX_TOKENS;
        s.route_tokens = 4;
        s.combine_lanes = 64;
    }
    const bool broadcast = (device->needs & NEED_broadcast) == NEED_broadcast;
    s.route_columns = broadcast;
    // Unpacking 16-bit weights is vector work only where lanes own weights.
    if (layer->dtype != VKMOE_F32)
        s.unwanted = NEED_broadcast & ~NEED_int64;
    if (!device->is_cpu) {
        s.gemm_rows = GEMM_STAGED_ROWS;
        s.gemm_blocks = GEMM_STAGED_BLOCKS;
    } else if (broadcast && !s.unwanted) {
        s.decode_tokens = DECODE_MAX_TOKENS;
        s.gemm_rows = GEMM_COLUMNS_ROWS;
        s.gemm_blocks = GEMM_COLUMNS_BLOCKS;
    } else {
        s.gemm_rows = GEMM_PLAIN_ROWS;
        s.gemm_blocks = GEMM_PLAIN_BLOCKS;
    }
    return s;
}

static bool may_decode(const vkmoe_layer *layer, uint32_t tokens)
{
    const struct vkmoe_layer_params *p = &layer->params;
    const bool may_drop = p->router.capacity > 0 && p->router.capacity < tokens;
    return !may_drop && (tokens == 1 || (tokens <= choose_shapes(layer).decode_tokens
        && tokens * p->experts_per_token <= DECODE_MAX_PAIRS));
}

// The most tokens of one pass when there are `tokens` in all.
static uint32_t pass_tokens(const vkmoe_layer *layer, uint32_t tokens, uint32_t tile_rows)
{
    const struct vkmoe_layer_params *p = &layer->params;
    const uint64_t widest = MAX(layer->inner_columns, p->hidden);
    const uint64_t per_token = MAX(MAX(widest * p->experts_per_token, p->experts),
        layer->shared_inner_columns);
    uint64_t most = MIN(PASS_MAX_PAIRS / p->experts_per_token, PASS_MAX_ELEMENTS / per_token);
    most = MAX(MIN(most, tokens), 1);
    while (most > 1 && plan_scratch(layer, (uint32_t) most, false, tile_rows).size
        > scratch_bound(layer, tokens))
        most = (most + 1) / 2;
    return (uint32_t) most;
}

uint64_t vkmoe_layer_scratch_size(const vkmoe_layer *layer, uint32_t tokens)
{
    if (tokens == 0)
        return 0;
    const uint32_t tile_rows = choose_shapes(layer).gemm_rows;
    if (may_decode(layer, tokens))
        return plan_scratch(layer, tokens, true, tile_rows).size;
    // A last, shorter pass of few tokens needs less.
    return plan_scratch(layer, pass_tokens(layer, tokens, tile_rows), false, tile_rows).size;
}

// ------------------------------------------------------------------------ kernels

static uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint64_t address_or_dummy(const struct pass *pass, const vkmoe_buffer *buffer)
{
    return buffer ? vkmoe_buffer_address(buffer) : vkmoe_device_dummy_address(pass->device);
}

static uint64_t scratch_address(const struct pass *pass, uint64_t offset)
{
    return vkmoe_buffer_address(pass->scratch) + offset;
}

// Rows of `columns` floats at `address` can be read in 16-byte pieces.
static uint32_t is_packed(uint64_t address, uint32_t columns, uint32_t multiple)
{
    return address % 16 == 0 && columns % multiple == 0;
}

static enum vkmoe_status run(const struct pass *pass, struct dispatch *dispatch)
{
    const enum vkmoe_status status = vkmoe_stream_barrier(pass->stream);
    if (status != VKMOE_OK)
        return status;
    dispatch->variant = vkmoe_kernel_choose(pass->device, dispatch->kernel, pass->shapes.unwanted);
    return vkmoe_stream_dispatch(pass->stream, dispatch);
}

static void set_route_spec(const struct vkmoe_layer_params *p, uint32_t spec[SPEC_MAX])
{
    const struct vkmoe_router_params *r = &p->router;
    spec[ROUTE_EXPERTS] = p->experts;
    spec[ROUTE_K] = p->experts_per_token;
    spec[ROUTE_SCORE] = r->score;
    spec[ROUTE_SELECT] = r->select;
    spec[ROUTE_WEIGH] = r->weigh;
    spec[ROUTE_GROUPS] = r->groups;
    spec[ROUTE_GROUPS_KEPT] = r->groups_kept;
    spec[ROUTE_GROUP_TOP_2] = r->group_score == VKMOE_GROUP_SUM_TOP_2;
    spec[ROUTE_GROUP_ZERO] = r->group_mask_zero;
    spec[ROUTE_RENORMALIZE] = r->renormalize ? (r->renormalize_max ? 2 : 1) : 0;
    spec[ROUTE_RMS_NORM] = r->rms_norm;
    spec[ROUTE_RENORM_EPSILON] = float_bits(r->renormalize_epsilon);
    spec[ROUTE_SCALE] = float_bits(r->scale);
    spec[ROUTE_SOFT_CAP] = float_bits(r->soft_cap);
    spec[ROUTE_THRESHOLD] = float_bits(r->sparsemixer_threshold);
    spec[ROUTE_RMS_EPSILON] = float_bits(r->rms_epsilon);
}

static enum vkmoe_status route(const struct pass *pass)
{
    const vkmoe_layer *layer = pass->layer;
    const struct vkmoe_layer_params *p = &layer->params;
    if (p->router.select == VKMOE_SELECT_SUPPLIED_WEIGHTED)
        return VKMOE_OK;
    const uint32_t rows = p->experts + layer->shared_weighted;
    const bool columns = pass->shapes.route_columns;
    const uint32_t blocks = columns && rows > 16 ? 4 : columns && rows > 8 ? 2 : 1;
    const uint32_t tile_tokens = columns ? pass->shapes.lanes
        : pass->tokens >= pass->shapes.route_tokens ? pass->shapes.route_tokens : 1;
    const struct route_push push = {
        .x = pass->router_x,
        .shared_x = pass->x,
        .matrix = vkmoe_buffer_address(layer->router.buffer),
        .vectors = vkmoe_buffer_address(layer->vectors),
        .logits = scratch_address(pass, pass->at.logits),
        .ids = pass->ids,
        .weights = pass->weights,
        .shared_weights = scratch_address(pass, pass->at.shared_weights),
        .counters = vkmoe_stream_counters(pass->stream),
        .tokens = pass->tokens,
        .hidden = p->hidden,
        .units = layer->router.units,
        .row_tiles = div_up(rows, 8 * blocks),
    };
    struct dispatch d = {
        .kernel = KERNEL_route,
        .spec = {
            [ROUTE_LANES] = pass->shapes.lanes,
            [ROUTE_BLOCKS] = blocks,
            [ROUTE_TOKENS] = tile_tokens,
            [ROUTE_COLUMNS] = columns,
            [ROUTE_PACKED] = is_packed(pass->router_x, p->hidden, 8) && is_packed(pass->x, p->hidden, 8),
            [ROUTE_EXTRA_ROW] = layer->shared_weighted,
            [ROUTE_SHARED_X] = layer->shared_weighted && pass->router_x != pass->x,
        },
        .push = &push,
        .groups = push.row_tiles * div_up(pass->tokens, tile_tokens),
    };
    set_route_spec(p, d.spec);
    return run(pass, &d);
}

static uint32_t decode_tile_tokens(uint32_t tokens)
{
    return tokens <= 1 ? 1 : tokens <= 2 ? 2 : tokens <= 4 ? 4 : DECODE_MAX_TOKENS;
}

// Whether the decode kernels run in their COLUMNS form, whose lanes are tokens.
static bool uses_columns(const struct pass *pass)
{
    return vkmoe_kernel_choose(pass->device, KERNEL_decode_up, pass->shapes.unwanted)->needs
        & NEED_broadcast & ~NEED_int64;
}

// Blocks of matrix rows for a decode workgroup.
static uint32_t decode_blocks(const struct pass *pass)
{
    return !pass->device->is_cpu ? 2 : uses_columns(pass) ? 4 : 8;
}

static struct dispatch decode_dispatch(const struct pass *pass, enum kernel kernel)
{
    const struct vkmoe_layer_params *p = &pass->layer->params;
    return (struct dispatch) {
        .kernel = kernel,
        .spec = {
            [DECODE_LANES] = pass->shapes.lanes,
            [DECODE_BLOCKS] = decode_blocks(pass),
            [DECODE_TOKENS] = decode_tile_tokens(pass->tokens),
            [DECODE_TYPE] = pass->layer->dtype,
            [DECODE_WEIGHT_INPUT] = p->weight_on_input,
        },
    };
}

static enum vkmoe_status decode_up(const struct pass *pass)
{
    const vkmoe_layer *layer = pass->layer;
    const struct vkmoe_layer_params *p = &layer->params;
    struct dispatch d = decode_dispatch(pass, KERNEL_decode_up);
    const uint32_t blocks = d.spec[DECODE_BLOCKS];
    const struct matrix *up = layer->up, *shared = &layer->up[p->experts];
    const struct decode_up_push push = {
        .ids = pass->ids,
        .weights = pass->weights,
        .x = pass->x,
        .h = scratch_address(pass, pass->at.h),
        .shared_h = scratch_address(pass, pass->at.shared_h),
        .table = vkmoe_buffer_address(layer->up_table),
        .bias = address_or_dummy(pass, layer->up_bias),
        .tokens = pass->tokens,
        .k = p->experts_per_token,
        .experts = p->experts,
        .columns = p->hidden,
        .units = up->units,
        .h_columns = layer->inner_columns,
        .shared_h_columns = layer->shared_inner_columns,
        .row_tiles = div_up(up->blocks, blocks),
        .shared_row_tiles = div_up(shared->blocks, blocks),
        .bias_stride = up->blocks * BLOCK_ROWS,
    };
    d.spec[DECODE_PACKED] = is_packed(pass->x, p->hidden, 8);
    d.spec[DECODE_GATED] = layer->gated;
    d.spec[DECODE_SHARED_GATED] = layer->shared_gated;
    d.spec[DECODE_ACTIVATION] = p->activation;
    d.spec[DECODE_ALPHA] = float_bits(p->activation_alpha);
    d.spec[DECODE_LIMIT] = float_bits(p->activation_limit);
    d.spec[DECODE_BIAS] = layer->up_biased;
    d.push = &push;
    d.groups = pass->tokens * p->experts_per_token * push.row_tiles
        + div_up(pass->tokens, d.spec[DECODE_TOKENS]) * push.shared_row_tiles;
    return run(pass, &d);
}

static uint32_t shared_mode(const vkmoe_layer *layer)
{
    return layer->params.shared_inner == 0 ? 0 : layer->shared_weighted ? 2 : 1;
}

static enum vkmoe_status decode_down(const struct pass *pass)
{
    const vkmoe_layer *layer = pass->layer;
    const struct vkmoe_layer_params *p = &layer->params;
    struct dispatch d = decode_dispatch(pass, KERNEL_decode_down);
    const struct decode_down_push push = {
        .ids = pass->ids,
        .weights = pass->weights,
        .h = scratch_address(pass, pass->at.h),
        .shared_h = scratch_address(pass, pass->at.shared_h),
        .shared_weights = scratch_address(pass, pass->at.shared_weights),
        .y = pass->y,
        .table = vkmoe_buffer_address(layer->down_table),
        .bias = address_or_dummy(pass, layer->down_bias),
        .output_bias = address_or_dummy(pass, layer->output_bias),
        .tokens = pass->tokens,
        .k = p->experts_per_token,
        .experts = p->experts,
        .columns = p->hidden,
        .h_columns = layer->inner_columns,
        .shared_h_columns = layer->shared_inner_columns,
        .row_tiles = div_up(p->hidden, 8 * d.spec[DECODE_BLOCKS]),
        .bias_stride = layer->down[0].blocks * BLOCK_ROWS,
    };
    d.spec[DECODE_BIAS] = layer->down_biased;
    d.spec[DECODE_SHARED] = shared_mode(layer);
    d.spec[DECODE_OUTPUT_BIAS] = layer->output_biased;
    d.push = &push;
    if (!uses_columns(pass))
        d.spec[DECODE_TOKENS] = 1;
    d.groups = push.row_tiles * div_up(pass->tokens, d.spec[DECODE_TOKENS]);
    return run(pass, &d);
}

// Matrix tiles along a GEMM's outputs; 0 for a matrix that is not there.
static uint32_t row_tiles(const struct pass *pass, const struct matrix *matrix)
{
    return div_up(matrix->blocks, pass->shapes.gemm_blocks);
}

static enum vkmoe_status group_tokens(const struct pass *pass)
{
    const vkmoe_layer *layer = pass->layer;
    const struct vkmoe_layer_params *p = &layer->params;
    const bool limited = p->router.capacity > 0;
    const struct group_tokens_push push = {
        .ids = pass->ids,
        .weights = pass->weights,
        .rows = scratch_address(pass, pass->at.rows),
        .counts = scratch_address(pass, pass->at.counts),
        .plan = scratch_address(pass, pass->at.plan),
        .counter = vkmoe_stream_counters(pass->stream),
        .tokens = pass->tokens,
        .k = p->experts_per_token,
        .experts = p->experts,
        .sequence_tokens = limited ? pass->sequence_tokens : pass->tokens,
        .capacity = limited ? p->router.capacity : UINT32_MAX,
        .tile_rows = pass->shapes.gemm_rows,
        .up_row_tiles = row_tiles(pass, &layer->up[0]),
        .down_row_tiles = row_tiles(pass, &layer->down[0]),
        .shared_up_row_tiles = row_tiles(pass, &layer->up[p->experts]),
        .max_groups = pass->device->max_groups,
    };
    struct dispatch d = {
        .kernel = KERNEL_group_tokens,
        .spec = { [GROUP_LANES] = GROUP_TOKENS_LANES },
        .push = &push,
        .groups = p->experts,
    };
    return run(pass, &d);
}

static struct experts_gemm_push gemm_push(const struct pass *pass)
{
    return (struct experts_gemm_push) {
        .plan = scratch_address(pass, pass->at.plan),
        .rows = scratch_address(pass, pass->at.rows),
        .shared_result = scratch_address(pass, pass->at.shared_h),
        .bias = vkmoe_device_dummy_address(pass->device),
        .weights = pass->weights,
        .k = pass->layer->params.experts_per_token,
        .experts = pass->layer->params.experts,
        .tokens = pass->tokens,
        .tile_rows = pass->shapes.gemm_rows,
    };
}

static enum vkmoe_status experts_up(const struct pass *pass)
{
    const vkmoe_layer *layer = pass->layer;
    const struct vkmoe_layer_params *p = &layer->params;
    struct experts_gemm_push push = gemm_push(pass);
    push.source = pass->x;
    push.result = scratch_address(pass, pass->at.h);
    push.table = vkmoe_buffer_address(layer->up_table);
    push.bias = address_or_dummy(pass, layer->up_bias);
    push.units = layer->up[0].units;
    push.source_columns = push.source_stride = p->hidden;
    push.result_columns = push.result_stride = layer->inner_columns;
    push.shared_result_columns = layer->shared_inner_columns;
    push.row_tiles = row_tiles(pass, &layer->up[0]);
    push.shared_row_tiles = row_tiles(pass, &layer->up[p->experts]);
    push.bias_stride = layer->up[0].blocks * BLOCK_ROWS;
    struct dispatch d = {
        .kernel = KERNEL_experts_gemm,
        .spec = {
            [GEMM_TYPE] = layer->dtype,
            [GEMM_UP] = 1,
            [GEMM_PACKED] = is_packed(pass->x, p->hidden, 8),
            [GEMM_RESULT_PACKED] = 1,
            [GEMM_GATED] = layer->gated,
            [GEMM_SHARED_GATED] = layer->shared_gated,
            [GEMM_ACTIVATION] = p->activation,
            [GEMM_BIAS] = layer->up_biased,
            [GEMM_WEIGHT_INPUT] = p->weight_on_input,
            [GEMM_ALPHA] = float_bits(p->activation_alpha),
            [GEMM_LIMIT] = float_bits(p->activation_limit),
        },
        .push = &push,
        .indirect = pass->scratch,
        .indirect_offset = pass->at.plan + 4 * PLAN_UP,
    };
    return run(pass, &d);
}

// Rows of h to rows of `columns` outputs; what the two down projections share.
static struct dispatch down_dispatch(const struct pass *pass, struct experts_gemm_push *push,
    uint32_t h_columns)
{
    const struct vkmoe_layer_params *p = &pass->layer->params;
    push->table = vkmoe_buffer_address(pass->layer->down_table);
    push->units = h_columns / 8;
    push->source_columns = push->source_stride = h_columns;
    push->result_columns = push->result_stride = p->hidden;
    return (struct dispatch) {
        .kernel = KERNEL_experts_gemm,
        .spec = {
            [GEMM_TYPE] = pass->layer->dtype,
            [GEMM_PACKED] = 1,
            [GEMM_RESULT_PACKED] = is_packed(push->result, p->hidden, 4),
            [GEMM_ACTIVATION] = VKMOE_IDENTITY,
        },
        .push = push,
    };
}

// The shared expert's outputs wait in y until combine adds them.
static enum vkmoe_status shared_down(const struct pass *pass)
{
    const vkmoe_layer *layer = pass->layer;
    struct experts_gemm_push push = gemm_push(pass);
    push.source = scratch_address(pass, pass->at.shared_h);
    push.result = pass->y;
    push.row_tiles = row_tiles(pass, &layer->down[layer->params.experts]);
    struct dispatch d = down_dispatch(pass, &push, layer->shared_inner_columns);
    d.spec[GEMM_DIRECT] = 1;
    d.groups = push.row_tiles * div_up(pass->tokens, push.tile_rows);
    return run(pass, &d);
}

static enum vkmoe_status experts_down(const struct pass *pass)
{
    const vkmoe_layer *layer = pass->layer;
    struct experts_gemm_push push = gemm_push(pass);
    push.source = scratch_address(pass, pass->at.h);
    push.result = scratch_address(pass, pass->at.outputs);
    push.bias = address_or_dummy(pass, layer->down_bias);
    push.row_tiles = row_tiles(pass, &layer->down[0]);
    push.bias_stride = layer->down[0].blocks * BLOCK_ROWS;
    struct dispatch d = down_dispatch(pass, &push, layer->inner_columns);
    d.spec[GEMM_BIAS] = layer->down_biased;
    d.indirect = pass->scratch;
    d.indirect_offset = pass->at.plan + 4 * PLAN_DOWN;
    return run(pass, &d);
}

static enum vkmoe_status combine(const struct pass *pass)
{
    const vkmoe_layer *layer = pass->layer;
    const struct vkmoe_layer_params *p = &layer->params;
    const uint32_t run_length = 4;
    const struct combine_push push = {
        .outputs = scratch_address(pass, pass->at.outputs),
        .weights = pass->weights,
        .shared_weights = scratch_address(pass, pass->at.shared_weights),
        .output_bias = address_or_dummy(pass, layer->output_bias),
        .y = pass->y,
        .tokens = pass->tokens,
        .k = p->experts_per_token,
        .columns = p->hidden,
        .runs = div_up(p->hidden, run_length),
    };
    struct dispatch d = {
        .kernel = KERNEL_combine,
        .spec = {
            [COMBINE_LANES] = pass->shapes.combine_lanes,
            [COMBINE_UNWEIGHTED] = p->weight_on_input,
            [COMBINE_SHARED] = shared_mode(layer),
            [COMBINE_OUTPUT_BIAS] = layer->output_biased,
            [COMBINE_RUN] = run_length,
        },
        .push = &push,
        .groups = div_up(pass->tokens * push.runs, pass->shapes.combine_lanes),
    };
    return run(pass, &d);
}

// ------------------------------------------------------------------------ forward

static enum vkmoe_status record_pass(const struct pass *pass)
{
    enum vkmoe_status (*const decode[])(const struct pass *) = { route, decode_up, decode_down };
    enum vkmoe_status (*const prefill[])(const struct pass *) = { route, group_tokens, experts_up,
        shared_down, experts_down, combine };
    const size_t count = pass->decode ? ARRAY_SIZE(decode) : ARRAY_SIZE(prefill);
    for (size_t i = 0; i < count; i++) {
        if (!pass->decode && prefill[i] == shared_down && pass->layer->params.shared_inner == 0)
            continue;
        const enum vkmoe_status status = pass->decode ? decode[i](pass) : prefill[i](pass);
        if (status != VKMOE_OK)
            return status;
    }
    return VKMOE_OK;
}

static enum vkmoe_status check_span(const vkmoe_layer *layer, const char *name,
    const struct vkmoe_span *span, uint64_t elements, bool required)
{
    const struct vkmoe_log *log = &layer->device->log;
    if (!span->buffer) {
        if (!required)
            return VKMOE_OK;
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "forward: %s is missing", name);
    }
    const uint64_t size = vkmoe_buffer_size(span->buffer);
    if (span->buffer->device != layer->device)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "forward: %s is a buffer of another device", name);
    if (span->offset % 4 != 0)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "forward: %s.offset %llu is no multiple of 4", name,
            (unsigned long long) span->offset);
    if (span->offset > size || size - span->offset < elements * 4)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID,
            "forward: %s needs %llu bytes from offset %llu, the buffer has %llu", name,
            (unsigned long long) elements * 4, (unsigned long long) span->offset,
            (unsigned long long) size);
    return VKMOE_OK;
}

static uint64_t span_address(const struct vkmoe_span *span)
{
    return span->buffer ? vkmoe_buffer_address(span->buffer) + span->offset : 0;
}

static bool overlap(const struct vkmoe_span *a, uint64_t a_elements, const struct vkmoe_span *b,
    uint64_t b_elements)
{
    const uint64_t first = span_address(a), second = span_address(b);
    return first && second && first < second + b_elements * 4 && second < first + a_elements * 4;
}

static enum vkmoe_status check_forward(const vkmoe_stream *stream, const vkmoe_layer *layer,
    const struct vkmoe_forward_params *f)
{
    const struct vkmoe_log *log = &layer->device->log;
    const struct vkmoe_layer_params *p = &layer->params;
    if (vkmoe_stream_device(stream) != layer->device)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "forward: stream and layer are of two devices");
    if (f->tokens > MAX_TOKENS)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "forward: tokens is %u, must be 0 to %u", f->tokens,
            MAX_TOKENS);
    const uint64_t rows = (uint64_t) f->tokens * p->hidden;
    const uint64_t pairs = (uint64_t) f->tokens * p->experts_per_token;
    const bool ids_in = p->router.select >= VKMOE_SELECT_SUPPLIED;
    const bool weights_in = p->router.select == VKMOE_SELECT_SUPPLIED_WEIGHTED;
    const struct {
        const char *name;
        const struct vkmoe_span *span;
        uint64_t elements;
        bool required, written;
    } spans[] = {
        { "x", &f->x, rows, true, false },
        { "router_x", &f->router_x, rows, false, false },
        { "ids", &f->ids, pairs, ids_in, !ids_in },
        { "weights", &f->weights, pairs, weights_in, !weights_in },
        { "y", &f->y, rows, true, true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(spans); i++) {
        const enum vkmoe_status status = check_span(layer, spans[i].name, spans[i].span,
            spans[i].elements, spans[i].required);
        if (status != VKMOE_OK)
            return status;
        for (size_t j = 0; j < i; j++) {
            if ((spans[i].written || spans[j].written)
                && overlap(spans[i].span, spans[i].elements, spans[j].span, spans[j].elements))
                return vkmoe_fail(log, VKMOE_ERROR_INVALID, "forward: %s overlaps %s", spans[j].name,
                    spans[i].name);
        }
    }
    return VKMOE_OK;
}

// Splits `tokens` into passes; whole sequences each if capacity counts by sequence.
static enum vkmoe_status choose_pass(const vkmoe_layer *layer, const struct vkmoe_forward_params *f,
    uint32_t tile_rows, uint32_t *per_pass)
{
    *per_pass = pass_tokens(layer, f->tokens, tile_rows);
    const uint32_t sequence = f->sequence_tokens ? f->sequence_tokens : f->tokens;
    if (layer->params.router.capacity == 0 || *per_pass == f->tokens)
        return VKMOE_OK;
    *per_pass -= *per_pass % sequence;
    if (*per_pass == 0)
        return vkmoe_fail(&layer->device->log, VKMOE_ERROR_UNSUPPORTED,
            "forward: capacity over sequences of %u tokens, which need more than one pass", sequence);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_layer_forward(vkmoe_stream *stream, const vkmoe_layer *layer,
    const struct vkmoe_forward_params *f)
{
    if (f->tokens == 0)
        return VKMOE_OK;
    enum vkmoe_status status = check_forward(stream, layer, f);
    if (status != VKMOE_OK)
        return status;
    struct pass pass = {
        .stream = stream,
        .layer = layer,
        .device = layer->device,
        .shapes = choose_shapes(layer),
        .decode = may_decode(layer, f->tokens),
    };
    uint32_t per_pass = f->tokens;
    if (!pass.decode)
        status = choose_pass(layer, f, pass.shapes.gemm_rows, &per_pass);
    if (status == VKMOE_OK)
        status = vkmoe_stream_scratch(stream, vkmoe_layer_scratch_size(layer, f->tokens),
            &pass.scratch);
    pass.sequence_tokens = f->sequence_tokens ? f->sequence_tokens : f->tokens;
    pass.at = plan_scratch(layer, per_pass, pass.decode, pass.shapes.gemm_rows);
    for (uint32_t first = 0; first < f->tokens && status == VKMOE_OK; first += per_pass) {
        const struct vkmoe_layer_params *p = &layer->params;
        const uint64_t row = (uint64_t) first * p->hidden * 4;
        const uint64_t pair = (uint64_t) first * p->experts_per_token * 4;
        pass.tokens = MIN(per_pass, f->tokens - first);
        pass.x = span_address(&f->x) + row;
        pass.router_x = f->router_x.buffer ? span_address(&f->router_x) + row : pass.x;
        pass.y = span_address(&f->y) + row;
        pass.ids = f->ids.buffer ? span_address(&f->ids) + pair : scratch_address(&pass, pass.at.ids);
        pass.weights = f->weights.buffer ? span_address(&f->weights) + pair
                                         : scratch_address(&pass, pass.at.weights);
        status = record_pass(&pass);
    }
    return status;
}
