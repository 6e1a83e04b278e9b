// pack_host.c - the host's form of the kernels pack_weights and pack_blocks: the same rectangle,
// with the same bits. What the loops move is whole chunks; edges go element by element.
#include "weights/pack.h"

#include <string.h>

#include "base/common.h"

#define CHUNK 16
#define RUN (2 * CHUNK) // what a row has of a record

struct task {
    const struct pack_weights_push *push;
    uint32_t size;     // of an element
    uint32_t elements; // of a chunk
    const unsigned char *source;
    unsigned char *matrix;
};

// Where the chunk of the row is; those of the strip's other rows follow, a record's two chunks
// beside each other.
static unsigned char *target(const struct task *t, uint32_t row, uint32_t chunk)
{
    const struct pack_weights_push *p = t->push;
    const uint32_t r = p->base_row + row, at = p->first_chunk + chunk;
    const uint64_t strip = (uint64_t)(r / STRIP_ROWS) * p->strip_stride + p->strip_phase;
    const uint64_t record = strip * p->records + at / 2;
    return t->matrix + (record * STRIP_ROWS + r % STRIP_ROWS) * RUN + at % 2 * CHUNK;
}

static void pack_edge(const struct task *t, uint32_t row, uint32_t chunk)
{
    const struct pack_weights_push *p = t->push;
    unsigned char *to = target(t, row, chunk);
    memset(to, 0, CHUNK);
    for (uint32_t i = 0; i < t->elements; i++) {
        const uint32_t column = chunk * t->elements + i;
        if (row < p->rows && column < p->columns)
            memcpy(to + i * t->size,
                t->source + (size_t)row * p->row_pitch + (size_t)column * p->column_pitch, t->size);
    }
}

// The rows of a whole strip, and of each the first `runs` runs, elements side by side.
static void pack_rows(const struct task *t, uint32_t row, uint32_t runs)
{
    const size_t pitch = t->push->row_pitch;
    const unsigned char *from = t->source + row * pitch;
    unsigned char *to = target(t, row, 0);
    for (uint32_t i = 0; i < runs; i++, from += RUN, to += STRIP_ROWS * RUN) {
        for (uint32_t r = 0; r < STRIP_ROWS; r++)
            memcpy(to + r * RUN, from + r * pitch, RUN);
    }
}

// The same with other pitches.
#define PACK_ELEMENTS_OF(type) \
    static void pack_##type(const struct task *t, uint32_t row, uint32_t runs) \
    { \
        enum { ELEMENTS = RUN / sizeof(type) }; \
        const size_t pitch = t->push->row_pitch, step = t->push->column_pitch; \
        const unsigned char *from = t->source + row * pitch; \
        unsigned char *to = target(t, row, 0); \
        for (uint32_t n = 0; n < runs; n++, to += STRIP_ROWS * RUN, from += ELEMENTS * step) { \
            type bits[STRIP_ROWS][ELEMENTS]; \
            for (uint32_t i = 0; i < ELEMENTS; i++) \
                for (uint32_t r = 0; r < STRIP_ROWS; r++) \
                    memcpy(&bits[r][i], from + i * step + r * pitch, sizeof(type)); \
            memcpy(to, bits, sizeof bits); \
        } \
    }
PACK_ELEMENTS_OF(uint16_t)
PACK_ELEMENTS_OF(uint32_t)

void vkmoe_pack_on_host(
    const struct pack_weights_push *p, uint32_t element_size, const void *source, void *matrix)
{
    const struct task t = {
        .push = p,
        .size = element_size,
        .elements = CHUNK / element_size,
        .source = source,
        .matrix = matrix,
    };
    // Without an edge, from the beginning of a record on.
    const uint32_t runs = p->first_chunk % 2 == 0 ? p->columns / t.elements / 2 : 0;
    for (uint32_t row = 0; row < p->rows_written;) {
        const bool is_strip = (p->base_row + row) % STRIP_ROWS == 0 && p->rows >= STRIP_ROWS
            && row <= p->rows - STRIP_ROWS;
        const uint32_t rows = is_strip ? STRIP_ROWS : 1;
        if (is_strip && p->column_pitch == element_size)
            pack_rows(&t, row, runs);
        else if (is_strip && element_size == 2)
            pack_uint16_t(&t, row, runs);
        else if (is_strip)
            pack_uint32_t(&t, row, runs);
        for (uint32_t r = row; r < row + rows; r++) {
            for (uint32_t c = is_strip ? 2 * runs : 0; c < p->chunks_written; c++)
                pack_edge(&t, r, c);
        }
        row += rows;
    }
}

// Where in a record the bytes from `at` on of a row's block are, counted from its `lead` on: up to
// the end of the piece that they begin, `size` bytes.
static size_t piece_place(size_t bytes, uint32_t row, size_t at, size_t *size)
{
    *size = 2 * CHUNK;
    while (*size > bytes - at)
        *size /= 2;
    return at * STRIP_ROWS + row * *size;
}

static void pack_block(
    const struct format *format, uint32_t row, const unsigned char *from, unsigned char *record)
{
    unsigned char block[FORMAT_MAX_BYTES] = { 0 };
    if (from) {
        const size_t rest = format->bytes - format->lead;
        memcpy(block, from + format->lead, rest);
        memcpy(block + rest, from, format->lead);
    }
    for (size_t at = 0, size; at < format->bytes; at += size) {
        unsigned char *to = record + piece_place(format->bytes, row, at, &size);
        memcpy(to, block + at, size);
    }
}

void vkmoe_pack_blocks_on_host(
    const struct pack_blocks_push *p, enum vkmoe_dtype dtype, const void *source, void *matrix)
{
    const struct format *format = vkmoe_format(dtype);
    const size_t record = vkmoe_packed_record(dtype).size;
    for (uint32_t row = 0; row < p->rows_written; row++) {
        const uint32_t r = p->base_row + row;
        const uint64_t strip = (uint64_t)(r / STRIP_ROWS) * p->strip_stride + p->strip_phase;
        unsigned char *to =
            (unsigned char *)matrix + (strip * p->records + p->first_record) * record;
        const unsigned char *from =
            row < p->rows ? (const unsigned char *)source + (size_t)row * p->row_pitch : NULL;
        for (uint32_t b = 0; b < p->records_written; b++, to += record)
            pack_block(format, r % STRIP_ROWS, from ? from + (size_t)b * format->bytes : NULL, to);
    }
}
