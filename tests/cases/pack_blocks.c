// pack_blocks.c - cases and reference of the rectangles of blocks that are packed. Every byte is
// exact, and what is outside of the rectangle stays as it was.
#include "cases.h"
#include "formats.h"

#include "shaders/pack_blocks.h"

struct pack_case {
    struct kernel_case base;
    uint32_t size, lead; // of a block, in bytes
    uint32_t rows, blocks;
    uint32_t zero_rows; // written after the rectangle
    uint32_t base_row, first_record;
    uint32_t stride, phase; // of strips; 0: 1
    uint32_t line_gap;      // bytes between lines
};

enum { CPU = 1, GPU = 2, ALL = 7 }; // masks of shapes

// A case a row: sizes of blocks are those of formats that files have.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define BOTH .shapes = CPU | GPU
#define MATRIX(bytes, first, r, c) .size = bytes, .lead = first, .rows = r, .blocks = c
#define Q8_0(r, c) MATRIX(34, 2, r, c)

static const struct pack_case cases[] = {
    CASE("q8-0", .timed = true, .shapes = ALL, .everywhere = true), Q8_0(64, 32)},
    CASE("q8-0-gate-and-up", BOTH, .everywhere = true), Q8_0(40, 8), .stride = 2, .phase = 1,
        .zero_rows = 24},
    CASE("q8-0-one", BOTH), Q8_0(1, 1), .zero_rows = 63},
    CASE("q8-0-odd-lines", BOTH), Q8_0(11, 3), .line_gap = 6, .zero_rows = 5},
    // Views below each other: a record is shared, and its other rows are another's.
    CASE("q8-0-from-row-3", BOTH), Q8_0(10, 4), .base_row = 3},
    CASE("q8-0-from-row-13", BOTH), Q8_0(2, 4), .base_row = 13},
    CASE("q8-0-from-row-8-and-record-3", BOTH), Q8_0(16, 2), .base_row = 8, .first_record = 3},
    CASE("q8-0-of-three", BOTH), Q8_0(9, 2), .stride = 3, .phase = 2, .base_row = 5,
        .zero_rows = 2},

    // ------------------------------------------------------------------ other formats' blocks
    CASE("q4-k", BOTH), MATRIX(144, 0, 24, 3)},
    CASE("q6-k", BOTH), MATRIX(210, 0, 11, 2), .base_row = 6},
    CASE("q3-k", BOTH), MATRIX(110, 0, 9, 2), .zero_rows = 7},
    CASE("iq2-xs", BOTH), MATRIX(74, 2, 17, 2), .base_row = 1},
    CASE("mxfp4", BOTH), MATRIX(17, 1, 19, 5), .line_gap = 3},
    CASE("nvfp4", BOTH), MATRIX(36, 4, 8, 4)},
    CASE("e4m3", BOTH), MATRIX(132, 4, 18, 2), .base_row = 2},
    CASE("int4-128", BOTH), MATRIX(69, 5, 21, 2)},
    CASE("int8", BOTH), MATRIX(38, 6, 9, 3), .zero_rows = 7},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64 }, { .lanes = 32 } };

static uint32_t line_pitch(const struct pack_case *c)
{
    return c->blocks * c->size + c->line_gap;
}

static uint32_t record_size(const struct pack_case *c)
{
    return 16 * c->size;
}

static uint32_t records(const struct pack_case *c)
{
    return c->first_record + c->blocks + 1; // the last is not ours
}

static uint32_t strip_of(const struct pack_case *c, uint32_t row)
{
    return row / 16 * MAX(c->stride, 1) + c->phase;
}

static void fill(struct kernel_io *io)
{
    const struct pack_case *c = (const void *)io->test;
    const uint64_t words = align_up((uint64_t)c->rows * line_pitch(c) - c->line_gap, 4) / 4;
    const uint32_t last = c->base_row + c->rows + c->zero_rows - 1;
    struct rng rng = io_rng(io, "source");
    uint32_t *bits = io_add(io, "source", ROLE_IN, words, 1)->before;
    for (uint64_t i = 0; i < words; i++)
        bits[i] = rng_below(&rng, 0xffffffff);
    io_add(io, "matrix", ROLE_OUT,
        (size_t)(strip_of(c, last) + 1) * records(c) * record_size(c) / 16, 4);
}

static void reference(struct kernel_io *io)
{
    const struct pack_case *c = (const void *)io->test;
    const unsigned char *source = io_find(io, "source")->before;
    unsigned char *matrix = (unsigned char *)io_expect_words(io, "matrix");
    for (uint32_t r = 0; r < c->rows + c->zero_rows; r++) {
        const uint32_t row = c->base_row + r;
        for (uint32_t b = 0; b < c->blocks; b++) {
            const size_t record = (size_t)strip_of(c, row) * records(c) + c->first_record + b;
            for (uint32_t i = 0; i < c->size; i++)
                matrix[record * record_size(c) + packed_place(c->size, c->lead, row % 16, i)] =
                    r < c->rows ? source[(size_t)r * line_pitch(c) + b * c->size + i] : 0;
        }
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct pack_case *c = (const void *)io->test;
    const uint32_t rows = c->rows + c->zero_rows;
    SET_PUSH(io, pack_blocks, .row_pitch = line_pitch(c), .rows = c->rows, .rows_written = rows,
        .first_record = c->first_record, .records_written = c->blocks, .records = records(c),
        .base_row = c->base_row, .strip_stride = MAX(c->stride, 1), .strip_phase = c->phase,
        AT(source) AT(matrix));
    *d = (struct dispatch){
        .spec = {
            [PACK_BLOCKS_LANES] = io->shape.lanes,
            [PACK_BLOCKS_BYTES] = c->size,
            [PACK_BLOCKS_LEAD] = c->lead,
        },
        .groups = div_up(div_up(c->base_row % 16 + rows, 16) * c->blocks * (record_size(c) / 16),
            io->shape.lanes),
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct pack_case *c = (const void *)test;
    return 2 * (uint64_t)c->rows * c->blocks * c->size;
}

MOVING_SUITE(pack_blocks, NULL, reference)
