// experts_gemm.c - cases and reference of the matrix products over rows sorted by expert.
#include "cases.h"
#include "compare.h"
#include "experts_gemm_cases.h"
#include "half_rows.h"

#include <math.h>
#include <string.h>

#include "weights/experts.h"

#include "shaders/experts_gemm.h"
#include "shaders/plan.h"

static const struct kernel_shape shapes[] = { { 0 } };

// Some forms take some formats only: for them cases of others are of their first.
static enum vkmoe_dtype dtype_of(const struct gemm_case *c, const struct variant *variant)
{
    uint32_t dtype = c->dtype;
    if (variant->needs & (NEED_ANY_MATRIX | NEED_integer_dot) && !(variant->formats >> dtype & 1))
        for (dtype = 0; !(variant->formats >> dtype & 1);)
            dtype++;
    return (enum vkmoe_dtype)dtype;
}

static bool is_fast(const struct gemm_case *c, const struct variant *variant)
{
    return c->fast || variant->needs & NEED_fast;
}

static bool fits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    const struct gemm_case *c = (const void *)test;
    (void)shape;
    const bool units = variant->needs & NEED_ANY_MATRIX;
    if (c->part_units && !(variant->needs & NEED_gpu))
        return false;
    if (variant->needs & NEED_flexible_matrix || c->wide_rows)
        return variant->needs & NEED_flexible_matrix && c->wide_rows;
    const bool unpacks = units && !(variant->formats & FORMAT_f16);
    if (variant->needs & NEED_integer_dot) // which is always fast, and knows no f16
        return !c->half && !c->fast && (!c->unpacked || variant->formats >> c->dtype & 1);
    if (unpacks || c->unpacked)
        return unpacks && c->unpacked && variant->formats >> c->dtype & 1;
    if (units)
        return true;
    // rows_broadcast_many is the same code for f16: of rows_broadcast's a few cases.
    if (variant->needs & NEED_uniform_loads && variant->formats == FORMATS_wide && !test->everywhere
        && c->dtype == VKMOE_DTYPE_F16)
        return false;
    return !c->fast && form_has(variant, c->dtype);
}

struct gemm_model {
    struct routing routing;
    struct grouping grouping;
    struct linear matrices, shared; // direct: only the second
    const float *source;
    uint32_t tile_blocks, tile_rows;
    uint32_t columns, stride; // of a source row
    uint32_t result_columns, shared_columns;
    uint32_t tiles, shared_tiles;
    uint32_t first_tile; // the case's, or the matrix's last
    uint32_t parts;      // of K
};

// Up: the width of a row of h, padded with zeros to whole units. Else, and at the places of
// pairs, what is asked for.
static uint32_t padded(const struct gemm_case *c, uint32_t rows)
{
    return c->kind == UP && c->sharers == 0 ? (uint32_t)align_up(rows, 8) : rows;
}

static void add_plan(struct kernel_io *io, struct gemm_model *m)
{
    const struct gemm_case *c = (const void *)io->test;
    const uint32_t pairs = c->tokens * c->k;
    m->routing = io_add_routing(io, c->pattern, c->tokens, c->k, c->experts);
    m->grouping = group_pairs(io, &m->routing, c->tokens, c->capacity ? c->capacity : UINT32_MAX);
    float *weights = io_find(io, "weights")->before;
    for (uint32_t pair = 0; pair < pairs; pair++)
        if (m->routing.dropped[pair])
            weights[pair] = -0.0f;
    memcpy(io_add(io, "rows", ROLE_IN, c->tokens, c->k)->before, m->grouping.rows, pairs * 4);
    // As much as there is, not as there might be: what comes behind is nobody's.
    const uint32_t room = plan_room(&m->routing, m->tile_rows);
    uint32_t *plan = io_alloc(io, room, sizeof *plan);
    const uint32_t size =
        make_plan(&m->routing, &m->grouping, m->tile_rows, c->shared_rows ? c->tokens : 0, plan);
    memcpy(io_add(io, "plan", ROLE_IN, size, 1)->before, plan, size * 4);
    m->tiles = plan[PLAN_TILES];
    m->shared_tiles = plan[PLAN_SHARED_TILES];
}

// Pairs that share a row of the source.
static uint32_t sharers(const struct gemm_case *c)
{
    return c->sharers ? c->sharers : c->k;
}

static bool reads_half(const struct gemm_case *c)
{
    return c->kind != UP && c->half;
}

static void add_source(struct kernel_io *io, struct gemm_model *m)
{
    const struct gemm_case *c = (const void *)io->test;
    const uint32_t rows = c->kind == DOWN ? c->tokens * c->k
        : c->kind == DIRECT               ? c->tokens * MAX(c->heads, 1)
                                          : c->tokens * c->k / sharers(c);
    m->columns = c->kind == UP ? c->columns : (uint32_t)align_up(c->columns, 8);
    m->stride = m->columns + c->gap;
    float *source = io_add_floats(io, "source", rows, m->stride, 1.0);
    for (uint32_t row = 0; row < rows && c->gain > 0.0; row++)
        for (uint32_t i = c->part ? 128 : 0;
             i < (c->part ? 256 : c->columns) && (!c->mixed || row % 3 == 0); i++)
            source[(size_t)row * m->stride + i] *= (float)c->gain;
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t i = c->columns; i < m->stride; i++) // rows of h end in zeros
            source[(size_t)row * m->stride + i] = i < m->columns ? 0.0f : NAN;
    for (uint32_t row = 0; c->kind == DOWN && row < rows; row++)
        for (uint32_t i = 0; m->grouping.rows[row] == UINT32_MAX && i < m->stride; i++)
            source[(size_t)row * m->stride + i] = NAN; // nobody has written these
    io_find(io, "source")->skew = c->misaligned ? 4 : 0;
    m->source = reads_half(c) ? half_rows_from_floats(io, "source", rows, c->half == 2) : source;
}

// `half`: the bit of GEMM_RESULT_HALF.
static void add_result(
    struct kernel_io *io, const char *name, uint32_t half, uint32_t rows, uint32_t columns)
{
    const struct gemm_case *c = (const void *)io->test;
    if (c->kind == UP && c->half & half) {
        half_rows_add(io, name, rows, columns);
        return;
    }
    io_add(io, name, ROLE_OUT, rows, columns);
    io_find(io, name)->skew = c->misaligned ? 4 : 0;
}

static void fill(struct kernel_io *io)
{
    const struct gemm_case *c = (const void *)io->test;
    struct gemm_model *m = io->model = io_alloc(io, 1, sizeof *m);
    m->tile_blocks = io->variant->tile.blocks;
    m->tile_rows = io->variant->tile.rows;
    if (c->kind != DIRECT) {
        add_plan(io, m);
        m->matrices = io_add_linear(io, "matrices", c->biased ? "bias" : NULL, c->experts, c->rows,
            c->columns, c->gated, dtype_of(c, io->variant));
    }
    const uint32_t shared_rows = c->kind == DIRECT ? c->rows : c->shared_rows;
    if (shared_rows)
        m->shared = io_add_linear(io, "shared", NULL, MAX(c->heads, 1), shared_rows, c->columns,
            c->shared_gated, dtype_of(c, io->variant));
    add_source(io, m);
    io_add_table(io, MAX(c->experts, c->heads));
    // Blocks of two strips belong together.
    const uint32_t together = m->tile_blocks < 4 ? 4 / m->tile_blocks : 1;
    m->first_tile = MIN(c->first_tile, (c->rows - 1) / (together * m->tile_blocks * 8)) * together;
    m->result_columns = padded(c, c->rows);
    m->shared_columns = padded(c, c->shared_rows);
    m->parts = c->part_units ? div_up(m->shared.units, c->part_units) : 1;
    add_result(io, "result", 1,
        c->kind == DIRECT ? c->tokens * MAX(c->heads, 1) * m->parts : c->tokens * c->k,
        m->result_columns + c->result_gap);
    if (c->kind == UP && c->shared_rows)
        add_result(io, "shared_result", 2, c->tokens, m->shared_columns);
}

// One row of results.
static void make_row(const struct gemm_case *c, const struct linear *l, uint32_t expert,
    const float *x, double scale, double *to)
{
    for (uint32_t i = 0; i < padded(c, l->rows); i++) {
        const double first = linear_row(l, 0, expert, i, x, scale);
        const double second = l->parts == 2 ? linear_row(l, 1, expert, i, x, scale) : first;
        to[i] = c->kind != UP
            ? first
            : activation_value(c->activation, l->parts == 2, first, second, TEST_ALPHA, TEST_LIMIT);
    }
}

// Fast: what the rounding of x to f16 makes of all together, and of one by bad luck. Results of
// tiny x are held against what they are, not against what is usual.
static void set_tolerance(struct kernel_io *io, const char *name)
{
    const struct gemm_case *c = (const void *)io->test;
    struct kernel_operand *operand = io_find(io, name);
    if (!operand)
        return;
    operand->tolerance = is_fast(c, io->variant) ? COMPARE_FAST_TOLERANCE : COMPARE_F32_TOLERANCE;
    operand->rms_tolerance = is_fast(c, io->variant) ? COMPARE_FAST_RMS : 0.0;
    if (c->gain > 0.0 && c->gain < 1.0 && !c->mixed && !c->part)
        operand->tolerance *= c->gain * 10.0;
    if (c->base.shrunk > 0.0)
        operand->tolerance *= exp2(-c->base.shrunk) * 10.0;
}

// Of each row of the source what its parts make, the rest of it being zeros.
static void make_parts(struct kernel_io *io, double *result)
{
    const struct gemm_case *c = (const void *)io->test;
    const struct gemm_model *m = io->model;
    float *x = io_alloc(io, m->stride, sizeof *x);
    for (uint32_t i = 0; i < c->tokens * m->parts; i++) {
        const uint32_t first = i % m->parts * c->part_units * 8;
        const uint32_t end = MIN(first + c->part_units * 8, m->columns);
        memset(x, 0, m->stride * sizeof *x);
        memcpy(x + first, m->source + (size_t)(i / m->parts) * m->stride + first,
            (end - first) * sizeof *x);
        make_row(c, &m->shared, 0, x, 1.0, result + (size_t)i * m->result_columns);
    }
}

static void reference(struct kernel_io *io)
{
    const struct gemm_case *c = (const void *)io->test;
    const struct gemm_model *m = io->model;
    set_tolerance(io, "result");
    set_tolerance(io, "shared_result");
    double *result = io_expect_floats(io, "result");
    const uint32_t heads = MAX(c->heads, 1);
    if (c->part_units)
        make_parts(io, result);
    for (uint32_t row = 0; c->kind == DIRECT && !c->part_units && row < c->tokens * heads; row++)
        make_row(c, &m->shared, row % heads, m->source + (size_t)row * m->stride, 1.0,
            result + (size_t)row * (m->result_columns + c->result_gap));
    const uint32_t left_out = m->first_tile * m->tile_blocks * 8;
    for (uint32_t t = 0; c->kind == DIRECT && t < c->tokens * m->parts; t++)
        for (uint32_t i = 0; i < left_out; i++)
            result[(size_t)t * (m->result_columns + c->result_gap) + i] = INFINITY;
    for (uint32_t pair = 0; c->kind != DIRECT && pair < c->tokens * c->k; pair++) {
        const uint32_t row = m->grouping.row_of[pair];
        if (row == UINT32_MAX)
            continue;
        const size_t from = c->kind == UP ? pair / sharers(c) : row;
        const size_t to = c->kind == UP && c->sharers == 0 ? row : pair;
        make_row(c, &m->matrices, m->routing.expert[pair], m->source + from * m->stride,
            c->weight_input ? m->routing.weights[pair] : 1.0, result + to * m->result_columns);
    }
    if (c->kind != UP || !c->shared_rows)
        return;
    double *shared = io_expect_floats(io, "shared_result");
    for (uint32_t t = 0; t < c->tokens; t++)
        make_row(c, &m->shared, 0, m->source + (size_t)t * m->stride, 1.0,
            shared + (size_t)t * m->shared_columns);
}

static void set_spec(struct kernel_io *io, uint32_t spec[SPEC_MAX])
{
    const struct experts_gemm_push *push = (const void *)io->push;
    const struct gemm_case *c = (const void *)io->test;
    const struct kernel_operand *shared = io_find(io, "shared_result");
    spec[GEMM_TYPE] = dtype_of(c, io->variant);
    spec[GEMM_UP] = c->kind == UP;
    spec[GEMM_DIRECT] = c->kind == DIRECT;
    spec[GEMM_PACKED] = reads_half(c) || io_is_packed(io, io_find(io, "source"), 8);
    spec[GEMM_RESULT_PACKED] = push->result_columns % 4 == 0
        && io_is_packed(io, io_find(io, "result"), 4) && (!shared || io_is_packed(io, shared, 4));
    spec[GEMM_GATED] = c->gated;
    spec[GEMM_SHARED_GATED] = c->shared_gated;
    spec[GEMM_ACTIVATION] = c->kind == UP ? c->activation : VKMOE_ACTIVATION_IDENTITY;
    spec[GEMM_BIAS] = c->biased;
    spec[GEMM_WEIGHT_INPUT] = c->weight_input;
    spec[GEMM_ALPHA] = float_bits(TEST_ALPHA);
    spec[GEMM_LIMIT] = float_bits(TEST_LIMIT);
    spec[GEMM_TO_PAIRS] = c->sharers > 0;
    spec[GEMM_FAST] = is_fast(c, io->variant);
    spec[GEMM_HEADS] = c->heads;
    spec[GEMM_SPLIT] = c->part_units > 0;
    spec[GEMM_HALF] = reads_half(c);
    spec[GEMM_RESULT_HALF] = c->kind == UP ? c->half : 0;
    vkmoe_gemm_cut(io->device, io->variant, push->units, push->source_columns, spec);
    if (c->wide_rows)
        spec[GEMM_WIDE_ROWS] = c->wide_rows;
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct gemm_case *c = (const void *)io->test;
    const struct gemm_model *m = io->model;
    const bool has_shared = c->kind == DIRECT || c->shared_rows;
    const struct linear *main = c->kind == DIRECT ? &m->shared : &m->matrices;
    io_fill_table(io,
        c->heads                ? &m->shared
            : c->kind == DIRECT ? NULL
                                : &m->matrices,
        has_shared ? &m->shared : NULL);
    SET_PUSH(io, experts_gemm, .k = sharers(c), .experts = c->experts, .tokens = c->tokens,
        .units = main->units, .source_columns = m->columns,
        .source_stride = reads_half(c) ? HALF_STRIDE(m->columns) : m->stride,
        .result_columns = m->result_columns,
        .result_stride = c->kind == UP && c->half & 1
            ? HALF_STRIDE(m->result_columns)
            : m->result_columns * m->parts + c->result_gap,
        .shared_result_columns = m->shared_columns,
        .row_tiles = div_up(main->blocks, m->tile_blocks) - m->first_tile,
        .first_row_tile = m->first_tile, .part_units = c->part_units,
        .shared_row_tiles = c->kind == UP ? div_up(m->shared.blocks, m->tile_blocks) : 0,
        .bias_stride = main->blocks * 8, .tile_rows = m->tile_rows,
        AT(plan) AT(rows) AT(source) AT(result) AT(shared_result) AT(table) AT(bias) AT(weights));
    const struct experts_gemm_push *push = (const void *)io->push;
    *d = (struct dispatch){
        .groups = c->kind == DIRECT
            ? push->row_tiles * div_up(c->tokens, m->tile_rows) * MAX(c->heads, 1) * m->parts
            : m->tiles * push->row_tiles + m->shared_tiles * push->shared_row_tiles,
    };
    set_spec(io, d->spec);
}

// Matrix rows that a token, or an expert, has to do with.
static uint64_t matrix_rows(const struct gemm_case *c, bool shared)
{
    if (shared)
        return c->kind == DIRECT ? c->rows : (uint64_t)c->shared_rows * (c->shared_gated ? 2 : 1);
    return c->kind == DIRECT ? 0 : (uint64_t)c->rows * (c->gated ? 2 : 1);
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct gemm_case *c = (const void *)test;
    const uint64_t pairs = c->tokens * c->k, heads = MAX(c->heads, 1);
    const uint64_t sources = c->kind == DOWN ? pairs : c->sharers ? pairs / c->sharers : c->tokens;
    const uint64_t results = c->kind == DIRECT ? c->tokens : pairs;
    const uint64_t rows = MIN(pairs, c->experts) * matrix_rows(c, false) + matrix_rows(c, true);
    return heads * format_bytes(c->dtype, rows * c->columns)
        + (heads * (sources * c->columns + results * c->rows) + c->tokens * c->shared_rows) * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct gemm_case *c = (const void *)test;
    return 2ull * c->tokens * MAX(c->heads, 1) * c->columns
        * (c->k * matrix_rows(c, false) + matrix_rows(c, true));
}

KERNEL_SUITE(experts_gemm, fits, reference)
