// pairs.c - see pairs.h.
#include "moe/pairs.h"

#include "base/common.h"
#include "base/try.h"
#include "device/operands.h"

#include "shaders/activate.h"
#include "shaders/combine.h"
#include "shaders/group_tokens.h"
#include "shaders/limit_experts.h"
#include "shaders/plan.h"

// On every device: lavapipe 22.3 stops an invocation's loops after 65535 iterations, and
// 64 lanes share even PASS_MAX_PAIRS pairs in fewer.
#define GROUP_TOKENS_LANES 64
// Likewise: the positions of a sequence.
#define LIMIT_EXPERTS_LANES 64

uint64_t vkmoe_scratch_take(uint64_t *size, uint64_t bytes)
{
    const uint64_t at = *size;
    *size = align_up(at + bytes, BUFFER_ALIGNMENT);
    return at;
}

// First what these tokens chose is noted, as one may be the earlier of another.
enum vkmoe_status vkmoe_pairs_limit(vkmoe_stream *stream, const struct limit_operands *o)
{
    const struct choice_history *history = o->history;
    const uint64_t dummy = vkmoe_device_dummy_address(vkmoe_stream_device(stream));
    const struct limit_experts_push push = {
        PAIRS_OPERANDS(o->pairs),
        .choices = vkmoe_buffer_address(history->choices),
        .positions = o->positions ? o->positions : dummy,
        .sequences = o->sequences ? o->sequences : dummy,
        .experts = o->experts,
        .limit = history->limit,
        .capacity = history->capacity,
        .sequence_count = history->sequences,
        .first_token = o->first_token,
    };
    struct dispatch d = {
        .kernel = KERNEL_limit_experts,
        .spec = {
            [LIMIT_LANES] = LIMIT_EXPERTS_LANES,
            [LIMIT_NOTE] = 1,
            [LIMIT_HAS_POSITIONS] = o->positions != 0,
            [LIMIT_HAS_SEQUENCES] = o->sequences != 0,
        },
        .push = &push,
        .groups = div_up(push.tokens * push.k, LIMIT_EXPERTS_LANES),
    };
    TRY_RETURN(stream_run(stream, &d));
    d.spec[LIMIT_NOTE] = 0;
    d.groups = push.tokens * push.k;
    return stream_run(stream, &d);
}

struct sorted_pairs vkmoe_pairs_plan(
    uint64_t *size, const struct sorted_products *p, uint32_t pairs, uint32_t shared_tokens)
{
    const uint32_t experts = p->up->count;
    const uint32_t rows = div_up(pairs, experts); // an expert, if all get as many
    struct sorted_pairs sorted = {
        .gate = p->gate ? vkmoe_experts_form(p->gate, rows) : NULL,
        .up = vkmoe_experts_form(p->up, rows),
        .down = p->down ? vkmoe_experts_form(p->down, rows) : NULL,
    };
    sorted.tile_rows = sorted.up->tile.rows;
    if (p->gate)
        sorted.tile_rows = MIN(sorted.tile_rows, sorted.gate->tile.rows);
    if (p->down)
        sorted.tile_rows = MIN(sorted.tile_rows, sorted.down->tile.rows);
    const uint64_t tiles =
        pairs / sorted.tile_rows + MIN(experts, pairs) + div_up(shared_tokens, sorted.tile_rows);
    sorted.rows = vkmoe_scratch_take(size, (uint64_t)pairs * 4);
    sorted.counts = vkmoe_scratch_take(size, (uint64_t)experts * 8);
    sorted.plan = vkmoe_scratch_take(size, 4 * (PLAN_SIZE + 2 * tiles));
    return sorted;
}

// The row tiles of gate and up, whose dispatches have their arguments in common: those of the one
// with the larger tiles are more workgroups than it needs, which end at once.
static uint32_t up_row_tiles(const struct sorted_products *p, const struct sorted_pairs *sorted,
    uint32_t (*row_tiles)(const struct experts *, const struct variant *))
{
    const uint32_t up = row_tiles(p->up, sorted->up);
    return p->gate ? MAX(up, row_tiles(p->gate, sorted->gate)) : up;
}

enum vkmoe_status vkmoe_pairs_sort(vkmoe_stream *stream, const struct sort_operands *o,
    const struct sorted_pairs *sorted, const vkmoe_buffer *scratch)
{
    const uint64_t address = vkmoe_buffer_address(scratch);
    const struct sorted_products *p = &o->products;
    const struct group_tokens_push push = {
        PAIRS_OPERANDS(o->pairs),
        .rows = address + sorted->rows,
        .counts = address + sorted->counts,
        .plan = address + sorted->plan,
        .counter = vkmoe_stream_counters(stream),
        .experts = p->up->count,
        .sequence_tokens = o->capacity ? o->sequence_tokens : o->pairs.tokens,
        .capacity = o->capacity ? o->capacity : UINT32_MAX,
        .tile_rows = sorted->tile_rows,
        .up_row_tiles = up_row_tiles(p, sorted, vkmoe_experts_row_tiles),
        .down_row_tiles = p->down ? vkmoe_experts_row_tiles(p->down, sorted->down) : 0,
        .shared_up_row_tiles = up_row_tiles(p, sorted, vkmoe_experts_shared_row_tiles),
        .max_groups = p->up->device->max_groups,
    };
    return stream_run(stream,
        &(struct dispatch){
            .kernel = KERNEL_group_tokens,
            .spec = { [GROUP_LANES] = GROUP_TOKENS_LANES, [GROUP_TIGHT] = o->tight },
            .push = &push,
            .groups = push.experts,
        });
}

enum vkmoe_status vkmoe_pairs_activate(vkmoe_stream *stream, vkmoe_device *device,
    const struct shapes *shapes, const struct activate_operands *o)
{
    const uint32_t run_length = 4;
    const struct activate_push push = {
        .gate = o->gate ? o->gate : vkmoe_device_dummy_address(device),
        .h = o->h,
        .elements = o->elements,
    };
    return stream_run(stream, &(struct dispatch) {
        .kernel = KERNEL_activate,
        .spec = {
            [ACTIVATE_LANES] = shapes->combine_lanes,
            [ACTIVATE_KIND] = o->activation.kind,
            [ACTIVATE_ALPHA] = float_bits(o->activation.alpha),
            [ACTIVATE_LIMIT] = float_bits(o->activation.limit),
            [ACTIVATE_GATED] = o->gate != 0,
            [ACTIVATE_RUN] = run_length,
        },
        .push = &push,
        .groups = div_up(o->elements, shapes->combine_lanes * run_length),
        .beside = o->beside,
    });
}

enum vkmoe_status vkmoe_pairs_combine(vkmoe_stream *stream, vkmoe_device *device,
    const struct shapes *shapes, const struct combine_operands *o)
{
    const uint32_t run_length = 4;
    const struct combine_push push = {
        .outputs = o->outputs,
        .weights = o->weights ? o->weights : vkmoe_device_dummy_address(device),
        .shared_weights =
            o->shared_weights ? o->shared_weights : vkmoe_device_dummy_address(device),
        .output_bias = address_or_dummy(device, o->output_bias),
        .y = o->y,
        .tokens = o->tokens,
        .k = o->k,
        .columns = o->columns,
        .runs = div_up(o->columns, run_length),
    };
    return stream_run(stream, &(struct dispatch) {
        .kernel = KERNEL_combine,
        .spec = {
            [COMBINE_LANES] = shapes->combine_lanes,
            [COMBINE_UNWEIGHTED] = o->weights ? o->unweighted : 2,
            [COMBINE_SHARED] = o->shared,
            [COMBINE_OUTPUT_BIAS] = o->output_bias != NULL,
            [COMBINE_RUN] = run_length,
        },
        .push = &push,
        .groups = div_up(o->tokens * push.runs, shapes->combine_lanes),
    });
}
