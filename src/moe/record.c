// layer_kernels.c - the stages of a layer: each fills one kernel's contract.
#include "moe/pass.h"

#include "base/common.h"

#include "shaders/combine.h"
#include "shaders/decode_down.h"
#include "shaders/decode_up.h"
#include "shaders/experts_gemm.h"
#include "shaders/group_tokens.h"
#include "shaders/limit_experts.h"
#include "shaders/plan.h"
#include "shaders/route.h"

enum vkmoe_status vkmoe_pass_run(const struct pass *pass, struct dispatch *dispatch)
{
    const enum vkmoe_status status = vkmoe_stream_barrier(pass->stream);
    if (status != VKMOE_OK)
        return status;
    dispatch->variant = vkmoe_kernel_choose(pass->device, dispatch->kernel, pass->shapes.unwanted);
    return vkmoe_stream_dispatch(pass->stream, dispatch);
}

static void set_route_spec(const struct vkmoe_moe_params *p, uint32_t spec[SPEC_MAX])
{
    const struct vkmoe_router_params *r = &p->router;
    spec[ROUTE_EXPERTS] = p->experts;
    spec[ROUTE_K] = p->experts_per_token;
    spec[ROUTE_SCORE] = r->score;
    spec[ROUTE_SELECT] = r->select;
    spec[ROUTE_WEIGH] = r->weigh;
    spec[ROUTE_GROUPS] = r->groups;
    spec[ROUTE_GROUPS_KEPT] = r->groups_kept;
    spec[ROUTE_GROUP_TOP_2] = r->group_score == VKMOE_GROUP_SCORE_SUM_TOP_2;
    spec[ROUTE_GROUP_ZERO] = r->group_mask_zero;
    spec[ROUTE_RENORMALIZE] = r->renormalize ? (r->renormalize_max ? 2 : 1) : 0;
    spec[ROUTE_RMS_NORM] = r->rms_norm;
    spec[ROUTE_RENORM_EPSILON] = float_bits(r->renormalize_epsilon);
    spec[ROUTE_SCALE] = float_bits(r->scale);
    spec[ROUTE_SOFT_CAP] = float_bits(r->soft_cap);
    spec[ROUTE_THRESHOLD] = float_bits(r->sparsemixer_threshold);
    spec[ROUTE_RMS_EPSILON] = float_bits(r->rms_epsilon);
    spec[ROUTE_ALWAYS] = r->always;
    spec[ROUTE_EACH_GROUP] = r->each_group;
}

// Blocks of experts for a workgroup of route. A CPU loads x once for all of them; on lavapipe
// 26.1 8 tokens and 32 experts took 1.3 times as long one by one.
static uint32_t route_blocks(const struct pass *pass, uint32_t rows)
{
    return !pass->device->is_cpu || rows <= 8 ? 1 : rows <= 16 ? 2 : 4;
}

enum vkmoe_status vkmoe_pass_route(const struct pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    const struct vkmoe_moe_params *p = &moe->params;
    if (p->router.select == VKMOE_SELECT_SUPPLIED_WEIGHTED)
        return VKMOE_OK;
    const uint32_t rows = p->experts + moe->shared_weighted + (moe->leveled ? 2 : 0);
    const uint32_t blocks = route_blocks(pass, rows);
    const uint32_t most = pass->shapes.route_tokens, tile_tokens = pass->tokens >= most ? most : 1;
    const bool shares_x = moe->shared_weighted && pass->router_x != pass->x;
    const struct route_push push = {
        .x = pass->router_x,
        .shared_x = pass->x,
        .matrix = vkmoe_buffer_address(moe->router.buffer),
        .vectors = vkmoe_buffer_address(moe->vectors),
        .logits = scratch_address(pass, pass->at.logits),
        .ids = pass->ids,
        .weights = pass->weights,
        .shared_weights = scratch_address(pass, pass->at.shared_weights),
        .counters = vkmoe_stream_counters(pass->stream),
        .tokens = pass->tokens,
        .hidden = p->router_hidden,
        .units = moe->router.units,
        .row_tiles = div_up(rows, 8 * blocks),
    };
    struct dispatch d = {
        .kernel = KERNEL_route,
        .spec = {
            [ROUTE_LANES] = pass->shapes.lanes,
            [ROUTE_BLOCKS] = blocks,
            [ROUTE_TOKENS] = tile_tokens,
            [ROUTE_PACKED] = is_packed(pass->router_x, p->router_hidden, 8)
                && (!shares_x || is_packed(pass->x, p->hidden, 8)),
            [ROUTE_EXTRA_ROW] = moe->shared_weighted,
            [ROUTE_LEVELS] = moe->leveled,
            [ROUTE_SHARED_X] = shares_x,
        },
        .push = &push,
        .groups = push.row_tiles * div_up(pass->tokens, tile_tokens),
    };
    set_route_spec(p, d.spec);
    return vkmoe_pass_run(pass, &d);
}

// First what this pass's tokens chose is noted, as one may be the earlier of another.
enum vkmoe_status vkmoe_pass_limit_experts(const struct pass *pass)
{
    const struct vkmoe_moe_params *p = &pass->moe->params;
    const struct layer_history *history = pass->history;
    if (!history)
        return VKMOE_OK;
    const uint64_t dummy = vkmoe_device_dummy_address(pass->device);
    const struct limit_experts_push push = {
        .ids = pass->ids,
        .weights = pass->weights,
        .choices = vkmoe_buffer_address(history->choices),
        .positions = pass->positions ? pass->positions : dummy,
        .sequences = pass->sequences ? pass->sequences : dummy,
        .tokens = pass->tokens,
        .k = p->experts_per_token,
        .experts = p->experts,
        .limit = history->limit,
        .capacity = history->capacity,
        .sequence_count = history->sequences,
        .first_token = pass->first_token,
    };
    struct dispatch d = {
        .kernel = KERNEL_limit_experts,
        .spec = {
            [LIMIT_LANES] = LIMIT_EXPERTS_LANES,
            [LIMIT_NOTE] = 1,
            [LIMIT_HAS_POSITIONS] = pass->positions != 0,
            [LIMIT_HAS_SEQUENCES] = pass->sequences != 0,
        },
        .push = &push,
        .groups = div_up(push.tokens * push.k, LIMIT_EXPERTS_LANES),
    };
    const enum vkmoe_status status = vkmoe_pass_run(pass, &d);
    d.spec[LIMIT_NOTE] = 0;
    d.groups = push.tokens * push.k;
    return status == VKMOE_OK ? vkmoe_pass_run(pass, &d) : status;
}

static uint32_t decode_tile_tokens(uint32_t tokens)
{
    return tokens <= 1 ? 1 : tokens <= 2 ? 2 : tokens <= 4 ? 4 : DECODE_MAX_TOKENS;
}

static struct dispatch decode_dispatch(const struct pass *pass, enum kernel kernel)
{
    const struct vkmoe_moe_params *p = &pass->moe->params;
    return (struct dispatch) {
        .kernel = kernel,
        .spec = {
            [DECODE_LANES] = pass->shapes.lanes,
            [DECODE_BLOCKS] = pass->shapes.decode_blocks,
            [DECODE_TYPE] = pass->moe->dtype,
            [DECODE_WEIGHT_INPUT] = p->weight_on_input,
        },
    };
}

enum vkmoe_status vkmoe_pass_decode_up(const struct pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    const struct vkmoe_moe_params *p = &moe->params;
    struct dispatch d = decode_dispatch(pass, KERNEL_decode_up);
    const uint32_t blocks = d.spec[DECODE_BLOCKS];
    const struct matrix *up = moe->up, *shared = &moe->up[p->experts];
    const struct decode_up_push push = {
        .ids = pass->ids,
        .weights = pass->weights,
        .x = pass->x,
        .h = scratch_address(pass, pass->at.h),
        .shared_h = scratch_address(pass, pass->at.shared_h),
        .table = vkmoe_buffer_address(moe->up_table),
        .bias = address_or_dummy(pass->device, moe->up_bias),
        .tokens = pass->tokens,
        .k = p->experts_per_token,
        .experts = p->experts,
        .columns = p->hidden,
        .units = up->units,
        .h_columns = moe->inner_columns,
        .shared_h_columns = moe->shared_inner_columns,
        .row_tiles = div_up(up->blocks, blocks),
        .shared_row_tiles = div_up(shared->blocks, blocks),
        .bias_stride = up->blocks * BLOCK_ROWS,
    };
    d.spec[DECODE_TOKENS] = decode_tile_tokens(pass->tokens);
    d.spec[DECODE_PACKED] = is_packed(pass->x, p->hidden, 8);
    d.spec[DECODE_GATED] = moe->gated;
    d.spec[DECODE_SHARED_GATED] = moe->shared_gated;
    d.spec[DECODE_ACTIVATION] = p->activation;
    d.spec[DECODE_ALPHA] = float_bits(p->activation_alpha);
    d.spec[DECODE_LIMIT] = float_bits(p->activation_limit);
    d.spec[DECODE_BIAS] = moe->up_biased;
    d.push = &push;
    d.groups = pass->tokens * p->experts_per_token * push.row_tiles
        + div_up(pass->tokens, d.spec[DECODE_TOKENS]) * push.shared_row_tiles;
    return vkmoe_pass_run(pass, &d);
}

static uint32_t shared_mode(const vkmoe_moe *moe)
{
    return moe->params.shared_inner == 0 ? 0 : moe->shared_weighted ? 2 : 1;
}

enum vkmoe_status vkmoe_pass_decode_down(const struct pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    const struct vkmoe_moe_params *p = &moe->params;
    struct dispatch d = decode_dispatch(pass, KERNEL_decode_down);
    const struct decode_down_push push = {
        .ids = pass->ids,
        .weights = pass->weights,
        .h = scratch_address(pass, pass->at.h),
        .shared_h = scratch_address(pass, pass->at.shared_h),
        .shared_weights = scratch_address(pass, pass->at.shared_weights),
        .y = pass->y,
        .table = vkmoe_buffer_address(moe->down_table),
        .bias = address_or_dummy(pass->device, moe->down_bias),
        .output_bias = address_or_dummy(pass->device, moe->output_bias),
        .tokens = pass->tokens,
        .k = p->experts_per_token,
        .experts = p->experts,
        .columns = p->hidden,
        .h_columns = moe->inner_columns,
        .shared_h_columns = moe->shared_inner_columns,
        .row_tiles = div_up(p->hidden, 8 * d.spec[DECODE_BLOCKS]),
        .bias_stride = moe->down[0].blocks * BLOCK_ROWS,
    };
    d.spec[DECODE_BIAS] = moe->down_biased;
    d.spec[DECODE_SHARED] = shared_mode(moe);
    d.spec[DECODE_OUTPUT_BIAS] = moe->output_biased;
    d.push = &push;
    d.groups = push.row_tiles * pass->tokens;
    return vkmoe_pass_run(pass, &d);
}

// Matrix tiles along a GEMM's outputs; 0 for a matrix that is not there.
static uint32_t row_tiles(const struct pass *pass, const struct matrix *matrix)
{
    return div_up(matrix->blocks, pass->shapes.gemm_blocks);
}

enum vkmoe_status vkmoe_pass_group_tokens(const struct pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    const struct vkmoe_moe_params *p = &moe->params;
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
        .up_row_tiles = row_tiles(pass, &moe->up[0]),
        .down_row_tiles = row_tiles(pass, &moe->down[0]),
        .shared_up_row_tiles = row_tiles(pass, &moe->up[p->experts]),
        .max_groups = pass->device->max_groups,
    };
    struct dispatch d = {
        .kernel = KERNEL_group_tokens,
        .spec = { [GROUP_LANES] = GROUP_TOKENS_LANES },
        .push = &push,
        .groups = p->experts,
    };
    return vkmoe_pass_run(pass, &d);
}

static struct experts_gemm_push gemm_push(const struct pass *pass)
{
    return (struct experts_gemm_push){
        .plan = scratch_address(pass, pass->at.plan),
        .rows = scratch_address(pass, pass->at.rows),
        .shared_result = scratch_address(pass, pass->at.shared_h),
        .bias = vkmoe_device_dummy_address(pass->device),
        .weights = pass->weights,
        .k = pass->moe->params.experts_per_token,
        .experts = pass->moe->params.experts,
        .tokens = pass->tokens,
        .tile_rows = pass->shapes.gemm_rows,
    };
}

enum vkmoe_status vkmoe_pass_experts_up(const struct pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    const struct vkmoe_moe_params *p = &moe->params;
    struct experts_gemm_push push = gemm_push(pass);
    push.source = pass->x;
    push.result = scratch_address(pass, pass->at.h);
    push.table = vkmoe_buffer_address(moe->up_table);
    push.bias = address_or_dummy(pass->device, moe->up_bias);
    push.units = moe->up[0].units;
    push.source_columns = push.source_stride = p->hidden;
    push.result_columns = push.result_stride = pass->to_pairs ? p->inner : moe->inner_columns;
    if (pass->source_pairs > 0)
        push.k = pass->source_pairs;
    push.shared_result_columns = moe->shared_inner_columns;
    push.row_tiles = row_tiles(pass, &moe->up[0]);
    push.shared_row_tiles = row_tiles(pass, &moe->up[p->experts]);
    push.bias_stride = moe->up[0].blocks * BLOCK_ROWS;
    struct dispatch d = {
        .kernel = KERNEL_experts_gemm,
        .spec = {
            [GEMM_TYPE] = moe->dtype,
            [GEMM_UP] = 1,
            [GEMM_PACKED] = is_packed(pass->x, p->hidden, 8),
            [GEMM_RESULT_PACKED] = is_packed(push.result, push.result_stride, 4),
            [GEMM_TO_PAIRS] = pass->to_pairs,
            [GEMM_GATED] = moe->gated,
            [GEMM_SHARED_GATED] = moe->shared_gated,
            [GEMM_ACTIVATION] = p->activation,
            [GEMM_BIAS] = moe->up_biased,
            [GEMM_WEIGHT_INPUT] = p->weight_on_input,
            [GEMM_ALPHA] = float_bits(p->activation_alpha),
            [GEMM_LIMIT] = float_bits(p->activation_limit),
        },
        .push = &push,
        .indirect = pass->scratch,
        .indirect_offset = pass->at.plan + 4 * PLAN_UP,
    };
    return vkmoe_pass_run(pass, &d);
}

// Rows of h to rows of `columns` outputs; what the two down projections share.
static struct dispatch down_dispatch(
    const struct pass *pass, struct experts_gemm_push *push, uint32_t h_columns)
{
    const struct vkmoe_moe_params *p = &pass->moe->params;
    push->table = vkmoe_buffer_address(pass->moe->down_table);
    push->units = h_columns / 8;
    push->source_columns = push->source_stride = h_columns;
    push->result_columns = push->result_stride = p->hidden;
    return (struct dispatch) {
        .kernel = KERNEL_experts_gemm,
        .spec = {
            [GEMM_TYPE] = pass->moe->dtype,
            [GEMM_PACKED] = 1,
            [GEMM_RESULT_PACKED] = is_packed(push->result, p->hidden, 4),
            [GEMM_ACTIVATION] = VKMOE_ACTIVATION_IDENTITY,
        },
        .push = push,
    };
}

// The shared expert's outputs wait in y until combine adds them.
enum vkmoe_status vkmoe_pass_shared_down(const struct pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    struct experts_gemm_push push = gemm_push(pass);
    push.source = scratch_address(pass, pass->at.shared_h);
    push.result = pass->y;
    push.row_tiles = row_tiles(pass, &moe->down[moe->params.experts]);
    struct dispatch d = down_dispatch(pass, &push, moe->shared_inner_columns);
    d.spec[GEMM_DIRECT] = 1;
    d.groups = push.row_tiles * div_up(pass->tokens, push.tile_rows);
    return vkmoe_pass_run(pass, &d);
}

enum vkmoe_status vkmoe_pass_experts_down(const struct pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    struct experts_gemm_push push = gemm_push(pass);
    push.source = scratch_address(pass, pass->at.h);
    push.result = scratch_address(pass, pass->at.outputs);
    push.bias = address_or_dummy(pass->device, moe->down_bias);
    push.row_tiles = row_tiles(pass, &moe->down[0]);
    push.bias_stride = moe->down[0].blocks * BLOCK_ROWS;
    struct dispatch d = down_dispatch(pass, &push, moe->inner_columns);
    d.spec[GEMM_BIAS] = moe->down_biased;
    d.indirect = pass->scratch;
    d.indirect_offset = pass->at.plan + 4 * PLAN_DOWN;
    return vkmoe_pass_run(pass, &d);
}

enum vkmoe_status vkmoe_pass_combine(const struct pass *pass)
{
    const vkmoe_moe *moe = pass->moe;
    const struct vkmoe_moe_params *p = &moe->params;
    const uint32_t run_length = 4;
    const struct combine_push push = {
        .outputs = scratch_address(pass, pass->at.outputs),
        .weights = pass->weights,
        .shared_weights = scratch_address(pass, pass->at.shared_weights),
        .output_bias = address_or_dummy(pass->device, moe->output_bias),
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
            [COMBINE_SHARED] = shared_mode(moe),
            [COMBINE_OUTPUT_BIAS] = moe->output_biased,
            [COMBINE_RUN] = run_length,
        },
        .push = &push,
        .groups = div_up(pass->tokens * push.runs, pass->shapes.combine_lanes),
    };
    return vkmoe_pass_run(pass, &d);
}
