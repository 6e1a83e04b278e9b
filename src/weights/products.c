// products.c - what experts are for: each function fills one kernel's contract. Here, those of few
// tokens.
#include "weights/products.h"

#include "base/common.h"
#include "base/try.h"

#include "shaders/decode_down.h"
#include "shaders/decode_heads.h"
#include "shaders/decode_up.h"

// Whether rows end with a block of the format. Where one is not all used, integers would need zeros
// in x after the row.
static bool has_whole_blocks(const struct experts *e)
{
    const uint32_t elements = vkmoe_format(e->dtype)->elements;
    return e->columns % elements == 0 && (e->shared.rows == 0 || e->shared.columns % elements == 0);
}

static bool is_fast(const struct experts *e)
{
    return e->fast && has_whole_blocks(e);
}

const struct variant *vkmoe_experts_decode_form(const struct experts *e, enum kernel kernel)
{
    return vkmoe_form_choose(e->device, kernel, e->dtype, 0, is_fast(e));
}

// Intel's lanes, of which few make a subgroup, have half of the registers that others have: they
// take one token, and at times half the rows of a workgroup that a form names.
static bool has_few_registers(const struct experts *e)
{
    return !e->device->is_cpu && e->device->least_subgroup_size < 32;
}

// Heads are products of decode_up.
static const struct variant *product_form(const struct experts *e, enum kernel kernel)
{
    return vkmoe_experts_decode_form(e, kernel == KERNEL_decode_heads ? KERNEL_decode_up : kernel);
}

// Of matrix rows, for a workgroup. Sums over slots and bits of a second kind take registers, too,
// and so does what finishes heads.
static uint32_t decode_blocks(const struct experts *e, enum kernel kernel)
{
    const uint32_t blocks = product_form(e, kernel)->tile.blocks;
    if (!blocks)
        return e->shapes.decode_blocks;
    // Among 8 lanes, where subgroups are no larger, compilers find room for q4_K's.
    const bool is_q4_k = e->dtype == VKMOE_DTYPE_Q4_K;
    const bool has_totals =
        (kernel == KERNEL_decode_down || (kernel == KERNEL_decode_heads && is_q4_k))
        && !(is_q4_k && e->device->least_subgroup_size == 8);
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
    const struct variant *form = product_form(e, kernel);
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

static bool squares_whole_vectors(const struct experts *e)
{
    return vkmoe_experts_decode_form(e, KERNEL_decode_up)->needs & NEED_lanes_8;
}

bool vkmoe_experts_fold_norm(const struct experts *e)
{
    const struct experts shared = in_shared_format(e);
    if (e->order || e->shared.order) // the norm's result is wanted, to be brought into it
        return false;
    return !e->device->is_cpu || (squares_whole_vectors(e) && squares_whole_vectors(&shared));
}

static void set_norm(const struct folded_norm *norm, uint32_t spec[SPEC_MAX])
{
    spec[DECODE_PACKED] = spec[DECODE_PACKED] && (!norm || norm->raw % 16 == 0);
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
    const uint32_t tile = decode_tile_tokens(o->expert_tokens ? o->expert_tokens : o->pairs.tokens);
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
    const uint32_t shared_tile = decode_tile_tokens(shared_tokens(o));
    d.spec[DECODE_LIMIT] = float_bits(o->shared_limit);
    d.spec[DECODE_TOKENS] = shared_tile;
    if (o->shared_x)
        d.spec[DECODE_PACKED] = is_packed(o->shared_x, e->columns, 8);
    push.x = shared_x(o);
    push.tokens = shared_tokens(o);
    push.row_tiles = 0;
    push.units = e->shared.matrix.units; // rows are padded as their format has it
    push.shared_row_tiles =
        div_up(e->shared.matrix.blocks, decode_blocks(&shared, KERNEL_decode_up));
    set_format(&d,
        decode_dispatch(
            &shared, KERNEL_decode_up, push.units, 1, decode_together(&shared, shared_tile)));
    d.groups = div_up(push.tokens, shared_tile) * push.shared_row_tiles;
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

// Tokens of a workgroup where one matrix is all tokens' own. lavapipe has code for one token that
// looks for no others, and therefore no barriers.
static uint32_t direct_tile_tokens(const struct experts *e, uint32_t tokens)
{
    return e->device->is_cpu && tokens == 1 ? 1 : DECODE_TILE_TOKENS;
}

// What products of few tokens by one matrix have in common.
static struct dispatch direct_dispatch(
    const struct experts *e, enum kernel kernel, const struct direct_operands *o)
{
    const uint32_t together = decode_together(e, decode_tile_tokens(o->tokens));
    const uint32_t stride = o->x_stride ? o->x_stride : e->columns;
    struct dispatch d = decode_dispatch(e, kernel, e->matrices[0].units, 1, together);
    d.spec[DECODE_TOKENS] = direct_tile_tokens(e, o->tokens);
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
    struct dispatch d = direct_dispatch(e, KERNEL_decode_up, o);
    d.spec[DECODE_ACTIVATION] = VKMOE_ACTIVATION_IDENTITY;
    d.spec[DECODE_HEADS] = o->heads;
    d.spec[DECODE_HEAD_STRIDE] = o->y_stride;
    set_residual(o->residual, d.spec);
    d.push = &push;
    d.groups = div_up(o->tokens, DECODE_TILE_TOKENS) * push.shared_row_tiles * MAX(o->heads, 1);
    return stream_run(stream, &d);
}

const struct variant *vkmoe_experts_heads_form(const struct experts *e)
{
    return vkmoe_form_like(e->device, KERNEL_decode_heads,
        vkmoe_experts_decode_form(e, KERNEL_decode_up), e->dtype, is_fast(e));
}

bool vkmoe_experts_finish_heads(const struct experts *e)
{
    return vkmoe_experts_heads_form(e)
        && decode_blocks(e, KERNEL_decode_heads) * BLOCK_ROWS <= 2 * STRIP_ROWS;
}

enum vkmoe_status vkmoe_experts_decode_heads(vkmoe_stream *stream, const struct experts *e,
    const struct direct_operands *o, struct decode_heads_push *push,
    const uint32_t store_spec[SPEC_MAX])
{
    struct dispatch d = direct_dispatch(e, KERNEL_decode_heads, o);
    d.variant = vkmoe_experts_heads_form(e);
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
    push->row_tiles = e->rows / (BLOCK_ROWS * decode_blocks(e, KERNEL_decode_heads));
    d.push = push;
    d.groups = div_up(o->tokens, DECODE_TILE_TOKENS) * push->row_tiles;
    return stream_run(stream, &d);
}
