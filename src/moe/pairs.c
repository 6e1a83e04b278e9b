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

// Forms for so many rows an expert.
static struct size_class class_for(const struct sorted_products *p, uint32_t rows)
{
    struct size_class class = {
        .gate = p->gate ? vkmoe_experts_form(p->gate, rows) : NULL,
        .up = vkmoe_experts_form(p->up, rows),
        .down = p->down ? vkmoe_experts_form(p->down, rows) : NULL,
    };
    class.tile_rows = class.up->tile.rows;
    if (p->gate)
        class.tile_rows = MIN(class.tile_rows, class.gate->tile.rows);
    if (p->down)
        class.tile_rows = MIN(class.tile_rows, class.down->tile.rows);
    return class;
}

// The fewest rows an expert for which a product would take its form for `most`, which is as many as
// one can get; 0: it has but one form.
static uint32_t find_from(const struct sorted_products *p, uint32_t most)
{
    const struct experts *products[] = { p->gate, p->up, p->down };
    uint32_t least = 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(products); i++) {
        const uint32_t from = products[i] ? vkmoe_experts_form_from(products[i], most) : 0;
        least = least == 0 || (from > 0 && from < least) ? from : least;
    }
    return least;
}

// Whether the products compute no more of an expert's rows in tiles of `large` than of `few`.
static bool computes_no_more(
    const struct size_class *large, const struct size_class *few, uint32_t rows)
{
    const struct variant *forms[][2] = { { large->gate, few->gate }, { large->up, few->up },
        { large->down, few->down } };
    for (uint32_t i = 0; i < ARRAY_SIZE(forms); i++)
        if (forms[i][0]
            && vkmoe_gemm_computed_rows(forms[i][0], rows, large->tile_rows)
                > vkmoe_gemm_computed_rows(forms[i][1], rows, few->tile_rows))
            return false;
    return true;
}

// Rows from which on an expert is better off with large tiles: its weights are read less often,
// and no more rows are computed; not before their form pays (`from`). Where tiles with fewer rows
// would compute more than those of the other class, that also holds for what is left after whole
// ones. But this has an expert's weights come out of memory once more, which is what takes the time
// where experts have few rows.
static void find_bounds(struct sorted_pairs *sorted, uint32_t average, uint32_t from)
{
    const struct size_class *few = &sorted->classes[0], *large = &sorted->classes[1];
    sorted->many = MAX(few->tile_rows + 1, from);
    while (sorted->many < large->tile_rows && !computes_no_more(large, few, sorted->many))
        sorted->many++;
    sorted->rest = 0;
    for (uint32_t rows = 1; average >= few->tile_rows && rows < sorted->many; rows++)
        if (!computes_no_more(large, few, rows))
            sorted->rest = sorted->many;
}

// A second class takes another dispatch of each product. It is left out where hardly any expert
// would be of it, and where those of the first would have next to nothing of the rows.
static void find_classes(
    const struct sorted_products *p, uint32_t average, uint32_t most, struct sorted_pairs *sorted)
{
    *sorted = (struct sorted_pairs){
        .classes = { class_for(p, average) },
        .class_count = 1,
        .many = UINT32_MAX,
    };
    const uint32_t from = p->one_class || p->up->device->is_cpu ? 0 : find_from(p, most);
    if (from == 0)
        return;
    struct sorted_pairs two = {
        .classes = { class_for(p, MIN(average, from - 1)), class_for(p, most) },
        .class_count = 2,
    };
    find_bounds(&two, average, from);
    if (two.classes[1].tile_rows > two.classes[0].tile_rows && 2 * (uint64_t)two.many <= most
        && average / 8 < two.many)
        *sorted = two;
}

// Room for a class's tiles of so many rows of so many experts.
static void take_plan(struct size_class *class, uint64_t *size, uint32_t rows, uint32_t experts)
{
    const uint64_t tiles = rows / class->tile_rows + (uint64_t)experts;
    class->plan = vkmoe_scratch_take(size, 4 * (PLAN_SIZE + 2 * tiles));
}

struct sorted_pairs vkmoe_pairs_plan(
    uint64_t *size, const struct sorted_products *p, uint32_t tokens, uint32_t k)
{
    const uint32_t experts = p->up->count, pairs = tokens * k;
    const uint32_t shared = p->up->shared.rows > 0 ? 1 : 0;
    struct sorted_pairs sorted;
    find_classes(p, div_up(pairs, experts), tokens, &sorted);
    sorted.rows = vkmoe_scratch_take(size, (uint64_t)pairs * 4);
    sorted.counts = vkmoe_scratch_take(size, (uint64_t)experts * 8);
    for (uint32_t i = 0; i < sorted.class_count; i++) {
        const uint32_t others = i + 1 == sorted.class_count ? shared : 0;
        take_plan(&sorted.classes[i], size, pairs + others * tokens,
            MIN(experts, i > 0 ? pairs / sorted.many : pairs) + others);
    }
    return sorted;
}

// The row tiles of gate and up, whose dispatches have their arguments in common: those of the one
// with the larger tiles are more workgroups than it needs, which end at once.
static uint32_t up_row_tiles(const struct sorted_products *p, const struct size_class *class,
    uint32_t (*row_tiles)(const struct experts *, const struct variant *))
{
    const uint32_t up = row_tiles(p->up, class->up);
    return p->gate ? MAX(up, row_tiles(p->gate, class->gate)) : up;
}

enum vkmoe_status vkmoe_pairs_sort(vkmoe_stream *stream, const struct sort_operands *o,
    const struct sorted_pairs *sorted, const vkmoe_buffer *scratch)
{
    const uint64_t address = vkmoe_buffer_address(scratch);
    const struct sorted_products *p = &o->products;
    // Where there is one class, no expert is of the second.
    const struct size_class *few = &sorted->classes[0];
    const struct size_class *last = &sorted->classes[sorted->class_count - 1];
    const struct group_tokens_push push = {
        PAIRS_OPERANDS(o->pairs),
        .rows = address + sorted->rows,
        .counts = address + sorted->counts,
        .plan = address + few->plan,
        .counter = vkmoe_stream_counters(stream),
        .experts = p->up->count,
        .sequence_tokens = o->capacity ? o->sequence_tokens : o->pairs.tokens,
        .capacity = o->capacity ? o->capacity : UINT32_MAX,
        .tile_rows = few->tile_rows,
        .up_row_tiles = up_row_tiles(p, few, vkmoe_experts_row_tiles),
        .down_row_tiles = p->down ? vkmoe_experts_row_tiles(p->down, few->down) : 0,
        .many = sorted->many,
        .many_rest = sorted->rest,
        .many_plan = (uint32_t)(last->plan - few->plan) / 4,
        .many_tile_rows = last->tile_rows,
        .many_up_row_tiles = up_row_tiles(p, last, vkmoe_experts_row_tiles),
        .many_down_row_tiles = p->down ? vkmoe_experts_row_tiles(p->down, last->down) : 0,
        .shared_up_row_tiles = up_row_tiles(p, last, vkmoe_experts_shared_row_tiles),
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
