// pack_host.c - the host's form of the kernels pack_weights and pack_blocks: the same rectangle,
// with the same bits. What the loops move is whole chunks; edges go element by element.
#include "weights/pack.h"

#include <string.h>

#include "base/common.h"

#define CHUNK 16
#define BLOCK 8 // rows

struct task {
    const struct pack_weights_push *push;
    uint32_t size;     // of an element
    uint32_t elements; // of a chunk
    const unsigned char *source;
    unsigned char *matrix;
};

// Where the chunk of the row is; the other rows of its block follow.
static unsigned char *target(const struct task *t, uint32_t row, uint32_t chunk)
{
    const struct pack_weights_push *p = t->push;
    const uint32_t r = p->base_row + row;
    const uint64_t block = (uint64_t)(r / BLOCK) * p->block_stride + p->block_phase;
    return t->matrix + ((block * p->chunks + p->first_chunk + chunk) * BLOCK + r % BLOCK) * CHUNK;
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

// Eight rows that are a block, and the first `chunks` chunks of each, elements side by side.
static void pack_rows(const struct task *t, uint32_t row, uint32_t chunks)
{
    const size_t pitch = t->push->row_pitch;
    const unsigned char *from = t->source + row * pitch;
    unsigned char *to = target(t, row, 0);
    for (uint32_t c = 0; c < chunks; c++, from += CHUNK, to += BLOCK * CHUNK) {
        for (uint32_t r = 0; r < BLOCK; r++)
            memcpy(to + r * CHUNK, from + r * pitch, CHUNK);
    }
}

// The same with other pitches.
#define PACK_ELEMENTS_OF(type) \
    static void pack_##type(const struct task *t, uint32_t row, uint32_t chunks) \
    { \
        enum { ELEMENTS = CHUNK / sizeof(type) }; \
        const size_t pitch = t->push->row_pitch, step = t->push->column_pitch; \
        const unsigned char *from = t->source + row * pitch; \
        unsigned char *to = target(t, row, 0); \
        for (uint32_t c = 0; c < chunks; c++, to += BLOCK * CHUNK, from += ELEMENTS * step) { \
            type bits[BLOCK][ELEMENTS]; \
            for (uint32_t i = 0; i < ELEMENTS; i++) \
                for (uint32_t r = 0; r < BLOCK; r++) \
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
    const uint32_t whole = p->columns / t.elements; // chunks without an edge
    for (uint32_t row = 0; row < p->rows_written;) {
        const bool is_block =
            (p->base_row + row) % BLOCK == 0 && p->rows >= BLOCK && row <= p->rows - BLOCK;
        const uint32_t rows = is_block ? BLOCK : 1;
        if (is_block && p->column_pitch == element_size)
            pack_rows(&t, row, whole);
        else if (is_block && element_size == 2)
            pack_uint16_t(&t, row, whole);
        else if (is_block)
            pack_uint32_t(&t, row, whole);
        for (uint32_t r = row; r < row + rows; r++) {
            for (uint32_t c = is_block ? whole : 0; c < p->chunks_written; c++)
                pack_edge(&t, r, c);
        }
        row += rows;
    }
}

void vkmoe_pack_blocks_on_host(
    const struct pack_blocks_push *p, enum vkmoe_dtype dtype, const void *source, void *matrix)
{
    const struct format *format = vkmoe_format(dtype);
    const uint32_t chunks = format->bytes / CHUNK, rest = format->bytes % CHUNK;
    const size_t record = vkmoe_packed_record(dtype).size;
    for (uint32_t row = 0; row < p->rows_written; row++) {
        const uint32_t r = p->base_row + row, lane = r % BLOCK;
        const uint64_t block = (uint64_t)(r / BLOCK) * p->block_stride + p->block_phase;
        unsigned char *to =
            (unsigned char *)matrix + (block * p->records + p->first_record) * record;
        for (uint32_t b = 0; b < p->records_written; b++, to += record) {
            unsigned char *to_rest = to + (size_t)BLOCK * CHUNK * chunks + (size_t)lane * rest;
            static const unsigned char zeros[CHUNK];
            const unsigned char *from = row < p->rows
                ? (const unsigned char *)source + (size_t)row * p->row_pitch + b * format->bytes
                : NULL;
            for (uint32_t c = 0; c < chunks; c++)
                memcpy(to + (size_t)(c * BLOCK + lane) * CHUNK,
                    from ? from + format->lead + c * CHUNK : zeros, CHUNK);
            memcpy(to_rest, from ? from : zeros, format->lead);
            memcpy(to_rest + format->lead, from ? from + format->lead + chunks * CHUNK : zeros,
                rest - format->lead);
        }
    }
}
