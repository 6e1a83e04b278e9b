// tools.c - operands, random contents, packed matrices and plans for the suites.
#include "cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/code_books.h"

#include "shaders/plan.h"

const struct kernel_suite *const kernel_suites[KERNEL_COUNT] = {
#define KERNEL(name) [KERNEL_##name] = &vkmoe_suite_##name,
#include "shaders/kernels.def"
};

const char *const kernel_names[KERNEL_COUNT] = {
#define KERNEL(name) #name,
#include "shaders/kernels.def"
};

void kernel_shape_name(char *to, size_t size, const struct kernel_shape *s)
{
    const uint32_t numbers[] = { s->lanes, s->blocks, s->tokens, s->unroll, s->slots, s->together };
    size_t n = 0;
    *to = '\0';
    for (int i = 0; i < 6; i++)
        if (numbers[i] && n < size)
            n += (size_t)snprintf(to + n, size - n, "%c%u", i ? 'x' : '/', numbers[i]);
}

uint32_t suite_shapes(const struct kernel_suite *suite, const struct kernel_case *test,
    const struct variant *variant, bool all)
{
    uint32_t fit = 0;
    for (uint32_t i = 0; i < suite->shape_count; i++)
        if (!suite->fits || suite->fits(test, variant, &suite->shapes[i]))
            fit |= 1u << i;
    if (all)
        return fit;
    return test->shapes & fit ? test->shapes & fit : fit & -fit;
}

// ------------------------------------------------------------------------- memory

struct block {
    struct block *next;
    uint64_t data[];
};

static void *checked(void *memory)
{
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    return memory;
}

void *io_alloc(struct kernel_io *io, size_t count, size_t size)
{
    struct block *block = checked(calloc(1, sizeof *block + count * size));
    block->next = io->memory;
    io->memory = block;
    return block->data;
}

void io_finish(struct kernel_io *io)
{
    while (io->memory) {
        struct block *block = io->memory;
        io->memory = block->next;
        free(block);
    }
    *io = (struct kernel_io){ 0 };
}

struct rng io_rng(const struct kernel_io *io, const char *name)
{
    struct rng rng = rng_for(io->seed, io->test->name);
    return rng_for(rng_next(&rng), name);
}

uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// ----------------------------------------------------------------------- operands

struct kernel_operand *io_add(
    struct kernel_io *io, const char *name, enum operand_role role, size_t rows, uint32_t columns)
{
    if (io->operand_count == IO_OPERANDS) {
        fprintf(stderr, "%s: more than %d operands\n", io->test->name, IO_OPERANDS);
        exit(2);
    }
    struct kernel_operand *operand = &io->operands[io->operand_count++];
    *operand = (struct kernel_operand){
        .name = name,
        .role = role,
        .size = rows * columns * 4,
        .columns = columns,
    };
    operand->before = io_alloc(io, operand->size, 1);
    if (role == ROLE_OUT || role == ROLE_SCRATCH)
        memset(operand->before, 0xff, operand->size);
    return operand;
}

struct kernel_operand *io_find(struct kernel_io *io, const char *name)
{
    for (uint32_t i = 0; i < io->operand_count; i++)
        if (!strcmp(io->operands[i].name, name))
            return &io->operands[i];
    return NULL;
}

uint64_t io_address(struct kernel_io *io, const char *name)
{
    struct kernel_operand *operand = io_find(io, name);
    if (!operand)
        operand = io_find(io, "dummy");
    return operand->address + operand->begin;
}

bool io_is_packed(
    const struct kernel_io *io, const struct kernel_operand *operand, uint32_t multiple)
{
    (void)io;
    return operand->address % 16 == 0 && operand->columns % multiple == 0;
}

float *io_add_floats(
    struct kernel_io *io, const char *name, size_t rows, uint32_t columns, double gain)
{
    struct rng rng = io_rng(io, name);
    float *values = io_add(io, name, ROLE_IN, rows, columns)->before;
    for (size_t i = 0; i < rows * columns; i++)
        values[i] = (float)(gain * rng_normal(&rng));
    return values;
}

double *io_expect_floats(struct kernel_io *io, const char *name)
{
    struct kernel_operand *operand = io_find(io, name);
    const size_t count = operand->decode ? operand->decoded : operand->size / 4;
    operand->floats = io_alloc(io, count, sizeof *operand->floats);
    for (size_t i = 0; i < count; i++)
        operand->floats[i] = NAN;
    return operand->floats;
}

uint32_t *io_expect_words(struct kernel_io *io, const char *name)
{
    struct kernel_operand *operand = io_find(io, name);
    operand->words = io_alloc(io, operand->size / 4, sizeof *operand->words);
    memset(operand->words, 0xff, operand->size);
    return operand->words;
}

// ------------------------------------------------------------------------ routing

static uint32_t pick_expert(struct rng *rng, enum ids_pattern pattern, uint32_t slot,
    uint32_t experts, const uint32_t *before)
{
    if (pattern == IDS_TWICE)
        return rng_below(rng, MIN(experts, 3));
    if (pattern == IDS_ONE_HOT && slot == 0)
        return experts - 1;
    for (uint32_t tries = 0;; tries++) {
        uint32_t e = rng_below(rng, experts);
        if (pattern == IDS_EVEN && tries < 1000)
            e &= ~1u;
        bool is_taken = false;
        for (uint32_t s = 0; s < slot; s++)
            is_taken |= before[s] == e;
        if (!is_taken)
            return e;
    }
}

struct routing io_add_routing(
    struct kernel_io *io, enum ids_pattern pattern, uint32_t tokens, uint32_t k, uint32_t experts)
{
    struct rng rng = io_rng(io, "ids");
    uint32_t *ids = io_add(io, "ids", ROLE_IN, tokens, k)->before;
    struct routing r = {
        .tokens = tokens,
        .k = k,
        .experts = experts,
        .expert = io_alloc(io, tokens * k, sizeof *r.expert),
        .weights = io_add_floats(io, "weights", tokens, k, 0.5),
        .dropped = io_alloc(io, tokens * k, sizeof *r.dropped),
    };
    for (uint32_t pair = 0; pair < tokens * k; pair++) {
        uint32_t slot = pair % k, wild = rng_below(&rng, 8);
        r.expert[pair] = pick_expert(&rng, pattern, slot, experts, &r.expert[pair - slot]);
        ids[pair] = r.expert[pair];
        if (pattern == IDS_WILD && wild < 4) {
            static const uint32_t odd[] = { 0xffffffff, 0x80000000, 0x7fffffff, 0 };
            ids[pair] = wild < 3 ? odd[wild] : experts;
            r.expert[pair] = wild < 2 ? 0 : experts - 1;
        }
        r.dropped[pair] =
            pattern == IDS_ALL_DROPPED || (pattern == IDS_DROPPED && rng_below(&rng, 3) == 0);
        if (r.dropped[pair])
            r.weights[pair] = -0.0f;
        else if (pattern == IDS_DROPPED && rng_below(&rng, 4) == 0)
            r.weights[pair] = 0.0f; // weighs nothing, but is no drop
    }
    return r;
}

struct grouping group_pairs(
    struct kernel_io *io, struct routing *r, uint32_t sequence_tokens, uint32_t capacity)
{
    const uint32_t pairs = r->tokens * r->k;
    struct grouping g = {
        .first = io_alloc(io, r->experts, sizeof *g.first),
        .count = io_alloc(io, r->experts, sizeof *g.count),
        .rows = io_alloc(io, pairs, sizeof *g.rows),
        .row_of = io_alloc(io, pairs, sizeof *g.row_of),
    };
    memset(g.rows, 0xff, pairs * sizeof *g.rows);
    memset(g.row_of, 0xff, pairs * sizeof *g.row_of);
    for (uint32_t pair = 0; pair < pairs; pair++)
        for (uint32_t e = r->expert[pair] + 1; e < r->experts; e++)
            g.first[e]++;
    uint32_t *queue = io_alloc(io, r->experts, sizeof *queue);
    const uint32_t step = capacity == UINT32_MAX ? MAX(r->tokens, 1) : sequence_tokens;
    for (uint32_t begin = 0; begin < r->tokens; begin += step) {
        const uint32_t tokens = MIN(step, r->tokens - begin);
        memset(queue, 0, r->experts * sizeof *queue);
        for (uint32_t i = 0; i < tokens * r->k; i++) {
            // Without a limit in memory order, else all first choices first.
            const uint32_t pair = capacity == UINT32_MAX ? begin * r->k + i
                                                         : (begin + i % tokens) * r->k + i / tokens;
            const uint32_t e = r->expert[pair];
            if (r->dropped[pair])
                continue;
            if (queue[e]++ >= capacity) {
                r->dropped[pair] = true;
                continue;
            }
            g.row_of[pair] = g.first[e] + g.count[e]++;
            g.rows[g.row_of[pair]] = pair;
        }
    }
    return g;
}

uint32_t plan_room(const struct routing *r, uint32_t tile_rows)
{
    const uint32_t pairs = r->tokens * r->k;
    return PLAN_SIZE
        + 2 * (pairs / tile_rows + MIN(r->experts, pairs) + div_up(r->tokens, tile_rows));
}

uint32_t make_plan(const struct routing *r, const struct grouping *g, uint32_t tile_rows,
    uint32_t shared_tokens, uint32_t *plan)
{
    uint32_t *to = &plan[PLAN_SIZE];
    for (uint32_t e = 0; e <= r->experts; e++) {
        const uint32_t first = e < r->experts ? g->first[e] : 0;
        const uint32_t rows = e < r->experts ? g->count[e] : shared_tokens;
        for (uint32_t done = 0; done < rows; done += tile_rows) {
            *to++ = first + done;
            *to++ = e << 16 | MIN(rows - done, tile_rows);
        }
        if (e + 1 == r->experts)
            plan[PLAN_TILES] = (uint32_t)(to - &plan[PLAN_SIZE]) / 2;
    }
    plan[PLAN_SHARED_TILES] = (uint32_t)(to - &plan[PLAN_SIZE]) / 2 - plan[PLAN_TILES];
    return (uint32_t)(to - plan);
}

// ----------------------------------------------------------------------- matrices

// The row in the packed matrix of row `row` of part `part`.
static uint32_t packed_row(const struct linear *l, uint32_t part, uint32_t row)
{
    return (row / 16 * l->parts + part) * 16 + row % 16;
}

// Packs a row of values.
static void pack_row(unsigned char *packed, enum vkmoe_dtype dtype, uint32_t units, uint32_t row,
    const double *values, uint32_t columns)
{
    const struct test_format *format = test_format(dtype);
    unsigned char block[8 * TEST_FORMAT_MAX_ELEMENTS];
    size_t at = 0;
    for (uint32_t c = 0; c < columns; c += format->elements) {
        format->encode(values + c, block);
        for (uint32_t i = 0; i < format->bytes; i++)
            packed[packed_offset(dtype, units, row, at++)] = block[i];
    }
}

static void add_packed(struct kernel_io *io, const struct linear *l, uint32_t m)
{
    const size_t size = packed_size(l->dtype, l->blocks, l->units);
    unsigned char *packed = io_add(io, l->name, ROLE_IN, size / 4, 1)->before;
    for (uint32_t p = 0; p < l->parts; p++) {
        const double *weights = l->weights[p] + (size_t)m * l->rows * l->stride;
        for (uint32_t r = 0; r < l->rows; r++)
            pack_row(packed, l->dtype, l->units, packed_row(l, p, r),
                weights + (size_t)r * l->stride, l->columns);
    }
}

static void add_bias(struct kernel_io *io, struct linear *l, const char *name)
{
    struct rng rng = io_rng(io, name);
    float *packed = io_add(io, name, ROLE_IN, l->experts, l->blocks * 8)->before;
    for (uint32_t p = 0; p < l->parts; p++) {
        l->bias[p] = io_alloc(io, (size_t)l->experts * l->rows, sizeof(double));
        for (uint32_t e = 0; e < l->experts; e++) {
            for (uint32_t r = 0; r < l->rows; r++) {
                const float value = (float)rng_normal(&rng);
                l->bias[p][(size_t)e * l->rows + r] = value;
                packed[(size_t)e * l->blocks * 8 + packed_row(l, p, r)] = value;
            }
        }
    }
}

struct linear io_add_linear(struct kernel_io *io, const char *name, const char *bias_name,
    uint32_t experts, uint32_t rows, uint32_t columns, bool gated, enum vkmoe_dtype dtype)
{
    struct linear l = {
        .name = name,
        .experts = experts,
        .distinct = MIN(experts, LINEAR_DISTINCT),
        .rows = rows,
        .columns = columns,
        .stride = format_width(dtype, columns),
        .parts = gated ? 2 : 1,
        .dtype = dtype,
        .units = div_up(columns, 8),
        .first_operand = io->operand_count,
    };
    l.blocks = (uint32_t)align_up(div_up(rows, 16) * l.parts * 2, 8);
    struct rng rng = io_rng(io, name);
    const size_t count = (size_t)l.distinct * rows * l.stride;
    for (uint32_t p = 0; p < l.parts; p++) {
        l.weights[p] = io_alloc(io, count, sizeof(double));
        for (size_t i = 0; i < count; i++)
            l.weights[p][i] = rng_normal(&rng) / sqrt(columns) * exp2(-io->test->shrunk);
        format_round(dtype, l.weights[p], count);
    }
    for (uint32_t m = 0; m < l.distinct; m++)
        add_packed(io, &l, m);
    if (bias_name)
        add_bias(io, &l, bias_name);
    return l;
}

double linear_row(const struct linear *l, uint32_t part, uint32_t expert, uint32_t row,
    const float *x, double scale)
{
    if (row >= l->rows)
        return 0.0;
    const double *w =
        l->weights[part] + ((size_t)(expert % l->distinct) * l->rows + row) * l->stride;
    double sum = 0.0;
    for (uint32_t c = 0; c < l->columns; c++)
        sum += w[c] * x[c];
    return scale * sum + (l->bias[part] ? l->bias[part][(size_t)expert * l->rows + row] : 0.0);
}

void io_add_table(struct kernel_io *io, uint32_t experts)
{
    struct kernel_operand *table =
        io_add(io, "table", ROLE_IN, experts + 1 + sizeof vkmoe_code_books / 8, 2);
    table->begin = sizeof vkmoe_code_books;
    memcpy(table->before, vkmoe_code_books, sizeof vkmoe_code_books);
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

void io_fill_table(struct kernel_io *io, const struct linear *routed, const struct linear *shared)
{
    const size_t books = sizeof vkmoe_code_books / sizeof(uint64_t);
    uint64_t *table = (uint64_t *)io_find(io, "table")->before + books;
    const uint32_t experts = (uint32_t)(io_find(io, "table")->size / 8 - books - 1);
    for (uint32_t e = 0; e < experts; e++)
        table[e] = routed ? io->operands[routed->first_operand + e % routed->distinct].address
                          : io_address(io, "dummy");
    table[experts] = shared ? io->operands[shared->first_operand].address : io_address(io, "dummy");
}

void io_add_matrix(
    struct kernel_io *io, const char *name, const double *weights, uint32_t rows, uint32_t columns)
{
    const uint32_t blocks = (uint32_t)align_up(div_up(rows, 8), 8), units = div_up(columns, 8);
    unsigned char *packed = io_add(io, name, ROLE_IN, blocks, units * 64)->before;
    for (uint32_t r = 0; r < rows; r++)
        pack_row(packed, VKMOE_DTYPE_F32, units, r, weights + (size_t)r * columns, columns);
}

// -------------------------------------------------------------------- activations

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double act(enum vkmoe_activation activation, double x, double limit)
{
    switch (activation) {
    case VKMOE_ACTIVATION_SILU:
    case VKMOE_ACTIVATION_SILU_CLAMP: return x * sigmoid(x);
    case VKMOE_ACTIVATION_GELU_TANH:
        return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * pow(x, 3))));
    case VKMOE_ACTIVATION_GELU_ERF: return 0.5 * x * erfc(-x / sqrt(2.0));
    case VKMOE_ACTIVATION_RELU: return fmax(x, 0.0);
    case VKMOE_ACTIVATION_RELU2: return pow(fmax(x, 0.0), 2);
    case VKMOE_ACTIVATION_SWIGLU_STEP: return fmin(x * sigmoid(x), limit);
    default: return x;
    }
}

double activation_value(
    enum vkmoe_activation activation, bool gated, double g, double u, double alpha, double limit)
{
    if (!gated)
        return act(activation, u, limit);
    if (activation == VKMOE_ACTIVATION_SWIGLU_OAI || activation == VKMOE_ACTIVATION_SILU_CLAMP)
        g = fmin(g, limit);
    if (activation == VKMOE_ACTIVATION_SWIGLU_OAI || activation == VKMOE_ACTIVATION_SILU_CLAMP
        || activation == VKMOE_ACTIVATION_SWIGLU_STEP)
        u = fmax(fmin(u, limit), -limit);
    if (activation == VKMOE_ACTIVATION_SWIGLU_OAI)
        return (u + 1.0) * g * sigmoid(alpha * g);
    return act(activation, g, limit) * u;
}

uint64_t no_flops(const struct kernel_case *test)
{
    (void)test;
    return 0;
}
