// gemm.c - products of many tokens, as products.c has those of few.
#include "weights/products.h"

#include "base/common.h"
#include "base/try.h"

#include "shaders/combine.h"
#include "shaders/experts_gemm.h"
#include "shaders/plan.h"

const struct variant *vkmoe_experts_form(const struct experts *e, uint32_t rows)
{
    return e->form ? e->form
                   : vkmoe_form_choose(e->device, KERNEL_experts_gemm, e->dtype, rows, e->fast);
}

uint32_t vkmoe_experts_form_from(const struct experts *e, uint32_t rows)
{
    return e->form ? 0 : vkmoe_form_from(e->device, KERNEL_experts_gemm, e->dtype, rows, e->fast);
}

uint32_t vkmoe_experts_row_tiles(const struct experts *e, const struct variant *form)
{
    return e->count > 0 ? div_up(e->matrices[0].blocks, form->tile.blocks) : 0;
}

uint32_t vkmoe_experts_shared_row_tiles(const struct experts *e, const struct variant *form)
{
    return is_apart(e) ? 0 : div_up(e->shared.matrix.blocks, form->tile.blocks);
}

// Whether its rows, those that it reads or those that it makes, can be f16.
static bool can_be_half(const struct experts *e, const struct variant *form)
{
    return e->fast && form->needs & NEED_ANY_MATRIX;
}

bool vkmoe_experts_pass_half(
    const struct experts *up, const struct experts *down, const struct sorted_pairs *sorted)
{
    for (uint32_t i = 0; i < sorted->class_count; i++)
        if (!can_be_half(up, sorted->classes[i].up) || !can_be_half(down, sorted->classes[i].down))
            return false;
    return true;
}

static bool shared_can_be_half(const struct experts *e, uint32_t tokens)
{
    const struct experts shared = in_shared_format(e);
    return can_be_half(e, vkmoe_experts_form(&shared, tokens));
}

bool vkmoe_experts_pass_half_shared(const struct experts *up, const struct experts *down,
    const struct sorted_pairs *sorted, uint32_t tokens)
{
    const bool is_made_half = is_apart(up)
        ? shared_can_be_half(up, tokens)
        : can_be_half(up, sorted->classes[sorted->class_count - 1].up);
    return is_made_half && shared_can_be_half(down, tokens);
}

// A product with every operand a dummy but for what the experts have themselves.
static struct experts_gemm_push gemm_push(const struct experts *e, const struct variant *form)
{
    const uint64_t dummy = vkmoe_device_dummy_address(e->device);
    return (struct experts_gemm_push){
        .plan = dummy,
        .rows = dummy,
        .shared_result = dummy,
        EXPERTS_OPERANDS(e),
        .weights = dummy,
        .units = e->matrices[0].units,
        .row_tiles = vkmoe_experts_row_tiles(e, form),
        .bias_stride = bias_stride(e),
        .tile_rows = form->tile.rows,
    };
}

// The same of pairs sorted by expert, but for what each class has of its own.
static struct experts_gemm_push sorted_push(const struct experts *e, const struct pairs *pairs,
    const struct sorted_pairs *sorted, const vkmoe_buffer *scratch)
{
    struct experts_gemm_push push = gemm_push(e, sorted->classes[0].up);
    push.rows = vkmoe_buffer_address(scratch) + sorted->rows;
    push.weights = pairs->weights;
    push.k = pairs->k;
    push.experts = e->count;
    push.tokens = pairs->tokens;
    return push;
}

// K is padded to 16, or to whole blocks. In integers, Intel's lanes have no registers for two words
// at a time of q4_K's rows, and the like, in the larger tile, or of those whose blocks have scales
// for each half. Slices of 32 need half the barriers, but more registers than Xe-HPG has, and more
// shared memory than there is for weights that are unpacked exactly.
void vkmoe_gemm_cut(const vkmoe_device *device, const struct variant *form, uint32_t units,
    uint32_t source_columns, uint32_t *spec)
{
    if (form->needs & NEED_uniform_loads)
        spec[GEMM_STEP] = units % 4 == 0 ? 4 : units % 2 == 0 ? 2 : 1;
    if (form->needs & NEED_integer_dot) {
        const uint32_t dtype = spec[GEMM_TYPE];
        const bool in_halves = dtype == VKMOE_DTYPE_Q6_K || dtype == VKMOE_DTYPE_Q3_K;
        const bool is_long = vkmoe_format((enum vkmoe_dtype)dtype)->elements == 256;
        const bool is_tight =
            device->least_subgroup_size < 32 && (in_halves || (is_long && form->tile.rows > 32));
        spec[GEMM_STEP] = is_tight ? 1 : 2;
        spec[GEMM_WHOLE] = spec[GEMM_PACKED] && source_columns % 32 == 0;
    }
    if (!(form->needs & NEED_ANY_MATRIX))
        return;
    const struct matrix_units *matrices = &device->matrix_units;
    const struct format *format = vkmoe_format((enum vkmoe_dtype)spec[GEMM_TYPE]);
    const bool even = div_up(units, 2) % 2 == 0 || format->elements % 32 == 0;
    const bool fits = matrices->n == 16 && (form->formats & FORMAT_f16 || spec[GEMM_FAST]);
    const uint32_t slice = fits && even ? 32 : 16;
    spec[GEMM_LANES] = form->tile.lanes * matrices->subgroup_size;
    if (form->needs & NEED_flexible_matrix) {
        spec[GEMM_LANES] = device->flexible.lanes;
        spec[GEMM_PARTS] = device->flexible.parts;
        spec[GEMM_WIDE_ROWS] = device->flexible.token_rows;
    }
    spec[GEMM_MATRIX_K] = matrices->k;
    spec[GEMM_SLICE] = slice;
    spec[GEMM_WHOLE] = spec[GEMM_PACKED] && source_columns % slice == 0;
}

uint32_t vkmoe_gemm_computed_rows(const struct variant *form, uint32_t rows, uint32_t tile_rows)
{
    if (form->needs & NEED_ANY_MATRIX && !(form->needs & NEED_flexible_matrix)) {
        const uint32_t matrix = form->needs & (NEED_matrix_8x8 | NEED_matrix_8x8x8) ? 8 : 16;
        return (uint32_t)align_up(rows, matrix);
    }
    const uint32_t narrow = MIN(form->tile.rows, 16), rest = rows % tile_rows;
    return rows / tile_rows * (tile_rows > 16 ? form->tile.rows : narrow)
        + (rest > 16       ? form->tile.rows
                : rest > 0 ? narrow
                           : 0);
}

// Rows that the constants call f16 get their strides.
static enum vkmoe_status run_gemm(vkmoe_stream *stream, const struct experts *e,
    const struct variant *form, struct experts_gemm_push *push, struct dispatch *d)
{
    const bool half = d->spec[GEMM_HALF], result_half = d->spec[GEMM_RESULT_HALF] & 1;
    d->kernel = KERNEL_experts_gemm;
    d->variant = form;
    d->spec[GEMM_TYPE] = e->dtype;
    d->spec[GEMM_PACKED] =
        half || rows_are_packed(push->source, push->source_columns, push->source_stride);
    d->spec[GEMM_RESULT_PACKED] = is_packed(push->result, push->result_stride, 4)
        && is_packed(push->result, push->result_columns, 4);
    if (form->needs & NEED_ANY_MATRIX)
        d->spec[GEMM_FAST] = e->fast;
    vkmoe_gemm_cut(e->device, form, push->units, push->source_columns, d->spec);
    if (half)
        push->source_stride = HALF_STRIDE(push->source_columns);
    if (result_half)
        push->result_stride = HALF_STRIDE(push->result_columns);
    d->push = push;
    return stream_run(stream, d);
}

// Class by class, whose rows are not each other's. `d` and `push` are of all of them.
static enum vkmoe_status run_classes(vkmoe_stream *stream, const struct experts *e,
    const struct sorted_pairs *sorted, const vkmoe_buffer *scratch,
    const struct experts_gemm_push *push, const struct dispatch *d)
{
    const bool up = d->spec[GEMM_UP] != 0;
    for (uint32_t i = 0; i < sorted->class_count; i++) {
        const struct size_class *class = &sorted->classes[i];
        const struct variant *form = up ? class->up : class->down;
        struct experts_gemm_push own = *push;
        own.plan = vkmoe_buffer_address(scratch) + class->plan;
        own.tile_rows = class->tile_rows;
        own.row_tiles = vkmoe_experts_row_tiles(e, form);
        own.shared_row_tiles = up ? vkmoe_experts_shared_row_tiles(e, form) : 0;
        struct dispatch dispatch = *d;
        dispatch.indirect = scratch;
        dispatch.indirect_offset = class->plan + 4 * (up ? PLAN_UP : PLAN_DOWN);
        dispatch.beside |= i > 0;
        TRY_RETURN(run_gemm(stream, e, form, &own, &dispatch));
    }
    return VKMOE_OK;
}

// The shared expert by itself, beside the others: all tokens by one matrix.
static enum vkmoe_status gemm_shared_up(
    vkmoe_stream *stream, const struct experts *e, const struct up_operands *o)
{
    const struct experts shared = in_shared_format(e);
    const struct variant *form = vkmoe_experts_form(&shared, shared_tokens(o));
    struct experts_gemm_push push = gemm_push(&shared, form);
    push.source = shared_x(o);
    push.result = o->shared_h;
    push.experts = e->count;
    push.tokens = shared_tokens(o);
    push.units = e->shared.matrix.units;
    push.source_columns = push.source_stride = e->columns;
    push.result_columns = push.result_stride = padded_columns(e->shared.rows);
    push.row_tiles = div_up(e->shared.matrix.blocks, form->tile.blocks);
    struct dispatch d = {
        .spec = {
            [GEMM_DIRECT] = 1,
            [GEMM_UP] = 1,
            [GEMM_SHARED_GATED] = e->shared.gated,
            [GEMM_ACTIVATION] = o->activation.kind,
            [GEMM_ALPHA] = float_bits(o->activation.alpha),
            [GEMM_LIMIT] = float_bits(o->shared_limit),
            [GEMM_RESULT_HALF] = o->shared_half,
        },
        .groups = push.row_tiles * div_up(push.tokens, push.tile_rows),
        .beside = true,
    };
    return run_gemm(stream, &shared, form, &push, &d);
}

// Rows that lie one behind the other.
static void set_rows(struct experts_gemm_push *push, uint64_t source, uint32_t source_columns,
    uint64_t result, uint32_t result_columns)
{
    push->source = source;
    push->source_columns = push->source_stride = source_columns;
    push->result = result;
    push->result_columns = push->result_stride = result_columns;
}

enum vkmoe_status vkmoe_experts_gemm_up(vkmoe_stream *stream, const struct experts *e,
    const struct up_operands *o, const struct sorted_pairs *sorted, const vkmoe_buffer *scratch)
{
    struct experts_gemm_push push = sorted_push(e, &o->pairs, sorted, scratch);
    set_rows(&push, o->x, e->columns, o->h, padded_columns(e->rows));
    push.shared_result = o->shared_h;
    push.shared_result_columns = padded_columns(e->shared.rows);
    const struct dispatch d = {
        .spec = {
            [GEMM_UP] = 1,
            [GEMM_GATED] = e->gated,
            [GEMM_SHARED_GATED] = e->shared.gated,
            [GEMM_ACTIVATION] = o->activation.kind,
            [GEMM_BIAS] = e->bias != NULL,
            [GEMM_WEIGHT_INPUT] = o->weigh_input,
            [GEMM_ALPHA] = float_bits(o->activation.alpha),
            [GEMM_LIMIT] = float_bits(o->activation.limit),
            [GEMM_RESULT_HALF] = o->half | o->shared_half << 1,
        },
        .beside = o->beside,
    };
    TRY_RETURN(run_classes(stream, e, sorted, scratch, &push, &d));
    return is_apart(e) ? gemm_shared_up(stream, e, o) : VKMOE_OK;
}

enum vkmoe_status vkmoe_experts_gemm_pairs(vkmoe_stream *stream, const struct experts *e,
    const struct pairs *pairs, const struct sorted_pairs *sorted, const vkmoe_buffer *scratch,
    uint64_t source, uint32_t sharing, uint64_t result)
{
    struct experts_gemm_push push = sorted_push(e, pairs, sorted, scratch);
    set_rows(&push, source, e->columns, result, e->rows);
    push.k = sharing;
    const struct dispatch d = {
        .spec = {
            [GEMM_UP] = 1,
            [GEMM_TO_PAIRS] = 1,
            [GEMM_ACTIVATION] = VKMOE_ACTIVATION_IDENTITY,
            [GEMM_BIAS] = e->bias != NULL,
        },
    };
    return run_classes(stream, e, sorted, scratch, &push, &d);
}

enum vkmoe_status vkmoe_experts_gemm_down(vkmoe_stream *stream, const struct experts *e,
    const struct pairs *pairs, const struct sorted_pairs *sorted, const vkmoe_buffer *scratch,
    uint64_t h, uint64_t outputs, bool half)
{
    struct experts_gemm_push push = sorted_push(e, pairs, sorted, scratch);
    set_rows(&push, h, padded_columns(e->columns), outputs, e->rows);
    const struct dispatch d = {
        .spec = {
            [GEMM_ACTIVATION] = VKMOE_ACTIVATION_IDENTITY,
            [GEMM_BIAS] = e->bias != NULL,
            [GEMM_HALF] = half,
        },
    };
    return run_classes(stream, e, sorted, scratch, &push, &d);
}

// --------------------------------------------------------------------- one matrix, cut

enum {
    MOST_PARTS = 8,
    LEAST_PART = 64,                // units
    MOST_PARTS_SIZE = 4 * (1 << 20) // bytes; more take longer to be added up than they save
};

// A product with one matrix may have fewer workgroups than a card has cores, each of which waits
// for memory in every turn of its loop. Where they are a quarter or less, parts of K have
// workgroups of their own. Integrated GPUs have few cores.
static uint32_t choose_parts(const struct experts *e, uint32_t groups, uint32_t tokens)
{
    const uint32_t wanted = vkmoe_tuning(e->device, TUNE_DIRECT_GROUPS);
    const uint64_t size = (uint64_t)tokens * e->rows * 4;
    uint32_t parts = 1;
    if (groups * 4 > wanted || e->device->gpu.info.type == VKMOE_DEVICE_TYPE_INTEGRATED)
        return 1;
    while (parts < MOST_PARTS && groups * parts * 2 <= wanted && parts * 2 * size <= MOST_PARTS_SIZE
        && e->matrices[0].units / (parts * 2) >= LEAST_PART)
        parts *= 2;
    return parts;
}

uint64_t vkmoe_experts_parts_size(const struct experts *e, uint32_t tokens)
{
    enum { ROWS = 256 }; // of the largest tiles
    if (e->count == 0 || tokens <= e->shapes.direct_tokens
        || choose_parts(e, div_up(e->rows, ROWS), 1) == 1)
        return 0;
    return MIN((uint64_t)MOST_PARTS * tokens * e->rows * 4, MOST_PARTS_SIZE);
}

// Adds up the parts of each row, in their order.
static enum vkmoe_status add_parts(
    vkmoe_stream *stream, const struct experts *e, const struct direct_operands *o, uint32_t parts)
{
    const uint32_t run_length = 4, lanes = e->shapes.combine_lanes;
    const uint64_t dummy = vkmoe_device_dummy_address(e->device);
    const struct combine_push push = {
        .outputs = o->parts,
        .weights = dummy,
        .shared_weights = dummy,
        .output_bias = address_or_dummy(e->device, e->bias),
        .y = o->y,
        .tokens = o->tokens,
        .k = parts,
        .columns = e->rows,
        .runs = div_up(e->rows, run_length),
    };
    return stream_run(stream, &(struct dispatch) {
        .kernel = KERNEL_combine,
        .spec = {
            [COMBINE_LANES] = lanes,
            [COMBINE_UNWEIGHTED] = 2,
            [COMBINE_OUTPUT_BIAS] = e->bias != NULL,
            [COMBINE_RUN] = run_length,
        },
        .push = &push,
        .groups = div_up(o->tokens * push.runs, lanes),
    });
}

// In so many parts the product that `push` and `d` describe uncut.
static enum vkmoe_status run_parts(vkmoe_stream *stream, const struct experts *e,
    const struct variant *form, const struct direct_operands *o, uint32_t parts,
    struct experts_gemm_push *push, struct dispatch *d)
{
    const uint32_t whole = HALF_COLUMNS / 8; // so that parts begin where blocks do
    push->part_units = (uint32_t)align_up(div_up(push->units, parts), whole);
    parts = div_up(push->units, push->part_units);
    push->result = o->parts;
    push->result_stride = parts * push->result_columns;
    d->spec[GEMM_SPLIT] = 1;
    d->spec[GEMM_BIAS] = 0;
    d->groups *= parts;
    d->beside = false; // the parts before have been added up
    TRY_RETURN(run_gemm(stream, e, form, push, d));
    return add_parts(stream, e, o, parts);
}

enum vkmoe_status vkmoe_experts_direct(
    vkmoe_stream *stream, const struct experts *e, const struct direct_operands *o)
{
    const uint32_t rows = o->shared ? e->shared.rows : e->rows;
    const struct experts own = o->shared ? in_shared_format(e) : *e;
    const struct variant *form = vkmoe_experts_form(&own, o->tokens);
    const struct tiles tiles = wanted_tiles(o, rows, form->tile.blocks);
    struct experts_gemm_push push = gemm_push(e, form);
    push.source = o->x;
    push.result = o->y;
    push.experts = o->shared ? e->count : 0;
    push.tokens = o->tokens;
    push.units = o->shared ? e->shared.matrix.units : e->matrices[0].units;
    push.source_columns = o->shared ? padded_columns(e->shared.columns) : e->columns;
    push.source_stride = o->x_stride ? o->x_stride : push.source_columns;
    push.result_columns = rows;
    push.result_stride = o->heads ? o->y_stride : rows;
    push.row_tiles = tiles.count;
    push.first_row_tile = tiles.first;
    struct dispatch d = {
        .spec = {
            [GEMM_DIRECT] = 1,
            [GEMM_ACTIVATION] = VKMOE_ACTIVATION_IDENTITY,
            [GEMM_BIAS] = !o->shared && e->bias != NULL,
            [GEMM_HEADS] = o->heads,
            [GEMM_HALF] = o->half,
        },
        .groups = push.row_tiles * div_up(o->tokens, push.tile_rows) * MAX(o->heads, 1),
        .beside = o->beside,
    };
    const bool all = o->first_row == 0 && (o->end_row == 0 || o->end_row == rows);
    const bool plain = !o->heads && !o->half && !o->shared;
    const bool can_split = o->parts && all && plain && form->needs & NEED_gpu;
    const uint32_t parts = can_split ? choose_parts(&own, d.groups, o->tokens) : 1;
    return parts > 1 ? run_parts(stream, &own, form, o, parts, &push, &d)
                     : run_gemm(stream, &own, form, &push, &d);
}
