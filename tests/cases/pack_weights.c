// pack_weights.c - cases and reference of the rectangles that are packed. Every result is exact,
// and what is outside of the rectangle stays as it was.
#include "cases.h"

#include "shaders/pack_weights.h"

#include <string.h>

struct pack_case {
    struct kernel_case base;
    uint32_t size, form;
    uint32_t rows, columns;
    uint32_t gap;                    // elements between those of a line: 2 means every second
    uint32_t zero_rows, zero_chunks; // written behind the rectangle
    uint32_t base_row, first_chunk;
    uint32_t stride, phase; // of strips; 0: 1
    uint32_t line_gap;      // bytes between lines
    uint32_t skew;          // of the source's end
};

enum { CPU = 1, GPU = 2, ALL = 7 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define BOTH .shapes = CPU | GPU
#define MATRIX(bytes, kind, r, c) .size = bytes, .form = PACK_##kind, .rows = r, .columns = c

static const struct pack_case cases[] = {
    CASE("granite-bf16", .timed = true, .shapes = ALL, .everywhere = true),
        MATRIX(2, ROWS, 64, 1024)},
    CASE("granite-gate-and-up", BOTH, .everywhere = true), MATRIX(2, ROWS, 40, 1024), .stride = 2,
        .phase = 1, .zero_rows = 24},
    CASE("mixtral-f32", .timed = true, .shapes = ALL, .everywhere = true),
        MATRIX(4, ROWS, 24, 256), .zero_rows = 40},
    CASE("llama4-transposed", .timed = true, .shapes = ALL, .everywhere = true),
        MATRIX(2, COLUMNS, 128, 64)},
    CASE("llama4-transposed-f32", BOTH, .everywhere = true), MATRIX(4, COLUMNS, 128, 32)},
    CASE("gpt-oss-interleaved", .timed = true, .shapes = ALL, .everywhere = true),
        MATRIX(2, COLUMNS, 96, 48), .gap = 2, .stride = 2},
    CASE("interleaved-rows", .shapes = ALL, .everywhere = true), MATRIX(2, ELEMENTS, 16, 48),
        .gap = 2},
    CASE("interleaved-rows-f32", BOTH, .everywhere = true), MATRIX(4, ELEMENTS, 16, 48), .gap = 3},

    // ---------------------------------------------------------------------- ugly sizes
    CASE("one-element", BOTH), MATRIX(2, ROWS, 1, 1), .zero_rows = 63},
    CASE("one-element-f32", BOTH), MATRIX(4, ROWS, 1, 1), .zero_rows = 7, .zero_chunks = 1},
    CASE("one-element-transposed", BOTH), MATRIX(2, COLUMNS, 1, 1), .zero_rows = 7},
    CASE("columns-7", BOTH), MATRIX(2, ROWS, 9, 7), .zero_rows = 3},
    CASE("columns-9", BOTH), MATRIX(2, ROWS, 9, 9), .zero_rows = 7, .line_gap = 16},
    CASE("columns-9-f32", BOTH), MATRIX(4, ROWS, 9, 9), .zero_rows = 7, .zero_chunks = 1},
    CASE("columns-45-f32-elements", BOTH), MATRIX(4, ELEMENTS, 5, 45), .line_gap = 4, .skew = 4},
    CASE("odd-lines", BOTH), MATRIX(2, ELEMENTS, 11, 13), .line_gap = 2, .skew = 8},
    CASE("odd-lines-transposed", BOTH), MATRIX(2, COLUMNS, 11, 13), .line_gap = 6, .zero_rows = 5,
        .skew = 12},
    CASE("odd-lines-every-seventh", BOTH), MATRIX(2, COLUMNS, 19, 5), .gap = 7, .line_gap = 2},
    // Views below each other: a block is shared, and its other rows are another's.
    CASE("from-row-3", BOTH), MATRIX(2, ROWS, 10, 40), .base_row = 3},
    CASE("from-row-13-transposed", BOTH), MATRIX(2, COLUMNS, 10, 40), .base_row = 13,
        .zero_rows = 9},
    CASE("from-row-8-and-chunk-3", BOTH), MATRIX(2, ROWS, 40, 32), .base_row = 8,
        .first_chunk = 3},
    CASE("from-row-16-and-chunk-4", BOTH), MATRIX(2, ROWS, 32, 72), .base_row = 16,
        .first_chunk = 4},
    CASE("from-chunk-2-f32-interleaved", BOTH), MATRIX(4, COLUMNS, 40, 24), .first_chunk = 2,
        .gap = 2, .stride = 3, .phase = 2},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64 }, { .lanes = 32 } };

static bool transposed(const struct pack_case *c)
{
    return c->form == PACK_COLUMNS;
}

static uint32_t pitch(const struct pack_case *c)
{
    return MAX(c->gap, 1) * c->size;
}

// From the beginning of a line to that of the next.
static uint32_t line_pitch(const struct pack_case *c)
{
    const uint32_t line = (transposed(c) ? c->rows : c->columns) * pitch(c);
    return (uint32_t)align_up(line, c->form == PACK_ROWS ? 16 : c->size) + c->line_gap;
}

static uint32_t chunks_written(const struct pack_case *c)
{
    return div_up(c->columns, 16 / c->size) + c->zero_chunks;
}

static uint32_t records(const struct pack_case *c)
{
    return (c->first_chunk + chunks_written(c)) / 2 + 1; // the last chunk is not ours
}

static uint32_t strip_of(const struct pack_case *c, uint32_t row)
{
    return row / 16 * MAX(c->stride, 1) + c->phase;
}

static uint32_t total_rows(const struct pack_case *c)
{
    return c->base_row + c->rows + c->zero_rows;
}

static void fill(struct kernel_io *io)
{
    const struct pack_case *c = (const void *)io->test;
    const uint32_t lines = transposed(c) ? c->columns : c->rows;
    const uint32_t length = transposed(c) ? c->rows : c->columns;
    const uint32_t last =
        (uint32_t)align_up((length - 1) * pitch(c) + c->size, c->form == PACK_ROWS ? 16 : 4);
    const uint64_t words = align_up((uint64_t)(lines - 1) * line_pitch(c) + last, 4) / 4;
    struct rng rng = io_rng(io, "source");
    struct kernel_operand *source = io_add(io, "source", ROLE_IN, words, 1);
    source->skew = c->skew;
    uint32_t *bits = source->before;
    for (uint64_t i = 0; i < words; i++)
        bits[i] = rng_below(&rng, 0xffffffff);
    io_add(
        io, "matrix", ROLE_OUT, (size_t)(strip_of(c, total_rows(c) - 1) + 1) * records(c) * 32, 4);
}

static void reference(struct kernel_io *io)
{
    const struct pack_case *c = (const void *)io->test;
    const unsigned char *source = io_find(io, "source")->before;
    unsigned char *matrix = (unsigned char *)io_expect_words(io, "matrix");
    const uint32_t in_chunk = 16 / c->size;
    for (uint32_t r = 0; r < c->rows + c->zero_rows; r++) {
        for (uint32_t i = 0; i < chunks_written(c) * in_chunk; i++) {
            const uint32_t row = c->base_row + r, chunk = c->first_chunk + i / in_chunk;
            const size_t record = (size_t)strip_of(c, row) * records(c) + chunk / 2;
            unsigned char *to =
                matrix + record * 512 + row % 16 * 32 + chunk % 2 * 16 + i % in_chunk * c->size;
            const size_t from = transposed(c) ? (size_t)i * line_pitch(c) + (size_t)r * pitch(c)
                                              : (size_t)r * line_pitch(c) + (size_t)i * pitch(c);
            memset(to, 0, c->size);
            if (r < c->rows && i < c->columns)
                memcpy(to, source + from, c->size);
        }
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct pack_case *c = (const void *)io->test;
    SET_PUSH(io, pack_weights, .row_pitch = transposed(c) ? pitch(c) : line_pitch(c),
        .column_pitch = transposed(c) ? line_pitch(c) : pitch(c), .rows = c->rows,
        .columns = c->columns, .rows_written = c->rows + c->zero_rows,
        .first_chunk = c->first_chunk, .chunks_written = chunks_written(c), .base_row = c->base_row,
        .strip_stride = MAX(c->stride, 1), .strip_phase = c->phase, .records = records(c),
        AT(source) AT(matrix));
    const struct pack_weights_push *push = (const void *)io->push;
    const uint32_t lanes = transposed(c)
        ? push->rows_written * push->chunks_written
        : (uint32_t)(align_up(push->rows_written, 16) * align_up(push->chunks_written, 2));
    *d = (struct dispatch){
        .spec = {
            [PACK_LANES] = io->shape.lanes,
            [PACK_SIZE] = c->size,
            [PACK_FORM] = c->form,
        },
        .groups = div_up(lanes, io->shape.lanes),
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct pack_case *c = (const void *)test;
    return 2 * (uint64_t)c->rows * c->columns * c->size;
}

MOVING_SUITE(pack_weights, NULL, reference)
