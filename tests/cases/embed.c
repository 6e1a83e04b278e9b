// embed.c - cases and reference of the embedding's rows. Every result is exact: a stored
// element times the scale.
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/npy.h"

#include "shaders/embed.h"

struct embed_case {
    struct kernel_case base;
    uint32_t tokens, vocabulary, columns;
    enum vkmoe_dtype dtype;
    float scale;
    bool wild;     // some ids are past the vocabulary
    bool weighted; // x times a weight is stored as well
    // The matrix is tests/vectors/<vectors>.bin and .f32.npy, of which every row is asked for.
    const char *vectors;
    bool codes; // the matrix has every code of 2 bytes, and every row is asked for
};

enum { CPU = 1, GPU = 2, ALL = 7 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, words, width) .tokens = t, .vocabulary = words, .columns = width
#define BOTH .shapes = CPU | GPU

static const struct embed_case cases[] = {
    CASE("mixtral-f32", .timed = true, .shapes = ALL, .everywhere = true), SHAPE(33, 320, 128),
        .scale = 1.0f},
    CASE("mixtral-f16", .timed = true, BOTH, .everywhere = true), SHAPE(33, 320, 128),
        .scale = 1.0f, .dtype = VKMOE_DTYPE_F16},
    CASE("gpt-oss-bf16", .timed = true, BOTH), SHAPE(5, 201, 2880), .scale = 1.0f,
        .dtype = VKMOE_DTYPE_BF16},
    CASE("granite-multiplier", BOTH), SHAPE(5, 49, 96), .scale = 12.0f, .dtype = VKMOE_DTYPE_BF16},
    CASE("q8-0", .timed = true, BOTH, .everywhere = true), SHAPE(33, 320, 128),
        .scale = 1.0f, .dtype = VKMOE_DTYPE_Q8_0},
    CASE("q8-0-multiplier", BOTH), SHAPE(5, 49, 96), .scale = 12.0f, .dtype = VKMOE_DTYPE_Q8_0},
    CASE("subnormal-f16", BOTH, .shrunk = 16), SHAPE(33, 320, 96), .scale = 1.0f,
        .dtype = VKMOE_DTYPE_F16},
    CASE("q8-0-subnormal", BOTH, .shrunk = 6), SHAPE(33, 320, 96), .scale = 1.0f,
        .dtype = VKMOE_DTYPE_Q8_0},
    CASE("odd-multiplier", .shapes = CPU), SHAPE(5, 49, 45), .scale = -0.3f},

    // ------------------------------------------- what tests/vectors has, as others decode it
#define VECTORS(name, file, NAME, rows) CASE(name, .shapes = GPU, .everywhere = true), \
    SHAPE(rows, rows, 256), .scale = 1.0f, .dtype = VKMOE_DTYPE_##NAME, .vectors = file}
    VECTORS("vectors-q8-0", "q8_0", Q8_0, 8),
    VECTORS("vectors-q4-0", "q4_0", Q4_0, 8),
    VECTORS("vectors-q4-k", "q4_K", Q4_K, 8),
    VECTORS("vectors-q6-k", "q6_K", Q6_K, 8),
    VECTORS("vectors-q5-k", "q5_K", Q5_K, 8),
    VECTORS("vectors-q5-0", "q5_0", Q5_0, 8),
    VECTORS("vectors-q4-1", "q4_1", Q4_1, 8),
    VECTORS("vectors-q5-1", "q5_1", Q5_1, 8),
    VECTORS("vectors-q2-k", "q2_K", Q2_K, 8),
    VECTORS("vectors-q3-k", "q3_K", Q3_K, 8),
    VECTORS("vectors-mxfp4", "mxfp4", MXFP4, 8),
    VECTORS("vectors-mxfp4-scales", "mxfp4_scales", MXFP4, 32),
    VECTORS("vectors-iq4-nl", "iq4_nl", IQ4_NL, 8),
    VECTORS("vectors-iq4-xs", "iq4_xs", IQ4_XS, 8),
    VECTORS("vectors-nvfp4", "nvfp4", NVFP4, 8),
    VECTORS("vectors-e4m3", "e4m3", E4M3, 9),
    VECTORS("vectors-int4-32", "int4_32", INT4_32, 8),
    VECTORS("vectors-int4-128", "int4_128", INT4_128, 8),
    VECTORS("vectors-int8", "int8", INT8, 8),
    VECTORS("vectors-nvfp4-scaled", "nvfp4_scaled", NVFP4_SCALED, 8),
    VECTORS("vectors-iq3-s", "iq3_s", IQ3_S, 6),
    VECTORS("vectors-iq2-xs", "iq2_xs", IQ2_XS, 6),
    VECTORS("vectors-iq3-xxs", "iq3_xxs", IQ3_XXS, 6),
    VECTORS("vectors-iq2-xxs", "iq2_xxs", IQ2_XXS, 6),
    VECTORS("vectors-iq2-s", "iq2_s", IQ2_S, 6),
    VECTORS("vectors-iq1-s", "iq1_s", IQ1_S, 6),
    VECTORS("vectors-iq1-m", "iq1_m", IQ1_M, 6),
    VECTORS("vectors-tq2-0", "tq2_0", TQ2_0, 8),
    VECTORS("vectors-tq1-0", "tq1_0", TQ1_0, 8),
    VECTORS("vectors-e5m2", "e5m2", E5M2, 8),
    // ... and all that formats without blocks can store. What is subnormal in f16 is not in f32, so
    // that no device may flush it; of bf16 it is, and may be zero.
#define CODES(name, NAME) CASE(name, BOTH, .everywhere = true), SHAPE(256, 256, 256), \
    .scale = 1.0f, .dtype = VKMOE_DTYPE_##NAME, .codes = true}
    CODES("codes-f16", F16),
    CODES("codes-bf16", BF16),

    // ------------------------------------------------------ shapes, with mixtral's pipelines
    CASE("no-token", .shapes = CPU), SHAPE(0, 320, 64), .scale = 1.0f},
    CASE("one-of-each", BOTH), SHAPE(1, 1, 1), .scale = 1.0f},
    CASE("one-of-each-wild", BOTH), SHAPE(3, 1, 1), .scale = 1.0f, .wild = true,
        .dtype = VKMOE_DTYPE_F16},
    CASE("wild-ids", BOTH), SHAPE(40, 63, 40), .scale = 1.0f, .wild = true},
    CASE("wild-ids-f16", BOTH), SHAPE(40, 64, 40), .scale = 1.0f, .wild = true,
        .dtype = VKMOE_DTYPE_F16},
    CASE("wild-ids-bf16", BOTH), SHAPE(40, 65, 40), .scale = 1.0f, .wild = true,
        .dtype = VKMOE_DTYPE_BF16},
    CASE("wild-ids-q8-0", BOTH), SHAPE(40, 65, 32), .scale = 1.0f, .wild = true,
        .dtype = VKMOE_DTYPE_Q8_0},
    CASE("weighted", BOTH), SHAPE(9, 100, 45), .scale = 2.0f, .weighted = true},
    CASE("columns-7", BOTH), SHAPE(9, 100, 7), .scale = 1.0f},
    CASE("columns-8", BOTH), SHAPE(9, 100, 8), .scale = 1.0f},
    CASE("columns-9", BOTH), SHAPE(9, 100, 9), .scale = 1.0f},
    CASE("columns-33-f16", BOTH), SHAPE(65, 100, 33), .scale = 1.0f, .dtype = VKMOE_DTYPE_F16},
    CASE("columns-45-bf16", BOTH), SHAPE(65, 100, 45), .scale = 1.0f, .dtype = VKMOE_DTYPE_BF16},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64 }, { .lanes = 32 } };

// Stores rows as they lie in a file.
static void put_rows(struct kernel_io *io, const struct linear *matrix, const unsigned char *bytes)
{
    const size_t row_size = format_bytes(matrix->dtype, matrix->columns);
    unsigned char *packed = io_find(io, "matrix")->before;
    for (size_t i = 0; i < matrix->rows * row_size; i++)
        packed[packed_offset(
            matrix->dtype, matrix->units, (uint32_t)(i / row_size), i % row_size)] = bytes[i];
}

// The matrix, and its values, from files, all of them.
static void read_vectors(struct kernel_io *io, struct linear *matrix, const char *name)
{
    const size_t count = (size_t)matrix->rows * matrix->columns;
    const size_t row_size = format_bytes(matrix->dtype, matrix->columns);
    unsigned char *bytes = io_alloc(io, matrix->rows, row_size);
    struct vkmoe_npy values = { 0 };
    char path[512];
    snprintf(path, sizeof path, "%s/%s.f32.npy", VKMOE_TEST_VECTORS, name);
    const bool read = vkmoe_npy_read(path, &(struct vkmoe_log){ 0 }, &values) == VKMOE_OK;
    snprintf(path, sizeof path, "%s/%s.bin", VKMOE_TEST_VECTORS, name);
    FILE *file = fopen(path, "rb");
    if (!read || !file || values.elements != count
        || fread(bytes, row_size, matrix->rows, file) != matrix->rows)
        abort(); // the tree lacks what it has
    fclose(file);
    for (size_t i = 0; i < count; i++)
        matrix->weights[0][i] = ((const float *)values.data)[i];
    put_rows(io, matrix, bytes);
    free(values.data);
}

// Element i is code i.
static void put_codes(struct kernel_io *io, struct linear *matrix)
{
    const size_t count = (size_t)matrix->rows * matrix->columns;
    unsigned char *bytes = io_alloc(io, count, 2);
    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = (unsigned char)i;
        bytes[2 * i + 1] = (unsigned char)(i >> 8);
    }
    format_decode(matrix->dtype, bytes, count, matrix->weights[0]);
    put_rows(io, matrix, bytes);
}

static void fill(struct kernel_io *io)
{
    const struct embed_case *c = (const void *)io->test;
    struct linear *matrix = io->model = io_alloc(io, 1, sizeof *matrix);
    struct rng rng = io_rng(io, "ids");
    uint32_t *ids = io_add(io, "ids", ROLE_IN, c->tokens, 1)->before;
    for (uint32_t t = 0; t < c->tokens; t++) {
        const uint32_t odd[] = { c->vocabulary, 0xffffffff, 0x80000000, 0x7fffffff };
        ids[t] = t == 0 ? c->vocabulary - 1 : rng_below(&rng, c->vocabulary);
        if (c->wild && t % 3 == 1)
            ids[t] = odd[t / 3 % 4];
        if (c->vectors || c->codes)
            ids[t] = t;
    }
    *matrix = io_add_linear(io, "matrix", NULL, 1, c->vocabulary, c->columns, false, c->dtype);
    if (c->vectors)
        read_vectors(io, matrix, c->vectors);
    if (c->codes)
        put_codes(io, matrix);
    io_add(io, "x", ROLE_OUT, c->tokens, c->columns);
    io_add_table(io, 1);
    if (c->weighted) {
        io_add_floats(io, "weight", 1, c->columns, 1.0);
        io_add(io, "weighted", ROLE_OUT, c->tokens, c->columns);
    }
}

static void reference(struct kernel_io *io)
{
    const struct embed_case *c = (const void *)io->test;
    const struct linear *matrix = io->model;
    const uint32_t *ids = io_find(io, "ids")->before;
    uint32_t *x = io_expect_words(io, "x");
    io_find(io, "x")->as_values = c->vectors || c->codes;
    for (uint32_t t = 0; t < c->tokens; t++) {
        const uint32_t id = MIN(ids[t], c->vocabulary - 1);
        for (uint32_t i = 0; i < c->columns; i++)
            x[t * c->columns + i] =
                float_bits((float)(matrix->weights[0][(size_t)id * matrix->stride + i] * c->scale));
    }
    if (!c->weighted)
        return;
    const float *weight = io_find(io, "weight")->before;
    uint32_t *weighted = io_expect_words(io, "weighted");
    for (uint32_t i = 0; i < c->tokens * c->columns; i++) {
        float value;
        memcpy(&value, &x[i], sizeof value);
        weighted[i] = float_bits(value * weight[i % c->columns]);
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct embed_case *c = (const void *)io->test;
    const struct linear *matrix = io->model;
    io_fill_table(io, matrix, NULL);
    SET_PUSH(io, embed, .tokens = c->tokens, .columns = c->columns, .units = matrix->units,
        .vocabulary = c->vocabulary, AT(ids) AT(matrix) AT(x) AT(weighted) AT(weight) AT(table));
    const struct embed_push *push = (const void *)io->push;
    *d = (struct dispatch){
        .spec = {
            [EMBED_LANES] = io->shape.lanes,
            [EMBED_TYPE] = c->dtype,
            [EMBED_SCALE] = float_bits(c->scale),
            [EMBED_WEIGHTED] = c->weighted,
        },
        .groups = div_up(c->tokens * push->units, io->shape.lanes),
    };
}

static bool fits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    (void)shape;
    return form_has(variant, ((const struct embed_case *)(const void *)test)->dtype);
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct embed_case *c = (const void *)test;
    return (uint64_t)c->tokens * ((c->columns + 1) * 4 + format_bytes(c->dtype, c->columns));
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct embed_case *c = (const void *)test;
    return (uint64_t)c->tokens * c->columns;
}

KERNEL_SUITE(embed, fits, reference)
