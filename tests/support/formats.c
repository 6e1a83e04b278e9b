// formats.c - see formats.h.
#include "formats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct test_format *const formats[] = {
#define FORMAT(name, NAME, value, ...) [value] = &test_format_##name,
#include "weights/formats.def"
};
const uint32_t test_format_count = sizeof formats / sizeof *formats;

const struct test_format *test_format(enum vkmoe_dtype dtype)
{
    if ((unsigned)dtype >= test_format_count) {
        fprintf(stderr, "there is no format %d\n", (int)dtype);
        abort();
    }
    return formats[dtype];
}

const char *format_in_checkpoints(enum vkmoe_dtype dtype)
{
    static const char *const names[] = {
#define FORMAT(name, NAME, value, elements, bytes, lead, checkpoints) [value] = (checkpoints),
#include "weights/formats.def"
    };
    return names[dtype];
}

static size_t blocks_of(const struct test_format *format, size_t count)
{
    if (count % format->elements) {
        fprintf(stderr, "%zu elements are not whole blocks of %s\n", count, format->name);
        abort();
    }
    return count / format->elements;
}

bool format_asked(enum vkmoe_dtype *out)
{
    const char *name = getenv("VKMOE_TEST_DTYPE");
    for (uint32_t i = 0; name && i < test_format_count; i++) {
        *out = (enum vkmoe_dtype)i;
        if (strcmp(formats[i]->name, name) == 0)
            return true;
    }
    if (name) {
        fprintf(stderr, "VKMOE_TEST_DTYPE: there is no format %s\n", name);
        exit(2);
    }
    return false;
}

uint32_t format_width(enum vkmoe_dtype dtype, uint32_t width)
{
    const uint32_t elements = test_format(dtype)->elements;
    return (width + elements - 1) / elements * elements;
}

size_t format_bytes(enum vkmoe_dtype dtype, size_t count)
{
    return blocks_of(test_format(dtype), count) * test_format(dtype)->bytes;
}

void format_encode(enum vkmoe_dtype dtype, const double *values, size_t count, void *to)
{
    const struct test_format *format = test_format(dtype);
    const size_t blocks = blocks_of(format, count);
    for (size_t b = 0; b < blocks; b++)
        format->encode(values + b * format->elements, (char *)to + b * format->bytes);
}

void format_decode(enum vkmoe_dtype dtype, const void *from, size_t count, double *values)
{
    const struct test_format *format = test_format(dtype);
    const size_t blocks = blocks_of(format, count);
    for (size_t b = 0; b < blocks; b++)
        format->decode((const char *)from + b * format->bytes, values + b * format->elements);
}

void format_round(enum vkmoe_dtype dtype, double *values, size_t count)
{
    const struct test_format *format = test_format(dtype);
    unsigned char block[8 * TEST_FORMAT_MAX_ELEMENTS];
    for (size_t i = 0; i < blocks_of(format, count) * format->elements; i += format->elements) {
        format->encode(values + i, block);
        format->decode(block, values + i);
    }
}

const void *format_at(
    const struct vkmoe_view *view, uint32_t columns, uint32_t row, uint32_t column)
{
    const struct test_format *format = test_format(view->dtype);
    const int64_t row_stride = view->row_stride ? view->row_stride : columns;
    const int64_t column_stride = view->column_stride ? view->column_stride : 1;
    const int64_t element = row * row_stride + column * column_stride;
    return (const char *)view->data + element / (int64_t)format->elements * (int64_t)format->bytes;
}

// ---------------------------------------------------------------------------- packed

// A record: 16 rows, and along K 32 bytes or a longer block.
struct record {
    size_t row_bytes, size;
    size_t columns;
};

static struct record record_of(const struct test_format *format)
{
    struct record r = { .columns = format->elements };
    if (format->elements == 1)
        r.columns = 32 / format->bytes;
    r.row_bytes = r.columns / format->elements * format->bytes;
    r.size = 16 * r.row_bytes;
    return r;
}

static size_t records_of(const struct record *r, uint32_t units)
{
    return (units * (size_t)8 + r->columns - 1) / r->columns;
}

size_t packed_size(enum vkmoe_dtype dtype, uint32_t blocks, uint32_t units)
{
    const struct record r = record_of(test_format(dtype));
    return (blocks + 1) / 2 * records_of(&r, units) * r.size;
}

size_t packed_offset(enum vkmoe_dtype dtype, uint32_t units, uint32_t row, size_t byte)
{
    const struct test_format *format = test_format(dtype);
    const struct record r = record_of(format);
    const size_t in = byte % r.row_bytes;
    const size_t begin = (row / 16 * records_of(&r, units) + byte / r.row_bytes) * r.size;
    return begin + packed_place(r.row_bytes, format->lead, row % 16, in);
}

size_t packed_place(size_t row_bytes, size_t lead, size_t row, size_t byte)
{
    const size_t at = (byte + row_bytes - lead) % row_bytes;
    size_t begin = 0;
    for (size_t piece = 32; piece > 0; piece /= 2) {
        while (row_bytes - begin >= piece) {
            if (at < begin + piece)
                return 16 * begin + row * piece + at - begin;
            begin += piece;
        }
    }
    return SIZE_MAX; // there is no such byte
}
