// decode_down.c - cases and reference of the down projection for few tokens, with weights,
// shared expert and output bias.
#include "decode.h"

#include <math.h>

#include "shaders/decode_down.h"

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, slots, e, d, f) .tokens = t, .k = slots, .experts = e, .hidden = d, .inner = f
#define SHARED .shared_inner = 16

static const struct decode_case cases[] = {
    // ------------------------------------------------------------- whom it is made for
    CASE("mixtral-decode", .timed = true, .shapes = ONE, EVERYWHERE),
        SHAPE(1, 2, 8, 64, 96)},
    CASE("mixtral-batch-8", .timed = true, .shapes = ONE, EVERYWHERE),
        SHAPE(8, 2, 8, 64, 96)},
    CASE("mixtral-f16", .timed = true, .shapes = GPU_1), SHAPE(4, 2, 8, 64, 136),
        .dtype = VKMOE_DTYPE_F16},
    CASE("qwen3-moe-bf16", .timed = true, .shapes = CPU_1), SHAPE(8, 8, 128, 64, 48),
        .dtype = VKMOE_DTYPE_BF16},
    CASE("mixtral-q8-0", .timed = true, .shapes = ONE), SHAPE(4, 2, 8, 64, 96),
        .dtype = VKMOE_DTYPE_Q8_0},
    CASE("deepseek-v3", .timed = true, .shapes = ALL, EVERYWHERE), SHAPE(3, 8, 256, 112, 64),
        .shared_inner = 72},
    CASE("qwen2-moe", .timed = true, .shapes = GPU_1), SHAPE(5, 4, 60, 64, 44),
        .shared_inner = 176, .shared_weighted = true},
    CASE("gpt-oss", .shapes = GPU_1), SHAPE(5, 4, 32, 45, 45), .biased = true},
    CASE("gpt-oss-dropped", .shapes = GPU_1), SHAPE(5, 4, 32, 45, 45), .biased = true,
        .pattern = IDS_DROPPED},
    CASE("llama4", .shapes = GPU_1), SHAPE(3, 1, 16, 80, 40), .weight_input = true,
        .shared_inner = 64},
    CASE("llama4-bias", .shapes = CPU_1 | GPU_3), SHAPE(3, 2, 16, 80, 40), .weight_input = true,
        .biased = true, .pattern = IDS_DROPPED},
    CASE("jetmoe", .shapes = GPU_1), SHAPE(4, 2, 8, 128, 88), .output_bias = true},
    CASE("everything-at-once", .shapes = ONE), SHAPE(6, 3, 12, 33, 25), .biased = true,
        .output_bias = true, .shared_inner = 40, .shared_weighted = true,
        .pattern = IDS_DROPPED, .dtype = VKMOE_DTYPE_F16},
    CASE("residual", .shapes = ALL), SHAPE(5, 3, 12, 65, 40), .output_bias = true, SHARED,
        .residual = 0.75f},

    // ------------------------------------------------------------------ formats with blocks
    CASE("q4-k", .shapes = ONE | COLUMNS_1), SHAPE(4, 2, 8, 40, 256), .dtype = VKMOE_DTYPE_Q4_K},
    CASE("q6-k", .shapes = GPU_1 | COLUMNS_1), SHAPE(4, 2, 8, 40, 768), .dtype = VKMOE_DTYPE_Q6_K},
    CASE("q6-k-192", .shapes = COLUMNS_1), SHAPE(4, 2, 8, 40, 192), .dtype = VKMOE_DTYPE_Q6_K},
    CASE("q5-0", .shapes = ONE), SHAPE(4, 2, 8, 40, 96), .dtype = VKMOE_DTYPE_Q5_0},
    CASE("mxfp4", .shapes = ONE), SHAPE(4, 2, 8, 40, 96), .dtype = VKMOE_DTYPE_MXFP4},
    CASE("iq3-xxs", .shapes = GPU_1, .thorough = true), SHAPE(4, 2, 8, 40, 512),
        .dtype = VKMOE_DTYPE_IQ3_XXS},

    // ----------------------------------------- shapes, with the pipelines of deepseek-v3
    CASE("no-token", .shapes = ONE), SHAPE(0, 2, 8, 64, 96), SHARED},
    CASE("one-of-each", .shapes = ONE), SHAPE(1, 1, 1, 1, 1), .shared_inner = 1},
    CASE("hot-expert", .shapes = ONE), SHAPE(8, 2, 8, 40, 24), SHARED,
        .pattern = IDS_ONE_HOT},
    CASE("odd-experts-empty", .shapes = ONE), SHAPE(7, 2, 9, 40, 24), SHARED,
        .pattern = IDS_EVEN},
    CASE("wild-ids", .shapes = ONE), SHAPE(8, 4, 9, 40, 24), SHARED, .pattern = IDS_WILD},
    CASE("twice-the-same", .shapes = ONE), SHAPE(8, 4, 9, 40, 24), SHARED,
        .pattern = IDS_TWICE},
    CASE("dropped", .shapes = ONE), SHAPE(8, 4, 9, 40, 24), SHARED,
        .pattern = IDS_DROPPED},
    CASE("everything-dropped", .shapes = ONE), SHAPE(3, 2, 9, 40, 24), SHARED,
        .pattern = IDS_ALL_DROPPED},
    CASE("tokens-129", .shapes = ONE), SHAPE(129, 1, 40, 24, 17), SHARED},
    CASE("k-130", .shapes = ONE), SHAPE(1, 130, 140, 24, 17), SHARED},
    CASE("experts-1024", .shapes = ONE), SHAPE(4, 8, 1024, 24, 8), SHARED},
    CASE("inner-704", .shapes = ONE | GPU_3), SHAPE(3, 2, 4, 24, 704), SHARED},
    CASE("rows-1", .shapes = ONE), SHAPE(3, 2, 4, 1, 24), SHARED},
    CASE("rows-7", .shapes = ONE), SHAPE(3, 2, 4, 7, 24), SHARED},
    CASE("rows-9", .shapes = ONE), SHAPE(3, 2, 4, 9, 24), SHARED},
    CASE("rows-33", .shapes = ONE), SHAPE(9, 2, 4, 33, 24), SHARED},
    CASE("rows-63", .shapes = ONE), SHAPE(3, 2, 4, 63, 24), SHARED},
    CASE("rows-64", .shapes = ONE), SHAPE(3, 2, 4, 64, 24), SHARED},
    CASE("rows-65", .shapes = ONE), SHAPE(3, 2, 4, 65, 24), SHARED},
    CASE("blocks-43", .shapes = ONE | GPU_3), SHAPE(3, 5, 9, 24, 1376),
        .shared_inner = 96, .pattern = IDS_DROPPED, .dtype = VKMOE_DTYPE_Q8_0},
    CASE("pairs-36", .shapes = GPU_1 | GPU_16 | WHOLE_16 | COLUMNS_1),
        SHAPE(3, 5, 9, 24, 2304), .shared_inner = 256, .pattern = IDS_DROPPED,
        .dtype = VKMOE_DTYPE_Q4_K},
    CASE("pairs-3", .shapes = GPU_1 | GPU_3), SHAPE(3, 5, 9, 24, 96), .shared_inner = 32,
        .pattern = IDS_DROPPED, .dtype = VKMOE_DTYPE_Q4_0},
    CASE("inner-1", .shapes = ONE), SHAPE(3, 2, 4, 24, 1), SHARED},
    CASE("inner-7", .shapes = ONE), SHAPE(3, 2, 4, 24, 7), SHARED},
    CASE("inner-8", .shapes = ONE), SHAPE(3, 2, 4, 24, 8), SHARED},
    CASE("inner-9", .shapes = ONE), SHAPE(3, 2, 4, 24, 9), SHARED},
};
// clang-format on

// A workgroup has one token.
static bool fits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    return shape->tokens == 1 && decode_suits(test, variant, shape)
        && decode_fits(test, variant, shape);
}

struct down_model {
    struct routing routing;
    struct linear down, shared;
    const float *h, *shared_h, *shared_weights, *output_bias;
    const float *before, *next_weight; // of y, with a residual
};

// Rows of h are padded with zeros to whole units.
static float *add_h(struct kernel_io *io, const char *name, uint32_t rows, uint32_t inner)
{
    const uint32_t columns = (uint32_t)align_up(inner, 8);
    float *h = io_add_floats(io, name, rows, columns, 1.0);
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t i = inner; i < columns; i++)
            h[(size_t)row * columns + i] = 0.0f;
    return h;
}

static void fill(struct kernel_io *io)
{
    const struct decode_case *c = (const void *)io->test;
    struct down_model *m = io->model = io_alloc(io, 1, sizeof *m);
    m->routing = io_add_routing(io, c->pattern, c->tokens, c->k, c->experts);
    float *h = add_h(io, "h", c->tokens * c->k, c->inner);
    m->h = h;
    const uint32_t columns = io_find(io, "h")->columns;
    for (uint32_t pair = 0; pair < c->tokens * c->k; pair++) // nobody has written these
        for (uint32_t i = 0; m->routing.dropped[pair] && i < columns; i++)
            h[(size_t)pair * columns + i] = NAN;
    m->down = io_add_linear(
        io, "down", c->biased ? "bias" : NULL, c->experts, c->hidden, c->inner, false, c->dtype);
    if (c->shared_inner) {
        m->shared =
            io_add_linear(io, "shared down", NULL, 1, c->hidden, c->shared_inner, false, c->dtype);
        m->shared_h = add_h(io, "shared_h", c->tokens, c->shared_inner);
    }
    if (c->shared_weighted)
        m->shared_weights = io_add_floats(io, "shared_weights", c->tokens, 1, 1.0);
    if (c->output_bias)
        m->output_bias = io_add_floats(io, "output_bias", 1, c->hidden, 1.0);
    io_add_table(io, c->experts);
    if (c->residual != 0.0f) {
        m->before = io_add_floats(io, "y", c->tokens, c->hidden, 1.0);
        io_find(io, "y")->role = ROLE_IN_OUT;
        m->next_weight = io_add_floats(io, "next_weight", 1, c->hidden, 1.0);
        io_add(io, "weighted", ROLE_OUT, c->tokens, c->hidden);
    } else {
        io_add(io, "y", ROLE_OUT, c->tokens, c->hidden);
    }
}

static void reference(struct kernel_io *io)
{
    const struct decode_case *c = (const void *)io->test;
    const struct down_model *m = io->model;
    const struct routing *r = &m->routing;
    double *y = io_expect_floats(io, "y");
    set_tolerance(io, "y");
    set_tolerance(io, "weighted");
    for (uint32_t t = 0; t < c->tokens; t++) {
        for (uint32_t i = 0; i < c->hidden; i++) {
            double sum = m->output_bias ? m->output_bias[i] : 0.0;
            for (uint32_t pair = t * c->k; pair < (t + 1) * c->k; pair++)
                if (!r->dropped[pair])
                    sum += (c->weight_input ? 1.0 : r->weights[pair])
                        * linear_row(&m->down, 0, r->expert[pair], i,
                            m->h + (size_t)pair * io_find(io, "h")->columns, 1.0);
            if (c->shared_inner)
                sum += (m->shared_weights ? m->shared_weights[t] : 1.0)
                    * linear_row(&m->shared, 0, 0, i,
                        m->shared_h + (size_t)t * io_find(io, "shared_h")->columns, 1.0);
            y[(size_t)t * c->hidden + i] = sum;
        }
    }
    if (c->residual != 0.0f)
        add_residual(io, c->residual, "y", m->before, m->next_weight);
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct decode_case *c = (const void *)io->test;
    const struct down_model *m = io->model;
    const struct kernel_shape *s = &io->shape;
    io_fill_table(io, &m->down, c->shared_inner ? &m->shared : NULL);
    SET_PUSH(io, decode_down, .tokens = c->tokens, .k = c->k, .experts = c->experts,
        .columns = c->hidden, .h_columns = m->down.units * 8,
        .shared_h_columns = m->shared.units * 8, .row_tiles = div_up(c->hidden, 8 * s->blocks),
        .bias_stride = m->down.blocks * 8,
        AT(ids) AT(weights) AT(h) AT(shared_h) AT(shared_weights) AT(y) AT(table) AT(bias)
            AT(output_bias) AT(weighted) AT(next_weight));
    const struct decode_down_push *push = (const void *)io->push;
    *d = (struct dispatch){
        .spec = {
            DECODE_SPEC(c, s),
            [DECODE_UNROLL] = decode_unroll(io),
            [DECODE_SLOTS] = s->slots,
            [DECODE_TOGETHER] = 1,
            [DECODE_PACKED] = 1,
            [DECODE_ACTIVATION] = VKMOE_ACTIVATION_IDENTITY,
            [DECODE_SHARED] = c->shared_inner == 0 ? 0 : c->shared_weighted ? 2 : 1,
            [DECODE_OUTPUT_BIAS] = c->output_bias,
        },
        .groups = push->row_tiles * c->tokens,
    };
}

// Each expert's matrix once, where it has a token: as if all pairs had different ones.
static uint64_t bytes(const struct kernel_case *test)
{
    const struct decode_case *c = (const void *)test;
    const uint64_t pairs = c->tokens * c->k;
    const uint64_t columns = MIN(pairs, c->experts) * c->inner + c->shared_inner;
    return format_bytes(c->dtype, columns * c->hidden)
        + (c->tokens * (c->hidden + c->shared_inner) + pairs * c->inner) * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct decode_case *c = (const void *)test;
    return 2ull * c->tokens * c->hidden * (c->k * c->inner + c->shared_inner);
}

KERNEL_SUITE(decode_down, fits, reference)
