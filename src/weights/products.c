// products.c - what experts are for: each function fills one kernel's contract. Operands that a
// product does not use are dummies, see device/operands.h.
#include "weights/experts.h"

#include "base/common.h"
#include "base/try.h"
#include "device/operands.h"

#include "shaders/decode_down.h"
#include "shaders/decode_heads.h"
#include "shaders/decode_up.h"
#include "shaders/experts_gemm.h"
#include "shaders/plan.h"

// Of a bias, in elements.
static uint32_t bias_stride(const struct experts *e)
{
    return e->matrices[0].blocks * BLOCK_ROWS;
}

// The shared expert is in a format of its own, so that no dispatch has both.
static bool is_apart(const struct experts *e)
{
    return e->shared.rows > 0 && e->shared.dtype != e->dtype;
}

// As if all were in the format of the shared expert.
static struct experts in_shared_format(const struct experts *e)
{
    struct experts shared = *e;
    shared.dtype = e->shared.dtype;
    shared.form = is_apart(e) ? NULL : e->form;
    return shared;
}

#define EXPERTS_OPERANDS(e) \
    .table = vkmoe_experts_table(e), .bias = address_or_dummy((e)->device, (e)->bias)

// --------------------------------------------------------------------- few tokens

// Whether rows end with a block of the format. Where one is not all used, integers would need zeros
// in x after the row.
static bool has_whole_blocks(const struct experts *e)
{
    const uint32_t elements = vkmoe_format(e->dtype)->elements;
    return e->columns % elements == 0 && (e->shared.rows == 0 || e->shared.columns % elements == 0);
}

const struct variant *vkmoe_experts_decode_form(const struct experts *e, enum kernel kernel)
{
    return vkmoe_form_choose(e->device, kernel, e->dtype, 0, e->fast && has_whole_blocks(e));
}

// Intel's lanes, of which few make a subgroup, have half of the registers that others have: they
// take one token, and at times half the rows of a workgroup that a form names.
static bool has_few_registers(const struct experts *e)
{
    return !e->device->is_cpu && e->device->least_subgroup_size < 32;
}

// Of matrix rows, for a workgroup. Sums over slots and bits of a second kind take registers, too.
static uint32_t decode_blocks(const struct experts *e, enum kernel kernel)
{
    const uint32_t blocks = vkmoe_experts_decode_form(e, kernel)->tile.blocks;
    if (!blocks)
        return e->shapes.decode_blocks;
    // Among 8 lanes, where subgroups are no larger, compilers find room for q4_K's.
    const bool has_totals = kernel == KERNEL_decode_down
        && !(e->dtype == VKMOE_DTYPE_Q4_K && e->device->least_subgroup_size == 8);
    const bool takes_more = has_totals || e->dtype == VKMOE_DTYPE_Q6_K;
    return takes_more && has_few_registers(e) ? blocks / 2 : blocks;
}

#define INTEGER_LANES 256 // at most: more of x would not fit into shared memory of 16 KiB

// How many of `tokens` are multiplied with what was read once; in nibbles two, for the same reason.
// Lanes that own columns would have sums of each row for each token.
static uint32_t decode_together(const struct experts *e, uint32_t tokens)
{
    const struct variant *form = vkmoe_experts_decode_form(e, KERNEL_decode_up);
    const bool in_nibbles = form->needs & NEED_integer_dot && form->tile.blocks;
    const bool is_one = in_nibbles ? has_few_registers(e) : form->needs & NEED_lanes_8;
    const uint32_t most = is_one ? 1 : in_nibbles ? 2 : DECODE_TILE_TOKENS;
    return MIN(tokens, MIN(e->shapes.decode_together, most));
}

// In nibbles, of units those that a lane takes at once. Of q4_K half a block, whose scales are
// whole words, as far as there are registers for that, and shared memory; with few registers in
// place of half the rows.
static uint32_t units_of_narrow(const struct experts *e, enum kernel kernel, uint32_t together)
{
    const bool has_room = !has_few_registers(e) || decode_blocks(e, kernel) < 4;
    return e->dtype == VKMOE_DTYPE_Q4_K && together == 1 && has_room ? 16 : 8;
}

// How rows of `units` are cut: as many lanes as have something to do, and of their units as many
// at once as they have and as registers hold beside the sums of tokens that are `together`; lanes
// of 8 and more slots are shared among the slots. In integers lanes take whole blocks of 4 units,
// or pairs of them or two, and those of a subgroup stay together.
static struct dispatch decode_dispatch(
    const struct experts *e, enum kernel kernel, uint32_t units, uint32_t slots, uint32_t together)
{
    const struct shapes *s = &e->shapes;
    const struct variant *form = vkmoe_experts_decode_form(e, kernel);
    const bool integers = form->needs & NEED_integer_dot;
    const uint32_t step = !integers ? 1
        : form->tile.blocks         ? units_of_narrow(e, kernel, together)
                                    : 4;
    const uint32_t whole = integers ? e->device->least_subgroup_size : 1;
    const uint32_t most_lanes = integers ? MIN(s->decode_lanes, INTEGER_LANES) : s->decode_lanes;
    const uint32_t least = MAX(MIN(most_lanes, 32), whole);
    const uint32_t lanes = MAX(vkmoe_lanes_for(most_lanes, div_up(units, step) * slots), whole);
    const uint32_t most = integers ? s->integer_unroll : s->decode_unroll;
    uint32_t unroll = MAX(most / together, step), shared = 1;
    while (shared * 2 <= slots && shared * 2 * least <= lanes)
        shared *= 2;
    while (unroll > step && unroll * (lanes / BLOCK_ROWS / shared) > units)
        unroll /= 2;
    return (struct dispatch) {
        .kernel = kernel,
        .variant = form,
        .spec = {
            [DECODE_LANES] = lanes,
            [DECODE_BLOCKS] = decode_blocks(e, kernel),
            [DECODE_UNROLL] = unroll,
            [DECODE_SLOTS] = shared,
            [DECODE_TOGETHER] = together,
            [DECODE_TYPE] = e->dtype,
            [DECODE_MIXED] = integers && e->device->mixed_dot,
            [DECODE_WHOLE] = integers && e->device->mixed_dot
                && e->device->quirks & QUIRK_SLOW_CONVERSIONS,
        },
    };
}

// Cuts a dispatch as another, of another format.
static void set_format(struct dispatch *d, struct dispatch other)
{
    static const uint32_t constants[] = { DECODE_LANES, DECODE_BLOCKS, DECODE_UNROLL, DECODE_SLOTS,
        DECODE_TOGETHER, DECODE_TYPE, DECODE_MIXED, DECODE_WHOLE };
    d->variant = other.variant;
    for (size_t i = 0; i < ARRAY_SIZE(constants); i++)
        d->spec[constants[i]] = other.spec[constants[i]];
}

static uint32_t decode_tile_tokens(uint32_t tokens)
{
    return tokens <= 1 ? 1 : tokens <= 2 ? 2 : tokens <= 4 ? 4 : DECODE_TILE_TOKENS;
}

static void set_norm(const struct folded_norm *norm, uint32_t spec[SPEC_MAX])
{
    spec[DECODE_NORM] = norm != NULL;
    spec[DECODE_NORM_EPSILON] = float_bits(norm ? norm->epsilon : 0);
}

static void set_residual(const struct residual *residual, uint32_t spec[SPEC_MAX])
{
    spec[DECODE_RESIDUAL] = residual != NULL;
    spec[DECODE_RESIDUAL_SCALE] = float_bits(residual ? residual->scale : 1);
}

// Addresses of both for the push.
#define NORM_OPERANDS(e, norm_) \
    .raw = (norm_) ? (norm_)->raw : vkmoe_device_dummy_address((e)->device)
#define RESIDUAL_OPERANDS(e, residual_) \
    .weighted = (residual_) ? (residual_)->weighted : vkmoe_device_dummy_address((e)->device), \
    .next_weight = \
        (residual_) ? (residual_)->next_weight : vkmoe_device_dummy_address((e)->device)

enum vkmoe_status vkmoe_experts_decode_up(
    vkmoe_stream *stream, const struct experts *e, const struct up_operands *o)
{
    const uint32_t blocks = decode_blocks(e, KERNEL_decode_up);
    const uint32_t tile = decode_tile_tokens(o->pairs.tokens);
    const uint64_t dummy = vkmoe_device_dummy_address(e->device);
    struct decode_up_push push = {
        PAIRS_OPERANDS(o->pairs),
        .x = o->x,
        .h = o->h,
        .shared_h = o->shared_h,
        EXPERTS_OPERANDS(e),
        NORM_OPERANDS(e, o->norm),
        .weighted = dummy,
        .next_weight = dummy,
        .experts = e->count,
        .columns = e->columns,
        .units = e->matrices[0].units,
        .h_columns = padded_columns(e->rows),
        .shared_h_columns = padded_columns(e->shared.rows),
        .row_tiles = div_up(e->matrices[0].blocks, blocks),
        .shared_row_tiles = is_apart(e) ? 0 : div_up(e->shared.matrix.blocks, blocks),
        .bias_stride = bias_stride(e),
        .x_stride = e->columns,
    };
    const uint32_t together = decode_together(e, tile);
    struct dispatch d = decode_dispatch(e, KERNEL_decode_up, push.units, 1, together);
    d.spec[DECODE_WEIGHT_INPUT] = o->weigh_input;
    d.spec[DECODE_TOKENS] = tile;
    d.spec[DECODE_PACKED] = is_packed(o->x, e->columns, 8);
    d.spec[DECODE_GATED] = e->gated;
    d.spec[DECODE_SHARED_GATED] = e->shared.gated;
    d.spec[DECODE_ACTIVATION] = o->activation.kind;
    d.spec[DECODE_ALPHA] = float_bits(o->activation.alpha);
    d.spec[DECODE_LIMIT] = float_bits(o->activation.limit);
    d.spec[DECODE_BIAS] = e->bias != NULL;
    set_norm(o->norm, d.spec);
    d.push = &push;
    d.beside = o->beside;
    d.groups =
        push.tokens * push.k * push.row_tiles + div_up(push.tokens, tile) * push.shared_row_tiles;
    TRY_RETURN(stream_run(stream, &d));
    if (!is_apart(e))
        return VKMOE_OK;
    const struct experts shared = in_shared_format(e);
    push.row_tiles = 0;
    push.units = e->shared.matrix.units; // rows are padded as their format has it
    push.shared_row_tiles =
        div_up(e->shared.matrix.blocks, decode_blocks(&shared, KERNEL_decode_up));
    set_format(&d,
        decode_dispatch(&shared, KERNEL_decode_up, push.units, 1, decode_together(&shared, tile)));
    d.groups = div_up(push.tokens, tile) * push.shared_row_tiles;
    d.beside = true;
    return stream_run(stream, &d);
}

enum vkmoe_status vkmoe_experts_decode_down(
    vkmoe_stream *stream, const struct experts *e, const struct decode_down_operands *o)
{
    struct decode_down_push push = {
        PAIRS_OPERANDS(o->pairs),
        .h = o->h,
        .shared_h = o->shared_h,
        .shared_weights = o->shared_weights,
        .y = o->y,
        EXPERTS_OPERANDS(e),
        .output_bias = address_or_dummy(e->device, o->output_bias),
        RESIDUAL_OPERANDS(e, o->residual),
        .experts = e->count,
        .columns = e->rows,
        .h_columns = padded_columns(e->columns),
        .shared_h_columns = padded_columns(e->shared.columns),
        .row_tiles = div_up(e->rows, BLOCK_ROWS * decode_blocks(e, KERNEL_decode_down)),
        .bias_stride = bias_stride(e),
    };
    struct dispatch d =
        decode_dispatch(e, KERNEL_decode_down, push.h_columns / BLOCK_ROWS, push.k, 1);
    d.spec[DECODE_WEIGHT_INPUT] = o->weigh_input;
    d.spec[DECODE_BIAS] = e->bias != NULL;
    d.spec[DECODE_SHARED] = is_apart(e) ? SHARED_NONE : o->shared;
    d.spec[DECODE_OUTPUT_BIAS] = o->output_bias != NULL;
    set_residual(o->residual, d.spec);
    d.push = &push;
    d.groups = push.row_tiles * push.tokens;
    TRY_RETURN(stream_run(stream, &d));
    if (!is_apart(e))
        return VKMOE_OK;
    // The shared expert is added to that: what is the next norm's is made again.
    const struct experts shared = in_shared_format(e);
    push.k = 0;
    push.row_tiles = div_up(e->rows, BLOCK_ROWS * decode_blocks(&shared, KERNEL_decode_down));
    d.groups = push.row_tiles * push.tokens;
    set_format(
        &d, decode_dispatch(&shared, KERNEL_decode_down, push.shared_h_columns / BLOCK_ROWS, 1, 1));
    d.spec[DECODE_SHARED] = o->shared;
    d.spec[DECODE_OUTPUT_BIAS] = 0;
    d.spec[DECODE_RESIDUAL] = o->residual ? 1 : 2;
    return stream_run(stream, &d);
}

// Whether load_row() of lib/weights.glsl can read rows whole.
static bool rows_are_packed(uint64_t x, uint32_t columns, uint32_t stride)
{
    return is_packed(x, columns, 8) && stride % 8 == 0;
}

// The tiles of a matrix that have the wanted ones of its `rows`; blocks are taken in pairs, so
// those of two strips belong together.
struct tiles {
    uint32_t first, count;
};

static struct tiles wanted_tiles(const struct direct_operands *o, uint32_t rows, uint32_t blocks)
{
    const uint32_t end = o->end_row ? o->end_row : rows;
    const uint32_t together = MAX(blocks * BLOCK_ROWS, 2 * STRIP_ROWS); // rows
    const uint32_t tiles = together / (blocks * BLOCK_ROWS);
    const uint32_t first = o->first_row / together;
    return (struct tiles){ first * tiles, (div_up(end, together) - first) * tiles };
}

// What products of few tokens by one matrix have in common.
static struct dispatch direct_dispatch(const struct experts *e, const struct direct_operands *o)
{
    const uint32_t together = decode_together(e, decode_tile_tokens(o->tokens));
    const uint32_t stride = o->x_stride ? o->x_stride : e->columns;
    struct dispatch d = decode_dispatch(e, KERNEL_decode_up, e->matrices[0].units, 1, together);
    d.spec[DECODE_TOKENS] = DECODE_TILE_TOKENS;
    d.spec[DECODE_PACKED] = rows_are_packed(o->x, e->columns, stride);
    d.spec[DECODE_SHARED_BIAS] = e->bias != NULL;
    set_norm(o->norm, d.spec);
    d.beside = o->beside;
    return d;
}

// The kernel knows one matrix for all tokens as its shared expert, which the table has last; here
// that is the first, and there are no others.
enum vkmoe_status vkmoe_experts_direct_few(
    vkmoe_stream *stream, const struct experts *e, const struct direct_operands *o)
{
    const uint64_t dummy = vkmoe_device_dummy_address(e->device);
    const struct tiles tiles = wanted_tiles(o, e->rows, decode_blocks(e, KERNEL_decode_up));
    const struct decode_up_push push = {
        .ids = dummy,
        .weights = dummy,
        .x = o->x,
        .h = dummy,
        .shared_h = o->y,
        EXPERTS_OPERANDS(e),
        NORM_OPERANDS(e, o->norm),
        RESIDUAL_OPERANDS(e, o->residual),
        .tokens = o->tokens,
        .columns = e->columns,
        .units = e->matrices[0].units,
        .shared_h_columns = e->rows,
        .row_tiles = 1,
        .shared_row_tiles = tiles.count,
        .x_stride = o->x_stride ? o->x_stride : e->columns,
        .first_shared_row_tile = tiles.first,
    };
    struct dispatch d = direct_dispatch(e, o);
    d.spec[DECODE_ACTIVATION] = VKMOE_ACTIVATION_IDENTITY;
    d.spec[DECODE_HEADS] = o->heads;
    d.spec[DECODE_HEAD_STRIDE] = o->y_stride;
    set_residual(o->residual, d.spec);
    d.push = &push;
    d.groups = div_up(o->tokens, DECODE_TILE_TOKENS) * push.shared_row_tiles * MAX(o->heads, 1);
    return stream_run(stream, &d);
}

static const struct variant *heads_form(const struct experts *e)
{
    return vkmoe_form_like(KERNEL_decode_heads, vkmoe_experts_decode_form(e, KERNEL_decode_up));
}

bool vkmoe_experts_finish_heads(const struct experts *e)
{
    return heads_form(e) && decode_blocks(e, KERNEL_decode_up) * BLOCK_ROWS <= 2 * STRIP_ROWS;
}

enum vkmoe_status vkmoe_experts_decode_heads(vkmoe_stream *stream, const struct experts *e,
    const struct direct_operands *o, struct decode_heads_push *push,
    const uint32_t store_spec[SPEC_MAX])
{
    struct dispatch d = direct_dispatch(e, o);
    d.kernel = KERNEL_decode_heads;
    d.variant = heads_form(e);
    for (uint32_t i = DECODE_HEADS_STORE; i < SPEC_MAX; i++)
        d.spec[i] = store_spec[i - DECODE_HEADS_STORE];
    push->x = o->x;
    push->raw = o->norm ? o->norm->raw : vkmoe_device_dummy_address(e->device);
    push->table = vkmoe_experts_table(e);
    push->bias = address_or_dummy(e->device, e->bias);
    push->y = o->y;
    push->counters = vkmoe_stream_counters(stream);
    push->tokens = o->tokens;
    push->columns = e->columns;
    push->units = e->matrices[0].units;
    push->row_tiles = e->rows / (BLOCK_ROWS * decode_blocks(e, KERNEL_decode_up));
    d.push = push;
    d.groups = div_up(o->tokens, DECODE_TILE_TOKENS) * push->row_tiles;
    return stream_run(stream, &d);
}

// -------------------------------------------------------------------- many tokens

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

// K is padded to 16, or to whole blocks. Slices of 32 need half the barriers, but more registers
// than Xe-HPG has, and more shared memory than there is for weights that are unpacked exactly.
void vkmoe_gemm_cut(const vkmoe_device *device, const struct variant *form, uint32_t units,
    uint32_t source_columns, uint32_t *spec)
{
    if (form->needs & NEED_uniform_loads)
        spec[GEMM_STEP] = units % 4 == 0 ? 4 : units % 2 == 0 ? 2 : 1;
    if (!(form->needs & NEED_ANY_MATRIX))
        return;
    const struct matrix_units *matrices = &device->matrix_units;
    const struct format *format = vkmoe_format((enum vkmoe_dtype)spec[GEMM_TYPE]);
    const bool even = div_up(units, 2) % 2 == 0 || format->elements % 32 == 0;
    const bool fits = matrices->n == 16 && (form->formats & FORMAT_f16 || spec[GEMM_FAST]);
    const uint32_t slice = fits && even ? 32 : 16;
    spec[GEMM_LANES] = form->tile.lanes * matrices->subgroup_size;
    spec[GEMM_MATRIX_K] = matrices->k;
    spec[GEMM_SLICE] = slice;
    spec[GEMM_WHOLE] = spec[GEMM_PACKED] && source_columns % slice == 0;
}

uint32_t vkmoe_gemm_computed_rows(const struct variant *form, uint32_t rows, uint32_t tile_rows)
{
    if (form->needs & NEED_ANY_MATRIX) {
        const uint32_t matrix = form->needs & (NEED_matrix_8x8 | NEED_matrix_8x8x8) ? 8 : 16;
        return (uint32_t)align_up(rows, matrix);
    }
    const uint32_t narrow = MIN(form->tile.rows, 16), rest = rows % tile_rows;
    return rows / tile_rows * (tile_rows > 16 ? form->tile.rows : narrow)
        + (rest > 16       ? form->tile.rows
                : rest > 0 ? narrow
                           : 0);
}

static enum vkmoe_status run_gemm(vkmoe_stream *stream, const struct experts *e,
    const struct variant *form, const struct experts_gemm_push *push, struct dispatch *d)
{
    d->kernel = KERNEL_experts_gemm;
    d->variant = form;
    d->spec[GEMM_TYPE] = e->dtype;
    d->spec[GEMM_PACKED] = rows_are_packed(push->source, push->source_columns, push->source_stride);
    d->spec[GEMM_RESULT_PACKED] = is_packed(push->result, push->result_stride, 4)
        && is_packed(push->result, push->result_columns, 4);
    if (form->needs & NEED_ANY_MATRIX)
        d->spec[GEMM_FAST] = e->fast;
    vkmoe_gemm_cut(e->device, form, push->units, push->source_columns, d->spec);
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
    const struct variant *form = vkmoe_experts_form(&shared, o->pairs.tokens);
    struct experts_gemm_push push = gemm_push(&shared, form);
    push.source = o->x;
    push.result = o->shared_h;
    push.experts = e->count;
    push.tokens = o->pairs.tokens;
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
            [GEMM_LIMIT] = float_bits(o->activation.limit),
        },
        .groups = push.row_tiles * div_up(push.tokens, push.tile_rows),
        .beside = true,
    };
    return run_gemm(stream, &shared, form, &push, &d);
}

enum vkmoe_status vkmoe_experts_gemm_up(vkmoe_stream *stream, const struct experts *e,
    const struct up_operands *o, const struct sorted_pairs *sorted, const vkmoe_buffer *scratch)
{
    struct experts_gemm_push push = sorted_push(e, &o->pairs, sorted, scratch);
    push.source = o->x;
    push.result = o->h;
    push.shared_result = o->shared_h;
    push.source_columns = push.source_stride = e->columns;
    push.result_columns = push.result_stride = padded_columns(e->rows);
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
    push.source = source;
    push.result = result;
    push.k = sharing;
    push.source_columns = push.source_stride = e->columns;
    push.result_columns = push.result_stride = e->rows;
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
    uint64_t h, uint64_t outputs)
{
    struct experts_gemm_push push = sorted_push(e, pairs, sorted, scratch);
    push.source = h;
    push.result = outputs;
    push.source_columns = push.source_stride = padded_columns(e->columns);
    push.result_columns = push.result_stride = e->rows;
    const struct dispatch d = {
        .spec = {
            [GEMM_ACTIVATION] = VKMOE_ACTIVATION_IDENTITY,
            [GEMM_BIAS] = e->bias != NULL,
        },
    };
    return run_classes(stream, e, sorted, scratch, &push, &d);
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
        },
        .groups = push.row_tiles * div_up(o->tokens, push.tile_rows) * MAX(o->heads, 1),
        .beside = o->beside,
    };
    return run_gemm(stream, &own, form, &push, &d);
}
