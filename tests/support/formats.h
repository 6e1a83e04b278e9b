// formats.h - the formats of weights in double, written apart from src/ so that each checks the
// other: tests/formats/<name>.c for each row of src/weights/formats.def.
#ifndef VKMOE_TESTS_FORMATS_H
#define VKMOE_TESTS_FORMATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vkmoe/vkmoe.h>

// Blocks, and what the packed order does with them, are explained in src/weights/formats.def.
struct test_format {
    const char *name;
    uint32_t elements, bytes, lead;
    // One block. Values that it holds exactly stay what they are.
    void (*encode)(const double *values, void *block);
    void (*decode)(const void *block, double *values);
};

#define FORMAT(name, ...) extern const struct test_format test_format_##name;
#include "weights/formats.def"

#define TEST_FORMAT_MAX_ELEMENTS 256

// Ends the program if there is none such.
const struct test_format *test_format(enum vkmoe_dtype dtype);

// What files call it.
const char *format_in_checkpoints(enum vkmoe_dtype dtype);

// How many there are: dtypes from 0 on.
extern const uint32_t test_format_count;

// The bytes of `count` elements, whole blocks.
size_t format_bytes(enum vkmoe_dtype dtype, size_t count);

// Whole blocks, one after the other.
void format_encode(enum vkmoe_dtype dtype, const double *values, size_t count, void *to);
void format_decode(enum vkmoe_dtype dtype, const void *from, size_t count, double *values);
// Values as they are once stored.
void format_round(enum vkmoe_dtype dtype, double *values, size_t count);

// The block that the element (row, column) of a view of `columns` columns begins.
const void *format_at(
    const struct vkmoe_view *view, uint32_t columns, uint32_t row, uint32_t column);

// VKMOE_TEST_DTYPE, "f16", asks that tables of cases are run with matrices in that format; false:
// it asks for none. Ends the program if there is none such.
bool format_asked(enum vkmoe_dtype *out);

// The width that whole blocks need.
uint32_t format_width(enum vkmoe_dtype dtype, uint32_t width);

// The packed order, see shaders/lib/weights.glsl: the size of a matrix of so many blocks of 8 rows
// and units of 8 columns, and the place in it of a row's byte, counted as in a file.
size_t packed_size(enum vkmoe_dtype dtype, uint32_t blocks, uint32_t units);
size_t packed_offset(enum vkmoe_dtype dtype, uint32_t units, uint32_t row, size_t byte);
// Within a record: of byte `byte` of what one of its 16 rows has in it, `row_bytes`, whose
// pieces begin at byte `lead`.
size_t packed_place(size_t row_bytes, size_t lead, size_t row, size_t byte);

#endif
