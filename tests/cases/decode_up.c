// decode_up.c - cases and reference of the up projection for few tokens.
#include "decode.h"

#include <math.h>

#include "shaders/decode_up.h"

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, slots, e, d, f) .tokens = t, .k = slots, .experts = e, .hidden = d, .inner = f
#define GATED .gated = true, .shared_gated = true
#define HEADS(t, n, d, f) .tokens = t, .heads = n, .hidden = d, .shared_inner = f, \
    .activation = VKMOE_ACTIVATION_IDENTITY

#define OAI GATED, .biased = true, .activation = VKMOE_ACTIVATION_SWIGLU_OAI

static const struct decode_case cases[] = {
    // ------------------------------------------------------------- whom it is made for
    CASE("mixtral-decode", .timed = true, .shapes = ONE, EVERYWHERE),
        SHAPE(1, 2, 8, 64, 96), GATED},
    CASE("mixtral-batch-8", .timed = true, .shapes = ALL, EVERYWHERE),
        SHAPE(8, 2, 8, 64, 96), GATED},
    CASE("mixtral-f16", .timed = true, .shapes = ONE | GPU_2), SHAPE(4, 2, 8, 64, 96), GATED,
        .dtype = VKMOE_DTYPE_F16},
    CASE("qwen3-moe-bf16", .timed = true, .shapes = CPU_8 | GPU_2), SHAPE(8, 8, 128, 64, 48), GATED,
        .dtype = VKMOE_DTYPE_BF16},
    CASE("mixtral-q8-0", .timed = true, .shapes = ONE), SHAPE(4, 2, 8, 64, 96), GATED,
        .dtype = VKMOE_DTYPE_Q8_0},
    CASE("deepseek-v3", .timed = true, .shapes = ONE | SOME), SHAPE(3, 8, 256, 112, 64), GATED,
        .shared_inner = 72},
    CASE("gpt-oss", .shapes = ONE | SOME), SHAPE(5, 4, 32, 45, 45), OAI, .shared_inner = 20},
    CASE("llama4", .shapes = GPU_1 | GPU_4), SHAPE(3, 1, 16, 80, 40), GATED, .weight_input = true,
        .shared_inner = 64},
    CASE("nemotron", .shapes = SOME), SHAPE(8, 6, 128, 84, 58),
        .activation = VKMOE_ACTIVATION_RELU2, .shared_inner = 116},
    CASE("ungated-beside-gated", .shapes = SOME), SHAPE(5, 2, 4, 16, 20),
        .shared_gated = true, .shared_inner = 27, .biased = true, .weight_input = true,
        .activation = VKMOE_ACTIVATION_GELU_ERF},
    CASE("switch-ungated", .shapes = GPU_1), SHAPE(7, 1, 8, 48, 100),
        .activation = VKMOE_ACTIVATION_RELU},
    CASE("gelu-tanh", .shapes = GPU_1), SHAPE(2, 2, 8, 96, 128), .gated = true,
        .shared_inner = 40, .activation = VKMOE_ACTIVATION_GELU_TANH},
    CASE("gelu-erf", .shapes = GPU_1), SHAPE(2, 2, 8, 96, 128), .gated = true,
        .shared_inner = 40, .activation = VKMOE_ACTIVATION_GELU_ERF},
    CASE("identity", .shapes = GPU_1), SHAPE(2, 2, 8, 96, 64), .gated = true,
        .shared_inner = 40, .activation = VKMOE_ACTIVATION_IDENTITY},
    CASE("silu-clamp", .shapes = GPU_1), SHAPE(2, 2, 8, 96, 64), GATED, .shared_inner = 40,
        .activation = VKMOE_ACTIVATION_SILU_CLAMP},
    CASE("swiglu-step", .shapes = GPU_1), SHAPE(2, 2, 8, 96, 64), GATED, .shared_inner = 40,
        .activation = VKMOE_ACTIVATION_SWIGLU_STEP},

    // ------------------------------------------------------------------ formats with blocks
    // Compilers take seconds for each, and embed has every format.
#define BLOCKS(name, NAME, seldom) CASE(name, .shapes = GPU_1 | COLUMNS_1, .thorough = seldom), \
    SHAPE(3, 2, 4, 512, 24), GATED, .dtype = VKMOE_DTYPE_##NAME}
#define NARROW(name, NAME) BLOCKS(name, NAME, false)
#define SELDOM(name, NAME) BLOCKS(name, NAME, true)
    NARROW("q4-0", Q4_0), NARROW("q4-k", Q4_K), NARROW("q6-k", Q6_K), NARROW("q3-k", Q3_K),
    NARROW("mxfp4", MXFP4), NARROW("iq4-xs", IQ4_XS),
    SELDOM("q4-1", Q4_1), SELDOM("q5-0", Q5_0), SELDOM("q5-1", Q5_1), SELDOM("q2-k", Q2_K),
    SELDOM("q5-k", Q5_K), SELDOM("iq4-nl", IQ4_NL), SELDOM("nvfp4", NVFP4),
    NARROW("e4m3", E4M3), NARROW("int4-128", INT4_128), SELDOM("int4-32", INT4_32),
    SELDOM("int8", INT8), SELDOM("nvfp4-scaled", NVFP4_SCALED),
    SELDOM("iq3-s", IQ3_S), SELDOM("iq2-xs", IQ2_XS), SELDOM("iq3-xxs", IQ3_XXS),
    SELDOM("iq2-xxs", IQ2_XXS), SELDOM("iq2-s", IQ2_S), SELDOM("iq1-s", IQ1_S),
    SELDOM("iq1-m", IQ1_M), SELDOM("tq2-0", TQ2_0), SELDOM("tq1-0", TQ1_0), SELDOM("e5m2", E5M2),
    // ... of which the last is not all used.
#define PARTLY(name, columns, NAME) CASE(name, .shapes = COLUMNS_1), \
    SHAPE(3, 2, 4, columns, 24), GATED, .dtype = VKMOE_DTYPE_##NAME, .norm = true}
    PARTLY("q4-k-320", 320, Q4_K), PARTLY("q6-k-64", 64, Q6_K), PARTLY("q6-k-192", 192, Q6_K),
    PARTLY("q6-k-320", 320, Q6_K),

    // --------------------------------------------- shapes, with the pipelines of mixtral
    CASE("no-token", .shapes = ONE), SHAPE(0, 2, 8, 64, 96), GATED, .shared_inner = 72},
    CASE("one-of-each", .shapes = ONE | SOME), SHAPE(1, 1, 1, 8, 1), GATED, .shared_inner = 1},
    CASE("hot-expert", .shapes = ONE | SOME), SHAPE(8, 2, 8, 64, 24), GATED, .shared_inner = 8,
        .pattern = IDS_ONE_HOT},
    CASE("odd-experts-empty", .shapes = ONE | SOME), SHAPE(7, 2, 9, 64, 24), GATED,
        .shared_inner = 8, .pattern = IDS_EVEN},
    CASE("wild-ids", .shapes = ONE | SOME), SHAPE(8, 4, 9, 64, 24), GATED, .shared_inner = 8,
        .pattern = IDS_WILD},
    CASE("twice-the-same", .shapes = ONE | SOME | CPU_2), SHAPE(8, 4, 9, 64, 24), GATED,
        .shared_inner = 8, .pattern = IDS_TWICE},
    CASE("dropped", .shapes = ONE | SOME), SHAPE(8, 4, 9, 64, 24), GATED, .shared_inner = 8,
        .pattern = IDS_DROPPED},
    CASE("everything-dropped", .shapes = ONE | SOME), SHAPE(3, 2, 9, 64, 24), GATED,
        .shared_inner = 8, .pattern = IDS_ALL_DROPPED},
    CASE("pairs-128", .shapes = ONE | SOME), SHAPE(8, 16, 40, 16, 17), GATED, .shared_inner = 8},
    CASE("pairs-129", .shapes = ONE), SHAPE(129, 1, 40, 16, 17), GATED, .shared_inner = 8},
    CASE("k-130", .shapes = ONE), SHAPE(1, 130, 140, 16, 17), GATED, .shared_inner = 8},
    CASE("experts-1024", .shapes = ONE | SOME), SHAPE(4, 8, 1024, 16, 8), GATED,
        .shared_inner = 8},
    CASE("columns-8", .shapes = ONE | SOME), SHAPE(3, 2, 4, 8, 24), GATED, .shared_inner = 8},
    CASE("columns-704", .shapes = ONE | SOME | GPU_2), SHAPE(3, 2, 4, 704, 24), GATED,
        .shared_inner = 8},
    CASE("columns-3304", .shapes = ONE), SHAPE(1, 2, 4, 3304, 24), GATED, .shared_inner = 8},
    CASE("rows-15", .shapes = ONE | SOME), SHAPE(2, 2, 4, 16, 15), GATED, .shared_inner = 31},
    CASE("rows-17", .shapes = ONE | SOME), SHAPE(2, 2, 4, 16, 17), GATED, .shared_inner = 33},
    CASE("rows-32", .shapes = ONE | SOME), SHAPE(2, 2, 4, 16, 32), GATED, .shared_inner = 32},
    CASE("rows-33", .shapes = ONE | SOME), SHAPE(2, 2, 4, 16, 33), GATED, .shared_inner = 65},
    // ... and of gpt-oss.
    CASE("one-of-each-unpacked", .shapes = ONE | SOME), SHAPE(1, 1, 1, 1, 1), OAI,
        .shared_inner = 1},
    CASE("columns-1", .shapes = ONE | SOME), SHAPE(3, 2, 4, 1, 24), OAI, .shared_inner = 8},
    CASE("columns-7", .shapes = ONE | SOME), SHAPE(3, 2, 4, 7, 24), OAI, .shared_inner = 8},
    CASE("columns-9", .shapes = ONE | SOME), SHAPE(3, 2, 4, 9, 24), OAI, .shared_inner = 8},
    CASE("columns-33", .shapes = ONE | SOME), SHAPE(3, 2, 4, 33, 24), OAI, .shared_inner = 8},
    CASE("columns-45-f16", .shapes = CPU_1), SHAPE(3, 2, 4, 45, 24), OAI, .shared_inner = 8,
        .dtype = VKMOE_DTYPE_F16},
    CASE("misaligned", .shapes = ONE | SOME), SHAPE(3, 2, 4, 64, 24), OAI, .shared_inner = 8,
        .misaligned = true},
    CASE("norm", .shapes = ALL), SHAPE(5, 2, 4, 704, 24), GATED, .shared_inner = 8, .norm = true},
    CASE("norm-unpacked", .shapes = ONE | SOME), SHAPE(3, 2, 4, 45, 24), OAI, .shared_inner = 8,
        .weight_input = true, .norm = true},
    CASE("norm-of-one-column", .shapes = ONE | SOME), SHAPE(2, 2, 4, 1, 24), OAI, .norm = true},
    CASE("residual", .shapes = ALL), SHAPE(5, 0, 0, 64, 0), .shared_inner = 96, .residual = 0.75f,
        .activation = VKMOE_ACTIVATION_IDENTITY},
    CASE("norm-and-residual", .shapes = ONE | SOME), SHAPE(3, 0, 0, 72, 0), .shared_inner = 33,
        .residual = 1.0f, .norm = true, .activation = VKMOE_ACTIVATION_IDENTITY},
    CASE("blocks-43", .shapes = ONE), SHAPE(5, 2, 4, 1376, 24), GATED, .shared_inner = 8,
        .dtype = VKMOE_DTYPE_Q8_0},
    CASE("blocks-43-norm", .shapes = GPU_4), SHAPE(5, 2, 4, 1376, 24), GATED,
        .shared_inner = 8, .dtype = VKMOE_DTYPE_Q8_0, .norm = true},
    CASE("blocks-2-unpacked", .shapes = GPU_2), SHAPE(3, 2, 4, 64, 24), OAI,
        .shared_inner = 8, .misaligned = true, .dtype = VKMOE_DTYPE_Q8_0},
    CASE("huge-x", .shapes = GPU_1), SHAPE(3, 0, 0, 96, 0), .shared_inner = 40, .gain = 1e30f,
        .activation = VKMOE_ACTIVATION_IDENTITY, .dtype = VKMOE_DTYPE_Q8_0},
    CASE("infinite-x", .shapes = GPU_1), SHAPE(3, 0, 0, 96, 0), .shared_inner = 40,
        .broken = -INFINITY, .activation = VKMOE_ACTIVATION_IDENTITY, .dtype = VKMOE_DTYPE_Q8_0},
    // In pairs of blocks, of which the last is a half, or of lanes that have none.
    CASE("pairs-11", .shapes = GPU_1), SHAPE(5, 2, 4, 352, 24), GATED, .shared_inner = 8,
        .dtype = VKMOE_DTYPE_Q4_0, .norm = true},
    CASE("pairs-12", .shapes = GPU_1 | GPU_2 | GPU_16 | SIGNED_16 | WHOLE_16 | COLUMNS_1),
        SHAPE(5, 2, 4, 768, 40), OAI, .shared_inner = 72, .misaligned = true,
        .dtype = VKMOE_DTYPE_Q4_K},
    CASE("pairs-36", .shapes = GPU_1 | GPU_2 | COLUMNS_1), SHAPE(2, 2, 4, 2304, 24), GATED,
        .shared_inner = 24, .dtype = VKMOE_DTYPE_Q6_K, .norm = true},
    CASE("pairs-infinite-x", .shapes = GPU_1 | WHOLE_16 | COLUMNS_1), SHAPE(3, 0, 0, 512, 0),
        .shared_inner = 40, .broken = -INFINITY, .activation = VKMOE_ACTIVATION_IDENTITY,
        .dtype = VKMOE_DTYPE_Q4_K},
    CASE("pairs-nan-x", .shapes = GPU_1 | WHOLE_16 | COLUMNS_1), SHAPE(3, 0, 0, 512, 0),
        .shared_inner = 40, .broken = NAN, .activation = VKMOE_ACTIVATION_IDENTITY,
        .dtype = VKMOE_DTYPE_Q4_K},
    CASE("part", .shapes = ONE | SOME), SHAPE(3, 2, 4, 64, 24), GATED, .shared_inner = 72,
        .x_gap = 8, .first_shared_tile = 1},

    // ------------------------------------------------------------ each head's own matrix
    CASE("deepseek-keys", .timed = true, .shapes = ALL, EVERYWHERE), HEADS(3, 16, 128, 512),
        .x_gap = 64, .y_gap = 64},
    CASE("deepseek-values", .shapes = ONE | SOME), HEADS(3, 16, 512, 128)},
    CASE("heads-3", .shapes = ALL), HEADS(5, 3, 45, 33), .x_gap = 3, .y_gap = 2},
    CASE("heads-1", .shapes = ONE | SOME), HEADS(5, 1, 16, 24), .x_gap = 8, .y_gap = 1},
    CASE("heads-20-q8-0", .shapes = ONE | SOME), HEADS(2, 20, 64, 40), .dtype = VKMOE_DTYPE_Q8_0},
    CASE("heads-no-token", .shapes = ONE), HEADS(0, 4, 16, 24)},
};
// clang-format on

struct up_model {
    struct routing routing;
    struct linear up, shared;
    float *x;
    const float *raw;
    const float *before, *next_weight; // of shared_h, with a residual
};

static uint32_t h_columns(uint32_t inner)
{
    return (uint32_t)align_up(inner, 8);
}

// Between two rows of shared_h.
static uint32_t shared_stride(const struct decode_case *c)
{
    return c->heads ? c->shared_inner + c->y_gap : h_columns(c->shared_inner);
}

static void fill(struct kernel_io *io)
{
    const struct decode_case *c = (const void *)io->test;
    struct up_model *m = io->model = io_alloc(io, 1, sizeof *m);
    if (c->k)
        m->routing = io_add_routing(io, c->pattern, c->tokens, c->k, c->experts);
    m->x = io_add_floats(io, "x", c->tokens * MAX(c->heads, 1), c->hidden + c->x_gap,
        c->gain > 0.0f ? c->gain : 1.0);
    if (c->broken != 0.0f)
        m->x[(size_t)(c->tokens - 1) * (c->hidden + c->x_gap) + 40] = c->broken;
    io_find(io, "x")->skew = c->misaligned ? 4 : 0;
    if (c->norm)
        m->raw = io_add_floats(io, "raw", c->tokens, c->hidden, 2.0);
    if (c->k)
        m->up = io_add_linear(io, "up", c->biased ? "bias" : NULL, c->experts, c->inner, c->hidden,
            c->gated, c->dtype);
    if (c->shared_inner)
        m->shared = io_add_linear(io, "shared up", NULL, MAX(c->heads, 1), c->shared_inner,
            c->hidden, c->shared_gated, c->dtype);
    io_add_table(io, MAX(c->experts, c->heads));
    if (c->k)
        io_add(io, "h", ROLE_OUT, (size_t)c->tokens * c->k, h_columns(c->inner));
    if (c->residual != 0.0f) {
        const uint32_t columns = h_columns(c->shared_inner);
        m->before = io_add_floats(io, "shared_h", c->tokens, columns, 1.0);
        io_find(io, "shared_h")->role = ROLE_IN_OUT;
        m->next_weight = io_add_floats(io, "next_weight", 1, columns, 1.0);
        io_add(io, "weighted", ROLE_OUT, c->tokens, columns);
    } else if (c->shared_inner) {
        io_add(io, "shared_h", ROLE_OUT, (size_t)c->tokens * MAX(c->heads, 1), shared_stride(c));
    }
}

// What a folded norm makes of a token's dot products.
static double norm_of(const struct decode_case *c, const struct up_model *m, uint32_t token)
{
    double squares = 0.0;
    for (uint32_t i = 0; c->norm && i < c->hidden; i++)
        squares += pow(m->raw[(size_t)token * c->hidden + i], 2);
    return c->norm ? 1.0 / sqrt(squares / c->hidden + DECODE_TEST_EPSILON) : 1.0;
}

// One row of h; its columns past the matrix are zero.
static void make_row(const struct decode_case *c, const struct linear *up, uint32_t expert,
    const float *x, double scale, double *h)
{
    const bool gated = up->parts == 2;
    for (uint32_t i = 0; i < (c->heads ? up->rows : h_columns(up->rows)); i++) {
        const double g = gated ? linear_row(up, 0, expert, i, x, scale) : 0.0;
        const double u = linear_row(up, gated ? 1 : 0, expert, i, x, scale);
        h[i] = activation_value(c->activation, gated, g, u, DECODE_TEST_ALPHA, DECODE_TEST_LIMIT);
    }
}

// The pair of blocks of 8 rows, see first_of_pair() of lib/weights.glsl, that makes a column.
static uint32_t pair_of_blocks(const struct linear *l, uint32_t column)
{
    const uint32_t block = column / 8;
    return l->parts == 2 ? block : block / 4 * 2 + block % 2;
}

static void reference(struct kernel_io *io)
{
    const struct decode_case *c = (const void *)io->test;
    const struct up_model *m = io->model;
    const struct routing *r = &m->routing;
    double *h = c->k ? io_expect_floats(io, "h") : NULL;
    for (uint32_t pair = 0; pair < c->tokens * c->k; pair++)
        if (!r->dropped[pair])
            make_row(c, &m->up, r->expert[pair],
                m->x + (size_t)(pair / c->k) * (c->hidden + c->x_gap),
                norm_of(c, m, pair / c->k) * (c->weight_input ? r->weights[pair] : 1.0),
                h + (size_t)pair * h_columns(c->inner));
    set_tolerance(io, "h");
    set_tolerance(io, "shared_h");
    set_tolerance(io, "weighted");
    if (!c->shared_inner)
        return;
    double *shared_h = io_expect_floats(io, "shared_h");
    for (uint32_t row = 0; row < c->tokens * c->heads; row++)
        make_row(c, &m->shared, row % c->heads, m->x + (size_t)row * (c->hidden + c->x_gap), 1.0,
            shared_h + (size_t)row * shared_stride(c));
    for (uint32_t t = 0; t < c->tokens && !c->heads; t++)
        make_row(c, &m->shared, 0, m->x + (size_t)t * (c->hidden + c->x_gap), norm_of(c, m, t),
            shared_h + (size_t)t * h_columns(c->shared_inner));
    if (c->residual != 0.0f)
        add_residual(io, c->residual, "shared_h", m->before, m->next_weight);
    for (uint32_t i = 0; c->broken != 0.0f && i < c->shared_inner; i++)
        shared_h[(size_t)(c->tokens - 1) * h_columns(c->shared_inner) + i] = INFINITY;
    io_find(io, "shared_h")->nan = c->broken != 0.0f && sums_x(io->variant);
    const uint32_t left_out = c->first_shared_tile * io->shape.blocks / 2;
    for (uint32_t t = 0; t < c->tokens; t++)
        for (uint32_t i = 0; i < c->shared_inner; i++)
            if (pair_of_blocks(&m->shared, i) < left_out)
                shared_h[(size_t)t * h_columns(c->shared_inner) + i] = INFINITY;
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct decode_case *c = (const void *)io->test;
    const struct up_model *m = io->model;
    const struct kernel_shape *s = &io->shape;
    io_fill_table(io,
        c->heads   ? &m->shared
            : c->k ? &m->up
                   : NULL,
        c->shared_inner ? &m->shared : NULL);
    SET_PUSH(io, decode_up, .tokens = c->tokens, .k = c->k, .experts = c->experts,
        .columns = c->hidden, .x_stride = c->hidden + c->x_gap, .units = div_up(c->hidden, 8),
        .h_columns = h_columns(c->inner),
        .shared_h_columns = c->heads ? c->shared_inner : h_columns(c->shared_inner),
        .row_tiles = div_up(m->up.blocks, s->blocks),
        .shared_row_tiles = div_up(m->shared.blocks, s->blocks) - c->first_shared_tile,
        .first_shared_row_tile = c->first_shared_tile, .bias_stride = m->up.blocks * 8,
        AT(ids) AT(weights) AT(x) AT(h) AT(shared_h) AT(table) AT(bias) AT(raw) AT(weighted)
            AT(next_weight));
    const struct decode_up_push *push = (const void *)io->push;
    *d = (struct dispatch){
        .spec = {
            DECODE_SPEC(c, s),
            [DECODE_UNROLL] = decode_unroll(io),
            [DECODE_TOGETHER] = s->together,
            [DECODE_TOKENS] = s->tokens,
            [DECODE_PACKED] = io_is_packed(io, io_find(io, "x"), 8),
            [DECODE_GATED] = c->gated,
            [DECODE_SHARED_GATED] = c->shared_gated,
            [DECODE_ACTIVATION] = c->activation,
            [DECODE_NORM] = c->norm,
            [DECODE_NORM_EPSILON] = float_bits(DECODE_TEST_EPSILON),
            [DECODE_ALPHA] = float_bits(DECODE_TEST_ALPHA),
            [DECODE_LIMIT] = float_bits(DECODE_TEST_LIMIT),
            [DECODE_HEADS] = c->heads,
            [DECODE_HEAD_STRIDE] = shared_stride(c),
        },
        .groups = c->tokens * c->k * push->row_tiles
            + div_up(c->tokens, s->tokens) * push->shared_row_tiles * MAX(c->heads, 1),
    };
}

static uint64_t parts(const struct decode_case *c, bool shared)
{
    return (shared ? c->shared_gated : c->gated) ? 2 : 1;
}

// Each expert's matrix once, where it has a token: as if all pairs had different ones.
static uint64_t bytes(const struct kernel_case *test)
{
    const struct decode_case *c = (const void *)test;
    const uint64_t pairs = c->tokens * c->k;
    const uint64_t rows =
        MIN(pairs, c->experts) * c->inner * parts(c, false) + c->shared_inner * parts(c, true);
    const uint64_t heads = MAX(c->heads, 1);
    return heads * format_bytes(c->dtype, rows * c->hidden)
        + (c->tokens * heads * (c->hidden + c->shared_inner) + pairs * c->inner) * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct decode_case *c = (const void *)test;
    return 2ull * c->tokens * MAX(c->heads, 1) * c->hidden
        * (c->k * c->inner * parts(c, false) + c->shared_inner * parts(c, true));
}

KERNEL_SUITE(decode_up, decode_suits, reference)
